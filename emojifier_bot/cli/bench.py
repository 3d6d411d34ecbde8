"""``bench``: the pipeline's times beside the floor, memory and cold start.

The floor is Pillow decoding and re-encoding the same file in the same process. Both
are timed in turn, so that what else the machine does slows both: the ratio holds even
where the milliseconds do not.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emojifier_bot.cli.console import WrongUsage, json_option

if TYPE_CHECKING:
    from PIL import Image

    from emojifier_bot.vision.pipeline import Pipeline

#: The sample of a checkout; an installed package has none.
SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "sample" / "astronaut.png"
#: Sizes of the pictures: 0.3, 6 and 12 megapixels, width and height.
SIZES_WH = ((640, 480), (3000, 2000), (4000, 3000))
FACE_COUNTS = (1, 10, 30)
#: Where most is at stake: 12 megapixels with ten faces.
AIM_SIZE_WH, AIM_FACES = (4000, 3000), 10
#: Aims: pipeline over floor, by the clock and on the processor, milliseconds for each
#: further face, megabytes, and seconds of a cold start with a small and a large photo.
AIM_RATIO, AIM_CPU_RATIO, AIM_FACE_MS, AIM_PEAK_MB = 1.6, 2.0, 6.0, 400.0
AIM_COLD_SECONDS, AIM_LARGE_SECONDS = 0.4, 0.7
#: And of a preview in Slack, a first one, where most is at stake.
AIM_PREVIEW_SECONDS = 1.5
#: 2 and 12 megapixels, and what decoding in a process of its own may add there.
AIMS_ISOLATION_MS = {(1632, 1224): 10.0, (4000, 3000): 25.0}
#: Rounds of each picture, rounds of decoding alone, and cold starts.
ROUNDS, QUICK_ROUNDS = (7, 21, 3), (3, 9, 1)
#: Pictures before the timed ones: the first ones fill memory that is kept.
_UNCOUNTED = 2
_BYTES_PER_KB, _BYTES_PER_MB = 1024, 1e6
JPEG_QUALITY = 90
#: A face is cut with this much around it, in boxes, and fades at the rim when pasted.
_CROP_BOXES, _FADE_SHARE = 1.7, 0.06
#: Cells that 30 faces need.
_COLUMNS, _ROWS = 6, 5
#: Texture of the canvas: grain over soft blots. 12 megapixels then take 3.3 MB, in the
#: middle of what phones write.
_BLOT_PX, _BLOT_DEPTH, _GRAIN_DEPTH = 160, 60, 7.0

#: Runs a command and prints what it took. A process of its own, and a small one: what
#: a process has at birth counts as its memory, and at birth it is as large as its
#: parent.
_LAUNCHER = """
import json, resource, subprocess, sys, time
began = time.monotonic()
done = subprocess.run(sys.argv[1:], capture_output=True)
seconds = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps({"code": done.returncode, "said": done.stderr.decode(),
                  "seconds": seconds, "cpu": used.ru_utime + used.ru_stime,
                  "peak": used.ru_maxrss * unit}))
