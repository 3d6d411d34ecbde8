from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import torch

from emojifier_bot.vision.crops import canonical_face
from emojifier_bot.vision.emotion import APPEARANCE_PX, geometry_features, stretch
from emojifier_bot.vision.landmark_geometry import mirror
from emojifier_bot.vision.types import EMOTIONS
from emojifier_training.data import LabelledExpressions
from emojifier_training.emotion import (
    MARGIN_PX,
    NETS,
    STORED_PX,
    EmotionRecipe,
    PreparedFaces,
    as_geometry,
    as_looks,
    predict,
)
from emojifier_training.fit import save_warm_start

pytestmark = pytest.mark.requires_torch

VARIANTS = ("landmarks", "shared_points", "appearance", "fused")


def prepared(classes, *, seed=0) -> PreparedFaces:
    """Return faces whose points and tones tell their class."""
    random = np.random.default_rng(seed)
    classes = np.array(classes, np.int64)
    points = np.repeat(canonical_face(1)[None], len(classes), axis=0)
    points[:, 48:] += (classes[:, None, None] - 3.5).astype(np.float32) * 0.02
    looks = random.integers(0, 60, (len(classes), STORED_PX, STORED_PX))
    looks[:, 30:40, 20:52] += (classes * 24)[:, None, None]
    labelled = LabelledExpressions(
        images=np.zeros((len(classes), 48, 48), np.uint8),
        targets=np.eye(8, dtype=np.float32)[classes],
        majority=classes,
        is_validation=np.zeros(len(classes), bool),
    )
    return PreparedFaces(points, looks.astype(np.uint8), labelled)


EVERY = prepared(list(range(8)) * 4)


class TestPreparedFaces:
    def test_they_are_tensors(self):
        assert EVERY.canonical_xy.shape == (32, 68, 2)
        assert EVERY.looks.shape == (32, 1, STORED_PX, STORED_PX)
        assert EVERY.targets.shape == (32, 8)

    @pytest.mark.parametrize(
        "keep", [torch.tensor([3, 1]), torch.arange(32) == 9, torch.arange(0)]
    )
    def test_a_subset(self, keep):
        part = EVERY.subset(keep)

        torch.testing.assert_close(part.targets, EVERY.targets[keep])
        torch.testing.assert_close(part.looks, EVERY.looks[keep])
        torch.testing.assert_close(part.canonical_xy, EVERY.canonical_xy[keep])


class TestInputs:
    def test_geometry_is_what_use_computes(self):
        points = EVERY.canonical_xy[:3]

        np.testing.assert_array_equal(
            as_geometry(points).numpy(), geometry_features(points.numpy())
        )

    @pytest.mark.parametrize(("low", "high"), [(0, 255), (40, 90), (100, 101)])
    def test_looks_are_stretched_as_in_use(self, low, high):
        grey = np.random.default_rng(0).integers(
            low, high + 1, (APPEARANCE_PX, APPEARANCE_PX), np.uint8
        )
        grey[0, :2] = low, high

        found = as_looks(torch.tensor(grey)[None, None].float())[0, 0].numpy()

        in_use = (stretch(grey).astype(np.float32) - 127.5) / 127.5
        np.testing.assert_allclose(found, in_use, atol=1 / 255)

    def test_flat_looks_are_black_as_in_use(self):
        found = as_looks(torch.full((1, 1, 4, 4), 77.0))

        assert (found == -1).all()


@pytest.mark.parametrize("variant", VARIANTS)
class TestRecipe:
    def test_the_loss_is_finite_and_has_gradients(self, variant):
        recipe = EmotionRecipe(variant, EVERY, EVERY, 8)

        loss = recipe.loss(recipe.net.train())
        loss.backward()

        assert torch.isfinite(loss)
        for parameter in recipe.net.parameters():
            assert torch.isfinite(parameter.grad).all()

    def test_an_emotion_that_never_occurs_is_no_trouble(self, variant):
        some = prepared([0, 1, 1, 2])
        recipe = EmotionRecipe(variant, some, some, 4)

        assert torch.isfinite(recipe.log_prior).all()
        assert torch.isfinite(recipe.loss(recipe.net.train()))

    def test_figures_of_held_out_faces(self, variant):
        recipe = EmotionRecipe(variant, EVERY, EVERY, 8)

        figures = recipe.evaluate(recipe.net.eval())

        assert figures.keys() == {"accuracy", "macro_f1"}
        assert all(0 <= value <= 1 for value in figures.values())

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

    def test_no_faces_no_logits(self, variant):
        net = EmotionRecipe(variant, EVERY, EVERY, 8).net.eval()

        none = EVERY.subset(torch.arange(0))

        assert predict(net, none, variant).shape == (0, 8)


def other_way(faces):
    """Return the mirror images."""
    mirrored = faces.subset(torch.arange(len(faces.looks)))
    mirrored.canonical_xy = torch.tensor(mirror(faces.canonical_xy.numpy(), 1.0))
    mirrored.looks = faces.looks.flip(-1)
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

    def test_what_it_says_is_known_for_every_face(self, teacher):
        recipe = EmotionRecipe("landmarks", EVERY, EVERY, 8, teacher)

        assert recipe.taught.shape == (32, 8)
        expected = math.exp(4) / (math.exp(4) + 7)
        torch.testing.assert_close(recipe.taught[:, 5], torch.full((32,), expected))

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

    def test_looks_are_frames_of_the_nets_size(self):
        recipe = EmotionRecipe("fused", EVERY, EVERY, 8)

        _, looks, targets = recipe._batch(torch.arange(8))

        assert looks.shape == (8, 1, APPEARANCE_PX, APPEARANCE_PX)
        assert looks.min() == -1
        assert looks.max() == 1
        assert targets.argmax(dim=1).tolist() == list(range(8))

    def test_the_stored_margin_is_cut_off_for_prediction(self):
        seen = []

        class Watching(torch.nn.Module):
            def forward(self, geometry, looks):
                seen.append(looks)
                return torch.zeros(len(geometry), 8)

        faces = prepared([0])
        faces.looks[...] = 50
        faces.looks[..., MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] = 90
        faces.looks[..., MARGIN_PX, MARGIN_PX] = 200

        predict(Watching(), faces)

        assert seen[0].shape == (1, 1, APPEARANCE_PX, APPEARANCE_PX)
        assert seen[0][0, 0, 0, 0] == 1
        assert (seen[0].flatten()[1:] == -1).all()
