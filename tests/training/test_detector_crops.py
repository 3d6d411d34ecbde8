from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from emojifier_training.detector_crops import (
    CROP_PX,
    FACES_PER_CROP,
    LEAST_TILE_FACE_PX,
    SMALLEST_FACE_PX,
    Chances,
    collage,
    face_tile,
    random_crop,
)
from tests.datasets import labelled_picture as picture

NEVER = Chances(**dict.fromkeys((one.name for one in fields(Chances)), 0.0))
ALWAYS = replace(NEVER, around_face=1.0, turn=1.0)
SIZE_WH = (400, 300)
#: Places of three faces that do not touch, and a colour channel for each.
BOXES = ((40, 40, 110, 130), (200, 30, 280, 140), (130, 170, 190, 250))
#: Contrast and brightness change; a face stays above this, and the rest below.
LIT = 90


def drawn(*boxes, size_wh=SIZE_WH) -> np.ndarray:
    """Draw each face as an ellipse in a colour channel of its own, RGB."""
    channels = []
    for box in [*boxes, *[None] * (3 - len(boxes))]:
        # Drawn large and reduced, so that edges lie where the box says.
        large = Image.new("L", (size_wh[0] * 4, size_wh[1] * 4))
        if box is not None:
            ImageDraw.Draw(large).ellipse([edge * 4 for edge in box], fill=255)
        channels.append(np.asarray(large.reduce(4)))
    return np.stack(channels, axis=-1)


