"""``compare``: two face back ends on the same pictures."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emojifier_bot.cli.console import (
    FAILED,
    WrongUsage,
    accept_remote_option,
    agree_to_send,
    counted,
    json_option,
    must_read_expressions,
    print_err,
    print_json,
    progress_bar,
    recursive_option,
    shown,
)
from emojifier_bot.cli.inputs import find_inputs
from emojifier_bot.cli.outputs import refuse_existing, write_file
from emojifier_bot.errors import HostedApiError, ImageError

if TYPE_CHECKING:
    from PIL import Image

    from emojifier_bot.cli.inputs import Source
    from emojifier_bot.config import PictureSettings
    from emojifier_bot.vision.agreement import Compared, Pair
    from emojifier_bot.vision.decode import DecodedImage

    #: One face about which two back ends differ, and both answers.
    Tile = tuple[Image.Image, Pair]

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
@click.argument("first", metavar="FIRST", help="A face back end, such as `local`.")
@click.argument("second", metavar="SECOND", help="Another face back end.")
@click.argument(
    "pictures",
    metavar="PICTURES...",
    nargs=-1,
    required=True,
    type=click.Path(),
    help="Pictures, or folders of pictures.",
)
@click.option(
    "-o",
    "--output",
    "sheet",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=Path("differences.png"),
    help="Picture in which the faces that differ are drawn.",
)
@recursive_option
@click.option("--force", is_flag=True, help="Overwrite the picture.")
@json_option
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
    """Report where two back ends differ on the same pictures.

    Two faces are the same if their boxes overlap. Agreement on the emotion is given as
    Cohen's kappa with its 95 % interval.
    """
    if first == second:
        raise WrongUsage("Name two different back ends.")

    from emojifier_bot.config import load_picture_settings
    from emojifier_bot.vision.agreement import agreement
    from emojifier_bot.vision.analyzers.registry import service_of

    refuse_existing(sheet, force=force)
    found = find_inputs(pictures, recursive=recursive)
    settings = [load_picture_settings(face_backend=name) for name in (first, second)]
    for one in settings:
        must_read_expressions(one)
        agree_to_send(one, len(found.sources), accepted=accept_remote)
    read, tiles = _read_all(settings, found.sources)
    if not read:
        raise WrongUsage("None of these is a picture that can be read.")
    figures = {"first": first, "second": second} | agreement(read)
    for side, name in (("first", first), ("second", second)):
        service = service_of(name)
        # None where nobody knows the price.
        figures[f"{side}_usd_per_1000"] = service.usd_per_1000 if service else 0.0
    if as_json:
        print_json(figures)
    else:
        _print_table(figures)
    if tiles:
        drawn = io.BytesIO()
        draw_sheet((first, second), tiles[:MOST_ON_SHEET]).save(drawn, "PNG")
        write_file(sheet, drawn.getvalue(), force=force)
        print_err(f"{counted(len(tiles), 'face')} differ; {sheet} shows them.")
    if len(read) < len(found.sources):
        raise SystemExit(FAILED)


def _read_all(
    settings: Sequence[PictureSettings], sources: Sequence[Source]
) -> tuple[list[Compared], list[Tile]]:
    """Read every picture twice; what cannot be read is reported and left out."""
    from emojifier_bot.app import make_analyzer, make_decoder, make_web_client
    from emojifier_bot.vision.agreement import Compared, pair_faces

    # Nothing stands in for a service that is down: its answers are what is compared.
    analyzers = [make_analyzer(one, falls_back=False) for one in settings]
    decoder, limit = make_decoder(settings[0]), settings[0].max_bytes
    make_client = partial(make_web_client, settings[0])
    read: list[Compared] = []
    tiles: list[Tile] = []
    with progress_bar("Reading pictures") as progress:
        for index, source in enumerate(sources):
            try:
                picture = decoder.decode(source.read(limit, make_client))
                times, faces = [time.perf_counter()], []
                for analyzer in analyzers:
                    faces.append(analyzer.analyze(picture).faces)
                    times.append(time.perf_counter())
            except (ImageError, HostedApiError) as error:
                if isinstance(error, HostedApiError) and not error.is_about_picture:
                    raise
                print_err(f"{shown(source.given)}: {error.message}")
            else:
                seconds = (times[1] - times[0], times[2] - times[1])
                read.append(Compared(pair_faces(*faces), seconds))
                tiles += [
                    (cut_tile(picture, pair), pair) for pair in read[-1].differing
                ]
            progress(index + 1, len(sources))
    return read, tiles


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
    table.add_row(
        "list price of 1,000, USD",
        *("unknown" if one is None else f"{one:.2f}" for one in prices),
    )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"same emotion: {_interval(figures['same_emotion'])}")
    console.print(f"Cohen's kappa: {_interval(figures['kappa'])}")
    for row in figures["differ"]:
        faces = counted(row["faces"], "face")
        console.print(f"{faces}: {first} says {row['first']}, {second} {row['second']}")


def _interval(measured: Mapping[str, float]) -> str:
    if math.isnan(measured["value"]):
        return "not defined for these faces"
    return (
        f"{measured['value']:.2f} ({measured['low']:.2f} to {measured['high']:.2f}, "
        f"{measured['count']} faces)"
    )


def cut_tile(picture: DecodedImage, pair: Pair) -> Image.Image:
    """Return the square around a face in sRGB, with the boxes of those who found it."""
    import numpy as np
    from PIL import Image, ImageDraw

    from emojifier_bot.vision.color import to_srgb

    boxes = np.array([face.box.xyxy for face in pair if face is not None])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    side = max(*(high - low), 1.0) * (1 + 2 * ROOM)
    corner = (low + high - side) / 2
    left, top, right, bottom = map(round, (*corner, *(corner + side)))
    cut = picture.image.crop((left, top, right, bottom))
    crop = to_srgb(cut, picture.icc_profile).convert("RGB")
    tile = crop.resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(tile)
    for face, color in zip(pair, COLORS, strict=True):
        if face is not None:
            box = (np.reshape(face.box.xyxy, (2, 2)) - corner) * TILE_PX / side
            draw.rectangle(box.ravel().tolist(), outline=color, width=LINE_PX)
    return tile


def draw_sheet(names: tuple[str, str], tiles: Sequence[Tile]) -> Image.Image:
    """Draw tiles in rows, each with both answers below.

    Args:
        names: Of the two back ends.
        tiles: At least one.

    Returns:
        RGB, as high as it needs to be.
    """
    from PIL import Image, ImageDraw, ImageFont

    columns, rows = min(len(tiles), COLUMNS), -(-len(tiles) // COLUMNS)
    wide, high = TILE_PX + GAP_PX, TILE_PX + CAPTION_PX + GAP_PX
    size_wh = (columns * wide + GAP_PX, rows * high + GAP_PX)
    sheet = Image.new("RGB", size_wh, GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT_PX)
    for index, (tile, pair) in enumerate(tiles):
        x, y = GAP_PX + index % COLUMNS * wide, GAP_PX + index // COLUMNS * high
        sheet.paste(tile, (x, y))
        y += TILE_PX + 4
        for name, face, color in zip(names, pair, COLORS, strict=True):
            answer = "no face"
            if face is not None:
                answer = f"{face.scores.top} {face.scores.top_probability:.2f}"
            draw.text((x, y), f"{name}: {answer}", color, font)
            y += TEXT_PX + 5
    return sheet
