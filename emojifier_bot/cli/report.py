"""What a person reads while the command line works: all of it on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress


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


def say(text: str) -> None:
    """Write a line to standard error, if there is one."""
    # `print` would take standard output for None, and that may carry a picture.
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


class WrongUsage(typer.BadParameter):
    """What was typed makes no sense: shown with the usage, exit code 2."""

    def format_message(self) -> str:
        """Return the sentence alone, without "Invalid value" before it."""
        return self.message


class Reporter:
    """Notes, problems and progress of one run."""

    def __init__(self, *, quiet: bool) -> None:
        """Start silent; ``quiet`` drops the notes and the progress bar."""
        self.quiet = quiet
        self._progress: Progress | None = None

    def note(self, text: str) -> None:
        """Tell something that a quiet run leaves out."""
        if not self.quiet:
            self.problem(text)

    def problem(self, text: str) -> None:
        """Tell what went wrong."""
        if self._progress is None:
            say(text)
            return
        from rich.text import Text

        self._progress.console.print(Text(text), soft_wrap=True)

    @contextmanager
    def progress(self, total: int) -> Iterator[Progress | None]:
        """Show a bar on a terminal; gives None where there is none."""
        if self.quiet or sys.stderr is None or not sys.stderr.isatty():
            yield None
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as progress:
            progress.add_task("Pictures", total=total)
            self._progress = progress
            try:
                yield progress
            finally:
                self._progress = None

    def advance(self) -> None:
        """Move the bar on by one picture."""
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0])
