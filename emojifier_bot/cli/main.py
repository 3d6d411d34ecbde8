"""The command line: a verb is a function of a file here, and a line in `VERBS`."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import click

from emojifier_bot import __version__
from emojifier_bot.cli.console import (
    FAILED,
    INTERRUPTED,
    WRONG_USAGE,
    VerbGroup,
    WrongUsage,
    end_unwritten,
    missing_extra,
    print_err,
)
from emojifier_bot.errors import ConfigError, EmojifierError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PROGRAM = "emojifier-bot"
#: Each verb and the module of this package that has the command of that name, by the
#: sections of the help. A module is loaded when its verb is called; what is heavy it
#: imports inside its functions, so that `--help` is quick.
SECTIONS = {
    "Pictures": {
        "replay": "replay",
        "compare": "compare",
        "bench": "bench",
    },
    "Emoji and models": {
        "themes": "themes",
        "calibrate": "calibrate",
        "models": "shipped",
    },
    "The Slack bot": {
        "manifest": "check",
        "check": "check",
        "serve": "serve",
        "worker": "serve",
        "jobs": "jobs",
    },
    "Stored data": {
        "migrate": "database",
        "keys": "database",
        "workspace": "database",
    },
    "The shell": {"completion": "main"},
}
VERBS = {name: file for verbs in SECTIONS.values() for name, file in verbs.items()}
#: What pictures, folders, patterns and addresses are for when no verb is given.
DEFAULT_VERB = "replay"


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
        except ModuleNotFoundError as error:
            print_err(missing_extra(error))
            raise SystemExit(FAILED) from error
        except KeyboardInterrupt as error:
            raise SystemExit(INTERRUPTED) from error


class LazyGroup(ErrorGroup):
    """Loads the module of a verb when it is called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the help."""
        return list(VERBS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Load a verb."""
        return _command(name) if name in VERBS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; a picture or folder in its place stands for `replay`."""
        first = args[0]
        if first not in VERBS and is_input(first):
            args = [DEFAULT_VERB, *args]
        elif not (first in VERBS or first.startswith("-") or ctx.resilient_parsing):
            nearest = get_close_matches(first, VERBS, 1)
            hint = f" Did you mean {nearest[0]}?" if nearest else ""
            raise WrongUsage(f"There is no command and no file {first!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self, _ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the verbs, by sections."""
        # Room for the longest name in each, so that the columns are in line.
        limit = formatter.width - 6 - max(map(len, VERBS))
        width = max(map(len, VERBS))
        for title, verbs in SECTIONS.items():
            rows = [
                (name.ljust(width), _command(name).get_short_help_str(limit))
                for name in verbs
            ]
            with formatter.section(title):
                formatter.write_dl(rows)

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[CompletionItem]:
        """Return the verbs and options that begin so, then files."""
        from click.shell_completion import CompletionItem

        files = CompletionItem(incomplete, type="file")
        return [*super().shell_complete(ctx, incomplete), files]


def _command(name: str) -> click.Command:
    command: click.Command = resolve_name(f"emojifier_bot.cli.{VERBS[name]}:{name}")
    return command


def is_input(given: str) -> bool:
    """Return whether a word is a picture, a folder, a pattern or an address."""
    from emojifier_bot.cli.inputs import STANDARD_STREAM, is_address, is_pattern
    from emojifier_bot.vision.formats import format_for

    return (
        given == STANDARD_STREAM
        or os.path.lexists(given)
        or is_address(given)
        or is_pattern(given)
        or format_for(os.path.splitext(given)[1]) is not None  # noqa: PTH122 - see above
    )


@click.group(cls=LazyGroup, no_args_is_help=True, context_settings=CONTEXT)
@click.version_option(
    __version__, message=f"{PROGRAM} %(version)s", help="Show the version and exit."
)
def app() -> None:
    """Put an emoji over every face in a picture, matched to its expression.

    Given a picture or a folder in place of a command, it runs `replay`.

    Exit codes: 0 success, 1 a picture failed, 2 wrong usage.
    """


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), help="The shell.")
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script for a shell that completes what you type.

    It knows commands, options and files. For bash add this line to ~/.bashrc:

    \b
    eval "$(emojifier-bot completion bash)"

    For zsh these to ~/.zshrc; the first may be there already:

    \b
    autoload -U compinit; compinit
    eval "$(emojifier-bot completion zsh)"

    For fish add this line to ~/.config/fish/config.fish:

    \b
    emojifier-bot completion fish | source
    """  # noqa: D301 - a real backspace, which keeps click from wrapping a line
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    kinds = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
    root = ctx.find_root()
    program = root.info_name or ""
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    print(kinds[shell](root.command, {}, program, variable).source())


def run() -> None:
    """Run the command line of this process."""
    # Before numpy is imported: by then it starts a thread for each core, for products
    # of large matrices. Nothing here has any.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # OpenCV's threads gain nothing on regions of a face's size, and after each call
    # they wait busily for the next one: a sixth of a picture's processor time.
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    try:
        try:
            app(prog_name=PROGRAM)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        end_unwritten(error)
        raise SystemExit(FAILED) from error
