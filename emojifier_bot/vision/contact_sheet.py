"""A theme's contact sheet: every emoji with its name, in sizes and on two grounds."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

SIZES_PX = (160, 48, 24)
COLUMNS = 4
GAP_PX, LABEL_PX, TEXT_PX = 10, 26, 15
PAPER, INK = "#ffffff", "#22262e"
#: Light and dark.
GROUNDS = ("#f1f2f4", "#1a1d21")
PANEL_WH = (SIZES_PX[0] + SIZES_PX[1] + 3 * GAP_PX, SIZES_PX[0] + 2 * GAP_PX)
CELL_WH = (len(GROUNDS) * PANEL_WH[0] + 2 * GAP_PX, PANEL_WH[1] + LABEL_PX + GAP_PX)


def draw_contact_sheet(named_art: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Draw every emoji with its name, on both grounds and in all sizes.

    Args:
        named_art: Names, and RGBA pictures with straight alpha.
    """
    rows = -(-len(named_art) // COLUMNS)
    size_wh = (COLUMNS * CELL_WH[0] + GAP_PX, rows * CELL_WH[1] + GAP_PX)
    sheet = Image.new("RGB", size_wh, PAPER)
    font = ImageFont.load_default(TEXT_PX)
    draw = ImageDraw.Draw(sheet)
    for index, (name, art) in enumerate(named_art):
        row, column = divmod(index, COLUMNS)
        x, y = GAP_PX + column * CELL_WH[0], GAP_PX + row * CELL_WH[1]
        draw.text((x, y), name, fill=INK, font=font)
        for at, ground in enumerate(GROUNDS):
            sheet.paste(_panel(art, ground), (x + at * PANEL_WH[0], y + LABEL_PX))
    return sheet


def _panel(art: Image.Image, ground: str) -> Image.Image:
    """Draw one emoji on one ground: large on the left, the small ones beside it."""
    panel = Image.new("RGB", PANEL_WH, ground)
    x = y = GAP_PX
    for index, size_px in enumerate(SIZES_PX):
        small = scaled(art, (size_px, size_px))
        panel.paste(small, (x, y), small)
        if index == 0:
            x += size_px + GAP_PX
        else:
            y += size_px + GAP_PX
    return panel


def scaled(art: Image.Image, size_wh: tuple[int, int]) -> Image.Image:
    """Scale RGBA with premultiplied alpha, so that edges keep their own colour."""
    resized = art.convert("RGBa").resize(size_wh, Image.Resampling.LANCZOS)
    return resized.convert("RGBA")
