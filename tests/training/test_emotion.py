from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")


import numpy as np
import torch

from emojifier_bot.vision.crops import canonical_face, canonical_frame, cut_frame, grey
from emojifier_bot.vision.emotion import (
    APPEARANCE_PX,
    stretch,
    to_canonical,
)
from emojifier_bot.vision.landmarks import RIGID, mirror
from emojifier_bot.vision.types import EMOTIONS
from emojifier_training.crops import crop_detection, crop_picture
from emojifier_training.data import LabelledExpressions, read_expressions
from emojifier_training.emotion import (
    NETS,
    EmotionRecipe,
    as_geometry,
    normalise_appearance,
    predict,
    random_moves,
    spread_moves,
)
from emojifier_training.fit import save_warm_start
from emojifier_training.prepared_faces import (
    MARGIN_PX,
    STORED_PX,
    PreparedFaces,
    prepare_faces,
)
from tests.fakes.faces import FakeLandmarker

VARIANTS = ("landmarks", "shared_points", "fused")


def prepared(classes, *, seed=0) -> PreparedFaces:
    """Return faces whose points and tones tell their class."""
    random = np.random.default_rng(seed)
    classes = np.array(classes, np.int64)
    points = np.repeat(canonical_face(1)[None], len(classes), axis=0)
    points[:, 48:] += (classes[:, None, None] - 3.5).astype(np.float32) * 0.02
    appearance = random.integers(0, 60, (len(classes), STORED_PX, STORED_PX))
    appearance[:, 30:40, 20:52] += (classes * 24)[:, None, None]
    return PreparedFaces(
        torch.tensor(points),
        torch.tensor(appearance.astype(np.uint8))[:, None],
        torch.eye(8)[classes],
        torch.eye(8)[classes],
    )


EVERY = prepared(list(range(8)) * 4)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (40, 90), (100, 101)])
def test_appearance_is_stretched_as_in_use(low, high):
    grey = np.random.default_rng(0).integers(
        low, high + 1, (APPEARANCE_PX, APPEARANCE_PX), np.uint8
    )
    grey[0, :2] = low, high

    found = normalise_appearance(torch.tensor(grey)[None, None].float())[0, 0].numpy()

    in_use = (stretch(grey).astype(np.float32) - 127.5) / 127.5
    np.testing.assert_allclose(found, in_use, atol=1 / 255)


@pytest.mark.parametrize("variant", VARIANTS)
class TestRecipe:
    def test_an_emotion_that_never_occurs_is_no_trouble(self, variant):
        some = prepared([0, 1, 1, 2])
        recipe = EmotionRecipe(variant, some, some, 4)

        assert torch.isfinite(recipe.log_prior).all()
        assert torch.isfinite(recipe.loss(recipe.net.train()))

    def test_a_tiny_set_is_learned(self, variant, losses):
        recipe = EmotionRecipe(variant, EVERY, EVERY, 32)

        seen = losses(recipe.net, recipe.loss, 30)

        assert np.mean(seen[-5:]) < 0.85 * np.mean(seen[:5])


