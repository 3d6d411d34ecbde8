"""The picture of a preview in the documentation shows what the bot sends today."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from PIL import Image

from scripts.render_preview import PREVIEW, page_of, sample_preview, trimmed
from tests.fakes.slack.blocks import wrong_blocks

PAGE = Path(__file__).parents[2] / "docs" / "slack.md"


def test_the_page_has_every_word_of_the_message_and_so_has_its_description():
    blocks, picture, art = sample_preview()
    page = page_of(blocks, picture, art)

    assert wrong_blocks(blocks, knows_file=lambda one: one == {"id": "F1"}) == []
    words = " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page)).split())
    [described] = re.findall(
        r"!\[(.*?)\]\(sample/astronaut\.preview\.webp\)", PAGE.read_text("utf-8")
    )
    for said in (
        *("Only you see this preview of", "photo-booth.png", "Shuffle", "Discard"),
        *("Post to #general", "grinning", "cool in sunglasses", "left as it is"),
    ):
        assert said in words
        assert said in described
    assert "Face 3: left as it is" in words
    assert re.findall(r"[*<>]|[^\x00-\u2fff]", words) == []
    assert page.count('class="emoji"') == 4


def test_what_is_empty_below_is_cut_off():
    photo = Image.new("RGB", (60, 200), "white")
    photo.paste("black", (10, 10, 20, 40))

    assert trimmed(photo).size == (60, 56)
    with Image.open(PREVIEW) as stored:
        assert stored.width == 760
