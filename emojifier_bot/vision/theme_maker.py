"""Makes a theme from any drawings: scales them, finds their discs, places them by name.

A drawing whose name says what it shows gets the place of an emoji of another theme, or
of a pure emotion. Any other gets a free place and is left to ``--surprise``, unless
photos of faces say where it belongs (`calibration`).
"""

from __future__ import annotations

import io
import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from emojifier_bot.errors import ThemeError, reason_of
from emojifier_bot.vision.contact_sheet import scaled
from emojifier_bot.vision.themes import (
    ART_SIZE_PX,
    MAX_SPOKEN_CHARACTERS,
    MIN_DISC_PX,
    MIN_OPAQUE_SHARE,
    MIN_POINT_DISTANCE,
    OPAQUE,
    UNREADABLE_ART,
    opaque_share,
)
from emojifier_bot.vision.types import EMOTIONS, Anchor, FloatArray, ImageArray

DRAWINGS = (".png", ".svg")
#: Wide enough that nothing is enlarged afterwards.
SVG_WIDTH_PX = 2 * ART_SIZE_PX
#: From here on scaling has made an opaque pixel a little transparent.
_NEARLY_OPAQUE = 250
#: Names of files that are the code points of a character: ``1f600``, ``emoji_u1f600``,
#: ``U+1F600``, ``2639-fe0f``.
_CODE_POINTS = re.compile(r"(?:emoji_?)?(?:u\+?)?([0-9a-f]{4,5}(?:[-_][0-9a-f]{4,5})*)")
_VARIATION = "\ufe0f"
#: What is tried as a place for an emoji that has none: mixtures of few emotions.
_STEPS, _MOST_MIXED = 10, 3


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """One emoji of the new theme."""

    #: Its entry in the theme's table.
    entry: dict[str, Any]
    #: RGBA, `ART_SIZE_PX` wide and high.
    art: Image.Image
    #: Whether its name says which faces it is for.
    is_placed: bool


def read_drawings(folder: Path) -> dict[str, Image.Image]:
    """Read every PNG and SVG of a folder as the art of an emoji, by file name.

    Raises:
        ThemeError: Some cannot be read, or there is none; every problem is listed.
    """
    art, problems = dict[str, Image.Image](), []
    files = [one for one in folder.iterdir() if one.suffix.lower() in DRAWINGS]
    # Of a drawing and its rendering one is enough: the drawing.
    for path in sorted(files, key=lambda one: (one.suffix.lower() != ".svg", one.name)):
        if path.stem in art:
            continue
        try:
            art[path.stem] = fitted(_read(path))
        except ThemeError as error:
            problems.append(error.message)
    if problems:
        # What is missing for SVGs is missing for all.
        raise ThemeError("\n".join(dict.fromkeys(problems)))
    if not art:
        raise ThemeError(f"There is no PNG or SVG in {folder}.")
    return dict(sorted(art.items()))


def _read(path: Path) -> Image.Image:
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".svg":
            data = _render(data.decode("utf-8"))
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            art = image.convert("RGBA")
    except UNREADABLE_ART as error:
        raise ThemeError(f"{path} cannot be read: {reason_of(error)}.") from error
    if art.getchannel("A").getbbox() is None:
        raise ThemeError(f"{path} is transparent everywhere: it would cover nothing.")
    return art


def _render(svg: str) -> bytes:
    try:
        import resvg_py  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ThemeError(
            "SVGs need the extra `svg` (resvg-py): docs/python.md says how to install "
            "it. Or save them as PNG."
        ) from error
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SVG_WIDTH_PX))


