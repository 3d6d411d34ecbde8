"""The stores on every database."""

from __future__ import annotations

import pytest

from tests.builders_store import ELSEWHERE, TEAM, make_installation, sql_stores
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def stores(database_url, clock):
    """Return empty stores, whose time is that of ``clock``."""
    with sql_stores(database_url, clock) as (stores, _):
        yield stores


@pytest.fixture
def installed(stores):
    """Let two workspaces have the bot: nobody else's people have wishes."""
    for workspace in (TEAM, ELSEWHERE):
        stores.installations.save(make_installation(workspace))
