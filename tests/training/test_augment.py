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

SIZE = 64


def frame(scale=1.0, turn=0.0, center=(SIZE / 2, SIZE / 2), size=SIZE):
    values = (torch.tensor([float(one)]) for one in (scale, turn))
    return augment.similarity(*values, torch.tensor([center]).float(), size)


@given(st.floats(0.1, 8), st.floats(-4, 4), st.floats(-99, 999), st.floats(-99, 999))
def test_it_is_the_frame_that_use_has(scale, turn, x, y):
    found = frame(scale, turn, (x, y))[0].numpy()

    wanted = centered_frame((x, y), scale, turn, SIZE)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * scale * 1000)


@pytest.mark.parametrize("turn", [0, 0.4, -2])
@pytest.mark.parametrize("scale", [0.8, 1.3])
def test_training_cuts_as_use_does(scale, turn):
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
