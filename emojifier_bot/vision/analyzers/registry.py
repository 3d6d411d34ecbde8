"""Face back ends by name. One line each; the import happens on first use.

Others add theirs by an entry point of the group `GROUP`; docs/backends.md shows how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Literal

from emojifier_bot.clock import Clock
from emojifier_bot.errors import ConfigError
from emojifier_bot.vision.ports import FaceAnalyzer

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

    from emojifier_bot.http import Route

#: The entry points of other packages.
GROUP = "emojifier_bot.backends"
#: The one back end that sends no picture anywhere.
LOCAL = "local"
#: When the prices were noted; vendors change them, and the first calls may be free.
PRICES_AS_OF = "November 2026"


@dataclass(frozen=True, slots=True)
class HostedOptions:
    """Options of back ends that send pictures to a vendor."""

    clock: Clock
    #: Waits so many seconds.
    sleep: Callable[[float], None]
    #: Takes the place of the vendor's own address; empty keeps that.
    url: str = ""
    #: Keys by the variable that holds them: ``{"GOOGLE_API_KEY": "…"}``.
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Amazon's name for where the pictures are read.
    region: str = "us-east-1"
    #: Whether the local models stand in while the service is down.
    falls_back: bool = True
    #: For one call, and for all calls about one picture.
    timeout_seconds: float = 10.0
    budget_seconds: float = 20.0
    #: Calls about one picture, the first included.
    tries: int = 3
    #: How the service is reached; None for directly.
    route: Route | None = None


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """Options that every back end is built with."""

    #: Folder that holds one folder per shipped model.
    models: Path
    min_confidence: float
    #: One of `EmotionModel`.
    emotion_model: str
    #: Whether expressions will be read; if not, no model for them is opened.
    expressions: bool = field(default=True, kw_only=True)
    #: 0 is one for each core.
    threads: int = 0
    #: Folders that replace the shipped models.
    detector: Path | None = None
    #: ``none``: there is no second stage.
    rescorer: Path | Literal["none"] | None = None
    landmarks: Path | None = None
    emotion: Path | None = None
    #: None where no picture may be sent.
    hosted: HostedOptions | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """Who gets the pictures of a back end, and for how much."""

    title: str
    #: List price of 1,000 pictures as of `PRICES_AS_OF`; None where it is unknown.
    usd_per_1000: float | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """One line of the registry."""

    #: ``module:function``; the function builds the analyzer from `BackendOptions`.
    value: str
    #: None: pictures stay on this machine.
    service: Service | None = None


_HERE = "emojifier_bot.vision.analyzers"
BACKENDS: Mapping[str, Backend] = {
    LOCAL: Backend(f"{_HERE}.local:build"),
    "rekognition": Backend(
        f"{_HERE}.rekognition:build", Service("Amazon Rekognition", 1.0)
    ),
    "google": Backend(f"{_HERE}.google:build", Service("Google Cloud Vision", 1.5)),
    "azure": Backend(f"{_HERE}.azure:build", Service("Azure Face", 1.0)),
    "facepp": Backend(f"{_HERE}.facepp:build", Service("Face++")),
}


def backend_names() -> list[str]:
    """Return all names that there are, those of other packages included."""
    return sorted({*BACKENDS, *(point.name for point in _entry_points())})


def service_of(name: str) -> Service | None:
    """Return who gets the pictures of a back end; nothing of it is loaded.

    Returns:
        None where they stay on this machine. Where another package's back end
        sends pictures is unknown: it counts as a service of its own name.

    Raises:
        ConfigError: No back end has this name.
    """
    return BACKENDS[name].service if name in BACKENDS else Service(_others(name).name)


def build_analyzer(name: str, options: BackendOptions) -> FaceAnalyzer:
    """Build a back end by its name; our own names cannot be taken by others.

    Raises:
        ConfigError: No back end has this name; the message lists those there are. Or
            what it needs is missing: a key, a package.
        ModelFileError: A model is missing or differs.
    """
    ours = BACKENDS.get(name)
    load = partial(resolve_name, ours.value) if ours else _others(name).load
    try:
        build: Callable[[BackendOptions], FaceAnalyzer] = load()
    except (ImportError, AttributeError) as error:
        problem = (
            f"The face back end {name!r} cannot be loaded: {error}. "
            "Install the package that it comes from again."
        )
        raise ConfigError([problem]) from error
    return build(options)


def _others(name: str) -> EntryPoint:
    found = [point for point in _entry_points() if point.name == name]
    if not found:
        known = ", ".join(backend_names())
        raise ConfigError([f"There is no face back end {name!r}; there is {known}."])
    return min(found, key=lambda point: point.value)


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, seldom needed

    return entry_points(group=GROUP)
