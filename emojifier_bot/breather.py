"""A pause after somebody waited in vain for a database: else many waits add up."""

from __future__ import annotations

import time
from collections.abc import Callable

#: How long nobody in a hurry waits after one of them did in vain.
BREATHER_SECONDS = 1.0


class Breather:
    """The pause that all who share a database take together; from any thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin without a pause.

        Args:
            monotonic: Tells seconds that never go back.
        """
        self._monotonic = monotonic
        self._until = float("-inf")

    def take(self) -> None:
        """Begin a pause."""
        self._until = self._monotonic() + BREATHER_SECONDS

    def is_taken(self) -> bool:
        """Tell whether one lasts."""
        return self._monotonic() < self._until
