"""The worker's processes for pictures: each may die, and one job with it.

Such a process finds and reads the faces of a picture, paints and encodes it. It has
the settings, but no secret of Slack's and none of the database's; the stranger's bytes
are decoded in a process of its own (`vision.sandbox`). What one picture may take of
time and memory is limited here as it is there.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache, partial, wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import structlog
from PIL import Image

from emojifier_bot import errors
from emojifier_bot.app import (
    CHECKED_SIZE_WH,
    make_analyzer,
    make_isolated_decoder,
    make_local_models,
)
from emojifier_bot.clock import SystemClock
from emojifier_bot.config import Settings, settings_table
from emojifier_bot.config.settings import NO_SECRET
from emojifier_bot.domain import (
    EmojifiedPicture,
    Explanation,
    FaceSummary,
    summarized,
)
from emojifier_bot.emotion_models import ReadingMode, lowest
from emojifier_bot.errors import (
    ConfigError,
    EmojifierError,
    ErrorKind,
    ImageError,
    RemoteError,
)
from emojifier_bot.logs import configure_logging
from emojifier_bot.vision.alt_text import spoken
from emojifier_bot.vision.clips.passes import Progress, no_progress
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.edits import NO_EDITS, carry_over, take_edits
from emojifier_bot.vision.formats import video_format
from emojifier_bot.vision.numbers import numbered_copy
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.pipeline import Pipeline
from emojifier_bot.vision.plan import ChosenBy, Plan
from emojifier_bot.vision.render import PaintedPicture
from emojifier_bot.vision.result import EmojifiedFace, Result
from emojifier_bot.vision.sandbox.child import end_with_parent
from emojifier_bot.vision.sandbox.isolated import ProcessPool
from emojifier_bot.vision.sandbox.lockdown import (
    give_way,
    limit_memory,
    processor_seconds,
)
from emojifier_bot.vision.sandbox.process import ChildProcess
from emojifier_bot.vision.sandbox.protocol import (
    ChildLimits,
    ProtocolError,
    receive_picture,
    send_header,
    send_picture,
)
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.why import sentence
from emojifier_bot.vision.why_card import draw_cards

logger = logging.getLogger(__name__)

ENTRY = "emojifier_bot.app.picture_process:main"
#: By the clock, for a picture that is decoded: 3,000 faces take 9 s where nothing else
#: runs, the largest result 5 s.
AFTER_DECODING_SECONDS = 60.0
#: A start takes a second, so a process may do more than a decoder does.
PICTURES_PER_PROCESS = 1000
#: How often the worker hears how far a clip is.
PROGRESS_SECONDS = 0.5
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

Values = dict[str, Any]

P = ParamSpec("P")
R = TypeVar("R")


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
        surprise_seed: int | None,
        words: Sequence[str] = (),
        reading: str = "",
        *,
        progress: Progress = no_progress,
    ) -> EmojifiedPicture:
        """Emojify a picture there, as some words ask: `take_edits`.

        Raises:
            EmojifierError: As the pipeline does; or an `ImageError`: it took too long
                (``decode_timeout``), or the process died of it (``decode_crash``).
        """
        self._progress = progress
        asked = {"theme": theme, "surprise_seed": surprise_seed, "reading": reading}
        return self._emojified(data, **asked, words=list(words))

    def render(
        self,
        data: bytes,
        plan: Plan,
        theme: str = "",
    ) -> EmojifiedPicture:
        """Paint a plan there.

        Args:
            data: The picture.
            plan: What becomes of its faces.
            theme: As it was read with.

        Raises:
            EmojifierError: As for `emojify`.
        """
        return self._emojified(data, theme=theme, do="render", plan=plan.to_dict())

    def preview(
        self,
        data: bytes,
        plan: Plan | None,
        theme: str = "",
        surprise_seed: int | None = None,
        words: Sequence[str] = (),
        *,
        reading: str = "",
    ) -> EmojifiedPicture:
        """Paint a small copy with numbers there, and tell what would be posted.

        Args:
            data: The picture.
            plan: What becomes of its faces; None, or one of another theme, for what is
                read there.
            theme: Name of the theme; empty for the settings' own.
            surprise_seed: As for `emojify`.
            words: Change what is read.
            reading: How faces are read at most.

        Raises:
            EmojifierError: As for `emojify`.
        """
        asked = {"theme": theme, "surprise_seed": surprise_seed, "words": list(words)}
        values = None if plan is None else plan.to_dict()
        return self._emojified(
            data, **asked, do="preview", plan=values, reading=reading
        )

    def why(
        self,
        data: bytes,
        theme: str = "",
        surprise_seed: int | None = None,
        words: Sequence[str] = (),
        reading: str = "",
    ) -> Explanation:
        """Say there why each face would get its emoji; see `EmojifyOptions`.

        Args:
            data: The picture, read again as it was.
            theme: As it was read with, and so are the others.
            surprise_seed: None for the nearest emoji.
            words: What was asked for single faces.
            reading: The reading mode that counts for whoever asks; empty for the
                settings' own.

        Raises:
            EmojifierError: As for `emojify`.
        """
        asked = {"theme": theme, "surprise_seed": surprise_seed, "words": list(words)}
        with self._asked(data, asked | {"reading": reading, "do": "why"}) as values:
            cards = self._receive_bytes(values["length"])
            sentences = tuple(values["sentences"])
            return Explanation(cards, sentences, values["left_out"])

    def _emojified(self, data: bytes, **asked: Any) -> EmojifiedPicture:
        with self._asked(data, {"do": "run", **asked}) as values:
            encoded = self._receive_bytes(values.pop("length"))
            plan = Plan.from_json(self._receive_bytes(values.pop("plan_length")))
            faces = tuple(FaceSummary(**face) for face in values.pop("faces"))
            values["notes"] = tuple(values["notes"])
            return EmojifiedPicture(data=encoded, faces=faces, plan=plan, **values)

    @contextmanager
    def _asked(self, data: bytes, asked: Values) -> Iterator[Values]:
        """Ask for something; what follows the header of the answer is to be read."""
        asked = asked | {"about": structlog.contextvars.get_contextvars()}
        with self._one_picture(), self._watched():
            self._connection.settimeout(self._limits.wall_seconds)
            send_picture(self._connection, json.dumps(asked).encode())
            send_picture(self._connection, data)
            try:
                yield self._receive_answer()
            finally:
                # How far the next one is, is no matter of whoever asked for this one.
                self._progress = no_progress

    def _receive_answer(self) -> Values:
        """Wait for the answer; a clip that goes on has more time than a picture."""
        latest = time.monotonic() + self._clip_seconds
        while "progress" in (values := self._receive_values()):
            self._progress(*values["progress"])
            self._deadline = min(time.monotonic() + self._limits.wall_seconds, latest)
        return values

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

    def _receive_bytes(self, length: int) -> bytes:
        if not 0 <= length <= MOST_RESULT_BYTES:
            raise ProtocolError
        received = bytearray(length)
        self._receive_into(memoryview(received))
        return bytes(received)

    def _wait_until_ready(self) -> None:
        # Its start takes a second of the processor.
        give_way(self.pid, NICENESS)
        send_picture(self._connection, pickle.dumps(self._settings))
        self._receive_values()

    def _receive_values(self) -> Values:
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


def main(connection: socket.socket, limits: ChildLimits) -> None:
    """Emojify pictures until the worker is gone."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    sent = receive_picture(connection)
    if sent is None:
        return
    settings: Settings = pickle.loads(sent)  # noqa: S301 - from the worker alone
    configure_logging(settings.log_level, settings.log_format)
    try:
        pipeline_for = _make_pipelines(settings)
    except EmojifierError as error:
        send_header(connection, _error_values(error))
        return
    limit_memory(limits)
    send_header(connection, {"ready": True})
    while (asked := receive_picture(connection)) is not None:
        data = receive_picture(connection)
        if data is None:
            return
        tell = _make_progress(connection)
        answer = _answer(pipeline_for, json.loads(asked), data, tell)
        _send_answer(connection, *answer)
        # While the next picture is awaited, nothing is left of this one.
        del data


