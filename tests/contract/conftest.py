"""The stores of every kind."""

from __future__ import annotations

import pytest

from tests.builders_store import Stores, sql_stores
from tests.fakes.clock import FakeClock
from tests.fakes.stores import FakeInstallationStore, FakeOAuthStates, FakePostLog


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(params=["fake", "sqlite", "postgres"])
def stores(request, clock):
    """Return empty stores, whose time is that of ``clock``."""
    if request.param == "fake":
        posts = FakePostLog(clock)
        installations = FakeInstallationStore(posts=posts)
        yield Stores(installations, FakeOAuthStates(clock), posts)
        return
    url = request.getfixturevalue(f"{request.param}_url")
    with sql_stores(url, clock) as (stores, _):
        yield stores
