"""Attacks on a real `serve` process: what it answers, what it logs, whether it lives.

The web process alone is run, on SQLite, with all that can be logged switched on.
"""

from __future__ import annotations

import itertools
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from emojifier_bot.db.crypto import Vault, generate_key
from emojifier_bot.db.engine import HURRIED_SECONDS, WAIT_SECONDS, open_database
from emojifier_bot.db.posts import PostLog
from emojifier_bot.domain import Workspace
from emojifier_bot.slack.messages import render_message
from emojifier_bot.web.app import SECURITY_HEADERS
from tests.fakes.clock import FakeClock
from tests.fakes.servers import said, serving
from tests.fakes.slack import SlackServer
from tests.running_bot import address_of, process
from tests.slack_payloads import (
    ASKER,
    CHANNEL,
    FORM,
    JSON,
    TEAM,
    Sent,
    command,
    mention,
    press,
    signed,
)
from tests.slack_posts import make_post
from tests.threads import PATIENCE_SECONDS, wait_until

#: Stands in all that is sent by attackers; no log may have it.
MARK = "swordfish"
EVENTS = "/slack/events"
#: A few more than there are threads, so that some wait for others.
MANY = 40
SENTENCES = {render_message(kind) for kind in ("queue", "store", "busy")}
COOKIE = "slack-app-oauth-state"


@dataclass
class Door:
    """A running web process, and the workspace that has the bot."""

    slack: SlackServer
    url: str
    folder: Path
    networks: Iterator[int] = field(default_factory=itertools.count)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def ask(self, statement: str) -> list:
        with closing(sqlite3.connect(self.folder / "bot.db")) as connection, connection:
            return connection.execute(statement).fetchall()

    def jobs(self) -> int:
        return self.ask("SELECT count(*) FROM workflow_status")[0][0]

    def signed(self, sent: Sent, at: float | None = None) -> dict[str, str]:
        return signed(sent, self.slack.app.signing_secret, at)

    def send(self, sent: Sent, headers: dict[str, str] | None = None):
        return requests.post(
            f"{self.url}{EVENTS}",
            data=sent.body,
            headers=self.somebody() | (headers or self.signed(sent)),
            timeout=60,
        )

    def somebody(self) -> dict[str, str]:
        """Return another address each time."""
        return {"X-Test-Address": f"2001:db8:{next(self.networks):x}::1"}

    def raw(self, data: bytes, *, ends: bool = False) -> bytes:
        """Send bytes; return all that comes back."""
        heard = b""
        with socket.create_connection(
            ("127.0.0.1", urlsplit(self.url).port), timeout=60
        ) as sock:
            # Cut off in the middle of too much, it may have heard an answer before.
            with suppress(ConnectionError):
                sock.sendall(data)
                if ends:
                    sock.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                while received := sock.recv(1 << 16):
                    heard += received
        return heard

    def get(self, path: str, headers: Mapping = MappingProxyType({})):
        # Another one, unless the test says whose it is.
        headers = self.somebody() | dict(headers)
        return requests.get(
            f"{self.url}{path}", headers=headers, timeout=60, allow_redirects=False
        )

    @contextmanager
    def locked(self):
        """Keep everybody else from writing into the database."""
        connection = sqlite3.connect(self.folder / "bot.db", isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
            connection.close()

    def begin(self) -> tuple[str, str]:
        """Press *Add to Slack* and consent; return the query and the cookie."""
        first = self.get("/slack/install")
        assert first.status_code == 302, first.text
        asked = requests.get(
            first.headers["Location"], allow_redirects=False, timeout=60
        )
        assert asked.status_code == 302, asked.text
        cookie = first.headers["Set-Cookie"].partition(";")[0]
        return urlsplit(asked.headers["Location"]).query, cookie

    def finish(self, query: str, cookie: str = "") -> requests.Response:
        headers = {"Cookie": cookie} if cookie else {}
        return self.get(f"/slack/oauth_redirect?{query}", headers=headers)


@contextmanager
def opened(folder: Path, **more: str):
    """Run the web process."""
    settings = {
        "EMOJIFIER_LOG_LEVEL": "DEBUG",
        # Most of these attacks come from one address.
        "EMOJIFIER_CLIENT_ADDRESS_HEADER": "X-Test-Address",
        **more,
    }
    database = f"sqlite:///{folder / 'bot.db'}"
    with (
        SlackServer() as slack,
        (folder / "log").open("w") as log,
        process(
            "serve",
            "--no-worker",
            slack=slack,
            database=database,
            folder=folder,
            log=log,
            **settings,
        ) as web,
    ):
        url = address_of(web)
        slack.app.redirect_urls.append(f"{url}/slack/oauth_redirect")
        yield Door(slack, url, folder)


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("door")) as running:
        slack = running.slack
        home = slack.add_workspace("Acme", team_id=TEAM)
        slack.switches.consent_team_id = home.team_id
        assert running.finish(*running.begin()).status_code == 200
        yield running


