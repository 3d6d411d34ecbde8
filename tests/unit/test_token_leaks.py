"""The watch for tokens sees each of the places where one may be told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Tests of their own, each of which tells a token its own way.
TESTS = """
import click, logging, subprocess, sys
from click.testing import CliRunner

TOKEN = "-".join(["xoxb", "1"])
logger = logging.getLogger("emojifier_bot.somewhere")
app = click.command("app")(lambda: print(TOKEN))


def test_printed():
    print(TOKEN)


def test_printed_below():
    subprocess.run([sys.executable, "-c", f"print('{TOKEN}')"], check=True)


def test_answered_by_a_process():
    told = subprocess.run([sys.executable, "-c", f"print('{TOKEN}')"],
                          capture_output=True, check=True)
    assert told.stdout


def test_answered_by_a_verb():
    assert CliRunner().invoke(app).output


def test_logged():
    logger.info("Token %s", TOKEN)


def test_logged_as_a_fact():
    logger.debug("Fact", extra={"token": TOKEN})


def test_logged_with_an_error():
    try:
        raise ValueError(TOKEN)
    except ValueError:
        logger.exception("Failed")


def test_left_in_a_file(tmp_path):
    (tmp_path / "worker.log").write_text(f"at start: {TOKEN}")


def test_silent(tmp_path):
    print("a bot token, `xoxb-…`, or xapp-")
    (tmp_path / ".env").write_text(f"SLACK_BOT_TOKEN={TOKEN}")
    logger.warning("Nothing", extra={"action": "x"})
"""
WAYS = {
    "test_printed": "stdout",
    "test_printed_below": "stdout",
    "test_answered_by_a_process": "a process told",
    "test_answered_by_a_verb": "a verb told",
    "test_logged": "a log record",
    "test_logged_as_a_fact": "a log record",
    "test_logged_with_an_error": "a log record",
}


@pytest.fixture
def run(tmp_path):
    """Return a function that runs some of `TESTS` in a pytest of its own."""
    file = tmp_path / "test_inner.py"
    file.write_text(TESTS)

    def run(name: str) -> tuple[int, str]:
        options = ["-p", "tests.token_leaks", "-p", "no:cacheprovider", "-q"]
        # What an inner test told shall not be told by this one.
        quiet = ["--show-capture=no", f"--basetemp={tmp_path / 'inner'}"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *quiet, f"{file}::{name}"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        for log in tmp_path.rglob("worker.log"):
            log.unlink()
        return done.returncode, done.stdout

    return run


@pytest.mark.parametrize(("name", "where"), WAYS.items())
def test_who_tells_a_token_fails(run, name, where):
    code, told = run(name)

    assert code == pytest.ExitCode.TESTS_FAILED
    assert f"A token was told: {where}" in told or where in told
    assert "A token was told" in told


def test_a_token_in_a_file_fails_the_run(run):
    code, told = run("test_left_in_a_file")

    assert code == pytest.ExitCode.TESTS_FAILED
    assert "A token was told in the file" in told
    assert "worker.log" in told


def test_who_tells_none_passes(run):
    code, told = run("test_silent")

    assert code == pytest.ExitCode.OK, told
