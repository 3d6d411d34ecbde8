"""Fails every test whose output holds a token, its own or that of its processes.

All made-up tokens have the shape of Slack's, and no output may hold it: what a test and
the processes below it print and log, what other processes answer to it, and every file
that is left in pytest's temporary folder, logs and databases alike.
"""

from __future__ import annotations

import functools
import logging
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

#: ``xoxb-1``, ``xoxe.xoxb-…``, ``xapp-…``, and the fake app's two secrets. In prose,
#: ``xoxb-…`` is no token.
TOKEN = re.compile(rb"(?:xox[a-z]|xapp)-+[0-9A-Za-z]|fake-(?:client|signing)-secret")
#: Files in which somebody who runs the bot writes tokens.
WRITTEN_BY_PEOPLE = frozenset({".env"})
OURS = "emojifier_bot"
#: Where tokens stood that no test can be blamed for.
LEFT = pytest.StashKey[list[str]]()
LEFT_OUTPUT = "token_leaks"


def holds_token(text: str | bytes | None) -> bool:
    """Tell whether a token stands in a text."""
    if text is None:
        return False
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return TOKEN.search(data) is not None


class Watch(logging.Handler):
    """Reads along."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        #: Where a token stood since somebody last asked.
        self.leaks: list[str] = []

    def look(self, where: str, *texts: str | bytes | None) -> None:
        """Note where a token stands, and not which."""
        if any(map(holds_token, texts)):
            self.leaks.append(where)

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a log record with all its facts, written or not."""
        line = logging.Formatter().format(record)
        self.look(f"a log record of {record.name}", line, str(vars(record)))

    def look_at_files(self, folder: Path) -> None:
        """Look into every file below a folder."""
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.name not in WRITTEN_BY_PEOPLE:
                self.look(f"the file {file.relative_to(folder)}", file.read_bytes())

    def take(self) -> list[str]:
        """Return where tokens stood, and forget it."""
        leaks, self.leaks = self.leaks, []
        return leaks


watch = Watch()


def pytest_configure() -> None:
    logging.getLogger(OURS).addHandler(watch)
    # What only shows at these levels is read too, and seen by nobody else.
    logging.Logger.info = _read(logging.Logger.info, logging.INFO)
    logging.Logger.debug = _read(logging.Logger.debug, logging.DEBUG)
    subprocess.Popen.communicate = _communicate(subprocess.Popen.communicate)
    CliRunner.invoke = _invoke(CliRunner.invoke)


def _read(original: Callable, level: int) -> Callable:
    @functools.wraps(original)
    def log(self: logging.Logger, message: object, *arguments, **named):
        if self.name.startswith(OURS) and not self.isEnabledFor(level):
            facts = f"{message} {arguments} {named.get('extra')}"
            watch.look(f"a log record of {self.name}", facts)
        # One frame more stands between who logs and what is logged.
        original(self, message, *arguments, **{"stacklevel": 2} | named)

    return log


def _communicate(original: Callable) -> Callable:
    @functools.wraps(original)
    def communicate(self: subprocess.Popen, *arguments, **named):
        out, err = original(self, *arguments, **named)
        watch.look("the output of a process", out, err)
        return out, err

    return communicate


def _invoke(original: Callable) -> Callable:
    @functools.wraps(original)
    def invoke(self: CliRunner, *arguments, **named):
        result = original(self, *arguments, **named)
        watch.look("the output of a verb", result.output_bytes)
        return result

    return invoke


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo) -> Iterator:
    report: pytest.TestReport = yield
    if call.when == "teardown":
        for name, text in report.sections:
            watch.look(name.lower(), text)
        leaks = watch.take()
        if leaks:
            report.outcome = "failed"
            report.longrepr = f"A token leaked: {', '.join(sorted(set(leaks)))}."
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        # One of pytest-xdist's workers: its folder lies in that of the process above.
        config.workeroutput[LEFT_OUTPUT] = watch.take()
        return
    folders = getattr(config, "_tmp_path_factory", None)
    if folders is not None and folders._basetemp is not None:
        watch.look_at_files(folders._basetemp)
    # Leaked after the last test: by a process that a fixture of the session ended.
    config.stash[LEFT] = watch.take()
    if config.stash[LEFT]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of pytest-xdist saw after its last test."""
    watch.leaks += getattr(node, "workeroutput", {}).get(LEFT_OUTPUT, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for where in config.stash.get(LEFT, []):
        terminalreporter.write_line(f"A token leaked: {where}.", red=True)
