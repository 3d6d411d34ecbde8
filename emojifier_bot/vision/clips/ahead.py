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
    with ThreadPoolExecutor(1, thread_name_prefix="frames") as thread:
        coming = thread.submit(context.run, next, source, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(context.run, next, source, end)
            yield cast("T", item)
