"""Runs the steps of one job on DBOS: recorded once, retried, replayed after a crash.

A step records what it returned as a value, its failures too: an exception would come
back from the record as another type. So what the workflow does next follows from the
record alone, and a job that is run again takes the same way through its code.

Every record costs two transactions. So what does no harm when it is repeated (a
reaction, a question) is not recorded, and the record of one step also marks that the
next one may have begun, see `StepRunner.run_marked`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError

from emojifier_bot import metrics
from emojifier_bot.domain import known_fields
from emojifier_bot.errors import (
    EmojifierError,
    ErrorKind,
    ImageError,
    PlanError,
    RemoteError,
    StoreError,
)
from emojifier_bot.jobs.places import Hand

#: What a step does; it returns JSON types only.
Call = Callable[[], Any]
#: What a step does with a picture in hand.
HandCall = Callable[[Hand], Any]
#: Takes a picture in hand: the step before the one that handles it.
FETCH = "fetch"
#: Ends the name of a record that only marks that a call may have begun.
MARK = ".mark"
#: A wait lasts at most so much longer than it should, seconds: recording it may take
#: that long while the database is slow.
LATE_SECONDS = 5.0
#: Times that a step may have taken the worker down with it: where Slack is called,
MAX_CRASHES = 4
#: and while its picture was in hand, which may be why.
MAX_PICTURE_CRASHES = 2

#: The keys of what is recorded.
DONE, FAILED, UNSURE = "done", "failed", "unsure"
#: Added where the worker that had the picture in hand lived on without the job.
GIVEN_BACK = "given_back"

#: Before each question whether an upload that may have been completed is shown: ten
#: seconds in all, for Slack shares a file some time after it says so.
SETTLE_WAITS_SECONDS = (0.0, 2.0, 3.0, 5.0)
#: Before each question for the share of an upload that was completed: 36 seconds in
#: all.
VERIFY_WAITS_SECONDS = (0.3, 0.7, 1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 15.0)

#: Tries of one step, the first one included.
MAX_ATTEMPTS = 8
#: Waits double from the first to the longest: 1, 2, 4, … 60 seconds.
FIRST_WAIT_SECONDS, GROWTH, LONGEST_WAIT_SECONDS = 1.0, 2.0, 60.0
#: A wait of our own choice is this part of its full length, at random.
JITTER_FROM, JITTER_TO = 0.5, 1.0
#: A wait that the other side asked for is never cut, but up to this much longer, so
#: that not all jobs come back in the same second.
ASKED_JITTER_TO = 1.1
#: One step waits this long in all; then the asker can still be told: Slack takes
#: answers for 30 minutes.
BUDGET_SECONDS = 900.0

#: Slack says that it did nothing; every other failure that is worth another try may
#: hide that it did.
_NOT_DONE = frozenset({ErrorKind.RATELIMITED})
#: Slack says that it may have done a part of it.
_HALF_DONE = frozenset({ErrorKind.FATAL_ERROR, ErrorKind.INTERNAL_ERROR})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, as it is recorded with a step."""

    #: Row of the table of sentences.
    kind: str
    #: The same again may go well.
    retryable: bool = False
    #: How long the other side asked to wait.
    retry_after_seconds: float | None = None
    #: Nothing that the asker or the workspace could change: the job ends in error, and
    #: an operator may run it again.
    ours: bool = True
    #: What exactly is wrong, for the asker; empty where the kind says enough.
    problem: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Failure:
        """Read a recorded one, perhaps that of a newer version of the bot."""
        return cls(**known_fields(cls, values))


class JobFailedError(Exception):
    """A step failed for good; the job ends with what went wrong."""

    def __init__(self, failure: Failure) -> None:
        """Keep the failure; its kind is what the job's row shows."""
        super().__init__(failure.kind)
        self.failure = failure