def _make_progress(connection: socket.socket) -> Progress:
    """Return what tells the worker now and then how far a clip is."""
    next_at = time.monotonic() + PROGRESS_SECONDS

    def tell(done: int, total: int) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + PROGRESS_SECONDS
            send_header(connection, {"progress": [done, total]})

    return tell


def _send_answer(
    connection: socket.socket, values: Values, bodies: Sequence[bytes]
) -> None:
    send_header(connection, values)
    for body in bodies:
        connection.sendall(body)


def _make_pipelines(settings: Settings) -> Callable[[str], Pipeline]:
    """Load models and theme, and start a decoder; return a pipeline for each theme."""
    decoder = make_isolated_decoder(settings)
    decoder.warm_up()
    analyzer = make_analyzer(settings)

    @cache
    def pipeline_for(theme: str) -> Pipeline:
        source = open_theme(theme or settings.theme)
        mode = ReadingMode(settings.reading)
        models = partial(make_local_models, settings)
        return Pipeline(decoder, analyzer, source, SystemClock(), mode, models)

    pipeline_for("")
    if settings.face_backend == "local":
        # What is only made for the first picture is no picture's memory.
        analyzer.analyze(from_image(Image.new("RGB", CHECKED_SIZE_WH, "grey")))

    return pipeline_for


