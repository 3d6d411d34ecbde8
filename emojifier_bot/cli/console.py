"""What people read and answer while the command line works, and JSON for programs.

Notes, problems and progress go to standard error: standard output may carry a picture.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from emojifier_bot.config import PictureSettings

#: Exit codes.
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

recursive_option = click.option(
    "-r", "--recursive", is_flag=True, help="Read subfolders too."
)
theme_option = click.option(
    "--theme", help="The set of emoji: a theme's name, or the path of its folder."
)
backend_option = click.option(
    "--backend", help="The face back end: what finds and reads the faces."
)
accept_remote_option = click.option(
    "--accept-remote",
    is_flag=True,
    help="Send pictures to a hosted back end without asking.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON to stdout."
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


def print_err(text: str) -> None:
    """Write a line to standard error, if there is one."""
    click.echo(text, err=True)


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
            try:
                yield lambda done, total: bar.update(task, completed=done, total=total)
            finally:
                self._console = None


def progress_bar(title: str) -> AbstractContextManager[Callable[[int, int], None]]:
    """Show a bar while the block runs; the function given takes done and total."""
    return Reporter().progress(title)


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
            "--accept-remote if they may, or --backend local."
        )
    if not click.confirm("Send?", err=True):
        raise WrongUsage("Nothing was sent. --backend local reads the faces here.")
