"""What options with a fixed set of answers may say."""

from __future__ import annotations

from enum import StrEnum


class ModelTask(StrEnum):
    """What a model does, and what can be trained and judged."""

    DETECTOR = "detector"
    LANDMARKS = "landmarks"
    EMOTION = "emotion"


class EmotionVariant(StrEnum):
    """The two emotion nets."""

    FUSED = "fused"
    LANDMARKS = "landmarks"
