from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.domain import Workspace
from emojifier_bot.jobs.step_runner import Failure, JobFailedError
from emojifier_bot.jobs.system_db import (
    child_job_id,
    job_id_for,
    partition_of,
    route_dbos_logs,
)


@given(st.text(), st.text())
def test_a_key_has_one_id(key, other):
    job_id = job_id_for(key)

    assert len(job_id) == 32
    assert int(job_id, 16) >= 0
    assert (job_id == job_id_for(other)) == (key == other)


def test_ids_do_not_change_between_versions():
    parent = job_id_for("key")

    assert parent == "2c70e12b7a0646f92279f427c7b38e73"
    assert len({parent, child_job_id(parent, 1), child_job_id(parent, 2)}) == 3


@pytest.mark.parametrize(
    ("workspace", "expected"),
    [
        (Workspace("T1"), "-/T1"),
        (Workspace("T1", "E1"), "E1/T1"),
        (Workspace("", "E1", is_org_install=True), "E1/"),
    ],
)
def test_each_workspace_has_its_partition_of_the_queue(workspace, expected):
    assert partition_of(workspace) == expected


@pytest.fixture
def dbos_logger(monkeypatch):
    """Return the logger of DBOS, routed for the first time."""
    logger = logging.getLogger("dbos")
    for name, value in (("handlers", []), ("propagate", True), ("level", 0)):
        monkeypatch.setattr(logger, name, value)
    route_dbos_logs()
    return logger


@pytest.fixture
def logged():
    """Return the messages that reach the handlers of the package."""
    messages = []

    class Handler(logging.Handler):
        def emit(self, record):
            messages.append(record.getMessage())

    ours, handler = logging.getLogger("emojifier_bot"), Handler()
    ours.addHandler(handler)
    yield messages
    ours.removeHandler(handler)


def test_warnings_of_dbos_come_through_our_handlers_once(dbos_logger, logged):
    dbos_logger.info("Launched.")
    for _ in range(20):
        dbos_logger.warning("The database is away.")

    assert logged == ["The database is away."]


def test_a_failed_job_that_logged_itself_is_not_logged_again(dbos_logger, logged):
    dbos_logger.error("A workflow failed.", exc_info=JobFailedError(Failure("gone")))

    assert logged == []


def test_routing_again_changes_nothing(dbos_logger):
    before = list(dbos_logger.handlers)

    route_dbos_logs()

    assert dbos_logger.handlers == before
