from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import math

import numpy as np
import torch

from emojifier_bot.vision.crops import canonical_face, canonical_frame, cut_frame, grey
from emojifier_bot.vision.emotion import (
    APPEARANCE_PX,
    geometry_features,
    stretch,
    to_canonical,
)
from emojifier_bot.vision.landmark_geometry import mirror
from emojifier_bot.vision.types import EMOTIONS
from emojifier_training.crops import crop_detection, crop_picture
from emojifier_training.data import LabelledExpressions, read_expressions
from emojifier_training.emotion import (
    MARGIN_PX,
    NETS,
    STORED_PX,
    EmotionRecipe,
    PreparedFaces,
    as_geometry,
    normalise_appearance,
    predict,
    prepare_faces,
)
from emojifier_training.fit import save_warm_start
from tests.datasets import tiny_expressions
from tests.fakes.faces import FakeLandmarker

pytestmark = pytest.mark.requires_torch

VARIANTS = ("landmarks", "shared_points", "fused")


def prepared(classes, *, seed=0) -> PreparedFaces:
    """Return faces whose points and tones tell their class."""
    random = np.random.default_rng(seed)
    classes = np.array(classes, np.int64)
    points = np.repeat(canonical_face(1)[None], len(classes), axis=0)
    points[:, 48:] += (classes[:, None, None] - 3.5).astype(np.float32) * 0.02
    appearance = random.integers(0, 60, (len(classes), STORED_PX, STORED_PX))
    appearance[:, 30:40, 20:52] += (classes * 24)[:, None, None]
    labelled = LabelledExpressions(
        images=np.zeros((len(classes), 48, 48), np.uint8),
        targets=np.eye(8, dtype=np.float32)[classes],
        majority=classes,
        is_validation=np.zeros(len(classes), bool),
    )
    return PreparedFaces(points, appearance.astype(np.uint8), labelled)


EVERY = prepared(list(range(8)) * 4)


class TestInputs:
    def test_geometry_is_what_use_computes(self):
        points = EVERY.canonical_xy[:3]

        np.testing.assert_array_equal(
            as_geometry(points).numpy(), geometry_features(points.numpy())
        )

    @pytest.mark.parametrize(("low", "high"), [(0, 255), (40, 90), (100, 101)])
    def test_appearance_is_stretched_as_in_use(self, low, high):
        grey = np.random.default_rng(0).integers(
            low, high + 1, (APPEARANCE_PX, APPEARANCE_PX), np.uint8
        )
        grey[0, :2] = low, high

        found = normalise_appearance(torch.tensor(grey)[None, None].float())[
            0, 0
        ].numpy()

        in_use = (stretch(grey).astype(np.float32) - 127.5) / 127.5
        np.testing.assert_allclose(found, in_use, atol=1 / 255)


@pytest.mark.parametrize("variant", VARIANTS)
class TestRecipe:
    def test_an_emotion_that_never_occurs_is_no_trouble(self, variant):
        some = prepared([0, 1, 1, 2])
        recipe = EmotionRecipe(variant, some, some, 4)

        assert torch.isfinite(recipe.log_prior).all()
        assert torch.isfinite(recipe.loss(recipe.net.train()))

    def test_a_tiny_set_is_learned(self, variant):
        recipe = EmotionRecipe(variant, EVERY, EVERY, 32)
        optimizer = torch.optim.AdamW(recipe.net.parameters(), lr=5e-3)
        losses = []
        for _ in range(30):
            loss = recipe.loss(recipe.net.train())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))

        assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:5])

    def test_logits_come_in_order_for_any_number(self, variant):
        net = EmotionRecipe(variant, EVERY, EVERY, 8).net.eval()
        many = prepared(np.arange(300) % 8)

        logits = predict(net, many, variant)

        assert logits.shape == (300, 8)
        alone = predict(net, many.subset(torch.tensor([299])), variant)
        torch.testing.assert_close(logits[299:], alone, atol=1e-4, rtol=1e-3)


def other_way(faces):
    """Return the mirror images."""
    mirrored = faces.subset(torch.arange(len(faces.appearance)))
    mirrored.canonical_xy = torch.tensor(mirror(faces.canonical_xy.numpy(), 1.0))
    mirrored.appearance = faces.appearance.flip(-1)
    return mirrored


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_ways_are_the_mean_of_two_readings(variant):
    net = EmotionRecipe(variant, EVERY, EVERY, 8).net.eval()

    both = predict(net, EVERY, variant, both_ways=True)

    one, other = predict(net, EVERY, variant), predict(net, other_way(EVERY), variant)
    assert not torch.equal(one, other)
    torch.testing.assert_close(both, (one + other) / 2, atol=1e-4, rtol=1e-3)


