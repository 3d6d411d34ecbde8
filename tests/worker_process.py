"""A worker that tests can kill; `JobsHarness.spawn` starts it.

It delivers into a folder, and runs one version of the workflow.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from emojifier_bot.jobs.leases import LeaseTimes
from emojifier_bot.jobs.worker import run_worker
from emojifier_bot.jobs.workflow import PRESENT, EmojifyJob, WorkflowVersion
from tests.jobs_harness import make_dependencies

#: The step that only the older version has.
OLD_STEP = "blessing"


class OlderJob(EmojifyJob):
    """The workflow as it was: one more step, so that every other has another number."""

    async def run(self) -> dict[str, Any]:
        await self._run.run_once(OLD_STEP, lambda: None)
        return await super().run()


OLDER = WorkflowVersion("0", OlderJob)
VERSIONS = {one.version: one for one in (OLDER, PRESENT)}


if __name__ == "__main__":
    url, folder, version, drain, *lease = sys.argv[1:]
    logging.basicConfig(filename=f"{folder}/log.{version}", level=logging.INFO)
    deps = make_dependencies(url, Path(folder), lacks_buttons=True)
    times = LeaseTimes(*map(float, lease))
    sys.exit(run_worker(url, deps, 2, times, int(drain), version=VERSIONS[version]))
