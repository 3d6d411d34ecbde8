"""``compare``: two face back ends on the same pictures."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emojifier_bot.cli.inputs import find_inputs
from emojifier_bot.cli.remote import AcceptRemote, agree_to_send
from emojifier_bot.cli.report import WrongUsage, counted, say, shown
from emojifier_bot.errors import HostedApiError, ImageError

if TYPE_CHECKING:
    from emojifier_bot.cli.inputs import Source
    from emojifier_bot.config import Settings
    from emojifier_bot.tools.agreement import Compared
    from emojifier_bot.tools.contact_sheet import Difference
    from emojifier_bot.vision.decode import DecodedImage
    from emojifier_bot.vision.ports import FaceAnalyzer

#: Faces on the sheet; the rest is counted.
MOST_ON_SHEET = 60


def compare(
    first: Annotated[str, typer.Argument(help="A face back end, such as local.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    pictures: Annotated[
        list[str], typer.Argument(metavar="PICTURES", help="Pictures, or folders.")
    ],
    sheet: Annotated[
        Path,
        typer.Option("-o", "--output", help="Where the faces that differ are drawn."),
    ] = Path("differences.png"),
    recursive: Annotated[
        bool, typer.Option("-r", "--recursive", help="Go into the folders of a folder.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite the sheet.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one object to stdout.")
    ] = False,
    accept_remote: AcceptRemote = False,
) -> None:
    """Let two back ends read the same pictures and tell where they differ.

    Faces are the same if their boxes overlap. Agreement on the emotion is Cohen's
    kappa, with its 95 % interval.
    """
    if first == second:
        raise WrongUsage("Name two different back ends.")

    from emojifier_bot.cli.figures import print_json
    from emojifier_bot.cli.outputs import refuse_existing, write_file
    from emojifier_bot.config import load_settings
    from emojifier_bot.tools.agreement import agreement
    from emojifier_bot.tools.contact_sheet import draw_sheet

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
        say(f"{counted(len(differences), 'face')} differ; {sheet} shows them.")
    if len(read) < len(found.sources):
        raise typer.Exit(1)


def _read_all(
    settings: Sequence[Settings], sources: Sequence[Source]
) -> tuple[list[Compared], list[Difference]]:
    """Read every picture twice; what cannot be read is told and left out."""
    from emojifier_bot.app import make_analyzer, make_decoder
    from emojifier_bot.cli.progress import bar
    from emojifier_bot.tools.contact_sheet import difference

    # Nothing stands in for a service that is down: its answers are what is compared.
    analyzers = [make_analyzer(one, falls_back=False) for one in settings]
    decoder, limit = make_decoder(settings[0]), settings[0].max_bytes
    read: list[Compared] = []
    differences: list[Difference] = []
    with bar("Reading pictures") as progress:
        for index, source in enumerate(sources):
            try:
                picture = decoder.decode(source.read(limit))
                read.append(_compared(source.given, picture, analyzers))
            except (ImageError, HostedApiError) as error:
                if isinstance(error, HostedApiError) and not error.is_about_picture:
                    raise
                say(f"{shown(source.given)}: {error.message}")
            else:
                differences += [
                    difference(picture.image, *pair) for pair in read[-1].differing
                ]
            progress(index + 1, len(sources))
    return read, differences


def _compared(
    name: str, picture: DecodedImage, analyzers: Sequence[FaceAnalyzer]
) -> Compared:
    from emojifier_bot.tools.agreement import compared

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
