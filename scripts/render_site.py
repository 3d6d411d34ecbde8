"""Make the pictures of the public pages from the sample photo and the emoji art.

Run ``python scripts/render_site.py`` after either has changed. Needs Pillow alone.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_DIR = ROOT / "docs" / "sample"
THEME_DIR = ROOT / "emojis" / "classic"
STATIC_DIR = ROOT / "emojifier_bot" / "web" / "static"

#: The part of the sample that shows the face well, pixels of the photo.
CROP_XYXY = (30, 0, 430, 400)
PHOTO_QUALITY, EMOJI_QUALITY = 80, 84
#: Each emoji is shown at half of its pixels, for screens that have twice as many.
FEELING_PX, MOOD_PX = 96, 240
#: In the order of the eight emotions.
FEELINGS = (
    "angry",
    "face_with_rolling_eyes",
    "nauseated_face",
    "fearful",
    "grinning",
    "neutral_face",
    "cry",
    "astonished",
)
#: One for each page that is about a single thing.
MOODS = (
    "astonished",
    "cold_sweat",
    "face_with_raised_eyebrow",
    "partying_face",
    "pensive",
    "thinking_face",
    "weary",
)
ICON, ICON_PX, TOUCH_ICON_PX, TOUCH_MARGIN_PX = "grinning", 96, 180, 14

PAPER, INK, FRAME = "#fff8e7", "#2b1d0e", "#ffffff"
#: The picture that other sites show beside a link; this size suits all of them.
CARD_WH, CARD_PHOTO_PX, CARD_FRAME_PX, CARD_QUALITY = (1200, 630), 360, 14, 82
CARD_TITLE, CARD_LINE = "Emojifier Bot", "An emoji for every face in the picture."


def main() -> None:
    """Write every picture."""
    before = Image.open(SAMPLE_DIR / "astronaut.png").convert("RGB")
    after = Image.open(SAMPLE_DIR / "astronaut.emojified.png").convert("RGB")
    photos = {"before": before.crop(CROP_XYXY), "after": after.crop(CROP_XYXY)}
    for name, photo in photos.items():
        photo.save(STATIC_DIR / f"{name}.webp", quality=PHOTO_QUALITY, method=6)
    for name in FEELINGS:
        _save_emoji(name, FEELING_PX, f"feeling-{name}.webp")
    for name in MOODS:
        _save_emoji(name, MOOD_PX, f"mood-{name}.webp")
    _art(ICON, ICON_PX).quantize(method=Image.Quantize.FASTOCTREE).save(
        STATIC_DIR / "icon.png", optimize=True
    )
    _touch_icon().save(STATIC_DIR / "touch-icon.png", optimize=True)
    _card(**photos).save(STATIC_DIR / "card.jpg", quality=CARD_QUALITY, optimize=True)


def _art(name: str, size_px: int) -> Image.Image:
    art = Image.open(THEME_DIR / f"{name}.png").convert("RGBA")
    return art.resize((size_px, size_px), Image.Resampling.LANCZOS)


def _save_emoji(name: str, size_px: int, file: str) -> None:
    _art(name, size_px).save(STATIC_DIR / file, quality=EMOJI_QUALITY, method=6)


def _touch_icon() -> Image.Image:
    """Return the icon on paper: phones show transparent parts in black."""
    icon = Image.new("RGB", (TOUCH_ICON_PX, TOUCH_ICON_PX), PAPER)
    art = _art(ICON, TOUCH_ICON_PX - 2 * TOUCH_MARGIN_PX)
    icon.paste(art, (TOUCH_MARGIN_PX, TOUCH_MARGIN_PX), art)
    return icon.quantize(method=Image.Quantize.MEDIANCUT)


def _card(before: Image.Image, after: Image.Image) -> Image.Image:
    card = Image.new("RGB", CARD_WH, PAPER)
    for photo, center_xy, degrees in (
        (before, (755, 270), 5),
        (after, (945, 375), -4),
    ):
        _paste_print(card, photo, center_xy, degrees)
    art = _art(ICON, 120)
    card.paste(art, (72, 130), art)
    draw = ImageDraw.Draw(card)
    draw.text((76, 270), CARD_TITLE, INK, ImageFont.load_default(72))
    words = CARD_LINE.split()
    lines = (" ".join(words[:4]), " ".join(words[4:]))
    for row, line in enumerate(lines):
        draw.text((78, 376 + 52 * row), line, INK, ImageFont.load_default(38))
    return card


def _paste_print(
    card: Image.Image, photo: Image.Image, center_xy: tuple[int, int], degrees: int
) -> None:
    """Lay a photo with a white frame on the card, a little askew."""
    small = photo.resize((CARD_PHOTO_PX, CARD_PHOTO_PX), Image.Resampling.LANCZOS)
    framed = ImageOps.expand(small, CARD_FRAME_PX, FRAME)
    framed = ImageOps.expand(framed, 1, "#d9c9a3").convert("RGBA")
    turned = framed.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    corner_xy = (center_xy[0] - turned.width // 2, center_xy[1] - turned.height // 2)
    card.paste(turned, corner_xy, turned)


if __name__ == "__main__":
    main()
