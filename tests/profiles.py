"""Small ICC profiles, made byte by byte."""

from __future__ import annotations

import struct

from PIL import ImageCms

_MADE_NOW = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
#: The same at any time of day: its date, bytes 24 to 36, is none.
SRGB = _MADE_NOW[:24] + bytes(12) + _MADE_NOW[36:]
_D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(swapped: bool = False, gamma: float = 1.8) -> bytes:
    """Make an RGB profile with wide primaries; on wish with red and blue exchanged."""
    red, green, blue = (
        (0.7977, 0.2880, 0.0),
        (0.1352, 0.7119, 0.0),
        (0.0313, 0.0001, 0.8249),
    )
    if swapped:
        red, blue = blue, red
    curve = _curve(gamma)
    return _profile(
        b"RGB ",
        b"XYZ ",
        {
            b"rXYZ": _xyz(red),
            b"gXYZ": _xyz(green),
            b"bXYZ": _xyz(blue),
            b"rTRC": curve,
            b"gTRC": curve,
            b"bTRC": curve,
        },
    )


def grey_profile(gamma: float = 1.0) -> bytes:
    """Make a profile for grey pictures."""
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def cmyk_profile() -> bytes:
    """Make a CMYK profile in which every ink takes the same share of the light.

    Real ones differ; this one shows that the profile is asked: cyan comes out grey.
    """
    points = [(max(0, 255 - 64 * index.bit_count()), 128, 128) for index in range(16)]
    identity_curves = bytes(range(256))
    table = b"".join(
        [
            b"mft1\0\0\0\0",
            bytes([4, 3, 2, 0]),
            struct.pack(">9i", *(0x10000 if i % 4 == 0 else 0 for i in range(9))),
            identity_curves * 4,
            b"".join(bytes(point) for point in points),
            identity_curves * 3,
        ]
    )
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table}, kind=b"prtr")


def with_tag(profile: bytes, name: bytes, content: bytes) -> bytes:
    """Put one more tag into a profile."""
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = {}
    for at in range(132, 132 + 12 * count, 12):
        one, start, size = struct.unpack_from(">4sII", profile, at)
        tags[one] = profile[start : start + size]
    return _profile(b"RGB ", b"XYZ ", {**tags, name: content})


def _profile(
    space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr"
) -> bytes:
    tags = {b"wtpt": _xyz(_D50), **tags}
    offset = 128 + 4 + 12 * len(tags)
    directory, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        directory += name + struct.pack(">II", offset + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12s4s28s3i48s",
        offset + len(body),
        b"",
        0x02100000,
        kind,
        space,
        connection,
        b"",
        b"acsp",
        b"",
        *(_fixed(value) for value in _D50),
        b"",
    )
    return header + directory + body


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(_fixed(value) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def _fixed(value: float) -> int:
    return round(value * 65536)