class TestTeacher:
    @pytest.fixture
    def teacher(self, tmp_path):
        """Return a file of a net that is sure of one emotion, whatever it sees."""
        net = NETS["landmarks"]()
        last = [one for one in net.modules() if isinstance(one, torch.nn.Linear)][-1]
        with torch.no_grad():
            last.weight.zero_()
            last.bias.copy_(4.0 * torch.eye(8)[5])
        save_warm_start(net, tmp_path / "state.pt")
        return tmp_path / "state.pt"

    @pytest.mark.parametrize("has_teacher", [False, True])
    def test_it_is_learned_beside_the_votes(self, teacher, has_teacher):
        recipe = EmotionRecipe(
            "landmarks", EVERY, EVERY, 32, teacher if has_teacher else None
        )
        optimizer = torch.optim.AdamW(recipe.net.parameters(), lr=5e-3)
        for _ in range(60):
            optimizer.zero_grad()
            recipe.loss(recipe.net.train()).backward()
            optimizer.step()

        said = predict(recipe.net.eval(), EVERY, "landmarks").softmax(dim=1)

        # One vote in eight is for it.
        assert (said[:, 5].mean() > 0.25) == has_teacher


class TestBalance:
    #: Sixteen faces of anger for each one of fear.
    UNEVEN = prepared([0] * 64 + [3] * 4)

    def test_rare_emotions_are_drawn_more_often(self):
        recipe = EmotionRecipe("landmarks", self.UNEVEN, self.UNEVEN, 8)

        drawn = (self.UNEVEN.targets * recipe.rates[:, None]).sum(dim=0)

        # As often as the root of their counts: four to one.
        assert float(drawn[0] / drawn[3]) == pytest.approx(4, rel=1e-4)
        assert float(drawn.sum()) == pytest.approx(1)

    def test_the_loss_knows_of_it(self):
        recipe = EmotionRecipe("landmarks", self.UNEVEN, self.UNEVEN, 8)

        shift, prior = recipe.log_shift, recipe.log_prior

        # Fear is drawn four times as often, next to anger, as it comes.
        assert float(shift[3] - shift[0]) == pytest.approx(math.log(4), rel=1e-3)
        assert float(prior[0] - prior[3]) == pytest.approx(math.log(16), rel=1e-3)


class TestBatch:
    def test_half_of_a_batch_is_mirrored(self):
        winking = prepared([EMOTIONS.index("happiness")])
        winking.canonical_xy[0, 37:42, 1] += 0.2
        recipe = EmotionRecipe("landmarks", winking, winking, 64)

        geometry, _, _ = recipe._batch(torch.zeros(64, dtype=torch.int64))

        mirrored = torch.tensor(mirror(winking.canonical_xy[0].numpy(), 1.0))
        plain = as_geometry(winking.canonical_xy)[0]
        other = as_geometry(mirrored[None])[0]
        to_plain, to_other = (
            (geometry - one).abs().mean(dim=1) for one in (plain, other)
        )
        flipped = to_other < to_plain
        assert 0.25 < flipped.float().mean() < 0.75
        # All that is left is the noise on the points.
        assert torch.minimum(to_plain, to_other).max() < 0.3

    def test_appearance_is_frames_of_the_nets_size(self):
        recipe = EmotionRecipe("fused", EVERY, EVERY, 8)

        _, appearance, targets = recipe._batch(torch.arange(8))

        assert appearance.shape == (8, 1, APPEARANCE_PX, APPEARANCE_PX)
        assert appearance.min() == -1
        assert appearance.max() == 1
        assert targets.argmax(dim=1).tolist() == list(range(8))

    def test_the_stored_margin_is_cut_off_for_prediction(self):
        seen = []

        class Watching(torch.nn.Module):
            def forward(self, geometry, appearance):
                seen.append(appearance)
                return torch.zeros(len(geometry), 8)

        faces = prepared([0])
        faces.appearance[...] = 50
        faces.appearance[..., MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] = 90
        faces.appearance[..., MARGIN_PX, MARGIN_PX] = 200

        predict(Watching(), faces)

        assert seen[0].shape == (1, 1, APPEARANCE_PX, APPEARANCE_PX)
        assert seen[0][0, 0, 0, 0] == 1
        assert (seen[0].flatten()[1:] == -1).all()


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


def test_another_model_or_other_faces_are_read_anew(faces, tmp_path):
    cache = tmp_path / "cache"
    prepare(faces, cache)

    _, other_model = prepare(faces, cache, sha256="b" * 64)
    _, other_faces = prepare(faces.subset(np.arange(2)), cache)

    assert (other_model.asked, other_faces.asked) == (len(faces.images), 2)
