"""Render the classic emoji theme from its SVG sources, check it and show it.

Run ``python scripts/render_emoji.py`` after editing a drawing: it writes one PNG
per SVG and the contact sheet. With ``--check`` it writes nothing and fails when a
committed PNG no longer matches its SVG. Needs resvg_py, Pillow and numpy.
"""

import argparse
import io
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from emojifier_bot.vision.contact_sheet import draw_contact_sheet

THEME_DIR = ROOT / "emojis" / "classic"
SHEET_PATH = ROOT / "docs" / "emoji" / "classic.png"

ART_PX = 512  # width and height of every drawing
MARGIN_PX = 6  # kept transparent along all four sides
OPAQUE_ALPHA = 250  # of 255; from here on a pixel counts as opaque
MIN_OPAQUE_SHARE = 0.99  # of the face disc, so that no skin shows through
MAX_MEAN_DIFFERENCE = 1.0  # of 255; tolerates another build of the renderer


@dataclass(frozen=True, slots=True)
class Disc:
    """The face disc that a theme promises to be opaque."""

    #: Centre, pixels of the 512 art.
    center_xy: tuple[float, float]
    #: Diameter, pixels of the 512 art.
    diameter_px: float


def main() -> int:
    """Render and check the theme, and return the exit status."""
    check_only = parse_arguments().check
    discs = read_discs(THEME_DIR / "theme.toml")
    sprites = {path.stem: render(path) for path in sorted(THEME_DIR.glob("*.svg"))}
    errors = list(find_errors(discs, sprites))
    if check_only:
        errors += find_stale(sprites)
    elif not errors:
        write_sprites(sprites)
        SHEET_PATH.parent.mkdir(parents=True, exist_ok=True)
        sheet = draw_contact_sheet([(name, sprites[name]) for name in discs])
        sheet.save(SHEET_PATH, optimize=True)
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    print(f"{len(sprites)} emoji, {len(errors)} errors")
    return 1 if errors else 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail when a PNG differs from its SVG",
    )
    return parser.parse_args()


def read_discs(path: Path) -> dict[str, Disc]:
    """Read the face disc of every emoji named in a theme file, in its order."""
    theme = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        entry["name"]: Disc(
            (entry["anchor"]["center_xy"][0], entry["anchor"]["center_xy"][1]),
            entry["anchor"]["diameter_px"],
        )
        for entry in theme["emoji"]
    }


def render(path: Path) -> Image.Image:
    """Render one SVG at its own size as RGBA with straight alpha."""
    png = resvg_py.svg_to_bytes(svg_string=path.read_text(encoding="utf-8"))
    return Image.open(io.BytesIO(bytes(png))).convert("RGBA")


def find_errors(
    discs: Mapping[str, Disc], sprites: Mapping[str, Image.Image]
) -> Iterator[str]:
    """Yield each way in which the theme file or a drawing breaks a rule."""
    for name in sorted(discs.keys() - sprites.keys()):
        yield f"{name}: theme.toml lists it, but there is no {name}.svg"
    for name in sorted(sprites.keys() - discs.keys()):
        yield f"{name}: {name}.svg exists, but theme.toml does not list it"
    for name in sorted(sprites.keys() & discs.keys()):
        for error in find_art_errors(sprites[name], discs[name]):
            yield f"{name}: {error}"


def find_art_errors(sprite: Image.Image, disc: Disc) -> Iterator[str]:
    """Yield each way in which one rendered drawing breaks a rule."""
    if sprite.size != (ART_PX, ART_PX):
        yield f"expected {ART_PX}x{ART_PX} px, got {sprite.width}x{sprite.height}"
        return
    alpha = np.asarray(sprite)[:, :, 3]
    inner = slice(MARGIN_PX, ART_PX - MARGIN_PX)
    border = alpha.copy()
    border[inner, inner] = 0
    if border.any():
        yield f"expected a transparent margin of {MARGIN_PX} px, found paint in it"
    share = float((alpha[disc_mask(disc)] >= OPAQUE_ALPHA).mean())
    if share < MIN_OPAQUE_SHARE:
        yield (
            f"expected {MIN_OPAQUE_SHARE:.0%} of the face disc to be opaque, "
            f"got {share:.1%}"
        )


def disc_mask(disc: Disc) -> NDArray[np.bool_]:
    """Return a ``(512, 512)`` bool mask of the pixels centred inside the disc."""
    rows, columns = np.mgrid[:ART_PX, :ART_PX] + 0.5
    x, y = disc.center_xy
    inside: NDArray[np.bool_] = np.hypot(columns - x, rows - y) <= disc.diameter_px / 2
    return inside


def find_stale(sprites: Mapping[str, Image.Image]) -> list[str]:
    """Return an error for each PNG that is missing, left over or out of date."""
    stored = {path.stem: path for path in sorted(THEME_DIR.glob("*.png"))}
    errors = [
        f"{name}: {name}.png has no SVG" for name in stored if name not in sprites
    ]
    for name, sprite in sprites.items():
        if name not in stored:
            errors.append(f"{name}: {name}.png is missing; run this script")
        elif (difference := mean_difference(stored[name], sprite)) is None:
            errors.append(f"{name}: {name}.png is not {ART_PX}x{ART_PX} RGBA")
        elif difference > MAX_MEAN_DIFFERENCE:
            errors.append(
                f"{name}: {name}.png differs from its SVG by {difference:.2f} "
                f"of 255 on average; run this script"
            )
    return errors


def mean_difference(path: Path, sprite: Image.Image) -> float | None:
    """Compare a stored PNG with a rendering.

    Returns:
        Mean absolute difference, 0 to 255, with colours premultiplied so that
        invisible ones do not count; None when mode or size differ.
    """
    with Image.open(path) as stored:
        if (stored.mode, stored.size) != (sprite.mode, sprite.size):
            return None
        old, new = (
            np.asarray(picture.convert("RGBa"), np.float32)
            for picture in (stored, sprite)
        )
    return float(np.abs(old - new).mean())


def write_sprites(sprites: Mapping[str, Image.Image]) -> None:
    """Write one PNG per drawing and remove those whose drawing is gone."""
    for path in THEME_DIR.glob("*.png"):
        if path.stem not in sprites:
            path.unlink()
    for name, sprite in sprites.items():
        sprite.save(THEME_DIR / f"{name}.png", optimize=True)


if __name__ == "__main__":
    sys.exit(main())
