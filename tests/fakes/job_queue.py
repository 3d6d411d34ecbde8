"""A queue without a database."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from emojifier_bot.domain import EmojifyRequest, Job, JobState, Workspace
from emojifier_bot.errors import QueueFullError
from emojifier_bot.jobs.names import job_id_for, partition_of
from emojifier_bot.ports import JobQueue

BEGAN = datetime(2026, 11, 2, 12, tzinfo=UTC)


class FakeJobQueue(JobQueue):
    """A `JobQueue` and `DbosJobQueue` in memory; jobs end when a test says so."""

    def __init__(self, queue_limit: int = 100) -> None:
        self._limit = queue_limit
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def enqueue(self, request: EmojifyRequest, key: str) -> bool:
        job_id = job_id_for(key)
        with self._lock:
            if job_id in self._jobs:
                return False
            if not self._has_place(partition_of(request.workspace)):
                raise QueueFullError("Too many jobs are waiting.")
            at = BEGAN + timedelta(seconds=len(self._jobs))
            self._jobs[job_id] = Job(job_id, JobState.QUEUED, request, at, at)
        return True

    def has_ended(self, key: str) -> bool:
        job = self._jobs.get(job_id_for(key))
        return job is not None and job.state not in (JobState.QUEUED, JobState.RUNNING)

    def _has_place(self, partition: str) -> bool:
        """Refuse from the limit on, but who has few waiting a quarter later."""
        waiting = [one for one in self._jobs.values() if one.state is JobState.QUEUED]
        own = [
            one for one in waiting if partition_of(one.request.workspace) == partition
        ]
        few = len(own) < max(self._limit // 10, 1)
        return len(waiting) < self._limit + few * (self._limit // 4)

    def forget(self, workspace: Workspace, spared: Collection[str] = ()) -> int:
        with self._lock:
            gone = [
                job_id
                for job_id, job in self._jobs.items()
                if _is_of(job.request.workspace, workspace, spared)
            ]
            for job_id in gone:
                del self._jobs[job_id]
        return len(gone)

    def list(self, state: JobState | None, limit: int) -> builtins.list[Job]:
        newest = reversed(self._jobs.values())
        wanted = [
            replace(job, steps=()) for job in newest if state in (None, job.state)
        ]
        return wanted[:limit]

    def show(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def retry(self, job_id: str) -> bool:
        return self._move(job_id, JobState.QUEUED, JobState.FAILED, JobState.CANCELLED)

    def cancel(self, job_id: str) -> bool:
        return self._move(job_id, JobState.CANCELLED, JobState.QUEUED, JobState.RUNNING)

    def end(
        self,
        job_id: str,
        state: JobState,
        outcome: str = "",
        steps: tuple[str, ...] = (),
    ) -> None:
        """End a job as a worker would."""
        job = self._jobs[job_id]
        self._jobs[job_id] = replace(job, state=state, outcome=outcome, steps=steps)

    def _move(self, job_id: str, to: JobState, *allowed: JobState) -> bool:
        job = self._jobs.get(job_id)
        if job is None or job.state not in allowed:
            return False
        self._jobs[job_id] = replace(job, state=to, outcome="")
        return True


def _is_of(one: Workspace, gone: Workspace, spared: Collection[str]) -> bool:
    """Tell whether a job goes with a workspace, or with an organisation."""
    if gone.team_id:
        return one.team_id == gone.team_id
    theirs = one.enterprise_id == gone.enterprise_id != ""
    return theirs and one.team_id not in spared
