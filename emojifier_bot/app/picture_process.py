"""The worker's processes for pictures: each may die, and one job with it.

`picture_child` is what runs in such a process. What one picture may take of time and
memory is limited here as it is in the decoder's processes (`vision.sandbox`).
"""

from __future__ import annotations

import io
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, ClassVar, Concatenate, Literal, ParamSpec, TypeVar

import structlog

from emojifier_bot import errors
from emojifier_bot.config import Settings, settings_table
from emojifier_bot.config.settings import NO_SECRET
from emojifier_bot.domain import EmojifiedPicture, Explanation, FaceSummary
from emojifier_bot.errors import ConfigError, EmojifierError, RemoteError
from emojifier_bot.http import Room, any_room
from emojifier_bot.vision.clips.passes import Progress, no_progress
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.plan import Plan
from emojifier_bot.vision.sandbox.isolated import ProcessPool
from emojifier_bot.vision.sandbox.lockdown import give_way, processor_seconds
from emojifier_bot.vision.sandbox.process import ChildProcess
from emojifier_bot.vision.sandbox.protocol import (
    ChildLimits,
    ProtocolError,
    send_picture,
)

ENTRY = "emojifier_bot.app.picture_child:main"
#: By the clock, for a picture that is decoded: 3,000 faces take 9 s where nothing else
#: runs, the largest result 5 s.
AFTER_DECODING_SECONDS = 60.0
#: A start takes a second, so a process may do more than a decoder does.
PICTURES_PER_PROCESS = 1000
#: The largest result that is passed on.
MOST_RESULT_BYTES = 100_000_000
#: Of the processor, from which on a picture gives way to others: one of 12 megapixels
#: takes 0.3 s, the largest two or three.
LONG_SECONDS, LOOK_SECONDS = 3.0, 0.5
#: Answers to Slack and the steps of jobs, which somebody waits for and which take
#: little, come before pictures, and pictures before long ones.
NICENESS, LONG_NICENESS = 5, 15
#: Pictures at the same time for each that one workspace may have: see
#: `jobs.places.FairPlaces`.
PROCESSES_PER_PIPELINE = 2

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a process is asked to do with a picture."""

    do: Literal["run", "render", "preview", "why"]
    theme: str
    options: EmojifyOptions
    plan: Plan | None = None
    #: What the worker's log entries have in common.
    about: dict[str, Any] = field(default_factory=structlog.contextvars.get_contextvars)


class PictureProcess(ChildProcess):
    """One process, seen from the worker."""

    death: ClassVar = {"action": "picture_process_died"}
    #: Settings may name a theme or a model from there.
    folder = None
    leads_session = True

    def __init__(self, settings: Settings) -> None:
        self._gave_way = False
        self._settings = _without_secrets(settings)
        self._clip_seconds = settings.clip_seconds
        self._progress: Progress = no_progress
        seconds = settings.decode_seconds + AFTER_DECODING_SECONDS
        limits = ChildLimits(
            memory_bytes=settings.picture_memory_mb * 1_000_000,
            wall_seconds=seconds + settings.face_budget_seconds,
        )
        ours = {row.variable for row in settings_table()}
        environment = {k: v for k, v in os.environ.items() if k not in ours}
        super().__init__(limits, ENTRY, environment)

    @property
    def most_pictures(self) -> int:
        """Return how many pictures are its share."""
        return PICTURES_PER_PROCESS

    @property
    def is_spent(self) -> bool:
        """Tell at once what a decoder, whose pixels take a while to go, tells later.

        Nor can a process have its place before others back.
        """
        return super().is_spent or self.keeps_too_much or self._gave_way

    def emojify(
        self,
        data: bytes,
        theme: str,
        options: EmojifyOptions,
        *,
        progress: Progress = no_progress,
        room: Room = any_room,
    ) -> EmojifiedPicture:
        """Emojify a picture there; ``room`` waits for room for the result.

        Raises:
            EmojifierError: As the pipeline does; or an `ImageError`: it took too long
                (``decode_timeout``), or the process died of it (``decode_crash``).
        """
        self._progress = progress
        return self._emojified(data, Asked("run", theme, options), room)

    def render(
        self, data: bytes, theme: str, plan: Plan, *, room: Room = any_room
    ) -> EmojifiedPicture:
        """Paint a plan there, with errors as for `emojify`."""
        options = EmojifyOptions(for_channel=True)
        return self._emojified(data, Asked("render", theme, options, plan), room)

    def preview(
        self, data: bytes, theme: str, options: EmojifyOptions, plan: Plan | None
    ) -> EmojifiedPicture:
        """Paint a small copy with numbers there, and tell what would be posted.

        Args:
            data: The picture.
            theme: Name of the theme; empty for the settings' own.
            options: How it is read.
            plan: What becomes of its faces; None, or one of another theme, for what is
                read there.

        Raises:
            EmojifierError: As for `emojify`.
        """
        return self._emojified(data, Asked("preview", theme, options, plan))

    def why(self, data: bytes, theme: str, options: EmojifyOptions) -> Explanation:
        """Say there why each face would get its emoji, with errors as for `emojify`."""
        with self._asked(data, Asked("why", theme, options)) as values:
            cards = self._receive_bytes(values["length"])
            sentences = tuple(values["sentences"])
            return Explanation(cards, sentences, values["left_out"])

    def _emojified(
        self, data: bytes, asked: Asked, room: Room = any_room
    ) -> EmojifiedPicture:
        with self._asked(data, asked) as values:
            encoded = self._receive_bytes(values.pop("length"), room)
            plan = Plan.from_json(self._receive_bytes(values.pop("plan_length")))
            faces = tuple(FaceSummary(**face) for face in values.pop("faces"))
            values["notes"] = tuple(values["notes"])
            return EmojifiedPicture(data=encoded, faces=faces, plan=plan, **values)

    @contextmanager
    def _asked(self, data: bytes, asked: Asked) -> Iterator[dict[str, Any]]:
        """Ask for something; what follows the header of the answer is to be read."""
        with self._one_picture(), self._watched():
            self._connection.settimeout(self._limits.wall_seconds)
            send_picture(self._connection, pickle.dumps(asked))
            send_picture(self._connection, data)
            try:
                yield self._receive_answer()
            finally:
                # How far the next one is, is no matter of whoever asked for this one.
                self._progress = no_progress

    def _receive_answer(self) -> dict[str, Any]:
        """Wait for the answer; a clip that goes on has more time than a picture."""
        latest = time.monotonic() + self._clip_seconds
        while "progress" in (values := self._receive_values()):
            with self._unanswered():
                self._progress(*values["progress"])
            self._deadline = min(time.monotonic() + self._limits.wall_seconds, latest)
        return values

    @contextmanager
    def _unanswered(self) -> Iterator[None]:
        """Let no other picture get the answer if whoever asked fails before it."""
        try:
            yield
        except EmojifierError:
            self._kill("was given up")
            raise

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Let a picture that takes long give way to others."""
        is_done = threading.Event()
        long = processor_seconds(self.pid) + LONG_SECONDS

        def watch() -> None:
            while not is_done.wait(LOOK_SECONDS):
                if processor_seconds(self.pid) > long:
                    self._gave_way = True
                    give_way(self.pid, LONG_NICENESS)
                    self.when_ending()
                    return

        thread = threading.Thread(target=watch, name="picture", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_done.set()
            thread.join()

    def _receive_bytes(self, length: int, room: Room = any_room) -> bytes:
        if not 0 <= length <= MOST_RESULT_BYTES:
            raise ProtocolError
        with self._unanswered():
            room(length)
        self._deadline = time.monotonic() + self._limits.wall_seconds
        # Unlike other buffers it becomes bytes without a copy.
        received = io.BytesIO(bytes(length))
        with received.getbuffer() as part:
            self._receive_into(part)
        return received.getvalue()

    def _wait_until_ready(self) -> None:
        # Its start takes a second of the processor.
        give_way(self.pid, NICENESS)
        send_picture(self._connection, pickle.dumps(self._settings))
        self._receive_values()

    def _receive_values(self) -> dict[str, Any]:
        values = self._receive_header()
        if "error" in values:
            raise _read_error(**values["error"])
        return values


def _in_a_process(
    method: Callable[Concatenate[PictureProcess, P], R],
) -> Callable[Concatenate[PictureProcesses, P], R]:
    """Return the method of the pool that does this in one of its processes."""

    @wraps(method)
    def done(pool: PictureProcesses, /, *args: P.args, **named: P.kwargs) -> R:
        with pool.process() as process:
            return method(process, *args, **named)

    return done


class PictureProcesses(ProcessPool[PictureProcess]):
    """Emojifies pictures in processes of their own; for any number of threads."""

    def __init__(self, settings: Settings) -> None:
        one = settings.worker_concurrency
        super().__init__(
            lambda: PictureProcess(settings),
            one * PROCESSES_PER_PIPELINE,
            kept=one + 1,
            ahead=True,
        )

    __call__ = _in_a_process(PictureProcess.emojify)
    render = _in_a_process(PictureProcess.render)
    preview = _in_a_process(PictureProcess.preview)
    why = _in_a_process(PictureProcess.why)


def _without_secrets(settings: Settings) -> Settings:
    """Return settings that say nothing about Slack's secrets and the database."""
    return replace(
        settings,
        slack_bot_token=NO_SECRET,
        slack_app_token=NO_SECRET,
        slack_signing_secret=NO_SECRET,
        slack_client_secret=NO_SECRET,
        encryption_keys=NO_SECRET,
        database_url="",
    )


def error_values(error: EmojifierError) -> dict[str, Any]:
    """Return the header that says what went wrong."""
    values: dict[str, Any] = {
        "name": type(error).__name__,
        "message": error.message,
        "kind": error.kind,
    }
    if isinstance(error, RemoteError):
        values["retryable"] = error.retryable
        values["retry_after_seconds"] = error.retry_after_seconds
    return {"error": values}


def _read_error(name: str, message: str, **more: Any) -> EmojifierError:
    """Return the error that `error_values` described."""
    if name == ConfigError.__name__:
        return ConfigError(message.splitlines())
    kind: type[EmojifierError] = getattr(errors, name)
    return kind(message, **more)
