"""Configurations of the pages, run as they are printed."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import requests
import yaml

from emojifier_bot.config import Settings
from tests.fakes.servers import said, serving
from tests.postgres import free_port

DOCS = Path(__file__).parents[2] / "docs"
OPERATIONS = (DOCS / "operations.md").read_text("utf-8")
PUBLIC = (
    *("/", "/privacy", "/support", "/static/site.css"),
    *("/slack/events", "/slack/install", "/slack/oauth_redirect"),
)
INSIDE = ("/healthz", "/readyz", "/metrics", "/slack/other")


@pytest.fixture
def caddy(tmp_path):
    """Run the page's Caddyfile in front of a server; give its address."""
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("needs Caddy: on Debian, `apt-get install caddy`")
    (text,) = re.findall(
        r"```text\n(bot\.example\.com \{.*?)```", OPERATIONS, re.DOTALL
    )
    own, port = f"http://127.0.0.1:{free_port()}", Settings().port
    with serving(dict.fromkeys((*PUBLIC, *INSIDE), said(200, b"bot"))) as behind:
        assert text.count(f"127.0.0.1:{port}") == 1
        text = text.replace(f"127.0.0.1:{port}", behind.host)
        file = tmp_path / "Caddyfile"
        file.write_text(text)
        # It warns of what its own formatter would write otherwise.
        formatted = subprocess.run(
            [program, "fmt", str(file)], capture_output=True, check=False
        )
        assert formatted.stdout == text.encode()
        text = text.replace("bot.example.com", own)
        file.write_text("{\n\tadmin off\n}\n" + text)
        home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
        command = [program, "run", "--adapter", "caddyfile", "--config", str(file)]
        with (
            (tmp_path / "log").open("w") as log,
            subprocess.Popen(command, env=home, stdout=log, stderr=log) as running,
        ):
            try:
                wait_for(own, running, tmp_path / "log")
                yield own
            finally:
                running.terminate()


def wait_for(url: str, running: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            requests.get(url, timeout=30)
        except requests.ConnectionError:
            assert running.poll() is None, log.read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        else:
            return


def test_the_reverse_proxy_passes_on_what_is_public_and_nothing_else(caddy):
    found = {
        path: requests.get(caddy + path, timeout=60).status_code
        for path in (*PUBLIC, *INSIDE)
    }

    assert found == dict.fromkeys(PUBLIC, 200) | dict.fromkeys(INSIDE, 404)


def test_prometheus_looks_at_what_serve_opens_and_at_nothing_that_is_down():
    sample = yaml.safe_load((DOCS / "monitoring" / "prometheus.yml").read_text("utf-8"))
    ((job,),) = [one["static_configs"] for one in sample["scrape_configs"]]
    first = Settings().metrics_port

    assert job["targets"] == [f"127.0.0.1:{first + number}" for number in range(2)]


def test_keys_are_changed_in_one_order_everywhere():
    page = " ".join(OPERATIONS.partition("## Keys")[2].partition("\n## ")[0].split())
    help_page = " ".join((DOCS / "cli.md").read_text("utf-8").split())
    told = help_page.partition("emojifier-bot keys rotate [OPTIONS]")[2]

    for words in ("Add it after the old one", "before the old one", "30 days"):
        assert words in page
    assert page.index("after the old") < page.index("before the old")
    assert told.index("after the old ones") < told.index("before them")
