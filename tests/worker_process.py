"""A worker as a process that tests can kill: ``python -m tests.worker_process``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from emojifier_bot.clock import SystemClock
from emojifier_bot.jobs.parts import WorkerParts
from emojifier_bot.jobs.worker import run_worker
from tests.fakes.image_source import FakeImageSource
from tests.fakes.pipeline import fake_pipeline
from tests.fakes.reply_sink import FakeReplySink
from tests.fakes.stores import FakePostLog
from tests.jobs_rig import FAST, MESSAGES, PICTURES, SHORT_LEASE


def main(url: str, folder: str) -> int:
    """Work on a database, delivering into a folder."""
    logging.basicConfig(filename=f"{folder}/log", level=logging.INFO)
    parts = WorkerParts(
        FakeImageSource(PICTURES, MESSAGES),
        FakeReplySink(Path(folder), twice=True),
        FakePostLog(),
        lambda _: fake_pipeline(),
        SystemClock(),
        FAST,
    )
    return run_worker(url, parts, 2, SHORT_LEASE, drain_seconds=4)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
