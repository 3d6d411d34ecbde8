"""Real stores for the units that keep something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from emojifier_bot.db.crypto import Vault, generate_key
from emojifier_bot.db.engine import Database, open_database
from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.domain import Installation
from tests.fakes.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    with closing(open_database(sqlite_url)) as database:
        yield database


@pytest.fixture
def make_store(
    database: Database, clock: ManualClock
) -> Callable[..., InstallationStore]:
    def make(*installations: Installation) -> InstallationStore:
        store = InstallationStore(database, Vault([generate_key()]), clock)
        for one in installations:
            store.save(one)
        return store

    return make
