"""One round: people ask, processes die, and at the end the ledger is judged."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from emojifier_bot.jobs.worker import EXIT_DONE, EXIT_LEASE_LOST
from tests.crash.faults import Fault
from tests.crash.figures import Figures
from tests.crash.fleet import Bot, Fleet
from tests.crash.points import ENQUEUE, KillPoints
from tests.crash.slack import KillingSlack
from tests.crash.takeovers import Takeovers
from tests.crash.users import Users
from tests.running_bot import NOT_YET_UP

WORKER, WEB = "worker", "serve"
AT_RANDOM = "at random"
LOOK_SECONDS = 0.1
#: What nobody reaches in time is taken away again, and counted nowhere.
ARMED_SECONDS, GIVEN_UP_SECONDS = 15.0, 60.0
#: Each stage of a fault lasts so long, and so long it is quiet before.
FAULT_STAGE_SECONDS = 10.0
#: A share that came late would show by then.
SETTLE_SECONDS = 1.5
#: A machine that others use too may need long; what is unfinished then is told.
ROUND_SECONDS = 1800.0
#: What the fake notes because the web process was dead.
EXPECTED_PROBLEMS = frozenset({"operation_timeout", "dispatch_failed"})


@dataclass(frozen=True)
class Plan:
    """What happens in one round."""

    database: str
    jobs: int
    #: Points at which a process is killed, in this order.
    points: Sequence[str] = ()
    #: ``worker``, ``web`` or ``both``, at random moments.
    random_kills: Sequence[str] = ()
    #: Of the dead workers, the part whose place stays empty for a while.
    left_dead: float = 0.3
    empty_seconds: float = 30.0
    workers: int = 2
    #: One worker is paused past its lease, one is sent away.
    pause: bool = False
    drain: bool = False
    hurry: bool = False
    #: Requests a second, and from kill to kill.
    per_second: float = 8.0
    kill_seconds: float = 1.0
    seed: int = 0


@dataclass
class Stage:
    """Everything that a round plays on."""

    url: str
    slack: KillingSlack
    fleet: Fleet
    users: Users


@contextmanager
def staged(
    url: str, folder: Path, environment: dict[str, str] | None = None, *, hurry: bool
) -> Iterator[Stage]:
    """Set up a Slack, a web process and the workspaces that install the bot."""
    kill_points = KillPoints(folder / "kill_points")
    with KillingSlack(kill_points) as slack:
        more = slack.environment | (environment or {})
        fleet = Fleet(url, folder, more, kill_points, hurry)
        slack.pids = fleet.pids
        try:
            fleet.start(WEB)
            fleet.await_web()
            users = Users(slack, fleet.url)
            users.install()
            yield Stage(url, slack, fleet, users)
        finally:
            fleet.kill()


@dataclass
class Round:
    """The director: sends, kills, starts again, and waits for the end."""

    plan: Plan
    stage: Stage
    figures: Figures

    def __post_init__(self) -> None:
        self._draw = random.Random(self.plan.seed)
        self._takeovers = Takeovers(self.stage.url)
        self._points = list(self.plan.points)
        self._armed: tuple[str, float] | None = None
        self._ordered: dict[int, str] = {}
        #: Places that stay empty until then.
        self._empty: list[float] = []
        self._paused: Bot | None = None
        self._killed_at = 0.0
        self._sent = threading.Event()
        self._stop = threading.Event()

    def run(self) -> Figures:
        """Play it to the end; return what was found."""
        began = time.monotonic()
        self._began = began
        self._schedule = self._schedule_events()
        # Before anybody asks: a first point at which jobs are taken is reached.
        self._arm_next()
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(self._send)
            try:
                while time.monotonic() - began < ROUND_SECONDS and not self._is_over():
                    self._tick()
                    time.sleep(LOOK_SECONDS)
            finally:
                self._stop.set()
            sending.result()
        time.sleep(SETTLE_SECONDS)
        self._finish(began)
        return self.figures

    def _send(self) -> None:
        """Ask at an even pace, each person in a thread of their own."""
        with ThreadPoolExecutor(self.plan.jobs) as people:
            asked = []
            for number in range(self.plan.jobs):
                due = self._began + number / self.plan.per_second
                self._stop.wait(max(due - time.monotonic(), 0))
                asked.append(people.submit(self.stage.users.ask, self._stop))
            for one in asked:
                one.result()
        self._sent.set()

    def _schedule_events(self) -> list[tuple[float, str]]:
        """Return what happens at random moments of the time of sending."""
        until = self.plan.jobs / self.plan.per_second
        what = [*self.plan.random_kills]
        what += ["drain"] * self.plan.drain + ["pause"] * self.plan.pause
        return sorted((self._draw.uniform(2, max(until, 3)), one) for one in what)

    def _tick(self) -> None:
        for bot in self.stage.fleet.reap():
            self._note_end(bot)
        self._start_missing()
        with contextlib.suppress(sa.exc.OperationalError):
            working = self.stage.fleet.working(WORKER)
            self._takeovers.look(min((one.started_at for one in working), default=0))
            self._resume_paused()
        self._run_due_events()
        self._arm_next()

    def _note_end(self, bot: Bot) -> None:
        code, now = bot.process.returncode, time.monotonic()
        ordered = self._ordered.pop(bot.pid, "")
        if bot.terminated_at is not None and code != -signal.SIGKILL:
            self._note_drains(code, now - bot.terminated_at)
        elif bot is self._paused and code == -signal.SIGKILL:
            # It had asked Slack before it was paused, and that was the armed point.
            self._paused = None
            self._plan_for(now - self._began, "pause")
            self._count(bot, ordered)
        elif bot is self._paused:
            self._paused = None
            self.figures.paused.append(code)
            if code != EXIT_LEASE_LOST:
                self.figures.surprises.append(f"slept: {code}")
        elif code == -signal.SIGKILL:
            self._count(bot, ordered)
        elif code == EXIT_LEASE_LOST:
            # On a busy machine it got no time to show that it lives, and gave way.
            self.figures.starved += 1
        else:
            self.figures.surprises.append(f"{bot.verb}: {code}")

    def _note_drains(self, code: int, *seconds: float) -> None:
        if code == EXIT_LEASE_LOST:
            self.figures.starved += len(seconds)
            return
        self.figures.drains += seconds
        if code not in {EXIT_DONE, NOT_YET_UP}:
            self.figures.surprises.append(f"sent away: {code}")

    def _count(self, bot: Bot, ordered: str) -> None:
        point = ordered
        if not ordered and self._armed is not None:
            if self._armed[0] in self.stage.fleet.kill_points.armed():
                self.figures.surprises.append(f"{bot.verb}: killed by nobody")
                return
            point, self._armed = self._armed[0], None
        kills = Counter(self.figures.kills)
        kills[point] += 1
        self.figures.kills = dict(kills)
        self._killed_at = time.monotonic()
        if bot.verb != WORKER:
            self.figures.restarted += 1
            return
        self._takeovers.died(bot.pid)
        others = self.stage.fleet.working(WORKER)
        if others and self._draw.random() < self.plan.left_dead:
            self.figures.left_dead += 1
            self._empty.append(time.monotonic() + self.plan.empty_seconds)
        else:
            self.figures.restarted += 1

    def _start_missing(self) -> None:
        fleet, now = self.stage.fleet, time.monotonic()
        self._empty = [until for until in self._empty if until > now]
        if not fleet.working(WEB):
            fleet.start(WEB)
        wanted = max(self.plan.workers - len(self._empty), 1)
        while len(fleet.working(WORKER)) < wanted:
            fleet.start(WORKER)

    def _run_due_events(self) -> None:
        now = time.monotonic() - self._began
        while self._schedule and self._schedule[0][0] <= now:
            _, what = self._schedule.pop(0)
            if not getattr(self, f"_{what}")():
                self._plan_for(now + 1, what)
                return

    def _plan_for(self, seconds: float, what: str) -> None:
        self._schedule.append((seconds, what))
        self._schedule.sort()

    def _worker(self) -> bool:
        return self._kill_one(WORKER, f"{WORKER}, {AT_RANDOM}")

    def _web(self) -> bool:
        return self._kill_one(WEB, f"web process, {AT_RANDOM}")

    def _both(self) -> bool:
        names = (WEB, WORKER)
        if not all(map(self.stage.fleet.working, names)):
            return False
        for one in names:
            self._kill_one(one, f"both, {AT_RANDOM}")
        return True

    def _kill_one(self, verb: str, point: str) -> bool:
        found = self.stage.fleet.working(verb)
        if not found:
            return False
        bot = self._draw.choice(found)
        self._ordered[bot.pid] = point
        os.kill(bot.pid, signal.SIGKILL)
        return True

    def _drain(self) -> bool:
        """Send a worker away that holds a slot, hence works."""
        bot = self._busy()
        if bot is None:
            return False
        bot.process.terminate()
        bot.terminated_at = time.monotonic()
        return True

    def _pause(self) -> bool:
        """Stop a worker with SIGSTOP until the others took it for dead."""
        bot = self._busy()
        if bot is None:
            return False
        self.stage.fleet.pause(bot)
        self._paused = bot
        self._takeovers.died(bot.pid)
        return True

    def _busy(self) -> Bot | None:
        found = self.stage.fleet.working(WORKER)
        return next((one for one in found if self._takeovers.holder(one.pid)), None)

    def _resume_paused(self) -> None:
        paused = self._paused
        if paused and paused.paused and self._takeovers.holder(paused.pid) is None:
            os.kill(paused.pid, signal.SIGCONT)

    def _arm_next(self) -> None:
        """Arm the next point, once the last one was reached or nobody reaches it."""
        now, kill_points = time.monotonic(), self.stage.fleet.kill_points
        if self._armed is not None:
            point, since = self._armed
            untouched = now - since > ARMED_SECONDS and kill_points.trigger(point)
            # Whoever stepped on it may have died of something else in that moment.
            if untouched or now - since > GIVEN_UP_SECONDS:
                self._armed = None
            return
        if not self._points or now - self._killed_at < self.plan.kill_seconds:
            return
        point = self._points[0]
        if ENQUEUE in point and self._sent.is_set():
            self._points.pop(0)
        elif ENQUEUE in point or self._busy():
            self._points.pop(0)
            self._armed = (point, now)
            kill_points.arm(point)

    def _is_over(self) -> bool:
        if self._armed or self._paused or not self._sent.is_set():
            return False
        if any(one.terminated_at for one in self.stage.fleet.bots):
            return False
        with contextlib.suppress(sa.exc.OperationalError):
            return self._takeovers.unfinished() == 0
        return False

    def _finish(self, began: float) -> None:
        """Judge, end all processes, and keep what was measured."""
        figures, users = self.figures, self.stage.users
        figures.take(users.verdict())
        figures.asked = self.plan.jobs
        figures.acknowledged = len(users.acknowledged)
        figures.unanswered = len(users.unanswered)
        figures.refused = len(users.refused)
        figures.takeovers = [round(one, 1) for one in self._takeovers.seconds]
        figures.put_back = [round(one, 1) for one in self._takeovers.put_back]
        figures.unfinished = self._takeovers.unfinished()
        self._takeovers.close()
        for code, seconds in self.stage.fleet.end().items():
            self._note_drains(code, *seconds)
        figures.drains = [round(one, 1) for one in figures.drains]
        problems = Counter(one.kind for one in self.stage.slack.problems)
        figures.problems = {
            kind: times
            for kind, times in problems.items()
            if kind not in EXPECTED_PROBLEMS
        }
        figures.seconds = round(time.monotonic() - began, 1)


@dataclass
class FaultRound(Round):
    """A round in which nobody is killed but something happens to what is below."""

    fault: Fault

    def __post_init__(self) -> None:
        super().__post_init__()
        self._stage_number = 0
        self._next_at = FAULT_STAGE_SECONDS
        self._ended: Counter[str] = Counter()
        self._felt_before = 0

    def _tick(self) -> None:
        with contextlib.suppress(sa.exc.OperationalError):
            super()._tick()
        if self._has_stages_left() and time.monotonic() - self._began > self._next_at:
            if not self._stage_number:
                self._felt_before = self._unheard()
            self.fault.go(self._stage_number, self.stage.fleet)
            self._stage_number += 1
            self._next_at += FAULT_STAGE_SECONDS

    def _has_stages_left(self) -> bool:
        return self._stage_number < self.fault.stages

    def _is_over(self) -> bool:
        return not self._has_stages_left() and super()._is_over()

    def _note_end(self, bot: Bot) -> None:
        if bot.pid in self._ordered or bot.terminated_at is not None:
            super()._note_end(bot)
        else:
            # Without its database a process may end; it is started again.
            self._ended[f"{bot.verb} ({bot.process.returncode})"] += 1

    def _unheard(self) -> int:
        return len(self.stage.users.refused | self.stage.users.unanswered)

    def _finish(self, began: float) -> None:
        super()._finish(began)
        unheard = self._unheard() - self._felt_before
        ended = ", ".join(f"{times} × {one}" for one, times in self._ended.items())
        self.figures.bit = f"{unheard} requests not taken"
        self.figures.bit += f"; ended by themselves: {ended}" if ended else ""
        if not unheard:
            self.figures.surprises.append("nobody felt it")
