from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from emojifier_bot.cli.main import app


@pytest.mark.parametrize("app_token", ["", "xapp-1"])
def test_socket_mode_is_said_to_be_connected(monkeypatch, tmp_path, app_token):
    @contextmanager
    def open_web(_settings):
        # It yields when the connection is open.
        yield SimpleNamespace(port=8080, run_until_signal=lambda: None)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("emojifier_bot.app.bot.open_web", open_web)
    tokens = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s"}
    tokens["SLACK_APP_TOKEN"] = app_token

    done = CliRunner().invoke(app, ["serve", "--no-worker"], env=tokens)

    assert done.exit_code == 0, done.output
    said = ["Listening on http://127.0.0.1:8080"]
    if app_token:
        said.append("Connected to Slack by Socket Mode")
    assert done.stdout.splitlines() == said
