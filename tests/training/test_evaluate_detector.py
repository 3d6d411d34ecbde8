from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from emojifier_bot.vision.types import BoundingBox, Detection
from emojifier_training.evaluate_detector import (
    beside_labels,
    detector_figures,
    find_all,
    picture_of,
    rotated,
)
from tests.datasets import labelled_picture as picture
from tests.images import flat


def box(place: int, height: float = 40.0) -> tuple[float, ...]:
    """Return a box; those of different places do not touch."""
    return (place * 80.0, 10.0, place * 80.0 + height, 10.0 + height)


def evaluate(*pictures):
    """Return the figures of pictures, each given with what the detector says of it."""
    return detector_figures(
        [
            beside_labels(labelled, [Detection(BoundingBox(*xy), p) for xy, p in said])
            for labelled, said in pictures
        ]
    )


def test_each_source_and_height_has_its_figures():
    figures = evaluate(
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
def test_heights_are_given_at_one_size_of_picture(size_wh, height, faces):
    labelled = picture(box(0, height), image=flat((9, 9, 9), size_wh))

    assert evaluate((labelled, []))["faces"] == faces


def test_nor_do_faces_that_nobody_could_evaluate():
    labelled = picture(box(0), invalid=[box(1)])

    figures = evaluate((labelled, [(box(1), 0.95), (box(0), 0.9)]))

    assert figures["ap"] == 1
    assert figures["faces"] == figures["recall_faces"] == 1
    assert figures["false_alarms_per_picture"] == 0


@pytest.mark.parametrize(("confidence", "recall"), [(0.5, 1), (0.49, 0)])
def test_recall_counts_what_a_result_would_show(confidence, recall):
    figures = evaluate((picture(box(0)), [(box(0), confidence), (box(1), 0.1)]))

    assert figures["recall"] == recall
    assert figures["false_alarms_per_picture"] == 0


def test_false_alarms_are_given_for_each_picture():
    figures = evaluate(
        (picture(box(0)), [(box(0), 0.9), (box(1), 0.8), (box(2), 0.7)]),
        (picture(), [(box(1), 0.6), (box(2), 0.4)]),
    )

    assert figures["false_alarms_per_picture"] == 3 / 2


def test_kinds_of_faces_are_given_apart():
    hidden = dataclasses.replace(
        picture(box(0), box(1)), occlusion=np.array([0, 2], np.int64)
    )

    figures = evaluate((hidden, [(box(0), 0.9)]))

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
    figures = evaluate((picture(box(0, height)), []))

    counts = tuple(row["faces"] for row in figures["by_difficulty"].values())
    assert counts == faces


def test_intervals_hold_their_figures():
    pictures = [(picture(box(0)), [(box(0), 0.9)] * (n % 3 > 0)) for n in range(9)]

    figures = evaluate(*pictures)

    for name in ("ap", "recall", "precision"):
        row = figures["intervals"][name]
        assert row["value"] == figures[name]
        assert row["low"] <= row["value"] <= row["high"]


def test_the_curve_falls_with_the_confidence():
    labelled = picture(box(0), box(1))

    curve = evaluate((labelled, [(box(0), 0.9), (box(1), 0.4), (box(2), 0.3)]))["curve"]

    assert [curve[at]["recall"] for at in ("0.30", "0.40", "0.90")] == [1, 1, 0.5]
    assert [curve[at]["precision"] for at in ("0.30", "0.40")] == [2 / 3, 1]
    assert math.isnan(curve["0.95"]["precision"])
    recalls = [row["recall"] for row in curve.values()]
    assert recalls == sorted(recalls, reverse=True)


#: A bright face on a dark picture, so that its pixels tell where it is.
SMALL_WH, FACE = (120, 80), (10, 20, 40, 60)


@pytest.fixture
def bright():
    image = flat((9, 9, 9), SMALL_WH)
    image.paste((250, 250, 250), FACE)
    return picture(FACE, image=image)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_quarter_turns_keep_boxes_on_their_faces(degrees, bright):
    turned = rotated(bright, degrees)

    x_min, y_min, x_max, y_max = turned.xyxy[0].round().astype(int)
    pixels = np.asarray(picture_of(turned))
    assert pixels[y_min:y_max, x_min:x_max].mean() > 245
    bright = (pixels.mean(axis=2) > 128).sum()
    assert (x_max - x_min) * (y_max - y_min) == bright == 30 * 40


@pytest.mark.parametrize("degrees", [30, 45, -45])
def test_a_tilted_face_lies_in_its_box(degrees, bright):
    turned = rotated(bright, degrees)

    pixels = np.asarray(picture_of(turned)).mean(axis=2) > 240
    y, x = np.nonzero(pixels)
    box = turned.xyxy[0]
    assert (box[0] + box[2]) / 2 == pytest.approx(x.mean() + 0.5, abs=1)
    assert (box[1] + box[3]) / 2 == pytest.approx(y.mean() + 0.5, abs=1)


def test_heights_are_those_of_the_upright_faces(bright):
    turned = rotated(bright, 90)

    (one,) = find_all(
        lambda _: [Detection(BoundingBox(*turned.xyxy[0]), 0.9)],
        [bright],
        lambda *_: None,
        90,
    )

    assert one.heights == pytest.approx(40 * 640 / 120)
