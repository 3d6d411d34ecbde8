from __future__ import annotations

import numpy as np
import pytest

from emojifier_bot.vision.debug import draw_debug, label
from tests.builders import (
    make_emojified_face,
    make_face,
    make_landmarks,
    make_placement,
)
from tests.images import assert_same_pixels, photo


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_input_stays_and_the_box_shows(mode):
    image = photo(400, 300, mode)
    face = make_emojified_face()

    drawn = draw_debug(image, [face])

    assert_same_pixels(draw_debug(image, []), image)
    assert_same_pixels(image, photo(400, 300, mode))
    x_min, y_min, x_max, y_max = map(int, face.face.box.xyxy)
    changed = (np.asarray(drawn) != np.asarray(image)).any(axis=-1)
    assert changed[y_min, x_min : x_max - 1].all()
    assert changed[y_min : y_max - 1, x_min].all()


@pytest.mark.parametrize("center_xy", [(-500.0, -500.0), (0.0, 0.0), (398.0, 298.0)])
def test_faces_at_the_edge_and_beyond_are_no_error(center_xy):
    face = make_face(landmarks=make_landmarks(center_xy=center_xy))

    drawn = draw_debug(
        photo(400, 300),
        [make_emojified_face(face=face, placement=make_placement(center_xy))],
    )

    assert drawn.size == (400, 300)


def test_the_label_names_what_was_read():
    face = make_emojified_face(face=make_face("happiness", 0.9), sure=False)

    lines = label(face).splitlines()

    assert lines[0] == "face 0.90, roll 0"
    assert lines[1] == "happiness 0.90"
    assert lines[-1] == "neutral_face (not sure)"
