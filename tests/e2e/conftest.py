"""The command line as a process of its own, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "docs" / "sample" / "astronaut.png"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def parts(request, tmp_path_factory):
    """Return what `running_bot.process` needs for a bot, on both databases."""
    folder = tmp_path_factory.mktemp("bot")
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'bot.db'}"
        if request.param == "postgres":
            server = request.getfixturevalue("postgres_server")
            url = stack.enter_context(server.database())
        yield {"database": url, "folder": folder}


@pytest.fixture
def sample() -> bytes:
    """Return a photo of one face, 512 x 512 pixels."""
    return SAMPLE.read_bytes()


@pytest.fixture
def command():
    """Return what starts the command line, and the environment it needs."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return [sys.executable, "-m", "emojifier_bot"], environment


@pytest.fixture
def run(command, tmp_path):
    """Return a function that runs the command line to its end; bytes in and out."""
    start, environment = command

    def run(*arguments: str | bytes, stdin: bytes = b"", **variables: str):
        return subprocess.run(
            [*start, *arguments],
            cwd=tmp_path,
            env={**environment, **variables},
            input=stdin,
            capture_output=True,
            check=False,
            timeout=600,
        )

    return run
