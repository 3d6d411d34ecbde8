"""What Slack may leave out of its answers: a server that says only what it must."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from emojifier_bot.clock import SystemClock
from emojifier_bot.db.crypto import Vault, generate_key
from emojifier_bot.db.engine import open_database
from emojifier_bot.db.policy import RateLimiter, WorkspaceSettings
from emojifier_bot.db.posts import PostLog
from emojifier_bot.domain import ImageReference, Installation, Share, ShareState
from emojifier_bot.errors import DeliveryError
from emojifier_bot.http import GuardedClient
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.files import SlackImageSource
from emojifier_bot.slack.post import BARE, SlackReplySink
from emojifier_bot.slack.reader import SlackReader, check_picture
from tests.fakes.servers import said, serving
from tests.slack_bot import FixedTokens
from tests.slack_posts import make_post, make_request

SENT = 1_790_000_000.0
SHOWN = Share(ShareState.SHARED, "1.2")


@pytest.fixture
def server():
    with serving() as running:
        running.paths["/api/chat.postMessage"] = answer()
        yield running


@pytest.fixture
def client(server):
    tokens = FixedTokens({"T1": Installation(make_post().workspace, "xoxb-1", "UBOT")})
    return SlackClient(server.url("/api/"), tokens.installation, 2)


@pytest.fixture
def sink(client):
    return SlackReplySink(client, Vault([generate_key()]), frozenset())


@pytest.fixture
def source(client, sqlite_url):
    web = GuardedClient(
        allow_hosts=frozenset(), max_bytes=1000, check_body=check_picture
    )
    with closing(open_database(sqlite_url)) as database:
        yield SlackImageSource(
            SlackReader(client, frozenset(), max_bytes=1000),
            Vault([generate_key()]),
            web=web,
            settings=WorkspaceSettings(database, SystemClock()),
            limiter=RateLimiter(database, SystemClock(), ()),
            posts=PostLog(database, Vault([generate_key()]), SystemClock()),
        )


def answer(**values) -> bytes:
    body = json.dumps({"ok": True} | values).encode()
    return said(200, body, content_type="application/json")


def image(file_id: str, seconds_before: float) -> dict:
    created = int(SENT - seconds_before)
    return {"id": file_id, "created": created, "mimetype": "image/png", "user": "UADA"}


def asked(server, method: str) -> int:
    return sum(one.path == f"/api/{method}" for one in server.heard)


def of_message() -> ImageReference:
    return ImageReference(message_ts=f"{SENT:.6f}", posted_by="UADA")


def test_without_shares_the_nearest_pictures_are_the_messages(server, source):
    files = [image("FOLD", 500), image("FB", 3), image("FA", 9)]
    server.paths["/api/files.list"] = answer(files=files)
    # `files.info` knows no more than the list: it answers the same for all of them.
    server.paths["/api/files.info"] = answer(file=files[1])
    found = source.resolve(make_request(source=of_message()))

    assert {one.file_id for one in found} == {"FB"}
    assert asked(server, "files.info") == 3


def test_shares_that_only_files_info_names(server, source):
    server.paths["/api/files.list"] = answer(files=[image("FA", 500)])
    shares = {"private": {"C1": [{"ts": f"{SENT:.6f}"}]}}
    file = image("FA", 500) | {"shares": shares}
    server.paths["/api/files.info"] = answer(file=file)
    found = source.resolve(make_request(source=of_message()))
    assert [one.file_id for one in found] == ["FA"]


def test_of_a_thread_the_newest_pictures_are_asked_about(server, source):
    old = [image(f"F{number}", 100 + number) for number in range(12)]
    newest = image("FNEW", 1)
    server.paths["/api/files.list"] = answer(files=[*old, newest])
    shared = {"ts": f"{SENT:.6f}", "thread_ts": f"{SENT - 500:.6f}"}
    shown = newest | {"shares": {"private": {"C1": [shared]}}}
    server.paths["/api/files.info"] = answer(file=shown)
    thread = ImageReference(message_ts=f"{SENT - 500:.6f}", in_thread=True)

    [found] = source.resolve(make_request(source=thread))

    assert found.file_id == "FNEW"
    lookups = [one for one in server.heard if one.path == "/api/files.info"]
    assert (len(lookups), lookups[0].body) == (10, b"file=FNEW")


@pytest.mark.parametrize("paging", [{}, {"paging": {}}, {"paging": {"pages": 0}}])
def test_a_list_without_pages(server, source, paging):
    server.paths["/api/files.list"] = answer(files=[image("FA", 1)], **paging)
    assert source.resolve(make_request()) == [ImageReference(file_id="FA")]
    assert asked(server, "files.list") == 1


@pytest.mark.parametrize("pages", [2, 5, 1000])
def test_six_pages_of_a_long_list_are_read_from_both_ends(server, source, pages):
    own = image("FOWN", 1) | {"user": "UBOT"}
    server.paths["/api/files.list"] = answer(files=[own], paging={"pages": pages})
    with pytest.raises(Exception, match="posted by bots"):
        source.resolve(make_request())
    # Of images, and one from either end of all files.
    assert asked(server, "files.list") == min(pages, 6) + 2


@pytest.mark.parametrize("mark", [{"bot_id": "B1"}, {"display_as_bot": True}])
def test_files_with_the_mark_of_a_bot_are_passed_over(server, source, mark):
    files = [image("FBOT", 1) | mark, image("FA", 5)]
    server.paths["/api/files.list"] = answer(files=files)
    assert source.resolve(make_request()) == [ImageReference(file_id="FA")]


@pytest.mark.parametrize(
    ("mark", "repliers", "share", "posted"),
    [
        ("", [], SHOWN, 0),
        (BARE, [], SHOWN, 1),
        (BARE, ["UADA"], SHOWN, 1),
        (BARE, ["UADA", "UBOT"], SHOWN, 0),
        (BARE, [], Share(ShareState.SHARED), 1),
    ],
)
def test_buttons_come_once_and_only_where_there_are_none(
    server, sink, mark, repliers, share, posted
):
    shown = {"ts": "1.2", "reply_users": repliers}
    file = {"id": "F1", "title": f"party{mark}", "shares": {"public": {"C1": [shown]}}}
    server.paths["/api/files.info"] = answer(file=file)
    sink.ensure_buttons(make_post(), share)
    assert asked(server, "chat.postMessage") == posted


def test_a_completed_file_of_which_nothing_is_known_yet(server, sink):
    server.paths["/api/files.info"] = answer(file={"id": "F1", "mimetype": ""})
    assert sink.share(make_post()) == Share(ShareState.PENDING)


JSON = {"content_type": "application/json"}


@pytest.mark.parametrize(
    "answered",
    [
        b"",
        *(
            said(200, body, **JSON)
            for body in (b"", b"null", b"[]", b"[1]", b"<html>", b"\xff\xfe", b"{")
        ),
        said(200, b'{"ok": false}', **JSON),
        said(429, b'{"ok": false}', retry_after="soon", **JSON),
    ],
)
def test_an_answer_that_makes_no_sense_is_no_answer(server, sink, answered):
    server.paths["/api/files.info"] = answered
    with pytest.raises(DeliveryError, match="did not answer") as caught:
        sink.share(make_post())
    assert caught.value.retryable
    assert caught.value.retry_after_seconds is None
