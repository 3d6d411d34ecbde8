"""What people read and answer while the command line works, and JSON for programs.

Notes, problems and progress go to standard error: standard output may carry a picture.
"""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import click

from emojifier_bot.config import settings_table
from emojifier_bot.emotion_models import ReadingMode

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem
    from rich.console import Console
    from rich.progress import Progress

    from emojifier_bot.config import PictureSettings

#: Exit codes.
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

MISSING = (
    "The package {name} is not installed. The Slack bot's commands need the extra "
    "`bot`: docs/python.md says how to install it."
)

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Number(click.ParamType[Any]):
    """A number within a range, which help and errors name in words."""

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most
        #: What help shows in place of the value.
        self.name = f"{least:g}-{most:g}"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Read a whole number if both ends are whole, else any."""
        kind = type(self.least)
        try:
            number = kind(value)
        except ValueError:
            number = None
        if number is None or not self.least <= number <= self.most:
            whole = "a whole number" if kind is int else "a number"
            self.fail(
                f"{value!r} is not {whole} from {self.least:g} to {self.most:g}.",
                param,
                ctx,
            )
        return number


class ThemeName(click.Path):
    """A theme's name or folder; the shell completes both."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names of the themes that ship with us, then folders."""
        from click.shell_completion import CompletionItem

        from emojifier_bot.vision import emojis_dir

        names = sorted(one.name for one in emojis_dir().iterdir() if one.is_dir())
        known = [CompletionItem(one) for one in names if one.startswith(incomplete)]
        return known or super().shell_complete(ctx, param, incomplete)


def setting_option(
    flag: str, setting: str, **options: Any
) -> Callable[[_Command], _Command]:
    """Return an option that wins over a setting, whose name and default help shows."""
    (row,) = (one for one in settings_table() if one.name == setting)

    def check(_ctx: click.Context, _param: click.Parameter, value: Any) -> Any:
        try:
            return value if value is None else row.kind.read(str(value))
        except ValueError:
            raise click.BadParameter(f"It must be {row.kind.words}.") from None

    default = f"{row.variable}, else {row.default or 'none'}"
    return click.option(flag, show_default=default, callback=check, **options)


recursive_option = click.option(
    "-r", "--recursive", is_flag=True, help="Read subfolders too."
)
theme_option = setting_option(
    "--theme",
    "theme",
    metavar="NAME",
    type=ThemeName(file_okay=False),
    help="The set of emoji: a theme's name, or the path of its folder.",
)
backend_option = setting_option(
    "--backend",
    "face_backend",
    metavar="NAME",
    help="The face back end: what finds and reads the faces.",
)
accept_remote_option = click.option(
    "--accept-remote",
    is_flag=True,
    help="Send pictures to a hosted back end without asking.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON to standard output."
)


class VerbGroup(click.Group):
    """Lists its verbs in the order in which they are defined."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return their names."""
        return list(self.commands)


class WrongUsage(click.UsageError):
    """The command makes no sense as typed: shown with the usage, exit code 2."""


def shown(text: str) -> str:
    r"""Return a name as one readable line.

    >>> shown("new\nline \udcff.jpg")
    'new\\nline \\udcff.jpg'
    """
    return "".join(
        char if char.isprintable() else ascii(char)[1:-1] for char in str(text)
    )


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    >>> counted(1, "face"), counted(2, "face")
    ('1 face', '2 faces')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def missing_extra(error: ModuleNotFoundError) -> str:
    """Return a sentence about packages of the bot, which are an extra.

    Raises:
        ModuleNotFoundError: It is one of our own modules: that is a bug.
    """
    if (error.name or "").startswith(__package__.partition(".")[0]):
        raise error
    return MISSING.format(name=error.name)


def print_err(text: str) -> None:
    """Write a line to standard error, if there is one that takes it."""
    with suppress(OSError):
        click.echo(text, err=True)


def end_unwritten(error: OSError) -> None:
    """Say that a file or standard output could not be used, and write no more to it.

    Where the reader of a pipe is gone, nothing is said.
    """
    # What is still buffered would fail again when the process ends.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno != errno.EPIPE:
        where = "Standard output" if error.filename is None else shown(error.filename)
        print_err(f"{where} cannot be used: {error.strerror or error}.")


