"""Threads that last as long as a block, and several that do the same together."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

THREADS, PROCESSES = 8, 4
#: How long something is waited for, seconds: machines may be busy.
PATIENCE_SECONDS = 60.0


@contextmanager
def in_thread(run: Callable[[], object], stop: Callable[[], object]) -> Iterator[None]:
    """Run a function in a thread; at the end of the block it is told to stop."""
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()


@contextmanager
def repeated(step: Callable[[], object], seconds: float) -> Iterator[None]:
    """Do a step every so many seconds in a thread until the end of the block."""
    stop = threading.Event()

    def run() -> None:
        due = time.monotonic() + seconds
        while not stop.wait(max(due - time.monotonic(), 0.0)):
            step()
            due = max(due + seconds, time.monotonic())

    with in_thread(run, stop.set):
        yield


def wait_until(true: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something to become true; fail if it does not."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


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
