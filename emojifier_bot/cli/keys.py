"""``keys``: the keys that tokens are encrypted with."""

from __future__ import annotations

import click

from emojifier_bot.cli.console import FAILED, VerbGroup, counted, print_err


@click.group(cls=VerbGroup, no_args_is_help=True)
def keys() -> None:
    """Make or rotate the keys that tokens are encrypted with."""


@keys.command("new")
def new_key() -> None:
    """Print a new key for ENCRYPTION_KEYS."""
    from emojifier_bot.db.crypto import generate_key

    print(generate_key())


@keys.command("rotate")
def rotate_keys() -> None:
    """Encrypt everything anew with the first key of ENCRYPTION_KEYS.

    Put the new key before the old ones, restart the bot everywhere, run this. Keep
    the old keys for 30 days: jobs that ended are remembered that long. Nothing stands
    still meanwhile.
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
