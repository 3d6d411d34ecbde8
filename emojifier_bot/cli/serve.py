"""``serve``: the web process, and beside it one ``worker`` that is kept alive."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from emojifier_bot.cli.console import Number, setting_option

if TYPE_CHECKING:
    from emojifier_bot.config import Settings

logger = logging.getLogger(__name__)

#: A worker that ended is started again after this long, doubled while it keeps ending.
RESTART_SECONDS, MOST_RESTART_SECONDS = 1.0, 30.0
#: A worker that ran for so long ended for a new reason.
SETTLED_SECONDS = 60.0
#: A worker that is terminated has this long to end; it drains for up to 20 s.
END_SECONDS = 35.0
#: The option of `worker` that ends it when this process is gone.
WITH_PARENT = "--with-parent"
#: How often the worker is polled.
POLL_SECONDS = 0.2


@click.command
@setting_option("--host", "host", metavar="ADDRESS", help="The address to listen on.")
@setting_option(
    "--port",
    "port",
    type=Number(0, 65535),
    help="The port to listen on; 0 picks a free one.",
)
@click.option(
    "--worker/--no-worker", "with_worker", default=True, help="Also run a worker."
)
def serve(host: str | None, port: int | None, with_worker: bool) -> None:
    """Run the Slack bot: its web server, and a worker beside it."""
    from emojifier_bot.app.bot import open_web

    settings = _bot_settings(host=host, port=port)
    with (
        open_web(settings) as server,
        _running_worker() if with_worker else nullcontext(),
    ):
        print(f"Listening on http://{settings.host}:{server.port}", flush=True)
        if settings.slack_app_token:
            print("Connected to Slack by Socket Mode", flush=True)
        server.run_until_signal()


@click.command
@click.option(
    WITH_PARENT, is_flag=True, hidden=True, help="End when standard input closes."
)
def worker(with_parent: bool) -> None:
    """Run the bot's jobs until terminated. Start one for every two cores."""
    from emojifier_bot.app.bot import run_job_worker

    settings = _bot_settings()
    if with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    raise SystemExit(run_job_worker(settings))


def _bot_settings(**options: Any) -> Settings:
    """Read the settings that the bot needs, and have the log written as they say.

    Raises:
        ConfigError: Some are missing or wrong.
    """
    from emojifier_bot.config import bot_problems, load_settings
    from emojifier_bot.errors import ConfigError
    from emojifier_bot.logs import configure_logging

    settings = load_settings(**options)
    if problems := bot_problems(settings):
        raise ConfigError(problems)
    configure_logging(settings.log_level, settings.log_format)
    return settings


def _end_with_parent() -> None:
    """Wait until the other end of standard input is gone, then end this process."""
    # Not by `sys.stdin`, whose lock this thread would hold when the process ends.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _running_worker() -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=_keep_worker, args=[stopping])
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _keep_worker(stopping: threading.Event) -> None:
    """Run a worker, and start it again whenever it ends."""
    wait = RESTART_SECONDS
    while not stopping.is_set():
        began = time.monotonic()
        code = _run_worker(stopping)
        if stopping.is_set():
            return
        settled = time.monotonic() - began > SETTLED_SECONDS
        wait = RESTART_SECONDS if settled else min(wait * 2, MOST_RESTART_SECONDS)
        facts = {"action": "restart_worker", "code": code, "wait_seconds": wait}
        logger.warning("The worker ended and is started again", extra=facts)
        stopping.wait(wait)


def _run_worker(stopping: threading.Event) -> int:
    command = [sys.executable, "-m", "emojifier_bot", "worker", WITH_PARENT]
    # The pipe closes with this process, however it ends: no worker outlives it.
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:  # noqa: S603 - our own
        while process.poll() is None and not stopping.is_set():
            time.sleep(POLL_SECONDS)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.wait()
