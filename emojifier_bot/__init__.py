"""Emojifier Bot: an emoji over every face, matched to its expression."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from emojifier_bot.errors import (
    BackendError,
    ConfigError,
    EmojifierError,
    HostedApiError,
    ImageError,
    InferenceError,
    ModelFileError,
    OutputError,
    PlanError,
    ThemeError,
)

if TYPE_CHECKING:
    from emojifier_bot.api import Emojifier, emojify
    from emojifier_bot.vision.plan import Plan
    from emojifier_bot.vision.result import Result

__version__ = "0.2.0"

# Set before anything imports onnxruntime: its wheels record what is run, store a
# machine id in the home folder, and try to send both to the vendor. The function
# `disable_telemetry_events` comes too late: the files exist by then.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "BackendError",
    "ConfigError",
    "Emojifier",
    "EmojifierError",
    "HostedApiError",
    "ImageError",
    "InferenceError",
    "ModelFileError",
    "OutputError",
    "Plan",
    "PlanError",
    "Result",
    "ThemeError",
    "emojify",
]

#: Imported on first use, so that importing the package is fast.
_LAZY = {
    "Emojifier": "emojifier_bot.api",
    "emojify": "emojifier_bot.api",
    "Plan": "emojifier_bot.vision.plan",
    "Result": "emojifier_bot.vision.result",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
