"""``migrate``: the tables in the shape of this version, or back in that of another."""

from __future__ import annotations

import click

from emojifier_bot.cli.console import WRONG_USAGE, print_err


@click.command
@click.option(
    "--to",
    default="",
    show_default=False,
    help="An older shape to go back to, as `0001`; the newest by default.",
)
@click.option(
    "--force/--no-force",
    default=False,
    help="Go back although data that is newer gets lost.",
)
def migrate(to: str, force: bool) -> None:
    """Bring the database's tables to this version's shape, or back to an older one.

    Every process does the first of these when it starts. Go back before you run an
    older version, with every process stopped, and keep a backup.
    """
    from emojifier_bot.app.operators import move_tables
    from emojifier_bot.config import load_settings

    if to and not force:
        print_err(
            f"Going back to {to} deletes what it cannot hold. Stop every process, "
            "make a backup, then say so again with --force."
        )
        raise SystemExit(WRONG_USAGE)
    print_err(f"The tables have shape {move_tables(load_settings(), to)}.")
