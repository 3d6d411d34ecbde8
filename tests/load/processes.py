"""The bot as processes of its own, and what Linux tells about them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.slack import SlackServer
from tests.running_bot import address_of, process

#: Six people who ask all the time.
NO_LIMITS = {
    f"EMOJIFIER_{name}": "1000000"
    for name in ("USER_PER_MINUTE", "WORKSPACE_PER_HOUR", "WORKSPACE_PER_DAY")
}
START_SECONDS = 60.0
LOOK_SECONDS = 0.05
KIB_PER_MB = 1024.0
BYTES_PER_KIB, MB = 1024, 1e6

#: A figure's name and labels, ``("emojifier_jobs_total", (("outcome", "posted"),))``.
Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Sample:
    """One look at one process."""

    seconds: float
    #: Memory that is its own alone, and its part of all that it uses, in MB.
    own_mb: float
    whole_mb: float
    files: int
    threads: int


@dataclass(frozen=True)
class BotProcess:
    """One process of the bot."""

    name: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def lines(self) -> list[dict[str, object]]:
        """Return what it has logged."""
        text = self.log.read_text("utf-8")
        return [json.loads(line) for line in text.splitlines() if line[:1] == "{"]

    def wait_for(self, action: str) -> dict[str, object]:
        """Wait until it has logged an action."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            for line in self.lines():
                if line.get("action") == action:
                    return line
            assert self.process.poll() is None, self.log.read_text("utf-8")
            time.sleep(LOOK_SECONDS)
        raise AssertionError(f"{self.name} never logged {action!r}")

    @property
    def figures_url(self) -> str:
        return f"http://127.0.0.1:{self.wait_for('metrics')['port']}/metrics"

    def figures(self) -> dict[Series, float]:
        """Return every figure that it serves to Prometheus."""
        answer = requests.get(self.figures_url, timeout=60)
        answer.raise_for_status()
        return {
            (one.name, tuple(sorted(one.labels.items()))): one.value
            for family in text_string_to_metric_families(answer.text)
            for one in family.samples
        }

    @property
    def peak_mb(self) -> float:
        """Return the most memory that it ever used."""
        return _fields(self._folder / "status")["VmHWM"] / KIB_PER_MB

    @property
    def _folder(self) -> Path:
        return Path("/proc") / str(self.pid)

    def count_files(self) -> int:
        """Return how many files and connections it has open, besides a database's."""
        count = 0
        for one in (self._folder / "fd").iterdir():
            with suppress(OSError):  # it was closed meanwhile
                count += ".db" not in one.readlink().name
        return count

    def sample(self, seconds: float) -> Sample:
        """Look at it once."""
        folder = self._folder
        status = _fields(folder / "status")
        return Sample(
            seconds=seconds,
            own_mb=status["RssAnon"] / KIB_PER_MB,
            whole_mb=_fields(folder / "smaps_rollup")["Pss"] / KIB_PER_MB,
            files=sum(1 for _ in (folder / "fd").iterdir()),
            threads=int(status["Threads"]),
        )


@dataclass(frozen=True)
class RunningBot:
    """A web process and workers on one database."""

    url: str
    web: BotProcess
    workers: tuple[BotProcess, ...]
    #: Each of them has a folder of its own in it.
    folder: Path

    @property
    def processes(self) -> tuple[BotProcess, ...]:
        return (self.web, *self.workers)

    def figures(self) -> dict[Series, float]:
        """Return the figures of all workers and of the web process, summed up."""
        total: dict[Series, float] = {}
        for one in self.processes:
            for series, value in one.figures().items():
                total[series] = total.get(series, 0.0) + value
        return total

    def peaks_mb(self, roles: Mapping[str, str]) -> Iterator[tuple[str, float]]:
        """Give the most memory of each process and of those that it started.

        Args:
            roles: A part of the command of what is started, and what it is called.
        """
        for one in self.processes:
            own = Path("/proc", str(one.pid))
            for folder in (own, *_started_by(own)):
                with suppress(OSError, KeyError):  # it may have ended meanwhile
                    peak_mb = _fields(folder / "status")["VmHWM"] * BYTES_PER_KIB / MB
                    command = (folder / "cmdline").read_text()
                    names = [name for part, name in roles.items() if part in command]
                    yield (*names, one.name)[0], peak_mb

    def temporary_files(self) -> int:
        return sum(one.is_file() for one in self.folder.glob("*/tmp/**/*"))


@contextmanager
def running_bot(
    slack: SlackServer, database: str, folder: Path, workers: int = 1, **settings: str
) -> Iterator[RunningBot]:
    """Run the bot on any free ports, logging everything into a folder."""
    more: dict[str, Any] = {
        "METRICS_PORT": "0",
        "EMOJIFIER_LOG_LEVEL": "INFO",
        "EMOJIFIER_LOG_FORMAT": "json",
        **NO_LIMITS,
        **settings,
    }
    with ExitStack() as stack:

        def start(name: str, verb: str, *options: str) -> BotProcess:
            log = folder / f"{name}.log"
            running = process(
                verb,
                *options,
                slack=slack,
                database=database,
                folder=folder / name,
                log=stack.enter_context(log.open("w")),
                **more,
            )
            return BotProcess(name, stack.enter_context(running), log)

        web = start("web", "serve", "--no-worker")
        url = address_of(web.process)
        numbers = range(1, workers + 1)
        started = tuple(start(f"worker-{one}", "worker") for one in numbers)
        for one in started:
            one.wait_for("worker_started")
        yield RunningBot(url, web, started, folder)


def _started_by(folder: Path) -> Iterator[Path]:
    """Give the folders in Linux's /proc of all that a process started, and those."""
    for children in folder.glob("task/*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield folder.parent / child
                yield from _started_by(folder.parent / child)


def _fields(file: Path) -> dict[str, float]:
    """Return the fields of a file of Linux's that are numbers."""
    found = {}
    for line in file.read_text().splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdecimal():
            found[name] = float(words[0])
    return found
