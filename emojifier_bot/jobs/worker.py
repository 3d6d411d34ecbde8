"""The worker process: takes jobs from the queue, shows that it lives, ends cleanly."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import suppress
from queue import SimpleQueue

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from emojifier_bot import metrics
from emojifier_bot.db.engine import empty_log, open_engine
from emojifier_bot.domain import RETENTION, EmojifyRequest
from emojifier_bot.errors import ErrorKind, QueueError, StoreError
from emojifier_bot.jobs import leases
from emojifier_bot.jobs.leases import JobReclaimer, LeaseLostError, LeaseTimes
from emojifier_bot.jobs.places import ConcurrencyLimits
from emojifier_bot.jobs.queue_listener import IDLE_POLL_SECONDS, QueueListener
from emojifier_bot.jobs.steps import Dependencies, JobSteps
from emojifier_bot.jobs.system_db import (
    APPLICATION,
    BATCH_JOBS,
    DBOS_SCHEMA,
    QUEUE,
    WORKFLOW,
    migrate,
    opened_client,
    route_dbos_logs,
    workflow_table,
)
from emojifier_bot.jobs.workflow import (
    PRESENT,
    EmojifyJob,
    RunningJobs,
    WorkflowVersion,
    register,
)

#: Jobs in flight for each pipeline: most of them wait for Slack, or for their next try.
JOBS_PER_PIPELINE = 16
#: Of them, the part that one workspace may have: one in so many.
WORKSPACE_PART = 4
#: How long running jobs may take to end once the worker was told to stop, seconds. What
#: is not done by then goes back to the queue.
DRAIN_SECONDS = 20
#: How long its end may take beside that, seconds: a database that is gone without a
#: word keeps whoever asks it waiting for as long as the kernel likes.
END_SECONDS = 12.0
#: How often old jobs and posts are removed, in heartbeats.
PURGE_HEARTBEATS = 900
#: How often previews are taken away whose hour is over.
SWEEP_SECONDS = 15.0
#: Connections of a worker for its jobs; two more listen, DBOS's and that of
#: `QueueListener`.
CONNECTIONS, LISTENERS = 12, 2
#: How long a statement waits for a lock (SQLite) or a free connection, seconds.
WAIT_SECONDS = 10.0
#: How often DBOS looks for messages between jobs, which nothing here sends, and whether
#: it should stop, seconds.
MESSAGE_SECONDS = 1.0

EXIT_DONE, EXIT_LEASE_LOST = 0, 3
#: How DBOS calls the threads of steps, and how long idle ones take to end, seconds.
_STEPS, THREADS_END_SECONDS = "dbos-executor-", 1.0

logger = logging.getLogger(__name__)


class Worker:
    """One executor of jobs; DBOS allows one at a time in a process."""

    def __init__(
        self,
        url: str,
        deps: Dependencies,
        concurrency: int,
        times: LeaseTimes | None = None,
        *,
        version: WorkflowVersion = PRESENT,
    ) -> None:
        """Make ready; `start` connects.

        Args:
            url: The database.
            deps: What jobs need from outside.
            concurrency: Pictures that are emojified at the same time.
            times: How fast the others find out that this worker is dead.
            version: The workflow that it runs.
        """
        route_dbos_logs()
        self._url = url
        self._deps = deps
        self._concurrency = concurrency
        self._times = times or LeaseTimes()
        self._version = version
        self._engine = open_engine(
            url, wait_seconds=WAIT_SECONDS, connections=CONNECTIONS
        )
        self._running = RunningJobs()
        #: Jobs that ended because their workspace is gone.
        self._uninstalled_job_ids: set[str] = set()
        self._draining, self._stop = threading.Event(), threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        # Not the keeper's: Slack may take longer to answer than a lease lasts.
        self._sweeper = threading.Thread(
            target=self._sweep, name="sweeper", daemon=True
        )

    def start(self) -> None:
        """Claim a lease and begin to work.

        Raises:
            QueueError: The database does not answer.
        """
        clock = self._deps.clock
        try:
            migrate(self._url)
            leases.create_table(self._engine)
            self._lease = leases.claim(
                self._engine, clock, self._times, self._version.version, self._die
            )
            self._launch()
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            raise QueueError(
                "The worker cannot reach its database. Check DATABASE_URL."
            ) from error
        self._reclaimer = JobReclaimer(
            self._engine, clock, self._times, self._lease.holder
        )
        self._keeper.start()
        logger.info("worker started", extra=self._facts("worker_started"))

    def stop(self, drain_seconds: int = DRAIN_SECONDS) -> None:
        """Take no more jobs, let those that run end, give the lease back.

        A worker that was not started has neither. Where the database does not answer,
        others take the jobs over when the lease expires.
        """
        if self._keeper.ident is None:
            self._engine.dispose()
            return
        logger.info("worker stops", extra=self._facts("worker_stopping"))
        self._draining.set()
        end = threading.Thread(
            target=self._end, args=[drain_seconds], name="end", daemon=True
        )
        end.start()
        end.join(drain_seconds + END_SECONDS)
        if end.is_alive():
            facts = self._facts("stop") | {"kind": ErrorKind.DATABASE}
            logger.error(
                "the database does not answer: the lease is not given back", extra=facts
            )

    def _end(self, drain_seconds: int) -> None:
        self._listener.stop()
        DBOS.destroy(
            destroy_registry=True,
            # With nothing to wait for it would still wait for a second.
            workflow_completion_timeout_sec=drain_seconds if self._running.ids() else 0,
        )
        self._stop.set()
        self._keeper.join()
        try:
            self._lease.release()
            self._reclaimer.reclaim(running=())
        except SQLAlchemyError as error:
            facts = {"action": "stop", "kind": type(error).__name__}
            logger.warning("lease not given back", extra=facts)
        self._engine.dispose()

    def _launch(self) -> None:
        jobs_in_flight = self._concurrency * JOBS_PER_PIPELINE
        with opened_client(self._engine) as client:
            client.register_queue(
                QUEUE,
                worker_concurrency=jobs_in_flight,
                partition_worker_concurrency=max(jobs_in_flight // WORKSPACE_PART, 1),
                polling_interval_sec=IDLE_POLL_SECONDS,
            )
        dbos = DBOS(config=self._config())
        # This worker polls the queue in its own way.
        DBOS.listen_queues([])
        self._listener = QueueListener(self._engine, dbos)
        limits = ConcurrencyLimits(self._concurrency)
        steps = JobSteps(self._deps, self._lease, limits)

        def make_job(job_id: str, request: EmojifyRequest) -> EmojifyJob:
            return self._version.job(job_id, request, steps, self._deps.timing)

        register(make_job, self._running, self._on_job_end)
        self._sweeper.start()
        DBOS.launch()
        self._listener.start()

    def _config(self) -> DBOSConfig:
        message_seconds = min(MESSAGE_SECONDS, self._times.heartbeat_seconds)
        return {
            "name": APPLICATION,
            "system_database_url": self._url,
            "system_database_engine": self._engine,
            "dbos_system_schema": DBOS_SCHEMA,
            "run_migrations": False,
            "application_version": self._version.version,
            "executor_id": self._lease.holder,
            "serializer": DBOSPortableJSONSerializer(),
            "notification_coalesce_sec": message_seconds,
            "notification_listener_polling_interval_sec": message_seconds,
            "enable_otlp": False,
            "log_level": "WARNING",
        }

    def _on_job_end(self, job_id: str, outcome: str) -> None:
        """Count a job that ends, and use the room that it makes."""
        if outcome == ErrorKind.NOT_INSTALLED:
            self._uninstalled_job_ids.add(job_id)
        # A limit may have kept others waiting.
        self._listener.use_room()
        try:
            seconds = self._age_seconds(job_id)
        except SQLAlchemyError as error:
            facts = self._facts("end") | {"kind": type(error).__name__}
            logger.warning("nobody knows how long a job took", extra=facts)
            return
        metrics.JOBS.labels(metrics.label_of(outcome)).inc()
        metrics.JOB_SECONDS.observe(seconds)

    def _age_seconds(self, job_id: str) -> float:
        """Return how long ago a job was asked for; 0 where it is not there any more."""
        table = workflow_table(self._engine)
        query = sa.select(table.c.created_at).where(table.c.workflow_uuid == job_id)
        now_ms = self._deps.clock.now().timestamp() * 1000
        with self._engine.connect() as connection:
            created_ms = connection.execute(query).scalar_one_or_none()
        return max(now_ms - (created_ms or now_ms), 0.0) / 1000

    def _keep(self) -> None:
        """Show that the worker is alive and look after the others, until it stops."""
        heartbeats = 0
        while not self._stop.wait(self._times.heartbeat_seconds):
            try:
                self._lease.confirm()
                self._reclaimer.reclaim(self._running.ids())
                if not self._draining.is_set():
                    # All of these ask DBOS, which goes away while the worker drains.
                    leases.roll_over(self._engine, self._version.version)
                    self._forget_uninstalled()
                    if heartbeats % PURGE_HEARTBEATS == 0:
                        self._purge()
                heartbeats += 1
            except LeaseLostError:
                return
            except SQLAlchemyError as error:
                # The database is away; the jobs wait for it too.
                facts = self._facts("heartbeat") | {"kind": type(error).__name__}
                logger.warning("heartbeat failed", extra=facts)
            except Exception:
                # The worker's outermost loop.
                logger.exception("heartbeat failed", extra=self._facts("heartbeat"))

    def _sweep(self) -> None:
        """Take away previews whose hour is over, until the worker stops."""
        while not self._draining.wait(SWEEP_SECONDS):
            try:
                self._deps.previews.sweep()
            except StoreError as error:
                facts = self._facts("sweep_previews") | {"kind": error.kind}
                logger.warning("previews not swept", extra=facts)
            except Exception:
                # This thread's outermost loop.
                facts = self._facts("sweep_previews")
                logger.exception("previews not swept", extra=facts)

    def _die(self) -> None:
        """End the process on the spot: nothing of it may touch Slack any more."""
        logger.error("lease lost", extra=self._facts("lease_lost"))
        os._exit(EXIT_LEASE_LOST)

    def _forget_uninstalled(self) -> None:
        """Delete jobs whose workspace has taken the bot out while they ran."""
        ended = self._uninstalled_job_ids - self._running.ids()
        if ended:
            DBOS.delete_workflows([*ended])
            self._uninstalled_job_ids -= ended
            self._empty_log()

    def _purge(self) -> None:
        """Delete jobs that ended long ago, and posts of that time."""
        before = self._deps.clock.now() - RETENTION
        self._deps.posts.forget_before(before)
        while True:
            ended = DBOS.list_workflows(
                name=WORKFLOW,
                completed_before=before.isoformat(),
                limit=BATCH_JOBS,
                load_input=False,
                load_output=False,
            )
            DBOS.delete_workflows([job.workflow_id for job in ended])
            if len(ended) < BATCH_JOBS or self._draining.is_set():
                self._empty_log()
                return

    def _empty_log(self) -> None:
        """Leave nothing of deleted rows in the log; the next deletion will do too."""
        with suppress(StoreError):
            empty_log(self._engine)

    def _facts(self, action: str) -> dict[str, str]:
        return {"action": action, "worker": self._lease.holder}


def run_worker(
    url: str,
    deps: Dependencies,
    concurrency: int,
    times: LeaseTimes | None = None,
    drain_seconds: int = DRAIN_SECONDS,
    *,
    version: WorkflowVersion = PRESENT,
) -> int:
    """Work until SIGTERM or SIGINT; return the exit code.

    Raises:
        QueueError: The database does not answer.
    """
    # Not an event: its `set` waits for a lock that this very thread holds for a moment
    # when it begins to wait, so a signal in that moment would block it for ever.
    signals: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: signals.put(number))
    worker = Worker(url, deps, concurrency, times, version=version)
    worker.start()
    signals.get()
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
