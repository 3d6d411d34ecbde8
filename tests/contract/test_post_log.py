"""What every memory of posts keeps."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta, timezone

import pytest
import sqlalchemy as sa

from emojifier_bot.db.crypto import Vault, generate_key
from emojifier_bot.db.posts import PostLog
from emojifier_bot.db.tables import POSTS
from emojifier_bot.domain import ImageReference, Workspace
from tests.builders_store import (
    HOSTILE,
    IN_GRID,
    SERVED_BY_ORG,
    TEAM,
    connected,
    make_post,
    stored_bytes,
)
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


def in_clear(text):
    """Return how a text may stand in a database: as it is, or within JSON."""
    return {text.encode(), json.dumps(text)[1:-1].encode()}


def test_what_is_said_of_a_post_stands_nowhere_in_the_database(stores, database_url):
    post = make_post()
    stores.posts.record(post)

    stored = stored_bytes(database_url)

    said = [post.title, post.alt_text]
    said += [text for face in post.faces for text in (face.character, face.spoken)]
    assert post.file_id.encode() in stored
    assert [one for text in said for one in in_clear(text) if one in stored] == []
    assert stores.posts.find(TEAM, "p1").post == post


def test_once_it_is_shown_the_title_alone_is_kept(stores):
    post = make_post()
    stores.posts.record(post)
    stores.posts.record(make_post(post_id="p2"))

    for _ in range(2):
        stores.posts.forget_words(TEAM, "p1")

    kept = stores.posts.find(TEAM, "p1").post
    assert kept == replace(post, alt_text="", faces=())
    assert stores.posts.find(TEAM, "p2").post.faces == post.faces
    stores.posts.forget_words(TEAM, "gone")
    assert stores.posts.find(TEAM, "gone") is None


def test_nothing_is_said_of_a_post_that_is_deleted(stores):
    stores.posts.record(make_post())

    stores.posts.mark_deleted(TEAM, "p1", "U1")

    gone = stores.posts.find(TEAM, "p1").post
    assert (gone.title, gone.alt_text, gone.faces) == ("", "", ())


def test_the_title_of_a_post_that_is_deleted_meanwhile_does_not_come_back(
    stores, database_url
):
    class Deletes(Vault):
        def unseal(self, sealed):
            assert stores.posts.mark_deleted(TEAM, "p1", "U1")
            return stores.posts.vault.unseal(sealed)

    stores.posts.record(make_post())

    replace(stores.posts, vault=Deletes([generate_key()])).forget_words(TEAM, "p1")

    with connected(database_url) as connection:
        kept = connection.execute(sa.select(POSTS.c.sealed_words)).scalar_one()
    assert kept == ""


def test_who_reads_sees_one_moment(stores):
    posts = sa.select(sa.func.count()).select_from(POSTS)
    with stores.posts.database.reading() as connection:
        assert connection.execute(posts).scalar() == 0
        stores.posts.record(make_post())
        assert connection.execute(posts).scalar() == 0
    assert stores.posts.find(TEAM, "p1") is not None


def test_without_the_key_the_buttons_work_still(stores, clock):
    stores.posts.record(make_post())
    other = PostLog(stores.posts.database, Vault([generate_key()]), clock)

    found = other.find(TEAM, "p1").post

    assert (found.file_id, found.title, found.faces) == ("F2", "", ())
    other.forget_words(TEAM, "p1")
    assert other.mark_deleted(TEAM, "p1", "U1")


def test_what_an_older_version_kept_in_the_clear_is_read_and_soon_gone(
    stores, database_url
):
    post = make_post()
    stores.posts.record(post)
    in_the_clear = {
        "sealed_words": "",
        "title": post.title,
        "alt_text": post.alt_text,
        "faces": [asdict(face) for face in post.faces],
    }
    with connected(database_url) as connection:
        connection.execute(sa.update(POSTS).values(in_the_clear))
    assert stores.posts.find(TEAM, "p1").post == post

    assert stores.posts.forget_before(NOW) == 0

    assert stores.posts.find(TEAM, "p1").post.faces == ()
    with connected(database_url) as connection:
        (row,) = connection.execute(sa.select(POSTS)).mappings()
    assert (row["title"], row["alt_text"], row["faces"]) == ("", "", [])