class Backoff:
    """Decides how long to wait between the tries of one step, and when to give up."""

    def __init__(self, seed: str = "", stretch: float = 1.0) -> None:
        """Begin before the first try.

        Args:
            seed: Draws the jitter.
            stretch: Multiplies the waits that the other side did not ask for.
        """
        self._seed = seed
        self._stretch = stretch
        self._attempts = 0
        self._waited_seconds = 0.0

    def next_wait_seconds(self, failure: Failure) -> float:
        """Return how long to wait after the latest try before the next one.

        Raises:
            JobFailedError: There is no next one.
        """
        self._attempts += 1
        if not failure.retryable or self._attempts >= MAX_ATTEMPTS:
            raise JobFailedError(failure)
        draw = random.Random(f"{self._seed}/{self._attempts}")  # noqa: S311 - jitter
        asked_seconds = failure.retry_after_seconds
        if asked_seconds is not None:
            seconds = max(asked_seconds, FIRST_WAIT_SECONDS)
            seconds *= draw.uniform(1.0, ASKED_JITTER_TO)
        else:
            full = FIRST_WAIT_SECONDS * GROWTH ** (self._attempts - 1)
            seconds = min(full, LONGEST_WAIT_SECONDS)
            seconds *= draw.uniform(JITTER_FROM, JITTER_TO)
        if self._waited_seconds + seconds > BUDGET_SECONDS:
            raise JobFailedError(failure)
        self._waited_seconds += seconds
        return seconds if asked_seconds is not None else seconds * self._stretch


def failure_of(error: Exception) -> Failure:
    """Sort an error by its type."""
    if isinstance(error, ImageError):
        return Failure(error.kind, ours=False)
    if isinstance(error, PlanError):
        return Failure(error.kind, ours=False, problem=error.message)
    if isinstance(error, RemoteError):
        # What is worth another try and fails to the end is an outage, not a refusal.
        return Failure(
            error.kind, error.retryable, error.retry_after_seconds, error.retryable
        )
    if isinstance(error, EmojifierError):
        return Failure(error.kind, retryable=isinstance(error, StoreError))
    if isinstance(error, SQLAlchemyError):
        return Failure(ErrorKind.DATABASE, retryable=True)
    return Failure(ErrorKind.UNEXPECTED)