"""
_ISOLATED = (
    "import sys; from emojifier_bot.cli import bench; bench.isolated(sys.argv[1])"
)

#: A measurement as ``--json`` prints it.
Figures = dict[str, Any]


@click.command
@click.option(
    "--photo",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    show_default="that of the README, in a clone",
    help="Take the face from this photo.",
)
@json_option
@click.option("--quick", is_flag=True, help="Fewer rounds, one size.")
def bench(photo: Path | None, as_json: bool, quick: bool) -> None:
    """Time each stage, and Pillow decoding and re-encoding the file.

    The pictures are generated: 0.3, 6 and 12 megapixels with 1, 10 and 30 copies of one
    face. Also measured are the time for each further face, of a preview in Slack, what
    decoding in a separate process adds, and in a fresh process the memory for 12
    megapixels and a cold start.
    """
    photo = photo or SAMPLE
    if not photo.is_file():
        raise WrongUsage(
            "Name a photo with a face by --photo: that of the README is only in a "
            "clone."
        )

    from emojifier_bot.app import make_pipeline
    from emojifier_bot.config import load_picture_settings

    pipeline = make_pipeline(load_picture_settings())
    face = cut_face(pipeline, photo.read_bytes())
    rounds, isolation_rounds, cold_runs = QUICK_ROUNDS if quick else ROUNDS
    timings = [
        {"faces_pasted": count}
        | time_picture(pipeline, compose(face, size_wh, count), rounds)
        for size_wh in ((AIM_SIZE_WH,) if quick else SIZES_WH)
        for count in FACE_COUNTS
    ]
    isolation = time_isolation(
        [compose(face, size_wh, AIM_FACES) for size_wh in AIMS_ISOLATION_MS],
        isolation_rounds,
    )
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder, "large.jpg")
        large.write_bytes(compose(face, AIM_SIZE_WH, AIM_FACES))
        # Compiled as pip leaves it, whatever lies here: by a run that does not count.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder, "compiled"))
        replay_use(photo)
        # `replay` of a small photo, and of the largest picture with ten faces.
        cold, cold_large = (
            min(
                (replay_use(one) for _ in range(cold_runs)),
                key=lambda use: use["seconds"],
            )
            for one in (photo, large)
        )
        found: Figures = {
            "timings": timings,
            "preview": time_preview(pipeline, large.read_bytes(), rounds),
            "large": cold_large,
            "cold": cold,
            "isolation": isolation,
            # Of a worker and its decoder; what they share is counted twice.
            "isolated_mb": _json_of([sys.executable, "-c", _ISOLATED, str(large)]),
            "face_ms": face_ms(timings),
        }
    if as_json:
        print(json.dumps(found))
    else:
        _print_tables(found)


def cut_face(pipeline: Pipeline, data: bytes) -> Image.Image:
    """Return the largest face of a photo with some room around it.

    Raises:
        ImageError: The photo cannot be read.
        WrongUsage: There is no face in it.
    """
    picture = pipeline.decoder.decode(data)
    faces = pipeline.analyzer.analyze(picture)
    if not faces:
        raise WrongUsage("There is no face in the photo: --photo.")
    box = max((one.box for one in faces), key=lambda one: one.width * one.height)
    x, y = box.center_xy
    half = max(box.width, box.height) * _CROP_BOXES / 2
    square = (round(x - half), round(y - half), round(x + half), round(y + half))
    return picture.image.convert("RGB").crop(square)


def compose(face: Image.Image, size_wh: tuple[int, int], count: int) -> bytes:
    """Return a JPEG of a textured canvas with ``count`` faces on a grid.

    All sizes of picture have faces of the same share, whatever their number. Each call
    returns the same bytes.
    """
    import numpy as np
    from PIL import Image, ImageDraw, ImageFilter

    draw = np.random.default_rng(0)
    width, height = size_wh
    few = (math.ceil(height / _BLOT_PX) + 1, math.ceil(width / _BLOT_PX) + 1, 3)
    blots = draw.integers(128 - _BLOT_DEPTH, 128 + _BLOT_DEPTH, few, np.uint8)
    soft = Image.fromarray(blots).resize(size_wh, Image.Resampling.BICUBIC)
    grain = draw.normal(0, _GRAIN_DEPTH, (height, width, 1)).astype(np.int16)
    texture = (np.asarray(soft) + grain).clip(0, 255).astype(np.uint8)

    side = min(width // _COLUMNS, height // _ROWS)
    tile = face.resize((side, side), Image.Resampling.BICUBIC)
    disc, rim = Image.new("L", (side, side)), side * _FADE_SHARE
    ImageDraw.Draw(disc).ellipse((rim, rim, side - rim, side - rim), fill=255)
    mask = disc.filter(ImageFilter.GaussianBlur(rim / 2))
    canvas, cells = Image.fromarray(texture), _COLUMNS * _ROWS
    for index in range(min(count, cells)):
        row, column = divmod(cells * index // count, _COLUMNS)
        canvas.paste(tile, (width * column // _COLUMNS, height * row // _ROWS), mask)
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def time_picture(pipeline: Pipeline, data: bytes, rounds: int) -> Figures:
    """Time floor and pipeline in turn, after one round that does not count."""
    from emojifier_bot.vision.options import EmojifyOptions

    options = EmojifyOptions()
    result = pipeline.run(data, options)
    floor(data)
    pairs, stages = [], []
    for _ in range(rounds):
        at = [(time.perf_counter(), time.process_time())]
        floor(data)
        at.append((time.perf_counter(), time.process_time()))
        result = pipeline.run(data, options)
        at.append((time.perf_counter(), time.process_time()))
        (floor_s, floor_cpu_s), (pipeline_s, pipeline_cpu_s) = (
            (later[0] - earlier[0], later[1] - earlier[1])
            for earlier, later in pairwise(at)
        )
        pairs.append((floor_s * 1000, pipeline_s * 1000, pipeline_cpu_s / floor_cpu_s))
        stages.append(result.milliseconds)
    return {
        "width": result.width,
        "height": result.height,
        "faces_found": len(result.faces),
        "floor_ms": statistics.median(pair[0] for pair in pairs),
        "pipeline_ms": statistics.median(pair[1] for pair in pairs),
        # Of the pairs' ratios.
        "ratio": statistics.median(pair[1] / pair[0] for pair in pairs),
        "cpu_ratio": statistics.median(pair[2] for pair in pairs),
        "stages_ms": {
            name: statistics.median(one[name] for one in stages) for name in stages[0]
        },
    }


def time_preview(pipeline: Pipeline, data: bytes, rounds: int) -> dict[str, float]:
    """Return the milliseconds of a first preview and of one that is redrawn.

    The bot's own work, in a process that has its models: Slack's is not counted.
    """
    from emojifier_bot.app.picture_child import previewed
    from emojifier_bot.vision.edits import leave
    from emojifier_bot.vision.options import EmojifyOptions

    draw = partial(previewed, pipeline, data, EmojifyOptions(for_channel=True))
    plan = draw(None).plan
    changed = plan and leave(plan, {plan.faces[0].number})
    pairs = [
        [_milliseconds(partial(draw, one)) for one in (None, changed)]
        for _ in range(rounds)
    ]
    first, redrawn = map(statistics.median, zip(*pairs, strict=True))
    return {"first_ms": first, "redrawn_ms": redrawn}


def floor(data: bytes) -> bytes:
    """Decode and re-encode a JPEG with its own tables: the least one can do."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        image.save(buffer, "JPEG", quality="keep")
    return buffer.getvalue()


