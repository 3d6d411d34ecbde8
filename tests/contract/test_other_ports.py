"""What every decoder, theme and clock keeps, fakes included."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from emojifier_bot.clock import SystemClock
from emojifier_bot.errors import ImageError
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.clips.opening import InProcessDecoder
from emojifier_bot.vision.color import sprite_into_profile
from emojifier_bot.vision.decode import DecodeLimits, from_image
from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder
from emojifier_bot.vision.themes import list_themes, open_theme
from tests import profiles
from tests.fakes.clock import FakeClock
from tests.fakes.pipeline import FakeDecoder, FakeEmojiSource
from tests.images import assert_same_pixels, encoded, photo

PNG = encoded(photo(), "PNG")


class TestDecoder:
    @pytest.fixture(
        params=[
            lambda: nullcontext(InProcessDecoder()),
            IsolatedDecoder,
            lambda: nullcontext(FakeDecoder({PNG: from_image(photo())})),
        ],
        ids=["in process", "isolated", "fake"],
    )
    def decoder(self, request):
        with request.param() as one:
            yield one

    def test_gives_the_pixels(self, decoder):
        decoded = decoder.decode(PNG)

        assert decoded.source_format == "PNG"
        assert_same_pixels(decoded.image, photo())

    @pytest.mark.parametrize("data", [b"", b"no picture", PNG[:40]])
    def test_refuses_what_is_no_picture(self, decoder, data):
        with pytest.raises(ImageError):
            decoder.decode(data)


def test_the_decoder_keeps_its_limits():
    with pytest.raises(ImageError) as caught:
        InProcessDecoder(DecodeLimits(max_bytes=10)).decode(PNG)

    assert caught.value.kind == "too_large"


class TestEmojiSource:
    @pytest.fixture(params=["fake", *list_themes(emojis_dir())])
    def source(self, request):
        return (
            FakeEmojiSource() if request.param == "fake" else open_theme(request.param)
        )

    def test_the_names_differ(self, source):
        names = [one.name for one in source.theme.emoji]

        assert names
        assert len(set(names)) == len(names)

    @pytest.mark.parametrize("width_px", [1, 33, 512, 2000])
    def test_art_is_square_rgba_of_any_width(self, source, width_px):
        sprite = source.sprite(source.theme.emoji[0], width_px)

        assert sprite.dtype == np.uint8
        assert sprite.shape == (sprite.shape[0], sprite.shape[0], 4)
        assert sprite.shape[0] >= min(width_px, source.theme.art_size_px)

    def test_art_has_the_colours_of_a_pictures_profile(self, source):
        emoji, profile = source.theme.emoji[0], profiles.rgb_profile()
        plain, there = source.sprite(emoji, 64), source.sprite(emoji, 64, profile)
        whole = plain[..., 3] == 255

        assert np.array_equal(there[..., 3], plain[..., 3])
        assert np.array_equal(there[whole], sprite_into_profile(plain, profile)[whole])
        assert not np.array_equal(there, plain)

    def test_art_is_premultiplied(self, source):
        for width_px in (32, 512):
            sprite = source.sprite(source.theme.emoji[0], width_px)
            assert (sprite[..., :3].max(axis=-1) <= sprite[..., 3]).all()

    def test_the_anchors_disc_is_opaque(self, source):
        for emoji in source.theme.emoji:
            sprite = source.sprite(emoji, source.theme.art_size_px)
            x, y = (round(one) for one in emoji.anchor.center_xy)
            reach = int(emoji.anchor.diameter_px * 0.45)

            assert sprite[y, x - reach : x + reach, 3].min() == 255


class TestClock:
    @pytest.fixture(params=[SystemClock, FakeClock])
    def clock(self, request):
        return request.param()

    def test_never_runs_backwards(self, clock):
        times = [clock.monotonic() for _ in range(100)]

        assert times == sorted(times)
        assert times[-1] > times[0]
