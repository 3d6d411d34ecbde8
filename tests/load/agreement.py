"""Whether the bot's figures tell what the fake Slack and the people saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.load.ledger import Ledger
from tests.load.processes import Series
from tests.load.traffic import Traffic

CALLS = "emojifier_slack_call_seconds_count"
ERRORS = "emojifier_slack_errors_total"
ENDED = "emojifier_jobs_total"
ANSWERS = "emojifier_slack_answer_seconds_count"
UNREACHABLE = "slack_unreachable"
#: Calls of one method that may end before Slack hears of them.
MOST_LOST = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """One thing, as the figures and as the others have it."""

    what: str
    figure: int
    seen: int

    @property
    def agrees(self) -> bool:
        return self.figure == self.seen


def pairs(
    figures: Mapping[Series, float], ledger: Ledger, traffic: Traffic
) -> list[Pair]:
    """Compare everything that both sides know."""
    outcomes = _by(figures, ENDED, "outcome")
    posted = outcomes.get(("posted",), 0)
    told = sum(outcomes.values()) - posted
    results = ledger.results
    answers = sum(_by(figures, ANSWERS).values())
    calls, errors = (
        _by(figures, CALLS, "method"),
        _by(figures, ERRORS, "method", "error"),
    )
    lost = _never_arrived(errors, ledger)
    return [
        Pair("acknowledgements", answers, traffic.answered),
        Pair("jobs ended", sum(outcomes.values()), traffic.taken),
        Pair("results posted", posted, sum(results.values())),
        Pair("pictures shown", len(results), len(traffic.asked_at)),
        Pair("sentences told", told, ledger.told),
        *_each("calls of", calls, _with(_keys(ledger.calls), lost)),
        *_each(
            "errors of",
            errors,
            _with(ledger.errors, {(*key, UNREACHABLE): n for key, n in lost.items()}),
        ),
    ]


def _never_arrived(
    errors: Mapping[tuple[str, ...], int], ledger: Ledger
) -> dict[tuple[str, ...], int]:
    """Return how many calls of each method ended before Slack heard of them.

    On a machine that is too busy a connection may not come about in time. Such a call
    must stand among the calls and among the errors, or one of the two disagrees.
    """
    more = {
        (method,): count - ledger.errors.get((method, error), 0)
        for (method, error), count in errors.items()
        if error == UNREACHABLE
    }
    return {key: count for key, count in more.items() if 0 < count <= MOST_LOST}


def _with(
    seen: Mapping[tuple[str, ...], int], lost: Mapping[tuple[str, ...], int]
) -> dict[tuple[str, ...], int]:
    return {key: seen.get(key, 0) + lost.get(key, 0) for key in {*seen, *lost}}


def _keys(counts: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    return {(name,): count for name, count in counts.items()}


def _each(
    word: str,
    figures: Mapping[tuple[str, ...], int],
    seen: Mapping[tuple[str, ...], int],
) -> Iterator[Pair]:
    for key in sorted({*figures, *seen}):
        name = " ".join([word, *(f"`{part}`" for part in key)])
        yield Pair(name, figures.get(key, 0), seen.get(key, 0))


def _by(
    figures: Mapping[Series, float], name: str, *labels: str
) -> dict[tuple[str, ...], int]:
    """Sum a figure up by some of its labels."""
    total: dict[tuple[str, ...], int] = {}
    for (series, found), value in figures.items():
        if series == name:
            known = dict(found)
            key = tuple(known[label] for label in labels)
            total[key] = total.get(key, 0) + round(value)
    return total
