"""A Prometheus of our own that looks every second, where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.postgres import free_port

#: The name that dashboard and alerts know.
JOB = "emojifier-bot"
START_SECONDS, END_SECONDS, LOOK_SECONDS = 180.0, 120.0, 0.2
WHY_SKIPPED = "needs Prometheus: on Debian, `apt-get install prometheus`"


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    url: str

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """Return what an expression gives now."""
        answer = requests.get(
            f"{self.url}/api/v1/query", params={"query": expression}, timeout=60
        )
        body = answer.json()
        assert body["status"] == "success", f"{expression}: {body.get('error')}"
        return body["data"]["result"]

    def rules(self) -> list[dict[str, Any]]:
        """Return every alert with its health and state."""
        groups = requests.get(f"{self.url}/api/v1/rules", timeout=60).json()
        return [rule for one in groups["data"]["groups"] for rule in one["rules"]]


@contextmanager
def running_prometheus(
    folder: Path, addresses: Sequence[str], rules: Path
) -> Iterator[Prometheus]:
    """Look at ``host:port`` addresses until the end of the block."""
    folder.mkdir()
    # JSON is YAML.
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": JOB, "static_configs": [{"targets": list(addresses)}]}
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(settings))
    port = free_port()
    command = [
        str(shutil.which("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        found = Prometheus(f"http://127.0.0.1:{port}")
        _wait(found, process)
        yield found
    finally:
        process.terminate()
        process.wait(END_SECONDS)


def _wait(found: Prometheus, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            if requests.get(f"{found.url}/-/ready", timeout=60).ok:
                return
        except requests.ConnectionError:
            assert process.poll() is None, "Prometheus ended"
        time.sleep(LOOK_SECONDS)
    raise AssertionError("Prometheus does not answer")
