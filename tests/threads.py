"""Several threads that do the same at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

THREADS = 8


def at_once(call: Callable[[], object], times: int = THREADS) -> list:
    """Return what a call gives to each of several threads that make it together."""
    barrier = threading.Barrier(times)

    def wait_and_call(_):
        barrier.wait()
        return call()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(wait_and_call, range(times)))
