"""Processes of ours that handle pictures, seen from their parent."""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

from emojifier_bot.errors import EmojifierError, ErrorKind, ImageError
from emojifier_bot.vision.clips.types import (
    AS_READ,
    Clip,
    ClipInfo,
    Frame,
    PaintFrame,
    Writing,
)
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.depth import Discs
from emojifier_bot.vision.sandbox.clip import CLIP, END, NEXT, STOP, WRITE
from emojifier_bot.vision.sandbox.lockdown import memory_in_use
from emojifier_bot.vision.sandbox.protocol import (
    PICTURES_PER_CHILD,
    ChildLimits,
    IsolationStatus,
    ProtocolError,
    read_clip,
    read_picture,
    read_ready,
    receive_header,
    send_picture,
)

logger = logging.getLogger(__name__)

CHILD = "emojifier_bot.vision.sandbox.child:main"
CHILD_OF_CLIPS = "emojifier_bot.vision.sandbox.child:main_of_clips"
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
#: What a process may keep of a picture: allocators give memory back late or never, and
#: what is kept is missing for the next picture, whosever it is.
MOST_KEPT_BYTES = 100_000_000
#: How long a process may take to let go of a picture, and how often that is looked at.
_CLEAR_SECONDS, _LOOK_SECONDS = 0.2, 0.005
#: The child may send as much as this before it is received, where the system lets it,
#: so that the two seldom wait for each other.
_AHEAD_BYTES = 2**20

