"""Make the picture of a preview for docs/slack.md, of the blocks that the bot sends.

Run ``python scripts/render_preview.py`` after the sample, the emoji or the words of a
preview have changed. The message is laid out about as Slack does it; Chromium, which
must be installed, takes a photo of it.
"""

from __future__ import annotations

import base64
import html
import io
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageOps

from emojifier_bot.app import make_pipeline
from emojifier_bot.app.picture_child import previewed
from emojifier_bot.config import load_picture_settings
from emojifier_bot.db.drafts import Draft, Drawing
from emojifier_bot.domain import EmojifyRequest, Entrypoint, ImageReference, Workspace
from emojifier_bot.slack.preview_blocks import preview_blocks
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.edits import parse_edits
from emojifier_bot.vision.options import EmojifyOptions

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "docs" / "sample" / "astronaut.png"
PREVIEW = ROOT / "docs" / "sample" / "astronaut.preview.webp"
#: What is asked for, after `/emojify preview`.
WORDS = "skip 3 2=sunglasses"
#: The part of the sample that shows the face; it stands there three times.
CROP_XYXY = (30, 0, 430, 400)
CHANNEL, CHANNEL_ID = "general", "C1"
PAGE_WH, QUALITY, GROUND = (760, 1600), 82, "#ffffff"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")

STYLE = """
body { margin: 0; padding: 16px; background: %s; color: #1d1c1d; width: 700px;
       font: 15px/1.45 "DejaVu Sans", sans-serif; }
.block { margin: 0 0 10px; display: flex; gap: 8px; justify-content: space-between;
         align-items: center; }
.actions { justify-content: flex-start; flex-wrap: wrap; }
.context { color: #616061; font-size: 12px; }
.photo { max-width: 640px; border-radius: 6px; display: block; }
.control { border: 1px solid #bbb; border-radius: 4px; padding: 5px 12px; flex: none;
           font-weight: bold; font-size: 14px; white-space: nowrap; }
.menu { min-width: 170px; font-weight: normal; display: flex; gap: 12px;
        justify-content: space-between; }
.primary { background: #007a5a; border-color: #007a5a; color: white; }
.danger { color: #e01e5a; border-color: #e01e5a; }
.emoji { height: 1.25em; vertical-align: -0.25em; }
"""


def main() -> None:
    """Write the picture."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"A browser is needed: {', '.join(BROWSERS)}.")
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder, "page.html"), Path(folder, "page.png")
        page.write_text(page_of(*sample_preview()), "utf-8")
        size = f"--window-size={PAGE_WH[0]},{PAGE_WH[1]}"
        to = f"--screenshot={shot}"
        command = [browser, *QUIET, size, to, page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)
        with Image.open(shot) as photo:
            trimmed(photo.convert("RGB")).save(PREVIEW, quality=QUALITY, method=6)


def sample_preview() -> tuple[list[dict[str, Any]], bytes, dict[str, str]]:
    """Return a preview's blocks, its picture, and the theme's art by the character."""
    with Image.open(SAMPLE) as photo:
        face = photo.convert("RGB").crop(CROP_XYXY)
    strip = Image.new("RGB", (3 * face.width, face.height))
    for index, one in enumerate(
        (face, ImageOps.mirror(face), ImageOps.grayscale(face))
    ):
        strip.paste(one.convert("RGB"), (index * face.width, 0))
    file = io.BytesIO()
    strip.save(file, "PNG")
    pipeline = make_pipeline(load_picture_settings(env_file=False))
    options = EmojifyOptions(for_channel=True, edits=parse_edits(WORDS))
    picture = previewed(pipeline, file.getvalue(), options, None)
    plan = picture.plan.to_dict() if picture.plan else {}
    drawing = Drawing(1, plan, "", "F1", picture.alt_text, ())
    request = EmojifyRequest(
        Workspace("T1"),
        Entrypoint.COMMAND,
        "U1",
        CHANNEL_ID,
        ImageReference(file_id="F0"),
        channel_name=CHANNEL,
    )
    draft = Draft("d1", request, "photo-booth.png", plan)
    theme = pipeline.emoji.theme
    art = {
        one.character: (emojis_dir() / theme.name / f"{one.name}.png").as_uri()
        for one in theme.emoji
    }
    return preview_blocks(draft, drawing, theme, (theme.name,)), picture.data, art


def page_of(blocks: list[dict[str, Any]], picture: bytes, art: dict[str, str]) -> str:
    """Return a page that shows blocks about as Slack does."""
    data = base64.b64encode(picture).decode()
    shown = "".join(_block(one, f"data:image/jpeg;base64,{data}") for one in blocks)
    # The longest first: some characters begin like others.
    for character in sorted(art, key=len, reverse=True):
        shown = shown.replace(character, f'<img class="emoji" src="{art[character]}">')
    return f'<meta charset="utf-8"><style>{STYLE % GROUND}</style>{shown}'


def _block(block: dict[str, Any], picture: str) -> str:
    kind = block["type"]
    if kind == "image":
        inner = f'<img class="photo" src="{picture}">'
    elif kind == "section":
        inner = f"<div>{_text(block['text'])}</div>"
        inner += _control(block["accessory"]) if "accessory" in block else ""
    elif kind == "actions":
        inner = "".join(map(_control, block["elements"]))
    else:
        inner = "".join(f"<div>{_text(one)}</div>" for one in block["elements"])
    return f'<div class="block {kind}">{inner}</div>\n'


def _control(element: dict[str, Any]) -> str:
    if element["type"] == "button":
        look = element.get("style", "")
        return f'<span class="control {look}">{_text(element["text"])}</span>'
    chosen = element.get("initial_option", {"text": element["placeholder"]})
    said = f"<span>{_text(chosen['text'])}</span><span>▾</span>"
    return f'<span class="control menu">{said}</span>'


def _text(text: dict[str, Any]) -> str:
    if text["type"] == "plain_text":
        return html.escape(text["text"])
    # Mark-up is escaped where it is text, so only its own signs are left.
    shown = re.sub(rf"<#{CHANNEL_ID}>", f"#{CHANNEL}", text["text"])
    shown = re.sub(r"(?<!\w)\*([^*\n]+)\*(?!\w)", r"<b>\1</b>", shown)
    return shown.replace("\n", "<br>")


def trimmed(photo: Image.Image) -> Image.Image:
    """Cut off what is empty below."""
    ground = Image.new("RGB", photo.size, GROUND)
    box = ImageChops.difference(photo, ground).getbbox() or (0, 0, *photo.size)
    return photo.crop((0, 0, photo.width, box[3] + 16))


if __name__ == "__main__":
    main()
