"""What is done with one frame while the next one is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar, cast

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield items; the next one is made meanwhile, in a thread of its own."""
    source, end, context = iter(items), object(), copy_context()

    def following() -> T | object:
        return context.run(lambda: next(source, end))

    with ThreadPoolExecutor(1, thread_name_prefix="frames") as thread:
        coming = thread.submit(following)
        while (item := coming.result()) is not end:
            coming = thread.submit(following)
            yield cast("T", item)
