"""Measure the memory and the time that the largest picture of each format takes.

A worker's processes emojify pictures of each format, from the largest that the settings
let in down to one that fits into the limits on memory. Prints the table of
docs/security.md: peaks of the worker (here: this process without what makes the
pictures), of the process for the picture, and of its decoder.

    python scripts/picture_memory.py ["FORMAT: MEGAPIXELS"…]

Megapixels say where to begin; without any, at the limit.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emojifier_bot.app.picture_process import PictureProcesses
from emojifier_bot.config import load_settings
from emojifier_bot.errors import EmojifierError
from emojifier_bot.vision.options import EmojifyOptions

#: What a process runs, and what it is called.
KINDS_OF = {"picture_child": "process", "sandbox.child": "decoder"}
#: How often the processes are looked at.
LOOK_SECONDS = 0.02
#: Megapixels that are tried, from the limit down.
SIZES = (60, 50, 40, 32, 24, 16, 12, 8, 6, 4)
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
    # Five: while one is encoded, those after it are on their way.
    turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    options["append_images"] = [turned, image, turned, image]
    options["save_all"] = True
image.save(path, name, **options)
"""


def peak_mb(pid: int | str) -> float:
    """Return the most memory that a process had, in megabytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def started_by(pid: int | str) -> Iterator[str]:
    """Give the processes that a process has started, and those that they have."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for one in children.read_text().split():
            yield one
            yield from started_by(one)


@contextmanager
def watched() -> Iterator[Counter[str]]:
    """Note the most memory that each kind of process has, in megabytes.

    A process may be gone before its picture comes back.
    """
    most, is_over = Counter[str](), threading.Event()

    def watch() -> None:
        while not is_over.wait(LOOK_SECONDS):
            with suppress(OSError):
                for pid in started_by(os.getpid()):
                    command = Path(f"/proc/{pid}/cmdline").read_text()
                    # One that is just started may still be a copy of this one.
                    if kind := next(
                        (KINDS_OF[c] for c in KINDS_OF if c in command), ""
                    ):
                        most[kind] = max(most[kind], round(peak_mb(pid)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        is_over.set()
        thread.join()


def measure(kind: str, first: float, folder: Path) -> str:
    """Return a row of the table, from so many megapixels down."""
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
        with PictureProcesses(load_settings()) as processes, watched() as peaks_mb:
            processes.warm_up()
            began = time.monotonic()
            try:
                result = processes(data, "", EmojifyOptions(for_channel=True))
            except EmojifierError as error:
                refused.append(f"{megapixels}: {error.kind}")
                continue
            seconds = time.monotonic() - began
            return (
                f"| {kind} | {megapixels} | {len(data) / 1e6:.1f} | {result.format} "
                f"{len(result.data) / 1e6:.1f} "
                f"| {peaks_mb['process']} | {peaks_mb['decoder']} "
                f"| {seconds:.1f} | {', '.join(refused)} |"
            )
    return f"| {kind} | none | {', '.join(refused)} |"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        for chosen in sys.argv[1:] or KINDS:
            kind, _, first = chosen.partition(":")
            row = measure(kind, float(first or SIZES[0]), Path(temporary))
            print(row, flush=True)
