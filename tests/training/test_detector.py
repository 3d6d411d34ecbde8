from itertools import chain

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")


from emojifier_bot.vision.landmarks import five_points
from emojifier_bot.vision.types import BoundingBox, Detection
from emojifier_training.data import is_held_out, read_landmarks
from emojifier_training.detector import (
    BACKGROUND_RATE,
    CLOSE_FACE_BOX,
    DRAWINGS_EACH,
    MISTAKE_CONFIDENCE,
    MISTAKEN_RATE,
    DetectorRecipe,
    as_picture,
    background_drawings,
    close_faces,
)
from emojifier_training.detector_crops import TILE_FACES
from emojifier_training.negatives import KINDS, TRAINED_KINDS, drawings
from tests.datasets import votes_for, write_expressions


def test_a_part_is_held_out(data):
    recipe = DetectorRecipe(data, 2)

    sources = [one.source for one in recipe.train]
    assert {name: sources.count(name) for name in set(sources)} == {
        "wider": 4,
        "helen": 3,
        "afw": 3,
        "youtube": 3,
        "drawings": len(TRAINED_KINDS) * DRAWINGS_EACH,
        "negatives": 3,
    }
    # Of videos the subject decides.
    by_name = [one for one in recipe.train if one.source not in ("drawings", "youtube")]
    assert not any(is_held_out(one.source, one.name) for one in by_name)
    crops = {one.name: one for one in read_landmarks(data / "landmarks")}
    frames = [crops[one.name] for one in recipe.train if one.source == "youtube"]
    assert not any(is_held_out(one.source, one.name, one.subject) for one in frames)
    assert recipe.rates.sum() == pytest.approx(1)
    assert len(recipe.images) == len(recipe.mistakes) == len(recipe.train)


def test_what_was_taken_for_a_face_comes_more_often(data, monkeypatch):
    class Detector:
        def __init__(self, _spec, min_confidence):
            assert min_confidence == MISTAKE_CONFIDENCE
            self.calls = 0

        def detect(self, _image):
            self.calls += 1
            box = BoundingBox(4, 6, 24, 30)
            return [Detection(box, 0.3)] if self.calls == 2 else []

    monkeypatch.setattr("emojifier_training.detector.YuNetDetector", Detector)

    recipe = DetectorRecipe(data, 2)

    rows = [i for i, one in enumerate(recipe.train) if one.source == "negatives"]
    assert [len(recipe.mistakes[row]) for row in rows] == [0, 1, 0]
    assert recipe.mistakes[rows[1]].tolist() == [[4, 6, 24, 30]]
    rates = recipe.rates[rows]
    assert rates[1] / rates[0] == pytest.approx(MISTAKEN_RATE / BACKGROUND_RATE)


def test_half_of_the_faces_of_a_page_fill_their_tile(data):
    recipe = DetectorRecipe(data, 2)
    random = np.random.default_rng(4)

    pages = [recipe._tiles(random) for _ in range(30)]

    filling = [[(box == CLOSE_FACE_BOX).all() for _, box in page] for page in pages]
    assert {len(page) for page in pages} == set(range(1, TILE_FACES + 1))
    assert all(sum(page) >= len(page) / 2 for page in filling)
    assert not all(all(page) for page in filling)
    for tile, _ in chain.from_iterable(pages):
        assert tile.shape[2] == 3
        assert tile.dtype == np.uint8


@pytest.mark.parametrize("colors", [(), (3,)], ids=["grey", "rgb"])
def test_faces_of_expressions_are_told_in_blue_green_and_red(tmp_path, colors):
    images = np.arange(4 * 6 * 6 * 3, dtype=np.uint8).reshape(4, 6, 6, 3)
    images = images if colors else images[..., 0]
    held = np.array([False, True, False, False])
    votes = votes_for(*["neutral"] * 4)
    write_expressions(tmp_path / "expressions", images, votes=votes, is_validation=held)

    faces = close_faces(tmp_path)

    wanted = images[~held][..., ::-1] if colors else images[~held][..., None]
    np.testing.assert_array_equal(faces, np.broadcast_to(wanted, (3, 6, 6, 3)))


def test_drawings_are_background_and_not_those_of_the_evaluation():
    drawn = background_drawings()

    judged = [np.asarray(i) for kind in TRAINED_KINDS for i in drawings(KINDS[kind])]
    assert all(len(picture.xyxy) == 0 for picture, _ in drawn)
    assert not any((image == other).all() for _, image in drawn for other in judged)
    assert set(TRAINED_KINDS) < set(KINDS)


def test_a_landmark_crop_becomes_a_picture_with_one_face(data):
    crop = read_landmarks(data / "landmarks")[0]

    picture = as_picture(crop)

    assert picture.xyxy.shape == (1, 4)
    x_min, y_min, x_max, y_max = picture.xyxy[0]
    low, high = crop.points_xy.min(axis=0), crop.points_xy.max(axis=0)
    assert (x_min, x_max, y_max) == (low[0], high[0], high[1])
    # The forehead is in the box too.
    assert y_min < low[1]
    np.testing.assert_array_equal(picture.points_xy[0], five_points(crop.points_xy))
    assert not picture.invalid.any()
    np.testing.assert_array_equal(picture.image(), crop.image())
