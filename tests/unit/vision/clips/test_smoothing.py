from __future__ import annotations

import numpy as np
import pytest

from emojifier_bot.vision.clips.smoothing import smooth, smoothstep, window_means

SECONDS = np.arange(90) / 30


def test_one_value_stays_what_it_is():
    values = np.array([[1.0, -2.0]])

    np.testing.assert_array_equal(smooth(np.array([3.0]), values), values)


@pytest.mark.parametrize("speed", [0.0, 0.05, 1.0, 8.0])
def test_what_moves_steadily_neither_lags_nor_leads(speed):
    values = (SECONDS * speed)[:, None]

    off = smooth(SECONDS, values) - values

    # In faces: a two-hundredth, and nothing at all away from the ends.
    assert np.abs(off).max() < 0.005
    assert np.abs(off[15:-15]).max() < 1e-3


def test_what_stands_still_shakes_less_than_half_as_much():
    noise = np.random.default_rng(0).normal(0, 0.001, (90, 1))

    smoothed = smooth(SECONDS, noise)

    assert np.diff(smoothed, axis=0).std() < 0.5 * np.diff(noise, axis=0).std()


def test_a_shaken_camera_is_followed():
    shaken = np.random.default_rng(0).normal(0, 0.07, (90, 2))

    off = smooth(SECONDS, shaken) - shaken

    assert np.linalg.norm(off, axis=1).std() < 0.003


def test_means_are_those_of_the_measurements_near_by():
    seconds = np.array([0.0, 0.1, 0.2, 9.0])
    values = np.array([[1.0], [1.0], [1.0], [5.0]])

    means = window_means(seconds, values, np.array([0.1, 3.0, 8.0, 20.0]), 0.2)

    np.testing.assert_allclose(means[:, 0], [1.0, 1.0, 5.0, 5.0], atol=1e-6)


def test_many_means_are_those_of_one_at_a_time():
    seconds = np.sort(np.random.default_rng(1).uniform(0, 30, 400))
    values = np.random.default_rng(2).normal(size=(400, 3))
    at = np.arange(-20, 1000) / 30

    together = window_means(seconds, values, at, 0.15)

    alone = [window_means(seconds, values, at[[k]], 0.15)[0] for k in range(len(at))]
    np.testing.assert_allclose(together, alone, atol=1e-3)


@pytest.mark.parametrize(
    ("share", "soft"), [(-1, 0), (0, 0), (0.25, 0.15625), (0.5, 0.5), (1, 1), (7, 1)]
)
def test_a_soft_way_is_straight_in_the_middle_and_flat_at_its_ends(share, soft):
    assert smoothstep(share) == soft
