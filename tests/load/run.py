"""One run under load: measure the capacity, stay below it for a while, look closely."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from tests.fakes.slack import SlackServer
from tests.load.agreement import Pair, pairs
from tests.load.faults import injected_faults
from tests.load.ledger import Ledger
from tests.load.processes import RunningBot, Sample, running_bot
from tests.load.traffic import Traffic
from tests.threads import repeated

#: Until a job is given up by whoever waits for the end: a try may wait for minutes.
SETTLE_SECONDS = 600.0
LOOK_SECONDS = 0.2
WAITING, RUNNING = "emojifier_jobs_waiting", "emojifier_jobs_running"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, how long, on what."""

    minutes: float
    #: Of the capacity.
    share: float
    workers: int
    saturate_seconds: float
    sample_seconds: float
    database_url: str
    #: Jobs a second; 0 measures.
    capacity: float = 0.0
    with_faults: bool = True


@dataclass
class Findings:
    """What a run showed."""

    plan: Plan
    capacity: float
    per_second: float
    #: By the name of a process.
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    #: Seconds and jobs that wait, files for a while, and bytes of the database.
    waiting: list[tuple[float, float]] = field(default_factory=list)
    temporary: list[tuple[float, float]] = field(default_factory=list)
    database: list[tuple[float, float]] = field(default_factory=list)
    acknowledged_seconds: list[float] = field(default_factory=list)
    shown_seconds: list[float] = field(default_factory=list)
    requests: int = 0
    #: Of them, those that Slack saw fail, and those that were answered with an apology.
    refused: int = 0
    turned_away: int = 0
    #: Events that Slack sent once more, for they were not taken.
    sent_again: int = 0
    faults: int = 0
    agreement: list[Pair] = field(default_factory=list)
    #: What a correct bot would not have sent.
    problems: list[str] = field(default_factory=list)


class LoadRun:
    """A fake Slack, a bot, people, and somebody who takes notes."""

    def __init__(self, slack: SlackServer, bot: RunningBot, plan: Plan) -> None:
        self._slack, self._bot, self._plan = slack, bot, plan
        self._ledger = Ledger(slack)
        self._traffic = Traffic(slack, bot.url)
        self._engine = sa.create_engine(plan.database_url)

    def run(self, say: Callable[[str], None]) -> Findings:
        self._traffic.install()
        with self._ledger.keeping():
            capacity = self._capacity(say)
            found = Findings(self._plan, capacity, capacity * self._plan.share)
            before = len(self._traffic.acknowledged_seconds), time.time()
            say(f"{found.per_second:.2f} requests a second from here on")
            self._load(found)
            self._settle()
        self._conclude(found, *before)
        self._engine.dispose()
        return found

    def _capacity(self, say: Callable[[str], None]) -> float:
        """Return jobs a second when there is always more to do, whatever goes wrong."""
        self._traffic.steady(1.0, 3.0)  # models are loaded
        self._settle()
        if self._plan.capacity:
            return self._plan.capacity
        with self._misfortune():
            seconds = self._plan.saturate_seconds
            capacity = self._traffic.saturate(seconds, self._ended)
        self._settle()
        say(f"capacity: {capacity:.2f} jobs a second")
        return capacity

    def _load(self, found: Findings) -> None:
        look = partial(self._look, found, time.monotonic())
        with repeated(look, self._plan.sample_seconds), self._misfortune():
            self._traffic.steady(found.per_second, self._plan.minutes * 60)

    def _misfortune(self) -> AbstractContextManager[None]:
        return injected_faults(self._slack) if self._plan.with_faults else nullcontext()

    def _ended(self) -> int:
        self._ledger.look()
        return len(self._ledger.shown_at) + self._ledger.told

    def _settle(self) -> None:
        """Wait until everything that was asked has ended."""
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            figures = self._bot.web.figures()
            if not figures[WAITING, ()] + figures[RUNNING, ()]:
                return
            time.sleep(LOOK_SECONDS)

    def _look(self, found: Findings, began: float) -> None:
        seconds = time.monotonic() - began
        for one in self._bot.processes:
            found.samples.setdefault(one.name, []).append(one.sample(seconds))
        figures = self._bot.web.figures()
        found.waiting.append((seconds, figures[WAITING, ()]))
        found.temporary.append((seconds, self._bot.temporary_files()))
        found.database.append((seconds, self._database_bytes()))

    def _database_bytes(self) -> float:
        if self._engine.dialect.name == "sqlite":
            file = Path(str(self._engine.url.database))
            return sum(one.stat().st_size for one in file.parent.glob(f"{file.name}*"))
        query = sa.text("SELECT pg_database_size(current_database())")
        with self._engine.connect() as connection:
            return float(connection.execute(query).scalar_one())

    def _conclude(self, found: Findings, skip: int, since: float) -> None:
        traffic, ledger = self._traffic, self._ledger
        found.acknowledged_seconds = traffic.acknowledged_seconds[skip:]
        found.shown_seconds = [
            ledger.shown_at[title] - asked
            for title, asked in traffic.asked_at.items()
            if asked >= since and title in ledger.shown_at
        ]
        found.requests = traffic.sent
        found.refused = traffic.refused
        found.turned_away = traffic.turned_away
        found.sent_again = traffic.sent_again
        found.faults = sum(ledger.errors.values())
        found.agreement = pairs(self._bot.figures(), ledger, traffic)
        found.problems = [
            f"{one.kind} {one.method}: {one.what}" for one in self._slack.problems
        ]


def run_load(plan: Plan, folder: Path, say: Callable[[str], None]) -> Findings:
    """Run a plan with everything of its own."""
    with (
        SlackServer() as slack,
        running_bot(slack, plan.database_url, folder, plan.workers) as bot,
    ):
        return LoadRun(slack, bot, plan).run(say)
