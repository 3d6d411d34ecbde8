"""The stores on every database."""

from __future__ import annotations

import pytest

from tests.builders_store import sql_stores
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def stores(database_url, clock):
    """Return empty stores, whose time is that of ``clock``."""
    with sql_stores(database_url, clock) as (stores, _):
        yield stores
