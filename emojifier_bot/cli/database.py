"""``migrate``, ``keys`` and ``workspace``: what operators do to what is stored."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from emojifier_bot.cli.console import (
    FAILED,
    VerbGroup,
    WrongUsage,
    counted,
    print_err,
    shown,
)
from emojifier_bot.cli.outputs import write_file

#: Only who made the file may read it: it says who posted what.
OWNER_ONLY = 0o600
_TEAM_ID = re.compile(r"[TE][A-Z0-9]{1,30}")


@click.command
@click.option(
    "--to",
    metavar="SCHEMA",
    default="",
    show_default="the newest",
    help="The older schema to go back to, such as `0001`.",
)
@click.option(
    "--force/--no-force",
    default=False,
    help="Go back although data that the older schema cannot hold is deleted.",
)
@click.option(
    "--from",
    "source",
    metavar="DATABASE_URL",
    default="",
    show_default="nothing is copied",
    help="Copy everything from this database into the empty one of DATABASE_URL.",
)
def migrate(to: str, force: bool, source: str) -> None:
    """Migrate the database to another schema, or copy it.

    Without options it gets the schema of this version, with --to an older one.
    Every process migrates forward when it starts. Migrate back before you run an older
    version: stop every process and back up the database first.

    With --from, installations, posts, opt-outs, switched-off channels and limits are
    copied, from SQLite to PostgreSQL or back. Stop every process first.
    """
    from emojifier_bot.app.operators import copy_database, move_tables
    from emojifier_bot.config import load_settings

    if source and to:
        raise WrongUsage("--from copies into the newest schema: leave --to out.")
    if source:
        copied = copy_database(load_settings(), _database_url(source))
        counts = (counted(rows, "row") for rows in copied.values())
        print_err(
            "Copied: "
            + ", ".join(
                f"{name} {rows}" for name, rows in zip(copied, counts, strict=True)
            )
        )
        return
    if to:
        _check_schema(to, force=force)
    print_err(f"The tables have schema {move_tables(load_settings(), to)}.")


def _check_schema(to: str, *, force: bool) -> None:
    from emojifier_bot.db.migrate import is_older_schema, older_schemas

    if not is_older_schema(to):
        raise WrongUsage(f"There is no schema {shown(to)}: --to. {older_schemas()}")
    if not force:
        raise WrongUsage(
            f"Going back to {to} deletes what it cannot hold. Stop every process, make "
            "a backup, then add --force."
        )


def _database_url(given: str) -> str:
    from emojifier_bot.config.settings import DATABASE_URL

    try:
        return str(DATABASE_URL.read(given))
    except ValueError:
        raise WrongUsage(f"--from must be {DATABASE_URL.words}.") from None


@click.group(cls=VerbGroup, no_args_is_help=True)
def keys() -> None:
    """Create or rotate the keys that tokens are encrypted with."""


@keys.command("new")
def new_key() -> None:
    """Print a new key for ENCRYPTION_KEYS."""
    from emojifier_bot.db.crypto import generate_key

    print(generate_key())


@keys.command("rotate")
def rotate_keys() -> None:
    """Re-encrypt everything with the first key of ENCRYPTION_KEYS.

    First add the new key after the old ones and restart every process, then move it
    before them and restart once more; then run this. The bot keeps working meanwhile.
    Keep the old keys for 30 days: that is how long jobs that have ended are stored.
    """
    from emojifier_bot.app.operators import rotate_encryption
    from emojifier_bot.config import load_settings

    done = rotate_encryption(load_settings())
    print_err(f"{counted(done.renewed, 'secret')} encrypted anew with the first key.")
    if done.unreadable:
        many = counted(done.unreadable, "secret")
        print_err(
            f"{many} can be read with none of the keys: put the missing key back."
        )
        raise SystemExit(FAILED)


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
    """Export or delete everything that is stored about a workspace."""


@workspace.command("export")
@team_id_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default="standard output",
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
def export(team_id: str, output: Path | None, force: bool) -> None:
    """Print everything stored about a workspace as JSON, without tokens."""
    kept = _kept(team_id)
    _fail_if_empty(team_id, kept)
    # A row on each line.
    tables = (
        f"{json.dumps(name)}: [\n" + ",\n".join(rows) + "\n]"
        for name, rows in kept.items()
    )
    text = "{\n" + ",\n".join(tables) + "\n}\n"
    if output is None:
        print(text, end="")
    else:
        write_file(output, text.encode(), force=force, mode=OWNER_ONLY)


@workspace.command("delete")
@team_id_argument
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(team_id: str, yes: bool) -> None:
    """Delete everything that is stored about a workspace.

    Its token, its settings, the log of its posts and its jobs are deleted, running jobs
    included. Slack is not told: the app stays installed there, and what the bot posted
    stays until someone deletes it. If SLACK_BOT_TOKEN holds the workspace's token,
    remove it from the settings first: a bot that starts with it stores data again.
    """
    from emojifier_bot.app.operators import delete_workspace
    from emojifier_bot.config import load_settings

    kept = _kept(team_id)
    _fail_if_empty(team_id, kept)
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


def _kept(team_id: str) -> dict[str, list[str]]:
    from emojifier_bot.app.operators import export_workspace
    from emojifier_bot.config import load_settings

    return export_workspace(load_settings(), team_id)


def _fail_if_empty(team_id: str, kept: dict[str, list[str]]) -> None:
    if not any(kept.values()):
        print_err(f"Nothing is kept about {team_id}.")
        raise SystemExit(FAILED)
