from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.vision.crops import canonical_face
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.types import Measure
from emojifier_bot.vision.why import AT_RANDOM, NOT_READ, Contender, Reason, Why
from emojifier_bot.vision.why_card import CARD_WH, GAP_PX, draw_cards
from tests.emotion_words import found_in

CLASSIC = open_theme("classic")
EMOJI = {one.name: one for one in CLASSIC.theme.emoji}
LONG = replace(EMOJI["grin"], spoken="smiling " * 7)
MODES = [*ReadingMode]


def why(number=1, emoji=EMOJI["grin"], **fields):
    reasons = tuple(
        Reason(one, 0.21, words, "further open", instead)
        for one, words, instead in (
            (Measure.MOUTH_CORNERS, "mouth corners raised", EMOJI["neutral_face"]),
            (Measure.EYE_OPENING, "eyes narrowed", EMOJI["rage"]),
            (Measure.SMILE_WIDTH, "mouth of usual width", emoji),
        )
    )
    nearest = tuple(
        Contender(one, near)
        for one, near in ((emoji, 0.91), (EMOJI["smile"], 0.99), (EMOJI["sob"], 0.0))
    )
    fields = {
        "canonical_xy": canonical_face(1),
        "shapes": ("mouth closed",),
        "reasons": reasons,
        "nearest": nearest,
    } | fields
    return Why(number, emoji, True, **fields)


@pytest.fixture
def written(monkeypatch):
    """Return the texts that are drawn, with their places and sizes."""
    texts = []
    draw_text = ImageDraw.ImageDraw.text

    def text(self, xy, text, fill=None, font=None, *rest, **more):
        box = self.textbbox(xy, text, font=font)
        texts.append((text, box, font.size))
        return draw_text(self, xy, text, fill, font, *rest, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return texts


@pytest.mark.parametrize("count", [1, 2, 3, 7, 30])
def test_there_is_a_card_for_each_face(count):
    sheet = draw_cards([why(n) for n in range(1, count + 1)], CLASSIC, MODES[0])

    columns = (sheet.width - GAP_PX) // (CARD_WH[0] + GAP_PX)
    rows = (sheet.height - GAP_PX) // (CARD_WH[1] + GAP_PX)
    assert columns * rows >= count > columns * (rows - 1)
    assert max(sheet.size) <= 4000


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sure", [True, False])
@pytest.mark.parametrize(
    "one",
    [
        why(),
        why(emoji=LONG),
        why(123, replace(EMOJI["grin"], spoken="\u7b11\u3044")),
        why(emoji=None, reasons=(), nearest=(), note="It was left as it is."),
        why(reasons=(), note=AT_RANDOM),
        why(canonical_xy=None, shapes=(), reasons=(), nearest=(), note=NOT_READ),
        why(reasons=(), note="No measure decided alone, whichever one was tried here."),
        why(canonical_xy=canonical_face(1) * (1, 1.6)),
    ],
)
def test_texts_can_be_read_and_stay_on_the_card(written, one, sure, mode):
    draw_cards([replace(one, sure=sure)], CLASSIC, mode)

    assert written
    for text, (left, top, right, bottom), size in written:
        assert size >= 24, text
        assert 0 <= left < right <= CARD_WH[0], text
        assert 0 <= top < bottom <= CARD_WH[1], text
    boxes = [box for _, box, _ in written]
    for index, first in enumerate(boxes):
        for second in boxes[index + 1 :]:
            apart = first[2] <= second[0] or second[2] <= first[0]
            assert apart or first[3] <= second[1] or second[3] <= first[1]
    texts = " ".join(text for text, *_ in written)
    assert ("not sure" in texts) == (not sure)


@pytest.mark.parametrize("mode", MODES[1:])
def test_with_shapes_no_emotion_is_written(written, mode):
    cards = [why(emoji=one) for one in CLASSIC.theme.emoji[::6]]

    draw_cards(cards, CLASSIC, mode)

    assert found_in(" ".join(text for text, *_ in written)) == set()
    assert "mouth corners raised 0.21" in {text for text, *_ in written}


def test_the_face_is_drawn_from_its_points_alone():
    calm, open_mouth = canonical_face(1), canonical_face(1).copy()
    open_mouth[55:60, 1] += 0.08

    first, second = (
        np.asarray(draw_cards([why(canonical_xy=one)], CLASSIC, MODES[0]))
        for one in (calm, open_mouth)
    )

    changed = np.argwhere((first != second).any(axis=-1))
    low, high = changed.min(axis=0), changed.max(axis=0)
    assert 0 < high[0] - low[0] < 120
    assert 0 < high[1] - low[1] < 120


def test_a_shorter_bar_is_less_near():
    card = np.asarray(draw_cards([why()], CLASSIC, MODES[0]))
    bar = np.array(Image.new("RGB", (1, 1), "#f2b632"))[0, 0]

    lengths = [n for n in (card == bar).all(axis=-1).sum(axis=1).tolist() if n > 5]

    assert len({*lengths}) >= 3
