"""A picture of 1,600 faces neither ends the worker nor keeps other people waiting."""

from __future__ import annotations

import sys

import pytest

from tests.datasets import crowd
from tests.fakes.slack import SlackServer
from tests.images import encoded
from tests.load.processes import running_bot
from tests.running_bot import PATIENCE_SECONDS, Bot, assert_emojified, picture_of

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks into Linux's /proc"
)

COLUMNS = ROWS = 40
#: Of the worker, without the process that decodes: 396 as measured.
MOST_MB = 450


def is_fetched(slack, path):
    return any(one.args["path"] == path for one in slack.calls_of("website"))


def test_one_workspaces_crowd_delays_no_other(tmp_path):
    database = f"sqlite:///{tmp_path / 'bot.db'}"
    page = crowd(COLUMNS, ROWS)
    with (
        SlackServer() as slack,
        running_bot(slack, database, tmp_path) as running,
    ):
        (worker,) = running.workers
        crowded, quiet = Bot(slack, running.url), Bot(slack, running.url)
        # The first job also waits for the models.
        quiet.ada.command(warm := quiet.channel(), quiet.address())
        quiet.result(warm)

        asked, other = crowded.channel(), quiet.channel()
        crowded.ada.command(asked, crowded.address("/crowd.png", encoded(page, "PNG")))
        slack.wait_until(lambda: is_fetched(slack, "/crowd.png"), PATIENCE_SECONDS)
        quiet.ada.command(other, quiet.address())

        first, small = quiet.result(other)
        last, file = crowded.result(asked)

        assert_emojified(small)
        assert float(first.ts) < float(last.ts)
        assert picture_of(file).size == page.size
        read = [one for one in worker.lines() if one["action"] == "faces_read"]
        assert read[-1]["faces"] >= 0.99 * COLUMNS * ROWS
        assert worker.peak_mb < MOST_MB
        assert worker.process.poll() is None
        assert not slack.problems