def print_json(figures: Mapping[str, Any]) -> None:
    """Print one object to standard output; JSON has no NaN, so None stands for it."""
    print(json.dumps(without_nan(figures), allow_nan=False))


def without_nan(figures: Any) -> Any:
    """Return figures with None for what is not defined.

    >>> without_nan({"ap": float("nan"), "rows": [1.0]})
    {'ap': None, 'rows': [1.0]}
    """
    if isinstance(figures, Mapping):
        return {name: without_nan(value) for name, value in figures.items()}
    if isinstance(figures, list | tuple):
        return [without_nan(value) for value in figures]
    is_nan = isinstance(figures, float) and math.isnan(figures)
    return None if is_nan else figures


class Reporter:
    """Notes, problems and the progress bar of one run; ``quiet`` keeps the problems."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        #: Of the bar, while there is one.
        self._console: Console | None = None
        self._bar: Progress | None = None

    def note(self, text: str) -> None:
        """Write what a quiet run leaves out."""
        if not self.quiet:
            self.problem(text)

    def problem(self, text: str) -> None:
        """Write what went wrong, above the bar if there is one."""
        if self._console is None:
            print_err(text)
            return
        from rich.text import Text

        self._console.print(Text(text), soft_wrap=True)

    @contextmanager
    def progress(
        self, title: str, total: int | None = None
    ) -> Iterator[Callable[[int, int], None]]:
        """Show a bar while the block runs, on a terminal only.

        Returns:
            A function that moves it to so many of so many.
        """
        if self.quiet or sys.stderr is None or not sys.stderr.isatty():
            yield lambda _done, _total: None
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bar:
            task, self._console = bar.add_task(title, total=total), bar.console
            self._bar = bar
            try:
                yield lambda done, total: bar.update(task, completed=done, total=total)
            finally:
                self._console = self._bar = None

    @contextmanager
    def part(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """Show a second bar below the first, once its function is called.

        Returns:
            A function that moves it to so many of so many.
        """
        bar = self._bar
        if bar is None:
            yield lambda _done, _total: None
            return
        task = bar.add_task(title, total=None, visible=False)
        try:
            yield lambda done, total: bar.update(
                task, completed=done, total=total, visible=True
            )
        finally:
            bar.remove_task(task)


def progress_bar(title: str) -> AbstractContextManager[Callable[[int, int], None]]:
    """Show a bar while the block runs; the function given takes done and total."""
    return Reporter().progress(title)


def must_read_expressions(settings: PictureSettings) -> None:
    """Go on only if expressions may be read.

    Raises:
        WrongUsage: A setting says that they may not.
    """
    if settings.reading != ReadingMode.EXPRESSIONS:
        raise WrongUsage(
            f"EMOJIFIER_READING is {settings.reading}, and this command reads the "
            "expressions of photos. Set it to expressions for this run."
        )


def agree_to_send(settings: PictureSettings, pictures: int, *, accepted: bool) -> None:
    """Go on only if no picture leaves this machine, or somebody agrees that it does.

    Args:
        settings: Name the back end.
        pictures: How many there are.
        accepted: Whether ``--accept-remote`` was given.

    Raises:
        WrongUsage: Nobody can be asked, or the answer is no.
    """
    from emojifier_bot.app import face_service
    from emojifier_bot.vision.analyzers.registry import PRICES_AS_OF

    service = face_service(settings)
    if service is None or accepted or not pictures:
        return
    cost = "Its own pages say what that costs."
    if (price := service.usd_per_1000) is not None:
        cost = (
            f"That costs about US$ {price * pictures / 1000:.3f} (list price US$ "
            f"{price:.2f} per 1,000, {PRICES_AS_OF}; check the vendor's page)."
        )
    print_err(
        f"{counted(pictures, 'picture')} will be sent to {service.title}, which reads "
        f"the faces under its own terms. {cost}"
    )
    if not (sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()):
        raise WrongUsage(
            f"Nobody can be asked whether pictures may go to {service.title}. Add "
            "--accept-remote if they may; the back end `local` reads the faces here."
        )
    if not click.confirm("Send?", err=True):
        raise WrongUsage("Nothing was sent. The back end `local` reads the faces here.")
