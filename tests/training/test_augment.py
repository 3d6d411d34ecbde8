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


def test_what_a_pixel_shows_is_moved():
    images = torch.zeros(1, 1, 9, 9)
    images[..., 4, 4] = 1
    moved = torch.zeros(1, 81, 2)
    moved[..., 0] = 2

    found = augment.warp(images, frame(1, 0, (4.5, 4.5), 9), 9, moved)

    assert found[0, 0].argmax() == 4 * 9 + 6


def test_even_light_takes_the_shade_and_keeps_the_detail():
    torch.manual_seed(2)
    shade = torch.linspace(40, 210, SIZE).expand(64, 1, SIZE, SIZE)
    detail = 20 * (torch.arange(SIZE) % 2).float()

    lit = augment.even_light(shade + detail[:, None], 1.0)

    slopes = (lit[..., -4:] - lit[..., :4]).mean(dim=(1, 2, 3)) / 160
    # From a tenth of the shade to nearly half as much again.
    assert slopes.min() < 0.3
    assert slopes.max() > 1.2
    steps = lit[..., 1::2, :].mean(dim=(1, 2, 3)) - lit[..., ::2, :].mean(dim=(1, 2, 3))
    np.testing.assert_allclose(steps, 20, atol=2)


def test_a_tight_crop_repeats_its_edge():
    torch.manual_seed(4)
    images = torch.rand(64, 1, SIZE, SIZE)

    tight = augment.crop_tightly(images, 5, 1.0)

    same = (tight == images).flatten(1).all(dim=1)
    assert same.float().mean() < 0.2
    np.testing.assert_array_equal(tight[..., 5:-5, 5:-5], images[..., 5:-5, 5:-5])
    assert torch.equal(augment.crop_tightly(images, 5, 0.0), images)


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
