"""What a setting may be: types with their checks, and words for what they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, DirectoryPath, Field, SecretStr


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a setting may be, in words that follow "must be"."""

    words: str
    #: Its value stands in no message, be it ever so wrong.
    is_secret: bool = False


AtLeastOne = Annotated[int, Field(ge=1), Allowed("a whole number, 1 or more")]
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
    from emojifier_bot.http.hosts import read_hosts  # noqa: PLC0415 - rarely set

    read_hosts(listed)
    return listed


def _slacks_hosts(listed: str) -> str:
    from emojifier_bot.http.hosts import is_slacks  # noqa: PLC0415 - rarely set

    if not is_slacks(listed):
        raise ValueError
    return listed


def _slacks_address(address: str) -> str:
    from emojifier_bot.http.hosts import is_slacks_address  # noqa: PLC0415 - rarely set

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
