"""From a plan to the encoded result: composite, encode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from emojifier_bot.clock import Clock
from emojifier_bot.vision.alt_text import alt_text
from emojifier_bot.vision.clips.passes import ConvertedClip, cut_off_notes, pictures_at
from emojifier_bot.vision.clips.types import Clip, Followed, Frame, Writing
from emojifier_bot.vision.decode import NO_LIMITS, DecodedImage, decode
from emojifier_bot.vision.encode import encode, output_format
from emojifier_bot.vision.formats import channel_format, format_named, moving_format
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.paint import hidden_discs, paint
from emojifier_bot.vision.plan import DrawEmoji, Plan
from emojifier_bot.vision.ports import EmojiSource
from emojifier_bot.vision.result import EmojifiedFace, Result


@dataclass(slots=True)
class Stopwatch:
    """Times the stages of one result."""

    clock: Clock
    #: By the name of the stage.
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done within."""
        began = self.clock.monotonic()
        yield
        passed = (self.clock.monotonic() - began) * 1000
        self.milliseconds[name] = self.milliseconds.get(name, 0.0) + passed


@dataclass(frozen=True, slots=True, eq=False)
class PaintedPicture:
    """Encodes a result for another file extension."""

    picture: DecodedImage
    #: What was written of it.
    encoded: bytes
    options: EmojifyOptions

    def __call__(self, extension: str) -> bytes:
        """Return the picture in the format of an extension."""
        output = output_format(self.picture, extension)
        image, options = self.picture.image, self.options
        return encode(self.picture, image, output, options.quality, options.exif_date)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what was written instead of the pixels, which take many times more."""
        return partial, (_encode_again, self.encoded, self.options)


def _encode_again(encoded: bytes, options: EmojifyOptions, extension: str) -> bytes:
    picture = decode(encoded, NO_LIMITS)
    return PaintedPicture(picture, encoded, options)(extension)


def render_picture(
    picture: DecodedImage,
    plan: Plan,
    emoji: EmojiSource,
    options: EmojifyOptions,
    times: Stopwatch,
) -> Result:
    """Paint a plan that fits onto a picture itself, and encode it.

    Raises:
        ImageError: It cannot be written in the requested format.
        PlanError: A picture that the plan names is missing.
    """
    if plan.covers and picture.rescaled:
        hidden = hidden_discs(plan.faces, emoji.theme).tolist()
        with times.stage("decode"):
            picture = picture.rescaled(hidden)
    output = output_format(picture, options.extension)
    if options.for_channel:
        output = channel_format(output).name
    with times.stage("composite"):
        paint(picture, plan.faces, emoji, options.covers)
        if options.numbered:
            # Fonts are seldom needed.
            from emojifier_bot.vision.numbers import draw_numbers  # noqa: PLC0415

            draw_numbers(picture.canvas, plan.faces)
    if plan.covers:
        picture = replace(picture, source_bytes=0)
    encoded = b""
    if plan.faces or not options.for_channel:
        with times.stage("encode"):
            encoded = encode(
                picture, picture.image, output, options.quality, options.exif_date
            )
    faces = _emojified(plan, emoji)
    return Result(
        width=picture.image.width,
        height=picture.image.height,
        faces=faces,
        plan=plan,
        alt_text=alt_text(faces, plan.reading),
        encoded=encoded,
        format=output,
        encode_for=PaintedPicture(picture, encoded, options),
        extensions=format_named(output).extensions,
        notes=picture.notes,
        frame=picture.frame,
        shown=plan.faces,
        backend=plan.backend,
        milliseconds=times.milliseconds,
    )


def render_clip(
    clip: Clip,
    followed: Followed,
    emoji: EmojiSource,
    options: EmojifyOptions,
    times: Stopwatch,
) -> Result:
    """Paint what becomes of the faces in each frame of a clip, and encode it.

    With `EmojifyOptions.numbered` it is one frame, the one of the plan.

    Raises:
        ImageError: It cannot be decoded, or written in the requested format.
        PlanError: A picture that the plan names is missing.
    """
    people, info = followed.plan, clip.info
    faces = _emojified(people, emoji)
    if options.numbered:
        (picture,) = pictures_at(clip, {people.frame})
        plan = followed.at(people.frame)
        options = replace(options, extension=None)
        drawn = render_picture(picture, plan, emoji, options, times)
        return replace(drawn, plan=people, faces=faces)

    def paint_frame(frame: Frame) -> None:
        planned = followed.at(frame.index).faces
        paint(frame.picture, planned, emoji, options.covers)

    output = moving_format(
        info.format, options.extension, for_channel=options.for_channel
    ) or format_named(info.format)
    encoded = b""
    if people.faces or not options.for_channel:
        with times.stage("encode"):
            how = Writing(output.name, options.quality, people.covers)
            encoded = clip.rewritten(paint_frame, how)
    frames = len(followed.frames)
    return Result(
        width=people.width,
        height=people.height,
        faces=faces,
        plan=people,
        alt_text=alt_text(faces, people.reading),
        encoded=encoded,
        format=output.name,
        encode_for=ConvertedClip(encoded),
        extensions=output.extensions,
        notes=(*info.notes, *cut_off_notes(info, frames)),
        frame=people.frame,
        shown=followed.at(people.frame).faces if followed.frames else (),
        frames=frames,
        seconds=sum(info.durations_ms[:frames]) / 1000,
        backend=people.backend,
        milliseconds=times.milliseconds,
    )


def _emojified(plan: Plan, emoji: EmojiSource) -> tuple[EmojifiedFace, ...]:
    names = {one.name: one for one in emoji.theme.emoji}
    return tuple(
        EmojifiedFace(
            one,
            names[one.decision.name] if isinstance(one.decision, DrawEmoji) else None,
        )
        for one in plan.faces
    )
