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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emojifier_bot.cli.console import WrongUsage

if TYPE_CHECKING:
    from rich.table import Table

    from emojifier_bot.vision.pipeline import Pipeline
    from emojifier_bot.vision.ports import Decoder

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
#: Rounds of each picture, rounds of decoding one alone, and cold starts.
ROUNDS, ISOLATION_ROUNDS, COLD_RUNS = 7, 21, 3
QUICK_ROUNDS, QUICK_ISOLATION_ROUNDS, QUICK_COLD_RUNS = 3, 9, 1
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
        print(json.dumps(found.as_dict()))
        return
    from rich.console import Console

    console = Console()
    console.print(_timings_table(found))
    console.print(_aims_table(found))


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
class Isolation:
    """Warm times of decoding one picture here and there."""

    width: int
    height: int
    in_process_ms: float
    isolated_ms: float
    #: Median of the pairs' differences.
    added_ms: float


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


def measure_all(pipeline: Pipeline, photo: Path, *, quick: bool = False) -> Bench:
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
    rounds = QUICK_ROUNDS if quick else ROUNDS
    timings = [
        time_picture(pipeline, compose(face, size_wh, count), count, rounds)
        for size_wh in ((AIM_SIZE_WH,) if quick else SIZES_WH)
        for count in FACE_COUNTS
    ]
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder, "large.jpg")
        large.write_bytes(compose(face, AIM_SIZE_WH, AIM_FACES))
        colds = [
            replay_use(photo) for _ in range(QUICK_COLD_RUNS if quick else COLD_RUNS)
        ]
        return Bench(
            timings=tuple(timings),
            large=replay_use(large),
            cold=min(colds, key=lambda one: one.cpu_seconds),
            isolation=time_isolation(
                [compose(face, size_wh, AIM_FACES) for size_wh in AIMS_ISOLATION_MS],
                QUICK_ISOLATION_ROUNDS if quick else ISOLATION_ROUNDS,
            ),
            isolated_mb=_isolated_mb(large),
        )


def time_picture(
    pipeline: Pipeline, data: bytes, faces_pasted: int, rounds: int
) -> Timing:
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
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        image.save(buffer, "JPEG", quality="keep")
    return buffer.getvalue()


def time_isolation(pictures: Sequence[bytes], rounds: int) -> tuple[Isolation, ...]:
    """Decode each picture in both ways in turn."""
    from emojifier_bot.vision.decode import InProcessDecoder
    from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder

    here = InProcessDecoder()
    with IsolatedDecoder() as there:
        return tuple(_time(here, there, data, rounds) for data in pictures)


def _time(here: Decoder, there: Decoder, data: bytes, rounds: int) -> Isolation:
    image = here.decode(data).image
    for _ in range(_UNCOUNTED):
        there.decode(data)
    pairs = [
        (
            _milliseconds(lambda: here.decode(data)),
            _milliseconds(lambda: there.decode(data)),
        )
        for _ in range(rounds)
    ]
    return Isolation(
        width=image.width,
        height=image.height,
        in_process_ms=statistics.median(pair[0] for pair in pairs),
        isolated_ms=statistics.median(pair[1] for pair in pairs),
        added_ms=statistics.median(pair[1] - pair[0] for pair in pairs),
    )


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


def _isolated_mb(photo: Path) -> float | None:
    """Return the most memory that a fresh process and its decoder took for a photo.

    Both peaks are added, and what they share is counted twice. None where the system
    does not say.

    Raises:
        ValueError: It failed.
    """
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _ISOLATED, str(photo)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(f"the isolated pipeline failed: {done.stderr}")
    peak: float | None = json.loads(done.stdout)
    return peak


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
    """Return the most memory that a process has had resident; 0 where nobody tells.

    Args:
        process: Its number, or ``"self"``.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text("utf-8")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * _BYTES_PER_KB if found else 0


def _timings_table(found: Bench) -> Table:
    from rich.table import Table

    stages = list(found.timings[0].stages_ms)
    # Narrow enough for 80 columns.
    table = Table(title="Warm, milliseconds", box=None, padding=(0, 0, 0, 1))
    for name in ("picture", "faces", "floor", "pipeline", "ratio", *stages):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.timings:
        table.add_row(
            f"{one.width}x{one.height}",
            _faces(one),
            f"{one.floor_ms:.0f}",
            f"{one.pipeline_ms:.0f}",
            f"{one.ratio:.2f}",
            *(f"{one.stages_ms[stage]:.1f}" for stage in stages),
        )
    return table


def _faces(one: Timing) -> str:
    if one.faces_found == one.faces_pasted:
        return str(one.faces_found)
    return f"{one.faces_found} of {one.faces_pasted}"


def _aims_table(found: Bench) -> Table:
    from rich.table import Table

    table = Table("", "measured", "aim", title="Aims", box=None)
    for size, milliseconds in found.face_ms.items():
        table.add_row(
            f"each further face, {size}",
            f"{milliseconds:.1f} ms",
            f"{AIM_FACE_MS:g} ms",
        )
    for one in found.timings:
        wanted = (one.width, one.height, one.faces_pasted)
        if wanted == (*AIM_SIZE_WH, AIM_FACES):
            table.add_row(
                "12 MP, ten faces", f"{one.ratio:.2f} × floor", f"{AIM_RATIO:g}"
            )
    memory = f"{found.large.peak_mb:.0f} MB"
    table.add_row("peak memory, 12 MP", memory, f"{AIM_PEAK_MB:g} MB")
    for split in found.isolation:
        size_wh = (split.width, split.height)
        table.add_row(
            f"isolation, {split.width * split.height / 1e6:.0f} MP",
            f"{split.added_ms:.1f} ms",
            f"{AIMS_ISOLATION_MS[size_wh]:g} ms",
        )
    if found.isolated_mb is not None:
        both = f"{found.isolated_mb:.0f} MB"
        table.add_row("worker and decoder, 12 MP", both, f"{AIM_PEAK_MB:g} MB")
    cold = f"{found.cold.cpu_seconds:.2f} s"
    table.add_row("cold start, processor", cold, f"{AIM_COLD_SECONDS:g} s")
    return table
