"""Holds what was acknowledged against what Slack shows: lost, twice, or well. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """The requests of a round, by what went wrong with them."""

    #: Acknowledged, but neither posted nor told.
    lost: tuple[str, ...] = ()
    #: Posted more than once, acknowledged or not.
    twice: tuple[str, ...] = ()
    #: Posted, and told that it had failed.
    both: tuple[str, ...] = ()
    #: Nobody asked for it.
    strange: tuple[str, ...] = ()
    posted: int = 0
    told: int = 0
    #: Told more than once, which is allowed: a sentence that one person sees twice.
    told_again: int = 0

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.twice or self.both or self.strange)


def judge(
    acknowledged: Collection[str],
    unanswered: Collection[str],
    posted: Iterable[str],
    told: Iterable[str],
) -> Verdict:
    """Judge a round.

    Args:
        acknowledged: Names of requests that the bot said it had.
        unanswered: Names of those that were sent and got no answer: they may have been
            taken all the same, once.
        posted: Name of the request of each result that is shown, one for each showing.
        told: Name of the request of each error that somebody was told.
    """
    shown, heard = Counter(posted), Counter(told)
    known = {*acknowledged, *unanswered}
    return Verdict(
        lost=_sorted(name for name in acknowledged if not shown[name] + heard[name]),
        twice=_sorted(name for name, times in shown.items() if times > 1),
        both=_sorted(name for name in shown if heard[name]),
        strange=_sorted({*shown, *heard} - known),
        posted=len(shown),
        told=len(heard),
        told_again=sum(times > 1 for times in heard.values()),
    )


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