def _answer(
    pipeline_for: Callable[[str], Pipeline],
    asked: Values,
    data: bytes,
    progress: Progress,
) -> tuple[Values, tuple[bytes, ...]]:
    """Return the header and what follows it, for the worker."""
    with structlog.contextvars.bound_contextvars(**asked["about"]):
        try:
            return _done(pipeline_for(asked["theme"]), asked, data, progress)
        except MemoryError:
            too_much = _too_much("This picture needs more memory than there is.")
            return _error_values(too_much), ()
        except EmojifierError as error:
            return _error_values(error), ()
        except Exception:
            # The outermost loop of this process.
            facts = {"action": "picture_failed"}
            logger.exception("a picture failed unexpectedly", extra=facts)
            unexpected = EmojifierError("It failed.", kind=ErrorKind.UNEXPECTED)
            return _error_values(unexpected), ()


def _done(
    pipeline: Pipeline, asked: Values, data: bytes, progress: Progress
) -> tuple[Values, tuple[bytes, ...]]:
    options = EmojifyOptions(
        surprise_seed=asked.get("surprise_seed"),
        for_channel=True,
        edits=take_edits(asked.get("words", ()))[0],
        reading=lowest(ReadingMode.EXPRESSIONS, asked.get("reading", "")),
    )
    if asked["do"] == "why":
        explained = explanation(pipeline, data, options)
        facts = asdict(replace(explained, data=b""))
        return facts | {"data": "", "length": len(explained.data)}, (explained.data,)
    plan = Plan.from_dict(asked["plan"]) if asked.get("plan") else None
    if asked["do"] == "preview":
        picture = previewed(pipeline, data, plan, options, progress)
    elif plan is not None:
        picture = emojified(pipeline.render(data, plan, options, progress))
    else:
        picture = emojified(pipeline.run(data, options, progress))
    if len(picture.data) > MOST_RESULT_BYTES:
        raise _too_much("The result is too long.")
    assert picture.plan is not None  # noqa: S101 - `emojified` sets it
    text = picture.plan.to_json().encode()
    values = asdict(replace(picture, data=b"", plan=None))
    del values["data"], values["plan"]
    lengths = {"length": len(picture.data), "plan_length": len(text)}
    return values | lengths, (picture.data, text)


