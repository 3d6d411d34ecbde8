"""The exception tree. Every message says what happened and what to do next.

EmojifierError
├── ImageError            cannot decode, too large, unsupported, not an image
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

__all__ = [
    "BackendError",
    "ConfigError",
    "DeliveryError",
    "EmojifierError",
    "FetchError",
    "HostedApiError",
    "ImageError",
    "InferenceError",
    "ModelFileError",
    "OutputError",
    "QueueError",
    "QueueFullError",
    "RemoteError",
    "StoreError",
    "ThemeError",
    "VaultError",
]


class EmojifierError(Exception):
    """Something this project refuses, with the reason and the way out.

    Attributes:
        kind: Short, stable word for programs (``"too_large"``), never shown alone.
        message: Whole sentences for people: what happened, what to do next.
    """

    default_kind = "error"

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        """Keep the sentence and the word that names it."""
        super().__init__(message)
        self.message = message
        self.kind = kind or self.default_kind


class ImageError(EmojifierError):
    """The picture cannot be used; send another one or a smaller one."""

    default_kind = "image"


class RemoteError(EmojifierError):
    """Something on the network refused, or did not answer.

    Attributes:
        retryable: Whether the same again may go well.
        retry_after_seconds: How long the other side asked to wait, None if it did not.
    """

    default_kind = "remote"

    def __init__(
        self,
        message: str,
        *,
        kind: str | None = None,
        retryable: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Keep what decides about another try."""
        super().__init__(message, kind=kind)
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds


class FetchError(RemoteError):
    """The picture could not be fetched; check the address."""

    default_kind = "fetch"


class DeliveryError(RemoteError):
    """Slack refused or did not answer; ``kind`` is Slack's code if there is one."""

    default_kind = "delivery"


class HostedApiError(RemoteError):
    """A hosted face API refused or did not answer; FACE_FALLBACK may stand in."""

    default_kind = "face_api"

    @property
    def is_about_picture(self) -> bool:
        """Tell whether only this picture is refused, and another one may do."""
        return self.kind == "face_api_refused"


class QueueError(EmojifierError):
    """The queue's database does not answer; try again in a minute."""

    default_kind = "queue"


class QueueFullError(QueueError):
    """Too many jobs wait; try again in a few minutes."""

    default_kind = "queue_full"


class StoreError(EmojifierError):
    """The database cannot be opened or does not answer; the message says why."""

    default_kind = "store"


class VaultError(EmojifierError):
    """A stored secret cannot be opened; the key it was sealed with is missing."""

    default_kind = "vault"


class BackendError(EmojifierError):
    """A face back end failed."""

    default_kind = "backend"


class ModelFileError(BackendError):
    """A model file is missing or is not the one its ``model.toml`` names."""

    default_kind = "model_file"


class InferenceError(BackendError):
    """The model runtime refused its input."""

    default_kind = "inference"


class ThemeError(EmojifierError):
    """A theme's table or art is wrong; the message names the file and the entry."""

    default_kind = "theme"


class OutputError(EmojifierError):
    """The result cannot be written: it exists already, or the place refuses it."""

    default_kind = "output"


class ConfigError(EmojifierError):
    """Settings are wrong; every problem is listed at once.

    Attributes:
        problems: One sentence per mistake.
    """

    default_kind = "config"

    def __init__(self, problems: list[str]) -> None:
        """Join the problems into one message, one line each."""
        super().__init__("\n".join(problems))
        self.problems = problems
