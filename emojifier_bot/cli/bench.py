"""``bench``: the pipeline's times beside the floor, memory and cold start.

The floor is Pillow decoding and re-encoding the same file in the same process. Both
are timed in turn, so that what else the machine does slows both: the ratio holds even
where the milliseconds do not.
"""

from __future__ import annotations

import io
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emojifier_bot.cli.console import WrongUsage

if TYPE_CHECKING:
    from rich.table import Table

    from emojifier_bot.vision.pipeline import Pipeline

#: The sample of a checkout; an installed package has none.
SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "sample" / "astronaut.png"
#: Sizes of the pictures: 0.3, 6 and 12 megapixels, width and height.
SIZES_WH = ((640, 480), (3000, 2000), (4000, 3000))
FACE_COUNTS = (1, 10, 30)
#: Where most is at stake: 12 megapixels with ten faces.
AIM_SIZE_WH, AIM_FACES = (4000, 3000), 10
#: Aims: pipeline over floor, milliseconds for each further face, and a cold start's
#: seconds on the processor and most memory, in megabytes.
AIM_RATIO, AIM_FACE_MS, AIM_COLD_SECONDS, AIM_PEAK_MB = 1.6, 6.0, 1.0, 400.0
#: 2 and 12 megapixels, and what decoding in a process of its own may add there.
AIMS_ISOLATION_MS = {(1632, 1224): 10.0, (4000, 3000): 25.0}
#: Rounds of each picture, rounds of decoding alone, and cold starts.
ROUNDS, QUICK_ROUNDS = (7, 21, 3), (3, 9, 1)
#: Pictures before the timed ones: the first ones fill memory that is kept.
_UNCOUNTED = 2
_BYTES_PER_KB, _BYTES_PER_MB = 1024, 1e6

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
_ISOLATED = (
    "import sys; from emojifier_bot.cli import bench; bench.isolated(sys.argv[1])"
)

#: A measurement as ``--json`` prints it.
Figures = dict[str, Any]


@click.command
@click.option(
    "--photo",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the face from this photo.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quick", is_flag=True, help="Fewer rounds, one size.")
def bench(photo: Path | None, as_json: bool, quick: bool) -> None:
    """Time each stage, beside Pillow decoding and re-encoding the same file.

    The pictures are made on the spot: 0.3, 6 and 12 megapixels with 1, 10 and 30 copies
    of one face. Also measured: the time for each further face, what decoding in a
    process of its own adds, and in a fresh process the memory for 12 megapixels and the
    cold start.
    """
    photo = photo or SAMPLE
    if not photo.is_file():
        raise WrongUsage("Name a photo with a face by --photo.")

    from emojifier_bot.app import make_pipeline
    from emojifier_bot.config import load_settings

    found = measure_all(make_pipeline(load_settings()), photo, quick=quick)
    if as_json:
        print(json.dumps(found))
        return
    from rich.console import Console

    console = Console()
    console.print(_timings_table(found["timings"]))
    console.print(_aims_table(found))


def measure_all(pipeline: Pipeline, photo: Path, *, quick: bool = False) -> Figures:
    """Measure everything: minutes on a slow machine.

    Args:
        pipeline: Is warmed up first.
        photo: A photo with at least one face, the source of all faces.
        quick: Fewer rounds, one size.

    Raises:
        ImageError: The photo cannot be read.
        ValueError: There is no face in it, or a child process failed.
    """
    from emojifier_bot.cli.bench_pictures import compose, cut_face

    face = cut_face(pipeline, photo.read_bytes())
    rounds, isolation_rounds, cold_runs = QUICK_ROUNDS if quick else ROUNDS
    timings = [
        {"faces_pasted": count}
        | time_picture(pipeline, compose(face, size_wh, count), rounds)
        for size_wh in ((AIM_SIZE_WH,) if quick else SIZES_WH)
        for count in FACE_COUNTS
    ]
    cold = [replay_use(photo) for _ in range(cold_runs)]
    isolation = time_isolation(
        [compose(face, size_wh, AIM_FACES) for size_wh in AIMS_ISOLATION_MS],
        isolation_rounds,
    )
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder, "large.jpg")
        large.write_bytes(compose(face, AIM_SIZE_WH, AIM_FACES))
        return {
            "timings": timings,
            # `replay` of the largest picture with ten faces, and of a small photo.
            "large": replay_use(large),
            "cold": min(cold, key=lambda one: one["cpu_seconds"]),
            "isolation": isolation,
            "isolated_mb": _isolated_mb(large),
            "face_ms": face_ms(timings),
        }


