"""What it costs that pictures of strangers are decoded in a process of their own."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emojifier_bot.app import make_analyzer, make_emoji_source
from emojifier_bot.clock import SystemClock
from emojifier_bot.config import load_settings
from emojifier_bot.vision.decode import InProcessDecoder
from emojifier_bot.vision.pipeline import EmojifyOptions, Pipeline
from emojifier_bot.vision.ports import Decoder
from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder

#: 2 and 12 megapixels, and what the isolation may add there, milliseconds.
AIMS_MS = {(1632, 1224): 10.0, (4000, 3000): 25.0}
#: Of both processes at 12 megapixels, shared memory counted twice.
AIM_PEAK_MB = 400.0
#: Pictures before the timed ones: the first ones fill memory that is kept.
_UNCOUNTED = 2
_BYTES_PER_KB, _BYTES_PER_MB = 1024, 1e6


@dataclass(frozen=True, slots=True)
class Isolation:
    """Warm times of decoding one picture here and there."""

    width: int
    height: int
    in_process_ms: float
    isolated_ms: float
    #: Median of the pairs' differences.
    added_ms: float


def time_isolation(pictures: Sequence[bytes], rounds: int) -> tuple[Isolation, ...]:
    """Decode each picture in both ways by turns."""
    here = InProcessDecoder()
    with IsolatedDecoder() as there:
        return tuple(_time(here, there, data, rounds) for data in pictures)


def _time(here: Decoder, there: Decoder, data: bytes, rounds: int) -> Isolation:
    image = here.decode(data).image
    for _ in range(_UNCOUNTED):
        there.decode(data)
    pairs = [
        (_milliseconds(here, data), _milliseconds(there, data)) for _ in range(rounds)
    ]
    return Isolation(
        width=image.width,
        height=image.height,
        in_process_ms=statistics.median(pair[0] for pair in pairs),
        isolated_ms=statistics.median(pair[1] for pair in pairs),
        added_ms=statistics.median(pair[1] - pair[0] for pair in pairs),
    )


def _milliseconds(decoder: Decoder, data: bytes) -> float:
    began = time.perf_counter()
    decoder.decode(data)
    return (time.perf_counter() - began) * 1000


def isolated_peak_mb(photo: Path) -> float | None:
    """Emojify a photo in a fresh process; return what it and its child took at most.

    Both peaks are added, and what they share is counted twice. ``None`` where the
    system does not tell.

    Raises:
        ValueError: It failed.
    """
    command = [sys.executable, "-m", __name__, str(photo)]
    done = subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"the isolated pipeline failed: {done.stderr}")
    peak: float | None = json.loads(done.stdout)
    return peak


def _measure(photo: Path) -> float | None:
    settings = load_settings()
    with IsolatedDecoder() as decoder:
        pipeline = Pipeline(
            decoder=decoder,
            analyzer=make_analyzer(settings),
            emoji=make_emoji_source(settings),
            clock=SystemClock(),
        )
        for _ in range(_UNCOUNTED):
            pipeline.run(photo.read_bytes(), EmojifyOptions())
        peaks = [peak_bytes("self"), *map(peak_bytes, decoder.pids)]
    return sum(peaks) / _BYTES_PER_MB if all(peaks) else None


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


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(Path(sys.argv[1]))))
