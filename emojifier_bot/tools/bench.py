"""How long the pipeline takes, beside the floor that no pipeline can go below.

The floor is Pillow decoding and re-encoding the same file in the same process. Both
are timed by turns, so that what else the machine does slows both: the ratio holds even
where the milliseconds do not.
"""

from __future__ import annotations

import io
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from emojifier_bot.tools.isolation import (
    AIMS_MS,
    Isolation,
    isolated_peak_mb,
    time_isolation,
)
from emojifier_bot.vision.pipeline import EmojifyOptions, Pipeline
from emojifier_bot.vision.types import BoundingBox

#: Sizes of the pictures: 0.3, 6 and 12 megapixels, width and height.
SIZES_WH = ((640, 480), (3000, 2000), (4000, 3000))
FACE_COUNTS = (1, 10, 30)
#: Where most is at stake: 12 megapixels with ten faces.
AIM_SIZE_WH, AIM_FACES = (4000, 3000), 10
JPEG_QUALITY = 90

#: Aims: pipeline over floor, milliseconds for each further face, and a cold start's
#: seconds on the processor and most memory.
AIM_RATIO, AIM_FACE_MS, AIM_COLD_SECONDS, AIM_PEAK_MB = 1.6, 6.0, 1.0, 400.0

#: Decoding alone is short: more rounds of it.
_ISOLATION_ROUNDS = 3

#: A face is pasted with this much around it, in boxes, and fades at the rim.
_CROP_BOXES = 1.7
_FADE_SHARE = 0.06
#: Cells that 30 faces need.
_COLUMNS, _ROWS = 6, 5
#: Texture of the canvas: grain over soft blots. 12 megapixels then take 3.3 MB, in the
#: middle of what phones write.
_BLOT_PX, _BLOT_DEPTH, _GRAIN_DEPTH = 160, 60, 7.0
_BYTES_PER_MB = 1e6

#: Runs a command and prints what it took. A process of its own, and a small one: what
#: a process has at birth counts as its memory, and at birth it is as large as its
#: parent.
_LAUNCHER = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps({"code": done.returncode, "cpu": used.ru_utime + used.ru_stime,
                  "peak": used.ru_maxrss * unit, "said": done.stderr.decode()}))
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """Warm times for one picture."""

    width: int
    height: int
    faces_pasted: int
    faces_found: int
    floor_ms: float
    pipeline_ms: float
    #: Median of the pairs' ratios.
    ratio: float
    #: Stage name to its median milliseconds.
    stages_ms: dict[str, float]

    @property
    def beyond_floor_ms(self) -> float:
        """Return what the pipeline takes on top of the floor."""
        return self.pipeline_ms - self.floor_ms


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What a process took from start to end."""

    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that one run measured."""

    timings: tuple[Timing, ...]
    #: ``replay`` of the largest picture with ten faces.
    large: ProcessUse
    #: ``replay`` of a small photo; the least of several runs.
    cold: ProcessUse
    #: What decoding in a process of its own adds, at 2 and 12 megapixels.
    isolation: tuple[Isolation, ...] = ()
    #: Of worker and decoder together, at 12 megapixels; None where nobody tells.
    isolated_mb: float | None = None

    @property
    def face_ms(self) -> dict[str, float]:
        """Return the milliseconds for each further face, by picture size."""
        found: dict[str, float] = {}
        for size in dict.fromkeys((one.width, one.height) for one in self.timings):
            rows = [one for one in self.timings if (one.width, one.height) == size]
            few = min(rows, key=lambda one: one.faces_found)
            most = max(rows, key=lambda one: one.faces_found)
            further = most.faces_found - few.faces_found
            if further:
                extra = most.beyond_floor_ms - few.beyond_floor_ms
                found[f"{size[0]}x{size[1]}"] = extra / further
        return found

    def as_dict(self) -> dict[str, object]:
        """Return all figures for ``bench --json``."""
        return {**asdict(self), "face_ms": self.face_ms}


def measure_all(
    pipeline: Pipeline,
    photo: Path,
    *,
    sizes_wh: Sequence[tuple[int, int]] = SIZES_WH,
    face_counts: Sequence[int] = FACE_COUNTS,
    rounds: int,
    cold_runs: int,
) -> Bench:
    """Measure everything: minutes on a slow machine.

    Args:
        pipeline: Is warmed up first.
        photo: A photo with at least one face, the source of all faces.
        sizes_wh: Widths and heights of the pictures.
        face_counts: Numbers of faces, 30 at most.
        rounds: How often each picture is timed.
        cold_runs: How often the cold start is measured.

    Raises:
        ImageError: The photo cannot be read.
        ValueError: There is no face in it, or a child process failed.
    """
    face = cut_face(pipeline, photo.read_bytes())
    timings = [
        time_picture(pipeline, compose(face, size_wh, count), count, rounds)
        for size_wh in sizes_wh
        for count in face_counts
    ]
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder, "large.jpg")
        large.write_bytes(compose(face, AIM_SIZE_WH, AIM_FACES))
        return Bench(
            timings=tuple(timings),
            large=replay_use(large),
            cold=min(
                (replay_use(photo) for _ in range(cold_runs)),
                key=lambda one: one.cpu_seconds,
            ),
            isolation=time_isolation(
                [compose(face, size_wh, AIM_FACES) for size_wh in AIMS_MS],
                rounds * _ISOLATION_ROUNDS,
            ),
            isolated_mb=isolated_peak_mb(large),
        )


