"""What rounds found: kept one line a round, summed up in tables for the page."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from emojifier_bot.jobs.worker import EXIT_LEASE_LOST
from tests.crash.ledger import Verdict
from tests.crash.points import ALL_POINTS

#: Kinds of rounds.
KILLS = "kills"
#: Between these lines of the page the tables stand.
BEGIN, END = "<!-- crash: begin -->", "<!-- crash: end -->"
DATABASES = ("sqlite", "postgres")
NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
#: Promises, seconds.
TAKEOVER_SECONDS, DRAIN_SECONDS = 60, 30

#: What a row of a table says of some rounds.
Cell = Callable[[Sequence["Figures"]], object]


@dataclass
class Figures:
    """One round."""

    database: str
    kind: str
    #: Point to how many processes died there.
    kills: dict[str, int] = field(default_factory=dict)
    restarted: int = 0
    left_dead: int = 0
    #: People, each of whom asks until the bot has the request.
    asked: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    refused: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    both: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    posted: int = 0
    told: int = 0
    told_again: int = 0
    #: Jobs that had not ended when the round was given up.
    unfinished: int = 0
    #: Seconds until a dead worker's job was in the queue again, and until another
    #: worker had it: after the death, or after the start of the first that lived on.
    put_back: list[float] = field(default_factory=list)
    takeovers: list[float] = field(default_factory=list)
    drains: list[float] = field(default_factory=list)
    #: Workers that were paused past their lease: exit code of each.
    paused: list[int] = field(default_factory=list)
    #: Workers that gave way because the machine gave them no time for a whole lease.
    starved: int = 0
    #: Ends that nobody ordered: verb and exit code.
    surprises: list[str] = field(default_factory=list)
    #: What a correct bot would not have sent to Slack.
    problems: dict[str, int] = field(default_factory=dict)
    #: That what was done to the database could be felt.
    bit: str = ""
    seconds: float = 0.0

    def take(self, verdict: Verdict) -> None:
        for name, value in asdict(verdict).items():
            setattr(self, name, list(value) if isinstance(value, tuple) else value)

    @property
    def is_clean(self) -> bool:
        broken = (
            self.lost or self.twice or self.both or self.strange or self.surprises
        ) or self.problems
        late = max(self.takeovers, default=0) > TAKEOVER_SECONDS
        slow = max(self.drains, default=0) > DRAIN_SECONDS
        unheard = self.acknowledged < self.asked
        return not (broken or late or slow or unheard or self.unfinished)


def append(file: Path, figures: Figures) -> None:
    """Add a round to a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps(asdict(figures)) + "\n")


def read(file: Path) -> list[Figures]:
    """Return every round of a file."""
    if not file.exists():
        return []
    return [Figures(**json.loads(line)) for line in file.read_text().splitlines()]


def write(page: Path, rounds: Sequence[Figures]) -> None:
    """Put the tables between the marks of a page.

    Raises:
        ValueError: It has none.
    """
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no lines {BEGIN} and {END}.")
    page.write_text(f"{before}{BEGIN}\n\n{tables(rounds)}\n{END}{after}")


def tables(rounds: Sequence[Figures]) -> str:
    """Return all tables in Markdown."""
    kills = [one for one in rounds if one.kind == KILLS]
    others = [one for one in rounds if one.kind != KILLS]
    parts = [_summary(kills), _points(kills)]
    if others:
        parts.insert(1, _faults(others))
    return "\n".join(parts)


def _of(rounds: Iterable[Figures], database: str) -> list[Figures]:
    return [one for one in rounds if one.database == database]


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    rule = "|".join("---" for _ in heads)
    return _row(*heads) + f"|{rule}|\n" + "".join(_row(*row) for row in rows)


def _summary(rounds: Sequence[Figures]) -> str:
    columns = [_of(rounds, database) for database in DATABASES]
    rows = [(label, *map(cell, columns)) for label, cell in SUMMARY]
    return _table(["", *NAMES.values()], rows)


def _faults(rounds: Sequence[Figures]) -> str:
    heads = ["What happened", "Database", "Rounds", "Acknowledged", "Lost", "Twice"]
    rows = []
    for kind in dict.fromkeys(one.kind for one in rounds):
        for database in DATABASES:
            some = [one for one in _of(rounds, database) if one.kind == kind]
            if some:
                counts = [
                    _sum(name)(some) for name in ("acknowledged", "lost", "twice")
                ]
                facts = (len(some), *counts, some[-1].bit)
                rows.append((kind, NAMES[database], *facts))
    return _table([*heads, "It could be felt by"], rows)


def _points(rounds: Sequence[Figures]) -> str:
    sums: dict[str, Counter[str]] = {database: Counter() for database in DATABASES}
    for one in rounds:
        sums[one.database].update(one.kills)
    names = dict.fromkeys([*ALL_POINTS, *sums["sqlite"], *sums["postgres"]])
    rows = [(name, *[sums[database][name] for database in DATABASES]) for name in names]
    return _table(["Killed at", *NAMES.values()], rows)


def _sum(name: str) -> Cell:
    """Sum up a number, or count what is listed."""

    def cell(rounds: Sequence[Figures]) -> int:
        values = [getattr(one, name) for one in rounds]
        return sum(len(one) if isinstance(one, list) else one for one in values)

    return cell


def _times(name: str) -> Cell:
    def cell(rounds: Sequence[Figures]) -> str:
        seconds = [value for one in rounds for value in getattr(one, name)]
        if not seconds:
            return "–"
        return f"{statistics.median(seconds):.1f} / {max(seconds):.1f}"

    return cell


SUMMARY: tuple[tuple[str, Cell], ...] = (
    ("Rounds", len),
    ("– that kept every promise", lambda some: sum(one.is_clean for one in some)),
    ("Requests acknowledged", _sum("acknowledged")),
    ("– ended with a result", _sum("posted")),
    ("– ended with a sentence", _sum("told")),
    ("Sentences told again", _sum("told_again")),
    ("Sent, but the web process died first", _sum("unanswered")),
    ("Processes killed", lambda some: sum(sum(one.kills.values()) for one in some)),
    ("– started again at once", _sum("restarted")),
    ("– left dead, another worker there", _sum("left_dead")),
    ("**Lost**", _sum("lost")),
    ("**Posted twice**", _sum("twice")),
    ("**Posted, and told that it failed**", _sum("both")),
    ("Jobs of dead workers taken over", _sum("takeovers")),
    ("– in the queue again after seconds, median / longest", _times("put_back")),
    ("– with another worker after seconds, median / longest", _times("takeovers")),
    ("Workers sent away by SIGTERM", _sum("drains")),
    ("– ended after seconds, median / longest", _times("drains")),
    ("Workers paused past their lease", _sum("paused")),
    (
        "– that woke and gave way",
        lambda some: sum(one.paused.count(EXIT_LEASE_LOST) for one in some),
    ),
    ("Workers that gave way, starved by the machine", _sum("starved")),
)
