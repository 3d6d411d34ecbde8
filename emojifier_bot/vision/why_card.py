"""Cards that show why faces got their emoji, without the photo.

Each has a line drawing of the face's 68 points, what decided in words, and bars for the
emoji that came nearest. Where only shapes may be named, emoji are shown and not named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from PIL import Image, ImageDraw, ImageFont

from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.vision.color import straight
from emojifier_bot.vision.contact_sheet import scaled
from emojifier_bot.vision.ports import EmojiSource
from emojifier_bot.vision.types import Emoji, FloatArray
from emojifier_bot.vision.why import Contender, Reason, Why, beat_words

#: Of one card, and around and between cards.
CARD_WH, GAP_PX = (760, 606), 24
TITLE_PX, TEXT_PX, LINE_PX = 32, 24, 34
PAPER, CARD, INK, FAINT = "#e9ebee", "#ffffff", "#22262e", "#5b6472"
DOUBT, BAR, TRACK, LINES = "#8a5a00", "#f2b632", "#e4e7eb", "#2f6fb0"
DRAWING_PX, PAD_PX = 270, 28
ART_PX, SMALL_ART_PX = 64, 32
BAR_WH = (210, 18)
LINE_WIDTH_PX = 3
#: Cards side by side; of more than this square there is one column more.
MOST_COLUMNS = 5
CUT = "…"
#: Lines of the drawing: first and last point, and whether it closes.
_STROKES = (
    *((0, 16, False), (17, 21, False), (22, 26, False), (27, 30, False)),
    *((31, 35, False), (36, 41, True), (42, 47, True), (48, 59, True), (60, 67, True)),
)
#: How much of the canonical frame the drawing shows: what a chin below it needs.
_SHOWN = 1.08


def draw_cards(
    whys: Sequence[Why], source: EmojiSource, reading: ReadingMode
) -> Image.Image:
    """Draw a card for each face, in rows.

    Args:
        whys: At least one.
        source: Has the art of their emoji.
        reading: What may be said.
    """
    columns = min(math.ceil(math.sqrt(len(whys))), MOST_COLUMNS)
    rows = math.ceil(len(whys) / columns)
    width, height = CARD_WH
    size_wh = (
        GAP_PX + columns * (width + GAP_PX),
        GAP_PX + rows * (height + GAP_PX),
    )
    sheet = Image.new("RGB", size_wh, PAPER)
    for index, why in enumerate(whys):
        row, column = divmod(index, columns)
        place = GAP_PX + column * (width + GAP_PX), GAP_PX + row * (height + GAP_PX)
        sheet.paste(_Card(why, source, reading).image, place)
    return sheet


class _Card:
    """One card, drawn from its top to its bottom."""

    def __init__(self, why: Why, source: EmojiSource, reading: ReadingMode) -> None:
        self._why, self._source = why, source
        self._named = reading == ReadingMode.EXPRESSIONS
        self.image = Image.new("RGB", CARD_WH, CARD)
        self._draw = ImageDraw.Draw(self.image)
        self._title()
        top = PAD_PX + ART_PX + 16
        if why.canonical_xy is not None:
            self._face(why.canonical_xy, (PAD_PX, top))
        self._reasons((PAD_PX + DRAWING_PX + PAD_PX, top))
        self._bars(top + DRAWING_PX + 20)

    def _title(self) -> None:
        why, x, y = self._why, PAD_PX, PAD_PX
        if why.emoji is not None:
            self._art(why.emoji, (x, y), ART_PX)
            x += ART_PX + 16
        words = f"Face {why.number}"
        if self._named and why.emoji is not None:
            words += f": {_name(why.emoji)}"
        doubt = "" if why.sure else "not sure"
        right = CARD_WH[0] - PAD_PX
        if doubt:
            right -= int(_font(TEXT_PX).getlength(doubt))
            self._text((right, y + 20), doubt, DOUBT)
            right -= 16
        self._text((x, y + 14), words, INK, TITLE_PX, right - x)

    def _face(self, canonical_xy: FloatArray, corner: tuple[int, int]) -> None:
        x, y = corner
        scale = DRAWING_PX / _SHOWN
        shift = (DRAWING_PX - scale) / 2
        points = [
            (x + shift + px * scale, y + py * scale) for px, py in canonical_xy.tolist()
        ]
        for first, last, closes in _STROKES:
            stroke = points[first : last + 1]
            if closes:
                stroke.append(stroke[0])
            self._draw.line(stroke, LINES, LINE_WIDTH_PX, joint="curve")

    def _reasons(self, corner: tuple[int, int]) -> None:
        x, y = corner
        width = CARD_WH[0] - PAD_PX - x
        why = self._why
        for reason in why.reasons:
            self._reason(reason, (x, y), width)
            y += 2 * LINE_PX + 14
        if why.reasons:
            return
        for line in (*why.shapes, *_wrapped(why.note, width)):
            self._text((x, y), line, INK, width=width)
            y += LINE_PX

    def _reason(self, reason: Reason, corner: tuple[int, int], width: int) -> None:
        x, y = corner
        self._text(corner, f"{reason.words} {reason.value:.2f}", INK, width=width)
        y += LINE_PX
        undone = f"{reason.undone}:"
        self._text((x, y), undone, FAINT, width=width)
        x += int(_font(TEXT_PX).getlength(undone)) + 10
        self._art(reason.instead, (x, y - 2), SMALL_ART_PX)
        if self._named:
            x += SMALL_ART_PX + 8
            right = corner[0] + width
            self._text((x, y), _name(reason.instead), FAINT, width=right - x)

    def _bars(self, top: int) -> None:
        y = top
        for contender in self._why.nearest:
            self._bar(contender, y)
            y += SMALL_ART_PX + 8
        words = beat_words(self._why) if self._named else ""
        if self._why.reasons and words:
            for line in _wrapped(f"{words}.", CARD_WH[0] - 2 * PAD_PX):
                self._text((PAD_PX, y + 2), line, INK)
                y += LINE_PX

    def _bar(self, contender: Contender, y: int) -> None:
        x = PAD_PX
        self._art(contender.emoji, (x, y), SMALL_ART_PX)
        x += SMALL_ART_PX + 10
        left = CARD_WH[0] - PAD_PX - BAR_WH[0] - 70
        if self._named:
            name = _name(contender.emoji)
            self._text((x, y + 2), name, INK, width=left - x - 10)
        else:
            left = x + 10
        down = y + (SMALL_ART_PX - BAR_WH[1]) // 2
        box = (left, down, left + BAR_WH[0], down + BAR_WH[1])
        self._draw.rounded_rectangle(box, 6, TRACK)
        filled = left + max(round(BAR_WH[0] * contender.nearness), 12)
        self._draw.rounded_rectangle((*box[:2], filled, box[3]), 6, BAR)
        self._text((box[2] + 12, y + 2), f"{contender.nearness:.2f}", FAINT)

    def _art(self, emoji: Emoji, corner: tuple[int, int], size_px: int) -> None:
        sprite = self._source.sprite(emoji, size_px * 2)
        art = scaled(straight(sprite), (size_px, size_px))
        self.image.paste(art, corner, art)

    def _text(
        self,
        corner: tuple[int, int],
        text: str,
        color: str,
        size_px: int = TEXT_PX,
        width: int = CARD_WH[0],
    ) -> None:
        font = _font(size_px)
        if font.getlength(text) > width:
            while text and font.getlength(text + CUT) > width:
                text = text[:-1]
            text = text.rstrip() + CUT
        self._draw.text(corner, text, color, font)


def _font(size_px: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size_px)
    assert isinstance(font, ImageFont.FreeTypeFont)  # noqa: S101 - Pillow has FreeType
    return font


def _name(emoji: Emoji) -> str:
    """Return what an emoji is called, in letters that the font has."""
    try:
        emoji.spoken.encode("latin-1")
    except UnicodeEncodeError:
        return emoji.name.replace("_", " ")
    return emoji.spoken


def _wrapped(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a text that fit a width."""
    font, line = _font(TEXT_PX), ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            yield line
            longer = word
        line = longer
    if line:
        yield line
