"""What a worker is made of: ports from outside, and its patience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emojifier_bot.clock import Clock
from emojifier_bot.db.posts import PostLog
from emojifier_bot.ports import ImageSource, ReplySink
from emojifier_bot.vision.pipeline import Pipeline

#: Returns the pipeline that draws with a theme; an empty name is the settings' own.
PipelineForTheme = Callable[[str], Pipeline]

#: Before each question whether an upload that may have been completed is shown: ten
#: seconds in all, for Slack shares a file some time after it says so.
SETTLE_WAITS_SECONDS = (0.0, 2.0, 3.0, 5.0)
#: Before each look for the share of an upload that was completed: 36 seconds in all.
VERIFY_WAITS_SECONDS = (0.3, 0.7, 1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 15.0)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a job waits between what it does; tests are in a hurry."""

    settle_waits_seconds: tuple[float, ...] = SETTLE_WAITS_SECONDS
    verify_waits_seconds: tuple[float, ...] = VERIFY_WAITS_SECONDS
    #: Stretches the waits before another try that nobody asked for.
    backoff: float = 1.0


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """Everything that a job needs from outside."""

    source: ImageSource
    sink: ReplySink
    posts: PostLog
    pipeline_for_theme: PipelineForTheme
    clock: Clock
    timing: Timing = field(default_factory=Timing)
