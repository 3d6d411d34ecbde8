"""One decoder's process, seen from its parent."""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.sandbox.limits import PICTURES_PER_CHILD, ChildLimits
from emojifier_bot.vision.sandbox.memory import OpenMemory, map_memory, open_memory
from emojifier_bot.vision.sandbox.wire import (
    Ask,
    PictureFacts,
    Walls,
    WrongAnswerError,
    ask,
    read_answer,
    read_picture,
    read_ready,
)

logger = logging.getLogger(__name__)

CHILD = "emojifier_bot.vision.sandbox.child:main"
#: Runs a function of a module with a connection and limits. The folders of Python's
#: modules are given: a bare environment does not name them.
_PROGRAM = """
import sys
entry, descriptor, limits, *sys.path = sys.argv[1:]
import importlib, socket
from emojifier_bot.vision.sandbox.limits import ChildLimits
module, _, name = entry.partition(":")
connection = socket.socket(fileno=int(descriptor))
getattr(importlib.import_module(module), name)(
    connection, ChildLimits.from_json(limits))
"""
#: All of the environment. Pillow keeps 64 MB for the next picture, large pieces of
#: memory come in large pages, and one thread of numpy's is enough.
_ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
    "PILLOW_BLOCKS_MAX": "4",
}
#: A start takes a quarter of a second; on a machine that swaps, much longer.
START_SECONDS = 60.0
_END_SECONDS = 2.0
#: Pixels come in parts of this size.
_PART_BYTES = 2**22
#: Shared memory comes in steps of this, and is kept for the next picture up to twice
#: that: new memory costs more than copying into it.
_STEP_BYTES = 2 * _PART_BYTES
_KEPT_BYTES = 2 * _STEP_BYTES

#: How a process ended that took too long by the system's count.
_TOO_LONG = frozenset({"SIGXCPU"})


@dataclass(frozen=True, slots=True)
class Death:
    """How a decoder's process ended that should not have."""

    #: ``"SIGSEGV"``, ``"exit 1"``, ``"too slow"`` or ``"wrong answer"``.
    cause: str


