from __future__ import annotations

import numpy as np
import pytest

from emojifier_bot.errors import ConfigError
from emojifier_training.teacher import Teacher
from tests.datasets import labelled_picture as labelled

FACE, OTHER = [10, 10, 50, 60], [100, 20, 140, 70]
POINTS = np.arange(10, dtype=np.float32).reshape(5, 2)
IMAGE = np.zeros((96, 180, 3), np.uint8)


@pytest.fixture
def teacher(monkeypatch):
    """Return a function that makes a teacher who sees faces, so sure of each."""

    def make(*faces):
        one = object.__new__(Teacher)
        xyxy, sure = (np.array(part, np.float32) for part in zip(*faces, strict=True))
        seen = xyxy, sure, np.stack([POINTS] * len(faces))
        monkeypatch.setattr(Teacher, "detect", lambda *_: seen)
        return one

    return make


def test_points_that_a_label_lacks_are_the_teachers(teacher):
    taught = teacher((FACE, 0.9)).teach(labelled(FACE, OTHER), IMAGE)

    np.testing.assert_array_equal(taught.points_xy[0], POINTS)
    assert np.isnan(taught.points_xy[1]).all()
    assert not taught.invalid.any()


@pytest.mark.parametrize(
    ("points_xy", "sure"), [(7, 0.9), (np.nan, 0.4)], ids=["labelled", "unsure"]
)
def test_other_points_stay(teacher, points_xy, sure):
    before = labelled(FACE, points_xy=np.full((1, 5, 2), points_xy))

    taught = teacher((FACE, sure)).teach(before, IMAGE)

    np.testing.assert_array_equal(taught.points_xy, before.points_xy)


def test_what_has_no_label_is_neither_face_nor_background(teacher):
    taught = teacher((FACE, 0.9), (OTHER, 0.4)).teach(labelled(FACE), IMAGE)

    np.testing.assert_array_equal(taught.xyxy, [FACE, OTHER])
    assert taught.invalid.tolist() == [False, True]
    assert len(taught.points_xy) == len(taught.occlusion) == 2


def test_a_picture_without_labels_may_have_faces(teacher):
    assert teacher((FACE, 0.9)).teach(labelled(), IMAGE).invalid.tolist() == [True]


class FakeNet:
    """Gives what CenterFace gives for one face in a 192 x 96 picture."""

    def setInput(self, blob):  # noqa: N802 - OpenCV's name
        self.shape = blob.shape

    def forward(self, names):
        assert names == ("537", "538", "539", "540")
        assert self.shape == (1, 3, 96, 192)
        heat, sizes, offsets, points = (
            np.zeros((1, n, 24, 48), np.float32) for n in (1, 2, 2, 10)
        )
        # The cell beside it sees the same face, less surely.
        for column, sure in ((20, 0.8), (21, 0.6)):
            heat[0, 0, 10, column] = sure
            sizes[0, :, 10, column] = np.log([6, 5])
        # Row before column, as in sizes and points.
        offsets[0, :, 10, 20] = 0.25, 0.5
        points[0, :, 10, 20] = [0.5, 0.25] * 5
        return heat, sizes, offsets, points


def test_boxes_and_points_are_pixels_of_the_picture():
    teacher = object.__new__(Teacher)
    teacher._net = FakeNet()

    xyxy, confidences, points_xy = teacher.detect(IMAGE)

    # Cells of 4 pixels, and a picture that was made 192 wide from 180.
    shrink = 180 / 192
    middle, high = ((20 + 0.5 + 0.5) * 4, (10 + 0.25 + 0.5) * 4), (20, 24)
    left, top = middle[0] - high[0] / 2, middle[1] - high[1] / 2
    np.testing.assert_allclose(
        xyxy, [[left * shrink, top, (left + 20) * shrink, top + 24]], rtol=1e-5
    )
    assert confidences.tolist() == pytest.approx([0.8])
    np.testing.assert_allclose(
        points_xy[0], [[(left + 0.25 * 20) * shrink, top + 0.5 * 24]] * 5, rtol=1e-5
    )


def test_another_file_is_refused(tmp_path):
    file = tmp_path / "centerface.onnx"
    file.write_bytes(b"no network")

    with pytest.raises(ConfigError, match="cannot be read as CenterFace"):
        Teacher(file)
