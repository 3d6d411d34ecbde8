"""From bytes to the result: decode, analyze, choose, place, composite, encode.

The first four make a plan of a picture, the others a picture of a plan.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emojifier_bot.clock import Clock
from emojifier_bot.emotion_models import ReadingMode, lowest
from emojifier_bot.errors import ErrorKind, ImageError, PlanError
from emojifier_bot.vision.alt_text import alt_text
from emojifier_bot.vision.choose import choose, nearest, surprise, unread
from emojifier_bot.vision.clips.passes import (
    ConvertedClip,
    CountedClip,
    Progress,
    cut_off_notes,
    no_progress,
)
from emojifier_bot.vision.color import sprite_into_profile
from emojifier_bot.vision.composite import overlay, premultiplied
from emojifier_bot.vision.covers import ANCHOR as COVER_ANCHOR
from emojifier_bot.vision.covers import ART_SIZE_PX as COVER_ART_PX
from emojifier_bot.vision.covers import (
    art_width,
    cover_art,
    covered,
    surroundings,
)
from emojifier_bot.vision.decode import NO_LIMITS, DecodedImage, decode
from emojifier_bot.vision.detector import box_iou
from emojifier_bot.vision.edits import NO_EDITS, Edits, apply
from emojifier_bot.vision.encode import encode, output_format
from emojifier_bot.vision.formats import channel_format, format_named, moving_format
from emojifier_bot.vision.landmarks import measure
from emojifier_bot.vision.place import paint_order, place, place_on_box, reading_order
from emojifier_bot.vision.plan import (
    Cover,
    CoverKind,
    DrawEmoji,
    Plan,
    PlannedFace,
    check_fits,
)
from emojifier_bot.vision.ports import (
    EmojiSource,
    FaceAnalyzer,
    FaceLocator,
)
from emojifier_bot.vision.result import EmojifiedFace, Result
from emojifier_bot.vision.shapes import visible
from emojifier_bot.vision.types import (
    EMOTIONS,
    Emoji,
    Emotion,
    EmotionScores,
    Face,
    ImageArray,
    Placement,
    Reading,
)

if TYPE_CHECKING:
    from emojifier_bot.vision.analyzers.local import LocalAnalyzer
    from emojifier_bot.vision.clips.follow import FaceFollower
    from emojifier_bot.vision.clips.types import Clip, ClipDecoder, Frame
    from emojifier_bot.vision.why import Why

#: Frames of an animation without a face in its first one that are looked at, and the
#: pixels of all together.
MOST_FRAMES_SEEN, MOST_PIXELS_SEEN = 12, 120_000_000
#: So many faces of a picture are explained: each takes a fifth of a second.
MOST_EXPLAINED = 30
#: Faces whose boxes overlap so much are one.
SAME_FACE_IOU = 0.3

#: What a place shows where no face can be read.
_NEUTRAL = EmotionScores(
    np.array([one is Emotion.NEUTRAL for one in EMOTIONS], np.float32)
)


@dataclass(frozen=True, slots=True)
class EmojifyOptions:
    """Options of the user for one picture."""

    #: File extension of the output, for example ``".png"``; None keeps the format.
    extension: str | None = None
    #: 1 to 100, for lossy formats; None matches the input's quality.
    quality: int | None = None
    #: Chooses at random among the nearest emoji; None chooses the nearest.
    surprise_seed: int | None = None
    #: The date that the result says it was taken at, as EXIF writes it; None for none.
    exif_date: str | None = None
    #: Write one format that a channel shows, and nothing for a picture without faces.
    for_channel: bool = False
    #: What is to be different from what the reader chooses, or from the plan.
    edits: Edits = NO_EDITS
    #: Write each face's number on the result.
    numbered: bool = False
    #: The pictures that `plan.CoverKind.PICTURE` names: ``(h, w, 4)`` uint8 RGBA.
    covers: Mapping[str, ImageArray] = field(default_factory=dict)
    #: What may be read of the faces; the pipeline's own mode may allow less.
    reading: ReadingMode = ReadingMode.EXPRESSIONS
    #: Of an animation, emojify one frame as a picture.
    one_frame: bool = False


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


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Emojifies pictures with a decoder, a back end and a theme."""

    decoder: ClipDecoder
    analyzer: FaceAnalyzer
    emoji: EmojiSource
    clock: Clock
    #: The most that may be read of a face.
    reading: ReadingMode = ReadingMode.EXPRESSIONS
    #: Makes what follows the faces of clips, where the back end cannot.
    make_models: Callable[[], LocalAnalyzer] | None = None

    def run(
        self,
        source: bytes | DecodedImage,
        options: EmojifyOptions,
        progress: Progress = no_progress,
    ) -> Result:
        """Emojify a picture, encoded or decoded, or an encoded clip.

        The emoji are painted onto a decoded picture itself.

        Args:
            source: The picture, animation or video.
            options: What is wanted.
            progress: Called with each frame of a clip.

        Raises:
            ImageError: The picture cannot be decoded, exceeds a limit, or cannot be
                written in the requested format.
            BackendError: A local model failed.
            HostedApiError: The hosted back end failed, and there is no fallback.
            PlanError: The options name a face or an emoji that is not there.
        """
        times = _Stopwatch(self.clock)
        with self._clip(source, options) as clip:
            if clip is not None:
                return self._run_clip(clip, None, options, times, progress)
        picture, plan = self._planned(source, options, times)
        return self._draw(picture, plan, options, times)

    def read(self, source: bytes | DecodedImage, options: EmojifyOptions) -> Plan:
        """Return what `run` would paint.

        Raises:
            EmojifierError: As for `run`.
        """
        with self._clip(source, options) as clip:
            if clip is not None:
                return self._follower(None, options)(clip).plan
        return self._planned(source, options, _Stopwatch(self.clock))[1]

    def render(
        self,
        source: bytes | DecodedImage,
        plan: Plan,
        options: EmojifyOptions,
        progress: Progress = no_progress,
    ) -> Result:
        """Paint a plan of a picture; the same plan again gives the same bytes.

        The faces of a clip are followed anew; each gets what the plan says of its
        number.

        Args:
            source: The picture that was read. A decoded one is painted on itself.
            plan: What becomes of its faces.
            options: Their edits change the plan first; nothing is chosen anew.
            progress: Called with each frame of a clip.

        Raises:
            ImageError: The picture cannot be decoded, exceeds a limit, or cannot be
                written in the requested format.
            PlanError: The plan does not fit the picture or the theme, or the options
                name a face or an emoji that is not there.
        """
        times = _Stopwatch(self.clock)
        with self._clip(source, options) as clip:
            if clip is not None:
                return self._run_clip(clip, plan, options, times, progress)
        try:
            picture = self._decoded(source, plan.frame, times)
        except ImageError as error:
            if not plan.frame or error.kind != ErrorKind.BROKEN:
                raise
            raise PlanError(
                f"The plan is for frame {plan.frame + 1} of its picture, and this one "
                "has no such frame. Make a new plan of it."
            ) from error
        output_format(picture, options.extension)
        names = {one.name: one for one in self.emoji.theme.emoji}
        check_fits(plan, picture.image.size, names, self.emoji.theme.name)
        plan = replace(plan, reading=lowest(plan.reading, self._mode(options)))
        return self._draw(picture, self._edited(picture, plan, options), options, times)

    def explain(
        self, picture: DecodedImage, plan: Plan, options: EmojifyOptions
    ) -> tuple[Why, ...]:
        """Say why each face got what a plan gives it, of the first 30 faces.

        Args:
            picture: The picture that was read, before anything was painted on it.
            plan: As it was read, with what was read of the faces.
            options: As it was read with.

        Raises:
            BackendError: A local model failed.
        """
        # Seldom asked for.
        from emojifier_bot.vision.why import explain  # noqa: PLC0415

        return tuple(
            explain(
                picture,
                face,
                self.emoji.theme,
                getattr(self.analyzer, "classifiers", ()),
                reading=plan.reading,
                at_random=options.surprise_seed is not None,
            )
            for face in plan.faces[:MOST_EXPLAINED]
        )

    def why(
        self, source: bytes | DecodedImage, options: EmojifyOptions
    ) -> tuple[Plan, tuple[Why, ...]]:
        """Read a picture and say why `run` would paint what it does.

        Raises:
            EmojifierError: As for `run`.
        """
        picture, plan = self._planned(source, options, _Stopwatch(self.clock))
        return plan, self.explain(picture, plan, options)

    @contextmanager
    def _clip(
        self, source: bytes | DecodedImage, options: EmojifyOptions
    ) -> Iterator[Clip | None]:
        """Open a clip; None for a picture, and where a picture is wanted of a clip."""
        extension = options.extension
        is_still = options.one_frame or (
            extension is not None and moving_format("", extension) is None
        )
        if is_still or not isinstance(source, bytes):
            yield None
            return
        with self.decoder.open_clip(source) as clip:
            yield clip

    def _follower(self, plan: Plan | None, options: EmojifyOptions) -> FaceFollower:
        """Return what follows the faces of a clip, and decides as a plan does."""
        # Pictures need none of what follows faces.
        from emojifier_bot.vision.analyzers.local import LocalAnalyzer  # noqa: PLC0415
        from emojifier_bot.vision.clips.follow import FaceFollower  # noqa: PLC0415

        theme, edits = self.emoji.theme, options.edits
        if edits.also:
            raise PlanError(
                "A place can be added to a picture, and not to a clip, where what lies "
                "there moves. Leave the place out."
            )
        models = self.analyzer
        if not isinstance(models, LocalAnalyzer):
            if self.make_models is None:
                raise ImageError(
                    "The faces of animations and videos are followed by the local "
                    "models alone. Choose the back end local.",
                    kind=ErrorKind.UNSUPPORTED,
                )
            models = self.make_models()
        if not self._reads(options):
            models = replace(models, classifier=None)
        return FaceFollower(
            models,
            theme,
            options.surprise_seed,
            lambda read: apply(_decided_again(read, plan), edits, theme),
        )

    def _run_clip(
        self,
        clip: Clip,
        plan: Plan | None,
        options: EmojifyOptions,
        times: _Stopwatch,
        progress: Progress,
    ) -> Result:
        follow, info = self._follower(plan, options), clip.info
        names = {one.name: one for one in self.emoji.theme.emoji}
        if plan is not None:
            check_fits(plan, info.size_wh, names, self.emoji.theme.name)
        output = moving_format(
            info.format, options.extension, for_channel=options.for_channel
        ) or format_named(info.format)
        clip = CountedClip(clip, progress)
        with times.stage("analyze"):
            followed = follow(clip)
        people, frames = followed.plan, followed.frames
        mode = self._mode(options)
        people = replace(people, reading=lowest(plan.reading, mode) if plan else mode)

        def faces_of(frame: Frame) -> Plan:
            # A frame that was not followed is covered as the last one.
            faces = frames[min(frame.index, len(frames) - 1)]
            ordered = sorted(faces, key=lambda face: face.number)
            return replace(people, faces=tuple(ordered))

        def paint(frame: Frame) -> None:
            self._paint(frame.picture, faces_of(frame), names, options.covers)

        if options.numbered:
            frame = next(one for one in clip.frames() if one.index == people.frame)
            drawn = self._draw(frame.picture, faces_of(frame), options, times)
            return replace(drawn, plan=people, faces=_emojified(people, names))
        encoded = b""
        if people.faces or not options.for_channel:
            with times.stage("encode"):
                encoded = clip.rewritten(
                    paint, output.name, options.quality, afresh=people.covers
                )
        faces = _emojified(people, names)
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
            notes=(*info.notes, *cut_off_notes(info, len(frames))),
            frame=people.frame,
            frames=len(frames),
            seconds=sum(info.durations_ms[: len(frames)]) / 1000,
            backend=people.backend,
            milliseconds=times.milliseconds,
        )

    def _planned(
        self,
        source: bytes | DecodedImage,
        options: EmojifyOptions,
        times: _Stopwatch,
    ) -> tuple[DecodedImage, Plan]:
        picture = self._decoded(source, 0, times)
        output_format(picture, options.extension)
        with times.stage("analyze"):
            read = partial(self._read, expressions=self._reads(options))
            reading = read(picture)
            if not reading.faces and isinstance(source, bytes):
                picture, reading = self._best_frame(source, picture, reading, read)
        with times.stage("choose"):
            plan = Plan(
                *picture.image.size,
                theme=self.emoji.theme.name,
                backend=reading.backend,
                faces=self._choose(reading.faces, options),
                frame=picture.frame,
                reading=self._mode(options),
            )
            return picture, self._edited(picture, plan, options)

    def frame(self, data: bytes, result: Result) -> DecodedImage:
        """Decode once more the frame in which a result's faces are."""
        if result.frames == 1:
            return self.decoder.decode(data, result.frame)
        with self.decoder.open_clip(data) as clip:
            frames = clip.frames() if clip else ()
            return next(one.picture for one in frames if one.index == result.frame)

    def _decoded(
        self, source: bytes | DecodedImage, frame: int, times: _Stopwatch
    ) -> DecodedImage:
        if not isinstance(source, bytes):
            return source
        with times.stage("decode"):
            return self.decoder.decode(source, frame)

    def _mode(self, options: EmojifyOptions) -> ReadingMode:
        return lowest(self.reading, options.reading)

    def _reads(self, options: EmojifyOptions) -> bool:
        """Tell whether expressions may be read, and any of them decides something."""
        return self._mode(options) != ReadingMode.OFF and not options.edits.decide_all

    def _read(self, picture: DecodedImage, *, expressions: bool) -> Reading:
        """Find faces, also where the picture is too transparent to show them well."""
        reading = self.analyzer.analyze(picture, expressions=expressions)
        if not picture.canvas.hides_faces:
            return reading
        opaque = replace(picture, canvas=picture.canvas.opaque())
        known = np.array([one.box.xyxy for one in reading], np.float32).reshape(-1, 4)
        hidden = [
            one
            for one in self.analyzer.analyze(opaque, expressions=expressions)
            if not (box_iou(np.array([one.box.xyxy]), known) >= SAME_FACE_IOU).any()
        ]
        return replace(reading, faces=(*reading.faces, *hidden))

    def _best_frame(
        self,
        data: bytes,
        picture: DecodedImage,
        reading: Reading,
        read: Callable[[DecodedImage], Reading],
    ) -> tuple[DecodedImage, Reading]:
        """Return the frame that shows most faces, of some; the given one if none.

        Of frames with as many faces it is the one where they are surest.
        """
        width, height = picture.image.size
        count = min(MOST_FRAMES_SEEN, MOST_PIXELS_SEEN // (width * height))
        for frame in spread_frames(picture.frames, count):
            try:
                other = self.decoder.decode(data, frame)
            except ImageError:
                break
            found = read(other)
            if _visibility(found) > _visibility(reading):
                picture, reading = other, found
        return picture, reading

    def _choose(
        self, faces: Sequence[Face], options: EmojifyOptions
    ) -> tuple[PlannedFace, ...]:
        placements = [place(face.landmarks) for face in faces]
        return tuple(
            self._chosen(number, faces[index], placements[index], options)
            for number, index in enumerate(reading_order(placements), start=1)
        )

    def _chosen(
        self, number: int, face: Face, placement: Placement, options: EmojifyOptions
    ) -> PlannedFace:
        theme, seed = self.emoji.theme, options.surprise_seed
        own_seed = None if seed is None else f"{seed}/{number - 1}"
        seen = self._mode(options) != ReadingMode.OFF
        if not self._reads(options):
            one = unread(theme, own_seed)
        elif own_seed is None:
            measures = measure(face.landmarks.points_xy)
            one = choose(theme, face.scores, measures, confident=face.confident)
        else:
            one = surprise(theme, face.scores, own_seed)
        return PlannedFace(
            number,
            face.box,
            placement,
            DrawEmoji(one.emoji.name),
            sure=one.sure,
            nearest=tuple(near.name for near in nearest(theme, face.scores)),
            shapes=", ".join(visible(face.landmarks.points_xy)) if seen else "",
            face=face,
        )

    def _edited(
        self, picture: DecodedImage, plan: Plan, options: EmojifyOptions
    ) -> Plan:
        """Return a plan with what the options want changed."""
        edits = options.edits
        if edits.also:
            plan = replace(
                plan, faces=(*plan.faces, *self._added(picture, plan, options))
            )
        return apply(plan, edits, self.emoji.theme)

    def _added(
        self, picture: DecodedImage, plan: Plan, options: EmojifyOptions
    ) -> Iterator[PlannedFace]:
        """Yield a face for each place that the options name; the numbers go on."""
        boxes = options.edits.also
        is_read = self._reads(options)
        width, height = picture.image.size
        for box in boxes:
            if box.x_min >= width or box.y_min >= height:
                x, y, *_ = map(round, box.xyxy)
                raise PlanError(
                    f"The place {x},{y} lies outside of the picture, which has {width} "
                    f"x {height} pixels."
                )
        if isinstance(self.analyzer, FaceLocator):
            found = self.analyzer.read_at(picture, boxes, expressions=is_read)
        else:
            found = [None] * len(boxes)
        first = max((one.number for one in plan.faces), default=0) + 1
        for number, (box, face) in enumerate(zip(boxes, found, strict=True), first):
            if face is not None:
                yield self._chosen(number, face, place(face.landmarks), options)
                continue
            near = nearest(self.emoji.theme, _NEUTRAL)
            mild = next((one for one in near if one.mild), near[0])
            if not is_read:
                mild = unread(self.emoji.theme, None).emoji
            yield PlannedFace(
                number,
                box,
                place_on_box(box),
                DrawEmoji(mild.name),
                sure=False,
                nearest=tuple(one.name for one in near),
            )

    def _draw(
        self,
        picture: DecodedImage,
        plan: Plan,
        options: EmojifyOptions,
        times: _Stopwatch,
    ) -> Result:
        names = {one.name: one for one in self.emoji.theme.emoji}
        output = output_format(picture, options.extension)
        if options.for_channel:
            output = channel_format(output).name
        with times.stage("composite"):
            self._paint(picture, plan, names, options.covers)
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
        faces = _emojified(plan, names)
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
            backend=plan.backend,
            milliseconds=times.milliseconds,
        )

    def _paint(
        self,
        picture: DecodedImage,
        plan: Plan,
        names: Mapping[str, Emoji],
        pictures: Mapping[str, ImageArray],
    ) -> None:
        """Paint what the plan decides, the nearest face last."""
        art_px = self.emoji.theme.art_size_px
        sprites: dict[tuple[str, int], ImageArray] = {}
        covers = _cover_arts(picture, plan, names, pictures, art_px)
        for index in paint_order([face.placement for face in plan.faces]):
            face = plan.faces[index]
            if isinstance(face.decision, Cover):
                spot = covered(face.placement, face.decision)
                art = covers[face.number]
                overlay(picture.canvas, art, COVER_ANCHOR, COVER_ART_PX, spot)
            if not isinstance(face.decision, DrawEmoji):
                continue
            emoji = names[face.decision.name]
            enlarged = face.placement.size_px / emoji.anchor.diameter_px
            sprite = self.emoji.sprite(emoji, round(art_px * enlarged))
            key = emoji.name, len(sprite)
            if key not in sprites:
                sprite = sprite_into_profile(sprite, picture.icc_profile)
                sprites[key] = premultiplied(sprite)
            overlay(picture.canvas, sprites[key], emoji.anchor, art_px, face.placement)


