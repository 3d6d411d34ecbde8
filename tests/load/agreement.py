"""Whether the bot's figures tell what the fake Slack and the people saw."""

from __future__ import annotations

from collections import Counter
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
    seen = {(name,): count for name, count in ledger.calls.items()}
    return [
        Pair("acknowledgements", answers, traffic.answered),
        Pair("jobs ended", sum(outcomes.values()), traffic.taken),
        Pair("results posted", posted, sum(results.values())),
        Pair("pictures shown", len(results), len(traffic.asked_at)),
        Pair("sentences told", told, ledger.told),
        *_each("calls of", calls, Counter(seen) + lost),
        *_each(
            "errors of",
            errors,
            ledger.errors + Counter({(*key, UNREACHABLE): lost[key] for key in lost}),
        ),
    ]


def _never_arrived(
    errors: Mapping[tuple[str, ...], int], ledger: Ledger
) -> Counter[tuple[str, ...]]:
    """Return how many calls of each method ended before Slack heard of them.

    On a machine that is too busy a connection may not come about in time. Such a call
    must stand among the calls and among the errors, or one of the two disagrees.
    """
    more = {
        (method,): count - ledger.errors.get((method, error), 0)
        for (method, error), count in errors.items()
        if error == UNREACHABLE
    }
    return Counter({key: one for key, one in more.items() if 0 < one <= MOST_LOST})


def _each(
    word: str,
    figures: Counter[tuple[str, ...]],
    seen: Counter[tuple[str, ...]],
) -> Iterator[Pair]:
    for key in sorted({*figures, *seen}):
        name = " ".join([word, *(f"`{part}`" for part in key)])
        yield Pair(name, figures[key], seen[key])


def _by(
    figures: Mapping[Series, float], name: str, *labels: str
) -> Counter[tuple[str, ...]]:
    """Sum a figure up by some of its labels."""
    total: Counter[tuple[str, ...]] = Counter()
    for (series, found), value in figures.items():
        if series == name:
            known = dict(found)
            total[tuple(known[label] for label in labels)] += round(value)
    return total