_SENTENCES = {
    ErrorKind.DECODE_TIMEOUT: "This file took too long. Save a picture as an "
    "ordinary JPEG or scale it down, cut a clip shorter, and try that.",
    ErrorKind.DECODE_CRASH: "This file makes the decoder fall over. Save a picture "
    "anew as a JPEG or PNG, a clip as an MP4, and try that.",
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
    #: Whether it and whom it starts are a session of their own.
    leads_session: ClassVar = False

    def __init__(
        self, limits: ChildLimits, entry: str, environment: Mapping[str, str]
    ) -> None:
        self._limits = limits
        self._deadline = time.monotonic() + START_SECONDS
        self.pictures = 0
        #: Why it ended before its time: ``"SIGSEGV"``, ``"exit 1"``, ``"too slow"``,
        #: ``"wrong answer"``.
        self.cause_of_death: str | None = None
        #: Called when it is known that the picture it has is its last.
        self.when_ending: Callable[[], None] = lambda: None
        self._start(entry, environment)
        _, self._data_bytes = memory_in_use(self.pid)

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

    @property
    def keeps_too_much(self) -> bool:
        """Tell whether too much is left of a picture."""
        return memory_in_use(self.pid)[1] - self._data_bytes > MOST_KEPT_BYTES

    def lets_go(self) -> bool:
        """Wait a moment until little is left of a picture; tell whether it is so."""
        until = time.monotonic() + _CLEAR_SECONDS
        while self.keeps_too_much:
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

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
                start_new_session=self.leads_session,
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

    @contextmanager
    def open_clip(self, data: bytes) -> Iterator[Clip | None]:
        """Open a clip there, for as long as the block runs; None for a picture.

        Raises:
            ImageError: As `decode` does, in the block too.
        """
        with self._one_picture():
            self._deadline = time.monotonic() + self._limits.clip_seconds
            self._connection.settimeout(self._limits.clip_seconds)
            send_picture(self._connection, CLIP)
            send_picture(self._connection, data)
            info = read_clip(self._receive_header(), self._limits)
            if info is None:
                yield None
                return
            clip = IsolatedClip(self, info)
            try:
                yield clip
            except EmojifierError:
                clip.end()
                raise
            clip.end()

    def decode(self, data: bytes, frame: int = 0, hidden: Discs = ()) -> DecodedImage:
        """Decode one picture there; `decode.decode` has the arguments.

        Raises:
            ImageError: It was refused, took too long (``decode_timeout``), or the
                process died of it (``decode_crash``).
        """
        with self._one_picture():
            self._connection.settimeout(self._limits.wall_seconds)
            asked = {"frame": frame, "hidden": hidden}
            send_picture(self._connection, json.dumps(asked).encode())
            send_picture(self._connection, data)
            again = partial(self.decode, data, frame)
            return self.receive_picture(self._receive_header(), frame, again)

    def receive_picture(
        self,
        values: dict[str, Any],
        frame: int,
        rescaled: Callable[[Discs], DecodedImage] | None = None,
    ) -> DecodedImage:
        """Return the picture that a header describes and whose pixels follow."""
        picture = read_picture(values, self._limits.picture, frame, rescaled)
        self._receive_into(picture.canvas.pixels.data.cast("B"))
        return picture

    def ask(self, **asked: Any) -> None:
        """Ask for something of an opened clip."""
        send_picture(self._connection, json.dumps(asked).encode())

    def answer(self) -> dict[str, Any]:
        """Return what the child says to that.

        Raises:
            ImageError: It refused.
        """
        values = self._receive_header()
        if "error" in values:
            read_picture(values, self._limits.picture)
        return values

    def return_pixels(self, picture: DecodedImage) -> None:
        """Send a painted frame back."""
        self._connection.sendall(picture.canvas.pixels.data.cast("B"))

    def receive_file(self, length: Any) -> bytes:
        """Return a file of a length that the child stated."""
        most = self._limits.clip.max_result_bytes
        if type(length) is not int or not 0 <= length <= most:
            raise ProtocolError
        received = bytearray(length)
        self._receive_into(memoryview(received))
        return bytes(received)

    def _wait_until_ready(self) -> None:
        self.status = read_ready(self._receive_header())


@dataclass(slots=True)
class IsolatedClip(Clip):
    """A clip that a decoder's process has opened."""

    process: DecoderProcess
    stated: ClipInfo
    #: Whether its frames are being asked for.
    _in_pass: bool = False
    #: Whether the child waits for a painted frame.
    _owes_pixels: bool = False

    @property
    def info(self) -> ClipInfo:
        """Return what its header says."""
        return self.stated

    def frames(self) -> Iterator[Frame]:
        """Decode it, as `Clip` says."""
        self._stop()
        self._in_pass = True
        for index, time_ms in enumerate(self.stated.times_ms):
            self.process.ask(do=NEXT)
            values = self.process.answer()
            if "end" in values:
                break
            yield self._frame(values, index, time_ms)
        self._stop()

    def rewritten(self, paint: PaintFrame, how: Writing = AS_READ) -> bytes:
        """Encode it with painted frames, as `Clip` says."""
        self._stop()
        self.process.ask(do=WRITE, how=asdict(how))
        times = self.stated.times_ms
        values = self.process.answer()
        # Some frames come twice: once as a sample.
        while "length" not in values:
            index = values.get("index")
            if type(index) is not int or not 0 <= index < len(times):
                raise ProtocolError
            frame = self._frame(values, index, times[index])
            self._owes_pixels = True
            paint(frame)
            self.process.return_pixels(frame.picture)
            self._owes_pixels = False
            values = self.process.answer()
        return self.process.receive_file(values["length"])

    def end(self) -> None:
        """Let the child take another picture.

        Raises:
            ProtocolError: It waits for a painted frame, and none comes.
        """
        if self._owes_pixels:
            raise ProtocolError
        self.process.ask(do=END)

    def _stop(self) -> None:
        if self._in_pass:
            self.process.ask(do=STOP)
        self._in_pass = False

    def _frame(self, values: dict[str, Any], index: int, time_ms: float) -> Frame:
        picture = self.process.receive_picture(values, index)
        if picture.image.size != self.stated.size_wh:
            raise ProtocolError
        return Frame(index, time_ms, picture)


def _error(kind: ErrorKind) -> ImageError:
    return ImageError(_SENTENCES[kind], kind=kind)