def explanation(
    pipeline: Pipeline, data: bytes, options: EmojifyOptions
) -> Explanation:
    """Return cards and sentences that say why faces would get their emoji."""
    plan, whys = pipeline.why(data, options)
    if not whys:
        return Explanation(b"", ())
    file = io.BytesIO()
    draw_cards(whys, pipeline.emoji, plan.reading).save(file, "PNG", optimize=True)
    sentences = tuple(sentence(one, plan.reading) for one in whys)
    return Explanation(file.getvalue(), sentences, len(plan.faces) - len(whys))


def previewed(
    pipeline: Pipeline,
    data: bytes,
    plan: Plan | None,
    options: EmojifyOptions,
    progress: Progress = no_progress,
) -> EmojifiedPicture:
    """Return a small copy with numbers, and the digest of what would be posted.

    Of a clip the copy shows one frame.
    """
    theme = pipeline.emoji.theme
    if plan is not None and plan.theme != theme.name:
        plan = carry_over(pipeline.read(data, options), plan, theme)
    as_posted = replace(options, edits=NO_EDITS, surprise_seed=None)
    if plan is None:
        result = pipeline.run(data, options, progress)
    else:
        result = pipeline.render(data, plan, as_posted, progress)
    if plan is None and result.plan.frames > 1 and options.surprise_seed is not None:
        # A clip is followed anew when it is posted, and nothing is drawn then.
        result = pipeline.render(data, result.plan, as_posted, progress)
    picture = emojified(result)
    if not result.faces:
        return picture
    painted = result.encode_for
    if isinstance(painted, PaintedPicture):
        canvas = painted.picture.canvas
    else:
        (shown,) = pipeline.frames(result.encoded, result, {result.frame})
        canvas = shown.canvas
    return replace(
        picture,
        data=numbered_copy(canvas, result.shown),
        format="JPEG",
    )


def emojified(result: Result) -> EmojifiedPicture:
    """Return what a job needs of a result."""
    return EmojifiedPicture(
        data=result.encoded,
        format=result.format,
        alt_text=result.alt_text,
        faces=summarized(_summary(one, result.plan.reading) for one in result.faces),
        plan=result.plan,
        backend=result.backend,
        milliseconds=result.milliseconds,
        notes=result.notes,
        frames=result.frames,
        digest=_digest(result),
    )


def _digest(result: Result) -> str:
    """Return what is the same where the same is painted on the same picture.

    H.264 may write the same frames in other bytes: of a clip it is its plan, which has
    the places of the faces that were followed anew.
    """
    told = result.encoded
    if result.plan.frames > 1 or video_format(told):
        told = result.plan.to_json().encode()
    return hashlib.sha256(told).hexdigest()


def _summary(face: EmojifiedFace, reading: ReadingMode) -> FaceSummary:
    if reading != ReadingMode.EXPRESSIONS:
        return FaceSummary("", spoken(face, reading), sure=True)
    character = "" if face.emoji is None else face.emoji.character
    by_person = face.planned.chosen_by is ChosenBy.PERSON
    return FaceSummary(
        character,
        spoken(face) if by_person or face.emoji is None else face.emoji.spoken,
        face.sure or by_person,
    )


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


def _too_much(what: str) -> ImageError:
    sentence = f"{what} Send a smaller one."
    return ImageError(sentence, kind=ErrorKind.TOO_MANY_PIXELS)


def _error_values(error: EmojifierError) -> Values:
    values: Values = {"name": type(error).__name__, "message": error.message}
    values["kind"] = error.kind
    if isinstance(error, RemoteError):
        values["retryable"] = error.retryable
        values["retry_after_seconds"] = error.retry_after_seconds
    return {"error": values}


def _read_error(name: str, message: str, **more: Any) -> EmojifierError:
    """Return the error that `_error_values` described."""
    if name == ConfigError.__name__:
        return ConfigError(message.splitlines())
    kind: type[EmojifierError] = getattr(errors, name)
    return kind(message, **more)
