from __future__ import annotations

import pytest
from click.testing import CliRunner

from emojifier_bot import __version__
from emojifier_bot.cli.main import app


def test_every_wrong_setting_is_wrong_usage(monkeypatch):
    monkeypatch.setenv("EMOJIFIER_MAX_BYTES", "none")
    monkeypatch.setenv("EMOJIFIER_THREADS", "-1")

    done = CliRunner().invoke(app, ["replay", "a.png"])

    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    "arguments", [["nosuch"], ["models"], ["models", "nosuch"], ["themes", "nosuch"]]
)
def test_unknown_verbs_are_wrong_usage(arguments):
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_the_version_is_printed():
    done = CliRunner().invoke(app, ["--version"])

    assert (done.exit_code, done.stdout) == (0, f"emojifier-bot {__version__}\n")