# What is no request of Slack's.


def head(*lines: str, method: str = "POST", path: str = EVENTS) -> bytes:
    whole = (f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *lines)
    return "".join(f"{line}\r\n" for line in whole).encode("latin-1") + b"\r\n"


def lines_of(headers: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


BODY = f"command=%2Femojify&text={MARK}&team_id={TEAM}".encode()
STAMP, SIGNATURE = "X-Slack-Request-Timestamp", "X-Slack-Signature"
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"


def chunks(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


#: In the place of a good request's headers; the unit tests have more of them.
WRONG_HEADERS = [
    ({STAMP: None}, 401),
    ({STAMP: "1790000000"}, 401),
    ({STAMP: "9" * 5000}, 401),
    ({STAMP: "\u0663".encode().decode("latin-1")}, 401),
    ({SIGNATURE: None}, 401),
    ({SIGNATURE: "v0=" + "0" * 64}, 401),
    ({SIGNATURE: "v0=" + "0" * 63 + "\u00fc"}, 401),
    ({SIGNATURE: MARK * 100}, 401),
    ({"Content-Type": None}, 415),
    ({"Content-Type": f"{JSON}, {FORM}"}, 415),
    ({"Content-Type": "\u00ff"}, 415),
    # A good signature, of another kind of body: Bolt finds no JSON.
    ({"Content-Type": JSON}, 400),
]


@pytest.mark.parametrize(("changes", "status"), WRONG_HEADERS)
def test_wrong_headers(door, changes, status):
    headers = {**door.signed(Sent(BODY, FORM)), **changes}
    given = {name: one for name, one in headers.items() if one is not None}

    answer = door.raw(head(*lines_of(given), LENGTH) + BODY)

    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:80]
    assert MARK.encode() not in answer
    assert door.get("/healthz").ok


def test_a_request_of_somebody_else(door):
    sent = Sent(BODY, FORM)

    answer = door.send(sent, signed(sent, "another secret"))

    assert answer.status_code == 401
    assert MARK not in answer.text


#: Lines that come with a good request's own, what follows them, and the status.
ODD_REQUESTS = {
    "two signatures": ([f"{SIGNATURE}: v0={'0' * 64}", LENGTH], BODY, 401),
    "two timestamps": ([f"{STAMP}: 1", LENGTH], BODY, 401),
    "two types": ([f"Content-Type: {JSON}", LENGTH], BODY, 415),
    "two lengths": ([LENGTH, "Content-Length: 3"], BODY, 400),
    "negative length": (["Content-Length: -3"], BODY, 400),
    "length in words": ([f"Content-Length: {MARK}"], BODY, 400),
    "length in other digits": (["Content-Length: \u00b2"], BODY, 400),
    "length too large": (["Content-Length: 5000000"], BODY, 413),
    "length without end": ([f"Content-Length: {'9' * 400}"], BODY, 413),
    "body too large": (["Content-Length: 1500000"], b"x" * 1_500_000, 413),
    "chunks too large": ([CHUNKED], chunks(b"x" * 1_500_000), 413),
    "chunks much too large": ([CHUNKED], chunks(b"x" * 5_000_000), 413),
    "no chunk": ([CHUNKED], f"zz\r\n{MARK}".encode(), 400),
    "unknown transfer": ([f"Transfer-Encoding: {MARK}"], BODY, 501),
    "no text": ([LENGTH], b"\xff" * len(BODY), 401),
    "other body": ([LENGTH], b"x" * len(BODY), 401),
    "no body": ([], b"", 401),
    "flood of headers": ([f"X-{n}: {MARK}" for n in range(5000)], b"", 431),
    "one long header": ([f"X: {MARK * 9000}"], b"", 431),
    "header without a name": ([MARK], b"", 400),
    "header with a zero": ([f"X: a\0{MARK}"], b"", 400),
}


@pytest.mark.parametrize("what", ODD_REQUESTS)
def test_odd_requests(door, what):
    more, body, status = ODD_REQUESTS[what]
    own = lines_of(door.signed(Sent(BODY, FORM)))

    answer = door.raw(head(*own, *more) + body)

    assert answer.split(b" ", 2)[1] == b"%d" % status, answer[:80]
    assert MARK.encode() not in answer
    assert door.get("/healthz").ok


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01 swordfish\r\n\r\n",
        b"GET\r\n\r\n",
        b"swordfish\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET http://169.254.169.254/ HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET //evil.example/ HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /static/../app.py HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /static/%2e%2e/app.py HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_hardly_http(door, data):
    answer = door.raw(data)

    assert answer.split(b" ", 2)[1] in {b"200", b"400", b"404", b"431"}, answer[:80]
    assert b"swordfish" not in answer


def test_a_body_that_stops_early(door):
    own = lines_of(door.signed(Sent(BODY, FORM)))
    before = door.jobs()

    assert door.raw(head(*own, "Content-Length: 5000") + BODY, ends=True) == b""
    assert door.jobs() == before


@pytest.mark.parametrize(
    ("method", "status"),
    [
        *(
            (method, 405)
            for method in ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "GET", "HEAD"]
        ),
        ("SWORDFISH", 405),
        ("OPTIONS", 200),
    ],
)
def test_wrong_methods(door, method, status):
    answer = door.raw(head(method=method))

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.endswith(b"\r\n\r\n")
    assert b"swordfish" not in answer.lower()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", JSON),
        (b"[]", JSON),
        (b"null", JSON),
        (b'"swordfish"', JSON),
        (b"[" * 100_000, JSON),
        (b'{"a":' * 100_000, JSON),
        (b"9" * 900_000, JSON),
        (b"\xef\xbb\xbf{}", JSON),
        (b'{"type": "event_callback", "event": {"type": "swordfish"', JSON),
        (b"payload=%7Bswordfish", FORM),
        (b"payload=[]", FORM),
        (b"payload=3", FORM),
        (b"payload=null", FORM),
    ],
)
@pytest.mark.parametrize("secret", [None, "another"], ids=["good", "bad"])
def test_malformed_bodies(door, body, kind, secret):
    sent = Sent(body, kind)

    answer = door.send(sent, signed(sent, secret or door.slack.app.signing_secret))

    assert answer.status_code in {400, 401}, body[:40]
    assert answer.content in {b"", b'{"error": "invalid request"}'}


