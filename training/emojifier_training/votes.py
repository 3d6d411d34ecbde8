"""Reads the labelled faces that stand for a theme's emoji, by people's votes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from emojifier_bot.vision.calibration import FaceReading
from emojifier_bot.vision.landmarks import measure
from emojifier_bot.vision.ports import EmotionClassifier, FaceLandmarker
from emojifier_bot.vision.types import Emoji, EmojiTheme, FloatArray
from emojifier_training import Progress
from emojifier_training.crops import crop_detection, crop_picture
from emojifier_training.data import LabelledExpressions, read_expressions
from emojifier_training.evaluate import SHOWN, Models

#: Votes this close to an emoji's mixture are votes for it (Euclidean, in the space
#: whose corners are the square root of 2 apart).
VOTES_RADIUS = 0.2
#: Labelled faces that a point needs.
LEAST_VOTED_FACES = 20


def read_votes(
    theme: EmojiTheme, data: Path, every: int, progress: Progress
) -> dict[str, list[FaceReading]]:
    """Read the faces of each emoji of a theme by the local models.

    Args:
        theme: Its emoji are those meant.
        data: A folder or an ``.npz`` file of faces with votes.
        every: Only every so many faces are taken.
        progress: Takes how many of how many are done.

    Raises:
        DatasetError: The data cannot be read.
    """
    faces = read_expressions(data)
    faces = faces.subset(np.arange(0, len(faces.images), every))
    local = Models().analyzer(SHOWN)
    emoji = [one for one in theme.emoji if not one.surprise_only]
    classifier = cast("EmotionClassifier", local.classifier)
    return read_voted(emoji, faces, local.landmarker, classifier, progress)


def voted_for(emoji: Sequence[Emoji], votes: FloatArray) -> dict[str, list[int]]:
    """Return the rows of votes that say what each emoji is declared to show.

    A row belongs to the emoji whose mixture it comes nearest to, and to all that are
    as near: emoji of one mixture share their faces.

    Args:
        emoji: Their `Emoji.mixture`, or else their point, is what people should say.
        votes: ``(N, 8)`` float32, rows sum to 1.
    """
    declared = np.stack([mixture_of(one) for one in emoji])
    away = np.linalg.norm(votes[:, None] - declared[None], axis=2)
    near = (away <= VOTES_RADIUS) & (away <= away.min(axis=1, keepdims=True))
    return {
        one.name: np.flatnonzero(near[:, column]).tolist()
        for column, one in enumerate(emoji)
    }


def mixture_of(emoji: Emoji) -> FloatArray:
    """Return the ``(8,)`` votes that people should give to a face of an emoji."""
    return emoji.point if emoji.mixture is None else emoji.mixture


def read_voted(
    emoji: Sequence[Emoji],
    faces: LabelledExpressions,
    landmarker: FaceLandmarker,
    classifier: EmotionClassifier,
    progress: Progress,
) -> dict[str, list[FaceReading]]:
    """Read the labelled faces that people gave an emoji's mixture of votes."""
    rows = voted_for(emoji, faces.targets)
    wanted = sorted({row for found in rows.values() for row in found})
    read = {}
    for index, row in enumerate(wanted):
        picture = crop_picture(faces.images[row])
        (points,) = landmarker.locate(picture, [crop_detection()])
        (scores,) = classifier.classify(picture, [points])
        confident = scores.top_probability >= classifier.sure_threshold
        read[row] = FaceReading(scores, measure(points.points_xy), confident)
        progress(index + 1, len(wanted))
    return {name: [read[row] for row in found] for name, found in rows.items()}