def face_ms(timings: Sequence[Figures]) -> dict[str, float]:
    """Return the milliseconds for each further face, by picture size."""
    found: dict[str, float] = {}
    for size in dict.fromkeys(map(_size, timings)):
        rows = [one for one in timings if _size(one) == size]
        few = min(rows, key=lambda one: one["faces_found"])
        most = max(rows, key=lambda one: one["faces_found"])
        if further := most["faces_found"] - few["faces_found"]:
            least, all_of_it = (
                one["pipeline_ms"] - one["floor_ms"] for one in (few, most)
            )
            found[size] = (all_of_it - least) / further
    return found


def _size(one: Figures) -> str:
    return f"{one['width']}x{one['height']}"


def time_isolation(pictures: Sequence[bytes], rounds: int) -> list[Figures]:
    """Decode each picture here and in a process of its own, in turn."""
    from emojifier_bot.vision.clips.opening import InProcessDecoder
    from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder

    here, found = InProcessDecoder(), []
    with IsolatedDecoder() as there:
        for data in pictures:
            width, height = here.decode(data).image.size
            pairs = [
                [_milliseconds(partial(one.decode, data)) for one in (here, there)]
                for _ in range(_UNCOUNTED + rounds)
            ][_UNCOUNTED:]
            found.append(
                {
                    "width": width,
                    "height": height,
                    "in_process_ms": statistics.median(pair[0] for pair in pairs),
                    "isolated_ms": statistics.median(pair[1] for pair in pairs),
                    "added_ms": statistics.median(pair[1] - pair[0] for pair in pairs),
                }
            )
    return found


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def replay_use(photo: Path) -> Figures:
    """Run ``replay`` in a process of its own and return what it took.

    Raises:
        ValueError: It failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "out.jpg"))
        replay = [sys.executable, "-m", "emojifier_bot", "replay", str(photo)]
        return command_use([*replay, "-o", out])


def command_use(command: Sequence[str]) -> Figures:
    """Run a command and return its seconds, by the clock and the processor, and memory.

    Raises:
        ValueError: It failed.
    """
    used = _json_of([sys.executable, "-c", _LAUNCHER, *command])
    if used["code"]:
        raise ValueError(f"{command} failed: {used['said']}")
    return {
        "seconds": used["seconds"],
        "cpu_seconds": used["cpu"],
        "peak_mb": used["peak"] / _BYTES_PER_MB,
    }


def _json_of(command: Sequence[str]) -> Any:
    done = subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"a process of the measurement failed: {done.stderr}")
    return json.loads(done.stdout)


def isolated(photo: str) -> None:
    """Emojify a photo as a worker does, and print the memory that it took as JSON.

    The most of this process and its decoder's; null where the system does not say.
    """
    from emojifier_bot.app import make_analyzer, make_emoji_source
    from emojifier_bot.clock import SystemClock
    from emojifier_bot.config import load_picture_settings
    from emojifier_bot.vision.options import EmojifyOptions
    from emojifier_bot.vision.pipeline import Pipeline
    from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder

    settings = load_picture_settings()
    with IsolatedDecoder() as decoder:
        pipeline = Pipeline(
            decoder=decoder,
            analyzer=make_analyzer(settings),
            emoji=make_emoji_source(settings),
            clock=SystemClock(),
        )
        for _ in range(_UNCOUNTED):
            pipeline.run(Path(photo).read_bytes(), EmojifyOptions())
        peaks = [peak_bytes("self"), *map(peak_bytes, decoder.pids)]
    print(json.dumps(sum(peaks) / _BYTES_PER_MB if all(peaks) else None))


def peak_bytes(process: int | str) -> int:
    """Return the most memory that a process has had resident; 0 where nothing says.

    Args:
        process: Its number, or ``"self"``.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text("utf-8")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * _BYTES_PER_KB if found else 0


