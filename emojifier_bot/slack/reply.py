"""One row of the table of sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody reads when something went this way.

    Raises:
        ValueError: It says nothing, or something of its own beside *same as*.
    """

    #: What happened. ``{name}`` is replaced by a fact.
    sentence: str = ""
    #: What to do now.
    next_step: str = ""
    #: Whether the same again may go well without anybody doing anything.
    retryable: bool = False
    #: Kind of another row that says all of this one.
    same_as: str = ""

    def __post_init__(self) -> None:
        """Check that it has words, its own or another row's."""
        own = bool(self.sentence and self.next_step)
        if own == bool(self.same_as):
            raise ValueError(f"A reply has words or is the same as another: {self!r}.")


def same(table: Mapping[str, str]) -> dict[str, Reply]:
    """Return the rows that say what other rows say.

    Args:
        table: By the kind whose row it is, all kinds that are the same as that.
    """
    return {
        kind: Reply(same_as=spoken)
        for spoken, kinds in table.items()
        for kind in kinds.split()
    }
