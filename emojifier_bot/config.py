"""The settings: one table, read from the environment in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    DirectoryPath,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    SettingsConfigDict,
)

from emojifier_bot.errors import ConfigError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

__all__ = [
    "SettingRow",
    "Settings",
    "bot_problems",
    "is_bot_set_up",
    "load_settings",
    "load_sound_settings",
    "settings_table",
    "unknown_names",
]

PREFIX = "EMOJIFIER_"
#: Names that begin so are meant for the bot.
OUR_BEGINNINGS = (PREFIX, "SLACK_")
#: How alike two names must be for one to be a slip of the other, 0 to 1.
SLIP = 0.8


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a setting may be, in words that follow "must be"."""

    words: str
    #: Its value stands in no message, be it ever so wrong.
    is_secret: bool = False


Limit = Annotated[int, Field(ge=1), Allowed("a whole number, 1 or more")]
Count = Annotated[int, Field(ge=0), Allowed("a whole number, 0 or more")]
Confidence = Annotated[float, Field(ge=0.01, le=1), Allowed("a number from 0.01 to 1")]
Backend = Annotated[str, Field(min_length=1), Allowed("the name of a back end")]
Theme = Annotated[
    str, Field(min_length=1), Allowed("a theme's name, or the path of its folder")
]
ModelDir = Annotated[DirectoryPath | None, Allowed("a model's folder, or empty")]
EmotionModel = Annotated[
    Literal["fused", "landmarks", "shared_points"],
    Allowed("`fused`, `landmarks` or `shared_points`"),
]
Fallback = Annotated[Literal["local", "fail"], Allowed("`local` or `fail`")]
Seconds = Annotated[
    float, Field(gt=0, le=600), Allowed("seconds, above 0, 600 at most")
]
ApiKey = Annotated[SecretStr, Allowed("the key as its vendor shows it", is_secret=True)]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"],
    Allowed("`DEBUG`, `INFO`, `WARNING` or `ERROR`"),
]
Port = Annotated[int, Field(ge=0, le=65535), Allowed("a port, 0 to 65535")]
Text = Annotated[str, Allowed("text")]
Secret = Annotated[
    SecretStr, Allowed("the secret as Slack or `keys new` shows it", is_secret=True)
]
Url = Annotated[
    str,
    Field(pattern=r"^(https?://[^\s/]+(/\S*)?)?$"),
    Allowed("an address that begins with https:// or http://"),
]
DatabaseUrl = Annotated[
    str,
    # Without repr: it may hold a password.
    Field(pattern=r"^(sqlite:///.+|postgresql\+psycopg://.+)$", repr=False),
    Allowed(
        "`sqlite:///FILE` or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`",
        is_secret=True,
    ),
]
LogFormat = Annotated[Literal["text", "json"], Allowed("`text` or `json`")]


def _hosts(listed: str) -> str:
    from emojifier_bot.net.hosts import read_hosts  # noqa: PLC0415 - rarely set

    read_hosts(listed)
    return listed


def _slacks_hosts(listed: str) -> str:
    from emojifier_bot.net.hosts import is_slacks  # noqa: PLC0415 - rarely set

    if not is_slacks(listed):
        raise ValueError
    return listed


def _slacks_address(address: str) -> str:
    from emojifier_bot.net.hosts import is_slacks_address  # noqa: PLC0415 - rarely set

    if not is_slacks_address(address):
        raise ValueError
    return address


Hosts = Annotated[
    str,
    AfterValidator(_hosts),
    Allowed("hosts, `host` or `host:port`, by commas, without wildcards or masks"),
]
#: Tokens go there: nobody else may stand in these three by mistake.
SlackHosts = Annotated[
    str,
    AfterValidator(_slacks_hosts),
    Allowed("hosts of Slack's by commas, for tests this machine's as `host:port`"),
]
SlackUrl = Annotated[
    str,
    AfterValidator(_slacks_address),
    Allowed("an https address of Slack's, for tests one of this machine"),
]
HeaderName = Annotated[
    str, Field(pattern=r"^([A-Za-z][A-Za-z0-9-]*)?$"), Allowed("a header's name")
]


def _slack(variable: str, default: Any, description: str) -> Any:
    """Return a field that is set by a name without our prefix, as others know it."""
    return Field(default, validation_alias=variable, description=description)


