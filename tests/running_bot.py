"""The bot in processes of its own, as people run it, and a workspace that installed it.

Web and worker, one of each or many; Slack is the fake one, over HTTP.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import IO, Any

import requests
from PIL import Image, ImageChops

from emojifier_bot.slack.messages import render_message
from tests.fakes.slack import SlackServer, SlackUser
from tests.fakes.slack.delivery import Delivery

ROOT = Path(__file__).parents[1]
SAMPLE = (ROOT / "docs" / "sample" / "astronaut.png").read_bytes()
KEY = "B3nI1zPvjUTHEhHVo4zLFAFwvMPU4ZgQ0qYjvIZkx8E="
#: A worker drains for 20 s, and machines may be busy.
END_SECONDS = 180
#: How a process ends that is sent away before it knows signals.
NOT_YET_UP = -signal.SIGTERM
#: The worker loads its models while the first job waits; machines may be busy.
PATIENCE_SECONDS = 120.0
#: What a command is answered that comes while a busy machine is slow with the database,
#: the status of an event and that of a page then, and when and how often they come
#: again: a request that is signed in another second is another request.
APOLOGIES = frozenset(render_message(kind) for kind in ("queue", "store", "busy"))
EVENT_FAILED, PAGE_AWAY = 500, 503
AGAIN_SECONDS, TRIES = 1.5, 40


@contextmanager
def process(
    verb: str,
    *options: str,
    slack: SlackServer,
    database: str,
    folder: Path,
    log: IO[str] | None = None,
    fast: bool = False,
    killed: bool = False,
    starting: bool = False,
    **more: str,
) -> Iterator[subprocess.Popen]:
    """Run a verb in a home of its own until the end of the block.

    Args:
        verb: ``"serve"`` or ``"worker"``.
        options: Its options.
        slack: Whom it talks to.
        database: URL of its database.
        folder: Where its home and its temporary files are.
        log: Where its standard error goes.
        fast: It is the worker of `tests.fast_worker`.
        killed: It is killed at the end; otherwise it is told to end and must do well.
        starting: It may still be starting then, where it knows no signals yet.
        more: Further variables of its environment.
    """
    for name in ("home", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    own = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    settings = {"DATABASE_URL": database, "PORT": "0", "ENCRYPTION_KEYS": KEY}
    environment = os.environ | slack.environment | own | settings | more
    command = ["tests.fast_worker"] if fast else ["emojifier_bot", verb, *options]
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        # As services have it: Linux shares the processor among sessions.
        start_new_session=True,
    ) as running:
        try:
            yield running
        finally:
            if killed:
                running.kill()
            else:
                running.terminate()
                ends = {0, NOT_YET_UP} if starting else {0}
                assert running.wait(END_SECONDS) in ends


@contextmanager
def serving(slack: SlackServer, *options: str, **parts: Any) -> Iterator[Bot]:
    """Serve the bot as `process` does; Slack sees no problem."""
    with process("serve", *options, slack=slack, **parts) as web:
        yield Bot(slack, address_of(web))
        assert not slack.problems


@contextmanager
def served(folder: Path, **settings: str) -> Iterator[Bot]:
    """Serve the bot on SQLite, with its worker."""
    database = f"sqlite:///{folder / 'bot.db'}"
    with (
        SlackServer() as slack,
        serving(slack, database=database, folder=folder, **settings) as bot,
    ):
        yield bot


def address_of(web: subprocess.Popen) -> str:
    """Return where a web process listens, once it does."""
    return web.stdout.readline().split()[-1]


@contextmanager
def running_fleet(
    slack: SlackServer, database: str, folder: Path, *, webs: int, workers: int
) -> Iterator[list[str]]:
    """Run web processes and workers on one database; give the webs' addresses."""

    def start(verb: str, number: int, *options: str) -> subprocess.Popen:
        own = folder / f"{verb}-{number}"
        running = process(
            verb,
            *options,
            slack=slack,
            database=database,
            folder=own,
            # Nobody waits until each worker is up.
            starting=verb == "worker",
        )
        return stack.enter_context(running)

    with ExitStack() as stack:
        # The first one makes the tables while the others wait for them.
        serving = [start("serve", number, "--no-worker") for number in range(webs)]
        for number in range(workers):
            start("worker", number)
        yield [address_of(web) for web in serving]


