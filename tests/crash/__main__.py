"""The crash harness: ``python -m tests.crash``, or ``make crash``.

Every round is added to a file of figures, so that a run can be broken off and gone on
with; ``--write`` puts the sums of all of them into the page.
"""

from __future__ import annotations

import argparse
import itertools
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.crash import figures
from tests.crash.faults import CLOCK, POSTGRES_FAULTS, SQLITE_FAULTS, injected_fault
from tests.crash.figures import DATABASES, KILLS, Figures
from tests.crash.points import ALL_POINTS
from tests.crash.round import FAULT_STAGE_SECONDS, FaultRound, Plan, Round, staged
from tests.postgres import find_programs, running_postgres

RESULTS = Path("build/crash/rounds.jsonl")
#: Of each round: kills at points, and at random moments.
POINTS_A_ROUND = 22
RANDOM = ("worker", "web", "both")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run rounds; return 1 where a promise was broken."""
    told = _parser().parse_args(arguments)
    # Whoever ends the harness ends its processes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.time()
    broken = 0
    for number, database in itertools.product(
        range(told.rounds), told.database.split(",")
    ):
        for figure in _play(told, number, database, int(began)):
            figures.append(told.results, figure)
            broken += not figure.is_clean
            _say(number, figure)
    if told.write:
        figures.write(told.write, figures.read(told.results))
    return int(broken > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--database", default=",".join(DATABASES))
    parser.add_argument("--faults", action="store_true", help="not kills")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--write", type=Path, help="a page with the marks")
    return parser


def _play(
    told: argparse.Namespace, number: int, database: str, salt: int
) -> Iterator[Figures]:
    if not told.faults:
        yield _round(database, told.jobs, number, told.results, salt)
        return
    kinds = SQLITE_FAULTS if database == "sqlite" else POSTGRES_FAULTS
    for kind in kinds:
        yield _fault_round(kind, database, told.jobs, told.results)


def _fault_round(kind: str, database: str, jobs: int, results: Path) -> Figures:
    with ExitStack() as stack:
        name = tempfile.TemporaryDirectory(prefix="emojifier-crash-")
        folder = Path(stack.enter_context(name))
        what = stack.enter_context(injected_fault(kind, database, folder))
        # A wait that a dead worker recorded by a wrong clock is another's to end.
        kills = ("worker",) * 3 if kind == CLOCK else ()
        pace = jobs / (FAULT_STAGE_SECONDS * (what.stages + 1))
        plan = Plan(database, jobs, random_kills=kills, per_second=pace)
        stage = stack.enter_context(
            staged(what.url, folder, what.environment, hurry=False)
        )
        play = FaultRound(plan, stage, Figures(database, kind), what)
        return _played(play, folder, results)


def _round(database: str, jobs: int, number: int, results: Path, salt: int) -> Figures:
    with ExitStack() as stack:
        name = tempfile.TemporaryDirectory(prefix="emojifier-crash-")
        folder = Path(stack.enter_context(name))
        url = f"sqlite:///{folder / 'bot.db'}"
        if database == "postgres":
            programs = find_programs()
            assert programs is not None, "needs PostgreSQL"
            server = stack.enter_context(running_postgres(programs))
            url = stack.enter_context(server.database())
        plan = Plan(
            database,
            jobs,
            points=next_points(results, database, POINTS_A_ROUND),
            random_kills=RANDOM,
            pause=True,
            drain=True,
            seed=salt + number,
        )
        stage = stack.enter_context(staged(url, folder, hurry=False))
        return _played(Round(plan, stage, Figures(database, KILLS)), folder, results)


def _played(play: Round, folder: Path, results: Path) -> Figures:
    """Play a round; of a broken one keep logs and database."""
    figure = play.run()
    if not figure.is_clean:
        where = results.parent / f"broken-{figure.database}-{int(time.time())}"
        where.mkdir(parents=True, exist_ok=True)
        for file in itertools.chain(folder.glob("*.log"), folder.glob("bot.db*")):
            (where / file.name).write_bytes(file.read_bytes())
    return figure


def next_points(results: Path, database: str, count: int) -> list[str]:
    """Return the points that were reached least often so far, in a new order."""
    reached = dict.fromkeys(ALL_POINTS, 0)
    for one in figures.read(results):
        for point, times in one.kills.items():
            if (one.database, one.kind) == (database, KILLS) and point in reached:
                reached[point] += times
    draw = random.Random()
    rarest = sorted(reached, key=lambda point: (reached[point], draw.random()))[:count]
    draw.shuffle(rarest)
    # Those of the web process while people still ask.
    return sorted(rarest, key=lambda point: "enqueue" not in point)


def _say(number: int, one: Figures) -> None:
    verdict = "well" if one.is_clean else "BROKEN"
    counts = f"lost {len(one.lost)}, twice {len(one.twice)}, both {len(one.both)}"
    killed = sum(one.kills.values())
    longest = max(one.takeovers, default=0)
    sys.stdout.write(
        f"{number + 1}: {one.kind}, {one.database}: {verdict}: {one.acknowledged} "
        f"acknowledged, {killed} killed, {counts}, longest takeover {longest} s, "
        f"{one.surprises or ''} {one.problems or ''} {one.seconds} s\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
