"""Processes of ours that handle pictures, seen from their parent."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from emojifier_bot.errors import EmojifierError, ErrorKind, ImageError
from emojifier_bot.vision.canvas import new_canvas
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.sandbox.protocol import (
    PICTURES_PER_CHILD,
    ChildLimits,
    IsolationStatus,
    ProtocolError,
    read_picture,
    read_ready,
    receive_header,
    send_picture,
)

logger = logging.getLogger(__name__)

CHILD = "emojifier_bot.vision.sandbox.child:main"
#: Runs a function of a module with a connection and limits. The folders of Python's
#: modules are given: a bare environment does not name them.
_PROGRAM = """
import sys
entry, descriptor, limits, *sys.path = sys.argv[1:]
import importlib, socket
from emojifier_bot.vision.sandbox.protocol import ChildLimits
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
START_SECONDS = 120.0
_END_SECONDS = 2.0
#: The child may send as much as this before it is received, where the system lets it,
#: so that the two seldom wait for each other.
_AHEAD_BYTES = 2**20

_SENTENCES = {
    ErrorKind.DECODE_TIMEOUT: "Opening this picture took too long. Save it as an "
    "ordinary JPEG, or scale it down, and try that.",
    ErrorKind.DECODE_CRASH: "This file makes the decoder fall over. Save the picture "
    "anew as a JPEG or PNG, and try that.",
    ErrorKind.DECODER_DOWN: "The process that decodes pictures does not start. Its "
    "reason stands above.",
}


class ChildProcess(ABC):
    """Handles one picture after the other; for one thread at a time.

    Args:
        limits: What a picture may take.
        entry: ``module:function`` that runs there.
        environment: All that it has of one.

    Raises:
        ImageError: It does not start (``decoder_down``).
    """

    #: What its death is logged as.
    death: ClassVar = {"action": "decoder_died"}
    #: Where it runs; None for the folder of its parent.
    folder: str | None = "/"

    def __init__(
        self, limits: ChildLimits, entry: str, environment: Mapping[str, str]
    ) -> None:
        self._limits = limits
        self._deadline = time.monotonic() + START_SECONDS
        self.pictures = 0
        #: Why it ended before its time: ``"SIGSEGV"``, ``"exit 1"``, ``"too slow"``,
        #: ``"wrong answer"``.
        self.cause_of_death: str | None = None
        self._start(entry, environment)

    @property
    def pid(self) -> int:
        """Return the number that the system gave it."""
        return self._process.pid

    @property
    def most_pictures(self) -> int:
        """Return how many pictures are its share."""
        return PICTURES_PER_CHILD

    @property
    def is_spent(self) -> bool:
        """Tell whether another one must take its place."""
        return (
            self.cause_of_death is not None
            or self.pictures >= self.most_pictures
            or self._process.poll() is not None
        )

    @contextmanager
    def _one_picture(self) -> Iterator[None]:
        """Count a picture, and turn what goes wrong with the process into our error.

        Raises:
            ImageError: It took too long (``decode_timeout``), or the process died of
                it (``decode_crash``).
        """
        self.pictures += 1
        self._deadline = time.monotonic() + self._limits.wall_seconds
        try:
            yield
        except TimeoutError as error:
            self._kill("too slow")
            raise _error(ErrorKind.DECODE_TIMEOUT) from error
        except ProtocolError as error:
            self._kill("wrong answer")
            raise _error(ErrorKind.DECODE_CRASH) from error
        except (OSError, EOFError) as error:
            cause = self._kill(self._exit_cause())
            timed_out = cause == signal.SIGXCPU.name
            kind = ErrorKind.DECODE_TIMEOUT if timed_out else ErrorKind.DECODE_CRASH
            raise _error(kind) from error
        except EmojifierError:
            # An answer like any other.
            raise
        except BaseException:
            # Its answer was not read to the end, so the next one could not be.
            self._kill("was given up")
            raise

    def close(self) -> None:
        """End the process: at once, if it does not end by itself."""
        self._connection.close()
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self, entry: str, environment: Mapping[str, str]) -> None:
        try:
            self._connection, theirs = socket.socketpair()
        except OSError as error:
            raise _error(ErrorKind.DECODER_DOWN) from error
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _AHEAD_BYTES)
        descriptor = str(theirs.fileno())
        command = [sys.executable, "-I", "-c", _PROGRAM, entry, descriptor]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*command, self._limits.to_json(), *filter(None, sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=environment,
                cwd=self.folder,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            self._connection.close()
            raise _error(ErrorKind.DECODER_DOWN) from error
        finally:
            theirs.close()
        try:
            self._wait_until_ready()
        except (OSError, EOFError, ProtocolError) as error:
            self._kill("does not start")
            raise _error(ErrorKind.DECODER_DOWN) from error
        except BaseException:
            # Nobody would know of it.
            self._kill("was given up")
            raise

    @abstractmethod
    def _wait_until_ready(self) -> None:
        """Read what a process says when it can begin."""

    def _receive_header(self) -> dict[str, Any]:
        def receive(length: int) -> bytes:
            received = bytearray(length)
            self._receive_into(memoryview(received))
            return bytes(received)

        return receive_header(receive)

    def _receive_into(self, part: memoryview) -> None:
        """Fill a part with what the child sends.

        Raises:
            TimeoutError: It took too long.
            EOFError: The child is gone.
        """
        while part:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
            received = self._connection.recv_into(part)
            if not received:
                raise EOFError
            part = part[received:]

    def _exit_cause(self) -> str:
        """Return how a process ends that closed its end of the connection."""
        try:
            code = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        return signal.Signals(-code).name if code < 0 else f"exit {code}"

    def _kill(self, cause: str) -> str:
        """Make sure that it is dead; return and log the cause."""
        self._process.kill()
        self.close()
        self.cause_of_death = cause
        facts = {"cause": cause, "pictures": self.pictures}
        logger.warning("a process for pictures died", extra=self.death | facts)
        return cause


class DecoderProcess(ChildProcess):
    """Decodes pictures, with nothing that a picture could steal.

    Args:
        limits: What a picture may take.
        entry: ``module:function`` that runs there.

    Raises:
        ImageError: It does not start (``decoder_down``).
    """

    status: IsolationStatus

    def __init__(self, limits: ChildLimits, entry: str = CHILD) -> None:
        super().__init__(limits, entry, _ENVIRONMENT)

    def decode(self, data: bytes, frame: int = 0) -> DecodedImage:
        """Decode one picture there.

        Raises:
            ImageError: It was refused, took too long (``decode_timeout``), or the
                process died of it (``decode_crash``).
        """
        with self._one_picture():
            self._connection.settimeout(self._limits.wall_seconds)
            send_picture(self._connection, str(frame).encode())
            send_picture(self._connection, data)
            header = read_picture(self._receive_header(), self._limits.picture)
            canvas = new_canvas(header.mode, header.size_wh)
            self._receive_into(canvas.pixels.data.cast("B"))
            return DecodedImage(
                canvas=canvas,
                source_format=header.source_format,
                icc_profile=header.icc_profile,
                jpeg=header.jpeg,
                lossless=header.lossless,
                notes=header.notes,
                source_bytes=header.source_bytes,
                dpi=header.dpi,
                frames=header.frames,
                frame=frame,
            )

    def _wait_until_ready(self) -> None:
        self.status = read_ready(self._receive_header())


def _error(kind: ErrorKind) -> ImageError:
    return ImageError(_SENTENCES[kind], kind=kind)
