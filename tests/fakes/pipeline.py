"""A whole pipeline of fakes around the real decoder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from emojifier_bot.app.picture_child import emojified, explanation, previewed
from emojifier_bot.domain import EmojifiedPicture, Explanation
from emojifier_bot.errors import ImageError
from emojifier_bot.http import Room, any_room
from emojifier_bot.jobs.steps import Emojify
from emojifier_bot.vision.analyzers.local import LocalAnalyzer
from emojifier_bot.vision.clips.opening import InProcessDecoder
from emojifier_bot.vision.clips.passes import Progress, no_progress
from emojifier_bot.vision.clips.types import ClipDecoder
from emojifier_bot.vision.color import premultiplied, sprite_into_profile
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.pipeline import Pipeline
from emojifier_bot.vision.plan import Plan
from emojifier_bot.vision.ports import EmojiSource, FaceAnalyzer
from emojifier_bot.vision.types import Emoji, EmojiTheme, ImageArray
from tests.builders import make_sprite, make_theme
from tests.fakes.clock import FakeClock
from tests.fakes.faces import FakeClassifier, FakeDetector, FakeLandmarker


class FakeDecoder(ClipDecoder):
    """A `Decoder` that gives the pictures it was told, by their bytes and frames."""

    def __init__(
        self, pictures: dict[bytes, DecodedImage | list[DecodedImage]]
    ) -> None:
        self._pictures = pictures

    def open_clip(self, data: bytes) -> AbstractContextManager[None]:
        del data
        return nullcontext()

    def decode(self, data: bytes, frame: int = 0) -> DecodedImage:
        try:
            found = self._pictures[data]
            return found[frame] if isinstance(found, list) else found
        except LookupError as error:
            raise ImageError("These bytes are not a picture.") from error


class FakeEmojiSource(EmojiSource):
    """An `EmojiSource` whose emoji are all the same yellow disc."""

    def __init__(self, emoji: Sequence[Emoji] | None = None) -> None:
        self._theme = make_theme(emoji)

    @property
    def theme(self) -> EmojiTheme:
        return self._theme

    def sprite(
        self, emoji: Emoji, art_width_px: int, icc_profile: bytes | None = None
    ) -> ImageArray:
        size_px = min(max(art_width_px, 1), self._theme.art_size_px)
        sprite = make_sprite(size_px=size_px, anchor=emoji.anchor)
        return premultiplied(sprite_into_profile(sprite, icc_profile))


def fake_analyzer() -> LocalAnalyzer:
    """Return the real joint of detector, landmarker and classifier over fakes."""
    return LocalAnalyzer(FakeDetector(), FakeLandmarker(), FakeClassifier())


def fake_pipeline(analyzer: FaceAnalyzer | None = None) -> Pipeline:
    """Return a pipeline that finds the faces of `picture_with_faces`."""
    return Pipeline(
        decoder=InProcessDecoder(),
        analyzer=analyzer or fake_analyzer(),
        emoji=FakeEmojiSource(),
        clock=FakeClock(),
    )


class FakeEmojify(Emojify):
    """What emojifies for jobs, with `fake_pipeline` in this process."""

    def __call__(
        self,
        data: bytes,
        theme: str,
        options: EmojifyOptions,
        *,
        progress: Progress = no_progress,
        room: Room = any_room,
    ) -> EmojifiedPicture:
        del theme, room
        return emojified(fake_pipeline().run(data, options, progress))

    def render(
        self, data: bytes, theme: str, plan: Plan, *, room: Room = any_room
    ) -> EmojifiedPicture:
        del theme, room
        options = EmojifyOptions(for_channel=True)
        return emojified(fake_pipeline().render(data, plan, options))

    def preview(
        self, data: bytes, theme: str, options: EmojifyOptions, plan: Plan | None
    ) -> EmojifiedPicture:
        del theme
        return previewed(fake_pipeline(), data, options, plan)

    def why(self, data: bytes, theme: str, options: EmojifyOptions) -> Explanation:
        del theme
        return explanation(fake_pipeline(), data, options)
