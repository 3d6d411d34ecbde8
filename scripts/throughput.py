"""Measure how many jobs workers do: one line for each number of workers.

PostgreSQL, a Slack that answers at once and the workers run as processes of this
machine, each worker with one thread and one picture at a time. Beside them, in the same
run, stands what as many bare pipelines do on the same picture (no more than there are
cores): *of the bare pipeline* is the share of that. From the checkout:
``python scripts/throughput.py [--write] [JOBS]``; with ``--write`` the figures go into
``docs/scaling.md``. A machine that does nothing else gives the best figures.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from emojifier_bot.cli.bench import peak_bytes
from emojifier_bot.clock import SystemClock
from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.engine import open_database
from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.db.migrate import upgrade
from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    ImageReference,
    Installation,
    JobState,
    Workspace,
)
from emojifier_bot.jobs.queue import DbosJobQueue
from tests.fakes.slack import SampleWorkspace, SlackServer, SlackUser, sample_workspace
from tests.postgres import PostgresServer, find_programs, running_postgres
from tests.running_bot import KEY, process

WORKERS = (1, 2, 4)
JOBS = 120
#: Jobs of as many workspaces, so that none is held back by its part.
WORKSPACES = 12
#: The bare pipeline runs, and an idle worker is watched, for so long.
BARE_SECONDS, IDLE_SECONDS = 15, 20
#: Of the ends of jobs, the first and the last part are no steady rate.
EDGE = 0.1
PATIENCE_SECONDS, STATISTICS_SECONDS = 600, 1.5
#: Jobs for each worker that are not counted: models are loaded, caches filled.
WARM = 4
#: One thread and one picture at a time for each worker, so that workers are cores.
LEAN = {"EMOJIFIER_THREADS": "1", "EMOJIFIER_WORKER_CONCURRENCY": "1"}
PICTURE = ROOT / "docs" / "sample" / "astronaut.png"
PAGE = ROOT / "docs" / "scaling.md"
MARKS = ("<!-- throughput -->\n", "<!-- end of throughput -->\n")
#: As a server in earnest writes, unlike that of the tests.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
HEAD = (
    "| workers | jobs/s | of the bare pipeline | worker CPU a job | stand-in CPU a job "
    "| commits a job | connections | peak memory | idle CPU | idle commits/s |"
)
CLOCK = SystemClock()
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
BARE = """
import sys, time
from emojifier_bot import Emojifier
data = open(sys.argv[1], "rb").read()
emojifier = Emojifier(threads=1)
emojifier.emojify(data)
print("ready", flush=True)
sys.stdin.readline()
count, until, before = 0, time.monotonic() + float(sys.argv[2]), time.process_time()
while time.monotonic() < until:
    emojifier.emojify(data)
    count += 1
