"""Pictures for tests: made, encoded and compared."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

#: Where the secrets of `SECRET_EXIF` are; no result may hold one of these.
SECRETS = (b"secret-maker", b"secret-comment", b"secret-xmp", b"GPSLatitude")
ORIENTATION_TAG = 0x0112
MAKER_TAG = 0x010F
GPS_TAG = 0x8825
SECRET_XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>secret-xmp GPSLatitude</x:xmpmeta>"
SECRET_COMMENT = b"secret-comment"


def photo(width: int = 96, height: int = 80, mode: str = "RGB") -> Image.Image:
    """Make a picture like a photo: soft light, shapes with edges, a little noise.

    No two of its eight orientations are alike.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x / width, y / height
    values = np.stack([80 + 120 * u, 60 + 130 * v, 150 - 80 * u * v], axis=-1)
    values[(u - 0.3) ** 2 + (v - 0.35) ** 2 < 0.04] = (225, 180, 150)
    values[(u > 0.55) & (u < 0.9) & (v > 0.6)] = (40, 60, 120)
    noise = np.random.default_rng(width * height).normal(0, 2, (height, width, 1))
    image = Image.fromarray(np.clip(values + noise, 0, 255).astype(np.uint8))
    if mode.endswith("A"):
        image.putalpha(Image.fromarray(_alpha(u, v)))
    return image if image.mode == mode else image.convert(mode)


def flat(color: tuple[int, ...], size: tuple[int, int] = (8, 8)) -> Image.Image:
    """Make a picture of one colour: RGB of three numbers, RGBA of four."""
    return Image.new("RGB" if len(color) == 3 else "RGBA", size, color)