class RoundRobin(Delivery):
    """Sends each request to the next of several web processes.

    What a busy machine is too slow for comes again, as Slack and people do it.
    """

    def through(self, urls: Iterable[str]) -> RoundRobin:
        """Begin with the first."""
        self._turn = cycle(urls)
        return self

    def _post(self, body: bytes, headers: dict[str, str]) -> requests.Response:
        for _ in range(TRIES):
            self.bot_url = next(self._turn)
            answer = super()._post(body, headers)
            if not is_turned_away(answer):
                break
            time.sleep(AGAIN_SECONDS)
            headers |= self.signature_of(body)
        return answer


def is_turned_away(answer: requests.Response) -> bool:
    """Tell whether a busy machine was too slow with the database for a request."""
    if answer.status_code == EVENT_FAILED:
        return True
    with suppress(ValueError):
        return answer.json().get("text") in APOLOGIES
    return False


def install(url: str) -> requests.Response:
    """Press *Add to Slack*, again while the page says that the database is away."""
    for _ in range(TRIES):
        page = requests.get(f"{url}/slack/install", timeout=PATIENCE_SECONDS)
        if page.status_code != PAGE_AWAY:
            break
        time.sleep(AGAIN_SECONDS)
    return page


class Bot:
    """A running bot, and a workspace that installed it from a browser.

    Others may install the same bot: each of these adds a workspace.
    Where several web processes run, the installation begins at the first and ends at
    the last, and what people do goes to one after the other.
    """

    def __init__(self, slack: SlackServer, *urls: str) -> None:
        self.slack, self.url, self.urls = slack, urls[0], urls
        slack.switches.patience_seconds = PATIENCE_SECONDS
        self.home = slack.add_workspace("Acme")
        self.ada, self.bob = (self.sit(name) for name in ("ada", "bob"))
        slack.app.redirect_urls = [f"{urls[-1]}/slack/oauth_redirect"]
        slack.switches.consent_team_id = self.home.team_id
        self.installed = install(self.url)
        slack.switches.consent_team_id = ""
        self._channels = 0

    def sit(self, name: str) -> SlackUser:
        user = self.slack.add_user(self.home, name)
        person = SlackUser(self.slack, self.home, user, self.url)
        person.delivery = RoundRobin(self.slack.world, self.url).through(self.urls)
        return person

    def channel(self, **more) -> str:
        """Open a channel that no other test knows; return its id."""
        self._channels += 1
        people = [self.ada.user, self.bob.user]
        name = f"channel-{self._channels}"
        return self.slack.add_channel(self.home, name, people, **more).channel_id

    def address(self, path: str = "/astronaut.png", data: bytes = SAMPLE) -> str:
        return self.slack.website.add_picture(path, data)

    def results(self, channel_id: str, count: int = 1):
        """Wait for so many results in a channel."""

        def enough():
            found = self.slack.results(channel_id)
            return found if len(found) >= count else None

        return self.slack.wait_until(enough, PATIENCE_SECONDS)

    def result(self, channel_id: str):
        """Wait for the one result in a channel, with its file."""
        return self.results(channel_id)[0]

    def told(self, user: SlackUser, words: str) -> str:
        """Wait until somebody alone was told something."""

        def heard():
            return next((one for one in user.told if words in one), None)

        return self.slack.wait_until(heard, PATIENCE_SECONDS)


def picture_of(file) -> Image.Image:
    return Image.open(io.BytesIO(file.data))


def changed_share(file) -> float:
    before = Image.open(io.BytesIO(SAMPLE)).convert("RGB")
    after = picture_of(file).convert("RGB")
    difference = ImageChops.difference(before, after).convert("L")
    changed = difference.point(lambda value: 255 * (value > 24))
    return changed.histogram()[255] / (before.width * before.height)


def assert_emojified(file) -> None:
    assert picture_of(file).size == Image.open(io.BytesIO(SAMPLE)).size
    assert 0.02 < changed_share(file) < 0.5