class DecoderProcess:
    """Decodes one picture after the other; for one thread at a time."""

    def __init__(
        self,
        limits: ChildLimits,
        entry: str = CHILD,
        open_memory: OpenMemory = open_memory,
    ) -> None:
        """Start the process and wait until it is ready.

        Args:
            limits: What a picture may take.
            entry: ``module:function`` that runs there.
            open_memory: Opens memory to share.

        Raises:
            ImageError: It does not start (``decoder_down``).
        """
        self._limits = limits
        self._open_memory = open_memory
        self._memory: mmap.mmap | None = None
        self._until = time.monotonic() + START_SECONDS
        self.pictures = 0
        #: Set once it has died before its time.
        self.death: Death | None = None
        #: What the kernel keeps from it.
        self.walls = self._start(entry)

    @property
    def pid(self) -> int:
        """Return the number that the system gave it."""
        return self._process.pid

    @property
    def is_spent(self) -> bool:
        """Tell whether another one must take its place."""
        return (
            self.death is not None
            or self.pictures >= PICTURES_PER_CHILD
            or self._process.poll() is not None
        )

    def decode(self, data: bytes) -> DecodedImage:
        """Decode one picture there.

        Raises:
            ImageError: It was refused, took too long (``decode_timeout``), or the
                process died of it (``decode_crash``).
        """
        self.pictures += 1
        self._until = time.monotonic() + self._limits.wall_seconds
        return self._guarded(lambda: self._decoded(data))

    def close(self) -> None:
        """End the process: at once, if it does not end by itself."""
        self._connection.close()
        if self._process.stdin:
            self._process.stdin.close()
        self._forget_memory()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self, entry: str) -> Walls:
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise _down() from error
        self._connection = ours
        descriptor = str(theirs.fileno())
        command = [sys.executable, "-I", "-c", _PROGRAM, entry, descriptor]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*command, self._limits.to_json(), *filter(None, sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise _down() from error
        finally:
            theirs.close()
        try:
            return read_ready(self._answer())
        except (OSError, EOFError, WrongAnswerError) as error:
            self._die("does not start")
            raise _down() from error
        except BaseException:
            # Nobody would know of it.
            self._die("was given up")
            raise

    def _guarded(self, work: Callable[[], DecodedImage]) -> DecodedImage:
        try:
            return work()
        except TimeoutError as error:
            self._die("too slow")
            raise _too_slow() from error
        except WrongAnswerError as error:
            self._die("wrong answer")
            raise _crashed() from error
        except (OSError, EOFError) as error:
            cause = self._die()
            raise (_too_slow() if cause in _TOO_LONG else _crashed()) from error
        except ImageError:
            # An answer like any other.
            raise
        except BaseException:
            # Who knows what it would answer to the next question.
            self._die("was given up")
            raise

    def _decoded(self, data: bytes) -> DecodedImage:
        memory = self._memory_of(len(data))
        memory[: len(data)] = data
        ask(self._connection, Ask.DECODE, len(data))
        facts = read_picture(self._answer(), self._limits.picture)
        image = self._received_image(facts)
        self._forget_large()
        return DecodedImage(
            image=image,
            source_format=facts.source_format,
            icc_profile=facts.icc_profile,
            jpeg=facts.jpeg,
            lossless=facts.lossless,
            notes=facts.notes,
            source_bytes=0 if facts.notes else len(data),
        )

    def _received_image(self, facts: PictureFacts) -> Image.Image:
        """Copy the pixels, part by part: the child writes one while one is read.

        Nobody can change what was copied, and small parts stay in the processor's
        cache.
        """
        width, height = facts.size_wh
        rows = min(max(_PART_BYTES // facts.row_bytes, 1), height)
        part_bytes = rows * facts.row_bytes
        memory = self._memory_of(2 * part_bytes)
        tops = range(0, height, rows)
        image = Image.new(facts.mode, facts.size_wh, None)
        self._ask_for_rows(tops, 0, height, part_bytes)
        for index, top in enumerate(tops):
            if self._answer() != {"done": top}:
                raise WrongAnswerError
            self._ask_for_rows(tops, index + 1, height, part_bytes)
            size_wh = (width, min(rows, height - top))
            place = index % 2 * part_bytes
            image.paste(_part(facts, memory, place, size_wh), (0, top))
        return image

    def _ask_for_rows(
        self, tops: range, index: int, height: int, part_bytes: int
    ) -> None:
        if index < len(tops):
            rows = min(tops.step, height - tops[index])
            place = index % 2 * part_bytes
            ask(self._connection, Ask.PIXELS, tops[index], rows, place)

    def _memory_of(self, size_bytes: int) -> mmap.mmap:
        """Return memory of at least this size that the child knows."""
        if self._memory is not None and len(self._memory) >= size_bytes:
            return self._memory
        self._forget_memory()
        steps = -(-size_bytes // _STEP_BYTES)
        size_bytes = max(steps, 1) * _STEP_BYTES
        descriptor = self._open_memory(size_bytes)
        self._memory = map_memory(os.dup(descriptor), size_bytes)
        try:
            ask(self._connection, Ask.MEMORY, size_bytes, descriptor=descriptor)
        finally:
            os.close(descriptor)
        return self._memory

    def _forget_large(self) -> None:
        if self._memory is not None and len(self._memory) > _KEPT_BYTES:
            self._forget_memory()
            # The child lets go of it when it gets the next.
            self._memory_of(_STEP_BYTES)

    def _forget_memory(self) -> None:
        if self._memory is not None:
            # A picture that was left in the middle may still look into it.
            with contextlib.suppress(BufferError):
                self._memory.close()
            self._memory = None

    def _answer(self) -> dict[str, Any]:
        return read_answer(self._receive)

    def _receive(self, length: int) -> bytes:
        """Return exactly so many bytes from the child.

        Raises:
            TimeoutError: It took too long.
            EOFError: The child is gone.
        """
        received = bytearray()
        while len(received) < length:
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
            more = self._connection.recv(length - len(received))
            if not more:
                raise EOFError
            received += more
        return bytes(received)

    def _die(self, cause: str = "") -> str:
        """Make sure that it is dead; return and log of what."""
        if not cause:
            # It closed its end: most likely it is dying by itself.
            try:
                cause = _cause(self._process.wait(_END_SECONDS))
            except subprocess.TimeoutExpired:
                cause = "closed its connection"
        self._process.kill()
        self.close()
        self.death = Death(cause)
        facts = {"action": "decoder_died", "cause": cause, "pictures": self.pictures}
        logger.warning("a decoder's process died", extra=facts)
        return cause


def _part(
    facts: PictureFacts, memory: mmap.mmap, place: int, size_wh: tuple[int, int]
) -> Image.Image:
    """Return a view of the memory. An RGB picture takes RGBA in without converting."""
    length = size_wh[1] * facts.row_bytes
    pixels = np.frombuffer(memory, np.uint8, length, place)
    return Image.frombuffer("RGBA", size_wh, pixels, "raw", "RGBA", 0, 1)


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"


def _too_slow() -> ImageError:
    return ImageError(
        "Opening this picture took too long. Save it as an ordinary JPEG, or scale it "
        "down, and try that.",
        kind=ErrorKind.DECODE_TIMEOUT,
    )


def _crashed() -> ImageError:
    return ImageError(
        "This file makes the decoder fall over. Save the picture anew as a JPEG or "
        "PNG, and try that.",
        kind=ErrorKind.DECODE_CRASH,
    )


def _down() -> ImageError:
    return ImageError(
        "The process that decodes pictures does not start. Its reason stands above.",
        kind=ErrorKind.DECODER_DOWN,
    )
