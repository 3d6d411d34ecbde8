"""Face back ends by name. One line each; the import happens on first use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from emojifier_bot.errors import ConfigError
from emojifier_bot.ports import FaceAnalyzer


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What a back end is told when it is built."""

    #: Folder that holds one folder per shipped model.
    models: Path
    min_confidence: float
    #: ``landmarks`` or ``fused``.
    emotion_model: str
    #: 0 is one for each core.
    threads: int = 0
    #: Folders that replace the shipped models.
    detector: Path | None = None
    landmarks: Path | None = None
    emotion: Path | None = None


#: Name to ``module:function``; the function takes `BackendOptions`.
BACKENDS: Mapping[str, str] = MappingProxyType(
    {
        "local": "emojifier_bot.backends.local:build",
    }
)


def build_analyzer(name: str, options: BackendOptions) -> FaceAnalyzer:
    """Build a back end by its name.

    Raises:
        ConfigError: No back end has this name; the message lists those there are.
        ModelFileError: A model is missing or differs.
    """
    if name not in BACKENDS:
        known = ", ".join(sorted(BACKENDS))
        raise ConfigError([f"There is no face back end {name!r}; there is {known}."])
    module, function = BACKENDS[name].split(":")
    build: Callable[[BackendOptions], FaceAnalyzer]
    build = getattr(importlib.import_module(module), function)
    return build(options)
