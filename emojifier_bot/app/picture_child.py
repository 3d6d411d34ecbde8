"""The program of the worker's processes for pictures: `picture_process` starts it.

It finds and reads the faces of a picture, paints and encodes it. It has the settings,
but no secret of Slack's and none of the database's; the stranger's bytes are decoded in
a process of its own (`vision.sandbox`).
"""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache, partial
from typing import Any

import structlog
from PIL import Image

from emojifier_bot.app import (
    CHECKED_SIZE_WH,
    make_analyzer,
    make_isolated_decoder,
    make_local_models,
)
from emojifier_bot.app.picture_process import MOST_RESULT_BYTES, Asked, error_values
from emojifier_bot.clock import SystemClock
from emojifier_bot.config import Settings
from emojifier_bot.domain import (
    EmojifiedPicture,
    Explanation,
    FaceSummary,
    summarized,
)
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.errors import (
    EmojifierError,
    ErrorKind,
    ImageError,
)
from emojifier_bot.logs import configure_logging
from emojifier_bot.vision.alt_text import spoken
from emojifier_bot.vision.clips.passes import Progress, no_progress
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.edits import NO_EDITS, carry_over
from emojifier_bot.vision.formats import video_format
from emojifier_bot.vision.numbers import numbered_copy
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.pipeline import Pipeline
from emojifier_bot.vision.plan import ChosenBy, Plan
from emojifier_bot.vision.render import PaintedPicture
from emojifier_bot.vision.result import EmojifiedFace, Result
from emojifier_bot.vision.sandbox.child import end_with_parent
from emojifier_bot.vision.sandbox.lockdown import (
    limit_memory,
)
from emojifier_bot.vision.sandbox.protocol import (
    ChildLimits,
    receive_picture,
    send_header,
)
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.why import sentence
from emojifier_bot.vision.why_card import draw_cards

logger = logging.getLogger(__name__)

#: How often the worker hears how far a clip is.
PROGRESS_SECONDS = 0.5

#: The header of an answer, and what follows it.
Answer = tuple[dict[str, Any], tuple[bytes, ...]]


def main(connection: socket.socket, limits: ChildLimits) -> None:
    """Emojify pictures until the worker is gone."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    settings: Settings | None = _receive(connection)
    if settings is None:
        return
    configure_logging(settings.log_level, settings.log_format)
    try:
        pipeline_for = _make_pipelines(settings)
    except EmojifierError as error:
        send_header(connection, error_values(error))
        return
    limit_memory(limits)
    send_header(connection, {"ready": True})
    while (asked := _receive(connection)) is not None:
        data = receive_picture(connection)
        if data is None:
            return
        progress = _make_progress(connection)
        values, bodies = _answer(pipeline_for, asked, data, progress)
        send_header(connection, values)
        for body in bodies:
            connection.sendall(body)
        # While the next picture is awaited, nothing is left of this one.
        del data, bodies


def _receive(connection: socket.socket) -> Any:
    """Wait for what the worker sends; None when it is gone."""
    sent = receive_picture(connection)
    return sent and pickle.loads(sent)  # noqa: S301 - from the worker alone


def _make_progress(connection: socket.socket) -> Progress:
    """Return what tells the worker now and then how far a clip is."""
    next_at = time.monotonic() + PROGRESS_SECONDS

    def tell(done: int, total: int) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + PROGRESS_SECONDS
            send_header(connection, {"progress": [done, total]})

    return tell


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
    asked: Asked,
    data: bytes,
    progress: Progress,
) -> Answer:
    """Do what the worker asks for; what goes wrong is an answer too."""
    with structlog.contextvars.bound_contextvars(**asked.about):
        try:
            return _done(pipeline_for(asked.theme), asked, data, progress)
        except MemoryError:
            too_much = _too_much("This picture needs more memory than there is.")
            return error_values(too_much), ()
        except EmojifierError as error:
            return error_values(error), ()
        except Exception:
            # The outermost loop of this process.
            facts = {"action": "picture_failed"}
            logger.exception("a picture failed unexpectedly", extra=facts)
            unexpected = EmojifierError("It failed.", kind=ErrorKind.UNEXPECTED)
            return error_values(unexpected), ()


def _done(pipeline: Pipeline, asked: Asked, data: bytes, progress: Progress) -> Answer:
    options, plan = asked.options, asked.plan
    if asked.do == "why":
        explained = explanation(pipeline, data, options)
        facts = {"sentences": explained.sentences, "left_out": explained.left_out}
        return facts | {"length": len(explained.data)}, (explained.data,)
    if asked.do == "preview":
        picture = previewed(pipeline, data, options, plan, progress)
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
    options: EmojifyOptions,
    plan: Plan | None,
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
        shown = painted.picture
    else:
        (shown,) = pipeline.frames(result.encoded, result, {result.frame})
    return replace(picture, data=numbered_copy(shown, result.shown), format="JPEG")


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


def _too_much(what: str) -> ImageError:
    sentence = f"{what} Send a smaller one."
    return ImageError(sentence, kind=ErrorKind.TOO_MANY_PIXELS)