print(count, time.process_time() - before)
"""


@dataclass(frozen=True)
class Row:
    """What some workers did."""

    workers: int
    jobs_per_second: float
    #: Of the machine's processors, for each job.
    worker_cpu_ms: float
    slack_cpu_ms: float
    #: Without those by which idle workers ask for jobs.
    commits: float
    connections: int
    memory_mb: float
    idle_cpu_percent: float
    idle_commits_per_second: float
    #: Of each of Slack's methods, for each job.
    calls: dict[str, float]


def main() -> None:
    """Print the table, and write it into the page where that is asked."""
    words = [word for word in sys.argv[1:] if word != "--write"]
    jobs = int(words[0]) if words else JOBS
    programs = find_programs()
    if programs is None:
        raise SystemExit("PostgreSQL is missing: on Debian, apt-get install postgresql")
    cores = len(os.sched_getaffinity(0))
    counts = sorted({min(workers, cores) for workers in WORKERS})
    bare = {count: run_bare(count) for count in counts}
    with running_postgres(programs, DURABLE) as server:
        rows = [measure(server, workers, jobs) for workers in WORKERS]
    text = report(rows, bare, jobs)
    print(text)
    if "--write" in sys.argv:
        before, rest = PAGE.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        PAGE.write_text(before + MARKS[0] + text + MARKS[1] + after)


@dataclass(frozen=True)
class Bare:
    """What pipelines did without a bot around them."""

    pictures_per_second: float
    cpu_ms: float


def run_bare(count: int) -> Bare:
    """Run so many pipelines at the same time."""
    command = [sys.executable, "-c", BARE, str(PICTURE), str(BARE_SECONDS)]
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        for _ in range(count)
    ]
    for one in running:
        assert one.stdout is not None
        one.stdout.readline()
    for one in running:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    said = [one.communicate()[0].split() for one in running]
    done = sum(int(pictures) for pictures, _ in said)
    cpu_seconds = sum(float(seconds) for _, seconds in said)
    return Bare(done / BARE_SECONDS, 1000 * cpu_seconds / done)


def measure(server: PostgresServer, workers: int, jobs: int) -> Row:
    """Let workers empty a queue that is full from the beginning."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        url = stack.enter_context(server.database())
        slack = stack.enter_context(SlackServer())
        requests = [request_of(slack, acme) for acme in sample_workspaces(slack, url)]
        queue = stack.enter_context(closing(DbosJobQueue(url, 10**6, CLOCK)))
        facts: dict[str, Any] = {"slack": slack, "database": url} | LEAN
        running = [
            stack.enter_context(process("worker", folder=Path(name, str(one)), **facts))
            for one in range(workers)
        ]
        probe = stack.enter_context(closing(server.connect()))
        work(queue, requests, [f"warm {one}" for one in range(WARM * workers)])
        watch = Watch(running, probe, url.rpartition("/")[2])
        earlier = len(slack.calls)
        before = watch.look()
        ends = work(queue, requests, [f"job {one}" for one in range(jobs)])
        busy = watch.look() - before
        calls = Counter(call.method for call in slack.calls[earlier:])
        connections = watch.connections()
        before = watch.look()
        time.sleep(IDLE_SECONDS)
        idle = watch.look() - before
        memory = max(map(memory_mb, running))
    edge = int(len(ends) * EDGE)
    polls = idle.commits / idle.seconds
    return Row(
        workers=workers,
        jobs_per_second=(jobs - 2 * edge - 1) / (ends[-edge - 1] - ends[edge]),
        worker_cpu_ms=1000 * busy.worker_cpu / jobs,
        slack_cpu_ms=1000 * busy.own_cpu / jobs,
        commits=(busy.commits - polls * busy.seconds) / jobs,
        connections=connections,
        memory_mb=memory,
        idle_cpu_percent=100 * idle.worker_cpu / idle.seconds / workers,
        idle_commits_per_second=polls / workers,
        calls={method: count / jobs for method, count in calls.most_common()},
    )


@dataclass(frozen=True)
class Look:
    """What was spent so far, in seconds and transactions."""

    seconds: float
    worker_cpu: float
    own_cpu: float
    commits: int

    def __sub__(self, other: Look) -> Look:
        """Return what was spent since another look."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Look(*(now - then for now, then in pairs))


@dataclass(frozen=True)
class Watch:
    """Watches workers and their database."""

    running: list[subprocess.Popen[str]]
    probe: psycopg.Connection
    database: str

    def look(self) -> Look:
        """Look once."""
        # Servers write their figures down at most once a second.
        time.sleep(STATISTICS_SECONDS)
        query = "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"
        ((commits,),) = self.probe.execute(query, (self.database,))
        return Look(
            time.monotonic(),
            sum(_ticks(one.pid) for one in self.running) / TICKS_PER_SECOND,
            time.process_time(),
            commits,
        )

    def connections(self) -> int:
        """Return how many connections the database has."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        ((count,),) = self.probe.execute(query, (self.database,))
        return int(count)


