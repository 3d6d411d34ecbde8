"""The durable workflow: resolve, prepare, complete, verify, notify.

Several pictures of one request are one job: one after the other, so that the results
come in their order and one message tells of all that were not posted.

How a job ends. What the asker or the workspace could change (no face, not a picture, a
private channel, uploads switched off) is told to the asker, and the job has succeeded:
running it again would tell the same. What they could not (Slack or an address did not
answer to the end, a model failed, a key is missing, a mistake in the code) is told to
the asker too, and the job ends in error: an operator may repair the cause and run it
again from the step that failed.

The order of the recorded steps and their names are what `WORKFLOW_VERSION` stands for.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from dbos import DBOS
from structlog.contextvars import bound_contextvars

from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    ImageReference,
    NotPosted,
    Outcome,
    OutcomeKind,
    Post,
    Share,
    ShareState,
    Workspace,
)
from emojifier_bot.errors import ErrorKind
from emojifier_bot.jobs.previews import PreviewSteps
from emojifier_bot.jobs.step_runner import (
    MAX_CRASHES,
    Failure,
    JobFailedError,
    StepRunner,
    Timing,
    may_have_happened,
)
from emojifier_bot.jobs.steps import EARLIER, FINAL_STATES, JobSteps, request_for
from emojifier_bot.jobs.system_db import (
    WORKFLOW,
    WORKFLOW_VERSION,
    child_job_id,
)

#: The names of steps that the operators' view looks for.
PREPARE, COMPLETE, SHARE = "prepare", "complete", "share"
DRAW = "draw"
#: What went as it was asked for.
SUCCESSES = (OutcomeKind.POSTED, OutcomeKind.PREVIEWED, OutcomeKind.EXPLAINED)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How the delivery of one picture ended."""

    #: Of its file, where that is known.
    name: str
    kind: str
    failure: Failure | None = None


class JobAbandonedError(BaseException):
    """The database failed under a job; it goes back to the queue as it is.

    Not an `Exception`: DBOS must not record it as the job's end.
    """


