"""The settings: one table, read from the environment in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import DirectoryPath, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from emojifier_bot.errors import ConfigError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

__all__ = ["SettingRow", "Settings", "load_settings", "settings_table"]

PREFIX = "EMOJIFIER_"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a setting may be, in words that follow "must be"."""

    words: str


Limit = Annotated[int, Field(ge=1), Allowed("a whole number, 1 or more")]
Threads = Annotated[int, Field(ge=0), Allowed("a whole number, 0 or more")]
Confidence = Annotated[float, Field(ge=0.01, le=1), Allowed("a number from 0.01 to 1")]
Backend = Annotated[str, Field(min_length=1), Allowed("the name of a back end")]
Theme = Annotated[
    str, Field(min_length=1), Allowed("a theme's name, or the path of its folder")
]
ModelDir = Annotated[DirectoryPath | None, Allowed("a model's folder, or empty")]
EmotionModel = Annotated[
    Literal["fused", "landmarks"], Allowed("`fused` or `landmarks`")
]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"],
    Allowed("`DEBUG`, `INFO`, `WARNING` or `ERROR`"),
]
LogFormat = Annotated[Literal["text", "json"], Allowed("`text` or `json`")]


class Settings(BaseSettings):
    """Everything that can be set from outside; each field is one variable."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    max_bytes: Limit = Field(
        30_000_000, description="Largest file that is read, in bytes."
    )
    max_pixels: Limit = Field(
        60_000_000, description="Largest picture that is decoded, in pixels."
    )
    theme: Theme = Field("classic", description="The set of emoji to draw with.")
    face_backend: Backend = Field(
        "local", description="What finds and reads the faces."
    )
    min_confidence: Confidence = Field(
        0.5, description="How sure the detector must be that something is a face."
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
    threads: Threads = Field(
        0, description="Threads for the models; 0 is one for each core."
    )
    log_level: LogLevel = Field("WARNING", description="The least that is logged.")
    log_format: LogFormat = Field(
        "text", description="Lines for people, or objects for machines."
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
            default="" if field.default is None else str(field.default),
            allowed=_allowed(field),
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


def _problem(error: ErrorDetails) -> str:
    name = str(error["loc"][0])
    allowed = _allowed(Settings.model_fields[name])
    return f"{_variable(name)} is {str(error['input'])!r}, but must be {allowed}."


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _allowed(field: FieldInfo) -> str:
    return next(item.words for item in field.metadata if isinstance(item, Allowed))
