"""What a run showed, judged and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.load.run import Findings

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- load: begin -->\n", "<!-- load: end -->\n"
HEADING = "## Load"

#: What the line of the second half may rise by: the noise of an allocator, a connection
#: and a thread that come and go. A leak of 1 kB a job is found in half an hour.
MOST_GROWTH = {"own_mb": 6.0, "files": 3.0, "threads": 3.0}
#: Part of its mean that memory may rise by where that is more.
MOST_GROWTH_SHARE = 0.03
MOST_TEMPORARY_GROWTH = 2.0
#: Seconds of arrivals that may wait at any time.
MOST_WAITING_SECONDS = 60.0
#: Part of the requests that may be asked to come again.
MOST_TURNED_AWAY = 0.01
SLACK_WAITS_SECONDS = 3.0
MB = 1e6
PERCENT = (50, 95, 99, 100)
#: Fewer looks or a shorter time say nothing: caches still fill.
LEAST_SAMPLES, LEAST_SECONDS = 20, 60.0


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure over time."""

    first: float
    last: float
    most: float
    #: Of the line, over the second half.
    growth: float
    #: Whether the run was long enough to tell.
    is_known: bool


def trend(points: Sequence[tuple[float, float]]) -> Trend:
    """Fit a line to the second half of a run.

    Args:
        points: Seconds and values, at least one.
    """
    values = [value for _, value in points]
    half = points[len(points) // 2 :]
    length_seconds = half[-1][0] - half[0][0]
    known = len(half) >= LEAST_SAMPLES and length_seconds >= LEAST_SECONDS
    seconds, later = np.transpose(half)
    slope = float(np.polyfit(seconds, later, 1)[0]) if known else 0.0
    return Trend(values[0], values[-1], max(values), slope * length_seconds, known)


def share_of(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of some stay within; 0 of none."""
    return float(np.percentile(values, percent)) if values else 0.0


def complaints(found: Findings) -> list[str]:
    """Return what is not as it should be, a sentence each."""
    return [
        *_growth(found),
        *_queue(found),
        *_answers(found),
        *_disagreement(found),
        *found.problems,
    ]


def _answers(found: Findings) -> Iterator[str]:
    late = sum(one > SLACK_WAITS_SECONDS for one in found.acknowledged_seconds)
    if found.refused or late:
        yield f"{found.refused} requests failed, {late} were answered too late"
    sorry = found.turned_away + found.sent_again
    if sorry > MOST_TURNED_AWAY * found.requests:
        yield f"{sorry} requests were not taken at the first try"


def _growth(found: Findings) -> Iterator[str]:
    for process, samples in found.samples.items():
        for name, most in MOST_GROWTH.items():
            line = trend([(one.seconds, getattr(one, name)) for one in samples])
            bound = max(most, MOST_GROWTH_SHARE * line.last) if "mb" in name else most
            if line.is_known and line.growth > bound:
                yield f"{process}: {name} grew by {line.growth:.1f}"
    if found.temporary:
        line = trend(found.temporary)
        if line.is_known and line.growth > MOST_TEMPORARY_GROWTH:
            yield f"temporary files grew by {line.growth:.1f}"


def _queue(found: Findings) -> Iterator[str]:
    most = max((waiting for _, waiting in found.waiting), default=0.0)
    if most > MOST_WAITING_SECONDS * found.per_second:
        yield f"{most:.0f} jobs waited"


def _disagreement(found: Findings) -> Iterator[str]:
    for pair in found.agreement:
        if not pair.agrees:
            yield f"{pair.what}: {pair.figure} by the figures, {pair.seen} seen"


def table(found: Findings) -> str:
    """Return the whole section in Markdown, without its heading."""
    return "\n".join([*_plan(found), *_times(found), *_sizes(found), *_pairs(found)])


def _plan(found: Findings) -> Iterator[str]:
    plan, bad = found.plan, complaints(found)
    kind = plan.database_url.partition(":")[0].partition("+")[0]
    yield (
        f"One web process and {plan.workers} worker(s) on {kind}, "
        f"{plan.minutes:g} minutes: {found.per_second:.2f} requests a second, "
        f"{plan.share:.0%} of the measured capacity of {found.capacity:.2f} jobs a "
        f"second. {found.requests} requests in all, {found.turned_away} of them were "
        f"asked to come again and {found.sent_again} events sent again; {found.faults} "
        "calls that Slack did not do."
    )
    yield ""
    yield "Everything held." if not bad else "Not held: " + "; ".join(bad) + "."
    yield ""


def _times(found: Findings) -> Iterator[str]:
    yield "| Seconds | " + " | ".join(f"p{one}" for one in PERCENT[:-1]) + " | most |"
    yield "|---|" + "--:|" * len(PERCENT)
    for name, values in (
        ("until acknowledged", found.acknowledged_seconds),
        ("until the picture is shown", found.shown_seconds),
    ):
        cells = [f"{share_of(values, one):.3f}" for one in PERCENT]
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield ""


def _sizes(found: Findings) -> Iterator[str]:
    yield "| | first | last | most | growth over the second half |"
    yield "|---|--:|--:|--:|--:|"
    for process, samples in found.samples.items():
        for name, words in (
            ("own_mb", "memory of its own, MB"),
            ("whole_mb", "memory with its part of what is shared, MB"),
            ("files", "open files"),
            ("threads", "threads"),
        ):
            points = [(one.seconds, getattr(one, name)) for one in samples]
            yield _row(f"{process}: {words}", points)
    yield _row("temporary files", found.temporary)
    yield _row("jobs that wait", found.waiting)
    yield _row("database, MB", [(at, size / MB) for at, size in found.database])
    yield ""


def _row(name: str, points: list[tuple[float, float]]) -> str:
    line = trend(points)
    growth = f"{line.growth:+.2f}" if line.is_known else "too short to tell"
    numbers = [f"{one:.1f}" for one in (line.first, line.last, line.most)]
    return f"| {name} | " + " | ".join([*numbers, growth]) + " |"


def _pairs(found: Findings) -> Iterator[str]:
    yield "| | by the figures | seen by Slack and people |"
    yield "|---|--:|--:|"
    for pair in found.agreement:
        yield f"| {pair.what} | {pair.figure} | {pair.seen} |"
    yield ""


def write(found: Findings, page: Path = PAGE) -> None:
    """Put the table between the marks of the page, which is made if need be."""
    text = page.read_text("utf-8") if page.exists() else "# Reliability\n"
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{HEADING}\n\n{BEGIN}{END}"
    page.write_text(replaced(text, BEGIN, table(found), END), "utf-8")


def replaced(text: str, begin: str, new: str, end: str) -> str:
    """Return a page's text with another one between two marks."""
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{new}\n{end}{rest.partition(end)[2]}"
