"""The settings: one table, a field for each variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from emojifier_bot.config.kinds import (
    Allowed,
    ApiKey,
    AtLeastOne,
    Backend,
    Confidence,
    Count,
    DatabaseUrl,
    EmotionModel,
    Fallback,
    HeaderName,
    Hosts,
    LogFormat,
    LogLevel,
    ModelDir,
    Port,
    Seconds,
    Secret,
    SlackHosts,
    SlackUrl,
    Text,
    Theme,
    Url,
)

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PREFIX = "EMOJIFIER_"


def _named(variable: str, default: Any, description: str) -> Any:
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

    max_bytes: AtLeastOne = Field(
        30_000_000, description="Largest file that is read, in bytes."
    )
    max_pixels: AtLeastOne = Field(
        60_000_000, description="Largest picture that is decoded, in pixels."
    )
    decode_memory_mb: AtLeastOne = Field(
        1500,
        description="Memory that decoding one picture from Slack may take, in "
        "megabytes. More than 60 megapixels need more.",
    )
    decode_cpu_seconds: AtLeastOne = Field(
        20, description="Time on the processor for decoding one, in seconds."
    )
    decode_seconds: Seconds = Field(
        40.0, description="Time by the clock for decoding one, in seconds."
    )
    theme: Theme = Field("classic", description="The set of emoji to draw with.")
    face_backend: Backend = _named(
        "FACE_BACKEND", "local", "What finds and reads the faces: see docs/backends.md."
    )
    face_fallback: Fallback = _named(
        "FACE_FALLBACK",
        "local",
        "What reads the faces while a hosted back end is down: the local models, or "
        "nothing (`fail`).",
    )
    face_api_url: Url = _named(
        "FACE_API_URL",
        "",
        "Where the hosted back end answers, in place of its vendor's own address; "
        "Azure: your resource's endpoint.",
    )
    face_timeout_seconds: Seconds = _named(
        "FACE_TIMEOUT_SECONDS", 10.0, "How long one call to a hosted back end may take."
    )
    face_tries: AtLeastOne = _named(
        "FACE_TRIES", 3, "Calls for one picture, the first included."
    )
    face_budget_seconds: Seconds = _named(
        "FACE_BUDGET_SECONDS", 20.0, "What all calls for one picture may take."
    )
    aws_access_key_id: ApiKey = _named(
        "AWS_ACCESS_KEY_ID",
        SecretStr(""),
        "For Rekognition. Empty: botocore looks where AWS's own tools look.",
    )
    aws_secret_access_key: ApiKey = _named(
        "AWS_SECRET_ACCESS_KEY", SecretStr(""), "For Rekognition, with the other key."
    )
    aws_session_token: ApiKey = _named(
        "AWS_SESSION_TOKEN", SecretStr(""), "For Rekognition, with temporary keys."
    )
    aws_region: Text = _named(
        "AWS_REGION", "us-east-1", "Where Rekognition reads the pictures."
    )
    google_api_key: ApiKey = _named(
        "GOOGLE_API_KEY", SecretStr(""), "For Google Vision."
    )
    azure_face_key: ApiKey = _named("AZURE_FACE_KEY", SecretStr(""), "For Azure Face.")
    facepp_api_key: ApiKey = _named("FACEPP_API_KEY", SecretStr(""), "For Face++.")
    facepp_api_secret: ApiKey = _named(
        "FACEPP_API_SECRET", SecretStr(""), "For Face++, with the key."
    )
    min_confidence: Confidence = Field(
        0.6, description="How sure the detector must be that something is a face."
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
    slack_client_id: Text = _named(
        "SLACK_CLIENT_ID", "", "The app's client ID, for *Add to Slack*."
    )
    slack_client_secret: Secret = _named(
        "SLACK_CLIENT_SECRET", SecretStr(""), "The app's client secret."
    )
    slack_signing_secret: Secret = _named(
        "SLACK_SIGNING_SECRET",
        SecretStr(""),
        "The app's signing secret: proves that a request comes from Slack.",
    )
    slack_bot_token: Secret = _named(
        "SLACK_BOT_TOKEN",
        SecretStr(""),
        "A bot token, `xoxb-…`: one workspace, without *Add to Slack*.",
    )
    slack_app_token: Secret = _named(
        "SLACK_APP_TOKEN",
        SecretStr(""),
        "An app-level token, `xapp-…`: Socket Mode, without a public address.",
    )
    public_url: Url = _named(
        "PUBLIC_URL", "", "Where the world reaches the bot: https://bot.example.com."
    )
    support_contact: Text = _named(
        "SUPPORT_CONTACT", "", "Address that the support page names."
    )
    encryption_keys: Secret = _named(
        "ENCRYPTION_KEYS",
        SecretStr(""),
        "Keys for tokens at rest, newest first, by commas; `keys new` prints one. "
        "Empty: kept in a file beside the SQLite database.",
    )
    database_url: DatabaseUrl = _named(
        "DATABASE_URL", "sqlite:///emojifier-bot.db", "Where jobs and workspaces live."
    )
    host: Text = _named("HOST", "127.0.0.1", "The address that `serve` listens on.")
    port: Port = _named("PORT", 3000, "The port that `serve` listens on.")
    metrics_host: Text = _named(
        "METRICS_HOST", "127.0.0.1", "The address that figures are served on."
    )
    metrics_port: Port = _named(
        "METRICS_PORT",
        9464,
        "The port for figures. Each process takes the first free one from here on.",
    )
    web_threads: AtLeastOne = Field(
        16, description="Threads that answer Slack and browsers at the same time."
    )
    client_address_header: HeaderName = Field(
        "",
        description="Header in which the proxy in front names the browser's address; "
        "its last entry counts. Empty: no header is believed, and all that come "
        "through one proxy share its limits.",
    )
    worker_concurrency: AtLeastOne = Field(
        2, description="Jobs that one worker runs at the same time."
    )
    queue_limit: AtLeastOne = Field(
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
    fetch_allow_hosts: Hosts = _named(
        "FETCH_ALLOW_HOSTS",
        "",
        "Private hosts (host or host:port, by commas) that addresses may name. "
        "Off by default; for tests and intranets.",
    )
    slack_api_url: SlackUrl = _named(
        "SLACK_API_URL",
        "https://slack.com/api/",
        "Base of Slack's Web API. Another one is for tests.",
    )
    slack_authorize_url: SlackUrl = _named(
        "SLACK_AUTHORIZE_URL",
        "https://slack.com/oauth/v2/authorize",
        "Where *Add to Slack* leads. Another one is for tests.",
    )
    slack_file_hosts: SlackHosts = _named(
        "SLACK_FILE_HOSTS",
        "files.slack.com,slack-files.com",
        "Hosts (host or host:port, by commas) that may receive the token for files. "
        "Others are for tests.",
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
            variable=variable_of(name),
            default=_default(field),
            allowed=allowed_of(field).words,
            help=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )


def variable_of(name: str) -> str:
    """Return the environment variable of a field."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()


def allowed_of(field: FieldInfo) -> Allowed:
    """Return what a field may be."""
    return next(item for item in field.metadata if isinstance(item, Allowed))


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "" if value is None else str(value)