def edges_of(mask: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def crops(count, *args, chances=ALWAYS):
    return [
        random_crop(*args, np.random.default_rng(seed), chances)
        for seed in range(count)
    ]


def channel_of(crop, box) -> int:
    """Tell which face, by its colour, has its middle in the middle of a box."""
    x, y = (int(one) for one in ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
    # The crop is BGR, the drawing RGB.
    return 2 - int(crop.image_bgr[y, x].argmax())


@pytest.mark.parametrize("size_wh", [(1, 1), (30, 500), SIZE_WH, (2000, 1500)])
def test_there_are_empty_arrays(size_wh):
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)

    for crop in crops(5, image, picture()):
        assert crop.image_bgr.shape == (CROP_PX, CROP_PX, 3)
        assert crop.image_bgr.dtype == np.uint8
        assert crop.image_bgr.flags.c_contiguous
        assert crop.xyxy.shape == crop.ignored_xyxy.shape == (0, 4)
        assert crop.points_xy.shape == (0, 5, 2)


@pytest.mark.parametrize(
    "chances",
    [NEVER, ALWAYS, replace(ALWAYS, mirror=1.0), replace(ALWAYS, around_face=0.0)],
    ids=["upright", "turned", "mirrored", "anywhere"],
)
class TestBoxes:
    def test_each_box_holds_its_face_and_no_more(self, chances):
        image, labels = drawn(*BOXES), picture(*BOXES)
        whole = 0
        for crop in crops(60, image, labels, chances=chances):
            for box in crop.xyxy:
                lit = crop.image_bgr[..., 2 - channel_of(crop, box)] > LIT
                found = edges_of(lit)
                # A face beyond the crop's edge shows only a part.
                inside = np.clip(box, 0, CROP_PX)
                assert (found[:2] >= inside[:2] - 2.5).all()
                assert (found[2:] <= inside[2:] + 2.5).all()
                if (box >= 3).all() and (box <= CROP_PX - 3).all():
                    whole += 1
                    np.testing.assert_allclose(found, box, atol=2.5)

        assert whole > 25

    def test_no_face_is_left_out(self, chances):
        image, labels = drawn(*BOXES), picture(*BOXES)

        for crop in crops(60, image, labels, chances=chances):
            every = np.vstack([crop.xyxy, crop.ignored_xyxy])
            for channel in range(3):
                lit = crop.image_bgr[..., channel] > LIT
                if lit.sum() < 30:
                    continue
                x_min, y_min, x_max, y_max = edges_of(lit)
                assert (
                    (every[:, 0] < x_max)
                    & (every[:, 1] < y_max)
                    & (every[:, 2] > x_min)
                    & (every[:, 3] > y_min)
                ).any()


class TestPoints:
    BOX = (150, 100, 250, 220)
    #: Right and left eye, nose, mouth corners, the person's own sides.
    FIVE = ((180, 140), (220, 140), (200, 165), (185, 190), (215, 190))

    def image(self):
        """Mark the right eye red, the left eye green and the nose blue."""
        dots = [(x - 5, y - 5, x + 5, y + 5) for x, y in self.FIVE[:3]]
        return drawn(*dots)

    def value_at(self, crop, point):
        x, y = (round(float(one)) for one in point)
        if not (2 <= x < CROP_PX - 2 and 2 <= y < CROP_PX - 2):
            return None
        return crop.image_bgr[y - 1 : y + 1, x - 1 : x + 1].mean(axis=(0, 1))[::-1]

    @pytest.mark.parametrize(
        ("mirror", "order"), [(0.0, "red green blue"), (1.0, "green red blue")]
    )
    def test_they_move_with_the_pixels_and_keep_the_persons_sides(self, mirror, order):
        labels = picture(self.BOX, points_xy=[self.FIVE])
        seen = 0
        for crop in crops(
            40, self.image(), labels, chances=replace(ALWAYS, mirror=mirror)
        ):
            for points in crop.points_xy:
                right_eye, left_eye = points[:2]
                assert right_eye[0] < left_eye[0]
                eyes = np.linalg.norm(right_eye - left_eye)
                for point, color in zip(points, order.split(), strict=False):
                    value = self.value_at(crop, point)
                    # Dots of two pixels are too dim.
                    if value is None or eyes < 20:
                        continue
                    seen += 1
                    wanted = ("red", "green", "blue").index(color)
                    assert value.argmax() == wanted
                    assert value[wanted] > LIT

        assert seen > 40


class TestIgnored:
    def test_so_are_faces_that_are_too_small(self):
        small = (200.0, 150, 203, 153)
        near = (205.0, 100, 285, 200)
        ignored = []
        for crop in crops(40, drawn(near), picture(near, small), chances=NEVER):
            heights = crop.xyxy[:, 3] - crop.xyxy[:, 1]
            assert (heights >= SMALLEST_FACE_PX).all()
            ignored += list(crop.ignored_xyxy[:, 3] - crop.ignored_xyxy[:, 1])
        assert min(ignored) < SMALLEST_FACE_PX

    def test_overturned_faces_are_background(self):
        chances = replace(NEVER, around_face=1.0, overturn=1.0)

        for crop in crops(10, drawn(*BOXES), picture(*BOXES), chances=chances):
            assert len(crop.xyxy) == len(crop.ignored_xyxy) == 0
            assert (crop.image_bgr > LIT).any()


@pytest.mark.parametrize("name", ["grey", "tint", "blur", "jpeg", "hide", "overturn"])
def test_each_change_changes_pixels(name):
    image, labels = drawn(*BOXES), picture(*BOXES)

    plain = crops(5, image, labels, chances=NEVER)
    changed = crops(5, image, labels, chances=replace(NEVER, **{name: 1.0}))

    for before, after in zip(plain, changed, strict=True):
        assert after.image_bgr.shape == (CROP_PX, CROP_PX, 3)
        assert (after.image_bgr != before.image_bgr).any()


class TestCollage:
    @pytest.mark.parametrize("seed", range(8))
    def test_every_face_of_a_page_is_where_its_label_says(self, seed):
        random = np.random.default_rng(seed)
        image, labels = drawn(BOXES[0]), picture(BOXES[0])
        tiles = [face_tile(image, labels, random) for _ in range(3)]

        page = collage(tiles, random)

        # Pixels are BGR, and the only face is in the red channel.
        lit = page.image_bgr[..., 2].astype(int) - page.image_bgr[..., 1] > LIT
        assert 0 < len(page.xyxy) <= FACES_PER_CROP
        for box in page.xyxy:
            left, top, right, bottom = np.round(box).astype(int)
            assert bottom - top >= SMALLEST_FACE_PX - 1
            face = lit[max(top, 0) : bottom, max(left, 0) : right]
            # An ellipse fills 78 % of its box.
            assert face.mean() == pytest.approx(np.pi / 4, abs=0.15)
        assert np.isnan(page.points_xy).all()
        assert len(page.points_xy) == len(page.xyxy)

    def test_what_is_no_sample_is_ignored(self):
        random = np.random.default_rng(3)
        tile = np.full((80, 80, 3), 9, np.uint8)
        tall, low = (np.float32([0.1, 0.1, 0.9, one]) for one in (0.9, 0.15))

        page = collage([(tile, tall), (tile, low)], random)

        together = len(page.xyxy) + len(page.ignored_xyxy)
        assert together == round(together**0.5) ** 2
        assert (page.xyxy[:, 3] - page.xyxy[:, 1] >= SMALLEST_FACE_PX).all()

    def test_small_faces_make_no_tile(self):
        low = (10, 10, 40, 10 + LEAST_TILE_FACE_PX - 1)

        assert face_tile(drawn(low), picture(low), np.random.default_rng(1)) is None
