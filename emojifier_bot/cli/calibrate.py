"""``calibrate``: emotive points from photos that should get each emoji."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emojifier_bot.cli.console import (
    WrongUsage,
    accept_remote_option,
    agree_to_send,
    backend_option,
    counted,
    must_read_expressions,
    print_err,
    progress_bar,
    theme_option,
)
from emojifier_bot.cli.inputs import is_picture
from emojifier_bot.cli.outputs import write_file
from emojifier_bot.errors import (
    HostedApiError,
    ImageError,
    reason_of,
)

if TYPE_CHECKING:
    from emojifier_bot.config import PictureSettings
    from emojifier_bot.vision.calibration import Calibration, FaceReading, Readings
    from emojifier_bot.vision.ports import Decoder, FaceAnalyzer
    from emojifier_bot.vision.themes import ThemeFolder

#: Photos of one emoji from which their mean says something.
ENOUGH_PHOTOS = 3
#: Columns of the table.
TABLE_WIDTH = 150


@click.command
@click.argument(
    "proxies",
    metavar="PROXIES",
    type=click.Path(path_type=Path),
    help="A folder with photos for each emoji: PROXIES/<short name>/*.jpg.",
)
@theme_option
@backend_option
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    show_default="./THEME-mine",
    help="Folder of the new theme.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing theme.")
@accept_remote_option
def calibrate(
    proxies: Path,
    theme: str | None,
    backend: str | None,
    output: Path | None,
    force: bool,
    accept_remote: bool,
) -> None:
    """Make a theme whose emoji are placed by photos of faces.

    A photo's folder names the emoji that it should get. Each emoji's point becomes the
    mean of what the back end reads in its photos. Then each photo is left out of the
    mean and must still get its emoji. The original theme is not changed. A picture of
    the points is written next to the new theme.
    """
    from emojifier_bot.cli.theme_writer import refuse_theme_folder
    from emojifier_bot.config import load_picture_settings
    from emojifier_bot.vision.themes import open_theme

    settings = load_picture_settings(theme=theme, face_backend=backend)
    source = open_theme(settings.theme)
    folder = output or Path(f"{source.theme.name}-mine")
    refuse_theme_folder(folder, source.folder, force=force)
    names = [one.name for one in source.theme.emoji]
    readings = read_proxies(names, proxies, settings, accept_remote=accept_remote)
    if not readings:
        raise WrongUsage("None of the photos shows a face. Take other ones.")
    write_calibrated(source, folder, readings)


def write_calibrated(
    source: ThemeFolder, folder: Path, readings: Readings, least: int = 1
) -> None:
    """Write a theme whose points follow faces, a picture of them, and a table.

    Args:
        source: The theme that it is made from.
        folder: The new theme's.
        readings: The faces of each emoji.
        least: Faces that an emoji needs to be moved.
    """
    from emojifier_bot.cli.theme_writer import write_theme
    from emojifier_bot.vision.calibration import calibrate as calibrated
    from emojifier_bot.vision.points_map import draw_points
    from emojifier_bot.vision.themes import ThemeFolder

    result = calibrated(source.theme, readings, least)
    _print_table(result)
    write_theme(source.folder, folder, result.theme)
    picture = folder.with_name(f"{folder.name}.points.png")
    drawn = io.BytesIO()
    draw_points(ThemeFolder(folder), readings).save(drawn, "PNG")
    write_file(picture, drawn.getvalue(), force=True)
    print_err(f"Wrote the theme {folder} and the picture {picture}.")
    print_err(f"Use it: emojifier-bot replay photo.jpg --theme {folder.resolve()}")


def read_proxies(
    names: Sequence[str],
    proxies: Path,
    settings: PictureSettings,
    *,
    accept_remote: bool,
) -> dict[str, list[FaceReading]]:
    """Return what the faces show that should get each emoji."""
    from emojifier_bot.app import make_analyzer, make_decoder

    must_read_expressions(settings)
    photos = find_photos(names, proxies)
    agree_to_send(settings, sum(map(len, photos.values())), accepted=accept_remote)
    # Nothing stands in for a service that is down: it reads otherwise.
    analyzer = make_analyzer(settings, falls_back=False)
    return read_photos(photos, make_decoder(settings), analyzer)


def find_photos(names: Sequence[str], proxies: Path) -> dict[str, list[Path]]:
    """Return the photos of each emoji that has a folder of its name.

    Raises:
        WrongUsage: There is none.
    """
    if not proxies.is_dir():
        raise WrongUsage(f"{proxies} is no folder.")
    folders = sorted(one for one in proxies.iterdir() if one.is_dir())
    for folder in folders:
        if folder.name not in names:
            print_err(f"{folder} is left out: no emoji of that name is to be placed.")
    photos = {
        one.name: sorted(path for path in one.iterdir() if is_picture(path))
        for one in folders
        if one.name in names
    }
    if not any(photos.values()):
        raise WrongUsage(
            f"There is no photo in {proxies}. Each emoji has a folder of its short "
            f"name, such as {proxies / names[0]}, with several photos."
        )
    return photos


def read_photos(
    photos: Mapping[str, Sequence[Path]], decoder: Decoder, analyzer: FaceAnalyzer
) -> dict[str, list[FaceReading]]:
    """Read the largest face of each photo; report those without one.

    Raises:
        BackendError: The faces could not be read.
        HostedApiError: The service is down, or takes no picture at all.
    """
    from emojifier_bot.vision.calibration import FaceReading
    from emojifier_bot.vision.landmarks import measure

    every = [(name, path) for name, paths in photos.items() for path in paths]
    readings: dict[str, list[FaceReading]] = {}
    problems = []
    with progress_bar("Reading photos") as progress:
        for index, (name, path) in enumerate(every):
            progress(index, len(every))
            try:
                faces = analyzer.analyze(decoder.decode(path.read_bytes()))
            except (ImageError, HostedApiError, OSError) as error:
                if isinstance(error, HostedApiError) and not error.is_about_picture:
                    raise
                problems.append(f"{path} cannot be read: {reason_of(error)}")
                continue
            if not faces:
                problems.append(f"{path} has no face that was found; it is left out.")
                continue
            if len(faces) > 1:
                problems.append(f"{path} has {len(faces)} faces; the largest counts.")
            largest = max(faces, key=lambda face: face.box.width * face.box.height)
            measures = measure(largest.landmarks.points_xy)
            read = FaceReading(largest.scores, measures, largest.confident)
            readings.setdefault(name, []).append(read)
    for name, found in readings.items():
        if len(found) < ENOUGH_PHOTOS:
            problems.append(
                f"{name} has {counted(len(found), 'face')}: take {ENOUGH_PHOTOS} or "
                "more, of several people."
            )
    for problem in problems:
        print_err(problem)
    return readings


def _print_table(result: Calibration) -> None:
    from rich.console import Console
    from rich.table import Table

    from emojifier_bot.vision.calibration import NEVER_WINS

    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in ("emoji", "faces", "mean away", "went", "right left out"):
        table.add_column(name, justify="left" if name == "emoji" else "right")
    table.add_column("most often else")
    table.add_column("")
    for one in result.emoji:
        if not one.faces and one.note != NEVER_WINS:
            continue
        others = [name for name, _ in one.chosen.most_common() if name != one.name]
        checked = one.chosen.total()
        table.add_row(
            one.name,
            str(one.faces),
            "" if math.isnan(one.distance) else f"{one.distance:.2f}",
            f"{one.way:.0%}",
            f"{one.hits} of {checked}" if checked else "",
            others[0] if others else "",
            one.note,
        )
    console = Console(width=TABLE_WIDTH, highlight=False)
    console.print(table, soft_wrap=True)
    moved = sum(one.way > 0 for one in result.emoji)
    console.print(
        f"{counted(moved, 'emoji', 'emoji')} of {len(result.emoji)} moved. Of faces "
        f"left out, {result.hits} of {result.checked} get the emoji that they should."
    )
