from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.types import BoundingBox, Detection
from emojifier_training.data import LabelledPicture
from emojifier_training.evaluate_detector import picture_of
from emojifier_training.rotation import find_rotated, rotated, rotated_boxes
from tests.images import encoded, flat
from tests.strategies_faces import boxes

SIZE_WH = (120, 80)
FACE = (10.0, 20.0, 40.0, 60.0)


def picture(*xyxy, color=(9, 9, 9)):
    image = flat(color, SIZE_WH)
    for x_min, y_min, x_max, y_max in xyxy:
        box = tuple(int(edge) for edge in (x_min, y_min, x_max, y_max))
        image.paste((250, 250, 250), box)
    count = len(xyxy)
    return LabelledPicture(
        name="wider/a.png",
        source="wider",
        event="x",
        encoded=encoded(image, "PNG"),
        xyxy=np.array(xyxy, np.float32).reshape(-1, 4),
        points_xy=np.full((count, 5, 2), np.nan, np.float32),
        invalid=np.zeros(count, bool),
        occlusion=np.zeros(count, np.int64),
    )


def test_no_faces():
    turned = rotated(picture(), 45)

    assert turned.xyxy.shape == (0, 4)
    assert picture_of(turned).width > SIZE_WH[0]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_quarter_turns_keep_boxes_on_their_faces(degrees):
    turned = rotated(picture(FACE), degrees)

    x_min, y_min, x_max, y_max = turned.xyxy[0].round().astype(int)
    pixels = np.asarray(picture_of(turned))
    assert pixels[y_min:y_max, x_min:x_max].mean() > 245
    bright = (pixels.mean(axis=2) > 128).sum()
    assert (x_max - x_min) * (y_max - y_min) == bright == 30 * 40


def test_it_turns_counter_clockwise():
    (box,) = rotated_boxes(np.float32([FACE]), 90, SIZE_WH, (80, 120))

    np.testing.assert_allclose(box, (20, 80, 60, 110), atol=1e-4)


@pytest.mark.parametrize("degrees", [30, 45, -45])
def test_a_tilted_face_lies_in_its_box(degrees):
    turned = rotated(picture(FACE), degrees)

    pixels = np.asarray(picture_of(turned)).mean(axis=2) > 240
    y, x = np.nonzero(pixels)
    box = turned.xyxy[0]
    assert (box[0] + box[2]) / 2 == pytest.approx(x.mean() + 0.5, abs=1)
    assert (box[1] + box[3]) / 2 == pytest.approx(y.mean() + 0.5, abs=1)


@given(boxes(), st.floats(-180, 180))
def test_turned_back_the_middles_are_where_they_were(xyxy, degrees):
    turned = rotated_boxes(xyxy, degrees, (200, 100), (300, 300))
    back = rotated_boxes(turned, -degrees, (300, 300), (200, 100))

    middle = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    np.testing.assert_allclose((back[:, :2] + back[:, 2:]) / 2, middle, atol=0.05)


def test_heights_are_those_of_the_upright_faces():
    told = []

    (one,) = find_rotated(
        lambda turned: [Detection(BoundingBox(*turned.xyxy[0]), 0.9)],
        [picture(FACE)],
        90,
        lambda *now: told.append(now),
    )

    assert one.heights == pytest.approx(40 * 640 / 120)
    assert told == [(1, 1)]
