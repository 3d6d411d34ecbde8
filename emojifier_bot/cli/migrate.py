"""``migrate``: the tables in the shape of this version, or back in that of another."""

from __future__ import annotations

from typing import Annotated

import typer

from emojifier_bot.cli.report import say

WRONG_USAGE = 2


def migrate(
    to: Annotated[
        str,
        typer.Option(
            help="An older shape to go back to, as `0001`; the newest by default."
        ),
    ] = "",
    force: Annotated[
        bool, typer.Option(help="Go back although data that is newer gets lost.")
    ] = False,
) -> None:
    """Bring the database's tables to this version's shape, or back to an older one.

    Every process does the first of these when it starts. Go back before you run an
    older version, with every process stopped, and keep a backup.
    """
    from emojifier_bot.app.operators import move_tables
    from emojifier_bot.config import load_settings

    if to and not force:
        say(
            f"Going back to {to} deletes what it cannot hold. Stop every process, "
            "make a backup, then say so again with --force."
        )
        raise typer.Exit(WRONG_USAGE)
    say(f"The tables have shape {move_tables(load_settings(), to)}.")
