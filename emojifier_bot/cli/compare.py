"""``compare``: two face back ends on the same pictures."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emojifier_bot.cli.console import (
    FAILED,
    WrongUsage,
    accept_remote_option,
    agree_to_send,
    counted,
    print_err,
    print_json,
    progress_bar,
    shown,
)
from emojifier_bot.cli.files import find_inputs, refuse_existing, write_file
from emojifier_bot.errors import HostedApiError, ImageError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from emojifier_bot.cli.files import Source
    from emojifier_bot.config import Settings
    from emojifier_bot.vision.agreement import Compared
    from emojifier_bot.vision.decode import DecodedImage
    from emojifier_bot.vision.ports import FaceAnalyzer
    from emojifier_bot.vision.types import BoundingBox, Face

#: Faces on the sheet; the rest is counted.
MOST_ON_SHEET = 60
#: The sheet: a tile for each face, with both answers below.
TILE_PX, GAP_PX, TEXT_PX, COLUMNS = 200, 16, 15, 5
CAPTION_PX = 2 * (TEXT_PX + 6)
#: Room around a face, shares of its box.
ROOM = 0.35
GROUND = (255, 255, 255)
#: Of the first and the second back end: their boxes and their words.
COLORS = ((30, 100, 200), (200, 80, 20))
LINE_PX = 3


@click.command
@click.argument("first", metavar="FIRST", help="A face back end, such as local.")
@click.argument("second", metavar="SECOND", help="Another one.")
@click.argument(
    "pictures",
    metavar="PICTURES...",
    nargs=-1,
    required=True,
    help="Pictures, or folders.",
)
@click.option(
    "-o",
    "--output",
    "sheet",
    type=click.Path(path_type=Path),
    default=Path("differences.png"),
    help="Where the faces that differ are drawn.",
)
@click.option(
    "-r", "--recursive", is_flag=True, help="Go into the folders of a folder."
)
@click.option("--force", is_flag=True, help="Overwrite the sheet.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object to stdout."
)
@accept_remote_option
def compare(
    first: str,
    second: str,
    pictures: tuple[str, ...],
    *,
    sheet: Path,
    recursive: bool,
    force: bool,
    as_json: bool,
    accept_remote: bool,
) -> None:
    """Let two back ends read the same pictures and report where they differ.

    Faces are the same if their boxes overlap. Agreement on the emotion is Cohen's
    kappa, with its 95 % interval.
    """
    if first == second:
        raise WrongUsage("Name two different back ends.")

    from emojifier_bot.config import load_settings
    from emojifier_bot.vision.agreement import agreement

    refuse_existing(sheet, force=force)
    found = find_inputs(pictures, recursive=recursive)
    settings = [load_settings(face_backend=name) for name in (first, second)]
    for one in settings:
        agree_to_send(one, len(found.sources), accepted=accept_remote)
    read, differences = _read_all(settings, found.sources)
    if not read:
        raise WrongUsage("None of these is a picture that can be read.")
    figures = (
        {"first": first, "second": second} | agreement(read) | _costs(first, second)
    )
    if as_json:
        print_json(figures)
    else:
        _print_table(figures)
    if differences:
        drawn = io.BytesIO()
        draw_sheet((first, second), differences[:MOST_ON_SHEET]).save(drawn, "PNG")
        write_file(sheet, drawn.getvalue(), force=force)
        print_err(f"{counted(len(differences), 'face')} differ; {sheet} shows them.")
    if len(read) < len(found.sources):
        raise SystemExit(FAILED)


def _read_all(
    settings: Sequence[Settings], sources: Sequence[Source]
) -> tuple[list[Compared], list[Difference]]:
    """Read every picture twice; what cannot be read is reported and left out."""
    from emojifier_bot.app import make_analyzer, make_decoder

    # Nothing stands in for a service that is down: its answers are what is compared.
    analyzers = [make_analyzer(one, falls_back=False) for one in settings]
    decoder, limit = make_decoder(settings[0]), settings[0].max_bytes
    read: list[Compared] = []
    differences: list[Difference] = []
    with progress_bar("Reading pictures") as progress:
        for index, source in enumerate(sources):
            try:
                picture = decoder.decode(source.read(limit))
                read.append(_compared(source.given, picture, analyzers))
            except (ImageError, HostedApiError) as error:
                if isinstance(error, HostedApiError) and not error.is_about_picture:
                    raise
                print_err(f"{shown(source.given)}: {error.message}")
            else:
                differences += [
                    Difference.cut(picture.image, *pair) for pair in read[-1].differing
                ]
            progress(index + 1, len(sources))
    return read, differences


def _compared(
    name: str, picture: DecodedImage, analyzers: Sequence[FaceAnalyzer]
) -> Compared:
    from emojifier_bot.vision.agreement import compared

    faces, seconds = [], []
    for analyzer in analyzers:
        began = time.perf_counter()
        faces.append(analyzer.analyze(picture).faces)
        seconds.append(time.perf_counter() - began)
    return compared(name, faces[0], faces[1], (seconds[0], seconds[1]))


def _costs(first: str, second: str) -> dict[str, float | None]:
    """Return the list prices of 1,000 pictures; None where nobody knows."""
    from emojifier_bot.vision.analyzers.registry import service_of

    services = {"first": service_of(first), "second": service_of(second)}
    return {
        f"{side}_usd_per_1000": 0.0 if service is None else service.usd_per_1000
        for side, service in services.items()
    }


def _print_table(figures: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    first, second = figures["first"], figures["second"]
    table = Table("", first, second, box=None, padding=(0, 2, 0, 0))
    table.add_row("faces matched", *[str(figures["faces_matched"])] * 2)
    table.add_row(
        "faces only here", str(figures["only_in_first"]), str(figures["only_in_second"])
    )
    seconds = (figures["first_seconds"], figures["second_seconds"])
    table.add_row("seconds a picture", *(f"{one:.3f}" for one in seconds))
    # A thousand times that, in minutes.
    table.add_row("minutes for 1,000", *(f"{one * 1000 / 60:.1f}" for one in seconds))
    prices = (figures["first_usd_per_1000"], figures["second_usd_per_1000"])
    table.add_row("list price of 1,000, USD", *map(_price, prices))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"same emotion: {_interval(figures['same_emotion'])}")
    console.print(f"Cohen's kappa: {_interval(figures['kappa'])}")
    for row in figures["differ"]:
        faces = counted(row["faces"], "face")
        console.print(f"{faces}: {first} says {row['first']}, {second} {row['second']}")


def _price(usd: float | None) -> str:
    return "unknown" if usd is None else f"{usd:.2f}"


def _interval(measured: Mapping[str, float]) -> str:
    if math.isnan(measured["value"]):
        return "not defined for these faces"
    return (
        f"{measured['value']:.2f} ({measured['low']:.2f} to {measured['high']:.2f}, "
        f"{measured['count']} faces)"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """One face about which two back ends differ."""

    tile: Image.Image
    first: Face | None
    second: Face | None

    @classmethod
    def cut(
        cls, picture: Image.Image, first: Face | None, second: Face | None
    ) -> Difference:
        """Cut the face out of its picture; at least one of the two found it."""
        return cls(_tile(picture, (first, second)), first, second)


def draw_sheet(
    names: tuple[str, str], differences: Sequence[Difference]
) -> Image.Image:
    """Draw a tile for each difference.

    Args:
        names: Of the two back ends.
        differences: At least one.

    Returns:
        RGB, as high as it needs to be.
    """
    from PIL import Image, ImageDraw

    columns = min(len(differences), COLUMNS)
    rows = -(-len(differences) // COLUMNS)
    wide, high = TILE_PX + GAP_PX, TILE_PX + CAPTION_PX + GAP_PX
    size_wh = (columns * wide + GAP_PX, rows * high + GAP_PX)
    sheet = Image.new("RGB", size_wh, GROUND)
    for index, one in enumerate(differences):
        at = (GAP_PX + index % COLUMNS * wide, GAP_PX + index // COLUMNS * high)
        sheet.paste(one.tile, at)
        _caption(ImageDraw.Draw(sheet), at, names, one)
    return sheet


def _tile(picture: Image.Image, answers: Sequence[Face | None]) -> Image.Image:
    from PIL import Image, ImageDraw

    left, top, side = _square([face.box for face in answers if face is not None])
    edges = (left, top, left + side, top + side)
    crop = picture.crop(tuple(map(round, edges))).convert("RGB")  # type: ignore[arg-type] # four of them
    scale = TILE_PX / side
    tile = crop.resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(tile)
    for face, color in zip(answers, COLORS, strict=True):
        if face is not None:
            x_min, y_min, x_max, y_max = face.box.xyxy
            inside = (x_min - left, y_min - top, x_max - left, y_max - top)
            box = [edge * scale for edge in inside]
            draw.rectangle(box, outline=color, width=LINE_PX)
    return tile


def _square(boxes: Sequence[BoundingBox]) -> tuple[float, float, float]:
    """Return left, top and side of the square around boxes, with room."""
    x_min, y_min = (min(box.xyxy[edge] for box in boxes) for edge in (0, 1))
    x_max, y_max = (max(box.xyxy[edge] for box in boxes) for edge in (2, 3))
    side = max(x_max - x_min, y_max - y_min, 1.0) * (1 + 2 * ROOM)
    return (x_min + x_max - side) / 2, (y_min + y_max - side) / 2, side


def _caption(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    names: tuple[str, str],
    one: Difference,
) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(TEXT_PX)
    lines = zip(names, (one.first, one.second), COLORS, strict=True)
    for row, (name, face, color) in enumerate(lines):
        y = at[1] + TILE_PX + 4 + row * (TEXT_PX + 5)
        draw.text((at[0], y), f"{name}: {_answer(face)}", color, font)


def _answer(face: Face | None) -> str:
    if face is None:
        return "no face"
    return f"{face.scores.top} {face.scores.top_probability:.2f}"
