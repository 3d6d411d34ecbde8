"""What is done with one frame while the next one is made."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar, cast

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Generator[T, None, None]:
    """Yield items; the next one is made meanwhile, in a thread of its own.

    Whoever passes it on must close it: an error keeps what its way had in hand, and
    until that is gone the next one may still be being made.
    """
    source, end, context = iter(items), object(), copy_context()

    def following() -> T | object:
        return context.run(lambda: next(source, end))

    with ThreadPoolExecutor(1, thread_name_prefix="frames") as thread:
        coming = thread.submit(following)
        while (item := coming.result()) is not end:
            coming = thread.submit(following)
            yield cast("T", item)
