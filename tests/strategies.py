"""Hypothesis strategies."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st
from PIL import Image

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
