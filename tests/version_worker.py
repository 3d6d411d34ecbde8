"""A worker of one version of the workflow: ``python -m tests.version_worker``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from emojifier_bot.clock import SystemClock
from emojifier_bot.db.engine import open_database
from emojifier_bot.db.migrate import upgrade
from emojifier_bot.db.posts import PostLog
from emojifier_bot.jobs.steps import Dependencies
from emojifier_bot.jobs.worker import run_worker
from emojifier_bot.jobs.workflow import PRESENT, EmojifyJob, WorkflowVersion
from tests.fakes.image_source import FakeImageSource
from tests.fakes.pipeline import fake_pipeline
from tests.fakes.reply_sink import FakeReplySink
from tests.jobs_harness import FAST, MESSAGES, PICTURES, SHORT_LEASE

#: The step that only the older version has.
OLD_STEP = "blessing"


class OlderJob(EmojifyJob):
    """The workflow as it was: one more step, so that every other has another number."""

    async def run(self) -> dict[str, Any]:
        await self._run.run_once(OLD_STEP, lambda: None)
        return await super().run()


OLDER = WorkflowVersion("0", OlderJob)
VERSIONS = {one.version: one for one in (OLDER, PRESENT)}


def main(url: str, folder: str, version: str) -> int:
    """Work on a database, delivering into a folder."""
    logging.basicConfig(filename=f"{folder}/log.{version}", level=logging.INFO)
    clock = SystemClock()
    upgrade(url)
    deps = Dependencies(
        FakeImageSource(PICTURES, MESSAGES),
        FakeReplySink(Path(folder), twice=True),
        PostLog(open_database(url), clock),
        lambda _: fake_pipeline(),
        clock,
        FAST,
    )
    return run_worker(
        url, deps, 2, SHORT_LEASE, drain_seconds=2, version=VERSIONS[version]
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
