"""Evaluates the rescorer: the detector's candidates, judged without it and with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emojifier_bot.vision.analyzers.local import LocalAnalyzer
from emojifier_bot.vision.copies import MAIN_PX
from emojifier_bot.vision.crops import reduced_copy
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.fusion import distinct
from emojifier_bot.vision.intervals import share
from emojifier_bot.vision.multi_scale import PROPOSED_CONFIDENCE, find_faces
from emojifier_training import Progress
from emojifier_training.candidates import judged_targets
from emojifier_training.data import NEGATIVES, LabelledPicture
from emojifier_training.evaluate_detector import (
    CURVE_CONFIDENCES,
    DIFFICULTIES,
    SHIPPED_CONFIDENCE,
    Found,
    at_least,
    beside_labels,
    kind,
    operating_point,
    picture_of,
)
from emojifier_training.negatives import without_people

#: Bins of the reliability diagram.
RELIABILITY_BINS = 10
#: The target of a candidate that recall counts: its IoU is 0.4.
HALF_A_FACE = 0.5


def find_both(
    analyzer: LocalAnalyzer, pictures: Sequence[LabelledPicture], progress: Progress
) -> dict[str, list[Found]]:
    """Return the candidates of pictures, by the detector alone and rescored."""
    assert analyzer.rescorer is not None
    found: dict[str, list[Found]] = {"without": [], "with": []}
    for index, picture in enumerate(pictures):
        decoded = from_image(picture_of(picture))
        alone = find_faces(analyzer.detector, decoded, PROPOSED_CONFIDENCE)
        copy = reduced_copy(decoded, MAIN_PX)
        rescored = analyzer.rescorer.rescore(decoded, alone, copy)
        found["without"].append(beside_labels(picture, alone))
        found["with"].append(beside_labels(picture, distinct(rescored)))
        progress(index + 1, len(pictures))
    return found


def rescorer_figures(found: dict[str, list[Found]]) -> dict[str, Any]:
    """Return what the rescorer changes, and how well its probability is calibrated."""
    return {name: _figures(of) for name, of in found.items()} | {
        "reliability": reliability(found["with"]),
        "curve": _figures(found["with"])["curve"],
    }


def _figures(found: Sequence[Found]) -> dict[str, Any]:
    people = [one for one in found if one.picture.source != NEGATIVES]
    without = [one for one in found if one.picture.source == NEGATIVES]
    wider = [one for one in people if one.picture.source == "wider"]
    return {
        "pictures": len(people),
        "candidates": sum(len(one.xyxy) for one in found),
        "by_difficulty": {
            name: kind(wider, at_least(height)) for name, height in DIFFICULTIES.items()
        },
        "curve": {
            f"{confidence:.2f}": operating_point(people, confidence)
            | {"without_people": without_people(without, confidence)}
            for confidence in CURVE_CONFIDENCES
        },
        "without_people": without_people(without, SHIPPED_CONFIDENCE),
    }


def reliability(found: Sequence[Found]) -> list[dict[str, float]]:
    """Return how often candidates of about one probability are faces.

    Each bin that any falls into has its least probability (`low`), `count`, mean
    probability (`confidence`) and share of faces (`accuracy`) with its interval.
    Candidates about which the labels tell nothing are left out.
    """
    confidences = np.concatenate([np.empty(0), *(one.confidences for one in found)])
    targets = np.concatenate(
        [np.empty(0), *(judged_targets(one.xyxy, one.picture) for one in found)]
    )
    known = ~np.isnan(targets)
    confidences, is_face = confidences[known], targets[known] >= HALF_A_FACE
    bins = np.minimum(
        (confidences * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1
    )
    rows = []
    for bin_ in np.unique(bins):
        of_bin = bins == bin_
        faces = share(int(is_face[of_bin].sum()), int(of_bin.sum()))
        rows.append(
            {
                "low": int(bin_) / RELIABILITY_BINS,
                "count": faces.count,
                "confidence": float(confidences[of_bin].mean()),
                "accuracy": faces.value,
                "accuracy_low": faces.low,
                "accuracy_high": faces.high,
            }
        )
    return rows
