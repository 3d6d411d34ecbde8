"""The cache of installations, and the renewal of tokens by a server like Slack's."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs

import pytest
from slack_bolt import BoltContext
from slack_sdk import WebClient

from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import DeliveryError, QueueError, StoreError
from emojifier_bot.slack import installations
from emojifier_bot.slack.installations import (
    CACHE_SECONDS,
    LONG_WAITS,
    POLLS,
    SHORT_WAITS,
    CachedAuthorize,
    RotatingBotTokens,
    retry_until_stored,
)
from tests.fakes.clock import NOW, ManualClock
from tests.fakes.servers import RawServer, said, serving

HERE, THERE = Workspace("T1", "E1"), Workspace("T2", "E1")
ORGANISATION = Workspace("", "E1", is_org_install=True)
PATH = "/api/oauth.v2.access"
JSON = {"content_type": "application/json"}
STATIC = Installation(HERE, "xoxb-static", "UBOT", installed_at=NOW)
ANSWER = {
    "ok": True,
    "access_token": "xoxe.xoxb-2",
    "refresh_token": "xoxe-2",
    "expires_in": 43200,
}


def rotating(number: int, expires_at: datetime) -> Installation:
    return replace(
        STATIC,
        bot_token=f"xoxe.xoxb-{number}",
        refresh_token=f"xoxe-{number}",
        expires_at=expires_at,
    )


ROTATING = rotating(1, NOW + timedelta(hours=12))


def answer_of(status: int = 200, **values: object) -> bytes:
    return said(status, json.dumps(values).encode(), **JSON)


NOT_JSON = said(502, b"<html>bad gateway</html>", content_type="text/html")
REFUSED = answer_of(ok=False, error="invalid_refresh_token")


# The cache.


def in_team(workspace: Workspace = HERE) -> Installation:
    return replace(STATIC, workspace=workspace, bot_id="BBOT")


class CountingStore:
    """A real store that counts its searches."""

    def __init__(self, store: InstallationStore) -> None:
        self.store = store
        self.finds = 0
        #: Called at the end of each search.
        self.after_find: Callable[[], None] = lambda: None

    def find(self, workspace: Workspace) -> Installation | None:
        self.finds += 1
        found = self.store.find(workspace)
        self.after_find()
        return found


@pytest.fixture
def store(make_store):
    return CountingStore(make_store(in_team(), in_team(THERE)))


@pytest.fixture
def cached(store, clock):
    return CachedAuthorize(store, clock)


def test_that_nothing_is_installed_is_not_cached(store, cached):
    store.store.delete(HERE)

    assert cached.installation(HERE) is None
    store.store.save(in_team())
    assert cached.installation(HERE) == in_team()


@pytest.mark.parametrize("is_installed", [True, False])
def test_bolt_gets_the_bots_ids_but_no_token(store, cached, is_installed):
    if not is_installed:
        store.store.delete(HERE)
    context = BoltContext({"team_id": "T1", "enterprise_id": "E1"})

    result = cached(context=context, enterprise_id="E1", team_id="T1", user_id="U1")

    assert "xoxb" not in str(result)
    if is_installed:
        assert (result.bot_user_id, result.bot_id) == ("UBOT", "BBOT")
        assert result.user_id == "U1"
    else:
        assert result is None


def test_the_store_is_asked_once_a_minute(store, cached, clock):
    for _ in range(1000):
        cached.installation(HERE)
    assert store.finds == 1
    clock.advance(CACHE_SECONDS + 1)
    cached.installation(HERE)
    assert store.finds == 2


def test_an_uninstallation_by_another_process_is_noticed_within_a_minute(
    store, cached, clock
):
    cached.installation(HERE)

    store.store.delete(HERE)
    clock.advance(CACHE_SECONDS + 1)

    assert cached.installation(HERE) is None


@pytest.mark.parametrize(
    ("ended", "asked_again"), [(HERE, 1), (THERE, 1), (ORGANISATION, 2)]
)
def test_an_invalidation_asks_the_store_again(store, cached, ended, asked_again):
    cached.installation(HERE)
    cached.installation(THERE)
    store.finds = 0

    cached.invalidate(ended)
    cached.installation(HERE)
    cached.installation(THERE)

    assert store.finds == asked_again


def test_a_search_that_began_before_an_uninstallation_is_not_cached(store, cached):
    def uninstall():
        store.store.delete(HERE)
        cached.invalidate(HERE)

    store.after_find = uninstall
    cached.installation(HERE)
    store.after_find = lambda: None

    assert cached.installation(HERE) is None


def test_the_cache_is_bounded(store, cached, monkeypatch):
    monkeypatch.setattr(installations, "CACHE_SIZE", 3)
    teams = [Workspace(f"T{number}") for number in range(5)]
    for team in teams:
        store.store.save(in_team(team))
        cached.installation(team)

    cached.installation(teams[-1])
    assert store.finds == 5
    cached.installation(teams[0])
    assert store.finds == 6


# Tokens that rotate.


@dataclass(repr=False)
class Process:
    """A process that renews tokens; naps take no time."""

    slack: RawServer
    clock: ManualClock
    store: InstallationStore
    naps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        client = WebClient(base_url=self.slack.url("/api/"), retry_handlers=[])
        self.tokens = RotatingBotTokens(
            self.store, self.clock, client, "1.2", "swordfish", self.nap
        )

    def nap(self, seconds: float) -> None:
        self.naps.append(seconds)

    def installation(self, hours: float = 0) -> Installation:
        """Ask for the token so many hours after it was issued."""
        self.clock.advance(hours * 3600 - self.clock.monotonic())
        return self.tokens.installation(HERE)

    def error(self, hours: float) -> DeliveryError:
        with pytest.raises(DeliveryError) as caught:
            self.installation(hours)
        return caught.value


@pytest.fixture
def process(make_store, clock):
    with serving({PATH: answer_of(**ANSWER)}) as slack:
        yield Process(slack, clock, make_store(ROTATING))


def test_not_installed(process):
    process.store.delete(HERE)

    error = process.error(0)

    assert (error.kind, error.retryable) == ("not_installed", False)


@pytest.mark.parametrize(
    ("found", "hours"), [(STATIC, 0), (STATIC, 10_000), (ROTATING, 0), (ROTATING, 9.9)]
)
def test_a_token_that_lasts_is_taken_as_it_is(process, found, hours):
    process.store.save(found)

    assert process.installation(hours) == found
    assert process.slack.heard == []


@pytest.mark.parametrize("hours", [10, 11.99, 13])
def test_a_token_that_expires_soon_is_renewed_once(process, hours):
    found = process.installation(hours)

    assert (found.bot_token, found.refresh_token) == ("xoxe.xoxb-2", "xoxe-2")
    assert found.expires_at == process.clock.now() + timedelta(hours=12)
    assert process.store.find(HERE) == found
    [sent] = process.slack.heard
    assert parse_qs(sent.body.decode())["refresh_token"] == ["xoxe-1"]
    assert process.installation(hours) == found
    assert len(process.slack.heard) == 1


def test_threads_renew_once(process):
    process.clock.advance(11 * 3600)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(process.tokens.installation(HERE)))
        for _ in range(8)
    ]

    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert {one.bot_token for one in found} == {"xoxe.xoxb-2"}
    assert len(process.slack.heard) == 1


@pytest.mark.parametrize(("answer", "naps"), [(answer_of(**ANSWER), 0), (REFUSED, 2)])
def test_another_process_was_faster(process, answer, naps):
    theirs = rotating(9, NOW + timedelta(hours=23))

    def respond(sock):
        if not naps:
            process.store.save(theirs)
        sock.sendall(answer)

    def nap(seconds):
        process.naps.append(seconds)
        if len(process.naps) == naps:
            process.store.save(theirs)

    process.slack.paths[PATH] = respond
    process.tokens = replace(process.tokens, sleep=nap)

    assert process.installation(11) == theirs
    assert len(process.naps) == naps


@pytest.mark.parametrize(
    ("answer", "kind", "retryable"),
    [
        (REFUSED, "not_installed", False),
        (answer_of(ok=False, error="bad_client_secret"), "not_installed", False),
        (answer_of(500, ok=False, error="internal_error"), "slack_unreachable", True),
        (answer_of(503), "slack_unreachable", True),
        (answer_of(429, ok=False, error="ratelimited"), "ratelimited", True),
        (NOT_JSON, "slack_unreachable", True),
        (b"", "slack_unreachable", True),
        *(
            (said(200, body, **JSON), "slack_unreachable", True)
            for body in (b"[]", b"[1]", b"null", b"3", b"{", b"\xff")
        ),
        *(
            (answer_of(**ANSWER | odd), "slack_unreachable", True)
            for odd in (
                {"access_token": None},
                {"access_token": ""},
                {"refresh_token": None},
                {"expires_in": None},
                {"expires_in": "soon"},
                {"expires_in": [1]},
                {"expires_in": 1e400},
                {"expires_in": 1e300},
            )
        ),
    ],
)
def test_a_token_that_cannot_be_renewed_serves_until_it_expires(
    process, answer, kind, retryable, caplog
):
    process.slack.paths[PATH] = answer

    assert process.installation(11) == ROTATING
    ours = [one for one in caplog.records if one.name.startswith("emojifier_bot")]
    assert [one.action for one in ours] == ["renew_token"]
    process.naps.clear()
    error = process.error(12)

    assert (error.kind, error.retryable) == (kind, retryable)
    assert len(process.naps) == (0 if retryable else POLLS)
    assert process.store.find(HERE) == ROTATING
    assert "xoxe" not in caplog.text


def test_the_time_to_wait_is_passed_on(process):
    body = b'{"ok": false, "error": "ratelimited"}'
    process.slack.paths[PATH] = said(429, body, retry_after="30", **JSON)

    error = process.error(12)

    assert (error.kind, error.retry_after_seconds) == ("ratelimited", 30)


def test_uninstalled_during_the_renewal(process):
    def respond(sock):
        process.store.delete(HERE)
        sock.sendall(answer_of(**ANSWER))

    process.slack.paths[PATH] = respond

    assert process.error(11).kind == "not_installed"


def test_a_new_token_is_stored_although_the_database_fails_at_first(
    process, monkeypatch
):
    tries = fail(monkeypatch, times=1)

    found = process.installation(11)

    assert found.refresh_token == process.store.find(HERE).refresh_token == "xoxe-2"
    assert (len(tries), len(process.naps), len(process.slack.heard)) == (2, 1, 1)


def test_a_new_token_that_was_not_stored_is_stored_by_the_next_call(
    process, monkeypatch
):
    fail(monkeypatch, times=len(LONG_WAITS) + 1)
    with pytest.raises(StoreError):
        process.installation(11)
    assert process.naps == list(LONG_WAITS)
    assert not {"xoxe-2", "swordfish"} & set(repr(process.tokens).split("'"))

    assert process.installation(11).refresh_token == "xoxe-2"
    assert process.store.find(HERE).refresh_token == "xoxe-2"
    assert len(process.slack.heard) == 1, "the refresh token is used once"
    assert process.tokens.unsaved == {}


def fail(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Let so many tries to store a token fail; return all tries."""
    tries, store = [], InstallationStore.replace_tokens

    def replace_tokens(self, installation, spent_refresh):
        tries.append(spent_refresh)
        if len(tries) <= times:
            raise StoreError("Away.")
        return store(self, installation, spent_refresh)

    monkeypatch.setattr(InstallationStore, "replace_tokens", replace_tokens)
    return tries


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
