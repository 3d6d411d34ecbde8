"""The command line: one file for each verb, one line here to add it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from emojifier_bot import __version__
from emojifier_bot.cli.bench import bench
from emojifier_bot.cli.calibrate import calibrate
from emojifier_bot.cli.check import check
from emojifier_bot.cli.compare import compare
from emojifier_bot.cli.jobs import jobs_app
from emojifier_bot.cli.keys import keys_app
from emojifier_bot.cli.manifest import manifest
from emojifier_bot.cli.migrate import migrate
from emojifier_bot.cli.models import models_app
from emojifier_bot.cli.replay import replay
from emojifier_bot.cli.report import say
from emojifier_bot.cli.serve import serve
from emojifier_bot.cli.themes import themes_app
from emojifier_bot.cli.worker import worker
from emojifier_bot.cli.workspace import workspace_app
from emojifier_bot.errors import ConfigError, EmojifierError

FAILED, WRONG_USAGE = 1, 2
PROGRAM = "emojifier-bot"


class FriendlyGroup(TyperGroup):
    """Shows our own errors as the sentences they are, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a verb; its errors become an exit code."""
        try:
            return super().invoke(ctx)
        except EmojifierError as error:
            say(error.message)
            wrong = isinstance(error, ConfigError)
            raise typer.Exit(WRONG_USAGE if wrong else FAILED) from error


def _show_version(asked: bool) -> None:
    if asked:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _main(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the version and stop.",
        ),
    ] = False,
) -> None:
    """Put an emoji over every face in a picture, matched to its expression.

    Exit codes: 0 done, 1 some picture failed, 2 wrong usage.
    """


# A verb's module imports what is heavy inside its function, so that `--help` is quick.
# Help and errors are plain text: a box would break long file names.
app = typer.Typer(
    cls=FriendlyGroup,
    callback=_main,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(replay)
app.command()(serve)
app.command()(worker)
app.add_typer(jobs_app, name="jobs")
app.add_typer(keys_app, name="keys")
app.add_typer(workspace_app, name="workspace")
app.add_typer(models_app, name="models")
app.add_typer(themes_app, name="themes")
app.command()(migrate)
app.command()(manifest)
app.command()(check)
app.command()(calibrate)
app.command()(compare)
app.command()(bench)


def run() -> None:
    """Run the command line of this process."""
    app(prog_name=PROGRAM)