# The same request again.


def test_a_request_that_is_sent_again_gets_the_same_answer(door):
    sent = command(f"https://pictures.example/{MARK}.jpg")
    headers = door.signed(sent)
    before = door.jobs()

    answers = [door.send(sent, headers) for _ in range(3)]

    assert {one.status_code for one in answers} == {200}
    assert len({one.content for one in answers}) == 1
    assert door.jobs() == before + 1
    # Who knows the signature, but not the body, learns nothing.
    assert door.send(Sent(b"a=b", FORM), headers).status_code == 401


def test_a_press_that_is_sent_again_counts_once(door):
    record_post(door, "job-again")
    sent = press("try_another", "job-again")
    headers = door.signed(sent)

    for _ in range(3):
        assert door.send(sent, headers).status_code == 200

    assert door.ask("SELECT presses FROM posts WHERE post_id = 'job-again'") == [(1,)]


def record_post(door: Door, post_id: str) -> None:
    here = {"workspace": Workspace(TEAM), "channel_id": CHANNEL}
    post = make_post(post_id=post_id, asker_id=ASKER, **here)
    with closing(open_database(f"sqlite:///{door.folder / 'bot.db'}")) as database:
        PostLog(database, Vault([generate_key()]), FakeClock()).record(post)


# A database that somebody has locked. Slack waits for three seconds, who is in a hurry
# for one, and all others for `WAIT_SECONDS`; a busy machine takes some of its own.

assert HURRIED_SECONDS < 3


def test_everybody_is_answered_in_time_while_the_database_is_locked(door):
    def timed(_number: int) -> tuple[float, requests.Response]:
        sent = command()
        began = time.monotonic()
        answer = door.send(sent)
        return time.monotonic() - began, answer

    with door.locked(), ThreadPoolExecutor(MANY) as pool:
        answers = list(pool.map(timed, range(MANY)))

    assert {one.status_code for _, one in answers} == {200}
    assert {one.json()["text"] for _, one in answers} <= SENTENCES
    assert max(seconds for seconds, _ in answers) < WAIT_SECONDS


