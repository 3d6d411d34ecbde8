"""Half a minute under load with faults: `make load` in short, seen from outside.

The figures agree with what Slack and people saw, a real Prometheus gets an answer for
every panel of the dashboard, and the logs tell each job from its request to its end.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.fakes.slack import SlackServer
from tests.load.processes import running_bot
from tests.load.report import BEGIN, END, HEADING, table, write
from tests.load.run import LoadRun, Plan
from tests.prometheus import JOB, WHY_SKIPPED, running_prometheus
from tests.threads import PATIENCE_SECONDS

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks into Linux's /proc"
)

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
PANELS = [one for one in DASHBOARD["panels"] if one["type"] != "row"]
#: A request a second, for long enough that every kind of fault came.
PER_SECOND, MINUTES = 1.0, 0.45
#: Of the rates, long enough that all of the run is in it.
INTERVAL = "5m"
LOOKS_SECONDS = 3.0
#: A bot behind https has no such metric.
ONLY_IN_SOCKET_MODE = "emojifier_socket_mode_connected"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return what a short run showed, with bot and Prometheus still there."""
    folder = tmp_path_factory.mktemp("load")
    plan = Plan(
        minutes=MINUTES,
        share=1.0,
        workers=1,
        saturate_seconds=0.0,
        sample_seconds=1.0,
        database_url=f"sqlite:///{folder / 'bot.db'}",
        capacity=PER_SECOND,
    )
    with ExitStack() as stack:
        slack = stack.enter_context(SlackServer())
        bot = stack.enter_context(running_bot(slack, plan.database_url, folder))
        addresses = [one.figures_url.split("/")[2] for one in bot.processes]
        prometheus = None
        if shutil.which("prometheus"):
            rules = MONITORING / "alerts.yml"
            watching = running_prometheus(folder / "prometheus", addresses, rules)
            prometheus = stack.enter_context(watching)
        found = LoadRun(slack, bot, plan).run(lambda _: None)
        yield found, bot, prometheus


def test_the_figures_agree_with_what_slack_and_people_saw(run):
    found, _, _ = run

    assert [one for one in found.agreement if not one.agrees] == []
    assert found.faults > 3
    assert found.problems == []
    assert found.refused == 0


def test_everything_was_looked_at(run):
    found, _, _ = run

    assert set(found.samples) == {"web", "worker-1"}
    for samples in found.samples.values():
        assert len(samples) > 3
        assert all(one.own_mb > 1 and one.files and one.threads for one in samples)
    assert found.waiting
    assert found.database[-1][1] > 0
    assert len(found.shown_seconds) > 10


def test_the_page_is_written_between_its_marks(run, tmp_path):
    found, _, _ = run
    page = tmp_path / "reliability.md"
    page.write_text("# Reliability\n\n## Crashes\n\nNone.\n")

    write(found, page)
    once = page.read_text()
    write(found, page)

    assert page.read_text() == once
    assert once.startswith("# Reliability\n\n## Crashes\n\nNone.\n")
    assert once.count(HEADING) == once.count(BEGIN) == once.count(END) == 1
    assert table(found) in once


def test_every_panel_of_the_dashboard_has_data(run):
    _, bot, prometheus = run
    if prometheus is None:
        pytest.skip(WHY_SKIPPED)
    # Something that was refused, a moment apart so that a rate sees it.
    for _ in range(2):
        requests.post(f"{bot.url}/slack/events", timeout=60)
        time.sleep(LOOKS_SECONDS)

    # On a slow machine it may not have looked twice since.
    until = time.monotonic() + PATIENCE_SECONDS
    while (empty := empty_panels(prometheus)) and time.monotonic() < until:
        time.sleep(LOOKS_SECONDS)

    assert empty == []


def empty_panels(prometheus) -> list[str]:
    """Return what a panel asks that has no answer."""
    empty = []
    for panel in PANELS:
        for target in panel["targets"]:
            if ONLY_IN_SOCKET_MODE in target["expr"]:
                continue
            expression = target["expr"].replace("$job", JOB)
            asked = expression.replace("$__rate_interval", INTERVAL)
            values = [one["value"][1] for one in prometheus.ask(asked)]
            if not values or all(value == "NaN" for value in values):
                empty.append(f"{panel['title']}: {asked}")
    return empty


def test_prometheus_evaluates_every_alert(run):
    _, _, prometheus = run
    if prometheus is None:
        pytest.skip(WHY_SKIPPED)

    rules = prometheus.rules()

    assert len(rules) > 5
    assert {(one["name"], one["health"]) for one in rules if one["health"] != "ok"} == (
        set()
    )
    gone = {"EmojifierWebDown", "EmojifierDatabaseDown", "EmojifierNoWorker"}
    assert {one["name"] for one in rules if one["state"] == "firing"} & gone == set()


def test_the_logs_tell_a_job_from_its_request_to_its_end(run):
    _, bot, _ = run
    worker = bot.workers[0].lines()
    queued = {one["job_id"]: one for one in bot.web.lines() if one["action"] == "queue"}
    keys = {one["key"] for one in bot.web.lines() if one["action"] == "enqueue"}
    told = defaultdict(list)
    for line in worker:
        if "job_id" in line:
            told[line["job_id"]].append(line)

    assert set(told) == set(queued)
    for job_id, lines in told.items():
        request = queued[job_id]
        assert request["key"] in keys
        assert {one["workspace"] for one in lines} == {request["workspace"]}
        assert lines[-1]["action"] == "end"
        actions = {one["action"] for one in lines}
        is_posted = lines[-1]["outcome"] == "posted"
        own = {"complete", "share"} if is_posted else {"notify"}
        assert {"fetch", "end"} | own <= actions


def test_what_slack_refused_is_told_with_its_job(run):
    _, bot, _ = run
    refused = [one for one in bot.workers[0].lines() if one["action"] == "call_slack"]

    assert refused
    assert all(one["job_id"] and one["workspace"] for one in refused)
