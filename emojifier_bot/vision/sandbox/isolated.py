"""Pools of processes that handle strangers' pictures, and the decoder of one."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from threading import BoundedSemaphore, Condition, Lock, Thread
from typing import Generic, Self, TypeVar

from emojifier_bot.errors import EmojifierError
from emojifier_bot.vision.clips.opening import may_move
from emojifier_bot.vision.clips.types import Clip
from emojifier_bot.vision.decode import DecodedImage, check_length
from emojifier_bot.vision.depth import Discs
from emojifier_bot.vision.sandbox.process import (
    CHILD_OF_CLIPS,
    ChildProcess,
    DecoderProcess,
)
from emojifier_bot.vision.sandbox.protocol import ChildLimits, IsolationStatus

logger = logging.getLogger(__name__)

P = TypeVar("P", bound=ChildProcess)
StartDecoder = Callable[[ChildLimits], DecoderProcess]

start_clip_decoder = partial(DecoderProcess, entry=CHILD_OF_CLIPS)


class ProcessPool(Generic[P]):
    """A fixed number of processes; for any number of threads.

    A process for each picture would cost its start, a quarter of a second on the
    processor; one for all would let one slow picture hold up the others. So there are
    as many as pictures are worked on at the same time, each started when it is first
    needed, and another one when it died or has done its share.

    Args:
        start: Starts a process.
        processes: Pictures that are handled at the same time; others wait.
        kept: Processes that wait for a picture at most; None for all.
        ahead: Whether one is started before it is needed, so that no picture waits for
            a start since others have all processes, or end them.
    """

    def __init__(
        self,
        start: Callable[[], P],
        processes: int,
        kept: int | None = None,
        *,
        ahead: bool = False,
    ) -> None:
        self._start_one = start
        self._slots = BoundedSemaphore(processes)
        self._processes = processes
        self._kept = processes if kept is None else kept
        self._ahead = ahead
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._idle: list[P] = []
        #: How many have a picture; those of them that end after it.
        self._busy, self._ending = 0, set[P]()
        #: Whether one is started ahead, and whether a picture waits for that.
        self._starting, self._is_awaited = False, False
        self._closed = False
        #: Causes of death of its processes, and how often.
        self.deaths: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Return the numbers of the processes that wait for a picture."""
        with self._lock:
            return [process.pid for process in self._idle]

    def warm_up(self) -> None:
        """Start one process, so that it is known early whether it starts.

        Raises:
            ImageError: It does not (``decoder_down``).
        """
        with self.process():
            pass

    def close(self) -> None:
        """End all processes; those at work as soon as they are done."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()

    @contextmanager
    def process(self) -> Iterator[P]:
        """Give a process for one picture; wait while all are at work."""
        with self._slots:
            process = self._idle_process() or self._start_one()
            process.when_ending = partial(self._count, ending=process)
            self._count(1)
            try:
                yield process
            finally:
                self._give_back(process)
                self._count(-1)

    def _count(self, more: int = 0, ending: P | None = None) -> None:
        """Note what becomes of the processes; start one ahead where that is too few.

        Args:
            more: Processes that have a picture; below 0, that have none any more.
            ending: One that will not come back after its picture.
        """
        with self._lock:
            self._busy += more
            if ending is not None:
                self._ending.add(ending)
            most = self._processes - self._busy
            wanted = min(len(self._ending) + min(most, 1), self._kept)
            is_enough = self._starting or len(self._idle) >= wanted
            if is_enough or self._closed or not self._ahead:
                return
            self._starting = True
        Thread(target=self._start_ahead, name="start-ahead", daemon=True).start()

    def _start_ahead(self) -> None:
        try:
            self._give_back(self._start_one())
        except EmojifierError:
            return  # the next picture says so
        finally:
            with self._changed:
                self._starting = False
                self._changed.notify_all()
        self._count()

    def _idle_process(self) -> P | None:
        """Return the one used last, if it is still alive."""
        while True:
            with self._changed:
                if self._starting and not self._is_awaited:
                    # It is there sooner than one that would start now.
                    self._is_awaited = True
                    self._changed.wait_for(lambda: self._idle or not self._starting)
                    self._is_awaited = False
                process = self._idle.pop() if self._idle else None
            if process is None or (not process.is_spent and process.lets_go()):
                return process
            process.close()

    def _give_back(self, process: P) -> None:
        with self._changed:
            self._ending.discard(process)
            if process.cause_of_death is not None:
                self.deaths[process.cause_of_death] += 1
                return
            is_kept = len(self._idle) < self._kept
            if is_kept and not (self._closed or process.is_spent):
                self._idle.append(process)
                self._changed.notify_all()
                return
        process.close()


class IsolatedDecoder(ProcessPool[DecoderProcess]):
    """A `Decoder` of a fixed number of processes; for any number of threads.

    Args:
        limits: What a picture may take.
        processes: Pictures that are decoded at the same time; others wait.
        start: Starts a process for pictures.
        start_for_clips: Starts a process for clips.
    """

    def __init__(
        self,
        limits: ChildLimits | None = None,
        processes: int = 1,
        start: StartDecoder = DecoderProcess,
        start_for_clips: StartDecoder = start_clip_decoder,
    ) -> None:
        super().__init__(partial(self._fresh_process, start), processes)
        start_one = partial(self._fresh_process, start_for_clips)
        self._clips: ProcessPool[DecoderProcess] = ProcessPool(start_one, processes)
        self._clips.deaths = self.deaths
        self._limits = limits or ChildLimits()
        self._logged: IsolationStatus | None = None

    def close(self) -> None:
        """End all processes; those at work as soon as they are done."""
        super().close()
        self._clips.close()

    @contextmanager
    def open_clip(self, data: bytes) -> Iterator[Clip | None]:
        """Open a clip in a process, for as long as the block runs; None for a picture.

        Raises:
            ImageError: As `decode` does, in the block too.
        """
        check_length(data, self._limits.picture)
        if not may_move(data):
            yield None
            return
        with self._clips.process() as process, process.open_clip(data) as clip:
            yield clip

    def decode(self, data: bytes, frame: int = 0, hidden: Discs = ()) -> DecodedImage:
        """Decode one picture in a process of its own limits; see `decode.decode`.

        Raises:
            ImageError: It cannot be decoded or passes a limit; the process died of it
                (``decode_crash``), took too long (``decode_timeout``), or does not
                start (``decoder_down``).
        """
        check_length(data, self._limits.picture)
        with self.process() as process:
            decoded = process.decode(data, frame, hidden)
        again = partial(self.decode, data, frame)
        return replace(decoded, rescaled=again) if decoded.rescaled else decoded

    def _fresh_process(self, start: StartDecoder) -> DecoderProcess:
        process = start(self._limits)
        status = process.status
        with self._lock:
            is_new, self._logged = self._logged != status, status
        if is_new:
            facts = {"action": "decoder_ready", **asdict(status)}
            isolated = status.landlock and status.seccomp
            level = logging.INFO if isolated else logging.WARNING
            logger.log(level, "a decoder's process is ready", extra=facts)
        return process