def test_an_event_is_sent_again_after_a_lock(door):
    sent = mention(files=[{"id": "F2", "mode": "hosted", "mimetype": "image/png"}])
    headers, before = door.signed(sent), door.jobs()

    time.sleep(1.1)  # the queue takes a breath after the last failure
    with door.locked():
        assert door.send(sent, headers).status_code == 500
    time.sleep(1.1)
    # Under the same signature: a failure is not remembered.
    assert door.send(sent, headers | {"X-Slack-Retry-Num": "1"}).status_code == 200
    assert door.jobs() == before + 1


@pytest.mark.parametrize("action", ["try_another", "delete_post"])
def test_who_presses_while_it_is_locked_reads_a_sentence(door, action):
    record_post(door, f"locked-{action}")
    with serving({"/hook": said(200, b"ok")}) as hook, door.locked():
        sent = press(action, f"locked-{action}", response_url=hook.url("/hook"))
        began = time.monotonic()
        answer = door.send(sent)
        seconds = time.monotonic() - began
        wait_until(lambda: hook.heard)

    assert (answer.status_code, answer.content) == (200, b"")
    assert seconds < WAIT_SECONDS
    assert json.loads(hook.heard[0].body)["text"] in SENTENCES


# Installing.


@pytest.mark.parametrize(
    "team",
    [
        "T1&redirect_uri=https://evil.example",
        "x%26redirect_uri=https://evil.example",
        "x%26scope=admin",
        "x%26client_id=1.2",
        "x%0d%0aSet-Cookie:%20a=b",
        "x%23",
        "%ff",
        "%00",
        "T" * 100,
        "https://evil.example",
    ],
)
@pytest.mark.parametrize("more", ["", "&next=https://evil.example", "&state=mine"])
def test_nobody_is_sent_elsewhere(door, team, more):
    path = f"/slack/install?team={team}{more}"
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}

    answer = door.get(path, headers=headers)

    address = answer.headers["Location"]
    query = parse_qs(urlsplit(address).query)
    assert answer.status_code == 302
    assert address.startswith(f"{door.slack.url}/oauth/v2/authorize?")
    assert "evil" not in address
    assert len(query["state"]) == len(query["scope"]) == len(query["client_id"]) == 1
    assert query["client_id"] == [door.slack.app.client_id]
    assert set(query) <= {"state", "scope", "client_id", "user_scope", "team"}
    (cookie,) = answer.raw.headers.getlist("Set-Cookie")
    assert cookie.startswith(f"{COOKIE}=")
    assert "a=b" not in cookie


def installed_at(door: Door) -> list:
    return door.ask("SELECT installed_at FROM installations")


def test_a_state_is_good_once_and_in_one_browser(door):
    query, cookie = door.begin()
    _, others = door.begin()
    before = installed_at(door)

    assert door.finish(query).status_code == 400
    assert door.finish(query, others).status_code == 400
    assert door.finish(query, f"{COOKIE}=").status_code == 400
    assert installed_at(door) == before
    assert door.finish(query, cookie).status_code == 200
    assert door.finish(query, cookie).status_code == 401
    assert installed_at(door) != before


def test_a_state_that_went_stale(door):
    query, cookie = door.begin()
    door.ask("UPDATE oauth_states SET expires_at = '2020-01-01 00:00:00.000000'")

    answer = door.finish(query, cookie)

    assert answer.status_code == 401
    assert "ten minutes" in answer.text


def test_codes_of_two_browsers_are_not_exchanged_for_one_another(door):
    (mine, my_cookie), (theirs, _) = door.begin(), door.begin()
    code, state = parse_qs(theirs)["code"][0], parse_qs(mine)["state"][0]

    # Without the other's state nobody is bound to a code: Slack gives it to whoever
    # consents. A code is good once all the same.
    assert door.finish(f"code={code}&state={state}", my_cookie).status_code == 200
    again, cookie = door.begin()
    state = parse_qs(again)["state"][0]
    answer = door.finish(f"code={code}&state={state}", cookie)
    assert answer.status_code == 400
    assert "Begin again" in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "",
        f"error={MARK}",
        "error=<script>alert(1)</script>",
        "error=a&error=b",
        "state=a&state=b&code=c",
        "code=%ff&state=%ff",
        f"code={'c' * 8000}&state=a",
        "code=c&state=",
        "code=c&state=../../etc/passwd",
        f"code=c&state={'x' * 5000}",
        "%",
        "&&==",
    ],
)
def test_odd_returns(door, query):
    [*_, state] = parse_qs(query, encoding="latin-1").get("state", "b")
    answer = door.finish(query, f"{COOKIE}=a; {COOKIE}={state}; =; ;;")

    assert answer.status_code in {200, 400, 401}
    assert "<h1>" in answer.text
    assert "<script>" not in answer.text
    assert MARK not in answer.text