def _cover_arts(
    picture: DecodedImage,
    plan: Plan,
    names: Mapping[str, Emoji],
    pictures: Mapping[str, ImageArray],
    art_px: int,
) -> dict[int, ImageArray]:
    """Return the art of each cover by its face's number, premultiplied.

    It is made before anything is painted, of what will lie under nothing.
    """
    discs: list[tuple[float, float, float]] = []
    for face in plan.faces:
        spot = face.placement
        if isinstance(face.decision, Cover):
            spot = covered(spot, face.decision)
            # The corners of a picture lie outside of its disc.
            square = face.decision.kind is CoverKind.PICTURE
            reach = math.sqrt(2) if square else 1.0
            discs.append((*spot.center_xy, spot.size_px / 2 * reach))
        elif isinstance(face.decision, DrawEmoji):
            # Hands and tears reach beyond an emoji's disc, not beyond its art.
            reach = math.sqrt(2) * art_px / names[face.decision.name].anchor.diameter_px
            discs.append((*spot.center_xy, spot.size_px * reach))
    hidden = np.array(discs).reshape(-1, 3)
    arts: dict[int, ImageArray] = {}
    for face in plan.faces:
        if not isinstance(face.decision, Cover):
            continue
        spot = covered(face.placement, face.decision)
        around = surroundings(picture.canvas.pixels, spot, hidden)
        laid = None
        if face.decision.kind is CoverKind.PICTURE:
            if face.decision.picture not in pictures:
                raise PlanError(
                    f"Face {face.number} of the plan is covered with "
                    f'"{face.decision.picture}", and there is no such picture.'
                )
            laid = pictures[face.decision.picture]
            laid = sprite_into_profile(laid, picture.icc_profile)
        art = cover_art(face.decision, around, art_width(spot), face.number, laid)
        arts[face.number] = premultiplied(art)
    return arts


