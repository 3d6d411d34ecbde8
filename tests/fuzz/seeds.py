"""Sound pictures of every format, made on the spot, for the fuzzer to damage."""

from __future__ import annotations

from functools import cache
from typing import Any

from PIL import Image

from tests import profiles
from tests.clips import animation, panned, with_hole
from tests.images import encoded, oriented_exif, photo
from tests.videos import video

#: Name, codec, mode and options of each.
_KINDS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("jpeg", "JPEG", "RGB", {"quality": 80}),
    ("jpeg turned", "JPEG", "RGB", {"exif": oriented_exif(6, secret=True)}),
    ("jpeg progressive", "JPEG", "RGB", {"progressive": True}),
    ("jpeg cmyk", "JPEG", "CMYK", {"icc_profile": profiles.cmyk_profile()}),
    ("jpeg grey", "JPEG", "L", {"icc_profile": profiles.grey_profile()}),
    ("jpeg profile", "JPEG", "RGB", {"icc_profile": profiles.rgb_profile()}),
    ("mpo", "MPO", "RGB", {"save_all": True, "append_images": [photo(64, 48)]}),
    ("png", "PNG", "RGBA", {"exif": oriented_exif(3)}),
    ("png palette", "PNG", "P", {"transparency": 3}),
    ("png profile", "PNG", "RGB", {"icc_profile": profiles.rgb_profile()}),
    ("png deep", "PNG", "I;16", {}),
    ("gif", "GIF", "P", {"save_all": True, "append_images": [photo(64, 48, "P")]}),
    ("webp", "WEBP", "RGBA", {"exif": oriented_exif(8)}),
    ("webp lossless", "WEBP", "RGB", {"lossless": True}),
    (
        "webp moving",
        "WEBP",
        "RGB",
        {"save_all": True, "append_images": [photo(64, 48)]},
    ),
    ("heic", "HEIF", "RGB", {"quality": 60}),
    ("heic alpha", "HEIF", "RGBA", {}),
    ("avif", "AVIF", "RGB", {"quality": 60, "exif": oriented_exif(6)}),
    ("avif alpha", "AVIF", "RGBA", {}),
    ("tiff", "TIFF", "RGB", {}),
    ("tiff lzw", "TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("tiff jpeg", "TIFF", "RGB", {"compression": "jpeg"}),
    ("tiff deflate", "TIFF", "L", {"compression": "tiff_adobe_deflate"}),
    ("tiff fax", "TIFF", "1", {"compression": "group4"}),
    ("bmp", "BMP", "P", {}),
    ("ico", "ICO", "RGBA", {"sizes": [(64, 48)]}),
    ("ico bitmap", "ICO", "RGBA", {"sizes": [(64, 48)], "bitmap_format": "bmp"}),
)


@cache
def clips() -> tuple[tuple[str, bytes], ...]:
    """Return every kind's name and file of what moves."""
    frames = panned(4, step_px=5)
    frames = [one.resize((64, 48)) for one in frames]
    clear = [with_hole(one, (8, 8, 50, 40)) for one in frames]
    palette = frames[0].quantize(32)
    indexed = [one.quantize(palette=palette) for one in frames]
    return (
        ("gif", animation([one.quantize(64) for one in frames], "GIF")),
        ("gif clear", animation(clear, "GIF", disposal=2)),
        ("gif restored", animation(clear, "GIF", disposal=3)),
        ("png", animation(frames, "PNG")),
        ("png over", animation(clear, "PNG", blend=1, disposal=1)),
        (
            "png palette",
            animation(indexed, "PNG"),
        ),
        ("webp", animation(clear, "WEBP", quality=70)),
        ("webp lossless", animation(frames, "WEBP", lossless=True)),
        ("avif", animation(frames, "AVIF", quality=60)),
        ("mp4", video(frames)),
        ("mov turned", video(frames, "mov", rotation=90)),
        ("mp4 cover", video(frames, cover=True)),
        ("webm", video(frames, "webm")),
    )


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """Return every kind's name and file."""
    return tuple(
        (name, encoded(_photo(mode), codec, **options))
        for name, codec, mode, options in _KINDS
    )


def _photo(mode: str) -> Image.Image:
    if mode != "I;16":
        return photo(64, 48, mode)
    grey = photo(64, 48, "L").tobytes()
    return Image.frombytes("I;16", (64, 48), bytes(b for g in grey for b in (g, g)))
