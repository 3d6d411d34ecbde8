"""A theme that needs no files."""

from __future__ import annotations

from collections.abc import Sequence

from emojifier_bot.vision.ports import EmojiSource
from emojifier_bot.vision.types import Emoji, EmojiTheme, ImageArray
from tests.builders import make_sprite, make_theme


class FakeEmojiSource(EmojiSource):
    """An `EmojiSource` whose emoji are all the same yellow disc."""

    def __init__(self, emoji: Sequence[Emoji] | None = None) -> None:
        self._theme = make_theme(emoji)

    @property
    def theme(self) -> EmojiTheme:
        return self._theme

    def sprite(self, emoji: Emoji, art_width_px: int) -> ImageArray:
        size_px = min(max(art_width_px, 1), self._theme.art_size_px)
        return make_sprite(size_px=size_px, anchor=emoji.anchor)
