"""Dashboard, alerts and their page name figures that exist, and all of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.metrics import every_metric

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "monitoring"
ALERTS = (FOLDER / "alerts.yml").read_text("utf-8")
ALERTS_TEST = (FOLDER / "alerts_test.yml").read_text("utf-8")
PAGE = (DOCS / "operations.md").read_text("utf-8")
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
PANELS = [one for one in DASHBOARD["panels"] if one["type"] != "row"]
#: What Prometheus makes of a histogram.
_PARTS = re.compile(r"_(bucket|count|sum)$")


def named(text: str) -> set[str]:
    """Return our figures that a text names."""
    found = re.findall(r"\bemojifier_\w+", text)
    return {_PARTS.sub("", name) for name in found}


def expressions() -> list[str]:
    return [target["expr"] for one in PANELS for target in one["targets"]]


def test_the_dashboard_shows_every_metric_and_no_other():
    assert named("\n".join(expressions())) == every_metric()


def test_alerts_name_figures_that_exist():
    assert named(ALERTS) | named(ALERTS_TEST) <= every_metric()


def test_every_alert_is_tested_and_as_urgent_as_its_page_says():
    pairs = re.findall(r"alert: (\w+).*?severity: (\w+)", ALERTS, re.DOTALL)
    told = re.findall(r"^\| `(Emojifier\w+)` \| (\w+) \|", PAGE, re.MULTILINE)

    assert len(pairs) == ALERTS.count("alert: ")
    assert sorted(told) == sorted(pairs)
    assert [name for name, _ in pairs if ALERTS_TEST.count(name) < 2] == []


def test_a_dashboard_of_grafanas():
    """Grafana is not at hand: this is what it needs to load one."""
    assert {"title", "uid", "panels", "schemaVersion", "templating"} <= set(DASHBOARD)
    ids = [one["id"] for one in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) > 0


def test_panels_lie_side_by_side():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert taken.isdisjoint(cells), panel["title"]
        taken |= cells


def test_variables_of_the_dashboard_are_declared():
    declared = {one["name"] for one in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))

    assert used - {"__rate_interval"} == declared


@pytest.mark.parametrize(
    "check",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
        ("check", "config", "prometheus.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_takes_the_files(check):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool: on Debian, `apt-get install prometheus`")

    done = subprocess.run(
        [promtool, *check], cwd=FOLDER, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
