"""The bot in processes of its own: web and worker, one of each or many."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

import requests

from tests.fakes.slack.delivery import Delivery
from tests.fakes.slack_server import SlackServer

ROOT = Path(__file__).parents[1]
KEY = "B3nI1zPvjUTHEhHVo4zLFAFwvMPU4ZgQ0qYjvIZkx8E="
#: A worker drains for 20 s, and machines may be busy.
END_SECONDS = 60


@contextmanager
def process(
    verb: str, *options: str, slack: SlackServer, database: str, folder: Path, **more
) -> Iterator[subprocess.Popen]:
    """Run a verb in a home of its own until the end; it must end well."""
    for name in ("home", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    own = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    settings = {"DATABASE_URL": database, "PORT": "0", "ENCRYPTION_KEYS": KEY}
    environment = os.environ | slack.environment | own | settings | more
    with subprocess.Popen(
        [sys.executable, "-m", "emojifier_bot", verb, *options],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.terminate()
            assert running.wait(END_SECONDS) == 0


def address_of(web: subprocess.Popen) -> str:
    """Return where a web process listens, once it does."""
    return web.stdout.readline().split()[-1]


@contextmanager
def running_fleet(
    slack: SlackServer, database: str, folder: Path, *, webs: int, workers: int, **more
) -> Iterator[list[str]]:
    """Run web processes and workers on one database; give the webs' addresses."""

    def start(verb: str, number: int, *options: str) -> subprocess.Popen:
        own = folder / f"{verb}-{number}"
        running = process(
            verb, *options, slack=slack, database=database, folder=own, **more
        )
        return stack.enter_context(running)

    with ExitStack() as stack:
        # The first one makes the tables while the others wait for them.
        serving = [start("serve", number, "--no-worker") for number in range(webs)]
        for number in range(workers):
            start("worker", number)
        yield [address_of(web) for web in serving]


class InTurn(Delivery):
    """Sends each request to the next of several web processes."""

    def through(self, urls: Iterable[str]) -> InTurn:
        """Begin with the first."""
        self._turn = cycle(urls)
        return self

    def _post(self, body: bytes, headers: dict[str, str]) -> requests.Response:
        self.bot_url = next(self._turn)
        return super()._post(body, headers)
