"""The watch for tokens sees each of the places where one may leak."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Tests of their own, each of which leaks a token its own way.
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
    done = subprocess.run([sys.executable, "-c", f"print('{TOKEN}')"],
                          capture_output=True, check=True)
    assert done.stdout


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
#: Of the tests that fail: where the token stood.
LEAKS = {
    "test_printed": "captured stdout",
    "test_printed_below": "captured stdout",
    "test_answered_by_a_process": "the output of a process",
    "test_answered_by_a_verb": "the output of a verb",
    "test_logged": "a log record",
    "test_logged_as_a_fact": "a log record",
    "test_logged_with_an_error": "a log record",
}
RUNS = [
    pytest.param((), id="one"),
    pytest.param(("-n", "2"), id="workers", marks=pytest.mark.slow),
]


@pytest.fixture
def run(tmp_path):
    """Return a function that runs some of `TESTS` in a pytest of its own."""
    file = tmp_path / "test_inner.py"
    file.write_text(TESTS)

    def run(*names: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
        plugins = ["-p", "tests.token_leaks", "-p", "no:cacheprovider", "-q"]
        # What an inner test leaked shall not be leaked by this one.
        quiet = ["--show-capture=no", f"--basetemp={tmp_path / 'inner'}"]
        chosen = [f"{file}::{name}" for name in names]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *plugins, *quiet, *options, *chosen],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        for log in tmp_path.rglob("worker.log"):
            log.unlink()
        return done.returncode, done.stdout

    return run


@pytest.mark.parametrize("options", RUNS)
def test_whoever_leaks_a_token_fails(run, options):
    code, output = run(*LEAKS, options=options)

    assert code == pytest.ExitCode.TESTS_FAILED
    for name, where in LEAKS.items():
        assert re.search(rf"::{name} - A token leaked: .*{where}", output), name


@pytest.mark.parametrize("options", RUNS)
def test_a_token_in_a_file_fails_the_run(run, options):
    code, output = run("test_left_in_a_file", options=options)

    assert code == pytest.ExitCode.TESTS_FAILED
    assert re.search(r"A token leaked: the file \S*worker\.log", output)


def test_who_leaks_none_passes(run):
    code, output = run("test_silent")

    assert code == pytest.ExitCode.OK, output
