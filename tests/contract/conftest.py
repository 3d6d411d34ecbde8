"""The stores of every kind."""

from __future__ import annotations

import pytest

from tests.builders_store import LIMITS, Stores, sql_stores
from tests.fakes.clock import FakeClock
from tests.fakes.stores import (
    FakeAllowances,
    FakeInstallationStore,
    FakeOAuthStates,
    FakePostLog,
    FakeWorkspaceSettings,
)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(params=["fake", "sqlite", "postgres"])
def stores(request, clock):
    """Return empty stores, whose time is that of ``clock``."""
    if request.param == "fake":
        others = FakePostLog(clock), FakeWorkspaceSettings()
        allowances = FakeAllowances(clock, *LIMITS)
        installations = FakeInstallationStore(
            posts=others[0], settings=others[1], allowances=allowances
        )
        yield Stores(installations, FakeOAuthStates(clock), *others, allowances)
        return
    url = request.getfixturevalue(f"{request.param}_url")
    with sql_stores(url, clock) as (stores, _):
        yield stores
