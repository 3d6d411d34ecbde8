"""``workspace``: everything that is kept about one, to hand out or to delete."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import click

from emojifier_bot.cli.console import FAILED, VerbGroup, counted, print_err

#: Only who made the file may read it: it says who posted what.
OWNER_ONLY = 0o600
_TEAM_ID = re.compile(r"[TE][A-Z0-9]{1,30}")


def _check_team_id(_ctx: click.Context, _param: click.Parameter, given: str) -> str:
    if not _TEAM_ID.fullmatch(given):
        raise click.BadParameter(
            "must be Slack's id of a workspace, as T0123ABCD, or of an organisation, "
            "as E0123ABCD"
        )
    return given


team_id_argument = click.argument(
    "team_id",
    metavar="TEAM_ID",
    callback=_check_team_id,
    help="Slack's id of the workspace, T…, or of a whole organisation, E….",
)


@click.group(cls=VerbGroup, no_args_is_help=True)
def workspace() -> None:
    """Export or delete everything that is kept about a workspace."""


@workspace.command("export")
@team_id_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file instead of stdout.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
def export(team_id: str, output: Path | None, force: bool) -> None:
    """Print everything that is kept about a workspace as JSON, but no tokens."""
    kept = _kept(team_id)
    text = json.dumps(kept, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        print(text, end="")
    else:
        _write(output, text, force=force)
    if not _rows(kept):
        print_err(f"Nothing is kept about {team_id}.")
        raise SystemExit(FAILED)


@workspace.command("delete")
@team_id_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(team_id: str, yes: bool) -> None:
    """Delete everything that is kept about a workspace.

    Its token goes, its settings, the log of its posts and its jobs, those that run
    too. Slack is not notified: the app stays on the workspace's list, and what the bot
    posted stays, until somebody removes it there. Take the token out of the settings
    first where SLACK_BOT_TOKEN holds it; a bot that starts with it begins anew.
    """
    from emojifier_bot.app.operators import delete_workspace
    from emojifier_bot.config import load_settings

    kept = _kept(team_id)
    if not _rows(kept):
        print_err(f"Nothing is kept about {team_id}.")
        raise SystemExit(FAILED)
    for name, rows in kept.items():
        if rows:
            print_err(f"{name}: {counted(len(rows), 'row')}")
    print_err(
        "All of that is deleted, for good. Nothing is revoked at Slack: the app stays "
        "on the workspace's list and its pictures stay, until an admin removes them."
    )
    if not yes:
        click.confirm(f"Delete everything about {team_id}?", abort=True, err=True)
    delete_workspace(load_settings(), team_id)
    print_err(
        "Deleted. A web process that runs may take requests for another minute; what "
        "comes of them is deleted by the same command then."
    )


def _kept(team_id: str) -> dict[str, Any]:
    from emojifier_bot.app.operators import export_workspace
    from emojifier_bot.config import load_settings

    return export_workspace(load_settings(), team_id)


def _rows(kept: dict[str, Any]) -> int:
    return sum(len(rows) for rows in kept.values())


def _write(file: Path, text: str, *, force: bool) -> None:
    how = os.O_TRUNC if force else os.O_EXCL
    try:
        handle = os.open(file, os.O_CREAT | os.O_WRONLY | how, OWNER_ONLY)
    except FileExistsError as error:
        print_err(f"{file} is there already; --force overwrites it.")
        raise SystemExit(FAILED) from error
    except OSError as error:
        print_err(f"{file} cannot be written: {error.strerror}.")
        raise SystemExit(FAILED) from error
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        # A file that was there keeps its mode otherwise.
        os.fchmod(handle, OWNER_ONLY)
        stream.write(text)