class Settings(BaseSettings):
    """Everything that can be set from outside; each field is one variable."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        frozen=True,
        # What pydantic says may be logged as the cause of what we say.
        hide_input_in_errors=True,
    )

    max_bytes: Limit = Field(
        30_000_000, description="Largest file that is read, in bytes."
    )
    max_pixels: Limit = Field(
        60_000_000, description="Largest picture that is decoded, in pixels."
    )
    decode_memory_mb: Limit = Field(
        1500,
        description="Memory that decoding one picture from Slack may take, in "
        "megabytes. More than 60 megapixels need more.",
    )
    decode_cpu_seconds: Limit = Field(
        20, description="Time on the processor for decoding one, in seconds."
    )
    decode_seconds: Seconds = Field(
        40.0, description="Time by the clock for decoding one, in seconds."
    )
    theme: Theme = Field("classic", description="The set of emoji to draw with.")
    face_backend: Backend = _slack(
        "FACE_BACKEND", "local", "What finds and reads the faces: see docs/backends.md."
    )
    face_fallback: Fallback = _slack(
        "FACE_FALLBACK",
        "local",
        "What reads the faces while a hosted back end is down: the local models, or "
        "nothing (`fail`).",
    )
    face_api_url: Url = _slack(
        "FACE_API_URL",
        "",
        "Where the hosted back end answers, in place of its vendor's own address; "
        "Azure: your resource's endpoint.",
    )
    face_timeout_seconds: Seconds = _slack(
        "FACE_TIMEOUT_SECONDS", 10.0, "How long one call to a hosted back end may take."
    )
    face_tries: Limit = _slack(
        "FACE_TRIES", 3, "Calls for one picture, the first included."
    )
    face_budget_seconds: Seconds = _slack(
        "FACE_BUDGET_SECONDS", 20.0, "What all calls for one picture may take."
    )
    aws_access_key_id: ApiKey = _slack(
        "AWS_ACCESS_KEY_ID",
        SecretStr(""),
        "For Rekognition. Empty: botocore looks where AWS's own tools look.",
    )
    aws_secret_access_key: ApiKey = _slack(
        "AWS_SECRET_ACCESS_KEY", SecretStr(""), "For Rekognition, with the other key."
    )
    aws_session_token: ApiKey = _slack(
        "AWS_SESSION_TOKEN", SecretStr(""), "For Rekognition, with temporary keys."
    )
    aws_region: Text = _slack(
        "AWS_REGION", "us-east-1", "Where Rekognition reads the pictures."
    )
    google_api_key: ApiKey = _slack(
        "GOOGLE_API_KEY", SecretStr(""), "For Google Vision."
    )
    azure_face_key: ApiKey = _slack("AZURE_FACE_KEY", SecretStr(""), "For Azure Face.")
    facepp_api_key: ApiKey = _slack("FACEPP_API_KEY", SecretStr(""), "For Face++.")
    facepp_api_secret: ApiKey = _slack(
        "FACEPP_API_SECRET", SecretStr(""), "For Face++, with the key."
    )
    min_confidence: Confidence = Field(
        0.55, description="How sure the detector must be that something is a face."
    )
    emotion_model: EmotionModel = Field(
        "fused",
        description="What reads the expression: landmarks alone, or the picture too.",
    )
    detector_model: ModelDir = Field(
        None, description="Folder of a detector that replaces the shipped one."
    )
    landmarks_model: ModelDir = Field(
        None, description="Folder of a landmark model that replaces the shipped one."
    )
    emotion_model_dir: ModelDir = Field(
        None, description="Folder of an emotion model that replaces the shipped one."
    )
    threads: Count = Field(
        0, description="Threads for the models; 0 is one for each core."
    )
    slack_client_id: Text = _slack(
        "SLACK_CLIENT_ID", "", "The app's client ID, for *Add to Slack*."
    )
    slack_client_secret: Secret = _slack(
        "SLACK_CLIENT_SECRET", SecretStr(""), "The app's client secret."
    )
    slack_signing_secret: Secret = _slack(
        "SLACK_SIGNING_SECRET",
        SecretStr(""),
        "The app's signing secret: proves that a request comes from Slack.",
    )
    slack_bot_token: Secret = _slack(
        "SLACK_BOT_TOKEN",
        SecretStr(""),
        "A bot token, `xoxb-…`: one workspace, without *Add to Slack*.",
    )
    slack_app_token: Secret = _slack(
        "SLACK_APP_TOKEN",
        SecretStr(""),
        "An app-level token, `xapp-…`: Socket Mode, without a public address.",
    )
    public_url: Url = _slack(
        "PUBLIC_URL", "", "Where the world reaches the bot: https://bot.example.com."
    )
    support_contact: Text = _slack(
        "SUPPORT_CONTACT", "", "Address that the support page names."
    )
    encryption_keys: Secret = _slack(
        "ENCRYPTION_KEYS",
        SecretStr(""),
        "Keys for tokens at rest, newest first, by commas; `keys new` prints one. "
        "Empty: kept in a file beside the SQLite database.",
    )
    database_url: DatabaseUrl = _slack(
        "DATABASE_URL", "sqlite:///emojifier-bot.db", "Where jobs and workspaces live."
    )
    host: Text = _slack("HOST", "127.0.0.1", "The address that `serve` listens on.")
    port: Port = _slack("PORT", 3000, "The port that `serve` listens on.")
    metrics_host: Text = _slack(
        "METRICS_HOST", "127.0.0.1", "The address that figures are served on."
    )
    metrics_port: Port = _slack(
        "METRICS_PORT",
        9464,
        "The port for figures. Each process takes the first free one from here on.",
    )
    web_threads: Limit = Field(
        16, description="Threads that answer Slack and browsers at the same time."
    )
    client_address_header: HeaderName = Field(
        "",
        description="Header in which the proxy in front names the browser's address; "
        "its last entry counts. Empty: no header is believed, and all that come "
        "through one proxy share its limits.",
    )
    worker_concurrency: Limit = Field(
        2, description="Jobs that one worker runs at the same time."
    )
    queue_limit: Limit = Field(
        1000, description="Waiting jobs from which on new ones are refused."
    )
    user_per_minute: Count = Field(
        10, description="Pictures that one person may ask for in a minute; 0: any."
    )
    workspace_per_hour: Count = Field(
        600, description="Pictures that one workspace may ask for in an hour; 0: any."
    )
    workspace_per_day: Count = Field(
        3000, description="Pictures that one workspace may ask for in a day; 0: any."
    )
    fetch_allow_hosts: Hosts = _slack(
        "FETCH_ALLOW_HOSTS",
        "",
        "Private hosts (host or host:port, by commas) that addresses may name. "
        "Off by default; for tests and intranets.",
    )
    slack_api_url: SlackUrl = _slack(
        "SLACK_API_URL",
        "https://slack.com/api/",
        "Base of Slack's Web API. Another one is for tests.",
    )
    slack_authorize_url: SlackUrl = _slack(
        "SLACK_AUTHORIZE_URL",
        "https://slack.com/oauth/v2/authorize",
        "Where *Add to Slack* leads. Another one is for tests.",
    )
    slack_file_hosts: SlackHosts = _slack(
        "SLACK_FILE_HOSTS",
        "files.slack.com,slack-files.com",
        "Hosts (host or host:port, by commas) that may receive the token for files. "
        "Others are for tests.",
    )
    log_level: LogLevel = Field("WARNING", description="The least that is logged.")
    log_format: LogFormat = Field(
        "text", description="Lines for people, or objects for machines."
    )


def bot_problems(settings: Settings) -> list[str]:
    """Return what is missing or wrong for the Slack bot, a sentence each.

    Three set-ups work: *Add to Slack* for many workspaces, one workspace by a bot
    token, and that one in Socket Mode, without a public address.
    """
    problems = [
        f"{variable} begins with {begin}, so it is {other}: exchange the two."
        for variable, begin, other, value in (
            (
                "SLACK_BOT_TOKEN",
                "xapp-",
                "an app-level token",
                settings.slack_bot_token,
            ),
            ("SLACK_APP_TOKEN", "xoxb-", "a bot token", settings.slack_app_token),
        )
        if value.get_secret_value().startswith(begin)
    ]
    if not settings.slack_app_token and not settings.slack_signing_secret:
        problems.append(
            "SLACK_SIGNING_SECRET is missing: copy it from *Basic Information* at "
            "https://api.slack.com/apps, or set SLACK_APP_TOKEN for Socket Mode."
        )
    if settings.slack_app_token and not settings.slack_bot_token:
        problems.append(
            "SLACK_BOT_TOKEN is missing: Socket Mode serves the one workspace whose "
            "token *OAuth & Permissions* shows after *Install to Workspace*."
        )
    if not settings.slack_app_token and not settings.slack_bot_token:
        problems += [
            f"{variable} is missing: copy it from *Basic Information* at "
            "https://api.slack.com/apps, or set SLACK_BOT_TOKEN for one workspace."
            for variable, value in (
                ("SLACK_CLIENT_ID", settings.slack_client_id),
                ("SLACK_CLIENT_SECRET", settings.slack_client_secret),
            )
            if not value
        ]
    if settings.database_url.startswith("postgresql") and not settings.encryption_keys:
        problems.append(
            "ENCRYPTION_KEYS is missing: machines that share a PostgreSQL database "
            "share it; `emojifier-bot keys new` prints one."
        )
    return problems


def is_bot_set_up(settings: Settings) -> bool:
    """Return whether anybody began to set the Slack bot up."""
    return bool(
        settings.slack_signing_secret
        or settings.slack_client_id
        or settings.slack_client_secret
        or settings.slack_bot_token
        or settings.slack_app_token
    )


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of the settings table."""

    #: The environment variable.
    variable: str
    #: As it would be written in the environment; empty for "not set".
    default: str
    #: What it may be, in words.
    allowed: str
    #: One sentence.
    help: str


