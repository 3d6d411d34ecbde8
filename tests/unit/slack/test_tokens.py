"""Renewal of tokens, against a real server that answers like Slack."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs

import pytest
from slack_sdk import WebClient

from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import DeliveryError, QueueError, StoreError
from emojifier_bot.slack.tokens import (
    LONG_WAITS,
    POLLS,
    SHORT_WAITS,
    RotatingBotTokens,
    retry_until_stored,
)
from tests.fakes.inbound import NOW, SetClock, WatchedInstallations
from tests.fakes.servers import said, serving

HERE = Workspace("T1")
PATH = "/api/oauth.v2.access"
STATIC = Installation(HERE, "xoxb-static", "UBOT", installed_at=NOW)


def rotating(number: int, expires_at: datetime) -> Installation:
    return replace(
        STATIC,
        bot_token=f"xoxe.xoxb-{number}",
        refresh_token=f"xoxe-{number}",
        expires_at=expires_at,
    )


ROTATING = rotating(1, NOW + timedelta(hours=12))
ANSWER = {
    "ok": True,
    "access_token": "xoxe.xoxb-2",
    "refresh_token": "xoxe-2",
    "expires_in": 43200,
}


def told(status: int = 200, **answer: object) -> bytes:
    body = json.dumps(answer).encode()
    return said(status, body, content_type="application/json")


@pytest.fixture
def slack():
    with serving({PATH: told(**ANSWER)}) as server:
        yield server


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def make_tokens(slack, clock):
    def make(store, sleep=lambda _seconds: None):
        client = WebClient(base_url=slack.url("/api/"), retry_handlers=[])
        return RotatingBotTokens(store, clock, client, "1.2", "secret", sleep)

    return make


def test_nobody_installed_it(make_tokens):
    with pytest.raises(DeliveryError) as caught:
        make_tokens(WatchedInstallations()).installation(HERE)

    assert caught.value.kind == "not_installed"
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("found", "hours"), [(STATIC, 0), (STATIC, 10_000), (ROTATING, 0), (ROTATING, 9.9)]
)
def test_a_token_that_lasts_is_taken_as_it_is(make_tokens, slack, clock, found, hours):
    clock.advance(hours * 3600)

    assert make_tokens(WatchedInstallations(found)).installation(HERE) == found
    assert slack.heard == []


@pytest.mark.parametrize("hours", [10, 11.99, 13])
def test_a_token_that_ends_soon_is_renewed(make_tokens, slack, clock, hours):
    store = WatchedInstallations(ROTATING)
    clock.advance(hours * 3600)

    found = make_tokens(store).installation(HERE)

    assert (found.bot_token, found.refresh_token) == ("xoxe.xoxb-2", "xoxe-2")
    assert found.expires_at == clock.now() + timedelta(hours=12)
    assert store.find(HERE) == found
    assert parse_qs(slack.heard[0].body.decode())["refresh_token"] == ["xoxe-1"]
    assert make_tokens(store).installation(HERE) == found
    assert len(slack.heard) == 1


def test_threads_renew_once(make_tokens, slack, clock):
    store = WatchedInstallations(ROTATING)
    tokens = make_tokens(store)
    clock.advance(11 * 3600)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(tokens.installation(HERE)))
        for _ in range(8)
    ]

    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert {one.bot_token for one in found} == {"xoxe.xoxb-2"}
    assert len(slack.heard) == 1


def test_another_process_stored_first(make_tokens, slack, clock):
    store = WatchedInstallations(ROTATING)
    clock.advance(11 * 3600)
    theirs = rotating(9, clock.now() + timedelta(hours=12))

    def answer(sock):
        store.save(theirs)
        sock.sendall(told(**ANSWER))

    slack.paths[PATH] = answer

    assert make_tokens(store).installation(HERE) == theirs


def test_another_process_spent_the_refresh_token(make_tokens, slack, clock):
    store = WatchedInstallations(ROTATING)
    clock.advance(11 * 3600)
    slack.paths[PATH] = told(ok=False, error="invalid_refresh_token")
    theirs = rotating(9, clock.now() + timedelta(hours=12))
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        if len(naps) == 2:
            store.save(theirs)

    assert make_tokens(store, sleep).installation(HERE) == theirs
    assert len(naps) == 2


@pytest.mark.parametrize(
    "answer",
    [
        told(ok=False, error="invalid_refresh_token"),
        told(500, ok=False, error="internal_error"),
        said(502, b"<html>bad gateway</html>", content_type="text/html"),
        told(429, ok=False, error="ratelimited", retry_after=30),
        b"",
    ],
    ids=["refused", "broken", "no json", "too often", "cut off"],
)
def test_an_old_token_serves_while_it_lasts(make_tokens, slack, clock, answer, caplog):
    slack.paths[PATH] = answer
    clock.advance(11 * 3600)

    found = make_tokens(WatchedInstallations(ROTATING)).installation(HERE)

    assert found == ROTATING
    ours = [one for one in caplog.records if one.name.startswith("emojifier_bot")]
    assert [one.action for one in ours] == ["renew_token"]
    assert "xoxe" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "kind", "retryable"),
    [
        (
            told(ok=False, error="invalid_refresh_token"),
            "not_installed",
            False,
        ),
        (told(ok=False, error="bad_client_secret"), "not_installed", False),
        (told(503), "slack_unreachable", True),
        (
            said(502, b"<html>", content_type="text/html"),
            "slack_unreachable",
            True,
        ),
        (b"", "slack_unreachable", True),
    ],
)
def test_a_token_that_ended_is_an_error(  # noqa: PLR0917 - fixtures and a table
    make_tokens, slack, clock, answer, kind, retryable
):
    slack.paths[PATH] = answer
    clock.advance(12 * 3600)
    naps = []

    with pytest.raises(DeliveryError) as caught:
        make_tokens(WatchedInstallations(ROTATING), naps.append).installation(HERE)

    error = caught.value
    assert (error.kind, error.retryable) == (kind, retryable)
    assert error.retry_after_seconds is None
    assert len(naps) == (0 if retryable else POLLS)


def test_retry_after_is_passed_on(make_tokens, slack, clock):
    body = b'{"ok": false, "error": "ratelimited"}'
    slack.paths[PATH] = said(
        429, body, content_type="application/json", retry_after="30"
    )
    clock.advance(12 * 3600)

    with pytest.raises(DeliveryError) as caught:
        make_tokens(WatchedInstallations(ROTATING)).installation(HERE)

    assert caught.value.kind == "ratelimited"
    assert caught.value.retry_after_seconds == 30


def test_uninstalled_during_the_renewal(make_tokens, slack, clock):
    store = WatchedInstallations(ROTATING)
    clock.advance(11 * 3600)

    def answer(sock):
        store.delete(HERE)
        sock.sendall(told(**ANSWER))

    slack.paths[PATH] = answer

    with pytest.raises(DeliveryError, match="not installed"):
        make_tokens(store).installation(HERE)


@pytest.mark.parametrize(
    "odd",
    [
        {"access_token": None},
        {"access_token": ""},
        {"refresh_token": None},
        {"expires_in": None},
        {"expires_in": "soon"},
        {"expires_in": [1]},
        {"expires_in": 1e400},
        {"expires_in": 1e300},
    ],
)
@pytest.mark.parametrize(("hours", "serves"), [(11, True), (12, False)])
def test_an_answer_that_lacks_something_changes_nothing(  # noqa: PLR0917 - a table
    make_tokens, slack, clock, odd, hours, serves
):
    slack.paths[PATH] = told(**ANSWER | odd)
    store = WatchedInstallations(ROTATING)
    clock.advance(hours * 3600)

    if serves:
        assert make_tokens(store).installation(HERE) == ROTATING
    else:
        with pytest.raises(DeliveryError) as caught:
            make_tokens(store).installation(HERE)
        assert (caught.value.kind, caught.value.retryable) == (
            "slack_unreachable",
            True,
        )
    assert store.find(HERE) == ROTATING


@pytest.mark.parametrize("body", [b"[]", b"[1]", b"null", b"3", b"{", b"\xff"])
def test_an_answer_that_is_none(make_tokens, slack, clock, body):
    slack.paths[PATH] = said(200, body, content_type="application/json")
    clock.advance(11 * 3600)

    assert make_tokens(WatchedInstallations(ROTATING)).installation(HERE) == ROTATING


def test_a_new_token_is_kept_where_the_database_has_a_bad_moment(
    make_tokens, slack, clock
):
    class Restarting(WatchedInstallations):
        tries = 0

        def replace_tokens(self, installation, spent_refresh):
            self.tries += 1
            if self.tries == 1:
                raise StoreError("Away.")
            return super().replace_tokens(installation, spent_refresh)

    store, naps = Restarting(ROTATING), []
    clock.advance(11 * 3600)

    found = make_tokens(store, naps.append).installation(HERE)

    assert found.refresh_token == store.find(HERE).refresh_token == "xoxe-2"
    assert (store.tries, len(naps), len(slack.heard)) == (2, 1, 1)


def test_a_new_token_that_was_not_stored_is_stored_by_the_next_call(
    make_tokens, slack, clock
):
    class Away(WatchedInstallations):
        is_away = True

        def replace_tokens(self, installation, spent_refresh):
            if self.is_away:
                raise StoreError("Away.")
            return super().replace_tokens(installation, spent_refresh)

    store, naps = Away(ROTATING), []
    tokens = make_tokens(store, naps.append)
    clock.advance(11 * 3600)
    with pytest.raises(StoreError):
        tokens.installation(HERE)
    assert sum(naps) > 30
    assert "xoxe-2" not in repr(tokens)

    store.is_away = False

    assert tokens.installation(HERE).refresh_token == "xoxe-2"
    assert store.find(HERE).refresh_token == "xoxe-2"
    assert len(slack.heard) == 1, "the refresh token is spent once"
    assert tokens.unsaved == {}


def test_secrets_are_not_in_the_repr(make_tokens):
    assert "secret" not in repr(make_tokens(WatchedInstallations(ROTATING)))


@pytest.mark.parametrize("waits", [(), SHORT_WAITS, LONG_WAITS])
@pytest.mark.parametrize("error", [StoreError, QueueError])
def test_storing_is_retried_after_every_wait(waits, error):
    failures, naps = [error("Away.")] * len(waits), []

    def store() -> str:
        if failures:
            raise failures.pop()
        return "stored"

    assert retry_until_stored(store, waits, naps.append) == "stored"
    assert naps == list(waits)


@pytest.mark.parametrize(
    ("error", "waits"), [(StoreError("Away."), [1, 2]), (ZeroDivisionError(), [])]
)
def test_in_the_end_the_error_is_raised(error, waits):
    naps = []

    def store() -> None:
        raise error

    with pytest.raises(type(error)):
        retry_until_stored(store, [1, 2], naps.append)
    assert naps == waits


def test_a_restart_of_the_database_is_survived():
    assert sum(LONG_WAITS) > 30
