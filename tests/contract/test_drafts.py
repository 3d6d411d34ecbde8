"""What every store of drafts and of choices keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from emojifier_bot.db.drafts import LIFETIME, REMOVAL_TIME, Draft, Drawing
from emojifier_bot.db.preferences import EVERYBODY, Preference
from emojifier_bot.db.previews import Previews
from emojifier_bot.db.tables import DRAFTS
from emojifier_bot.domain import EmojifyRequest, Entrypoint, ImageReference
from emojifier_bot.errors import VaultError
from tests.builders_store import (
    ELSEWHERE,
    HOSTILE,
    IN_GRID,
    ORG,
    TEAM,
    make_installation,
    sql_stores,
)
from tests.fakes.previews import MemoryPreviews
from tests.threads import THREADS, at_once

PLAN = {"faces": [{"action": "emoji", "name": "grin", "spoken": "é 😆"}]}
HOUR_SECONDS, MINUTES_SECONDS = LIFETIME.total_seconds(), REMOVAL_TIME.total_seconds()


def make_draft(draft_id="d1", workspace=TEAM, **fields):
    source = ImageReference(file_id="F1", posted_by="U2", name="party.png")
    request = EmojifyRequest(workspace, Entrypoint.COMMAND, "U1", "C1", source)
    return Draft(draft_id, request, **fields)


FULL = make_draft(
    plan=PLAN,
    version=3,
    page=1,
    channel_id="D1",
    message_ts="1700000000.000100",
    view_id="V1",
    is_sent=True,
    drawing=Drawing(2, PLAN, "0" * 64, "F9", "1 face drawn as grinning"),
    file_ids=("F8", "F9"),
)


class TestDrafts:
    def test_there_are_none_at_first(self, stores):
        assert stores.drafts.find(TEAM, "d1") is None
        assert stores.drafts.change(TEAM, "d1", lambda one: one) is None
        assert stores.drafts.end(TEAM, "d1") is None
        assert stores.drafts.take_expired() == []

    @pytest.mark.parametrize("draft", [make_draft(), FULL])
    def test_all_of_it_comes_back(self, stores, draft):
        stores.drafts.begin(draft)

        assert stores.drafts.find(TEAM, "d1") == draft

    def test_what_is_begun_again_stays_as_it_is(self, stores):
        stores.drafts.begin(FULL)

        stores.drafts.begin(make_draft())

        assert stores.drafts.find(TEAM, "d1") == FULL

    def test_another_workspace_has_its_own(self, stores):
        stores.drafts.begin(FULL)
        theirs = make_draft(workspace=ELSEWHERE)
        stores.drafts.begin(theirs)

        stores.drafts.forget(TEAM, "d1")

        assert stores.drafts.find(TEAM, "d1") is None
        assert stores.drafts.find(ELSEWHERE, "d1") == theirs

    def test_nothing_of_it_can_be_read_in_the_database(self, stores):
        stores.drafts.begin(FULL)

        with stores.drafts.database.reading() as connection:
            row = connection.execute(sa.select(DRAFTS)).mappings().one()

        told = repr(dict(row))
        for word in ("1700000000", "drawn", "grin", "party"):
            assert word not in told

    def test_changes_of_many_at_once_are_all_kept(self, stores):
        stores.drafts.begin(make_draft(version=0))

        def press():
            stores.drafts.change(
                TEAM, "d1", lambda one: replace(one, version=one.version + 1)
            )

        at_once(press)

        assert stores.drafts.find(TEAM, "d1").version == THREADS

    def test_an_hour_after_the_last_change_it_has_expired(self, stores, clock):
        stores.drafts.begin(make_draft())
        clock.advance(HOUR_SECONDS - 1)
        stores.drafts.change(TEAM, "d1", lambda one: replace(one, page=1))
        clock.advance(HOUR_SECONDS - 1)
        assert stores.drafts.find(TEAM, "d1").page == 1
        assert stores.drafts.take_expired() == []

        clock.advance(1)

        assert stores.drafts.find(TEAM, "d1") is None
        assert stores.drafts.change(TEAM, "d1", lambda one: one) is None
        assert stores.drafts.take_expired() == [make_draft(page=1)]

    def test_an_hour_of_silence_leaves_nothing_in_slack(self, stores, clock):
        sink = MemoryPreviews({FULL.message_ts: FULL.drawing}, files={"F8", "F9"})
        previews = Previews(stores.drafts, sink)
        stores.drafts.begin(FULL)
        clock.advance(HOUR_SECONDS - 1)
        previews.sweep()
        assert (len(sink.shown), sink.deleted) == (1, [])

        clock.advance(1)
        previews.sweep()

        assert (sink.shown, sink.deleted) == ({}, ["F8", "F9"])
        clock.advance(MINUTES_SECONDS)
        assert stores.drafts.take_expired() == []

    def test_one_that_was_taken_comes_again_only_if_it_was_not_removed(
        self, stores, clock
    ):
        stores.drafts.begin(FULL)
        clock.advance(HOUR_SECONDS)
        assert stores.drafts.take_expired() == [FULL]
        assert stores.drafts.take_expired() == []
        clock.advance(MINUTES_SECONDS)
        assert stores.drafts.take_expired() == [FULL]
        assert stores.drafts.find(TEAM, "d1") is None

        stores.drafts.forget(TEAM, "d1")
        clock.advance(MINUTES_SECONDS)

        assert stores.drafts.take_expired() == []

    def test_one_that_has_just_ended_is_kept_for_what_slack_takes_late(
        self, stores, clock
    ):
        stores.drafts.begin(FULL)
        stores.drafts.end(TEAM, "d1")
        stores.drafts.forget(TEAM, "d1", REMOVAL_TIME)
        assert stores.drafts.take_expired() == [FULL]

        clock.advance(MINUTES_SECONDS)
        stores.drafts.forget(TEAM, "d1", REMOVAL_TIME)

        assert stores.drafts.take_expired() == []

    def test_two_workers_take_it_once(self, stores, clock):
        stores.drafts.begin(FULL)
        clock.advance(HOUR_SECONDS)
        taken = []

        at_once(lambda: taken.extend(stores.drafts.take_expired()))

        assert taken == [FULL]

    def test_one_that_was_ended_has_expired(self, stores):
        stores.drafts.begin(FULL)

        assert stores.drafts.end(TEAM, "d1") == FULL

        assert stores.drafts.find(TEAM, "d1") is None
        assert stores.drafts.end(TEAM, "d1") is None
        assert stores.drafts.take_expired() == [FULL]

    def test_one_of_a_lost_key_is_in_nobodys_way(self, stores, database_url, clock):
        with sql_stores(database_url, clock) as (others, _):
            others.drafts.begin(make_draft("lost"))
        stores.drafts.begin(FULL)
        with pytest.raises(VaultError):
            stores.drafts.find(TEAM, "lost")
        clock.advance(HOUR_SECONDS)

        assert stores.drafts.take_expired() == [FULL]

        with stores.drafts.database.reading() as connection:
            [left] = connection.execute(sa.select(DRAFTS.c.draft_id)).scalars()
        assert left == "d1"

    def test_they_go_with_their_workspace(self, stores):
        stores.installations.save(make_installation(ORG))
        stores.drafts.begin(make_draft(workspace=IN_GRID))
        stores.preferences.choose(IN_GRID, "U1", Preference.THEME, "classic")

        stores.installations.delete(ORG)

        assert stores.drafts.find(IN_GRID, "d1") is None
        assert stores.preferences.chosen(IN_GRID, "U1") == {}


@pytest.mark.usefixtures("installed")
class TestPreferences:
    def test_nobody_has_chosen_at_first(self, stores):
        assert stores.preferences.chosen(TEAM, "U1") == {}
        assert stores.preferences.effective(TEAM, "U1") == {}

    def test_a_persons_own_choice_comes_first(self, stores):
        stores.preferences.choose(TEAM, EVERYBODY, Preference.THEME, "classic")
        stores.preferences.choose(TEAM, EVERYBODY, Preference.PREVIEW, "on")
        stores.preferences.choose(TEAM, "U1", Preference.THEME, "party")
        stores.preferences.choose(ELSEWHERE, "U1", Preference.THEME, "other")

        mine = stores.preferences.effective(TEAM, "U1")

        assert mine == {"theme": "party", "preview": "on"}
        assert stores.preferences.chosen(TEAM, "U1") == {"theme": "party"}
        everybody = {"theme": "classic", "preview": "on"}
        assert stores.preferences.chosen(TEAM) == everybody
        assert stores.preferences.effective(TEAM, "U2") == everybody

    def test_a_choice_is_replaced_and_undone(self, stores):
        for value in ("on", "off", HOSTILE):
            stores.preferences.choose(TEAM, "U1", Preference.PREVIEW, value)
        assert stores.preferences.chosen(TEAM, "U1")["preview"].endswith("é😆")

        for _ in range(2):
            stores.preferences.choose(TEAM, "U1", Preference.PREVIEW, "")

        assert stores.preferences.chosen(TEAM, "U1") == {}
