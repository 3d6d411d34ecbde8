"""From bytes to the result: decode, analyze, choose, place, composite, encode.

The first four make a plan of a picture, the others a picture of a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emojifier_bot.clock import Clock
from emojifier_bot.emotion_models import ReadingMode, lowest
from emojifier_bot.errors import ErrorKind, ImageError, PlanError
from emojifier_bot.vision.clips.passes import (
    CountedClip,
    Progress,
    no_progress,
    pictures_at,
)
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.edits import apply
from emojifier_bot.vision.encode import output_format
from emojifier_bot.vision.formats import moving_format, video_format
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.plan import Plan, check_fits
from emojifier_bot.vision.planner import Planner
from emojifier_bot.vision.ports import EmojiSource, FaceAnalyzer
from emojifier_bot.vision.render import Stopwatch, render_clip, render_picture
from emojifier_bot.vision.result import Result
from emojifier_bot.vision.types import Reading

if TYPE_CHECKING:
    from emojifier_bot.vision.analyzers.local import LocalAnalyzer
    from emojifier_bot.vision.clips.follow import FaceFollower
    from emojifier_bot.vision.clips.types import Clip, ClipDecoder, Followed
    from emojifier_bot.vision.why import Why

#: Frames of an animation without a face in its first one that are looked at, and the
#: pixels of all together.
MOST_FRAMES_SEEN, MOST_PIXELS_SEEN = 12, 120_000_000
#: So many faces of a picture are explained: each takes a fifth of a second.
MOST_EXPLAINED = 30


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
        times = Stopwatch(self.clock)
        with self._clip(source, options) as clip:
            if clip is not None:
                return self._run_clip(clip, None, options, times, progress)
        picture, plan = self._planned(source, options, times)
        return render_picture(picture, plan, self.emoji, options, times)

    def read(self, source: bytes | DecodedImage, options: EmojifyOptions) -> Plan:
        """Return what `run` would paint.

        Raises:
            EmojifierError: As for `run`.
        """
        with self._clip(source, options) as clip:
            if clip is not None:
                return self._followed(clip, None, options).plan
        return self._planned(source, options, Stopwatch(self.clock))[1]

    def render(
        self,
        source: bytes | DecodedImage,
        plan: Plan,
        options: EmojifyOptions,
        progress: Progress = no_progress,
    ) -> Result:
        """Paint a plan of a picture; the same plan again gives the same bytes.

        H.264 may write the same frames in other bytes.

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
        times = Stopwatch(self.clock)
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
        check_fits(plan, picture.image.size, self.emoji.theme)
        planner = self._planner(options)
        plan = replace(plan, reading=lowest(plan.reading, planner.mode))
        plan = planner.edited(picture, plan)
        return render_picture(picture, plan, self.emoji, options, times)

    def explain(
        self, pictures: Iterable[DecodedImage], plan: Plan, options: EmojifyOptions
    ) -> tuple[Why, ...]:
        """Say why each face got what a plan gives it, of the first 30 faces.

        Args:
            pictures: The frames in which they were read, before anything was painted.
            plan: As it was read, with what was read of the faces.
            options: As it was read with.

        Raises:
            BackendError: A local model failed.
        """
        # Seldom asked for.
        from emojifier_bot.vision.why import explain  # noqa: PLC0415

        found = [
            explain(
                picture,
                face,
                self.emoji.theme,
                getattr(self.analyzer, "classifiers", ()),
                reading=plan.reading,
                at_random=options.surprise_seed is not None,
            )
            for picture in pictures
            for face in plan.faces[:MOST_EXPLAINED]
            if face.frame == picture.frame
        ]
        return tuple(sorted(found, key=lambda why: why.number))

    def why(
        self, source: bytes | DecodedImage, options: EmojifyOptions
    ) -> tuple[Plan, tuple[Why, ...]]:
        """Read a picture and say why `run` would paint what it does.

        Raises:
            EmojifierError: As for `run`.
        """
        with self._clip(source, options) as clip:
            if clip is not None:
                plan = self._followed(clip, None, options).plan
                pictures = pictures_at(clip, frames_explained(plan))
                return plan, self.explain(pictures, plan, options)
        picture, plan = self._planned(source, options, Stopwatch(self.clock))
        return plan, self.explain([picture], plan, options)

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

    def _planner(self, options: EmojifyOptions) -> Planner:
        mode = lowest(self.reading, options.reading)
        return Planner(self.analyzer, self.emoji.theme, mode, options)

    def _follower(self, plan: Plan | None, planner: Planner) -> FaceFollower:
        """Return what follows the faces of a clip, and decides as a plan does."""
        # Pictures need none of what follows faces.
        from emojifier_bot.vision.analyzers.local import LocalAnalyzer  # noqa: PLC0415
        from emojifier_bot.vision.clips.follow import FaceFollower  # noqa: PLC0415

        theme, edits = planner.theme, planner.options.edits
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
        if not planner.reads:
            models = replace(models, classifier=None)
        return FaceFollower(
            models,
            theme,
            planner.options.surprise_seed,
            lambda read: apply(_decided_again(read, plan), edits, theme),
        )

    def _run_clip(
        self,
        clip: Clip,
        plan: Plan | None,
        options: EmojifyOptions,
        times: Stopwatch,
        progress: Progress,
    ) -> Result:
        clip = CountedClip(clip, progress)
        with times.stage("analyze"):
            followed = self._followed(clip, plan, options)
        return render_clip(clip, followed, self.emoji, options, times)

    def _followed(
        self, clip: Clip, plan: Plan | None, options: EmojifyOptions
    ) -> Followed:
        """Follow the faces of a clip; a plan decides what becomes of them."""
        planner = self._planner(options)
        follow = self._follower(plan, planner)
        if plan is not None:
            size_wh, frames = clip.info.size_wh, clip.info.frames
            check_fits(plan, size_wh, planner.theme, frames)
        followed = follow(clip)
        mode = lowest(plan.reading, planner.mode) if plan else planner.mode
        return replace(followed, plan=replace(followed.plan, reading=mode))

    def _planned(
        self,
        source: bytes | DecodedImage,
        options: EmojifyOptions,
        times: Stopwatch,
    ) -> tuple[DecodedImage, Plan]:
        planner = self._planner(options)
        picture = self._decoded(source, 0, times)
        output_format(picture, options.extension)
        with times.stage("analyze"):
            reading = planner.read(picture)
            if not reading.faces and isinstance(source, bytes):
                picture, reading = self._best_frame(source, picture, reading, planner)
        with times.stage("choose"):
            return picture, planner.plan(picture, reading)

    def frames(
        self, data: bytes, result: Result, numbers: Collection[int]
    ) -> Iterator[DecodedImage]:
        """Decode some frames once more, of a result or its input, in their order.

        Each is good until the next one is asked for.
        """
        if result.frames > 1 or video_format(data):
            with self.decoder.open_clip(data) as clip:
                if clip is not None:
                    yield from pictures_at(clip, numbers)
                    return
        for number in sorted(numbers):
            yield self.decoder.decode(data, number)

    def _decoded(
        self, source: bytes | DecodedImage, frame: int, times: Stopwatch
    ) -> DecodedImage:
        if not isinstance(source, bytes):
            return source
        with times.stage("decode"):
            return self.decoder.decode(source, frame)

    def _best_frame(
        self,
        data: bytes,
        picture: DecodedImage,
        reading: Reading,
        planner: Planner,
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
            found = planner.read(other)
            if _visibility(found) > _visibility(reading):
                picture, reading = other, found
        return picture, reading


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


def frames_explained(plan: Plan) -> set[int]:
    """Return the frames in which the faces were read that `Pipeline.explain` names."""
    return {face.frame for face in plan.faces[:MOST_EXPLAINED]}


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
