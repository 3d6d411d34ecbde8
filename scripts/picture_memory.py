"""Measure the memory and the time that the largest picture of each format takes.

A worker's processes emojify pictures of each format, from the largest that the settings
let in down to one that fits into the limits on memory. Prints the table of
docs/security.md: peaks of the worker (here: this process without what makes the
pictures), of the process for the picture, and of its decoder.

    python scripts/picture_memory.py ["FORMAT: MEGAPIXELS"…]

Megapixels say where to begin; without any, at the limit.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from emojifier_bot.app.picture_process import PictureProcesses
from emojifier_bot.config import load_settings
from emojifier_bot.errors import EmojifierError
from emojifier_bot.vision.options import EmojifyOptions

#: Megapixels that are tried, from the limit down.
SIZES = (60, 50, 40, 32, 24, 16, 12)
#: What is made of each format: a mode, and options of Pillow's.
KINDS = {
    "JPEG": ("JPEG", "RGB", {"quality": 80}),
    "JPEG, progressive": ("JPEG", "RGB", {"quality": 80, "progressive": True}),
    "JPEG, sideways": ("JPEG", "RGB", {"quality": 80, "turned": True}),
    "JPEG, CMYK": ("JPEG", "CMYK", {"quality": 80}),
    "PNG": ("PNG", "RGB", {"compress_level": 1}),
    "PNG, transparent": ("PNG", "RGBA", {"compress_level": 1}),
    "WebP": ("WEBP", "RGB", {"quality": 60, "method": 0}),
    "WebP, transparent": ("WEBP", "RGBA", {"quality": 60, "method": 0}),
    "GIF": ("GIF", "P", {}),
    "HEIC": ("HEIF", "RGB", {"quality": 50}),
    "AVIF": ("AVIF", "RGB", {"quality": 50, "speed": 10}),
    "TIFF": ("TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
    "TIFF, transparent": ("TIFF", "RGBA", {"compression": "tiff_adobe_deflate"}),
    "BMP": ("BMP", "P", {}),
    "GIF, animated": ("GIF", "P", {"moves": True}),
    "PNG, animated": ("PNG", "RGB", {"compress_level": 1, "moves": True}),
    "WebP, animated": ("WEBP", "RGB", {"quality": 60, "method": 0, "moves": True}),
    "AVIF, animated": ("AVIF", "RGB", {"quality": 50, "speed": 10, "moves": True}),
}
#: Makes a file: faces on a smooth ground, about as hard to compress as a photo.
MAKE = """
import sys, json
from PIL import Image
import pillow_heif
from tests.datasets import sample
pillow_heif.register_heif_opener()
path, name, mode, megapixels, options = sys.argv[1:]
options = json.loads(options)
width = round((float(megapixels) * 1e6 * 4 / 3) ** 0.5)
height = int(float(megapixels) * 1e6 / width)
image = sample().convert(mode).resize((width, height), Image.Resampling.BILINEAR)
if mode == "RGBA":
    image.putalpha(Image.linear_gradient("L").resize(image.size))
if options.pop("turned", False):
    exif = Image.Exif(); exif[0x0112] = 6; options["exif"] = exif
if options.pop("moves", False):
    options["append_images"] = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    options["save_all"] = True
image.save(path, name, **options)
"""


def peak_mb(pid: int | str) -> float:
    """Return the most memory that a process had, in megabytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(one) for one in text.split()]


def measure(kind: str, first: float, folder: Path) -> str:
    """Return a row of the table, from so many megapixels down."""
    import json  # noqa: PLC0415 - only here

    name, mode, options = KINDS[kind]
    refused = []
    for megapixels in (one for one in SIZES if one <= first):
        file = folder / "picture"
        command = [sys.executable, "-c", MAKE, str(file), name, mode, str(megapixels)]
        made = subprocess.run(
            [*command, json.dumps(options)], check=False, capture_output=True
        )
        if made.returncode:
            continue  # a side is longer than the format allows
        data = file.read_bytes()
        file.unlink()
        with PictureProcesses(load_settings()) as processes:
            processes.warm_up()
            pid = processes.pids[0]
            began = time.monotonic()
            try:
                result = processes(data, "", EmojifyOptions(for_channel=True))
            except EmojifierError as error:
                refused.append(f"{megapixels}: {error.kind}")
                continue
            seconds = time.monotonic() - began
            decoder = max(peak_mb(one) for one in children_of(pid))
            return (
                f"| {kind} | {megapixels} | {len(data) / 1e6:.1f} | {result.format} "
                f"{len(result.data) / 1e6:.1f} | {peak_mb(pid):.0f} | {decoder:.0f} "
                f"| {seconds:.1f} | {', '.join(refused)} |"
            )
    return f"| {kind} | none | {', '.join(refused)} |"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        for chosen in sys.argv[1:] or KINDS:
            kind, _, first = chosen.partition(":")
            row = measure(kind, float(first or SIZES[0]), Path(temporary))
            print(row, flush=True)
