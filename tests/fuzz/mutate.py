"""Ways to damage a file as an attacker would, drawn from a given source."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from tests.images import png_with_sums

#: What parsers trip over: signs, ends of ranges, products that run over.
_EDGES: tuple[int, ...] = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000)
_EDGES += (0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
_LARGE_SIDES = (1999, 2000, 4096, 16384, 30000, 65535)
_MOST_CHANGES, _LONGEST_SLICE, _MOST_COPIES = 12, 400, 200
#: Of three damaged PNGs, so many get sound check sums: else few come past the first.
_SUMMED = 2 / 3

Draw = random.Random
Mutation = Callable[[bytearray, Draw, list[bytes]], None]


def mutated(data: bytes, draw: Draw, others: list[bytes]) -> bytes:
    """Return the file with one to three kinds of damage."""
    damaged = bytearray(data)
    for _ in range(draw.randint(1, 3)):
        draw.choice(MUTATIONS)(damaged, draw, others)
        if not damaged:
            break
    result = bytes(damaged)
    if result.startswith(b"\x89PNG") and draw.random() < _SUMMED:
        return png_with_sums(result)
    return result


def _flip_bits(data: bytearray, draw: Draw, _others: list[bytes]) -> None:
    for _ in range(draw.randint(1, _MOST_CHANGES)):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _set_bytes(data: bytearray, draw: Draw, _others: list[bytes]) -> None:
    for _ in range(draw.randint(1, _MOST_CHANGES)):
        data[draw.randrange(len(data))] = draw.choice((0, 0xFF, draw.randrange(256)))


def _cut(data: bytearray, draw: Draw, _: list[bytes]) -> None:
    del data[draw.randrange(len(data)) :]


def _drop(data: bytearray, draw: Draw, _: list[bytes]) -> None:
    start, end = _slice(data, draw)
    del data[start:end]


def _repeat(data: bytearray, draw: Draw, _: list[bytes]) -> None:
    start, end = _slice(data, draw)
    data[end:end] = data[start:end] * draw.randint(1, _MOST_COPIES)


def _swap(data: bytearray, draw: Draw, _: list[bytes]) -> None:
    (a, b), (c, d) = sorted((_slice(data, draw), _slice(data, draw)))
    if b <= c:
        data[a:d] = data[c:d] + data[b:c] + data[a:b]


def _splice(data: bytearray, draw: Draw, others: list[bytes]) -> None:
    other = draw.choice(others)
    start, end = _slice(bytearray(other), draw)
    place = draw.randrange(len(data))
    data[place : place + draw.choice((0, end - start))] = other[start:end]


def _graft(data: bytearray, draw: Draw, others: list[bytes]) -> None:
    """Give the file another one's end."""
    other = draw.choice(others)
    data[draw.randrange(len(data)) :] = other[draw.randrange(len(other)) :]


def _set_field(data: bytearray, draw: Draw, _others: list[bytes]) -> None:
    """Write an edge of a number's range: most often where headers are."""
    for _ in range(draw.randint(1, 3)):
        kind = draw.choice((">H", "<H", ">I", "<I"))
        limit = 0xFFFF if kind[1] == "H" else 0xFFFFFFFF
        reach = draw.choice((64, 512, len(data)))
        place = draw.randrange(min(reach, len(data)))
        value = struct.pack(kind, draw.choice(_EDGES) & limit)
        data[place : place + len(value)] = value


def _blow_up(data: bytearray, draw: Draw, _: list[bytes]) -> None:
    """Promise a far larger picture, wherever its sides are written."""
    for side in (64, 48):
        large = draw.choice(_LARGE_SIDES)
        for kind in (">I", "<I", ">H", "<H"):
            old = struct.pack(kind, side)
            place = data.find(old)
            if place >= 0 and draw.random() < 0.8:
                data[place : place + len(old)] = struct.pack(kind, large)


def _slice(data: bytearray, draw: Draw) -> tuple[int, int]:
    start = draw.randrange(len(data))
    return start, min(start + draw.randint(1, _LONGEST_SLICE), len(data))


MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits,
    _set_bytes,
    _cut,
    _drop,
    _repeat,
    _swap,
    _splice,
    _graft,
    _set_field,
    _set_field,
    _blow_up,
)
