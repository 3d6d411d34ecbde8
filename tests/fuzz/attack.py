"""Damaged pictures thrown at the decoder's process, and what is left afterwards."""

from __future__ import annotations

import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from emojifier_bot.cli.bench import peak_bytes
from emojifier_bot.errors import ImageError
from emojifier_bot.vision.clips.limits import ClipLimits
from emojifier_bot.vision.clips.types import Frame
from emojifier_bot.vision.decode import DecodeLimits
from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder
from emojifier_bot.vision.sandbox.process import (
    CHILD,
    CHILD_OF_CLIPS,
    DecoderProcess,
)
from emojifier_bot.vision.sandbox.protocol import ChildLimits
from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import seeds

#: A result over the largest file that is read.
MOST_GROWTH = 20
#: Small ones, so that many cases come near them.
LIMITS = ChildLimits(
    picture=DecodeLimits(max_bytes=1_000_000, max_pixels=4_000_000),
    memory_bytes=400_000_000,
    cpu_seconds=5,
    wall_seconds=30.0,
    clip=ClipLimits(max_frames=300, max_pixels=20_000_000),
    clip_seconds=30.0,
)
#: A process before its first picture, and what it shares with its parent.
OWN_BYTES = 150_000_000
#: One kill and one start.
SLACK_SECONDS = 10.0
KINDS = frozenset(
    {
        *("broken", "decode_crash", "decode_timeout", "empty", "not_an_image"),
        *("clip_too_long", "output_format"),
        *("too_large", "too_many_pixels", "truncated", "unsupported"),
    }
)


@dataclass
class Findings:
    cases: int = 0
    #: ``"picture"``, or the kind of the error.
    outcomes: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    #: How many processes were started.
    starts: int = 0
    most_bytes: int = 0
    most_seconds: float = 0.0
    #: Sentences about what must not be.
    wrong: list[str] = field(default_factory=list)
    #: The files whose process died, by what it died of; a few of each.
    killers: list[tuple[str, bytes]] = field(default_factory=list)


class Attack:
    """One decoder under fire."""

    def __init__(self, limits: ChildLimits = LIMITS) -> None:
        self.findings = Findings()
        self._limits = limits
        self._process: DecoderProcess | None = None
        self.decoder = IsolatedDecoder(
            limits, 1, self._start, partial(self._start, entry=CHILD_OF_CLIPS)
        )

    def _start(self, limits: ChildLimits, entry: str = CHILD) -> DecoderProcess:
        self.findings.starts += 1
        self._process = DecoderProcess(limits, entry)
        return self._process

    def decode(self, data: bytes, name: str) -> None:
        """Send one file and look at what comes of it."""
        found, limits = self.findings, self._limits
        found.cases += 1
        began = time.monotonic()
        try:
            outcome = self._opened(data, name)
        except ImageError as error:
            outcome = error.kind
            if outcome not in KINDS:
                found.wrong.append(f"{name}: {outcome}: {error}")
        found.outcomes[outcome] += 1
        seconds = time.monotonic() - began
        found.most_seconds = max(found.most_seconds, seconds)
        if seconds > limits.wall_seconds + SLACK_SECONDS:
            found.wrong.append(f"{name}: took {seconds:.0f} s")
        if self._process and self._process.cause_of_death is not None:
            found.killers.append((self._process.cause_of_death, data))
            self._process = None
        elif self._process:
            peak = peak_bytes(self._process.pid)
            found.most_bytes = max(found.most_bytes, peak)
            if peak > limits.memory_bytes + OWN_BYTES:
                found.wrong.append(f"{name}: the process took {peak / 1e6:.0f} MB")

    def _opened(self, data: bytes, name: str) -> str:
        """Do with a file what is done with pictures and clips; return which it is."""
        found, limits = self.findings, self._limits
        with self.decoder.open_clip(data) as clip:
            if clip is not None:
                count = len(list(clip.frames()))
                # What has no frame is refused.
                if not 0 < count <= limits.clip.max_frames:
                    found.wrong.append(f"{name}: a clip of {count} frames")
                written = clip.rewritten(_paint_corner)
                if len(written) > limits.picture.max_bytes * MOST_GROWTH:
                    found.wrong.append(f"{name}: a result of {len(written)} bytes")
                return "clip"
        image = self.decoder.decode(data).image
        if image.width * image.height > limits.picture.max_pixels:
            found.wrong.append(f"{name}: a picture of {image.size}")
        return "picture"


def _paint_corner(frame: Frame) -> None:
    frame.picture.canvas.pixels[:4, :4] = (255, 200, 60, 255)


def attack(
    cases: int,
    seed: int,
    tell: Callable[[Findings], None] = lambda _: None,
    sound: Sequence[tuple[str, bytes]] | None = None,
) -> Findings:
    """Throw damaged files at a decoder; the same ones for the same seed.

    Args:
        cases: How many.
        seed: Draws the damage.
        tell: Called after every thousand.
        sound: The files that are damaged; None for pictures of every format.
    """
    sound = seeds() if sound is None else sound
    others = [data for _, data in sound]
    with tempfile.TemporaryDirectory() as folder, _temporary_files_in(folder):
        before = traces()
        one = Attack()
        with one.decoder:
            for number in range(cases):
                draw = random.Random(f"{seed} {number}")
                name, data = sound[number % len(sound)]
                one.decode(mutated(data, draw, others), f"case {number}, {name}")
                if (number + 1) % 1000 == 0:
                    tell(one.findings)
        one.findings.deaths = one.decoder.deaths
        left = sorted(traces() - before)
        one.findings.wrong += [f"left behind: {what}" for what in left]
        return one.findings


@contextmanager
def _temporary_files_in(folder: str) -> Iterator[None]:
    """Let nobody else's files lie where what is left behind is looked for."""
    usual, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = usual


def traces() -> set[str]:
    """Return what this process holds: descriptors, children, temporary files."""
    found: set[str] = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"descriptor {link.name}: {link.readlink()}")
        except OSError:
            # The one that listed the folder.
            continue
    found |= {f"child {pid}" for pid in children()}
    return found | {f"file {file}" for file in Path(tempfile.gettempdir()).glob("*")}


def children() -> list[int]:
    """Return the numbers of this process's children, dead ones not waited for too."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text("utf-8").split()]


def own_peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
