"""A worker with the leases and waits of tests: ``python -m tests.fast_worker``.

All else is as `emojifier-bot worker` has it.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from emojifier_bot.app.bot import make_worker_dependencies, open_stores
from emojifier_bot.app.picture_process import PictureProcesses
from emojifier_bot.config import load_settings
from emojifier_bot.jobs.worker import run_worker
from emojifier_bot.logs import configure_logging
from tests.jobs_harness import FAST, LONGER_LEASE

DRAIN_SECONDS = 4


def run_fast_worker() -> int:
    """Work until told to end; return the exit code."""
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    stores = open_stores(settings)
    with PictureProcesses(settings) as pictures:
        deps = make_worker_dependencies(settings, stores, pictures)
        return run_worker(
            settings.database_url,
            replace(deps, timing=FAST),
            settings.worker_concurrency,
            LONGER_LEASE,
            DRAIN_SECONDS,
        )


if __name__ == "__main__":
    sys.exit(run_fast_worker())