def fitted(art: Image.Image) -> Image.Image:
    """Return a drawing without its transparent margin, as large as the art can be."""
    art = art.crop(art.getchannel("A").getbbox())
    scale = ART_SIZE_PX / max(art.size)
    width, height = (max(round(side * scale), 1) for side in art.size)
    canvas = Image.new("RGBA", (ART_SIZE_PX, ART_SIZE_PX))
    corner = ((ART_SIZE_PX - width) // 2, (ART_SIZE_PX - height) // 2)
    canvas.paste(scaled(art, (width, height)), corner)
    pixels = np.array(canvas)
    alpha = pixels[..., 3]
    alpha[alpha >= _NEARLY_OPAQUE] = OPAQUE
    return Image.fromarray(pixels)


def find_disc(art: Image.Image) -> Anchor | None:
    """Return the largest disc of a drawing that hides a face; None if it is too small.

    Small holes, such as the light in an eye, may be in it.
    """
    alpha = np.asarray(art)[..., 3]
    strict = (alpha == OPAQUE).astype(np.uint8)
    for mask in (_filled(strict), strict):
        # Beyond the edge of the art everything is transparent.
        padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        row, column = np.unravel_index(int(distance.argmax()), distance.shape)
        # From the middle of a pixel to the edge of the first one outside.
        radius = float(distance.max()) - 0.5
        anchor = Anchor((float(column) - 0.5, float(row) - 0.5), round(2 * radius, 1))
        if anchor.diameter_px < MIN_DISC_PX:
            continue
        if opaque_share(alpha, anchor) >= MIN_OPAQUE_SHARE:
            return anchor
    return None


def _filled(mask: ImageArray) -> ImageArray:
    """Return a mask without holes that its outline encloses."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(mask)
    return np.asarray(cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED), np.uint8)


def make_drawings(
    art: Mapping[str, Image.Image],
    known: Sequence[Mapping[str, Any]],
) -> list[Drawing]:
    """Give each drawing a name, a disc and a place.

    Args:
        art: By file name, from `read_drawings`.
        known: The entries of a theme whose names, characters and places are meant.

    Raises:
        ThemeError: Some have no disc that hides a face; every problem is listed.
    """
    made: list[Drawing] = []
    problems, taken = [], set[str]()
    points: list[FloatArray] = []
    placed = {stem: _placed(stem, known) for stem in art}

    def rank(stem: str) -> tuple[bool, bool, str]:
        # Names of emotions, then of emoji; the others get what is left.
        entry = placed[stem]
        return entry is None, entry is not None and "anchor" in entry, stem

    def add(stem: str, entry: dict[str, Any], *, is_placed: bool) -> None:
        taken.add(entry["name"])
        points.append(_point(entry))
        anchor = anchors[stem]
        center_xy = [round(at, 1) for at in anchor.center_xy]
        entry["anchor"] = {"center_xy": center_xy, "diameter_px": anchor.diameter_px}
        made.append(Drawing(entry, art[stem], is_placed))

    anchors: dict[str, Anchor] = {}
    left: list[str] = []
    for stem in sorted(art, key=rank):
        anchor = find_disc(art[stem])
        if anchor is None:
            problems.append(
                f"{stem} has no opaque disc of {MIN_DISC_PX} of {ART_SIZE_PX} pixels, "
                "so it hides no face. Fill what is transparent inside."
            )
            continue
        anchors[stem], entry = anchor, placed[stem]
        if entry is None or entry["name"] in taken or _is_near(_point(entry), points):
            left.append(stem)
        else:
            add(stem, entry, is_placed=True)
    for stem in left:
        name = next(one for one in _names(stem) if one not in taken)
        add(stem, _free_entry(name, points), is_placed=False)
    if problems:
        raise ThemeError("\n".join(problems))
    return made


def _placed(stem: str, known: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the entry that a file's name stands for: an emoji's or an emotion's."""
    name = re.sub(r"[\s_-]+", "_", stem.strip().lower())
    code = _CODE_POINTS.fullmatch(stem.lower())
    character = ""
    if code:
        points = (int(one, 16) for one in re.split(r"[-_]", code[1]))
        character = "".join(map(chr, points)).replace(_VARIATION, "")
    for entry in known:
        own = entry["character"].replace(_VARIATION, "")
        titles = {entry["name"].replace("-", "_"), entry["spoken"].replace(" ", "_")}
        if len(own) == 1:
            titles.add(re.sub(r"[\s-]+", "_", unicodedata.name(own, "").lower()))
        if name in titles or character == own or stem.strip() == entry["character"]:
            return dict(entry)
    if name in list(EMOTIONS):
        entry = {"name": name, "character": f":{name}:", "spoken": f"showing {name}"}
        return {**entry, "mild": True, "point": {name: 1.0}}
    return None


def _names(stem: str) -> Iterator[str]:
    """Yield names that Slack takes for a file's."""
    name = re.sub(r"[^a-z0-9_+'-]+", "_", stem.lower()).strip("_") or "emoji"
    yield name
    for number in itertools.count(2):
        yield f"{name}_{number}"


def _free_entry(name: str, points: Sequence[FloatArray]) -> dict[str, Any]:
    return {
        "name": name,
        "character": f":{name}:",
        "spoken": name.replace("_", " ")[:MAX_SPOKEN_CHARACTERS].strip(),
        "mild": False,
        "surprise_only": True,
        "point": point_table(_free_point(points), decimals=1),
    }


def _free_point(points: Sequence[FloatArray]) -> FloatArray:
    """Return the mixture of few emotions that is farthest from all points.

    Raises:
        ThemeError: All are too near to one.
    """
    mixtures = _mixtures()
    if not points:
        return np.asarray(mixtures[0])
    away = np.linalg.norm(mixtures[:, None] - np.stack(points)[None], axis=2).min(
        axis=1
    )
    if away.max() < MIN_POINT_DISTANCE:
        raise ThemeError(f"A theme has no room for more than {len(points)} emoji.")
    return np.asarray(mixtures[int(away.argmax())])


@cache
def _mixtures() -> FloatArray:
    parts = itertools.combinations_with_replacement(range(len(EMOTIONS)), _STEPS)
    few = [one for one in parts if len(set(one)) <= _MOST_MIXED]
    counts = [[one.count(at) for at in range(len(EMOTIONS))] for one in few]
    return np.asarray(counts, np.float32) / np.float32(_STEPS)


def point_table(point: FloatArray, decimals: int) -> dict[str, float]:
    """Return a point as a theme's table has it: without shares of nothing."""
    shares = {
        str(emotion): round(share, decimals)
        for emotion, share in zip(EMOTIONS, point.tolist(), strict=True)
    }
    return {emotion: share for emotion, share in shares.items() if share}


def _point(entry: Mapping[str, Any]) -> FloatArray:
    return np.array([entry["point"].get(one, 0.0) for one in EMOTIONS], np.float32)


def _is_near(point: FloatArray, points: Sequence[FloatArray]) -> bool:
    return any(np.linalg.norm(point - one) < MIN_POINT_DISTANCE for one in points)