class EmojifyJob:
    """One run of one job, from its first step or from where an earlier run broke off.

    What happens between the steps must follow from the request and from what the steps
    recorded, from nothing else: DBOS compares it with the record.
    """

    def __init__(
        self, job_id: str, request: EmojifyRequest, steps: JobSteps, timing: Timing
    ) -> None:
        self._id = job_id
        self._request = request
        self._do = steps
        self._previews = PreviewSteps(steps)
        self._run = StepRunner(job_id, timing)
        self._timing = timing

    async def run(self) -> dict[str, Any]:
        """Run the job to its end.

        Raises:
            JobFailedError: It failed for a reason that is ours; the asker was told.
        """
        request = self._request
        has_reaction = bool(request.reaction_ts)
        if has_reaction:
            await self._run.run_best_effort(
                "add_reaction", lambda: self._do.add_reaction(request)
            )
        ended = [one async for one in self._deliver_each()]
        outcome = _outcome_of(ended)
        if outcome.kind not in SUCCESSES:
            # The results speak for themselves; everything else is said once.
            await self._run.run_best_effort(
                "notify",
                lambda: self._do.notify(request, outcome),
                is_repeatable=False,
            )
        if has_reaction:
            await self._run.run_best_effort(
                "remove_reaction", lambda: self._do.remove_reaction(request)
            )
        kinds = [one.kind for one in ended]
        if ErrorKind.NOT_INSTALLED in kinds:
            # Rows may have been written after the workspace's others were removed.
            ids = [self._post_id(number) for number in range(len(ended))]
            await self._run.run_best_effort(
                "forget", lambda: self._do.forget(ids, request)
            )
        kind = next((one for one in SUCCESSES if one in kinds), kinds[0])
        facts = {"job_id": self._id, "outcome": kind, "pictures": len(ended)}
        logger.info("job ended", extra=facts | {"action": "end"})
        for one in ended:
            if one.failure is not None and one.failure.ours:
                raise JobFailedError(one.failure)
        return {"outcome": kind}

    async def _deliver_each(self) -> AsyncIterator[Ended]:
        """Deliver one picture after the other, so that results come in order."""
        count = 0
        for source in self._request.sources:
            request = replace(self._request, source=source, further=())
            try:
                references = await self._resolve(request)
            except JobFailedError as error:
                yield Ended(source.name, error.failure.kind, error.failure)
                count += 1
                continue
            for reference in references:
                one = request_for(request, reference, several=len(references) > 1)
                ended = await self._deliver(self._post_id(count), one, reference)
                yield ended
                count += 1
                if ended.kind == ErrorKind.NOT_INSTALLED:
                    return  # nothing more can be delivered there

    def _post_id(self, number: int) -> str:
        """Return the id of the post of one of the job's pictures, counted from 0."""
        return child_job_id(self._id, number) if number else self._id

    async def _resolve(self, request: EmojifyRequest) -> list[ImageReference]:
        found = await self._run.run_with_retries(
            "resolve", lambda: self._do.resolve(request)
        )
        return list(map(ImageReference.from_dict, found))

    async def _deliver(
        self, post_id: str, request: EmojifyRequest, reference: ImageReference
    ) -> Ended:
        """Deliver one picture; how that ended."""
        name = reference.name
        try:
            if request.entrypoint is Entrypoint.WHY:
                return Ended(name, await self._explain(post_id, request, reference))
            if request.preview:
                draft_id = request.draft_id or post_id
                return Ended(name, await self._preview(draft_id, request, reference))
            return Ended(name, await self._post(post_id, request, reference))
        except JobFailedError as error:
            return Ended(name, error.failure.kind, error.failure)

    async def _preview(
        self, draft_id: str, request: EmojifyRequest, reference: ImageReference
    ) -> str:
        """Show a picture to the asker alone, or draw it anew after a change."""
        workspace, do = request.workspace, self._previews
        drawn_id = await self._run.run_with_crash_limit(
            DRAW,
            lambda hand: do.take(hand, draft_id, request, reference),
            lambda hand: do.draw(hand, draft_id, request, reference),
        )
        if drawn_id is None:
            return OutcomeKind.NO_FACE
        try:
            if drawn_id:
                await self._show_preview(workspace, draft_id)
        except JobFailedError:
            await self._run.run_best_effort(
                "give_up", lambda: do.give_up(workspace, draft_id, drawn_id)
            )
            raise
        return OutcomeKind.PREVIEWED

    async def _explain(
        self, draft_id: str, request: EmojifyRequest, reference: ImageReference
    ) -> str:
        """Show whoever pressed *Why?* alone why the faces got their emoji."""
        do = self._previews
        has_faces = await self._run.run_with_crash_limit(
            DRAW,
            lambda hand: do.take(hand, draft_id, request, reference),
            lambda hand: do.explain(hand, draft_id, request, reference),
        )
        if not has_faces:
            return OutcomeKind.NO_FACE
        await self._run.run_with_retries(
            "show", lambda: do.show_reasons(request.workspace, draft_id)
        )
        return OutcomeKind.EXPLAINED

    async def _show_preview(self, workspace: Workspace, draft_id: str) -> None:
        """Show the drawing once Slack knows what kind of file it is."""
        do = self._previews
        ready_id = await self._run.run_polled(
            "ready",
            lambda: do.make_ready(workspace, draft_id),
            bool,
            self._timing.verify_waits_seconds,
        )
        if not ready_id:
            raise JobFailedError(Failure(ErrorKind.NOT_SHOWN))
        await self._run.run_with_retries(
            "show", lambda: do.show(workspace, draft_id, ready_id)
        )

    async def _post(
        self, post_id: str, request: EmojifyRequest, reference: ImageReference
    ) -> str:
        try:
            prepared = await self._run.run_with_crash_limit(
                PREPARE,
                lambda hand: self._do.take(hand, post_id, request, reference),
                lambda hand: self._do.prepare(hand, post_id, request, reference),
            )
        finally:
            self._do.kept.take(post_id)  # given up or not, there is no next try here
        if prepared is None:
            return OutcomeKind.NO_FACE
        is_earlier = bool(prepared.pop(EARLIER, False))
        post = Post.from_dict(prepared)
        # Of a record that is gone: the file may be shown already.
        share = await self._settle(post) if is_earlier else None
        share = share or await self._complete(post) or await self._verify(post)
        if share.state is ShareState.DELETED:
            return OutcomeKind.REMOVED
        if share.lacks_buttons:
            await self._run.run_best_effort(
                "buttons",
                lambda: self._do.ensure_buttons(post, share),
                is_repeatable=False,
            )
        if request.replaces_post_id:
            await self._run.run_best_effort(
                "replace", lambda: self._do.remove_replaced(request, post)
            )
        if request.draft_id:
            await self._run.run_best_effort(
                "take_away",
                lambda: self._previews.take_away(request.workspace, request.draft_id),
            )
        return OutcomeKind.POSTED

    async def _complete(self, post: Post) -> Share | None:
        """Show the file once: whenever it may be shown already, ask before.

        Returns:
            Its share where that is known by now.
        """
        backoff = self._run.backoff(COMPLETE)
        crashes, is_doubtful = 0, False
        while True:
            answer = await self._run.run_marked(
                COMPLETE, lambda: self._do.complete(self._request, post)
            )
            failure = answer.failure
            if failure is None and not answer.unsure:
                return None
            is_doubtful |= answer.unsure or (
                failure is not None and may_have_happened(failure)
            )
            share = await self._settle(post) if is_doubtful else None
            if share is not None:
                return share
            if failure is not None:
                await self._run.wait(COMPLETE, backoff, failure, is_marked=True)
                continue
            crashes += 1
            if crashes >= MAX_CRASHES:
                raise JobFailedError(Failure(ErrorKind.UNEXPECTED))

    async def _settle(self, post: Post) -> Share | None:
        """Ask for a while whether the file is shown, or was and is deleted."""
        return await self._poll_share(post, self._timing.settle_waits_seconds)

    async def _verify(self, post: Post) -> Share:
        """Wait for the share; where none comes, complete the same file once more."""
        waits = self._timing.verify_waits_seconds
        share = await self._poll_share(post, waits)
        if share is not None:
            return share
        try:
            share = await self._complete(post) or await self._poll_share(post, waits)
        except JobFailedError as error:
            facts = {"action": "verify", "job_id": self._id, "kind": error.failure.kind}
            logger.info("second completion failed", extra=facts)
        if share is None:
            raise JobFailedError(Failure(ErrorKind.NOT_SHOWN))
        return share

    async def _poll_share(
        self, post: Post, waits_seconds: tuple[float, ...]
    ) -> Share | None:
        found = await self._run.run_polled(
            SHARE,
            lambda: self._do.share(post),
            lambda share: share["state"] in FINAL_STATES,
            waits_seconds,
        )
        return None if found is None else Share.from_dict(found)