def work(
    queue: DbosJobQueue, requests: list[EmojifyRequest], keys: list[str]
) -> list[float]:
    """Queue jobs and wait for their ends; return when each ended, in order."""
    for number, key in enumerate(keys):
        queue.enqueue(requests[number % len(requests)], key)
    until = time.monotonic() + PATIENCE_SECONDS
    while queue.list(JobState.QUEUED, 1) or queue.list(JobState.RUNNING, 1):
        if time.monotonic() > until:
            raise SystemExit("The jobs do not end.")
        time.sleep(0.5)
    jobs = queue.list(None, len(keys))
    if wrong := {job.outcome for job in jobs} - {"posted"}:
        raise SystemExit(f"Jobs ended otherwise: {wrong}")
    return sorted(job.updated_at.timestamp() for job in jobs)


def sample_workspaces(slack: SlackServer, url: str) -> Iterator[SampleWorkspace]:
    """Found workspaces that have installed the bot."""
    upgrade(url)
    with closing(open_database(url)) as database:
        store = InstallationStore(database, Vault([KEY]), CLOCK)
        for number in range(WORKSPACES):
            acme = sample_workspace(slack, name=f"Acme {number}")
            store.save(
                Installation(
                    Workspace(acme.workspace.team_id),
                    bot_token=acme.token,
                    bot_user_id=acme.grant.bot_user_id,
                    scopes=tuple(sorted(acme.grant.scopes)),
                )
            )
            yield acme


def request_of(slack: SlackServer, acme: SampleWorkspace) -> EmojifyRequest:
    """Return a request for a picture that somebody posted."""
    person = SlackUser(slack, acme.workspace, acme.ada, "http://127.0.0.1")
    message = person.post_image(acme.general.channel_id, PICTURE.read_bytes())
    return EmojifyRequest(
        Workspace(acme.workspace.team_id),
        Entrypoint.COMMAND,
        acme.ada.user_id,
        acme.general.channel_id,
        ImageReference(file_id=message.file_ids[0]),
    )


def _ticks(pid: int) -> int:
    """Return what a process has used, and those that it started, in Linux's ticks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        children = " ".join(one.read_text() for one in tasks).split()
    except OSError:
        return 0  # it has ended: its parent's time has it
    # User and system time, its own and that of children that ended.
    return sum(map(int, fields[11:15])) + sum(_ticks(int(one)) for one in children)


def memory_mb(one: subprocess.Popen[str]) -> float:
    """Return the most memory that a process has had resident."""
    return peak_bytes(one.pid) / 2**20


def report(rows: list[Row], bare: dict[int, Bare], jobs: int) -> str:
    """Return the figures as text for the page."""
    rates = [bare[min(row.workers, max(bare))].pictures_per_second for row in rows]
    lines = [
        f"{jobs} jobs of {WORKSPACES} workspaces, a photo of 512 × 512 pixels with one",
        f"face, {len(os.sched_getaffinity(0))} cores ({platform.machine()}).",
        "The bare pipeline, one thread:",
        "",
        *(
            f"- {count} at a time: {one.pictures_per_second:.1f} pictures/s, "
            f"{one.cpu_ms:.0f} ms of processor time each"
            for count, one in bare.items()
        ),
        "",
        HEAD,
        "|--:" * HEAD.count(" |") + "|",
    ]
    lines += [
        f"| {row.workers} | {row.jobs_per_second:.2f} "
        f"| {100 * row.jobs_per_second / rate:.0f} % "
        f"| {row.worker_cpu_ms:.0f} ms | {row.slack_cpu_ms:.0f} ms "
        f"| {row.commits:.0f} | {row.connections} | {row.memory_mb:.0f} MB "
        f"| {row.idle_cpu_percent:.1f} % | {row.idle_commits_per_second:.0f} |"
        for row, rate in zip(rows, rates, strict=True)
    ]
    calls = (f"{method} {count:.1f}" for method, count in rows[0].calls.items())
    lines += ["", f"Calls to Slack for each job: {', '.join(calls)}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
