"""Runs small tasks after the acknowledgement, and only a bounded number of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger(__name__)

#: Slack calls that may be under way at once; each takes a fraction of a second.
THREADS = 4
#: Tasks that may wait for a thread: at 0.2 s a call, those wait for 3 s, which is how
#: long Slack lets a window be opened after a press.
WAITING = 60
#: The same for notifications of what failed.
NOTIFICATION_THREADS, WAITING_NOTIFICATIONS = 2, 200


class Background:
    """A small executor that refuses work where too much waits."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        """Start with no thread; they come with the work."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="after-ack")
        self._places = threading.BoundedSemaphore(threads + waiting)

    def submit(self, action: str, task: Callable[[], None]) -> bool:
        """Run a task soon; what it raises is logged.

        Args:
            action: Names it in the log.
            task: What to run.

        Returns:
            False where too many wait; the task will not run.
        """
        if not self._places.acquire(blocking=False):
            facts = {"action": action}
            logger.warning("A task was refused: too many wait", extra=facts)
            return False
        self._executor.submit(self._run, action, task)
        return True

    def close(self) -> None:
        """Finish what was taken on, and take on no more."""
        self._executor.shutdown(wait=True)

    def _run(self, action: str, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception:
            # The outermost loop of these threads: nobody else would hear of it.
            logger.exception("A task failed", extra={"action": action})
        finally:
            self._places.release()