def _outcome_of(ended: list[Ended]) -> Outcome:
    """Return what the asker is told: of several pictures, those that are missing."""
    if len(ended) == 1:
        [one] = ended
        problem = one.failure.problem if one.failure else ""
        return Outcome(one.kind, {"problem": problem} if problem else {})
    names = Counter(one.name for one in ended)
    missing = tuple(
        NotPosted(one.kind, number, one.name if names[one.name] == 1 else "")
        for number, one in enumerate(ended, start=1)
        if one.kind not in SUCCESSES
    )
    if not missing:
        return Outcome(ended[0].kind)
    posted = len(ended) - len(missing)
    facts = {"posted": str(posted), "pictures": str(len(ended))}
    return Outcome(OutcomeKind.SEVERAL, facts, missing)


@dataclass(frozen=True, slots=True)
class WorkflowVersion:
    """The workflow's code, and the version that jobs begun by it bear."""

    version: str
    job: type[EmojifyJob]


#: What this version of the bot runs.
PRESENT = WorkflowVersion(WORKFLOW_VERSION, EmojifyJob)


class RunningJobs:
    """The ids of the jobs that run in this process; one may do so twice for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: list[str] = []

    def ids(self) -> frozenset[str]:
        """Return them."""
        with self._lock:
            return frozenset(self._ids)

    @contextmanager
    def counted(self, job_id: str) -> Iterator[None]:
        """Count a job while it runs."""
        with self._lock:
            self._ids.append(job_id)
        try:
            yield
        finally:
            with self._lock:
                self._ids.remove(job_id)


def register(
    make_job: Callable[[str, EmojifyRequest], EmojifyJob],
    running: RunningJobs,
    on_end: Callable[[str, str], None],
) -> None:
    """Register the workflow with DBOS; once for each launch.

    Args:
        make_job: Builds the run of a job by its id and request.
        running: Counts jobs while they run here.
        on_end: Takes a job's id and outcome when it has ended.
    """

    async def run(job_id: str, job: EmojifyJob) -> dict[str, Any]:
        try:
            ended = await job.run()
        except JobFailedError as error:
            await asyncio.to_thread(on_end, job_id, error.failure.kind)
            raise
        await asyncio.to_thread(on_end, job_id, ended["outcome"])
        return ended

    # Not DBOS's limit: it would give up, without a sentence, also who only waited while
    # workers came and went. A picture that kills them has that of `StepRunner`.
    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
    async def emojify(document: dict[str, Any]) -> dict[str, Any]:
        job_id = str(DBOS.workflow_id)
        try:
            request = EmojifyRequest.from_dict(document)
            # On every line that is logged for this job, from whichever module.
            about = {"job_id": job_id, "workspace": request.workspace.id}
            with running.counted(job_id), bound_contextvars(**about):
                return await run(job_id, make_job(job_id, request))
        except JobFailedError:
            raise
        except Exception as error:
            # The worker's outermost loop. Steps record their failures, so this is the
            # database: full, read-only, away; or code that does not fit the record.
            facts = {"action": "job_abandoned", "job_id": job_id}
            logger.exception("job abandoned", extra=facts)
            raise JobAbandonedError(job_id) from error
