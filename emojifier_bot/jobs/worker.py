"""The worker process: takes jobs from the queue, shows that it lives, ends cleanly."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from emojifier_bot import metrics
from emojifier_bot.domain import EmojifyRequest
from emojifier_bot.errors import ErrorKind, QueueError
from emojifier_bot.jobs import slots
from emojifier_bot.jobs.database import (
    DBOS_SCHEMA,
    PURGE_BATCH,
    migrate,
    open_engine,
)
from emojifier_bot.jobs.dbos_logs import route_dbos_logs
from emojifier_bot.jobs.names import APPLICATION, QUEUE, WORKFLOW
from emojifier_bot.jobs.parts import WorkerParts
from emojifier_bot.jobs.slots import Lease, LeaseLostError, LeaseTimes, Reaper
from emojifier_bot.jobs.standing import age_seconds
from emojifier_bot.jobs.steps import JobSteps, Places
from emojifier_bot.jobs.versions import Succession
from emojifier_bot.jobs.workflow import (
    PRESENT,
    Edition,
    EmojifyJob,
    Running,
    register,
)

#: How often a worker looks for jobs, seconds. A look costs about a millisecond.
POLL_SECONDS = 0.1
#: Jobs in flight for each pipeline: most of them wait for Slack, or for their next try.
JOBS_PER_PIPELINE = 16
#: Of them, the part that one workspace may have: one in so many.
WORKSPACE_PART = 4
#: How long running jobs may take to end once the worker was told to stop, seconds. What
#: is not done by then goes back to the queue.
DRAIN_SECONDS = 20
#: Ended jobs and posts are forgotten after this long.
KEEP_ENDED = timedelta(days=30)
#: How often that is looked after, in heartbeats.
PURGE_BEATS = 900
#: Connections of DBOS and of our own, for each worker.
DBOS_CONNECTIONS, OWN_CONNECTIONS = 10, 3
PATIENCE_SECONDS = 10.0
#: How often DBOS looks for messages between jobs, which nothing here sends, seconds.
MESSAGE_SECONDS = 0.2

EXIT_DONE, EXIT_LEASE_LOST = 0, 3
#: How DBOS calls the threads of steps, and how long idle ones take to end, seconds.
_STEPS, THREADS_END_SECONDS = "dbos-executor-", 1.0

logger = logging.getLogger(__name__)


def die() -> None:
    """End the process on the spot: nothing of it may touch Slack any more."""
    os._exit(EXIT_LEASE_LOST)


class Worker:
    """One executor of jobs; DBOS allows one at a time in a process."""

    def __init__(
        self,
        url: str,
        parts: WorkerParts,
        concurrency: int,
        times: LeaseTimes | None = None,
        on_lease_lost: Callable[[], None] = die,
        *,
        edition: Edition = PRESENT,
    ) -> None:
        """Make ready; `start` connects.

        Args:
            url: The database.
            parts: What jobs need from outside.
            concurrency: Pictures that are emojified at the same time.
            times: How fast the others find out that this worker is dead.
            on_lease_lost: Called when the others took this worker for dead.
            edition: The workflow that it runs.
        """
        route_dbos_logs()
        self._url = url
        self._parts = parts
        self._concurrency = concurrency
        self._times = times or LeaseTimes()
        self._on_lease_lost = on_lease_lost
        self._edition = edition
        self._engine = open_engine(
            url, patience_seconds=PATIENCE_SECONDS, connections=OWN_CONNECTIONS
        )
        self._running = Running()
        #: Jobs that ended because their workspace is gone.
        self._forsaken: set[str] = set()
        self._draining, self._stop = threading.Event(), threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        """Take a slot and begin to work.

        Raises:
            QueueError: The database does not answer.
        """
        try:
            migrate(self._url)
            slots.create_table(self._engine)
            self._lease = slots.claim(
                self._engine, self._parts.clock, self._times, self._edition.version
            )
            self._launch()
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            raise QueueError(
                "The worker cannot reach its database. Check DATABASE_URL."
            ) from error
        self._reaper = Reaper(
            self._engine, self._parts.clock, self._times, self._lease.holder
        )
        self._succession = Succession(
            self._engine,
            self._edition.version,
            lambda: DBOS.get_latest_application_version()["version_name"],
            DBOS.set_latest_application_version,
        )
        self._keeper.start()
        logger.info("worker started", extra=self._facts("worker_started"))

    def stop(self, drain_seconds: int = DRAIN_SECONDS) -> None:
        """Take no more jobs, let those that run end, give the slot back."""
        logger.info("worker stops", extra=self._facts("worker_stopping"))
        self._draining.set()
        DBOS.destroy(
            destroy_registry=True,
            # With nothing to wait for it would still wait for a second.
            workflow_completion_timeout_sec=drain_seconds if self._running.ids() else 0,
        )
        self._stop.set()
        self._keeper.join()
        try:
            self._lease.release()
            self._reaper.sweep(running=())
        except SQLAlchemyError as error:
            logger.warning(
                "slot not given back",
                extra={"action": "stop", "kind": type(error).__name__},
            )
        self._engine.dispose()

    @property
    def name(self) -> str:
        """Return the executor's id."""
        return self._lease.holder

    def _launch(self) -> None:
        guard = _Guard(self._lease, self._lose)
        steps = JobSteps(self._parts, guard, Places(self._concurrency))

        def make_job(job_id: str, request: EmojifyRequest) -> EmojifyJob:
            return self._edition.job(job_id, request, steps, self._parts.timing)

        self._declare_queue()
        DBOS(config=self._config())
        register(make_job, self._running, self._note_end)
        DBOS.launch()

    def _note_end(self, job_id: str, outcome: str) -> None:
        """Tell the figures how a job ended."""
        if outcome == ErrorKind.NOT_INSTALLED:
            self._forsaken.add(job_id)
        try:
            seconds = age_seconds(self._engine, self._parts.clock, job_id)
        except SQLAlchemyError as error:
            facts = self._facts("end") | {"kind": type(error).__name__}
            logger.warning("nobody knows how long a job took", extra=facts)
            return
        metrics.JOBS.labels(metrics.label_of(outcome)).inc()
        metrics.JOB_SECONDS.observe(seconds)

    def _declare_queue(self) -> None:
        # By a client and before the launch: DBOS looks for new queues once a second.
        client = DBOSClient(
            system_database_engine=self._engine,
            application_name=APPLICATION,
            lazy=True,
        )
        jobs = self._concurrency * JOBS_PER_PIPELINE
        client.register_queue(
            QUEUE,
            worker_concurrency=jobs,
            partition_worker_concurrency=max(jobs // WORKSPACE_PART, 1),
            polling_interval_sec=POLL_SECONDS,
        )
        client.destroy()

    def _config(self) -> DBOSConfig:
        return {
            "name": APPLICATION,
            "system_database_url": self._url,
            "dbos_system_schema": DBOS_SCHEMA,
            "sys_db_pool_size": DBOS_CONNECTIONS,
            "db_engine_kwargs": {"hide_parameters": True},
            "application_version": self._edition.version,
            "executor_id": self._lease.holder,
            "serializer": DBOSPortableJSONSerializer(),
            "notification_coalesce_sec": MESSAGE_SECONDS,
            "notification_listener_polling_interval_sec": MESSAGE_SECONDS,
            "enable_otlp": False,
            "log_level": "WARNING",
        }

    def _keep(self) -> None:
        """Show that the worker lives and look after the others, until it stops."""
        beats = 0
        while not self._stop.wait(self._times.beat_seconds):
            try:
                self._lease.confirm()
                self._reaper.sweep(self._running.ids())
                if not self._draining.is_set():
                    # All of these ask DBOS, which goes away while the worker drains.
                    self._succession.look()
                    self._forget_forsaken()
                    if beats % PURGE_BEATS == 0:
                        self._purge()
                beats += 1
            except LeaseLostError:
                self._lose()
                return
            except SQLAlchemyError as error:
                # The database is away; the jobs wait for it too.
                facts = self._facts("heartbeat") | {"kind": type(error).__name__}
                logger.warning("heartbeat failed", extra=facts)
            except Exception:
                # The worker's outermost loop.
                logger.exception("heartbeat failed", extra=self._facts("heartbeat"))

    def _lose(self) -> None:
        """Do what has to be done when the others took this worker for dead."""
        logger.error("lease lost", extra=self._facts("lease_lost"))
        self._on_lease_lost()

    def _forget_forsaken(self) -> None:
        """Forget jobs whose workspace has taken the bot out while they ran."""
        ended = self._forsaken - self._running.ids()
        if ended:
            DBOS.delete_workflows([*ended])
            self._forsaken -= ended

    def _purge(self) -> None:
        """Forget jobs that ended long ago, and posts of that time."""
        before = self._parts.clock.now() - KEEP_ENDED
        self._parts.posts.forget_before(before)
        while True:
            ended = DBOS.list_workflows(
                name=WORKFLOW,
                completed_before=before.isoformat(),
                limit=PURGE_BATCH,
                load_input=False,
                load_output=False,
            )
            DBOS.delete_workflows([job.workflow_id for job in ended])
            if len(ended) < PURGE_BATCH or self._draining.is_set():
                return

    def _facts(self, action: str) -> dict[str, str]:
        return {"action": action, "worker": self._lease.holder}


class _Guard:
    """The fence that a worker's jobs pass: who lost the lease ends here."""

    def __init__(self, lease: Lease, lose: Callable[[], None]) -> None:
        self._lease = lease
        self._lose = lose

    def check(self) -> None:
        self._pass(self._lease.check)

    def confirm(self) -> None:
        self._pass(self._lease.confirm)

    def _pass(self, prove: Callable[[], None]) -> None:
        try:
            prove()
        except LeaseLostError:
            self._lose()
            raise


def run_worker(
    url: str,
    parts: WorkerParts,
    concurrency: int,
    times: LeaseTimes | None = None,
    drain_seconds: int = DRAIN_SECONDS,
    *,
    edition: Edition = PRESENT,
) -> int:
    """Work until SIGTERM or SIGINT; return the exit code.

    Raises:
        QueueError: The database does not answer.
    """
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    worker = Worker(url, parts, concurrency, times, edition=edition)
    worker.start()
    told.wait()
    worker.stop(drain_seconds)
    if _is_busy():
        # A call that does not come back would keep the process alive. Its job is in the
        # queue again.
        os._exit(EXIT_DONE)
    return EXIT_DONE


def _is_busy() -> bool:
    """Tell whether a step still runs in a thread that DBOS has left."""
    threads = [one for one in threading.enumerate() if one.name.startswith(_STEPS)]
    until = time.monotonic() + THREADS_END_SECONDS
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))
    return any(thread.is_alive() for thread in threads)