@pytest.mark.parametrize("has_teacher", [False, True])
def test_a_teacher_is_learned_beside_the_votes(tmp_path, has_teacher, losses):
    # It is sure of one emotion, whatever it sees.
    net, path = NETS["landmarks"](), tmp_path / "state.pt"
    last = [one for one in net.modules() if isinstance(one, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(4.0 * torch.eye(8)[5])
    save_warm_start(net, path)
    recipe = EmotionRecipe("landmarks", EVERY, EVERY, 32, path if has_teacher else None)

    losses(recipe.net, recipe.loss, 60)

    said = predict(recipe.net.eval(), EVERY, "landmarks").softmax(dim=1)
    # One vote in eight is for it.
    assert (said[:, 5].mean() > 0.25) == has_teacher


def test_rare_emotions_are_drawn_more_often():
    # Sixteen faces of anger for each one of fear.
    uneven = prepared([0] * 64 + [3] * 4)
    recipe = EmotionRecipe("landmarks", uneven, uneven, 8)

    drawn = (uneven.targets * recipe.rates[:, None]).sum(dim=0)

    # As often as the root of their counts: four to one.
    assert float(drawn[0] / drawn[3]) == pytest.approx(4, rel=1e-4)
    assert float(drawn.sum()) == pytest.approx(1)


def test_half_of_a_batch_is_mirrored():
    winking = prepared([EMOTIONS.index("happiness")])
    winking.canonical_xy[0, 37:42, 1] += 0.2
    recipe = EmotionRecipe("landmarks", winking, winking, 64)

    geometry, _, _ = recipe._batch(torch.zeros(64, dtype=torch.int64))

    mirrored = torch.tensor(mirror(winking.canonical_xy[0].numpy(), 1.0))
    plain = as_geometry(winking.canonical_xy)[0]
    other = as_geometry(mirrored[None])[0]
    to_plain, to_other = ((geometry - one).abs().mean(dim=1) for one in (plain, other))
    flipped = to_other < to_plain
    assert 0.25 < flipped.float().mean() < 0.75
    # All that is left is the noise on the points.
    assert torch.minimum(to_plain, to_other).max() < 0.3


def test_the_second_opinion_is_learned_beside_the_votes(losses):
    # People see neutral or happiness, the older labels say disgust or fear.
    opinions = [
        torch.eye(8)[[EMOTIONS.index(one) for one in pair]].repeat(16, 1)
        for pair in (("neutral", "happiness"), ("disgust", "fear"))
    ]
    faces = dataclasses.replace(EVERY, targets=opinions[0], second_opinions=opinions[1])
    recipe = EmotionRecipe("fused", faces, faces, 32)

    losses(recipe.net, recipe.loss, 30)

    geometry = as_geometry(faces.canonical_xy)
    appearance = normalise_appearance(faces.appearance[..., 8:60, 8:60].float())
    said = recipe.net.eval().opinions(geometry, appearance) + recipe.log_shift
    votes, second = said.softmax(dim=2).mean(dim=0)
    # Of the rest, three tenths of the second opinion are the votes.
    assert votes[[4, 5]].sum() > 0.7
    assert second[[2, 3]].sum() > 0.5
    assert second[[4, 5]].sum() < 0.4


class TestMoves:
    def test_what_aligns_faces_stays(self):
        moves = random_moves(EVERY.canonical_xy, EVERY.targets[:, 5])

        assert (moves[:, list(RIGID)] == 0).all()
        assert (moves[:, 48:].abs().amax(dim=(1, 2)) > 0.001).all()

    def test_neutral_faces_are_caricatured_less(self):
        torch.manual_seed(0)
        wide = EVERY.canonical_xy[:1].repeat(500, 1, 1)
        wide[:, :17, 0] += 0.2

        spreads = [
            random_moves(wide, torch.full((500,), neutral))[:, :17, 0].std()
            for neutral in (0.0, 1.0)
        ]

        assert spreads[1] < 0.6 * spreads[0]

    def test_pixels_move_as_the_points_near_them_do(self):
        moves = torch.zeros(1, 68, 2)
        moves[:, 48:, 1] = 0.1

        moved = spread_moves(moves)[0].reshape(APPEARANCE_PX, APPEARANCE_PX, 2)

        mouth = (canonical_face(APPEARANCE_PX)[48:].mean(axis=0)).astype(int)
        assert moved[mouth[1], mouth[0], 1] == pytest.approx(5.2, rel=0.1)
        assert moved[..., 0].abs().max() == 0
        assert moved[0, 0].abs().max() < 0.01


class CountingLandmarker(FakeLandmarker):
    asked = 0

    def locate(self, picture, detections):
        self.asked += 1
        return super().locate(picture, detections)


def prepare(faces, cache):
    landmarker = CountingLandmarker()
    found = prepare_faces(faces, landmarker, "a" * 64, cache, lambda *_: None)
    return found, landmarker


@pytest.fixture
def faces(data) -> LabelledExpressions:
    return read_expressions(data / "expressions")


def test_each_face_is_read_as_in_use(faces, tmp_path):
    found, _ = prepare(faces, tmp_path / "cache")

    assert len(found.appearance) == len(faces.images)
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
        stored = found.appearance[index, 0, inner, inner].numpy()
        # Reduced pixels begin where the wider region does.
        assert np.abs(stored - in_use).mean() < 4


def test_the_second_time_comes_from_the_cache(faces, tmp_path):
    cache = tmp_path / "cache"
    first, reading = prepare(faces, cache)

    again, resting = prepare(faces, cache)

    assert (reading.asked, resting.asked) == (len(faces.images), 0)
    assert first.appearance.equal(again.appearance)
    assert first.canonical_xy.equal(again.canonical_xy)
