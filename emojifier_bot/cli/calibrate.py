"""``calibrate``: emotive points from faces that should get each emoji."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emojifier_bot.cli.inputs import is_picture
from emojifier_bot.cli.remote import AcceptRemote, agree_to_send
from emojifier_bot.cli.report import WrongUsage, counted, say

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.tools.emotive_points import Calibration, Readings
    from emojifier_bot.vision.types import EmojiTheme

#: Photos of one emoji from which their mean says something.
ENOUGH_PHOTOS = 3


def calibrate(
    proxies: Annotated[
        Path | None,
        typer.Argument(
            metavar="PROXIES",
            help="A folder of photos for each emoji: PROXIES/<short name>/*.jpg.",
            show_default=False,
        ),
    ] = None,
    theme: Annotated[
        str | None, typer.Option(help="Whose emoji: a name, or a theme's folder.")
    ] = None,
    from_votes: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Instead of photos: faces with people's votes, a folder or .npz file.",
        ),
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, help="--from-votes: only every so many faces.")
    ] = 1,
    backend: Annotated[
        str | None, typer.Option(help="What finds and reads the faces.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="The new theme's folder. Default: ./<theme>-mine."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a theme that is there.")
    ] = False,
    accept_remote: AcceptRemote = False,
) -> None:
    """Place a theme's emoji by faces that should get them, as a new theme.

    Each emoji's point becomes the mean of what the back end says of its faces. Each
    face is then left out and must still get its emoji. The shipped theme is not
    touched; a picture of the points lies beside the new one.
    """
    if (proxies is None) == (from_votes is None):
        raise WrongUsage("Give either a folder of photos or --from-votes.")
    if from_votes is not None and backend not in {None, "local"}:
        raise WrongUsage("--from-votes reads cut-out faces by the local models only.")

    from emojifier_bot.config import load_settings
    from emojifier_bot.tools.emotive_points import calibrate as calibrated
    from emojifier_bot.tools.new_theme import refuse_theme_folder, write_theme
    from emojifier_bot.tools.points_map import draw_points
    from emojifier_bot.vision.themes import ThemeFolder, open_theme

    settings = load_settings(theme=theme, face_backend=backend)
    source = open_theme(settings.theme)
    folder = output or Path(f"{source.theme.name}-mine")
    refuse_theme_folder(folder, source.folder, force=force)
    if proxies is not None:
        photos = find_photos(source.theme, proxies)
        count = sum(map(len, photos.values()))
        agree_to_send(settings, count, accepted=accept_remote)
        readings, least = _from_photos(settings, photos), 1
    else:
        assert from_votes is not None  # noqa: S101 - one of the two is given
        readings, least = _from_votes(source.theme, from_votes, every)
    result = calibrated(source.theme, readings, least)
    _print_table(result)
    write_theme(source.folder, folder, result.theme)
    picture = folder.with_name(f"{folder.name}.points.png")
    draw_points(ThemeFolder(folder), readings).save(picture)
    say(f"Wrote the theme {folder} and the picture {picture}.")
    say(f"Use it: emojifier-bot replay photo.jpg --theme {folder.resolve()}")


def _from_photos(settings: Settings, photos: Mapping[str, list[Path]]) -> Readings:
    from emojifier_bot.app import make_analyzer, make_decoder
    from emojifier_bot.cli.progress import bar
    from emojifier_bot.tools.proxies import read_proxies

    with bar("Reading photos") as progress:
        # Nothing stands in for a service that is down: it reads otherwise.
        analyzer = make_analyzer(settings, falls_back=False)
        read = read_proxies(photos, make_decoder(settings), analyzer, progress)
    for problem in read.problems:
        say(problem)
    for name, faces in read.by_emoji.items():
        if len(faces) < ENOUGH_PHOTOS:
            say(
                f"{name} has {counted(len(faces), 'face')}: take {ENOUGH_PHOTOS} or "
                "more, of several people."
            )
    if not read.by_emoji:
        raise WrongUsage("None of the photos shows a face. Take other ones.")
    return read.by_emoji


def find_photos(theme: EmojiTheme, proxies: Path) -> dict[str, list[Path]]:
    """Return the photos of each emoji that has a folder.

    Raises:
        WrongUsage: There is none.
    """
    if not proxies.is_dir():
        raise WrongUsage(f"{proxies} is no folder.")
    folders = sorted(one for one in proxies.iterdir() if one.is_dir())
    known = {one.name for one in theme.emoji}
    for folder in folders:
        if folder.name not in known:
            say(f"{folder} is left out: the theme has no emoji of that name.")
    photos = {
        one.name: sorted(path for path in one.iterdir() if is_picture(path))
        for one in folders
        if one.name in known
    }
    if not any(photos.values()):
        raise WrongUsage(
            f"There is no photo in {proxies}. Each emoji has a folder of its short "
            f"name, such as {proxies / theme.emoji[0].name}, with several photos."
        )
    return photos


def _from_votes(theme: EmojiTheme, data: Path, every: int) -> tuple[Readings, int]:
    import numpy as np

    from emojifier_bot.cli.progress import bar
    from emojifier_bot.tools.proxies import LEAST_VOTED_FACES, read_voted
    from emojifier_training.data import read_expressions
    from emojifier_training.evaluate import SHOWN, Models

    faces = read_expressions(data)
    faces = faces.subset(np.arange(0, len(faces.images), every))
    local = Models().analyzer(SHOWN)
    emoji = [one for one in theme.emoji if not one.surprise_only]
    with bar("Reading faces") as progress:
        readings = read_voted(
            emoji, faces, local.landmarker, local.classifier, progress
        )
    return readings, LEAST_VOTED_FACES


def _print_table(result: Calibration) -> None:
    from rich.console import Console
    from rich.table import Table

    from emojifier_bot.cli.figures import TABLE_WIDTH
    from emojifier_bot.tools.emotive_points import NEVER_WINS

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
