from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import torch

from emojifier_bot.vision import crops
from emojifier_bot.vision.crops import centered_frame
from emojifier_training import augment
from tests.images import photo

pytestmark = pytest.mark.requires_torch

SIZE = 64
seeds = st.integers(0, 2**32 - 1)


def frame(scale=1.0, turn=0.0, center=(SIZE / 2, SIZE / 2), size=SIZE):
    values = (torch.tensor([float(one)]) for one in (scale, turn))
    return augment.similarity(*values, torch.tensor([center]).float(), size)


def dotted(x: float, y: float, radius: float = 2.0) -> torch.Tensor:
    at = torch.arange(SIZE) + 0.5
    away = torch.hypot(at[None] - x, at[:, None] - y)
    return ((radius - away + 0.5).clamp(0, 1) * 255)[None, None]


def grey(count=4, size=SIZE) -> torch.Tensor:
    return torch.rand(count, 1, size, size) * 255


class TestSimilarity:
    @given(
        st.floats(0.1, 8), st.floats(-4, 4), st.floats(-99, 999), st.floats(-99, 999)
    )
    def test_it_is_the_frame_that_use_has(self, scale, turn, x, y):
        found = frame(scale, turn, (x, y))[0].numpy()

        wanted = centered_frame((x, y), scale, turn, SIZE)
        np.testing.assert_allclose(found, wanted, atol=1e-5 * scale * 1000)


class TestWarp:
    @given(
        st.floats(0.5, 2),
        st.floats(-3, 3),
        st.tuples(st.floats(20, 44), st.floats(20, 44)),
        st.tuples(st.floats(-6, 6), st.floats(-6, 6)),
    )
    def test_points_move_with_their_pixels(self, scale, turn, dot, away):
        x, y = dot
        matrix = frame(scale, turn, (x + away[0], y + away[1]))

        light = augment.warp(dotted(x, y), matrix, SIZE)[0, 0]

        at = torch.arange(SIZE) + 0.5
        total = light.sum()
        found = torch.stack([(light.sum(0) * at).sum(), (light.sum(1) * at).sum()])
        (wanted,) = augment.transform_points(matrix, torch.tensor([[[x, y]]]))[0]
        torch.testing.assert_close(found / total, wanted, atol=0.25, rtol=0)

    @pytest.mark.parametrize("turn", [0, 0.4, -2])
    @pytest.mark.parametrize("scale", [0.8, 1.3])
    def test_training_cuts_as_use_does(self, scale, turn):
        image = photo(80, 64)
        pixels = np.asarray(image.convert("L"))
        matrix = centered_frame((33, 30), scale, turn, 48)

        found = augment.warp(
            torch.tensor(pixels)[None, None].float(),
            torch.tensor(matrix[None]).float(),
            48,
        )

        wanted = crops.warp(pixels[..., None], matrix, (48, 48))
        away = np.abs(found[0, 0].numpy() - wanted)
        # OpenCV rounds positions to 1/32 of a pixel.
        assert away.mean() < 0.6
        assert np.percentile(away, 99) < 6


@pytest.mark.parametrize(
    "change",
    [
        augment.change_light,
        lambda images: augment.lose_detail(images, 20, 0.5),
        lambda images: augment.cover(images, 0.5),
    ],
    ids=["light", "detail", "cover"],
)
class TestEveryChange:
    @given(seed=seeds)
    def test_keeps_shape_and_input(self, change, seed):
        torch.manual_seed(seed)
        images = grey()
        before = images.clone()

        found = change(images)

        assert found.shape == images.shape
        assert torch.isfinite(found).all()
        assert torch.equal(images, before)


def test_light_keeps_darker_darker():
    torch.manual_seed(0)
    # The same light falls on both pictures of a pair only with the same draws.
    dark, bright = torch.full((8, 1, 4, 4), 60.0), torch.full((8, 1, 4, 4), 180.0)

    found = []
    for images in (dark, bright):
        torch.manual_seed(1)
        found.append(augment.change_light(images))

    assert (found[0] <= found[1]).all()
    assert (found[0] < found[1]).float().mean() > 0.9


def test_a_cover_is_a_rectangle_that_leaves_most():
    torch.manual_seed(3)
    images = torch.full((32, 1, SIZE, SIZE), -1000.0)

    hidden = augment.cover(images, 1.0)[:, 0] != -1000

    share = hidden.float().mean(dim=(1, 2))
    # Half sides of 0.05 to 0.25 of the picture's, cut at its edge.
    assert share.min() > 0
    assert share.max() <= 0.26
    for picture in hidden:
        rows, columns = picture.any(dim=1), picture.any(dim=0)
        assert picture.sum() == rows.sum() * columns.sum()