@pytest.mark.parametrize("fault", [{"status": 503}, {"drop": True}])
def test_slack_says_nothing_when_asked_for_a_token(door, fault):
    door.slack.faults.add("oauth.v2.access", times=1, **fault)

    answer = door.finish(*door.begin())

    assert answer.status_code == 502
    assert "Slack did not answer" in answer.text


def test_a_lock_while_slack_answers_is_waited_for(door):
    query, cookie = door.begin()
    held = door.slack.faults.add("oauth.v2.access", held=threading.Event())
    before = installed_at(door)

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(door.finish, query, cookie)
        assert held.met.wait(
            PATIENCE_SECONDS
        )  # the state is taken by now, the token not
        with door.locked():
            held.held.set()
            time.sleep(2)

    assert answer.result().status_code == 200
    assert installed_at(door) != before


def test_while_the_database_is_locked_nothing_is_spent(door):
    query, cookie = door.begin()
    with door.locked(), ThreadPoolExecutor(2) as pool:
        beginning = pool.submit(door.get, "/slack/install")
        end = pool.submit(door.finish, query, cookie)

    for answer in (beginning.result(), end.result()):
        assert answer.status_code == 503
        assert "load this page again" in answer.text
        assert "Set-Cookie" not in answer.headers
    assert door.finish(query, cookie).status_code == 200


# Headers, and how often.

ALL_PATHS = [
    ("GET", "/", 200),
    ("GET", "/privacy", 200),
    ("GET", "/support", 200),
    ("GET", "/static/site.css", 200),
    ("GET", "/nowhere", 404),
    ("GET", "/slack/install", 302),
    ("GET", "/slack/oauth_redirect", 400),
    ("POST", "/slack/oauth_redirect", 405),
    ("POST", "/", 405),
    ("GET", EVENTS, 405),
    ("POST", EVENTS, 415),
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/metrics", 404),
    ("GET", "/" + "a" * 100_000, 431),
]


@pytest.mark.parametrize(("method", "path", "status"), ALL_PATHS)
def test_every_answer_protects_the_browser(door, method, path, status):
    answer = requests.request(
        method,
        f"{door.url}{path}",
        headers={"X-Test-Address": "198.51.100.9"},
        allow_redirects=False,
        timeout=60,
    )

    assert answer.status_code == status
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    assert "Server" not in answer.headers
    if path.startswith("/slack/"):
        assert answer.headers["Cache-Control"] == "no-store"


def test_who_asks_too_often_is_told_to_wait_and_slack_is_not(door):
    own = {"X-Test-Address": "203.0.113.77"}
    for _ in range(60):
        answer = door.get("/slack/install", headers=own)
        if answer.status_code == 429:
            break

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "Wait a minute" in answer.text
    assert answer.headers["Content-Security-Policy"]
    # What somebody tells the proxy is not what the proxy tells us.
    forged = {"X-Test-Address": "192.0.2.1, 203.0.113.77"}
    # Somebody new might ask twice as often; on a slow machine a place comes back.
    statuses = [door.get("/slack/install", headers=forged).status_code for _ in "1234"]
    assert 429 in statuses
    assert door.get("/", headers=own).status_code == 200
    other = {"X-Test-Address": "203.0.113.78"}
    assert door.get("/slack/install", headers=other).status_code == 302
    sent = command("help")
    for _ in range(400):
        assert door.send(Sent(b"x", FORM), own).status_code == 415
    assert door.send(sent, door.signed(sent) | own).status_code == 200


def test_no_header_is_believed_unless_a_setting_names_it(tmp_path):
    with opened(tmp_path, EMOJIFIER_CLIENT_ADDRESS_HEADER="") as door:
        statuses = [
            door.get(
                "/slack/install",
                headers={
                    "X-Forwarded-For": f"198.51.100.{number}",
                    "X-Real-IP": f"198.51.100.{number}",
                    "Forwarded": f"for=198.51.100.{number}",
                },
            ).status_code
            for number in range(60)
        ]

    assert 429 in statuses


# After all of the above.


def test_nothing_of_what_was_sent_is_in_the_log(door):
    assert door.send(Sent(BODY, "text/plain")).status_code == 415
    log = door.log
    states = parse_qs(door.begin()[0])

    assert "Traceback" not in log
    assert MARK not in log
    assert "A request was refused" in log
    assert states["state"][0] not in door.log
    assert door.slack.app.signing_secret not in log
    assert not any(token in log for token in door.slack.world.grants)
    assert all(code not in log for code in door.slack.world.consents)
