"""Layouts of TIFF that Pillow does not read, or takes for others.

They are read as rows of bytes, which Pillow decompresses as a grey picture.
"""

from __future__ import annotations

import ctypes
import io
import struct
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, _imaging
from PIL.TiffImagePlugin import TiffImageFile

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision import tiff
from emojifier_bot.vision.depth import narrowed, white_of
from emojifier_bot.vision.tiff import Directory

_RGB, _CMYK = 2, 5
_CHANNELS = {tiff.MIN_IS_WHITE: 1, tiff.GREY: 1, _RGB: 3, _CMYK: 4}
_ASSOCIATED, _UNASSOCIATED = 1, 2
#: None, LZW, Deflate (twice), PackBits, Zstandard.
_READ_COMPRESSIONS = frozenset({1, 5, 8, 32946, 32773, 50000})
#: Those before which differences are taken.
_PREDICTED = frozenset({5, 8, 32946, 50000})
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
#: numpy's letters of sample formats, and sizes in bytes.
_LETTERS = {1: "u", 2: "i", 3: "f"}
_SAMPLE_BYTES = {"u": {1, 2, 4}, "i": {1, 2, 4}, "f": {2, 4, 8}}


@cache
def silence_libtiff() -> None:
    """Keep libtiff from printing what is wrong with a file; Pillow raises."""
    library = ctypes.CDLL(_imaging.__file__)
    for kind in ("Error", "Warning"):
        if set_handler := getattr(library, f"TIFFSet{kind}Handler", None):
            set_handler.restype = ctypes.c_void_p
            set_handler(None)


def range_bits(directory: Directory) -> int:
    """Return how many bits unsigned values have; 0 for other numbers."""
    is_unsigned = directory.number(tiff.SAMPLE_FORMAT, 1) == 1
    return directory.bits if is_unsigned else 0


def read_pixels(
    data: bytes, directory: Directory, counted: Image.Image | None = None
) -> Image.Image:
    """Read a picture that Pillow does not read: L, LA, RGB, RGBA or CMYK.

    Alpha of CMYK is in the image's ``info`` as ``alpha``. Only what lies in the mask
    counts for a range that nothing states.

    Raises:
        ImageError: This layout is not read (``unsupported``).
        ValueError: It does not say where its pixels are.
    """
    if not (directory.numbers(tiff.STRIPS) or directory.numbers(tiff.TILES)):
        raise ValueError("no strips and no tiles")
    photometric = directory.number(tiff.PHOTOMETRIC)
    count = _CHANNELS.get(photometric, 0)
    samples = _samples(data, directory)
    if samples is None or not 0 < count <= len(samples):
        raise _unsupported(directory)
    bits = range_bits(directory)
    white = max(white_of(one, bits, counted) for one in samples[:count])
    levels = [narrowed(one, white) for one in samples[:count]]
    if photometric == tiff.MIN_IS_WHITE:
        levels = [~one for one in levels]
    channels = [Image.fromarray(one) for one in levels]
    image = Image.merge({1: "L", 3: "RGB", 4: "CMYK"}[count], channels)
    extra = dict(zip(directory.numbers(tiff.EXTRA), samples[count:], strict=False))
    kind = next((one for one in (_ASSOCIATED, _UNASSOCIATED) if one in extra), None)
    if kind is None:
        return image
    opaque = white_of(extra[kind], bits, counted)
    alpha = Image.fromarray(narrowed(extra[kind], opaque))
    if photometric == _CMYK:
        image.info["alpha"] = alpha
        return image
    image = image.convert("RGB")
    image.putalpha(alpha)
    if kind == _ASSOCIATED:
        image = Image.frombytes("RGBa", image.size, image.tobytes()).convert("RGBA")
    return image


def _unsupported(directory: Directory) -> ImageError:
    count = directory.number(tiff.SAMPLES, 1)
    kind = {3: " as floating-point numbers"}.get(
        directory.number(tiff.SAMPLE_FORMAT), ""
    )
    return ImageError(
        f"This TIFF has {count} channels of {directory.bits} bits{kind} (photometric "
        f"{directory.number(tiff.PHOTOMETRIC)}, compression "
        f"{directory.number(tiff.COMPRESSION, 1)}), a kind of TIFF that I cannot read. "
        "Save it with 8 bits per channel, or as a PNG.",
        kind=ErrorKind.UNSUPPORTED,
    )


