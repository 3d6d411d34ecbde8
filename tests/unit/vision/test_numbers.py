from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.canvas import canvas_of
from emojifier_bot.vision.color import to_srgb
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.numbers import draw_numbers, number_label, numbered_copy
from tests.builders import make_placement, make_plan
from tests.images import flat, mean_abs_diff, opened, photo
from tests.profiles import rgb_profile


def drawn(faces, size_wh=(640, 480), color="olive") -> np.ndarray:
    """Return where numbers were written."""
    canvas = canvas_of(Image.new("RGB", size_wh, color))
    before = canvas.pixels.copy()
    draw_numbers(canvas, faces)
    return (canvas.pixels != before).any(axis=-1)


def test_without_faces_nothing_is_written():
    assert not drawn(make_plan(0).faces).any()


@pytest.mark.parametrize("size_px", [24.0, 60.0, 120.0, 600.0])
def test_a_number_is_large_enough_and_leaves_its_face_to_be_seen(size_px):
    (face,) = make_plan(1).faces
    face = replace(face, placement=make_placement((320.0, 240.0), size_px))

    rows, columns = np.nonzero(drawn([face]))

    assert 15 <= np.ptp(rows) <= 160
    assert abs(np.hypot(columns.mean() - 320, rows.mean() - 240) - size_px / 2) < 20
    center = drawn([face])[238:243, 318:323]
    assert not center.any()


@pytest.mark.parametrize("center_xy", [(0.0, 0.0), (640.0, 0.0), (320.0, 700.0)])
def test_a_number_stays_in_the_picture(center_xy):
    (face,) = make_plan(1).faces
    inside = replace(face, placement=make_placement((320.0, 240.0), 80.0))
    edge = replace(face, placement=make_placement(center_xy, 80.0))

    assert drawn([edge]).sum() == pytest.approx(drawn([inside]).sum(), abs=8)


def test_a_picture_may_be_smaller_than_a_number():
    (face,) = make_plan(1).faces
    assert drawn([face], (3, 200)).any()
    assert not drawn([face], (1, 1)).all()


def test_numbers_lie_beside_each_other():
    made = make_plan(6)
    faces = [
        replace(face, placement=make_placement((200.0 + 14 * n, 200.0), 26.0))
        for n, face in enumerate(made.faces)
    ]

    alone = sum(drawn([face]).sum() for face in faces)
    assert drawn(faces).sum() > 0.85 * alone


def test_every_number_has_its_own_picture():
    labels = {number: number_label(number, 13.0) for number in (1, 2, 10, 100)}

    assert labels[1].shape == labels[2].shape
    assert labels[1].shape[0] == labels[1].shape[1]
    assert labels[100].shape[1] > labels[10].shape[1] > labels[1].shape[1]
    assert not np.array_equal(labels[1], labels[2])


@pytest.mark.parametrize(
    ("size_wh", "of_copy"),
    [
        ((640, 480), (640, 480)),
        ((1700, 900), (1600, 847)),
        ((4000, 600), (1600, 240)),
        ((70, 4000), (28, 1600)),
        ((4000, 1), (1600, 1)),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_copy_is_as_small_as_chats_show_it(size_wh, of_copy, mode):
    image = photo(*size_wh, mode)
    white = Image.new("RGBA", size_wh, "white")
    seen = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")

    copy = opened(numbered_copy(from_image(image), []))

    assert (copy.format, copy.mode, copy.size) == ("JPEG", "RGB", of_copy)
    assert mean_abs_diff(copy, seen.resize(of_copy, Image.Resampling.BOX)) < 4


def test_a_copy_shows_a_pictures_colours():
    wide = replace(from_image(flat((200, 100, 50))), icc_profile=rgb_profile())

    copy = opened(numbered_copy(wide, []))

    assert "icc_profile" not in copy.info
    assert mean_abs_diff(copy, to_srgb(flat((200, 100, 50)), rgb_profile())) < 4
    assert copy.getpixel((0, 0))[0] > 240
