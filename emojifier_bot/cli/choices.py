"""What options with a fixed set of answers may say."""

from __future__ import annotations

from enum import StrEnum


class ModelTask(StrEnum):
    """What a model does, and what can be trained and judged."""

    DETECTOR = "detector"
    LANDMARKS = "landmarks"
    EMOTION = "emotion"


class TrainedVariant(StrEnum):
    """The emotion nets that can be trained; the last shows what fusion gains."""

    FUSED = "fused"
    LANDMARKS = "landmarks"
    SHARED_POINTS = "shared_points"
    APPEARANCE = "appearance"


class JobStateName(StrEnum):
    """Where a job stands; the words of `emojifier_bot.domain.JobState`."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
