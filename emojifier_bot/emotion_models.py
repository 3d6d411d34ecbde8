"""What may be read of a face, and the emotion classifiers by name.

A class and one line here add another classifier. Settings, the command line and the
documentation take the names from here, so nothing heavy is imported: `vision.emotion`
loads the class on first use.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class ReadingMode(StrEnum):
    """What may be read of a face, and said of it; the highest comes first."""

    #: A face gets the emoji of its expression, and every text names that.
    EXPRESSIONS = "expressions"
    #: The emoji is matched in the same way; texts name what is visible, and no emotion.
    SHAPES = "shapes"
    #: Faces are found and covered; no model or service for emotions is used.
    OFF = "off"


def lowest(*wishes: ReadingMode | str) -> ReadingMode:
    """Return what everybody who was asked allows; an empty wish allows all.

    A wish that is not known, since another version stored it, allows least.

    >>> lowest(ReadingMode.SHAPES, "", "expressions")
    <ReadingMode.SHAPES: 'shapes'>
    """
    order = list(ReadingMode)
    known = [ReadingMode(one) if one in order else order[-1] for one in wishes if one]
    return max(known, key=order.index)


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