def _samples(data: bytes, directory: Directory) -> list[NDArray[np.generic]] | None:
    """Return each channel as ``(H, W)``, ``None`` where the layout is not read."""
    letter = _LETTERS.get(directory.number(tiff.SAMPLE_FORMAT, 1), "")
    size, rest = divmod(directory.bits, tiff.BYTE_BITS)
    compression = directory.number(tiff.COMPRESSION, 1)
    predictor = directory.number(tiff.PREDICTOR) if compression in _PREDICTED else 0
    if (
        rest
        or size not in _SAMPLE_BYTES.get(letter, ())
        or len(set(directory.numbers(tiff.BITS))) != 1
        or compression not in _READ_COMPRESSIONS
        or directory.number(tiff.FILL_ORDER, 1) != 1
        or (predictor == _DIFFERENCES and letter == "f")
        or (predictor == _FLOAT_DIFFERENCES and letter != "f")
    ):
        return None
    count = directory.number(tiff.SAMPLES, 1)
    planes = count if directory.number(tiff.PLANAR, 1) == tiff.SEPARATE else 1
    in_plane = count // planes
    found: list[NDArray[np.generic]] = []
    for plane in range(planes):
        rows = _rows(data, directory, plane, planes, in_plane * size)
        step = directory.number(tiff.TILE_WIDTH) or directory.number(tiff.WIDTH)
        parts = [
            _restored(
                rows[:, left : left + step],
                predictor,
                f"{directory.order}{letter}{size}",
            )
            for left in range(0, rows.shape[1], step)
        ]
        whole = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
        found += [whole[..., index] for index in range(in_plane)]
    return found


def _rows(
    data: bytes, directory: Directory, plane: int, planes: int, pixel_bytes: int
) -> NDArray[np.uint8]:
    """Return one plane decompressed, ``(H, W, bytes of a pixel)``."""
    width, height = directory.size_wh
    tiled = tiff.TILES in directory.values
    tags = {
        tiff.WIDTH: [width * pixel_bytes],
        tiff.HEIGHT: [height],
        tiff.BITS: [tiff.BYTE_BITS],
        tiff.COMPRESSION: [directory.number(tiff.COMPRESSION, 1)],
        tiff.PHOTOMETRIC: [tiff.GREY],
        tiff.SAMPLES: [1],
    }
    if tiled:
        tags[tiff.TILE_WIDTH] = [directory.number(tiff.TILE_WIDTH) * pixel_bytes]
        tags[tiff.TILE_HEIGHT] = directory.numbers(tiff.TILE_HEIGHT)
    else:
        tags[tiff.ROWS] = [min(directory.number(tiff.ROWS, height), height)]
    for tag in (
        (tiff.TILES, tiff.TILE_BYTES) if tiled else (tiff.STRIPS, tiff.STRIP_BYTES)
    ):
        numbers = directory.numbers(tag)
        part = len(numbers) // planes
        tags[tag] = numbers[plane * part : (plane + 1) * part]
    with TiffImageFile(
        io.BytesIO(_with_directory(data, directory.order, tags))
    ) as grey:
        grey.load()
        return np.asarray(grey).reshape(height, width, pixel_bytes)


def _with_directory(data: bytes, order: str, tags: dict[int, list[int]]) -> bytes:
    """Return a file whose only directory has these tags, after all that it has."""
    start = len(data) + len(data) % 2
    after = start + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, numbers in sorted(tags.items()):
        content = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(numbers) > 1:
            content, values = (
                struct.pack(f"{order}I", after + len(values)),
                values + content,
            )
        entries += struct.pack(f"{order}HHI", tag, 4, len(numbers)) + content
    mark = b"II" if order == "<" else b"MM"
    header = mark + struct.pack(f"{order}HI", 42, start)
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return header + data[8:].ljust(start - 8, b"\0") + directory + values


def _restored(
    rows: NDArray[np.uint8], predictor: int, kind: str
) -> NDArray[np.generic]:
    """Return ``(H, W, channels)`` numbers of ``(H, W, bytes)``."""
    height, width, pixel_bytes = rows.shape
    size = np.dtype(kind).itemsize
    if predictor == _FLOAT_DIFFERENCES:
        # Differences of bytes; in a row the highest bytes of all numbers come first.
        steps = rows.reshape(height, -1, pixel_bytes // size)
        summed = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(height, size, -1)
        rows, kind = np.moveaxis(summed, 1, 2), f">{kind[1:]}"
    numbers = np.ascontiguousarray(rows).reshape(height, width, pixel_bytes).view(kind)
    if predictor == _DIFFERENCES:
        native = np.dtype(kind).newbyteorder("=")
        return np.cumsum(numbers, axis=1, dtype=native)
    return numbers