def cut_face(pipeline: Pipeline, data: bytes) -> Image.Image:
    """Return the largest face of a photo with some room around it."""
    picture = pipeline.decoder.decode(data)
    faces = pipeline.analyzer.analyze(picture)
    if not faces:
        raise ValueError("There is no face in the photo.")
    box = max((one.box for one in faces), key=lambda one: one.width * one.height)
    return picture.image.convert("RGB").crop(_square(box))


def _square(box: BoundingBox) -> tuple[int, int, int, int]:
    x, y = box.center_xy
    half = max(box.width, box.height) * _CROP_BOXES / 2
    return round(x - half), round(y - half), round(x + half), round(y + half)


def compose(face: Image.Image, size_wh: tuple[int, int], count: int) -> bytes:
    """Return a JPEG of a textured canvas with ``count`` faces on a grid.

    All sizes of picture have faces of the same share, whatever their number.
    """
    canvas = textured(size_wh)
    side = min(size_wh[0] // _COLUMNS, size_wh[1] // _ROWS)
    tile = face.resize((side, side), Image.Resampling.BICUBIC)
    mask = _fading_disc(side)
    for cell in _spread_cells(count):
        row, column = divmod(cell, _COLUMNS)
        left = size_wh[0] * column // _COLUMNS
        canvas.paste(tile, (left, size_wh[1] * row // _ROWS), mask)
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def textured(size_wh: tuple[int, int]) -> Image.Image:
    """Return soft blots with grain over them, the same ones every time."""
    draw = np.random.default_rng(0)
    width, height = size_wh
    few = (math.ceil(height / _BLOT_PX) + 1, math.ceil(width / _BLOT_PX) + 1, 3)
    blots = draw.integers(128 - _BLOT_DEPTH, 128 + _BLOT_DEPTH, few, np.uint8)
    soft = Image.fromarray(blots).resize(size_wh, Image.Resampling.BICUBIC)
    grain = draw.normal(0, _GRAIN_DEPTH, (height, width, 1)).astype(np.int16)
    return Image.fromarray((np.asarray(soft) + grain).clip(0, 255).astype(np.uint8))


def _fading_disc(side: int) -> Image.Image:
    mask = Image.new("L", (side, side))
    rim = side * _FADE_SHARE
    ImageDraw.Draw(mask).ellipse((rim, rim, side - rim, side - rim), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(rim / 2))


def _spread_cells(count: int) -> list[int]:
    cells = _COLUMNS * _ROWS
    return [cells * index // count for index in range(min(count, cells))]


def time_picture(
    pipeline: Pipeline, data: bytes, faces_pasted: int, rounds: int
) -> Timing:
    """Time floor and pipeline by turns, after one round that does not count."""
    options = EmojifyOptions()
    result = pipeline.run(data, options)
    floor(data)
    pairs, stages = [], []
    for _ in range(rounds):
        floor_ms = _milliseconds(lambda: floor(data))
        began = time.perf_counter()
        result = pipeline.run(data, options)
        pairs.append((floor_ms, (time.perf_counter() - began) * 1000))
        stages.append(result.milliseconds)
    return Timing(
        width=result.width,
        height=result.height,
        faces_pasted=faces_pasted,
        faces_found=len(result.faces),
        floor_ms=statistics.median(pair[0] for pair in pairs),
        pipeline_ms=statistics.median(pair[1] for pair in pairs),
        ratio=statistics.median(pair[1] / pair[0] for pair in pairs),
        stages_ms={
            name: statistics.median(one[name] for one in stages) for name in stages[0]
        },
    )


def floor(data: bytes) -> bytes:
    """Decode and re-encode a JPEG with its own tables: the least one can do."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        image.save(buffer, "JPEG", quality="keep")
    return buffer.getvalue()


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def replay_use(photo: Path) -> ProcessUse:
    """Run ``replay`` in a process of its own and return what it took.

    Raises:
        ValueError: It failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "out.jpg"))
        replay = [sys.executable, "-m", "emojifier_bot", "replay", str(photo)]
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", _LAUNCHER, *replay, "-o", out],
            capture_output=True,
            check=True,
        )
    used = json.loads(done.stdout)
    if used["code"]:
        raise ValueError(f"replay failed: {used['said']}")
    return ProcessUse(used["cpu"], used["peak"] / _BYTES_PER_MB)
