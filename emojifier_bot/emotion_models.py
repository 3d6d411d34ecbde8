"""The emotion classifiers by name. A class and one line here add another.

Settings, the command line and the documentation take the names from here, so nothing
heavy is imported: `vision.emotion` loads the class on first use.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class EmotionModel(StrEnum):
    """Names, each with ``module:class`` of its `EmotionClassifier`."""

    implementation: str

    def __new__(cls, name: str, implementation: str) -> Self:
        """Make a member whose value is its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.implementation = implementation
        return member

    FUSED = "fused", "emojifier_bot.vision.emotion:OnnxEmotionClassifier"
    LANDMARKS = "landmarks", "emojifier_bot.vision.emotion:OnnxEmotionClassifier"
    #: Reads the points that hosted face APIs return.
    SHARED_POINTS = (
        "shared_points",
        "emojifier_bot.vision.emotion:SharedPointsClassifier",
    )
