"""Several threads, or processes, that do the same at the same time."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

THREADS, PROCESSES = 8, 4


def at_once(call: Callable[[], object]) -> list:
    """Return what a call gives to each of several threads that make it together."""
    barrier = threading.Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        calls = [pool.submit(_wait_and_call, barrier, call) for _ in range(THREADS)]
        return [one.result() for one in calls]


def at_once_in_processes(call: Callable[..., object], *given: str) -> list:
    """Return what a function of a module gives to several processes together."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager, ProcessPoolExecutor(PROCESSES, spawn) as pool:
        job = (_wait_and_call, manager.Barrier(PROCESSES), call, *given)
        calls = [pool.submit(*job) for _ in range(PROCESSES)]
        return [one.result() for one in calls]


def _wait_and_call(barrier: Any, call: Callable[..., object], *given: str) -> object:
    barrier.wait()
    return call(*given)