def _emojified(plan: Plan, names: Mapping[str, Emoji]) -> tuple[EmojifiedFace, ...]:
    return tuple(
        EmojifiedFace(
            one,
            names[one.decision.name] if isinstance(one.decision, DrawEmoji) else None,
        )
        for one in plan.faces
    )


def _decided_again(read: Plan, plan: Plan | None) -> Plan:
    """Return what was read of a clip with the decisions of an earlier plan of it."""
    known = {one.number: one for one in plan.faces} if plan else {}
    faces = (
        replace(
            one,
            decision=known[one.number].decision,
            chosen_by=known[one.number].chosen_by,
        )
        if one.number in known
        else one
        for one in read.faces
    )
    return replace(read, faces=tuple(faces))


def _visibility(reading: Reading) -> tuple[int, float]:
    return len(reading), sum(one.detection.confidence for one in reading)


def spread_frames(frames: int, count: int) -> list[int]:
    """Return some of the frames after the first one, spread evenly, the last included.

    >>> spread_frames(100, 3)
    [33, 66, 99]
    """
    last = frames - 1
    count = min(count, last)
    return [last * number // count for number in range(1, count + 1)]


@dataclass(slots=True)
class _Stopwatch:
    clock: Clock
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = self.clock.monotonic()
        yield
        self.milliseconds[name] = (self.clock.monotonic() - began) * 1000
