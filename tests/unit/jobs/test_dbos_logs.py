from __future__ import annotations

import logging

import pytest

from emojifier_bot.jobs.dbos_logs import route_dbos_logs
from emojifier_bot.jobs.recorder import JobFailedError
from emojifier_bot.jobs.retry import Failure


@pytest.fixture
def theirs(monkeypatch):
    """Return the logger of DBOS, as it is before anybody touched it."""
    logger = logging.getLogger("dbos")
    for name, value in (("handlers", []), ("propagate", True), ("level", 0)):
        monkeypatch.setattr(logger, name, value)
    route_dbos_logs()
    return logger


class Listener(logging.Handler):
    """A handler that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.said = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.fixture
def said():
    ours, listener = logging.getLogger("emojifier_bot"), Listener()
    ours.addHandler(listener)
    yield lambda: listener.said
    ours.removeHandler(listener)


def test_warnings_come_through_our_handlers(theirs, said):
    theirs.warning("The database is away.")
    theirs.info("Launched.")

    assert said() == ["The database is away."]


def test_a_second_routing_changes_nothing(theirs):
    before = list(theirs.handlers)

    route_dbos_logs()

    assert theirs.handlers == before


def test_the_end_of_a_failed_job_is_not_said_twice(theirs, said):
    theirs.error("A workflow failed.", exc_info=JobFailedError(Failure("gone")))

    assert said() == []


def test_what_is_said_again_and_again_is_said_once(theirs, said):
    for _ in range(20):
        theirs.warning("The database is away.")

    assert said() == ["The database is away."]