def encoded(image: Image.Image, codec: str, **options: object) -> bytes:
    """Encode a picture; HEIF goes through pillow-heif, all else through Pillow."""
    buffer = io.BytesIO()
    if codec == "HEIF":
        pillow_heif.from_pillow(image).save(buffer, **options)
    else:
        image.save(buffer, codec, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image


def oriented_exif(orientation: int, *, secret: bool = False) -> bytes:
    """Make an EXIF block, on wish with things that nobody else may learn."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    if secret:
        exif[MAKER_TAG] = SECRETS[0].decode()
        exif.get_ifd(GPS_TAG)[1] = "N"
        exif.get_ifd(GPS_TAG)[2] = (48.0, 51.0, 29.0)
    return exif.tobytes()


def png_file(width, height, *, depth, kind, rows, extra=(), interlaced=False) -> bytes:
    """Make a PNG file field by field; each of `rows` begins with its filter byte."""
    header = struct.pack(">2I5B", width, height, depth, kind, 0, 0, interlaced)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*chunk) for chunk in chunks)


def png_with(data: bytes, *chunks: tuple[bytes, bytes], wrong_sum=False) -> bytes:
    """Put chunks into a PNG behind its header, on wish with wrong checksums."""
    added = [_png_chunk(*chunk) for chunk in chunks]
    if wrong_sum:
        added = [one[:-1] + bytes([one[-1] ^ 1]) for one in added]
    return data[:33] + b"".join(added) + data[33:]


def with_property(data: bytes, name: bytes, content: bytes) -> bytes:
    """Give the first picture of an AVIF or HEIF file one more property.

    The list of boxes goes to the end of the file, so that no place in it changes.
    """
    start = data.index(b"meta") - 4
    length = int.from_bytes(data[start : start + 4], "big")
    meta = data[start : start + length]
    added = struct.pack(">I4s", 8 + len(content), name) + content

    def grown(meta: bytes, box: bytes, by: int) -> bytes:
        at = meta.index(box) - 4
        size = int.from_bytes(meta[at : at + 4], "big") + by
        return meta[:at] + size.to_bytes(4, "big") + meta[at + 4 :]

    at = meta.index(b"ipco") - 4
    end = at + int.from_bytes(meta[at : at + 4], "big")
    count, place = 0, at + 8
    while place < end:
        place += int.from_bytes(meta[place : place + 4], "big")
        count += 1
    meta = meta[:end] + added + meta[end:]
    # Version, flags, count of items, then the first item's number and count.
    counted = meta.index(b"ipma") + 4 + 8 + 2
    associations = counted + 1 + meta[counted]
    meta = (
        meta[:counted]
        + bytes([meta[counted] + 1])
        + meta[counted + 1 : associations]
        # It must be understood.
        + bytes([0x80 | count + 1])
        + meta[associations:]
    )
    for box, by in (
        (b"meta", len(added) + 1),
        (b"iprp", len(added) + 1),
        (b"ipco", len(added)),
        (b"ipma", 1),
    ):
        meta = grown(meta, box, by)
    left_free = data[: start + 4] + b"free" + data[start + 8 :]
    return left_free + meta


def png_with_sums(data: bytes) -> bytes:
    """Make the check sums of a PNG right again."""
    result, start = data[:8], 8
    while start < len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        chunk = data[start + 4 : start + 8 + length]
        result += data[start : start + 8 + length]
        result += zlib.crc32(chunk).to_bytes(4, "big")
        start += 12 + length
    return result


def psnr(first: Image.Image, second: Image.Image) -> float:
    """Return the peak signal-to-noise ratio in decibels."""
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    mean_square = float(np.mean(difference**2))
    return np.inf if mean_square == 0 else 10 * np.log10(255**2 / mean_square)


def mean_abs_diff(first: Image.Image, second: Image.Image) -> float:
    """Return the mean absolute difference over all channels, 0 to 255."""
    return float(np.abs(_values(first) - _values(second)).mean())


def assert_same_pixels(actual: Image.Image, expected: Image.Image) -> None:
    """Compare mode, size and every pixel."""
    assert_images_close(actual, expected, mean_abs_diff=0)


def assert_images_close(
    actual: Image.Image,
    expected: Image.Image,
    *,
    mean_abs_diff: float,
    save_to: Path | None = None,
) -> None:
    """Compare mode and size exactly, pixels within a tolerance.

    Args:
        actual: What the code made.
        expected: What it should be.
        mean_abs_diff: Largest mean absolute difference over all channels, 0 to 255.
        save_to: Folder that gets ``actual.png`` and ``diff.png`` on failure.
    """
    assert actual.mode == expected.mode
    assert actual.size == expected.size
    difference = np.abs(_values(actual) - _values(expected))
    mean = float(difference.mean()) if difference.size else 0.0
    if mean <= mean_abs_diff:
        return
    where = _save_failure(actual, difference, save_to) if save_to else ""
    raise AssertionError(
        f"mean absolute difference {mean:.3f} > {mean_abs_diff}, "
        f"largest {difference.max():.0f}{where}"
    )


def assert_golden(
    actual: Image.Image, golden: Path, *, mean_abs_diff: float, update: bool
) -> None:
    """Compare with a golden picture, or write it anew.

    On failure, ``<name>.actual.png`` and ``<name>.diff.png`` stand beside the golden.
    """
    if update:
        golden.parent.mkdir(parents=True, exist_ok=True)
        actual.save(golden)
        return
    with Image.open(golden) as expected:
        expected.load()
    folder = golden.parent / f"{golden.stem}.failed"
    assert_images_close(actual, expected, mean_abs_diff=mean_abs_diff, save_to=folder)


def _save_failure(actual: Image.Image, difference: np.ndarray, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    actual.save(folder / "actual.png")
    seen = difference if difference.ndim == 2 else difference.max(axis=-1)
    Image.fromarray(seen.astype(np.uint8)).save(folder / "diff.png")
    return f"; see {folder}"


def _values(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(np.int16)


def _alpha(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return opaque middle, clear corner, soft edge."""
    return np.clip(400 - 420 * np.hypot(u - 0.4, v - 0.4), 0, 255).astype(np.uint8)


def _png_chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
