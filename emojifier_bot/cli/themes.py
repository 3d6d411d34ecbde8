"""``themes``: which there are, whether they are sound, and how to make one."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emojifier_bot.cli.console import (
    ThemeName,
    VerbGroup,
    WrongUsage,
    accept_remote_option,
    backend_option,
    counted,
    print_err,
)
from emojifier_bot.cli.outputs import write_file
from emojifier_bot.cli.shipped import read_all, verify_each
from emojifier_bot.errors import ThemeError

if TYPE_CHECKING:
    from emojifier_bot.vision.calibration import Readings
    from emojifier_bot.vision.theme_maker import Drawing

#: Whose names and places a new theme takes over.
MODEL_THEME = "classic"


@click.group(cls=VerbGroup, no_args_is_help=True)
def themes() -> None:
    """List, verify or make themes."""


@themes.command("list")
def list_themes() -> None:
    """Print each theme's name, title and number of emoji."""
    from emojifier_bot.vision import emojis_dir
    from emojifier_bot.vision import themes as vision

    for name in vision.list_themes(emojis_dir()):
        theme = vision.open_theme(name).theme
        print(f"{name}: {theme.title}, {len(theme.emoji)} emoji")


@themes.command("verify")
@click.argument(
    "names",
    metavar="[THEME]...",
    nargs=-1,
    type=ThemeName(),
    help="A theme's name, or the path of its folder. Without one: all that ship.",
)
def verify_themes(names: tuple[str, ...]) -> None:
    """Read each theme's table and art. Exit code 1 if one is wrong."""
    from emojifier_bot.vision import emojis_dir
    from emojifier_bot.vision import themes as vision

    verify_each(
        names or vision.list_themes(emojis_dir()),
        lambda name: f"{read_all(vision.open_theme(name))} emoji",
    )


@themes.command("new")
@click.argument(
    "folder",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with PNGs or SVGs of any size, one for each emoji.",
)
@click.option(
    "--name", metavar="NAME", required=True, help="The theme's name; also its folder's."
)
@click.option(
    "--photos",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    show_default="none",
    help="Photos of faces for emoji whose names say nothing: FOLDER/<name>/*.jpg.",
)
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    show_default="./NAME",
    help="Folder of the new theme.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing theme.")
@backend_option
@accept_remote_option
def new_theme(
    folder: Path,
    *,
    name: str,
    photos: Path | None,
    output: Path | None,
    force: bool,
    backend: str | None,
    accept_remote: bool,
) -> None:
    """Make a theme from drawings.

    Each drawing is scaled, and the largest opaque disc in it is what will cover a face.
    A drawing named after an emoji (joy, 1f602) or an emotion (anger, contempt, disgust,
    fear, happiness, neutral, sadness, surprise) is chosen for the same faces. Any other
    is chosen by --surprise only, unless --photos has faces for it, as for `calibrate`.
    A contact sheet is drawn next to the new theme.
    """
    from emojifier_bot.cli.calibrate import read_proxies
    from emojifier_bot.cli.theme_writer import (
        refuse_theme_folder,
        theme_draft,
        write_drawings,
    )
    from emojifier_bot.config import load_picture_settings
    from emojifier_bot.vision import emojis_dir
    from emojifier_bot.vision.calibration import DECIMALS
    from emojifier_bot.vision.calibration import calibrate as calibrated
    from emojifier_bot.vision.theme_maker import (
        make_drawings,
        point_table,
        read_drawings,
    )
    from emojifier_bot.vision.themes import TABLE_NAME, read_theme

    if not name.strip(". ") or Path(name).name != name:
        raise WrongUsage(f"{name!r} is no name of a folder.")
    target = output or Path(name)
    refuse_theme_folder(target, folder, force=force)
    model = tomllib.loads((emojis_dir() / MODEL_THEME / TABLE_NAME).read_text("utf-8"))
    drawings = make_drawings(read_drawings(folder), model["emoji"])
    left = {one.entry["name"]: one.entry for one in drawings if not one.is_placed}
    readings: Readings = {}
    if photos is not None and left:
        settings = load_picture_settings(face_backend=backend)
        readings = read_proxies(
            list(left), photos, settings, accept_remote=accept_remote
        )
    for shown in readings:
        left.pop(shown).update(mild=True, surprise_only=False)
    _check_mild(drawings, model["emoji"])
    with theme_draft(target) as draft:
        write_drawings(draft, name, drawings)
        if readings:
            for one in calibrated(read_theme(draft), readings).theme.emoji:
                if one.name in readings:
                    entry = next(
                        e.entry for e in drawings if e.entry["name"] == one.name
                    )
                    entry["point"] = point_table(one.point, DECIMALS)
            write_drawings(draft, name, drawings)
    _draw_sheet(target, drawings)
    if left:
        print_err(
            f"Only --surprise chooses {', '.join(sorted(left))}: the names say no "
            "expression. Rename the drawings, or give photos of faces with --photos."
        )
    print_err(f"Use it: emojifier-bot replay photo.jpg --theme {target.resolve()}")


def _check_mild(
    drawings: Sequence[Drawing], known: Iterable[Mapping[str, Any]]
) -> None:
    """Check that there are emoji for faces that the bot is not sure about.

    Raises:
        ThemeError: There are too few; it names others.
    """
    from emojifier_bot.vision.themes import MIN_MILD

    mild = [one.entry["name"] for one in drawings if one.entry.get("mild")]
    if len(mild) >= MIN_MILD:
        return
    others = [one["name"] for one in known if one["mild"] and one["name"] not in mild]
    raise ThemeError(
        f"{len(mild)} of {counted(len(drawings), 'drawing')} may stand for a face "
        f"whose expression is unclear; a theme needs {MIN_MILD}. Name drawings after "
        f"the eight emotions, or after {', '.join(others)}; or give photos of faces."
    )


def _draw_sheet(folder: Path, drawings: Sequence[Drawing]) -> None:
    from emojifier_bot.vision.contact_sheet import draw_contact_sheet

    drawn = io.BytesIO()
    named = [(one.entry["name"], one.art) for one in drawings]
    draw_contact_sheet(named).save(drawn, "PNG")
    sheet = folder.with_name(f"{folder.name}.sheet.png")
    write_file(sheet, drawn.getvalue(), force=True)
    emoji = counted(len(drawings), "emoji", "emoji")
    print_err(f"Wrote the theme {folder} with {emoji}, and the contact sheet {sheet}.")
