"""What every memory of posts keeps."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from emojifier_bot.domain import ImageReference, Workspace
from tests.builders_store import HOSTILE, IN_GRID, SERVED_BY_ORG, TEAM, make_post
from tests.fakes.clock import NOW
from tests.threads import THREADS, at_once


def test_there_are_none_at_first(stores):
    assert stores.posts.find(TEAM, "p1") is None
    assert stores.posts.count_press(TEAM, "p1") == 0
    assert not stores.posts.mark_deleted(TEAM, "p1", "U1")
    assert stores.posts.forget_before(NOW) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"source": ImageReference(file_id="F1"), "faces": ()},
        {"source": ImageReference(sealed_address="sealed")},
        {"source": ImageReference(newest=True)},
        {"source": ImageReference(message_ts="1700000000.000001", posted_by="U2")},
    ],
)
def test_all_of_it_comes_back(stores, fields):
    fields |= {"thread_ts": "1.2", "theme": "other", "title": "é😆"}
    post = make_post(SERVED_BY_ORG, **fields)

    stores.posts.record(post)

    record = stores.posts.find(SERVED_BY_ORG, "p1")
    assert record.post == post
    assert (record.posted_at, record.presses) == (NOW, 0)
    assert (record.deleted_by, record.deleted_at) == ("", None)


def test_the_same_again_changes_nothing(stores, clock):
    stores.posts.record(make_post())
    stores.posts.count_press(TEAM, "p1")
    stores.posts.mark_deleted(TEAM, "p1", "U1")
    before = stores.posts.find(TEAM, "p1")
    clock.advance(60)

    stores.posts.record(make_post(file_id="F99"))

    assert stores.posts.find(TEAM, "p1") == before


@pytest.mark.parametrize("asked", [TEAM, IN_GRID, SERVED_BY_ORG])
def test_it_is_found_whoever_serves_its_workspace(stores, asked):
    stores.posts.record(make_post(IN_GRID))

    assert stores.posts.find(asked, "p1").post.workspace == IN_GRID


def test_no_other_workspace_finds_it(stores):
    stores.posts.record(make_post(IN_GRID))
    other = Workspace("T2", "E1")

    assert stores.posts.find(other, "p1") is None
    assert stores.posts.count_press(other, "p1") == 0
    assert not stores.posts.mark_deleted(other, "p1", "U1")
    stores.posts.record(make_post(other, file_id="F99"))
    assert stores.posts.find(TEAM, "p1").post.file_id == "F2"
    assert stores.posts.find(other, "p1").post.file_id == "F99"


def test_people_of_the_same_organisation_may_see_it(stores):
    stores.posts.record(make_post(IN_GRID))
    look = stores.posts.find_in_organisation

    assert look(Workspace("T2", "E1"), "p1").post.workspace == IN_GRID
    assert look(IN_GRID, "p1").post.workspace == IN_GRID
    for stranger in (Workspace("T2", "E2"), Workspace("T2"), Workspace("", "E2")):
        assert look(stranger, "p1") is None
    stores.posts.record(make_post(Workspace("T3"), post_id="p2"))
    assert look(Workspace("T2"), "p2") is None
    assert look(Workspace("T2", "E1"), "p2") is None


def test_presses_are_counted(stores):
    stores.posts.record(make_post())
    stores.posts.record(make_post(post_id="p2"))

    assert [stores.posts.count_press(TEAM, "p1") for _ in range(3)] == [1, 2, 3]
    assert stores.posts.find(TEAM, "p1").presses == 3
    assert stores.posts.find(TEAM, "p2").presses == 0


def test_every_thread_gets_a_number_of_its_own(stores):
    stores.posts.record(make_post())

    numbers = at_once(lambda: stores.posts.count_press(TEAM, "p1"))

    assert sorted(numbers) == list(range(1, THREADS + 1))


def test_who_deleted_it_is_noted_once(stores, clock):
    stores.posts.record(make_post())
    clock.advance(60)

    assert stores.posts.mark_deleted(TEAM, "p1", "U1")
    clock.advance(60)
    assert not stores.posts.mark_deleted(TEAM, "p1", "U2")

    record = stores.posts.find(TEAM, "p1")
    assert record.deleted_by == "U1"
    assert record.deleted_at == NOW + timedelta(seconds=60)


def test_of_many_threads_one_deletes(stores):
    stores.posts.record(make_post())

    noted = at_once(lambda: stores.posts.mark_deleted(TEAM, "p1", "U1"))

    assert sorted(noted) == [False] * (THREADS - 1) + [True]


def test_many_threads_may_record_the_same(stores):
    at_once(lambda: stores.posts.record(make_post()))

    assert stores.posts.find(TEAM, "p1").post == make_post()


def test_one_post_can_be_forgotten(stores):
    for post_id in ("p1", "p2"):
        stores.posts.record(make_post(post_id=post_id))

    stores.posts.forget(Workspace("T2"), "p1")
    assert stores.posts.find(TEAM, "p1")
    for _ in range(2):
        stores.posts.forget(TEAM, "p1")

    assert stores.posts.find(TEAM, "p1") is None
    assert stores.posts.find(TEAM, "p2")


def test_what_was_posted_before_a_moment_is_forgotten(stores, clock):
    for post_id in ("p1", "p2", "p3"):
        stores.posts.record(make_post(post_id=post_id))
        clock.advance(3600)

    assert stores.posts.forget_before(NOW) == 0
    assert stores.posts.forget_before(NOW + timedelta(hours=2)) == 2
    assert stores.posts.find(TEAM, "p2") is None
    assert stores.posts.find(TEAM, "p3")


def test_a_deletion_is_remembered_from_its_own_day(stores, clock):
    stores.posts.record(make_post())
    clock.advance(60)
    stores.posts.mark_deleted(TEAM, "p1", "U2")

    assert stores.posts.forget_before(NOW + timedelta(seconds=30)) == 0
    assert stores.posts.forget_before(NOW + timedelta(seconds=90)) == 1


def test_a_moment_is_the_same_in_every_zone(stores):
    stores.posts.record(make_post())
    east = timezone(timedelta(hours=9))

    assert stores.posts.forget_before(NOW.astimezone(east)) == 0
    moment = (NOW + timedelta(seconds=1)).astimezone(east)
    assert stores.posts.forget_before(moment) == 1


def test_any_text_can_be_kept_and_asked_for(stores):
    stores.posts.record(make_post(title=HOSTILE, alt_text=HOSTILE))

    assert stores.posts.find(TEAM, "p1").post.title.startswith("a")
    assert stores.posts.find(TEAM, HOSTILE) is None
