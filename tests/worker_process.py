"""A worker as a process that tests can kill: ``python -m tests.worker_process``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from emojifier_bot.clock import SystemClock
from emojifier_bot.db.engine import open_database
from emojifier_bot.db.posts import PostLog
from emojifier_bot.jobs.steps import Dependencies
from emojifier_bot.jobs.worker import run_worker
from tests.fakes.image_source import FakeImageSource
from tests.fakes.pipeline import fake_pipeline
from tests.fakes.reply_sink import FakeReplySink
from tests.jobs_harness import FAST, MESSAGES, PICTURES, SHORT_LEASE


def main(url: str, folder: str) -> int:
    """Work on a database, delivering into a folder."""
    logging.basicConfig(filename=f"{folder}/log", level=logging.INFO)
    clock = SystemClock()
    deps = Dependencies(
        FakeImageSource(PICTURES, MESSAGES),
        FakeReplySink(Path(folder), twice=True, lacks_buttons=True),
        PostLog(open_database(url), clock),
        lambda _: fake_pipeline(),
        clock,
        FAST,
    )
    return run_worker(url, deps, 2, SHORT_LEASE, drain_seconds=4)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
