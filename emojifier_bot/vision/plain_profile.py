"""Colour profiles of a stranger, brought down to nine numbers and three curves.

A profile is a small program for the colour library, and libraries have had holes there.
What is written here anew, from parts that were checked one by one, means the same
colours and holds nothing else: no tables, no texts, no names of machines or people.
"""

from __future__ import annotations

import struct

_HEADER_BYTES = 128
#: Length, version, class, colour space, connection space, signature, D50.
_HEADER = struct.Struct(">I4xI4s4s4s12x4s28x3i48x")
_ENTRY = struct.Struct(">4sII")
_COUNT = struct.Struct(">I")
#: The white that all profiles connect by, in 65536ths.
_D50 = (63190, 65536, 54061)
_CLASSES = frozenset({b"mntr", b"scnr", b"spac", b"prtr"})
_VERSIONS = frozenset({2, 4})
_VERSION_SHIFT, _VERSION_MASK = 24, 0xFFF00000

_COLORANTS = (b"rXYZ", b"gXYZ", b"bXYZ")
_CURVES = (b"rTRC", b"gTRC", b"bTRC")
#: With one of these a profile is read by its tables, not by its nine numbers.
_TABLES = frozenset(f"{way}{n}".encode() for way in ("A2B", "D2B") for n in range(4))

_XYZ_BYTES, _CURVE_HEADER_BYTES = 20, 12
_MOST_TAGS, _MOST_POINTS = 100, 4096
#: How many numbers each kind of formula has, 65536ths each.
_FORMULA_NUMBERS = (1, 3, 4, 5, 7)


def plain_profile(icc_profile: bytes) -> bytes | None:
    """Return a profile of the same colours that holds numbers and curves only.

    Bringing down twice gives the same as once.

    Returns:
        ``None`` where these are not all that there is to it: a profile with tables,
        for other than RGB pixels, or a damaged one.
    """
    try:
        return _rebuilt(icc_profile)
    except (struct.error, KeyError, ValueError):
        return None


def _rebuilt(icc_profile: bytes) -> bytes:
    _, version, kind, space, connection, signature, *_ = _HEADER.unpack_from(
        icc_profile
    )
    known = (kind in _CLASSES, space == b"RGB ", connection == b"XYZ ")
    if (
        not all(known)
        or signature != b"acsp"
        or version >> _VERSION_SHIFT not in (_VERSIONS)
    ):
        raise ValueError
    tags = _tags(icc_profile)
    if not _TABLES.isdisjoint(tags):
        raise ValueError
    kept = {name: _checked_xyz(tags[name]) for name in _COLORANTS}
    kept |= {name: _checked_curve(tags[name]) for name in _CURVES}
    kept[b"wtpt"] = _checked_xyz(tags.get(b"wtpt") or _xyz(_D50))
    return _written(version & _VERSION_MASK, kind, kept)


def _tags(icc_profile: bytes) -> dict[bytes, bytes]:
    (count,) = _COUNT.unpack_from(icc_profile, _HEADER_BYTES)
    if count > _MOST_TAGS:
        raise ValueError
    begin = _HEADER_BYTES + _COUNT.size
    found: dict[bytes, bytes] = {}
    for place in range(begin, begin + count * _ENTRY.size, _ENTRY.size):
        name, start, length = _ENTRY.unpack_from(icc_profile, place)
        found[name] = icc_profile[start : start + length]
    return found


def _checked_xyz(content: bytes) -> bytes:
    if not content.startswith(b"XYZ ") or len(content) < _XYZ_BYTES:
        raise ValueError
    return _xyz(struct.unpack_from(">3i", content, 8))


def _xyz(values: tuple[int, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *values)


def _checked_curve(content: bytes) -> bytes:
    """Return a curve of points or of a formula, without what follows it."""
    kind = content[:4]
    if kind == b"curv":
        (points,) = struct.unpack_from(">I", content, 8)
        length = _CURVE_HEADER_BYTES + 2 * points
        if points > _MOST_POINTS:
            raise ValueError
    elif kind == b"para":
        (formula,) = struct.unpack_from(">H", content, 8)
        if formula >= len(_FORMULA_NUMBERS):
            raise ValueError
        length = _CURVE_HEADER_BYTES + 4 * _FORMULA_NUMBERS[formula]
    else:
        raise ValueError
    if len(content) < length:
        raise ValueError
    return content[:length]


def _written(version: int, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    start = _HEADER_BYTES + _COUNT.size + len(tags) * _ENTRY.size
    directory, body = _COUNT.pack(len(tags)), b""
    for name, content in tags.items():
        directory += _ENTRY.pack(name, start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    header = _HEADER.pack(
        start + len(body), version, kind, b"RGB ", b"XYZ ", b"acsp", *_D50
    )
    return header + directory + body
