"""Old and new workers side by side, and jobs whose version nobody runs any more.

A job bears the version of the workflow that began it, and only workers of that version
go on with it: its recorded steps mean nothing to others. What nobody has begun bears
none, and goes to workers of the newest version: the older ones run empty. Two things
are left to do, and every worker does them between its heartbeats:

- Where no worker of the newest version is alive, as after a rollback, one that is takes
  its place; else nobody would begin a job.
- Where no worker of a begun job's version is alive, the job is orphaned: its record is
  dropped, and it begins anew in another version. It posts nothing twice: the log of
  posts has the file that it may have shown, and `JobSteps.prepare` goes on with that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import sqlalchemy as sa

from emojifier_bot.jobs.leases import live_versions
from emojifier_bot.jobs.queue_listener import announce_job
from emojifier_bot.jobs.system_db import WORKFLOW, step_table, workflow_table

logger = logging.getLogger(__name__)


def count_orphaned_jobs(connection: sa.Connection, table: sa.TableClause) -> int:
    """Return how many begun jobs wait although no worker of their version is alive."""
    begun = table.c.status.in_(("ENQUEUED", "PENDING"))
    orphaned = _is_orphaned(table, live_versions(connection))
    query = sa.select(sa.func.count()).select_from(table).where(begun, orphaned)
    return connection.execute(query).scalar_one()


def _is_orphaned(
    table: sa.TableClause, alive: frozenset[str]
) -> sa.ColumnElement[bool]:
    return sa.and_(
        table.c.name == WORKFLOW,
        table.c.application_version.is_not(None),
        table.c.application_version.not_in(alive),
    )


class VersionRollover:
    """Lets jobs go on when versions come and go."""

    def __init__(
        self,
        engine: sa.Engine,
        version: str,
        newest: Callable[[], str],
        set_newest: Callable[[str], None],
    ) -> None:
        """Look after jobs on behalf of a worker.

        Args:
            engine: The database.
            version: Of this worker.
            newest: Returns the version whose workers begin jobs.
            set_newest: Makes a version the newest.
        """
        self._engine = engine
        self._version = version
        self._newest = newest
        self._set_newest = set_newest
        self._table = workflow_table(engine)

    def run(self) -> int:
        """Look once; return how many jobs begin anew."""
        table = self._table
        query = sa.select(table.c.workflow_uuid, table.c.application_version)
        with self._engine.connect() as connection:
            alive = live_versions(connection)
            orphaned = _is_orphaned(table, alive) & (table.c.status == "ENQUEUED")
            rows = connection.execute(query.where(orphaned)).all()
        newest = self._newest()
        if newest not in alive:
            self._set_newest(self._version)
            facts = {"action": "version_leads", "version": self._version}
            logger.warning("version begins jobs", extra=facts | {"instead_of": newest})
        return sum(self._drop_record(job_id, version) for job_id, version in rows)

    def _drop_record(self, job_id: str, version: str) -> bool:
        """Forget what a job did, unless somebody has taken it up in between."""
        table, steps = self._table, step_table(self._engine)
        unclaimed = (
            table.c.workflow_uuid == job_id,
            table.c.status == "ENQUEUED",
            table.c.application_version == version,
        )
        update = sa.update(table).where(*unclaimed).values(application_version=None)
        with self._engine.begin() as connection:
            if connection.execute(update).rowcount != 1:
                return False
            own = steps.c.workflow_uuid == job_id
            connection.execute(sa.delete(steps).where(own))
            announce_job(connection)
        facts = {"action": "job_begins_anew", "job_id": job_id, "version": version}
        logger.warning("job begins anew: no worker has its version", extra=facts)
        return True
