from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from emojifier_bot.vision.types import BoundingBox, Detection
from emojifier_training.data import DatasetError, LabelledPicture
from emojifier_training.evaluate_detector import evaluate_detector, picture_of
from tests.images import encoded, flat

SIZE_WH = (640, 480)


def picture(*boxes, name="wider/a.png", size_wh=SIZE_WH, invalid=()):
    """Return a labelled picture; `invalid` lists boxes that nobody could judge."""
    every = [*boxes, *invalid]
    return LabelledPicture(
        name=name,
        source=name.partition("/")[0],
        event="0--Parade",
        encoded=encoded(flat((9, 9, 9), size_wh), "PNG"),
        xyxy=np.array(every, np.float32).reshape(-1, 4),
        points_xy=np.full((len(every), 5, 2), np.nan, np.float32),
        invalid=np.array([False] * len(boxes) + [True] * len(invalid), bool),
        occlusion=np.zeros(len(every), np.int64),
    )


def box(place: int, height: float = 40.0) -> tuple[float, ...]:
    """Return a box; those of different places do not touch."""
    return (place * 80.0, 10.0, place * 80.0 + height, 10.0 + height)


def judge(*judged, progress=lambda *_: None):
    """Evaluate on pictures, each given with what the detector says of it."""
    found = {id(labelled): detections for labelled, detections in judged}
    return evaluate_detector(
        lambda one: [
            Detection(BoundingBox(*edges), confidence)
            for edges, confidence in found[id(one)]
        ],
        [labelled for labelled, _ in judged],
        progress,
    )


def test_no_pictures():
    figures = judge()

    assert figures["pictures"] == figures["faces"] == 0
    assert math.isnan(figures["ap"])
    assert figures["false_alarms_per_picture"] == 0


def test_all_found():
    figures = judge((picture(box(0), box(1)), [(box(0), 0.9), (box(1), 0.6)]))

    assert figures["ap"] == figures["ap_wider"] == figures["ap_32_64"] == 1
    assert figures["recall"] == 1
    assert figures["recall_faces"] == figures["faces"] == 2
    assert figures["false_alarms_per_picture"] == 0


def test_nothing_found():
    figures = judge((picture(box(0)), []))

    assert figures["ap"] == figures["recall"] == 0


def test_each_source_and_height_is_told():
    figures = judge(
        (picture(box(0, 40), name="wider/a.png"), [(box(0, 40), 0.9)]),
        (picture(box(0, 24), name="masks/a.png"), []),
    )

    assert (figures["ap_wider"], figures["ap_masks"]) == (1, 0)
    assert (figures["ap_32_64"], figures["ap_16_32"]) == (1, 0)
    assert figures["ap"] == 0.5
    assert math.isnan(figures["ap_8_16"])
    assert math.isnan(figures["ap_64_inf"])


@pytest.mark.parametrize(
    ("size_wh", "height", "faces"),
    [
        ((640, 480), 20, 1),
        ((640, 480), 19, 0),
        ((320, 240), 10, 1),  # twice as high when the longer side has 640
        ((480, 1280), 39, 0),
    ],
)
def test_heights_are_told_at_one_size_of_picture(size_wh, height, faces):
    labelled = picture(box(0, height), size_wh=size_wh)

    assert judge((labelled, []))["faces"] == faces


def test_small_faces_neither_help_nor_hurt():
    labelled = picture(box(0), box(1, 12))

    assert judge((labelled, [(box(1, 12), 0.95), (box(0), 0.9)]))["ap"] == 1
    assert judge((labelled, [(box(0), 0.9)]))["ap"] == 1


def test_nor_do_faces_that_nobody_could_judge():
    labelled = picture(box(0), invalid=[box(1)])

    figures = judge((labelled, [(box(1), 0.95), (box(0), 0.9)]))

    assert figures["ap"] == 1
    assert figures["faces"] == figures["recall_faces"] == 1
    assert figures["false_alarms_per_picture"] == 0


@pytest.mark.parametrize(("confidence", "recall"), [(0.5, 1), (0.49, 0)])
def test_recall_counts_what_a_result_would_show(confidence, recall):
    figures = judge((picture(box(0)), [(box(0), confidence), (box(1), 0.1)]))

    assert figures["recall"] == recall
    assert figures["false_alarms_per_picture"] == 0


def test_false_alarms_are_told_for_each_picture():
    figures = judge(
        (picture(box(0)), [(box(0), 0.9), (box(1), 0.8), (box(2), 0.7)]),
        (picture(), [(box(1), 0.6), (box(2), 0.4)]),
    )

    assert figures["false_alarms_per_picture"] == 3 / 2


def test_progress_is_told():
    told = []

    judge((picture(), []), (picture(), []), progress=lambda *now: told.append(now))

    assert told == [(1, 2), (2, 2)]


def test_a_labelled_picture_is_decoded():
    image = picture_of(picture(size_wh=(6, 4)))

    assert (image.mode, image.size) == ("RGB", (6, 4))
    assert image.getpixel((0, 0)) == (9, 9, 9)


def test_a_damaged_one_is_named():
    labelled = picture()
    damaged = LabelledPicture(
        labelled.name,
        labelled.source,
        labelled.event,
        b"no picture",
        labelled.xyxy,
        labelled.points_xy,
        labelled.invalid,
        labelled.occlusion,
    )

    with pytest.raises(DatasetError, match=r"wider/a\.png cannot be decoded"):
        picture_of(damaged)


def test_kinds_of_faces_are_told_apart():
    hidden = dataclasses.replace(
        picture(box(0), box(1)), occlusion=np.array([0, 2], np.int64)
    )

    figures = judge((hidden, [(box(0), 0.9)]))

    clear, heavy = (
        figures["by_occlusion"][f"wider, {name}"] for name in ("none", "heavy")
    )
    assert (clear["faces"], clear["ap"], clear["recall"]) == (1, 1, 1)
    assert (heavy["faces"], heavy["ap"], heavy["recall"]) == (1, 0, 0)
    assert math.isnan(figures["by_occlusion"]["wider, partial"]["ap"])
    assert figures["by_source"]["wider"]["faces"] == 2


@pytest.mark.parametrize(
    ("height", "faces"),
    [(5, (0, 0, 0)), (6, (0, 0, 1)), (19, (0, 1, 1)), (31, (1, 1, 1))],
)
def test_stand_ins_for_how_hard_faces_are(height, faces):
    figures = judge((picture(box(0, height)), []))

    told = tuple(row["faces"] for row in figures["by_difficulty"].values())
    assert told == faces


def test_intervals_hold_their_figures():
    pictures = [(picture(box(0)), [(box(0), 0.9)] * (n % 3 > 0)) for n in range(9)]

    figures = judge(*pictures)

    for name in ("ap", "recall", "precision"):
        row = figures["intervals"][name]
        assert row["value"] == figures[name]
        assert row["low"] <= row["value"] <= row["high"]


def test_the_curve_falls_with_the_confidence():
    labelled = picture(box(0), box(1))

    curve = judge((labelled, [(box(0), 0.9), (box(1), 0.4), (box(2), 0.3)]))["curve"]

    assert [curve[at]["recall"] for at in ("0.30", "0.40", "0.90")] == [1, 1, 0.5]
    assert [curve[at]["precision"] for at in ("0.30", "0.40")] == [2 / 3, 1]
    assert math.isnan(curve["0.95"]["precision"])
    recalls = [row["recall"] for row in curve.values()]
    assert recalls == sorted(recalls, reverse=True)
