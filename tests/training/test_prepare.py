from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

from emojifier_bot.vision.crops import canonical_frame, cut_frame, grey
from emojifier_bot.vision.emotion import APPEARANCE_PX, to_canonical
from emojifier_training.crops import crop_detection, crop_picture
from emojifier_training.data import LabelledExpressions, read_expressions
from emojifier_training.emotion import MARGIN_PX, STORED_PX
from emojifier_training.prepare import prepare_faces
from tests.datasets import tiny_expressions
from tests.fakes.faces import FakeLandmarker

pytestmark = pytest.mark.requires_torch

SHA256 = "a" * 64


class CountingLandmarker(FakeLandmarker):
    """A fake that counts what it is asked."""

    def __init__(self):
        self.asked = 0

    def locate(self, picture, detections):
        self.asked += 1
        return super().locate(picture, detections)


def prepare(faces, cache, *, sha256=SHA256, progress=lambda *_: None):
    landmarker = CountingLandmarker()
    return prepare_faces(faces, landmarker, sha256, cache, progress), landmarker


@pytest.fixture
def faces(tmp_path) -> LabelledExpressions:
    return read_expressions(tiny_expressions(tmp_path))


def test_no_faces(faces, tmp_path):
    none, landmarker = prepare(faces.subset(np.arange(0)), tmp_path / "cache")

    assert none.canonical_xy.shape == (0, 68, 2)
    assert none.looks.shape == (0, 1, STORED_PX, STORED_PX)
    assert landmarker.asked == 0


def test_each_face_is_read_as_in_use(faces, tmp_path):
    found, _ = prepare(faces, tmp_path / "cache")

    assert len(found.looks) == len(faces.images)
    np.testing.assert_array_equal(found.targets.numpy(), faces.targets)
    for index, crop in enumerate(faces.images[:3]):
        picture = crop_picture(crop)
        (points,) = FakeLandmarker().locate(picture, [crop_detection()])
        np.testing.assert_array_equal(
            found.canonical_xy[index].numpy(), to_canonical(points.points_xy)
        )
        frame = canonical_frame(points.points_xy, APPEARANCE_PX)
        in_use = grey(cut_frame(picture, frame, APPEARANCE_PX)).astype(int)
        inner = slice(MARGIN_PX, MARGIN_PX + APPEARANCE_PX)
        stored = found.looks[index, 0, inner, inner].numpy()
        # Reduced pixels begin where the wider region does.
        assert np.abs(stored - in_use).mean() < 4


def test_the_second_time_comes_from_the_cache(faces, tmp_path):
    cache = tmp_path / "cache"
    first, reading = prepare(faces, cache)

    again, resting = prepare(faces, cache)

    assert (reading.asked, resting.asked) == (len(faces.images), 0)
    assert first.looks.equal(again.looks)
    assert first.canonical_xy.equal(again.canonical_xy)


def test_another_model_or_other_faces_are_read_anew(faces, tmp_path):
    cache = tmp_path / "cache"
    prepare(faces, cache)

    _, other_model = prepare(faces, cache, sha256="b" * 64)
    _, other_faces = prepare(faces.subset(np.arange(2)), cache)

    assert (other_model.asked, other_faces.asked) == (len(faces.images), 2)


def test_progress_is_told(faces, tmp_path):
    told = []

    prepare(
        faces.subset(np.arange(2)), tmp_path, progress=lambda *now: told.append(now)
    )

    assert told == [(1, 2), (2, 2)]
