"""The bot's processes: started, killed, stopped, sent away, and who of them lives."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests
import sqlalchemy as sa

from emojifier_bot.db.engine import open_engine
from tests.crash.points import KillPoints
from tests.crash.process import HURRY, KILL_POINTS
from tests.jobs_harness import ROOT
from tests.postgres import free_port
from tests.running_bot import KEY, NOT_YET_UP
from tests.threads import wait_until

START_SECONDS, END_SECONDS = 300.0, 180.0


@dataclass(eq=False)
class Bot:
    """One process of the bot."""

    verb: str
    process: subprocess.Popen[bytes]
    started_at: float
    #: Paused by SIGSTOP; since when told to end by SIGTERM.
    paused: bool = False
    terminated_at: float | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def works(self) -> bool:
        ended = self.process.poll() is not None
        return not (ended or self.paused or self.terminated_at)


@dataclass
class Fleet:
    """One web process, and workers, on one database."""

    database: str
    folder: Path
    environment: dict[str, str]
    kill_points: KillPoints
    hurry: bool = False
    bots: list[Bot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, verb: str) -> Bot:
        environment = os.environ | self.environment
        environment |= {
            "DATABASE_URL": self.database,
            "ENCRYPTION_KEYS": KEY,
            "PORT": str(self.port),
            "PYTHONPATH": str(ROOT),
            # What OpenCV and onnxruntime start is not what is tested.
            "EMOJIFIER_LOG_LEVEL": "INFO",
            KILL_POINTS: str(self.kill_points.folder),
        }
        if self.hurry:
            environment[HURRY] = "1"
        command = [sys.executable, "-m", "tests.crash.process", verb]
        command += ["--no-worker"] if verb == "serve" else []
        with (self.folder / f"{verb}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        self.bots.append(Bot(verb, process, time.monotonic()))
        return self.bots[-1]

    def await_web(self) -> None:
        wait_until(self._answers, START_SECONDS)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).ok
        except requests.RequestException:
            return False

    def working(self, verb: str) -> list[Bot]:
        return [one for one in self.bots if one.verb == verb and one.works]

    def pids(self) -> list[int]:
        return [one.pid for one in self.bots if one.process.poll() is None]

    def reap(self) -> list[Bot]:
        """Return those that ended since the last look, and forget them."""
        ended = [one for one in self.bots if one.process.poll() is not None]
        self.bots = [one for one in self.bots if one not in ended]
        return ended

    def limit_files(self, size_bytes: int) -> None:
        """Let no process write past a size into any file, or lift that."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, hard))

    def pause(self, bot: Bot) -> None:
        pause(bot.process, self.database)
        bot.paused = True

    def end(self) -> dict[int, list[float]]:
        """End all with SIGTERM; return how long the workers took, by exit code."""
        began = time.monotonic()
        for one in self.bots:
            one.process.send_signal(signal.SIGCONT)
            one.process.terminate()
        drains: dict[int, list[float]] = {}
        for one in sorted(self.bots, key=lambda one: one.verb):
            code = one.process.wait(END_SECONDS)
            if one.verb == "worker":
                drains.setdefault(code, []).append(time.monotonic() - began)
            else:
                assert code in {0, NOT_YET_UP}, (one.verb, code)
        self.bots = []
        return drains

    def kill(self) -> None:
        for one in self.bots:
            if one.process.poll() is None:
                one.process.kill()
            one.process.wait()
        self.bots = []


def pause(process: subprocess.Popen[bytes], url: str) -> None:
    """Stop a process, but not while it holds the lock that all others need."""
    engine = open_engine(url, wait_seconds=0.2, connections=1)
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        # The signal reaches one thread; until that is scheduled the others run on, and
        # on a busy machine one of them may take the lock after we have looked.
        while not _is_stopped(process.pid):
            time.sleep(0.001)
        try:
            with engine.begin() as connection:
                connection.execute(sa.text("UPDATE worker_slots SET pid = pid"))
            break
        except sa.exc.OperationalError:
            os.kill(process.pid, signal.SIGCONT)
    engine.dispose()


def _is_stopped(pid: int) -> bool:
    """Tell whether every thread of a process stands still."""
    states = [
        (thread / "stat").read_text().rpartition(")")[2].split()[0]
        for thread in Path(f"/proc/{pid}/task").iterdir()
    ]
    return set(states) <= {"T", "Z"}
