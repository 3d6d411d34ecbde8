"""Reads the faces that stand for emoji: photos in folders, or labelled crops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emojifier_bot.errors import HostedApiError, ImageError
from emojifier_bot.tools.emotive_points import FaceReading
from emojifier_bot.tools.read_faces import crop_detection, crop_picture
from emojifier_bot.vision.landmark_geometry import measure
from emojifier_bot.vision.ports import (
    Decoder,
    EmotionClassifier,
    FaceAnalyzer,
    FaceLandmarker,
)
from emojifier_bot.vision.types import Emoji, EmotionScores, Face, FloatArray, Landmarks
from emojifier_training.data import LabelledExpressions

Progress = Callable[[int, int], None]

#: Votes this close to an emoji's mixture are votes for it (Euclidean, in the space
#: whose corners are the square root of 2 apart).
VOTES_RADIUS = 0.2
#: Labelled faces that a point needs.
LEAST_VOTED_FACES = 20


@dataclass(slots=True)
class ProxyReadings:
    """What was read from proxy photos, and what could not be."""

    by_emoji: dict[str, list[FaceReading]] = field(default_factory=dict)
    #: One sentence each: a photo without a face, a damaged file.
    problems: list[str] = field(default_factory=list)


def read_proxies(
    photos: Mapping[str, Sequence[Path]],
    decoder: Decoder,
    analyzer: FaceAnalyzer,
    progress: Progress,
) -> ProxyReadings:
    """Read the largest face of each photo.

    Args:
        photos: The photos of each emoji, by its short name.
        decoder: Opens them.
        analyzer: Reads them.
        progress: Told how many of how many are done.

    Raises:
        BackendError: The faces could not be read.
        HostedApiError: The service is down, or takes no picture at all.
    """
    read = ProxyReadings()
    every = [(name, path) for name, paths in photos.items() for path in paths]
    for index, (name, path) in enumerate(every):
        try:
            faces = analyzer.analyze(decoder.decode(path.read_bytes()))
        except (ImageError, HostedApiError, OSError) as error:
            if isinstance(error, HostedApiError) and not error.is_about_picture:
                raise
            read.problems.append(f"{path} cannot be read: {error}")
            continue
        finally:
            progress(index + 1, len(every))
        if not faces:
            read.problems.append(f"{path} has no face that was found; it is left out.")
            continue
        if len(faces) > 1:
            read.problems.append(f"{path} has {len(faces)} faces; the largest counts.")
        largest = max(faces, key=lambda face: face.box.width * face.box.height)
        read.by_emoji.setdefault(name, []).append(reading_of(largest))
    return read


def reading_of(face: Face) -> FaceReading:
    """Return what counts of a face when its emoji is chosen."""
    return FaceReading(face.scores, measure(face.landmarks.points_xy), face.confident)


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
        read[row] = _reading(points, scores, classifier.sure_threshold)
        progress(index + 1, len(wanted))
    return {name: [read[row] for row in found] for name, found in rows.items()}


def _reading(
    points: Landmarks, scores: EmotionScores, sure_threshold: float
) -> FaceReading:
    confident = scores.top_probability >= sure_threshold
    return FaceReading(scores, measure(points.points_xy), confident)