def settings_table() -> tuple[SettingRow, ...]:
    """Return a row for every setting, in the order of the documentation."""
    return tuple(
        SettingRow(
            variable=_variable(name),
            default=_default(field),
            allowed=_allowed(field).words,
            help=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )


def load_settings(**overrides: Any) -> Settings:
    """Read the environment, then the file ``.env`` in the current folder.

    Args:
        overrides: Settings that win over both, as from options of the command line;
            None stands for an option that was not given.

    Raises:
        ConfigError: Some settings are wrong; it lists every one of them.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigError([_problem(one) for one in error.errors()]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            ["The file .env is not UTF-8 text; save it again in that encoding."]
        ) from error


def unknown_names() -> list[str]:
    """Return names that nothing reads but that look meant for us, a sentence each.

    In the environment, names that begin as ours do; in ``.env``, those and any other
    that is a slip of the pen away from a setting.
    """
    known = [row.variable for row in settings_table()]
    environment = EnvSettingsSource(Settings).env_vars
    try:
        file = DotEnvSettingsSource(Settings).env_vars
    except UnicodeDecodeError:
        file = {}  # `load_settings` says so
    return [
        _unknown(name.upper(), known)
        for name in sorted({*environment, *file})
        if name.upper() not in known
        and (name.upper().startswith(OUR_BEGINNINGS) or _meant(name, file, known))
    ]


def _meant(name: str, file: Mapping[str, str | None], known: list[str]) -> bool:
    return name in file and bool(get_close_matches(name.upper(), known, 1, SLIP))


def _unknown(name: str, known: list[str]) -> str:
    nearest = get_close_matches(name, known, 1, SLIP)
    meant = f"; {nearest[0]} is" if nearest else ""
    return f"{name} is no setting{meant}: nothing reads it."


def load_sound_settings() -> Settings:
    """Read what is right; what is wrong stays at its default."""
    given: dict[str, Any] = {}
    while True:
        try:
            return Settings(**given)
        except UnicodeDecodeError:
            # The file says nothing that can be read; the environment may.
            given["_env_file"] = None
        except ValidationError as error:
            for name in map(_name, error.errors()):
                given[name] = Settings.model_fields[name].default


def _name(error: ErrorDetails) -> str:
    # Told by its variable where it has one of its own, else by its name.
    told = str(error["loc"][0])
    return next(n for n in Settings.model_fields if told in (n, _variable(n)))


def _problem(error: ErrorDetails) -> str:
    name = _name(error)
    allowed = _allowed(Settings.model_fields[name])
    if allowed.is_secret:
        return f"{_variable(name)} must be {allowed.words}."
    value = str(error["input"])
    return f"{_variable(name)} is {value!r}, but must be {allowed.words}."


def _variable(name: str) -> str:
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "" if value is None else str(value)


def _allowed(field: FieldInfo) -> Allowed:
    return next(item for item in field.metadata if isinstance(item, Allowed))
