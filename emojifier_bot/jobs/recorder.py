"""One job's steps on DBOS: recorded once, tried again by kind, replayed after a crash.

What a step says is recorded as a value, its failures too: an exception would come back
from the record as another type. So what the workflow does next follows from the record
alone, and a job that is run again takes the same way through its code.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable
from typing import Any

from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError

from emojifier_bot import metrics
from emojifier_bot.errors import EmojifierError, ErrorKind
from emojifier_bot.jobs.parts import Timing
from emojifier_bot.jobs.retry import Failure, decide, failure_of

#: What a step returns, JSON types only.
Call = Callable[[], Any]
#: Recorded before a call that must not happen twice unasked.
MARK = ".mark"
#: A wait lasts at most so much longer than it should, seconds: recording it may take
#: that long while the database is slow.
LATE_SECONDS = 5.0
#: Times that a guarded step may have taken the worker down with it.
MAX_CRASHES = 4

#: The keys of what is recorded.
DONE, FAILED, UNSURE = "done", "failed", "unsure"

logger = logging.getLogger(__name__)


class JobFailedError(Exception):
    """A step failed for good; the job ends with what went wrong."""

    def __init__(self, failure: Failure) -> None:
        """Keep the failure; its kind is what the job's row shows."""
        super().__init__(failure.kind)
        self.failure = failure


class Answer:
    """What a recorded step said."""

    def __init__(self, recorded: dict[str, Any]) -> None:
        """Read the record."""
        #: It may have been done before a crash; it was not done now.
        self.unsure = bool(recorded.get(UNSURE))
        self.value = recorded.get(DONE)
        failed = recorded.get(FAILED)
        self.failure = None if failed is None else Failure.from_dict(failed)


class Recorder:
    """Runs the steps of one job."""

    def __init__(self, job_id: str, timing: Timing) -> None:
        """Begin at the first step."""
        self._job_id = job_id
        self._timing = timing

    async def once(self, name: str, call: Call) -> Answer:
        """Run one step in a thread and record how it went."""
        recorded = await DBOS.run_step_async({"name": name}, self._answer, name, call)
        return Answer(recorded)

    async def guarded(self, name: str, call: Call) -> Answer:
        """Run a step that must not be repeated without a question.

        A mark is recorded first. Where it was recorded by an earlier run of the job,
        the call may have happened and its record got lost: the answer is then
        ``unsure``, and nothing is called.
        """
        fresh = False

        def mark() -> dict[str, Any]:
            nonlocal fresh
            fresh = True
            return {DONE: None}

        await DBOS.run_step_async({"name": name + MARK}, mark)
        recorded = await DBOS.run_step_async(
            {"name": name},
            lambda: self._answer(name, call) if fresh else {UNSURE: True},
        )
        return Answer(recorded)

    async def retried(self, name: str, call: Call) -> Any:
        """Run a step until it is done, waiting durably between the tries.

        Raises:
            JobFailedError: It is given up.
        """
        patience = self.patience(name)
        while True:
            answer = await self.once(name, call)
            if answer.failure is None:
                return answer.value
            await patience.wait(answer.failure)

    async def survived(self, name: str, call: Call) -> Any:
        """Run a step like `retried`, but give up where it kills worker after worker.

        Raises:
            JobFailedError: It is given up.
        """
        patience = self.patience(name)
        crashes = 0
        while True:
            answer = await self.guarded(name, call)
            if answer.unsure:
                crashes += 1
                if crashes >= MAX_CRASHES:
                    raise JobFailedError(Failure(ErrorKind.UNEXPECTED))
            elif answer.failure is None:
                return answer.value
            else:
                await patience.wait(answer.failure)

    async def courtesy(self, name: str, call: Call) -> None:
        """Run a step that the job does not depend on; a failure is logged."""
        try:
            await self.retried(name, call)
        except JobFailedError as error:
            facts = {"action": name, "kind": error.failure.kind, "job_id": self._job_id}
            logger.warning("job goes on without a step", extra=facts)

    async def sleep(self, seconds: float) -> None:
        """Wait durably: a crash does not begin the wait anew, and no thread waits.

        What is recorded is a time of day. Where the clock was set back since, the wait
        ends all the same.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(DBOS.sleep_async(seconds), seconds + LATE_SECONDS)

    def patience(self, name: str) -> Patience:
        """Return what decides about further tries of a step."""
        return Patience(self, name, f"{self._job_id}/{name}", self._timing.backoff)

    def _answer(self, name: str, call: Call) -> dict[str, Any]:
        facts = {"action": name, "job_id": self._job_id}
        began = time.perf_counter()
        try:
            done = {DONE: call()}
        except (EmojifierError, SQLAlchemyError) as error:
            failure = failure_of(error)
            logger.info("job step failed", extra=facts | {"kind": failure.kind})
        except Exception as error:
            # The worker's outermost loop: whatever it is, the asker is told.
            failure = failure_of(error)
            logger.exception("job step failed unexpectedly", extra=facts)
        else:
            seconds = round(time.perf_counter() - began, 3)
            logger.info("job step done", extra=facts | {"seconds": seconds})
            return done
        finally:
            metrics.STEP_SECONDS.labels(name).observe(time.perf_counter() - began)
        return {FAILED: failure.to_dict()}


class Patience:
    """Waits between the tries of one step, as long as it pays."""

    def __init__(
        self, recorder: Recorder, step: str, seed: str, backoff: float
    ) -> None:
        """Begin with the first try."""
        self._recorder = recorder
        self._step = step
        self._seed = seed
        self._backoff = backoff
        self._attempts = itertools.count(1)
        self._waited_seconds = 0.0

    async def wait(self, failure: Failure) -> None:
        """Wait until the next try is due.

        Raises:
            JobFailedError: There is none.
        """
        attempt = next(self._attempts)
        seed = f"{self._seed}/{attempt}"
        decision = decide(failure, attempt, self._waited_seconds, seed)
        if decision is None:
            raise JobFailedError(failure)
        kind = metrics.label_of(failure.kind)
        metrics.STEP_RETRIES.labels(self._step, kind).inc()
        self._waited_seconds += decision.wait_seconds
        asked = failure.retry_after_seconds is not None
        await self._recorder.sleep(
            decision.wait_seconds * (1.0 if asked else self._backoff)
        )
