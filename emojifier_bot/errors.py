"""The exception tree. Every message says what happened and what to do next.

EmojifierError
├── ImageError            cannot decode, too large, unsupported, not an image
├── PlanError             a plan does not fit, or a change of it names what is not there
├── RemoteError           the network: each says whether and when to try again
│   ├── FetchError        address refused, not reachable, too big, not public
│   ├── DeliveryError     Slack refused, or did not answer
│   └── HostedApiError    a hosted face API refused, or did not answer
├── BackendError
│   ├── ModelFileError    missing, or its hash differs
│   └── InferenceError    the runtime refused the input
├── QueueError            the queue's database does not answer
│   └── QueueFullError    too many jobs wait
├── StoreError            the database cannot be opened, or does not answer
├── VaultError            a stored secret cannot be opened
├── ThemeError            art or table of a theme is wrong
├── OutputError           the result cannot be written where it should go
└── ConfigError           every problem at once
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, NewType

__all__ = [
    "BackendError",
    "ConfigError",
    "DeliveryError",
    "EmojifierError",
    "ErrorKind",
    "FetchError",
    "HostedApiError",
    "ImageError",
    "InferenceError",
    "ModelFileError",
    "OutputError",
    "PlanError",
    "QueueError",
    "QueueFullError",
    "RemoteError",
    "SlackCode",
    "StoreError",
    "ThemeError",
    "VaultError",
    "reason_of",
]

#: An error code of Slack's that is passed on as it came; `ErrorKind` has those that we
#: act on.
SlackCode = NewType("SlackCode", str)


class ErrorKind(StrEnum):
    """What went wrong, in one word for programs.

    The values are stored with jobs, label metrics and stand in ``--json``: they never
    change. ``slack`` has a sentence for each that somebody in Slack can meet.
    """

    # One for each class of the tree, where nothing more exact is known.
    ERROR = "error"
    IMAGE = "image"
    PLAN = "plan"
    REMOTE = "remote"
    FETCH = "fetch"
    DELIVERY = "delivery"
    FACE_API = "face_api"
    QUEUE = "queue"
    QUEUE_FULL = "queue_full"
    STORE = "store"
    VAULT = "vault"
    BACKEND = "backend"
    MODEL_FILE = "model_file"
    INFERENCE = "inference"
    THEME = "theme"
    OUTPUT = "output"
    CONFIG = "config"

    # Jobs.
    UNEXPECTED = "unexpected"
    DATABASE = "database"
    BUSY = "busy"
    NOT_INSTALLED = "not_installed"
    NOT_SHOWN = "not_shown"
    PREVIEW_FACES = "preview_faces"
    PICTURE_CHANGED = "picture_changed"
    POST_FORGOTTEN = "post_forgotten"
    POST_GONE = "post_gone"
    PREVIEW_CHANGED = "preview_changed"
    PREVIEW_GONE = "preview_gone"

    # Pictures.
    BROKEN = "broken"
    CLIP_TOO_LONG = "clip_too_long"
    DECODE_CRASH = "decode_crash"
    DECODE_TIMEOUT = "decode_timeout"
    DECODER_DOWN = "decoder_down"
    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    OUTPUT_FORMAT = "output_format"
    TOO_LARGE = "too_large"
    TOO_MANY_PIXELS = "too_many_pixels"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"

    # Web addresses.
    FORBIDDEN = "forbidden"
    HTTP_STATUS = "http_status"
    NOT_AN_ADDRESS = "not_an_address"
    NOT_FOUND = "not_found"
    PAGE = "page"
    PAGE_PICTURE = "page_picture"
    PORT = "port"
    PRIVATE_ADDRESS = "private_address"
    PROXY = "proxy"
    REDIRECTED = "redirected"
    SCHEME = "scheme"
    TIMEOUT = "timeout"
    TLS = "tls"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    UNKNOWN_ISSUER = "unknown_issuer"
    UNREACHABLE = "unreachable"
    UNRESOLVABLE = "unresolvable"

    # Files in Slack, and other things that people point at there.
    AVATAR = "avatar"
    CHANNEL_NOT_SEEN = "channel_not_seen"
    CONNECT_FILE = "connect_file"
    EXTERNAL_FILE = "external_file"
    HIDDEN_BY_LIMIT = "hidden_by_limit"
    HIDDEN_FILE = "hidden_file"
    LINK_NOT_SEEN = "link_not_seen"
    LOGIN_PAGE = "login_page"
    MAY_NOT_SEE = "may_not_see"
    MESSAGE_NOT_SEEN = "message_not_seen"
    NO_IMAGE = "no_image"
    NO_IMAGE_FILE = "no_image_file"
    NO_IMAGE_IN_CHANNEL = "no_image_in_channel"
    NO_IMAGE_IN_THREAD = "no_image_in_thread"
    ONLY_BOTS = "only_bots"
    OTHER_WORKSPACE = "other_workspace"
    SLACK_LINK = "slack_link"
    SOURCE_GONE = "source_gone"
    SOURCE_NOT_SEEN = "source_not_seen"
    UPLOAD_FAILED = "upload_failed"

    # Hosted face APIs.
    FACE_API_ANSWER = "face_api_answer"
    FACE_API_BUSY = "face_api_busy"
    FACE_API_CREDENTIALS = "face_api_credentials"
    FACE_API_DOWN = "face_api_down"
    FACE_API_REFUSED = "face_api_refused"

    # Files on this machine.
    EXISTS = "exists"
    NOT_A_FILE = "not_a_file"
    NOT_WRITABLE = "not_writable"
    UNWRITABLE = "unwritable"

    # What a workspace or its people do not want, or not so often.
    ADMIN_UNKNOWN = "admin_unknown"
    CHANNEL_OFF = "channel_off"
    CHANNEL_ONLY = "channel_only"
    LATE_ORDER = "late_order"
    NOT_ADMIN = "not_admin"
    NOT_ASKER = "not_asker"
    OPTED_OUT = "opted_out"
    PREVIEW_LIMIT = "preview_limit"
    USER_LIMIT = "user_limit"
    WORKSPACE_DAY_LIMIT = "workspace_day_limit"
    WORKSPACE_HOUR_LIMIT = "workspace_hour_limit"

    # Commands that cannot be understood.
    NOT_A_URL = "not_a_url"
    ORDER_ALONE = "order_alone"
    SEVERAL_ADDRESSES = "several_addresses"
    TOO_LONG = "too_long"
    UNCLEAR = "unclear"
    UNKNOWN_OPTION = "unknown_option"

    # Slack's own codes that we act on, and two for no answer.
    ACCOUNT_INACTIVE = "account_inactive"
    ALT_TXT_TOO_LARGE = "alt_txt_too_large"
    CHANNEL_NOT_FOUND = "channel_not_found"
    FATAL_ERROR = "fatal_error"
    FILE_DELETED = "file_deleted"
    FILE_NOT_FOUND = "file_not_found"
    INTERNAL_ERROR = "internal_error"
    INVALID_AUTH = "invalid_auth"
    INVALID_BLOCKS = "invalid_blocks"
    IS_ARCHIVED = "is_archived"
    METHOD_NOT_SUPPORTED_FOR_CHANNEL_TYPE = "method_not_supported_for_channel_type"
    MISSING_SCOPE = "missing_scope"
    NO_PERMISSION = "no_permission"
    NOT_ALLOWED_TOKEN_TYPE = "not_allowed_token_type"  # noqa: S105 - a code of Slack's
    NOT_AUTHED = "not_authed"
    NOT_IN_CHANNEL = "not_in_channel"
    NOT_VISIBLE = "not_visible"
    RATELIMITED = "ratelimited"
    SLACK_UNAVAILABLE = "slack_unavailable"
    SLACK_UNREACHABLE = "slack_unreachable"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a code of Slack's
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - a code of Slack's
    USER_DISABLED = "user_disabled"


class EmojifierError(Exception):
    """Something this project refuses, with the reason and the way out.

    Attributes:
        kind: What went wrong, for programs; never shown alone.
        message: Whole sentences for people: what happened, what to do next.
    """

    default_kind: ClassVar[ErrorKind] = ErrorKind.ERROR

    def __init__(
        self, message: str, *, kind: ErrorKind | SlackCode | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind: ErrorKind | SlackCode = kind or self.default_kind


class ImageError(EmojifierError):
    """The picture cannot be used; use another one or a smaller one."""

    default_kind = ErrorKind.IMAGE


class PlanError(EmojifierError):
    """A plan does not fit its picture, or a change of it names what is not there."""

    default_kind = ErrorKind.PLAN


class RemoteError(EmojifierError):
    """Something on the network refused, or did not answer.

    Attributes:
        retryable: Whether the same again may go well.
        retry_after_seconds: How long the other side asked to wait, None if it did not.
    """

    default_kind = ErrorKind.REMOTE

    def __init__(
        self,
        message: str,
        *,
        kind: ErrorKind | SlackCode | None = None,
        retryable: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, kind=kind)
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds


class FetchError(RemoteError):
    """The picture could not be fetched; check the address.

    Attributes:
        hop: What led from the address that was given to the one that failed:
            ``"redirect"``, or ``"page"`` if a web page names that as its picture;
            empty if it is the same.
    """

    default_kind = ErrorKind.FETCH
    hop = ""


class DeliveryError(RemoteError):
    """Slack refused or did not answer; ``kind`` is Slack's code if there is one."""

    default_kind = ErrorKind.DELIVERY


