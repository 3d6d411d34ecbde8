"""How every count of what people ask for counts."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emojifier_bot.db.policy import NOTED_SECONDS, RateLimiter
from emojifier_bot.db.tables import ALLOWANCES
from emojifier_bot.domain import Limit, Workspace
from tests.builders_store import (
    ELSEWHERE,
    HOSTILE,
    LIMITS,
    TEAM,
    make_installation,
    sql_stores,
)
from tests.fakes.clock import FakeClock
from tests.threads import THREADS, at_once

PERSONAL, SHARED = LIMITS
#: After so long one more picture fits in.
REFILL_SECONDS = PERSONAL.period_seconds / PERSONAL.pictures


def take(stores, count, user_id="U1", workspace=TEAM):
    return [stores.allowances.take(workspace, user_id) for _ in range(count)]


@pytest.mark.parametrize("user_id", ["U1", "", HOSTILE])
def test_so_many_at_once_and_no_more(stores, user_id):
    assert take(stores, 3, user_id) == [None] * 3

    [exhausted] = take(stores, 1, user_id)

    assert exhausted.limit == PERSONAL
    assert exhausted.wait_seconds == pytest.approx(REFILL_SECONDS, abs=0.01)


def test_counting_does_not_wait_for_the_disk(stores):
    """Slack waits meanwhile, and other writers do."""
    statements = []
    engine = stores.allowances.database.engine
    sa.event.listen(
        engine, "before_cursor_execute", lambda *told: statements.append(told[2])
    )

    assert take(stores, 1) == [None]
    stores.allowances.charge(TEAM, "U1", -1)
    stores.allowances.note(TEAM, "U1", {"P1": True})

    levels = [one for one in statements if "synchronous" in one]
    assert levels in (
        ["PRAGMA synchronous=NORMAL"] * 3,
        ["SET LOCAL synchronous_commit = off"] * 3,
    )


def test_they_come_back_one_by_one(stores, clock):
    take(stores, 3)
    clock.advance(REFILL_SECONDS / 2)
    [exhausted] = take(stores, 1)
    assert exhausted.wait_seconds == pytest.approx(REFILL_SECONDS / 2, abs=0.01)

    clock.advance(exhausted.wait_seconds)

    assert take(stores, 1) == [None]
    assert take(stores, 1) != [None]


def test_after_the_period_all_are_back(stores, clock):
    take(stores, 4)

    clock.advance(PERSONAL.period_seconds)

    assert take(stores, 2) == [None] * 2


def test_each_person_has_their_own(stores):
    take(stores, 4)

    assert take(stores, 1, "U2") == [None]
    assert take(stores, 1, workspace=ELSEWHERE) == [None]


def test_a_workspace_has_one_for_all(stores):
    for number in range(SHARED.pictures):
        assert take(stores, 1, f"U{number}") == [None]

    [exhausted] = take(stores, 1, "U9")

    assert exhausted.limit == SHARED
    assert exhausted.wait_seconds == pytest.approx(3600 / 5, abs=0.01)
    assert take(stores, 1, "U9", ELSEWHERE) == [None]


def test_who_is_refused_is_charged_nothing(stores, clock):
    take(stores, 3)
    take(stores, 20)

    # Of the workspace's five two are left.
    assert take(stores, 2, "U2") == [None] * 2
    assert take(stores, 1, "U2")[0].limit == SHARED
    clock.advance(PERSONAL.period_seconds)
    assert take(stores, 1, "U2")[0].limit == SHARED


def test_what_is_charged_must_come_back_first(stores, clock):
    stores.allowances.charge(TEAM, "U1", 4)
    [exhausted] = take(stores, 1)
    assert exhausted.wait_seconds == pytest.approx(2 * REFILL_SECONDS, abs=0.01)

    clock.advance(2 * REFILL_SECONDS)

    assert take(stores, 1) == [None]


def test_what_is_given_back_can_be_taken(stores):
    take(stores, 3)

    stores.allowances.charge(TEAM, "U1", -1)

    assert take(stores, 1) == [None]
    assert take(stores, 1) != [None]


def test_a_clock_that_goes_back_gives_nothing_away(stores, clock):
    take(stores, 3)

    clock.advance(-30)

    [exhausted] = take(stores, 1)
    assert exhausted.wait_seconds == pytest.approx(REFILL_SECONDS + 30, abs=0.01)


def test_who_asks_at_the_same_time_gets_no_more(stores):
    got = at_once(lambda: stores.allowances.take(TEAM, "U1"))

    assert len(got) == THREADS > PERSONAL.pictures
    assert got.count(None) == PERSONAL.pictures


def test_a_workspace_that_joined_an_organisation_has_what_it_had(stores):
    take(stores, 3)

    assert take(stores, 1, workspace=Workspace("T1", "E1")) != [None]


def test_a_workspace_that_goes_takes_its_rows_along(stores):
    stores.installations.save(make_installation())
    take(stores, 3)

    stores.installations.delete(TEAM)

    assert take(stores, 1) == [None]


def noted(stores, user_id="U1", workspace=TEAM):
    return stores.allowances.noted(workspace, user_id, ["a", "b"])


def test_which_of_several_pictures_were_taken_is_known_for_a_day(stores, clock):
    assert noted(stores) == frozenset()
    assert stores.allowances.noted(TEAM, "U1", []) == frozenset()

    stores.allowances.note(TEAM, "U1", {"a": True, "b": False})

    assert noted(stores) == {"a"}
    assert noted(stores, "U2") == noted(stores, "U1", ELSEWHERE) == frozenset()
    assert take(stores, 3) == [None] * 3  # it counts for no limit
    clock.advance(NOTED_SECONDS)
    assert noted(stores) == frozenset()


def test_what_was_noted_of_pictures_can_be_changed_and_goes_with_the_workspace(stores):
    stores.installations.save(make_installation())
    stores.allowances.note(TEAM, "U1", {"a": True, "b": True})
    stores.allowances.note(TEAM, "U1", {"a": False, "b": True})
    assert noted(stores) == {"b"}

    stores.installations.delete(TEAM)

    assert noted(stores) == frozenset()


def test_without_limits_everybody_may(sqlite_url):
    with sql_stores(sqlite_url, FakeClock()) as (_, database):
        allowances = RateLimiter(database, FakeClock(), ())

        assert [allowances.take(TEAM, "U1") for _ in range(50)] == [None] * 50


def test_rows_whose_time_has_come_do_not_pile_up(database_url):
    clock = FakeClock()
    with sql_stores(database_url, clock) as (stores, database):
        for number in range(30):
            stores.allowances.take(Workspace(f"T{number}"), "U1")
        clock.advance(3600)
        for number in range(7):
            take(stores, 1, workspace=Workspace(f"NEW{number}"))

        with database.reading() as connection:
            rows = connection.execute(sa.select(ALLOWANCES.c.place_id)).scalars()
            assert {row[:3] for row in rows} == {"NEW"}


@given(waits=st.lists(st.floats(0, 100), min_size=1, max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_in_any_stretch_of_time_there_are_no_more_than_twice_as_many(waits, sqlite_url):
    clock, limit = FakeClock(), Limit("user_limit", 3, 60, is_personal=True)
    with sql_stores(sqlite_url, clock) as (stores, database):
        stores.installations.delete(TEAM)
        allowances = RateLimiter(database, clock, (limit,))
        taken = []
        for wait in waits:
            clock.advance(wait)
            if allowances.take(TEAM, "U1") is None:
                taken.append(clock.now().timestamp())

        for start in taken:
            within = [one for one in taken if start <= one < start + 60 - 0.01]
            assert len(within) < 2 * limit.pictures
