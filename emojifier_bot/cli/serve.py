"""``serve``: the web process, and beside it one worker that is kept alive."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

logger = logging.getLogger(__name__)

#: A worker that ended is started again after this long, doubled while it keeps ending.
RESTART_SECONDS, MOST_RESTART_SECONDS = 1.0, 30.0
#: A worker that ran for so long ended for a new reason.
SETTLED_SECONDS = 60.0
#: A worker that was told to end has this long; it drains for up to 20 s.
END_SECONDS = 35.0
#: The option of `worker` that ends it when this process is gone.
WITH_PARENT = "--with-parent"
#: How often the worker is looked at.
LOOK_SECONDS = 0.2


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on instead of HOST.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port instead of PORT; 0 picks a free one."
        ),
    ] = None,
    with_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Run a worker beside it.")
    ] = True,
) -> None:
    """Run the Slack bot: answer Slack and browsers, and do the jobs beside it."""
    from emojifier_bot.app.bot import open_web
    from emojifier_bot.config import bot_problems, load_settings
    from emojifier_bot.errors import ConfigError
    from emojifier_bot.logs import configure_logging

    settings = load_settings(host=host, port=port)
    if problems := bot_problems(settings):
        raise ConfigError(problems)
    configure_logging(settings.log_level, settings.log_format)
    with open_web(settings) as server, _worker(wanted=with_worker):
        print(f"Listening on http://{settings.host}:{server.port}", flush=True)
        server.run_until_signal()


@contextmanager
def _worker(*, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    keeper = WorkerKeeper(
        [sys.executable, "-m", "emojifier_bot", "worker", WITH_PARENT]
    )
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()


class WorkerKeeper:
    """Runs a command and starts it again whenever it ends."""

    def __init__(self, command: list[str]) -> None:
        """Keep the command; `start` runs it."""
        self._command = command
        self._told_to_end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="worker keeper")

    def start(self) -> None:
        """Run the command and watch it, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the command, kindly at first, and wait until it has."""
        self._told_to_end.set()
        self._thread.join()

    def _keep(self) -> None:
        wait = RESTART_SECONDS
        while not self._told_to_end.is_set():
            began = time.monotonic()
            code = self._run_once()
            if self._told_to_end.is_set():
                return
            settled = time.monotonic() - began > SETTLED_SECONDS
            wait = RESTART_SECONDS if settled else min(wait * 2, MOST_RESTART_SECONDS)
            facts = {"action": "restart_worker", "code": code, "wait_seconds": wait}
            logger.warning("The worker ended and is started again", extra=facts)
            self._told_to_end.wait(wait)

    def _run_once(self) -> int:
        # The pipe closes with this process, however it ends: no worker outlives it.
        with subprocess.Popen(self._command, stdin=subprocess.PIPE) as process:  # noqa: S603 - our own
            while process.poll() is None and not self._told_to_end.is_set():
                time.sleep(LOOK_SECONDS)
            if process.poll() is None:
                _end(process)
            return process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