class HostedApiError(RemoteError):
    """A hosted face API refused or did not answer; FACE_FALLBACK may stand in."""

    default_kind = ErrorKind.FACE_API

    @property
    def is_about_picture(self) -> bool:
        """Tell whether only this picture is refused, and another one may do."""
        return self.kind == ErrorKind.FACE_API_REFUSED


class QueueError(EmojifierError):
    """The queue's database does not answer; try again in a minute."""

    default_kind = ErrorKind.QUEUE


class QueueFullError(QueueError):
    """Too many jobs wait; try again in a few minutes."""

    default_kind = ErrorKind.QUEUE_FULL


class StoreError(EmojifierError):
    """The database cannot be opened or does not answer; the message says why."""

    default_kind = ErrorKind.STORE


class VaultError(EmojifierError):
    """A stored secret cannot be opened; the key it was sealed with is missing."""

    default_kind = ErrorKind.VAULT


class BackendError(EmojifierError):
    """A face back end failed."""

    default_kind = ErrorKind.BACKEND


class ModelFileError(BackendError):
    """A model file is missing or is not the one its ``model.toml`` names."""

    default_kind = ErrorKind.MODEL_FILE


class InferenceError(BackendError):
    """The model runtime refused its input."""

    default_kind = ErrorKind.INFERENCE


class ThemeError(EmojifierError):
    """A theme's table or art is wrong; the message names the file and the entry."""

    default_kind = ErrorKind.THEME


class OutputError(EmojifierError):
    """The result cannot be written: it exists already, or the place refuses it."""

    default_kind = ErrorKind.OUTPUT


class ConfigError(EmojifierError):
    """Settings are wrong; every problem is listed at once.

    Attributes:
        problems: One sentence per mistake.
    """

    default_kind = ErrorKind.CONFIG

    def __init__(self, problems: list[str]) -> None:
        """Join the problems into one message, one line each."""
        super().__init__("\n".join(problems))
        self.problems = problems


def reason_of(error: Exception) -> str:
    """Return the system's words for why a file cannot be read or written."""
    return getattr(error, "strerror", None) or str(error)