def time_picture(pipeline: Pipeline, data: bytes, rounds: int) -> Figures:
    """Time floor and pipeline in turn, after one round that does not count."""
    from emojifier_bot.vision.pipeline import EmojifyOptions

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
    return {
        "width": result.width,
        "height": result.height,
        "faces_found": len(result.faces),
        "floor_ms": statistics.median(pair[0] for pair in pairs),
        "pipeline_ms": statistics.median(pair[1] for pair in pairs),
        # Of the pairs' ratios.
        "ratio": statistics.median(pair[1] / pair[0] for pair in pairs),
        "stages_ms": {
            name: statistics.median(one[name] for one in stages) for name in stages[0]
        },
    }


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


def _size(one: Mapping[str, Any]) -> str:
    return f"{one['width']}x{one['height']}"


def time_isolation(pictures: Sequence[bytes], rounds: int) -> list[Figures]:
    """Decode each picture here and in a process of its own, in turn."""
    from emojifier_bot.vision.decode import InProcessDecoder
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
        used = _json_of([sys.executable, "-c", _LAUNCHER, *replay, "-o", out])
    if used["code"]:
        raise ValueError(f"replay failed: {used['said']}")
    return {"cpu_seconds": used["cpu"], "peak_mb": used["peak"] / _BYTES_PER_MB}


def _isolated_mb(photo: Path) -> float | None:
    """Return the most memory that a fresh process and its decoder took for a photo.

    Both peaks are added, and what they share is counted twice. None where the system
    does not say.
    """
    peak: float | None = _json_of([sys.executable, "-c", _ISOLATED, str(photo)])
    return peak


def _json_of(command: Sequence[str]) -> Any:
    done = subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"a process of the measurement failed: {done.stderr}")
    return json.loads(done.stdout)


def isolated(photo: str) -> None:
    """Emojify a photo as a worker does, and print the memory that it took as JSON."""
    from emojifier_bot.app import make_analyzer, make_emoji_source
    from emojifier_bot.clock import SystemClock
    from emojifier_bot.config import load_settings
    from emojifier_bot.vision.pipeline import EmojifyOptions, Pipeline
    from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder

    settings = load_settings()
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


def _timings_table(timings: Sequence[Figures]) -> Table:
    from rich.table import Table

    # Narrow enough for 80 columns.
    table = Table(title="Warm, milliseconds", box=None, padding=(0, 0, 0, 1))
    stages = timings[0]["stages_ms"]
    for name in ("picture", "faces", "floor", "pipeline", "ratio", *stages):
        table.add_column(name, justify="right", no_wrap=True)
    for one in timings:
        found, pasted = one["faces_found"], one["faces_pasted"]
        table.add_row(
            _size(one),
            str(found) if found == pasted else f"{found} of {pasted}",
            f"{one['floor_ms']:.0f}",
            f"{one['pipeline_ms']:.0f}",
            f"{one['ratio']:.2f}",
            *(f"{milliseconds:.1f}" for milliseconds in one["stages_ms"].values()),
        )
    return table


def _aims_table(found: Figures) -> Table:
    from rich.table import Table

    table = Table("", "measured", "aim", title="Aims", box=None)
    for size, milliseconds in found["face_ms"].items():
        table.add_row(
            f"each further face, {size}",
            f"{milliseconds:.1f} ms",
            f"{AIM_FACE_MS:g} ms",
        )
    for one in found["timings"]:
        wanted = (one["width"], one["height"], one["faces_pasted"])
        if wanted == (*AIM_SIZE_WH, AIM_FACES):
            ratio = f"{one['ratio']:.2f} × floor"
            table.add_row("12 MP, ten faces", ratio, f"{AIM_RATIO:g}")
    memory = f"{found['large']['peak_mb']:.0f} MB"
    table.add_row("peak memory, 12 MP", memory, f"{AIM_PEAK_MB:g} MB")
    for one in found["isolation"]:
        size_wh = (one["width"], one["height"])
        table.add_row(
            f"isolation, {one['width'] * one['height'] / 1e6:.0f} MP",
            f"{one['added_ms']:.1f} ms",
            f"{AIMS_ISOLATION_MS[size_wh]:g} ms",
        )
    if found["isolated_mb"] is not None:
        both = f"{found['isolated_mb']:.0f} MB"
        table.add_row("worker and decoder, 12 MP", both, f"{AIM_PEAK_MB:g} MB")
    cold = f"{found['cold']['cpu_seconds']:.2f} s"
    table.add_row("cold start, processor", cold, f"{AIM_COLD_SECONDS:g} s")
    return table
