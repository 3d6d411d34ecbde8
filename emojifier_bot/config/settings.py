"""The settings: one table, a field for each variable; the bot reads more of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Any, Literal

from emojifier_bot.config.hosts import (
    is_slacks_address,
    read_hosts,
    read_slacks_hosts,
)
from emojifier_bot.emotion_models import EmotionModel, ReadingMode

PREFIX = "EMOJIFIER_"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that no message, log line or traceback shows by accident."""

    _value: str = ""

    def get_secret_value(self) -> str:
        """Return the secret itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(…)" if self._value else "Secret()"


NO_SECRET = Secret()


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting may be."""

    #: In words that follow "must be".
    words: str
    #: Returns the value of a text; raises `ValueError` where it may not be.
    read: Callable[[str], Any] = str
    #: The value stands in no message, however wrong it is.
    is_secret: bool = False


def _text(is_allowed: Callable[[str], object]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not is_allowed(text):
            raise ValueError
        return text

    return read


def _matching(pattern: str) -> Callable[[str], str]:
    return _text(lambda text: re.fullmatch(pattern, text))


def _one_of(*names: str) -> Kind:
    *others, last = (f"`{name}`" for name in names)
    return Kind(f"{', '.join(others)} or {last}", _text(names.__contains__))


def _number(
    convert: Callable[[str], float], least: float, most: float
) -> Callable[[str], float]:
    def read(text: str) -> float:
        number = convert(text)
        if not (text.isascii() and least <= number <= most):
            raise ValueError
        return number

    return read


def _whole(text: str) -> int:
    return int(re.sub(r"\.0+\s*$", "", text))


def _folder(text: str) -> Path | None:
    if text and not Path(text).is_dir():
        raise ValueError
    return Path(text) if text else None


def _database_url(text: str) -> str:
    """Return the URL that SQLAlchemy wants; others also write ``postgres://``."""
    if re.fullmatch(r"sqlite:///.+", text):
        return text
    if not (parts := _POSTGRES_URL.fullmatch(text)) or not parts[1]:
        raise ValueError
    return f"postgresql+psycopg://{parts[1]}"


AT_LEAST_ONE = Kind("a whole number, 1 or more", _number(_whole, 1, inf))
COUNT = Kind("a whole number, 0 or more", _number(_whole, 0, inf))
CONFIDENCE = Kind("a number from 0.01 to 1", _number(float, 0.01, 1))
#: The least is above 0 and below all that makes sense.
SECONDS = Kind("seconds, above 0, 600 at most", _number(float, 1e-9, 600))
PORT = Kind("a port, 0 to 65535", _number(_whole, 0, 65535))
TEXT = Kind("text")
BACKEND = Kind("the name of a back end", _matching(r"(?s).+"))
THEME = Kind("a theme's name, or the path of its folder", _matching(r"(?s).+"))
MODEL_DIR = Kind("a model's folder, or empty", _folder)
#: Stands for no model in place of the shipped one.
NO_MODEL = "none"
OPTIONAL_MODEL_DIR = Kind(
    f"a model's folder, `{NO_MODEL}`, or empty",
    lambda text: NO_MODEL if text == NO_MODEL else _folder(text),
)
EMOTION_MODEL = _one_of(*EmotionModel)
READING = _one_of(*ReadingMode)
FALLBACK = _one_of("local", "fail")
LOG_LEVEL = _one_of("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMAT = _one_of("text", "json")
API_KEY = Kind("the key as its vendor shows it", Secret, is_secret=True)
SECRET = Kind("the secret as Slack or `keys new` shows it", Secret, is_secret=True)
#: It may hold a password. It is checked when it is used: other programs read it too.
PROXY = Kind("the address of an HTTP proxy", Secret, is_secret=True)
URL = Kind(
    "an address that begins with https:// or http://",
    _matching(r"(https?://[^\s/]+(/\S*)?)?"),
)
#: Slack's mark-up ends a link at `|` and `>`.
HTTPS_URL = Kind(
    "an address that begins with https://",
    _matching(r"(https://[^\s/<>|]+(/[^\s<>|]*)?)?"),
)
#: An `@` in the user's name or the password would make the rest of it the host.
_POSTGRES_URL = re.compile(
    r"postgres(?:ql)?(?:\+psycopg)?://((?:[^@]*@)?[^@/?]*(?:/[^@/?]*)?(?:\?\w+=.*)?)"
)
#: It may hold a password.
DATABASE_URL = Kind(
    "`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`, with `%40` for an `@` "
    "in the password",
    _database_url,
    is_secret=True,
)
COMMAND = Kind(
    "a / and up to 31 small letters, digits, - or _", _matching(r"/[a-z0-9_-]{1,31}")
)
HEADER_NAME = Kind("a header's name", _matching(r"([A-Za-z][A-Za-z0-9-]*)?"))
HOSTS = Kind(
    "hosts (`host` or `host:port`) separated by commas, without wildcards or masks",
    read_hosts,
)
#: Tokens go there: nobody else may stand in these two by mistake.
SLACK_HOSTS = Kind(
    "hosts of Slack separated by commas; for tests, `host:port` of this machine",
    read_slacks_hosts,
)
SLACK_URL = Kind(
    "an https address of Slack; for tests, an address of this machine",
    _text(is_slacks_address),
)


def _setting(default: Any, kind: Kind, text: str, prefix: str = PREFIX) -> Any:
    """Return a field whose variable is the prefix and its name."""
    row = {"kind": kind, "help": text, "prefix": prefix}
    return field(default=default, repr=not kind.is_secret, metadata=row)


def _unprefixed(default: Any, kind: Kind, text: str) -> Any:
    return _setting(default, kind, text, prefix="")


@dataclass(frozen=True, slots=True, eq=False)
class PictureSettings:
    """What emojifying pictures reads; each field is one variable."""

    max_bytes: int = _setting(
        30_000_000, AT_LEAST_ONE, "Largest file that is read, in bytes."
    )
    max_pixels: int = _setting(
        60_000_000, AT_LEAST_ONE, "Largest picture that is decoded, in pixels."
    )
    max_seconds: float = _setting(
        30.0, SECONDS, "Longest animation or video that is read, in seconds."
    )
    max_frames: int = _setting(
        1800, AT_LEAST_ONE, "Most frames of an animation or video that is read."
    )
    max_clip_pixels: int = _setting(
        2_000_000_000,
        AT_LEAST_ONE,
        "Most pixels of all frames of an animation or video together; the default is "
        "30 seconds of 1080p with 30 frames a second.",
    )
    theme: str = _setting("classic", THEME, "The set of emoji.")
    face_backend: str = _unprefixed(
        "local",
        BACKEND,
        "The back end that finds and analyses faces: see docs/backends.md.",
    )
    face_fallback: Literal["local", "fail"] = _unprefixed(
        "local",
        FALLBACK,
        "What to do if a hosted back end is down: use the local models (`local`), "
        "or fail (`fail`).",
    )
    face_api_url: str = _unprefixed(
        "",
        URL,
        "Address of the hosted back end, if it is not the vendor's default; for "
        "Azure your resource's endpoint.",
    )
    face_timeout_seconds: float = _unprefixed(
        10.0, SECONDS, "Time limit of one call to a hosted back end, in seconds."
    )
    face_tries: int = _unprefixed(
        3, AT_LEAST_ONE, "Most calls for one picture, the first one included."
    )
    face_budget_seconds: float = _unprefixed(
        20.0, SECONDS, "Time limit of all calls for one picture, in seconds."
    )
    aws_access_key_id: Secret = _unprefixed(
        NO_SECRET,
        API_KEY,
        "For Rekognition. If empty, botocore uses the same sources as AWS's own tools.",
    )
    aws_secret_access_key: Secret = _unprefixed(
        NO_SECRET, API_KEY, "For Rekognition, with the other key."
    )
    aws_session_token: Secret = _unprefixed(
        NO_SECRET, API_KEY, "For Rekognition, with temporary keys."
    )
    aws_region: str = _unprefixed("us-east-1", TEXT, "The region of Rekognition.")
    google_api_key: Secret = _unprefixed(NO_SECRET, API_KEY, "For Google Vision.")
    azure_face_key: Secret = _unprefixed(NO_SECRET, API_KEY, "For Azure Face.")
    facepp_api_key: Secret = _unprefixed(NO_SECRET, API_KEY, "For Face++.")
    facepp_api_secret: Secret = _unprefixed(
        NO_SECRET, API_KEY, "For Face++, with the key."
    )
    min_confidence: float = _setting(
        0.72, CONFIDENCE, "Minimum confidence of a detected face."
    )
    reading: str = _setting(
        ReadingMode.EXPRESSIONS.value,
        READING,
        "What is read of faces: `expressions`; `shapes`, where texts only name what is "
        "visible; or `off`, where no emotion model is loaded. See docs/privacy.md.",
    )
    emotion_model: str = _setting(
        EmotionModel.FUSED.value,
        EMOTION_MODEL,
        "The emotion classifier: `fused` uses landmarks and pixels, the others only "
        "points.",
    )
    detector_model: Path | None = _setting(
        None, MODEL_DIR, "Folder of a detector that replaces the shipped one."
    )
    rescorer_model: Path | Literal["none"] | None = _setting(
        None,
        OPTIONAL_MODEL_DIR,
        "Folder of a rescorer that replaces the shipped one; `none`: the "
        "detector alone decides what is a face.",
    )
    landmarks_model: Path | None = _setting(
        None, MODEL_DIR, "Folder of a landmark model that replaces the shipped one."
    )
    emotion_model_dir: Path | None = _setting(
        None, MODEL_DIR, "Folder of an emotion model that replaces the shipped one."
    )
    threads: int = _setting(
        0, COUNT, "Threads for the models, 4 at most; 0 means one per core."
    )
    https_proxy: Secret = _unprefixed(
        NO_SECRET,
        PROXY,
        "HTTP proxy for calls to https addresses, "
        "`http://USER:PASSWORD@proxy.example.com:3128`: see docs/operations.md.",
    )
    http_proxy: Secret = _unprefixed(
        NO_SECRET, PROXY, "HTTP proxy for calls to http addresses."
    )
    no_proxy: str = _unprefixed(
        "",
        TEXT,
        "Hosts that are reached without a proxy, separated by commas; a name stands "
        "for all below it too.",
    )
    ssl_cert_file: str = _unprefixed(
        "",
        TEXT,
        "File of the certificates to trust in place of the usual ones, in PEM format.",
    )
    fetch_allow_hosts: frozenset[str] = _unprefixed(
        frozenset(),
        HOSTS,
        "Private hosts from which pictures may be fetched (`host` or `host:port`, "
        "separated by commas). For tests and intranets.",
    )
    log_level: str = _setting("WARNING", LOG_LEVEL, "The lowest level that is logged.")
    log_format: Literal["text", "json"] = _setting(
        "text", LOG_FORMAT, "Lines of text for people, or JSON objects for machines."
    )


@dataclass(frozen=True, slots=True, eq=False)
class Settings(PictureSettings):
    """Everything that can be set from outside: what the bot reads besides."""

    decode_memory_mb: int = _setting(
        550,
        AT_LEAST_ONE,
        "Memory limit for decoding one picture from Slack, in megabytes; "
        "docs/security.md says how large a picture of each format may then be.",
    )
    picture_memory_mb: int = _setting(
        400,
        AT_LEAST_ONE,
        "Memory limit for a picture from Slack once it is decoded, in megabytes: 4 "
        "bytes for each pixel, and what finding faces and encoding take.",
    )
    decode_cpu_seconds: int = _setting(
        20,
        AT_LEAST_ONE,
        "Processor time for decoding a picture from Slack, in seconds.",
    )
    decode_seconds: float = _setting(
        40.0, SECONDS, "Wall time for decoding a picture from Slack, in seconds."
    )
    clip_seconds: float = _setting(
        300.0,
        SECONDS,
        "Wall time for an animation or a video from Slack, in seconds: decoding it "
        "twice, finding faces and encoding it.",
    )
    slack_client_id: str = _unprefixed(
        "", TEXT, "The app's client ID, for *Add to Slack*."
    )
    slack_client_secret: Secret = _unprefixed(
        NO_SECRET, SECRET, "The app's client secret."
    )
    slack_signing_secret: Secret = _unprefixed(
        NO_SECRET,
        SECRET,
        "The app's signing secret, which proves that a request comes from Slack.",
    )
    slack_bot_token: Secret = _unprefixed(
        NO_SECRET,
        SECRET,
        "A bot token, `xoxb-…`, for one workspace without *Add to Slack*.",
    )
    slack_app_token: Secret = _unprefixed(
        NO_SECRET,
        SECRET,
        "An app-level token, `xapp-…`, for Socket Mode, without a public address.",
    )
    slack_command: str = _unprefixed(
        "/emojify",
        COMMAND,
        "The slash command's name in your Slack app, for the bot's texts.",
    )
    public_url: str = _unprefixed(
        "", URL, "The bot's public address, for example https://bot.example.com."
    )
    support_contact: str = _unprefixed("", TEXT, "Contact address on the support page.")
    source_url: str = _setting(
        "",
        HTTPS_URL,
        "Where the source of this bot can be read; the home tab links it.",
    )
    encryption_keys: Secret = _unprefixed(
        NO_SECRET,
        SECRET,
        "Keys that encrypt stored tokens, newest first, separated by commas; "
        "`keys new` prints one. If empty, a key is kept in a file beside the SQLite "
        "database.",
    )
    database_url: str = _unprefixed(
        "sqlite:///emojifier-bot.db",
        DATABASE_URL,
        "The database for jobs and workspaces.",
    )
    host: str = _unprefixed("127.0.0.1", TEXT, "The address that `serve` listens on.")
    port: int = _unprefixed(3000, PORT, "The port that `serve` listens on.")
    metrics_host: str = _unprefixed(
        "127.0.0.1", TEXT, "The address that metrics are served on."
    )
    metrics_port: int = _unprefixed(
        9464,
        PORT,
        "The first port for metrics. Each process takes the first free port from "
        "here on.",
    )
    web_threads: int = _setting(
        16, AT_LEAST_ONE, "Threads that answer Slack and browsers."
    )
    client_address_header: str = _setting(
        "",
        HEADER_NAME,
        "Header in which the reverse proxy passes on the client's address; its "
        "last entry is used. If empty, no header is trusted, and all clients behind "
        "one proxy share its rate limits.",
    )
    worker_concurrency: int = _setting(
        2, AT_LEAST_ONE, "Pictures that one worker processes in parallel."
    )
    queue_limit: int = _setting(
        1000, AT_LEAST_ONE, "Number of waiting jobs above which new ones are refused."
    )
    user_per_minute: int = _setting(
        10, COUNT, "Pictures that one person may ask for per minute; 0 means no limit."
    )
    workspace_per_hour: int = _setting(
        600,
        COUNT,
        "Pictures that one workspace may ask for per hour; 0 means no limit.",
    )
    workspace_per_day: int = _setting(
        3000,
        COUNT,
        "Pictures that one workspace may ask for per day; 0 means no limit.",
    )
    slack_api_url: str = _unprefixed(
        "https://slack.com/api/",
        SLACK_URL,
        "Base address of Slack's Web API. Change it only for tests.",
    )
    slack_authorize_url: str = _unprefixed(
        "https://slack.com/oauth/v2/authorize",
        SLACK_URL,
        "Slack's page for *Add to Slack*. Change it only for tests.",
    )
    slack_file_hosts: frozenset[str] = _unprefixed(
        frozenset({"files.slack.com", "slack-files.com"}),
        SLACK_HOSTS,
        "Hosts that get the token to download files (`host` or `host:port`, "
        "separated by commas). Change it only for tests.",
    )


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of the settings table."""

    #: The field of `Settings`.
    name: str
    #: The environment variable.
    variable: str
    #: As it would be written in the environment; empty for "not set".
    default: str
    kind: Kind
    #: One sentence.
    help: str


def settings_table(
    table: type[PictureSettings] = Settings,
) -> tuple[SettingRow, ...]:
    """Return a row for every setting, in the order of the documentation."""
    rows = []
    for one in fields(table):
        default = "" if one.default in {None, NO_SECRET} else one.default
        if isinstance(default, frozenset):
            default = ",".join(sorted(default))
        variable = one.metadata["prefix"] + one.name.upper()
        kind, text = one.metadata["kind"], one.metadata["help"]
        rows.append(SettingRow(one.name, variable, str(default), kind, text))
    return tuple(rows)
