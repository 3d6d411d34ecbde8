from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from emojifier_bot import __version__
from emojifier_bot.cli.main import app, run

THREADS = "OPENCV_FOR_THREADS_NUM"


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


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("repaly", "There is no command and no file 'repaly'. Did you mean replay?"),
        ("holiday", "There is no command and no file 'holiday'."),
    ],
)
def test_a_word_that_is_nothing_is_told_as_that(typed, says):
    done = CliRunner().invoke(app, [typed])

    assert done.stderr.strip().endswith(says)


@pytest.mark.parametrize("given", ["photo.jpg", "https://example.com/a", "in", "*.png"])
def test_a_picture_in_place_of_a_command_is_emojified(monkeypatch, tmp_path, given):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()

    done = CliRunner().invoke(app, [given, "--seed", "1"])

    assert done.exit_code == 2
    assert "--seed only works with --surprise." in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_completion(shell):
    done = CliRunner().invoke(app, ["completion", shell], prog_name="emojifier-bot")

    assert done.exit_code == 0
    assert "_EMOJIFIER_BOT_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "current", "completed"),
    [
        ("emojifier-bot re", 1, ["plain,replay", "file,re"]),
        ("emojifier-bot replay --skip-", 2, ["plain,--skip-existing"]),
        ("emojifier-bot replay ho", 2, ["file,ho"]),
        ("emojifier-bot nosuch --js", 2, ["file,--js"]),
        ("emojifier-bot photo.jpg --skip-", 2, ["plain,--skip-existing"]),
        ("emojifier-bot replay --theme cl", 3, ["plain,classic"]),
        ("emojifier-bot replay --theme ./m", 3, ["dir,./m"]),
    ],
)
def test_words_are_completed(capsys, monkeypatch, words, current, completed):
    monkeypatch.setenv("_EMOJIFIER_BOT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(current))

    with pytest.raises(SystemExit):
        run()

    assert capsys.readouterr().out.splitlines() == completed


def test_the_version_is_printed():
    done = CliRunner().invoke(app, ["--version"])

    assert (done.exit_code, done.stdout) == (0, f"emojifier-bot {__version__}\n")


@pytest.mark.parametrize(("before", "threads"), [({}, 1), ({THREADS: "3"}, 3)])
def test_opencv_has_one_thread_unless_somebody_says_otherwise(before, threads):
    program = (
        "import sys; from emojifier_bot.cli.main import run\n"
        "sys.argv[1:] = ['--version']\n"
        "try: run()\n"
        "except SystemExit: import cv2; print(cv2.getNumThreads())"
    )
    environment = {k: v for k, v in os.environ.items() if k != THREADS} | before
    command = [sys.executable, "-c", program]

    printed = subprocess.check_output(command, text=True, env=environment)

    assert printed.splitlines()[-1] == str(threads)