def may_have_happened(failure: Failure) -> bool:
    """Tell whether what failed may have been done all the same: its answer got lost."""
    if failure.kind in _HALF_DONE:
        return True
    return failure.retryable and failure.kind not in _NOT_DONE


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a job waits between what it does; short in tests."""

    settle_waits_seconds: tuple[float, ...] = SETTLE_WAITS_SECONDS
    verify_waits_seconds: tuple[float, ...] = VERIFY_WAITS_SECONDS
    #: Stretches the waits before another try that nobody asked for.
    backoff: float = 1.0
    #: From when on, and how often, a line says how far a clip is.
    progress_seconds: float = 5.0


class Answer:
    """What a step returned, or how it failed."""

    def __init__(self, recorded: dict[str, Any]) -> None:
        #: It may have been done before a crash; it was not done now.
        self.unsure = bool(recorded.get(UNSURE))
        self.given_back = bool(recorded.get(GIVEN_BACK))
        self.value = recorded.get(DONE)
        failed = recorded.get(FAILED)
        self.failure = None if failed is None else Failure.from_dict(failed)


class StepRunner:
    """Runs the steps of one job."""

    def __init__(self, job_id: str, timing: Timing) -> None:
        self._job_id = job_id
        self._timing = timing
        #: Whether this run of the job wrote the latest record. Where it was replayed,
        #: an earlier run may have begun what comes next.
        self._is_latest_ours = False

    async def run_once(self, name: str, call: Call) -> Answer:
        """Run one step and record how it went."""
        return await self._record(name, lambda: self._attempt(name, call))

    async def run_marked(self, name: str, call: Call) -> Answer:
        """Run a step that must not be repeated without a question.

        The record before it is its mark. Where an earlier run of the job wrote that
        one, the call may have happened and its own record got lost: the answer is then
        ``unsure``, and nothing is called.
        """
        if self._is_latest_ours:
            return await self.run_once(name, call)
        return await self._record(name, lambda: {UNSURE: True})

    async def run_with_retries(self, name: str, call: Call) -> Any:
        """Run a step until it is done, waiting durably between the tries.

        Raises:
            JobFailedError: It is given up.
        """
        backoff = self.backoff(name)
        while True:
            answer = await self.run_once(name, call)
            if answer.failure is None:
                return answer.value
            await self.wait(name, backoff, answer.failure)

    async def run_with_crash_limit(
        self, name: str, take: HandCall, handle: HandCall
    ) -> Any:
        """Take a picture in hand and handle it, but give up if it kills its workers.

        Whoever still waits for the picture, or for its places, has nothing in hand: a
        worker that dies meanwhile is not counted.

        Args:
            name: Of the step that handles it.
            take: Fetches it and waits for its places; the step's result where there is
                nothing to handle, None otherwise.
            handle: Does the rest, and returns the step's result.

        Raises:
            JobFailedError: It is given up.
        """
        backoff = self.backoff(name)
        crashes = 0
        while True:
            with Hand() as hand:
                answer = taken = await self.run_once(FETCH, partial(take, hand))
                if answer.failure is None and answer.value is None:
                    answer = await self.run_marked(name, partial(handle, hand))
            if answer.failure is not None:
                await self.wait(name, backoff, answer.failure)
            elif not answer.unsure:
                return answer.value
            elif not taken.given_back:
                crashes += 1
                if crashes >= MAX_PICTURE_CRASHES:
                    raise JobFailedError(Failure(ErrorKind.UNEXPECTED))

    async def run_polled(
        self,
        name: str,
        call: Call,
        is_final: Callable[[Any], bool],
        waits_seconds: tuple[float, ...],
    ) -> Any:
        """Ask again and again until the answer is final; only the last is recorded.

        Returns:
            None where no answer was final.

        Raises:
            JobFailedError: Asking fails for good.
        """

        async def poll() -> dict[str, Any]:
            self._is_latest_ours = True
            for seconds in waits_seconds:
                await asyncio.sleep(seconds)
                answer = await self._attempt_until_done(name, call)
                if FAILED in answer or is_final(answer[DONE]):
                    return answer
            return {DONE: None}

        self._is_latest_ours = False
        answer = Answer(await DBOS.run_step_async({"name": name}, poll))
        if answer.failure is not None:
            raise JobFailedError(answer.failure)
        return answer.value

    async def run_best_effort(
        self, name: str, call: Call, *, is_repeatable: bool = True
    ) -> None:
        """Run a step that the job does not depend on; a failure is logged.

        What is repeatable is not recorded: after a crash it is done again.
        """
        failure: Failure | None = None
        if is_repeatable:
            failure = Answer(await self._attempt_until_done(name, call)).failure
        else:
            try:
                await self.run_with_retries(name, call)
            except JobFailedError as error:
                failure = error.failure
        if failure is not None:
            facts = {"action": name, "kind": failure.kind, "job_id": self._job_id}
            logger.warning("job goes on without a step", extra=facts)

    def backoff(self, name: str) -> Backoff:
        """Return what decides about further tries of a step."""
        return Backoff(f"{self._job_id}/{name}", self._timing.backoff)

    async def wait(
        self, name: str, backoff: Backoff, failure: Failure, *, is_marked: bool = False
    ) -> None:
        """Wait durably until the next try of a step is due: a crash ends no wait.

        What is recorded is a time of day. Where the clock was set back since, the wait
        ends all the same.

        Args:
            name: Of the step.
            backoff: Of the step.
            failure: How the latest try went.
            is_marked: Record the end of the wait too, for `run_marked`.

        Raises:
            JobFailedError: There is no further try.
        """
        seconds = self._next_wait(name, backoff, failure)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(DBOS.sleep_async(seconds), seconds + LATE_SECONDS)
        self._is_latest_ours = False
        if is_marked:
            await self._record(name + MARK, lambda: {DONE: None})

    async def _attempt_until_done(self, name: str, call: Call) -> dict[str, Any]:
        """Try a call until it is done or given up, without any record."""
        backoff = self.backoff(name)
        while True:
            answer = await asyncio.to_thread(self._attempt, name, call)
            if FAILED not in answer:
                return answer
            try:
                seconds = self._next_wait(
                    name, backoff, Failure.from_dict(answer[FAILED])
                )
            except JobFailedError:
                return answer
            await asyncio.sleep(seconds)

    def _next_wait(self, name: str, backoff: Backoff, failure: Failure) -> float:
        seconds = backoff.next_wait_seconds(failure)
        metrics.STEP_RETRIES.labels(name, metrics.label_of(failure.kind)).inc()
        return seconds

    async def _record(self, name: str, make: Callable[[], dict[str, Any]]) -> Answer:
        def step() -> dict[str, Any]:
            self._is_latest_ours = True
            return make()

        self._is_latest_ours = False
        return Answer(await DBOS.run_step_async({"name": name}, step))

    def _attempt(self, name: str, call: Call) -> dict[str, Any]:
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
        return {FAILED: asdict(failure)}
