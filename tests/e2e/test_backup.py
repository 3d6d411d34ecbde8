"""A backup that is taken while the bot works, put back after everything was lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import requests

from emojifier_bot.app.operators import make_job_admin
from emojifier_bot.config import load_settings
from emojifier_bot.domain import JobState
from emojifier_bot.jobs.queue import DbosJobQueue
from tests.fakes.slack import SlackServer, SlackUser

ROOT = Path(__file__).parents[2]
SAMPLE = (ROOT / "docs" / "sample" / "astronaut.png").read_bytes()
PATIENCE_SECONDS = 240.0
#: Long enough that a second post would have come.
QUIET_SECONDS = 3.0
KEY = "B3nI1zPvjUTHEhHVo4zLFAFwvMPU4ZgQ0qYjvIZkx8E="
PLAIN = "postgresql://"


class SqliteHome:
    """A bot's database in a file, its keys in another beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.copies = folder / "home", folder / "backup"
        self.folder.mkdir()
        self.copies.mkdir()

    @property
    def variables(self) -> dict[str, str]:
        return {"DATABASE_URL": f"sqlite:///{self.folder / 'bot.db'}"}

    def back_up(self) -> None:
        with closing(sqlite3.connect(self.folder / "bot.db")) as database:
            database.execute("VACUUM INTO ?", [str(self.copies / "bot.db")])
        shutil.copy2(self.folder / "bot.db.keys", self.copies)

    def lose_and_restore(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.copies, self.folder)


class PostgresHome:
    """A bot's database on a server, its keys in the settings."""

    def __init__(self, folder: Path, server, stack: ExitStack) -> None:
        self.copy = folder / "bot.dump"
        self.fresh = lambda: stack.enter_context(server.database(empty=True))
        self.url = self.fresh()

    @property
    def variables(self) -> dict[str, str]:
        return {"DATABASE_URL": self.url, "ENCRYPTION_KEYS": KEY}

    def back_up(self) -> None:
        self._run("pg_dump", "--format=custom", f"--file={self.copy}")

    def lose_and_restore(self) -> None:
        self.url = self.fresh()
        self._run("pg_restore", "--exit-on-error", "--no-owner", self.copy)

    def _run(self, program: str, *arguments: str | Path) -> None:
        where = f"--dbname={self.url.replace('postgresql+psycopg://', PLAIN)}"
        subprocess.run([program, where, *arguments], check=True, capture_output=True)


class Bot:
    """The bot's two processes, which can be killed, and a workspace."""

    def __init__(self, slack: SlackServer, home: SqliteHome | PostgresHome) -> None:
        self.slack, self.home = slack, home
        self.acme = slack.add_workspace("Acme")
        self.user = slack.add_user(self.acme, "ada")
        self.picture = slack.elsewhere.add_picture("/astronaut.png", SAMPLE)

    @property
    def environment(self) -> dict[str, str]:
        ours = self.slack.environment | self.home.variables
        return {**os.environ, "PYTHONPATH": str(ROOT), "PORT": "0", **ours}

    @contextmanager
    def web(self) -> Iterator[None]:
        """Run the web process; it dies with the block."""
        with self._killed("serve", "--no-worker") as process:
            self.url = process.stdout.readline().split()[-1]
            yield

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Run a worker; it dies with the block."""
        with self._killed("worker"):
            yield

    @contextmanager
    def _killed(self, *words: str) -> Iterator[subprocess.Popen]:
        with subprocess.Popen(
            [sys.executable, "-m", "emojifier_bot", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def install(self) -> None:
        self.slack.app.redirect_urls.append(f"{self.url}/slack/oauth_redirect")
        answer = requests.get(f"{self.url}/slack/install", timeout=30)
        assert answer.ok, (answer.url, answer.history, answer.text[-1500:])

    def ask(self, channel: str) -> str:
        """Ask for a picture in a new channel; return its id."""
        room = self.slack.add_channel(self.acme, channel, [self.user]).channel_id
        ada = SlackUser(self.slack, self.acme, self.user, self.url)
        assert ada.command(room, self.picture).ok
        return room

    @property
    def jobs(self) -> DbosJobQueue:
        """Open what stands behind `emojifier-bot jobs`."""
        url = self.home.variables["DATABASE_URL"]
        return make_job_admin(load_settings(database_url=url))

    def ids(self, state: JobState) -> list[str]:
        with closing(self.jobs) as jobs:
            return [one.job_id for one in jobs.list(state, 100)]

    def wait_for(self, room: str) -> None:
        self.slack.wait_until(lambda: self.slack.results(room), PATIENCE_SECONDS)

    def wait_for_end(self, count: int) -> None:
        self.slack.wait_until(
            lambda: len(self.ids(JobState.SUCCEEDED)) == count, PATIENCE_SECONDS
        )

    def counts(self, *rooms: str) -> list[int]:
        time.sleep(QUIET_SECONDS)
        return [len(self.slack.results(room)) for room in rooms]


@pytest.fixture(params=["sqlite", "postgres"])
def bot(request, tmp_path):
    with ExitStack() as stack:
        if request.param == "sqlite":
            home = SqliteHome(tmp_path)
        elif shutil.which("pg_dump") and shutil.which("pg_restore"):
            server = request.getfixturevalue("postgres_server")
            home = PostgresHome(tmp_path, server, stack)
        else:
            pytest.skip("needs pg_dump and pg_restore")
        slack = stack.enter_context(SlackServer())
        yield Bot(slack, home)
        assert not slack.problems


def test_jobs_of_the_backup_end_and_nothing_is_posted_twice(bot):
    with bot.web(), bot.worker():
        bot.install()
        posted = bot.ask("posted")
        bot.wait_for_end(1)
        # The bytes of both are on their way for longer than the backup takes.
        bot.slack.faults.add("upload", slow_seconds=10, times=2)
        before = len(bot.slack.calls_of("upload"))
        in_flight = bot.ask("in-flight")
        bot.slack.wait_until(
            lambda: len(bot.slack.calls_of("upload")) > before, PATIENCE_SECONDS
        )
        waiting = bot.ask("waiting")
        bot.home.back_up()
    bot.home.lose_and_restore()

    with bot.web(), bot.worker():
        bot.wait_for(in_flight)
        bot.wait_for(waiting)
        bot.wait_for_end(3)

        assert bot.counts(posted, in_flight, waiting) == [1, 1, 1]


def test_what_was_posted_after_the_backup_can_be_kept_from_being_posted_again(bot):
    with bot.web():
        bot.install()
        room = bot.ask("after")
        bot.home.back_up()
        with bot.worker():
            bot.wait_for(room)
            bot.wait_for_end(1)
    bot.home.lose_and_restore()

    # A worker would post it once more: this backup is from before.
    (job_id,) = bot.ids(JobState.QUEUED)
    with closing(bot.jobs) as jobs:
        assert jobs.cancel(job_id)
    assert bot.ids(JobState.QUEUED) == bot.ids(JobState.SUCCEEDED) == []
    assert bot.ids(JobState.CANCELLED) == [job_id]
