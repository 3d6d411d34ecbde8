"""``worker``: one more process that does the bot's jobs."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated

import typer


def worker(
    with_parent: Annotated[
        bool,
        typer.Option(help="End when standard input closes.", hidden=True),
    ] = False,
) -> None:
    """Do the bot's jobs until told to end; run as many as there are cores."""
    from emojifier_bot.app.bot import run_job_worker
    from emojifier_bot.config import bot_problems, load_settings
    from emojifier_bot.errors import ConfigError
    from emojifier_bot.logs import configure_logging

    settings = load_settings()
    if problems := bot_problems(settings):
        raise ConfigError(problems)
    configure_logging(settings.log_level, settings.log_format)
    if with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    raise typer.Exit(run_job_worker(settings))


def _end_with_parent() -> None:
    """Wait until the other end of standard input is gone, then end this process."""
    # Not by `sys.stdin`, whose lock this thread would hold when the process ends.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