def _print_tables(found: Figures) -> None:
    from rich.console import Console
    from rich.table import Table

    # Narrow enough for 80 columns.
    table = Table(title="Warm, milliseconds", box=None, padding=(0, 0, 0, 1))
    stages = found["timings"][0]["stages_ms"]
    for name in ("picture", "faces", "floor", "pipeline", "ratio", *stages):
        table.add_column(name, justify="right", no_wrap=True)
    aims = Table("", "measured", "aim", title="Aims", box=None)
    for size, milliseconds in found["face_ms"].items():
        cells = f"{milliseconds:.1f} ms", f"{AIM_FACE_MS:g} ms"
        aims.add_row(f"each further face, {size}", *cells)
    for one in found["timings"]:
        faces, pasted = one["faces_found"], one["faces_pasted"]
        table.add_row(
            _size(one),
            str(faces) if faces == pasted else f"{faces} of {pasted}",
            f"{one['floor_ms']:.0f}",
            f"{one['pipeline_ms']:.0f}",
            f"{one['ratio']:.2f}",
            *(f"{milliseconds:.1f}" for milliseconds in one["stages_ms"].values()),
        )
        if (one["width"], one["height"], pasted) == (*AIM_SIZE_WH, AIM_FACES):
            ratio = f"{one['ratio']:.2f} × floor"
            aims.add_row("12 MP, ten faces", ratio, f"{AIM_RATIO:g}")
            ratio = f"{one['cpu_ratio']:.2f} × floor's"
            aims.add_row("processor time of the same", ratio, f"{AIM_CPU_RATIO:g}")
    for name, label in (("first", "preview of the same"), ("redrawn", "… redrawn")):
        seconds = f"{found['preview'][f'{name}_ms'] / 1000:.2f} s"
        aims.add_row(label, seconds, f"{AIM_PREVIEW_SECONDS:g} s")
    memory = f"{found['large']['peak_mb']:.0f} MB"
    aims.add_row("peak memory, 12 MP", memory, f"{AIM_PEAK_MB:g} MB")
    for one in found["isolation"]:
        aims.add_row(
            f"isolation, {one['width'] * one['height'] / 1e6:.0f} MP",
            f"{one['added_ms']:.1f} ms",
            f"{AIMS_ISOLATION_MS[one['width'], one['height']]:g} ms",
        )
    if found["isolated_mb"] is not None:
        both = f"{found['isolated_mb']:.0f} MB"
        aims.add_row("worker and decoder, 12 MP", both, f"{AIM_PEAK_MB:g} MB")
    for name, use, aim in (
        ("cold start, the photo", found["cold"], AIM_COLD_SECONDS),
        ("cold start, 12 MP", found["large"], AIM_LARGE_SECONDS),
    ):
        aims.add_row(name, f"{use['seconds']:.2f} s", f"{aim:g} s")
    console = Console()
    console.print(table)
    console.print(aims)
