"""The command line: a verb is a function of a file here, and a line in `VERBS`."""

from __future__ import annotations

import os
from pkgutil import resolve_name
from typing import Any

import click

from emojifier_bot import __version__
from emojifier_bot.cli.console import (
    FAILED,
    INTERRUPTED,
    WRONG_USAGE,
    VerbGroup,
    print_err,
)
from emojifier_bot.errors import ConfigError, EmojifierError

PROGRAM = "emojifier-bot"
#: Each verb and the module of this package that has the command of that name, in the
#: order of the help. A module is loaded when its verb is called; what is heavy it
#: imports inside its functions, so that `--help` is quick.
VERBS = {
    "replay": "replay",
    "serve": "serve",
    "worker": "serve",
    "migrate": "database",
    "manifest": "check",
    "check": "check",
    "calibrate": "calibrate",
    "compare": "compare",
    "bench": "bench",
    "jobs": "jobs",
    "keys": "database",
    "workspace": "database",
    "models": "shipped",
    "themes": "shipped",
}


CONTEXT = {"help_option_names": ["-h", "--help"], "show_default": True}


class ErrorGroup(VerbGroup):
    """Shows our own errors as the sentences they are, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; its errors become an exit code."""
        try:
            return super().invoke(ctx)
        except EmojifierError as error:
            print_err(error.message)
            wrong = isinstance(error, ConfigError)
            raise SystemExit(WRONG_USAGE if wrong else FAILED) from error
        except KeyboardInterrupt as error:
            raise SystemExit(INTERRUPTED) from error


class LazyGroup(ErrorGroup):
    """Loads the module of a verb when it is called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the help."""
        return list(VERBS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Load a verb."""
        if name not in VERBS:
            return None
        command: click.Command = resolve_name(f"emojifier_bot.cli.{VERBS[name]}:{name}")
        return command


@click.group(cls=LazyGroup, no_args_is_help=True, context_settings=CONTEXT)
@click.version_option(
    __version__, message=f"{PROGRAM} %(version)s", help="Show the version and exit."
)
def app() -> None:
    """Put an emoji over every face in a picture, matched to its expression.

    Exit codes: 0 success, 1 a picture failed, 2 wrong usage.
    """


def run() -> None:
    """Run the command line of this process."""
    # Before numpy is imported: by then it starts a thread for each core, for products
    # of large matrices. Nothing here has any.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    app(prog_name=PROGRAM)
