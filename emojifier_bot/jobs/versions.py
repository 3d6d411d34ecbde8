"""Old and new workers side by side, and jobs whose version nobody runs any more.

A job bears the version of the workflow that began it, and only workers of that version
go on with it: its recorded steps mean nothing to others. What nobody has begun bears
none, and goes to workers of the newest version: the older ones run empty. Two things
are left to do, and every worker does them between its heartbeats:

- Where no worker of the newest version lives, as after a rollback, one that lives takes
  its place; else nobody would begin a job.
- Where no worker of a begun job's version lives, the job's record is dropped, and it
  begins anew in another version. It posts nothing twice: the log of posts has the file
  that it may have shown, and `JobSteps.prepare` takes that one up again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import sqlalchemy as sa

from emojifier_bot.jobs.database import step_table, workflow_table
from emojifier_bot.jobs.names import WORKFLOW
from emojifier_bot.jobs.slots import living_versions

logger = logging.getLogger(__name__)


def stranded(engine: sa.Engine) -> int:
    """Return how many begun jobs wait although no worker of their version lives."""
    table = workflow_table(engine)
    query = sa.select(sa.func.count()).select_from(table)
    with engine.connect() as connection:
        begun = table.c.status.in_(("ENQUEUED", "PENDING"))
        left = _of_nobody(table, living_versions(connection))
        return connection.execute(query.where(begun, *left)).scalar_one()


class Succession:
    """Lets jobs go on when versions come and go."""

    def __init__(
        self,
        engine: sa.Engine,
        version: str,
        newest: Callable[[], str],
        lead: Callable[[str], None],
    ) -> None:
        """Look after jobs on behalf of a worker.

        Args:
            engine: The database.
            version: Of this worker.
            newest: Returns the version whose workers begin jobs.
            lead: Makes a version the newest.
        """
        self._engine = engine
        self._version = version
        self._newest = newest
        self._lead = lead

    def look(self) -> int:
        """Look once; return how many jobs begin anew."""
        with self._engine.connect() as connection:
            living = living_versions(connection)
        newest = self._newest()
        if newest not in living:
            self._lead(self._version)
            facts = {"action": "version_leads", "version": self._version}
            logger.warning("version begins jobs", extra=facts | {"instead_of": newest})
        return self._begin_anew(living)

    def _begin_anew(self, living: frozenset[str]) -> int:
        table = workflow_table(self._engine)
        query = sa.select(table.c.workflow_uuid, table.c.application_version)
        with self._engine.connect() as connection:
            left = (table.c.status == "ENQUEUED", *_of_nobody(table, living))
            rows = connection.execute(query.where(*left)).all()
        return sum(self._drop_record(job_id, version) for job_id, version in rows)

    def _drop_record(self, job_id: str, version: str) -> bool:
        """Forget what a job did, unless somebody has taken it up in between."""
        table, steps = workflow_table(self._engine), step_table(self._engine)
        fresh = (
            sa.update(table)
            .where(
                table.c.workflow_uuid == job_id,
                table.c.status == "ENQUEUED",
                table.c.application_version == version,
            )
            .values(application_version=None)
        )
        with self._engine.begin() as connection:
            if connection.execute(fresh).rowcount != 1:
                return False
            own = steps.c.workflow_uuid == job_id
            connection.execute(sa.delete(steps).where(own))
        facts = {"action": "job_begins_anew", "job_id": job_id, "version": version}
        logger.warning("job begins anew: no worker has its version", extra=facts)
        return True


def _of_nobody(
    table: sa.TableClause, living: frozenset[str]
) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        table.c.name == WORKFLOW,
        table.c.application_version.is_not(None),
        table.c.application_version.not_in(living),
    )
