"""A backup that is taken while the bot works, put back after everything was lost."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from emojifier_bot.app.operators import make_job_admin
from emojifier_bot.config import load_settings
from emojifier_bot.domain import JobState
from emojifier_bot.jobs.queue import DbosJobQueue
from tests.fakes.slack import SlackServer
from tests.running_bot import PATIENCE_SECONDS, Bot, address_of, process

#: Long enough that a second post would have come.
QUIET_SECONDS = 3.0
PLAIN = "postgresql://"


class SqliteHome:
    """A bot's database in a file, its keys in another beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.copies = folder / "home", folder / "backup"
        self.folder.mkdir()
        self.copies.mkdir()

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'bot.db'}"

    @property
    def variables(self) -> dict[str, str]:
        return {"database": self.url, "ENCRYPTION_KEYS": ""}

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
        return {"database": self.url}

    def back_up(self) -> None:
        self._run("pg_dump", "--format=custom", f"--file={self.copy}")

    def lose_and_restore(self) -> None:
        self.url = self.fresh()
        self._run("pg_restore", "--exit-on-error", "--no-owner", self.copy)

    def _run(self, program: str, *arguments: str | Path) -> None:
        where = f"--dbname={self.url.replace('postgresql+psycopg://', PLAIN)}"
        subprocess.run([program, where, *arguments], check=True, capture_output=True)


class Operator:
    """Runs the bot's two processes, which may be killed, and asks it for pictures."""

    def __init__(
        self, slack: SlackServer, home: SqliteHome | PostgresHome, folder: Path
    ) -> None:
        self.slack, self.home, self._folder = slack, home, folder
        self._bot: Bot | None = None

    @contextmanager
    def web(self) -> Iterator[None]:
        """Run the web process; it dies with the block."""
        with self._running("serve", "--no-worker") as running:
            url = address_of(running)
            if self._bot is None:
                self._bot = Bot(self.slack, url)
            self._bot.ada.delivery.through([url])
            yield

    def worker(self) -> AbstractContextManager[Popen]:
        """Run a worker; it dies with the block."""
        return self._running("worker", fast=True)

    def _running(
        self, *words: str, fast: bool = False
    ) -> AbstractContextManager[Popen]:
        return process(
            *words,
            slack=self.slack,
            folder=self._folder,
            fast=fast,
            killed=True,
            **self.home.variables,
        )

    def ask(self) -> str:
        """Ask for a picture in a new channel; return its id."""
        channel = self._bot.channel()
        assert self._bot.ada.command(channel, self._bot.address()).ok
        return channel

    @property
    def jobs(self) -> DbosJobQueue:
        """Open what stands behind `emojifier-bot jobs`."""
        return make_job_admin(load_settings(database_url=self.home.url))

    def ids(self, state: JobState) -> list[str]:
        with closing(self.jobs) as jobs:
            return [one.job_id for one in jobs.list(state, 100)]

    def wait_for_end(self, count: int) -> None:
        self.slack.wait_until(
            lambda: len(self.ids(JobState.SUCCEEDED)) == count, PATIENCE_SECONDS
        )

    def counts(self, *channels: str) -> list[int]:
        time.sleep(QUIET_SECONDS)
        return [len(self.slack.results(one)) for one in channels]


@pytest.fixture(params=["sqlite", "postgres"])
def operator(request, tmp_path):
    with ExitStack() as stack:
        if request.param == "sqlite":
            home = SqliteHome(tmp_path)
        elif shutil.which("pg_dump") and shutil.which("pg_restore"):
            server = request.getfixturevalue("postgres_server")
            home = PostgresHome(tmp_path, server, stack)
        else:
            pytest.skip("needs pg_dump and pg_restore")
        slack = stack.enter_context(SlackServer())
        yield Operator(slack, home, tmp_path / "bot")
        assert not slack.problems


def test_jobs_of_the_backup_end_and_nothing_is_posted_twice(operator):
    slack = operator.slack
    with operator.web(), operator.worker():
        posted = operator.ask()
        operator.wait_for_end(1)
        # The bytes are on their way while the backup is made, and do not arrive.
        upload = slack.faults.add("upload", held=threading.Event(), times=None)
        in_flight = operator.ask()
        assert upload.met.wait(PATIENCE_SECONDS)
        waiting = operator.ask()
        operator.home.back_up()
        assert slack.results(in_flight) == []
    operator.home.lose_and_restore()
    slack.faults.clear()
    upload.held.set()

    with operator.web(), operator.worker():
        operator.wait_for_end(3)

        assert operator.counts(posted, in_flight, waiting) == [1, 1, 1]


def test_what_was_posted_after_the_backup_can_be_kept_from_being_posted_again(operator):
    with operator.web():
        operator.ask()
        operator.home.back_up()
        with operator.worker():
            operator.wait_for_end(1)
    operator.home.lose_and_restore()

    # A worker would post it once more: this backup is from before.
    (job_id,) = operator.ids(JobState.QUEUED)
    with closing(operator.jobs) as jobs:
        assert jobs.cancel(job_id)
    assert operator.ids(JobState.QUEUED) == operator.ids(JobState.SUCCEEDED) == []
    assert operator.ids(JobState.CANCELLED) == [job_id]
