"""Hypothesis strategies: pictures, and points, placements and boxes of faces."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st
from PIL import Image

from emojifier_bot.vision.types import FloatArray, Landmarks, Placement
from tests.builders import make_landmarks

#: Longest side of a drawn picture: enough for two blocks of every codec.
_LONGEST_PX = 20


def pictures(
    modes: tuple[str, ...] = ("RGB", "RGBA"), longest_px: int = _LONGEST_PX
) -> st.SearchStrategy[Image.Image]:
    """Draw small pictures of any content, from 1 x 1 on."""
    return st.sampled_from(modes).flatmap(lambda mode: _of_mode(mode, longest_px))


def _of_mode(mode: str, longest_px: int) -> st.SearchStrategy[Image.Image]:
    side = st.integers(1, longest_px)
    channels = len(mode)
    shapes = st.tuples(side, side, st.just(channels))
    return shapes.flatmap(lambda shape: np_st.arrays("uint8", shape)).map(
        Image.fromarray
    )


rolls = st.floats(-180, 180)


@st.composite
def placements(
    draw: st.DrawFn, *, reach_px: float = 300, largest_px: float = 200
) -> Placement:
    """Draw a place that may lie partly or wholly beyond the edge of a picture."""
    at = st.floats(-reach_px, reach_px)
    size = draw(st.floats(1, largest_px))
    return Placement((draw(at), draw(at)), size, draw(rolls))


@st.composite
def landmarks(draw: st.DrawFn, *, noise: float = 0.05) -> Landmarks:
    """Draw the mean face at any place, size and roll, its points a little off."""
    at = st.floats(-500, 2000)
    eye_distance = draw(st.floats(8, 600))
    upright = make_landmarks(
        center_xy=(draw(at), draw(at)),
        eye_distance_px=eye_distance,
        roll_degrees=draw(rolls),
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    off = random.normal(0, noise * eye_distance, (68, 2)).astype(np.float32)
    return Landmarks(upright.points_xy + off, upright.scheme)


@st.composite
def boxes(draw: st.DrawFn, *, most: int = 6) -> FloatArray:
    """Draw ``(N, 4)`` boxes of at least a pixel, N from 0."""
    corner, side = st.floats(-200, 200, width=32), st.floats(1, 200, width=32)
    rows = draw(st.lists(st.tuples(corner, corner, side, side), max_size=most))
    xywh = np.array(rows, np.float32).reshape(-1, 4)
    return np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]])
