"""The guarded client against real servers on localhost that mean no good."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import logging
import random
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from functools import partial

import pytest

from emojifier_bot.errors import DeliveryError, FetchError
from emojifier_bot.http import (
    DIRECT,
    SMALL_BYTES,
    GuardedClient,
    Network,
    Route,
    Timeouts,
    get_with_token,
    post_bytes,
)
from emojifier_bot.http.resolver import Deadline
from emojifier_bot.http.service import ServiceCall, post_to_service
from emojifier_bot.slack.reader import check_picture
from tests.fakes.internet import Authority, Internet, name_server
from tests.fakes.servers import RawServer, said, serving
from tests.threads import PATIENCE_SECONDS

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 100
PICTURE = said(200, PNG, content_type="image/png")
MAX_BYTES = 1_000_000
PATIENT = Timeouts(connect_seconds=60, read_seconds=60, total_seconds=120)
#: Short, because a test waits for it.
IMPATIENT = Timeouts(connect_seconds=0.4, read_seconds=0.3, total_seconds=0.5)
#: How much later than the total time a call may return: machines may be busy, and all
#: that is cut off here would go on for half a minute or for ever.
LATE_SECONDS = 20.0
PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.1"
TOKEN = "xoxb-fake-token"
SECRET = "signature=s3cr3t"


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def other():
    with serving() as running:
        yield running


@pytest.fixture
def internet(monkeypatch) -> Internet:
    net = Internet()
    net.install(monkeypatch)
    return net


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority.new(tmp_path)


def client(*servers: RawServer, timeouts=PATIENT, **changes) -> GuardedClient:
    return GuardedClient(
        allow_hosts=frozenset(server.host for server in servers),
        max_bytes=MAX_BYTES,
        check_body=check_picture,
        network=Network(timeouts, **changes),
    )


def refused(call, *arguments, **changes) -> FetchError | DeliveryError:
    with pytest.raises((FetchError, DeliveryError)) as error:
        call(*arguments, **changes)
    return error.value


def refusal(server: RawServer, path: str = "/", **changes) -> FetchError:
    return refused(client(server, **changes).get, server.url(path))


def redirect(location: str, status: int = 302, **headers: object) -> bytes:
    return said(status, location=location, **headers)


# What should work does.


def test_a_picture_is_fetched_with_its_name_and_type(server):
    server.paths["/a/party%20time.png"] = PICTURE

    fetched = client(server).get(server.url("/a/party%20time.png?size=1#top"))

    assert fetched.data == PNG
    assert fetched.name == "party time.png"
    assert server.heard[0].path == "/a/party%20time.png?size=1"


def test_a_request_says_who_asks_and_nothing_of_this_machine(
    server, monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.paths["/"] = PICTURE

    client(server).get(server.url())

    headers = dict(server.heard[0].headers)
    assert headers.pop("user-agent").startswith("emojifier-bot")
    assert headers.pop("accept").startswith("image/*")
    assert headers == {
        "host": server.host,
        "accept-encoding": "identity",
        "connection": "close",
    }


@pytest.mark.parametrize(
    "answer",
    [
        said(200, PNG, content_length=None),
        said(200, PNG, content_type=None),
        said(200, PNG, content_type="application/octet-stream"),
        said(200, PNG, content_type="text/plain"),
        said(203, PNG),
        said(
            200,
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(PNG), PNG),
            content_length=None,
            transfer_encoding="chunked",
        ),
        b"HTTP/1.0 200 OK\r\n\r\n" + PNG,
        b"HTTP/1.1 100 Continue\r\n\r\n" + PICTURE,
        b"HTTP/1.1 200 OK\r\nmisshapen header\r\n\r\n" + PNG,
    ],
)
def test_answers_in_every_usual_shape_are_read(server, answer, caplog):
    caplog.set_level(logging.WARNING)
    server.paths["/a.png"] = answer

    assert client(server).get(server.url(f"/a.png?{SECRET}")).data == PNG
    assert SECRET not in caplog.text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["/b.png", "b.png", "?x=/b.png", "//HOST/b.png", "http://HOST/b.png"]
)
def test_redirects_are_followed(server, status, location):
    location = location.replace("HOST", server.host)
    server.paths["/b.png"] = PICTURE
    server.paths["/a.png"] = lambda sock: sock.sendall(
        PICTURE
        if server.heard[-1].path.startswith("/a.png?x")
        else redirect(location, status)
    )

    assert client(server).get(server.url("/a.png")).data == PNG


def test_a_picture_of_just_the_largest_size_is_read(server):
    data = PNG.ljust(MAX_BYTES, b"x")
    server.paths["/"] = said(200, data)
    server.paths["/more"] = said(200, data + b"x", content_length=None)

    assert client(server).get(server.url()).data == data
    assert refusal(server, "/more").kind == "too_large"


def chunked(data: bytes) -> bytes:
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
    return said(200, body, content_length=None, transfer_encoding="chunked")


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (said(200, PNG.ljust(SMALL_BYTES, b"x")), []),
        (said(200, PNG.ljust(SMALL_BYTES + 1, b"x")), [SMALL_BYTES + 1]),
        (chunked(PNG.ljust(SMALL_BYTES + 1, b"x")), [2 * SMALL_BYTES]),
        # What does not come needs no room.
        (said(200, PNG, content_length=2 * SMALL_BYTES), []),
    ],
)
def test_a_large_file_waits_for_room(server, answer, asked):
    server.paths["/"] = answer
    found = []
    one = dataclasses.replace(client(server), max_bytes=2 * SMALL_BYTES)

    with contextlib.suppress(FetchError):
        one.get(server.url(), room=found.append)

    assert found == asked


def test_a_wait_for_room_takes_no_time_from_a_transfer():
    deadline = Deadline(PATIENT)
    began = deadline._began

    with deadline.paused():
        time.sleep(0.05)

    assert deadline._began >= began + 0.05


# Answers that are refused.


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said(404, b"<html>sorry"), "not_found"),
        (said(200), "empty"),
        (said(200, content_type="image/png"), "empty"),
        (said(200, content_length=None), "empty"),
        (said(200, PNG, content_type="text/html"), "page"),
        (said(200, b"<!DOCTYPE html><p>x", content_type="image/jpeg"), "page"),
        (said(200, b"hello", content_type="image/png"), "not_an_image"),
        (said(200, b"%PDF-1.7", content_type="application/pdf"), "not_an_image"),
        (said(200, PNG, content_encoding="gzip"), "not_an_image"),
    ],
)
def test_what_is_no_picture_is_refused(server, answer, kind):
    server.paths["/party.jpg"] = answer

    error = refusal(server, "/party.jpg")

    assert (error.kind, error.retryable) == (kind, False)


def test_a_gzip_bomb_is_not_unpacked(server):
    bomb = gzip.compress(bytes(100_000_000), 1)
    server.paths["/"] = said(200, bomb, content_encoding="gzip")
    server.paths["/hidden"] = said(200, bomb)

    assert refusal(server).kind == "not_an_image"
    assert refusal(server, "/hidden").kind == "not_an_image"


@pytest.mark.parametrize(
    ("length", "kind", "retryable"),
    [
        (len(PNG) + 1, "unreachable", True),
        (MAX_BYTES, "unreachable", True),
        (MAX_BYTES + 1, "too_large", False),
        ("9" * 10_000, "too_large", False),
        ("0", "empty", False),
        ("3", "not_an_image", False),
    ],
)
def test_a_lying_content_length_gains_nothing(server, length, kind, retryable):
    server.paths["/"] = said(200, PNG, content_length=length)

    error = refusal(server)

    assert (error.kind, error.retryable) == (kind, retryable)


@pytest.mark.parametrize("length", ["-1", "x", "1e3"])
def test_a_content_length_that_makes_no_sense_is_ignored(server, length):
    server.paths["/"] = said(200, PNG, content_length=length)

    assert client(server).get(server.url()).data == PNG


def endless(head: bytes, more: bytes):
    def talk(sock) -> None:
        sock.sendall(head)
        while True:
            sock.sendall(more)

    return talk


HEAD = said(200, content_length=None)
CHUNKED = said(200, content_length=None, transfer_encoding="chunked")
ENDLESS = {
    "body": endless(HEAD + PNG, b"x" * 4096),
    "chunks": endless(CHUNKED, b"8\r\n\x89PNG\r\n\x1a\n\r\n" * 500),
    "line of a chunk's size": endless(CHUNKED, b"1" * 4096),
    "chunk": endless(CHUNKED + b"fffffffff\r\n" + PNG, b"x" * 4096),
    "chunk of negative size": endless(CHUNKED + b"-1\r\n" + PNG, b"x" * 4096),
    "chunks with notes": endless(CHUNKED, b"1;" + b"x" * 1000 + b"\r\nx\r\n"),
    "tiny chunks": endless(
        CHUNKED + b"8\r\n\x89PNG\r\n\x1a\n\r\n", b"1\r\nx\r\n" * 1000
    ),
    "trailer": endless(CHUNKED + b"8\r\n\x89PNG\r\n\x1a\n\r\n0\r\n", b"X: y\r\n" * 99),
    "line of a trailer": endless(CHUNKED + b"0\r\n", b"x" * 4096),
    "status line": endless(b"HTTP/1.1 200 ", b"x" * 4096),
    "header": endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096),
    "headers": endless(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 1000 + b"\r\n"),
    "short headers": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100),
    "interim answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
}


#: urllib3 itself gives up on the others before our counter does.
COUNTED = {"body", "chunk", "tiny chunks", "header", "interim answers"}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_never_ends_is_cut_by_bytes_before_time_is_up(server, what):
    server.paths["/"] = ENDLESS[what]

    error = refusal(server)

    if what in COUNTED:
        assert (error.kind, error.retryable) == ("too_large", False)
    # None of them is a timeout.
    assert error.kind in {"too_large", "unreachable", "not_an_image"}


def test_a_flood_of_headers_is_too_large(server):
    flood = {f"x_{number}": "y" for number in range(200)}
    server.paths["/"] = said(200, PNG, **flood)

    assert refusal(server).kind == "too_large"


def drip(data: bytes, seconds: float = 0.05):
    def talk(sock) -> None:
        for number in data:
            sock.sendall(bytes([number]))
            time.sleep(seconds)

    return talk


def silence(sock) -> None:
    with contextlib.suppress(OSError):
        sock.recv(1)


@pytest.mark.parametrize(
    "talk",
    [
        silence,
        drip(PICTURE),
        lambda sock: (sock.sendall(HEAD), drip(PNG)(sock)),
        lambda sock: (sock.sendall(HEAD + PNG), silence(sock)),
        lambda sock: (sock.sendall(CHUNKED), drip(b"1\r\nx\r\n" * 100)(sock)),
        drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 120, 0.01),
    ],
    ids=["silence", "head", "body", "stall", "chunks", "interim"],
)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_slow_loris_is_cut_off_in_time(talk, secure, authority):
    tls = authority.server("127.0.0.1") if secure else None
    with serving({"/": talk}, tls) as server:
        began = time.monotonic()
        error = refusal(server, route=Route(ca_file=authority.file), timeouts=IMPATIENT)
        took = time.monotonic() - began

    # It had its time: the same again would hold a place that others wait for.
    assert (error.kind, error.retryable) == ("timeout", False)
    assert took < IMPATIENT.total_seconds + LATE_SECONDS


def test_a_server_that_never_takes_the_call_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        host = f"127.0.0.1:{deaf.getsockname()[1]}"
        began = time.monotonic()
        data = bytes(20_000_000)
        error = refused(send, f"http://{host}/", host, data=data, timeouts=IMPATIENT)
        took = time.monotonic() - began

    assert (error.kind, error.retryable) == ("slack_unavailable", True)
    assert took < IMPATIENT.total_seconds + LATE_SECONDS


def test_slow_redirects_share_one_time_limit(server):
    def talk(sock) -> None:
        time.sleep(0.3)
        sock.sendall(redirect("/"))

    server.paths["/"] = talk
    # Each by itself is quick enough; all of them would be too many redirects.
    shared = dataclasses.replace(PATIENT, total_seconds=0.5)

    assert refusal(server, timeouts=shared).kind == "timeout"


def test_a_slow_name_server_is_not_waited_for():
    over, answered = threading.Event(), []

    def resolver(_host: str) -> list[str]:
        answered.append(over.wait(PATIENCE_SECONDS))
        return [PRIVATE]

    one = client(resolver=resolver, timeouts=IMPATIENT)

    assert refused(one.get, "http://slow.test/").kind == "timeout"
    assert answered == []
    over.set()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello",
        b"+PONG\r\n",
    ],
)
def test_what_does_not_speak_http_is_unreachable(server, answer):
    server.paths["/"] = answer

    assert refusal(server).kind == "unreachable"


def test_a_closed_port_is_unreachable():
    with serving() as gone:
        pass

    error = refusal(gone)

    assert (error.kind, error.retryable) == ("unreachable", True)


def test_no_answer_of_random_bytes_escapes(server):
    chance = random.Random(7)
    pieces = [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\n", b"Location: ", b"\r\n",
        b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"5", b"-1", b"0",
        b"\x00", b"\xff", b": ", b"\n", b"Content-Disposition: attachment; filename*=",
        b"UTF-8''", b"%", b'"', b"http://[", b"//", PNG, b"Set-Cookie: a=b; Expires=",
        b"Retry-After: ", b"Content-Type: multipart/mixed; boundary=x\r\n", b";=,",
    ]  # fmt: skip

    for _ in range(300):
        start = chance.choice([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\n"])
        answer = start + b"".join(chance.choices(pieces, k=chance.randrange(12)))
        server.paths["/"] = answer + chance.choice([b"", b"\r\n\r\n" + PNG])
        with contextlib.suppress(FetchError):
            client(server).get(server.url())


# Redirects.


def test_five_redirects_are_followed_and_no_more(server):
    for number in range(6):
        server.paths[f"/{number}"] = redirect(f"/{number + 1}")
    server.paths["/6"] = PICTURE

    assert client(server).get(server.url("/1")).data == PNG
    assert refusal(server, "/0").kind == "too_many_redirects"
    assert len(server.heard) == 12


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("http://127.0.0.1/", "private_address"),
        ("//169.254.169.254/latest/meta-data/", "private_address"),
        ("http://[::ffff:127.0.0.1]/", "private_address"),
        ("http://localhost/", "private_address"),
        ("http://inside.test/", "private_address"),
        ("https://inside.test/", "private_address"),
        ("http://nobody.test/", "unresolvable"),
        ("http://2130706433/", "not_an_address"),
        ("http://user@93.184.216.34/", "not_an_address"),
        ("http://93.184.216.34\\@127.0.0.1/", "not_an_address"),
        ("http://[::1", "not_an_address"),
        ("http://93.184.216.34:22/", "port"),
        ("file:///etc/passwd", "scheme"),
        ("ftp://93.184.216.34/", "scheme"),
        ("data:image/png;base64,iVBORw0KGgo=", "scheme"),
    ],
)
def test_a_redirect_is_checked_like_the_first_address(
    server, other, internet, location, kind
):
    internet.servers = {(PUBLIC, 80): server.port, ("127.0.0.1", 80): other.port}
    server.paths["/"] = redirect(location)
    answers = {"inside.test": [["127.0.0.1"]], "start.test": [[PUBLIC]]}

    with name_server(answers) as names:
        error = refused(client(resolver=names.resolve).get, "http://start.test/")

    assert error.kind == kind
    assert internet.reached == [(PUBLIC, 80)]
    assert not other.connections


def test_a_redirect_to_another_port_of_an_allowed_host_is_refused(server, other):
    server.paths["/"] = redirect(other.url())

    assert refusal(server).kind == "port"
    assert not other.connections


def test_cookies_are_not_carried_along(server):
    server.paths["/"] = redirect("/b", set_cookie="a=b; Path=/")
    server.paths["/b"] = PICTURE

    client(server).get(server.url())

    assert "cookie" not in server.heard[1].headers


# Names that change their mind.


def test_the_connection_goes_to_the_address_that_was_checked(server, other, internet):
    """Its name leads inside from the second question on."""
    internet.servers = {(PUBLIC, 80): server.port, ("127.0.0.1", 80): other.port}
    server.paths["/a.png"] = PICTURE

    with name_server({"rebind.test": [[PUBLIC], ["127.0.0.1"]]}) as names:
        fetched = client(resolver=names.resolve).get("http://rebind.test/a.png")

        assert names.asked == ["rebind.test"]
        assert names.resolve("rebind.test") == ["127.0.0.1"]
    assert fetched.data == PNG
    assert internet.reached == [(PUBLIC, 80)]
    assert server.heard[0].headers["host"] == "rebind.test"
    assert not other.connections


def test_the_name_is_looked_up_anew_for_a_redirect(server, other, internet):
    internet.servers = {(PUBLIC, 80): server.port, ("127.0.0.1", 80): other.port}
    server.paths["/"] = redirect("/again")

    with name_server({"rebind.test": [[PUBLIC], ["127.0.0.1"]]}) as names:
        error = refused(client(resolver=names.resolve).get, "http://rebind.test/")

    assert error.kind == "private_address"
    assert internet.reached == [(PUBLIC, 80)]
    assert not other.connections


@pytest.mark.parametrize(
    "addresses",
    [[PRIVATE], [PUBLIC, PRIVATE], [PRIVATE, PUBLIC], [PUBLIC, "127.0.0.1"]],
)
def test_one_private_address_among_several_is_enough(internet, addresses):
    with name_server({"mixed.test": [addresses]}) as names:
        error = refused(client(resolver=names.resolve).get, "http://mixed.test/")

    assert error.kind == "private_address"
    assert internet.reached == []


def test_the_next_address_is_tried_when_one_does_not_answer(server, internet):
    internet.servers = {("93.184.216.35", 80): server.port}
    server.paths["/"] = PICTURE

    with name_server({"two.test": [[PUBLIC, "93.184.216.35"]]}) as names:
        assert client(resolver=names.resolve).get("http://two.test/").data == PNG
    assert internet.reached == [(PUBLIC, 80), ("93.184.216.35", 80)]


def test_proxies_of_the_environment_are_ignored(server, other, internet, monkeypatch):
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, other.url())
    internet.servers = {(PUBLIC, 80): server.port}
    server.paths["/"] = PICTURE

    assert client().get(f"http://{PUBLIC}/").data == PNG
    assert not other.connections


# TLS.


def test_the_certificate_is_checked_for_the_name_not_the_address(
    internet, authority, monkeypatch
):
    asked: list[str | None] = []
    tls = authority.server("pictures.test")
    tls.sni_callback = lambda _sock, name, _context: asked.append(name)
    # What is trusted comes from the settings alone.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    with (
        serving({"/a.png": PICTURE}, tls) as server,
        name_server({"pictures.test": [[PUBLIC]]}) as names,
    ):
        internet.servers = {(PUBLIC, 443): server.port}
        one = client(resolver=names.resolve, route=Route(ca_file=authority.file))

        assert one.get("https://pictures.test/a.png").data == PNG
    assert asked == ["pictures.test"]
    assert internet.reached == [(PUBLIC, 443)]
    assert server.heard[0].headers["host"] == "pictures.test"


@pytest.mark.parametrize(
    ("host", "self_signed", "trusted"),
    [
        ("127.0.0.1", True, False),
        ("127.0.0.1", False, False),
        ("127.0.0.1", True, True),
        ("127.0.0.2", False, True),
        ("pictures.test", False, True),
    ],
)
def test_a_server_that_cannot_prove_who_it_is_gets_no_request(
    authority, host, self_signed, trusted
):
    tls = authority.server(host, self_signed=self_signed)
    route = Route(ca_file=authority.file) if trusted else DIRECT
    with serving({"/": PICTURE}, tls) as server:
        error = refusal(server, route=route)
        url, host = server.url(), server.host
        with_token = refused(fetch_with_token, url, host, route=route)

    kind = "tls" if trusted or self_signed else "unknown_issuer"
    assert (error.kind, error.retryable) == (kind, False)
    assert with_token.kind == kind
    assert server.heard == []


@pytest.mark.parametrize("days", [(-9, -1), (1, 9)], ids=["expired", "not-yet-valid"])
def test_a_certificate_is_good_for_its_days_alone(authority, days):
    tls = authority.server("127.0.0.1", days=days)
    with serving({"/": PICTURE}, tls) as server:
        error = refusal(server, route=Route(ca_file=authority.file))

    assert (error.kind, error.retryable) == ("tls", False)
    assert server.heard == []


def test_a_server_that_speaks_no_tls_is_told_as_such(server):
    address = server.url().replace("http", "https")
    error = refused(client(server, timeouts=IMPATIENT).get, address)

    assert error.kind in {"tls", "timeout"}


def test_old_tls_is_refused(authority):
    tls = authority.server("127.0.0.1")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with serving({"/": PICTURE}, tls) as server:
        assert refusal(server, route=Route(ca_file=authority.file)).kind in {
            "tls",
            "unreachable",
        }


@contextlib.contextmanager
def shaking_hands(answer: bytes) -> Iterator[str]:
    """Begin to answer a TLS hello, a byte at a time, and never end; give the host."""

    def talk() -> None:
        sock, _ = listening.accept()
        with sock, contextlib.suppress(OSError):
            drip(answer)(sock)
            while sock.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=talk)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


#: A record of 16 kB that holds the beginning of a server's hello.
RECORD = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03"


@pytest.mark.parametrize("answer", [b"", RECORD + bytes(1000)], ids=["none", "slow"])
@pytest.mark.parametrize("what", ["picture", "upload", "service"])
def test_a_handshake_that_never_ends_is_cut_off_in_time(authority, answer, what):
    route = Route(ca_file=authority.file)
    began = time.monotonic()
    with shaking_hands(answer) as host:
        address = f"https://{host}/"
        if what == "picture":
            web = GuardedClient(
                allow_hosts=frozenset({host}),
                max_bytes=MAX_BYTES,
                check_body=check_picture,
                network=Network(IMPATIENT, route=route),
            )
            error = refused(web.get, address)
        elif what == "upload":
            error = refused(send, address, host, timeouts=IMPATIENT, route=route)
        else:
            call = ServiceCall(address, {}, b"{}")
            error = refused(post_to_service, call, IMPATIENT.total_seconds, route=route)
        took = time.monotonic() - began

    assert error.kind in {"timeout", "slack_unavailable"}
    assert took < IMPATIENT.total_seconds + LATE_SECONDS


# What errors give away.


@pytest.mark.parametrize(
    "answer",
    [said(500), said(404), b"", silence, redirect("/"), said(200, b"<html>")],
    ids=["500", "404", "closed", "silence", "circle", "page"],
)
def test_errors_never_show_the_query(server, answer):
    server.paths["/"] = answer

    error = refusal(server, f"/?{SECRET}", timeouts=IMPATIENT)

    assert error.message.endswith(".")
    assert SECRET not in "".join(traceback.format_exception(error))


def test_errors_of_the_caller_are_not_taken_for_ours(server):
    server.paths["/"] = b""
    try:
        server.paths["nowhere"]
    except KeyError as caught:
        caught.args = (TimeoutError(),)
        assert refusal(server).kind == "unreachable"


# The token.


def fetch_with_token(address: str, *hosts: str, token: str = TOKEN, **changes):
    return get_with_token(
        address,
        token=token,
        hosts=frozenset(hosts),
        max_bytes=MAX_BYTES,
        check_body=partial(check_picture, page_kind="login_page"),
        network=Network(PATIENT, **changes),
    )


def test_the_token_goes_to_its_host(server):
    server.paths["/a.png"] = redirect("/b.png")
    server.paths["/b.png"] = PICTURE

    fetched = fetch_with_token(server.url("/a.png"), server.host)

    assert (fetched.data, fetched.name) == (PNG, "b.png")
    sent = [heard.headers["authorization"] for heard in server.heard]
    assert sent == [f"Bearer {TOKEN}"] * 2


def test_the_token_goes_to_slack_over_tls(internet, authority):
    with (
        serving({"/a.png": PICTURE}, authority.server("files.slack.com")) as server,
        name_server({"files.slack.com": [[PUBLIC]]}) as names,
    ):
        internet.servers = {(PUBLIC, 443): server.port}
        fetched = fetch_with_token(
            "https://files.slack.com/a.png",
            "files.slack.com",
            resolver=names.resolve,
            route=Route(ca_file=authority.file),
        )

    assert fetched.data == PNG
    assert server.heard[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_never_reaches_another_host(server, other, status):
    server.paths["/"] = redirect(other.url(), status)
    other.paths["/"] = PICTURE

    assert refused(fetch_with_token, server.url(), server.host).kind == "forbidden"
    assert other.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "https://files.slack.com.evil.test/a.png",
        "https://evil.test/files.slack.com/a.png",
        "https://evilfiles.slack.com/a.png",
        "https://files.slack.com@evil.test/a.png",
        "https://files.slack.com:8443/a.png",
        "https://files.slack.com:80/a.png",
        "http://files.slack.com/a.png",
        "http://files.slack.com:443/a.png",
        "https://files.slack.com./a.png",
        "https://slack.com/a.png",
        "https://93.184.216.34/a.png",
        "//files.slack.com/a.png",
        "ftp://files.slack.com/a.png",
        "",
    ],
)
def test_the_token_goes_to_exactly_the_named_hosts(internet, address):
    resolver = {"resolver": lambda _host: [PUBLIC]}
    assert refused(fetch_with_token, address, "files.slack.com", **resolver)
    assert internet.reached == []


@pytest.mark.parametrize("entry", ["127.0.0.1", "localhost:PORT", "127.0.0.1:1"])
def test_without_tls_the_token_stays_on_this_machine_and_its_port(server, entry):
    entry = entry.replace("PORT", str(server.port))
    assert refused(fetch_with_token, server.url(), entry)
    assert not server.connections


def test_without_tls_the_token_never_leaves_this_machine(internet):
    error = refused(fetch_with_token, f"http://{PUBLIC}:8080/", f"{PUBLIC}:8080")

    assert error.kind == "forbidden"
    assert internet.reached == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said(200, PNG, content_type="text/html"), "login_page"),
        (said(200, b"<!DOCTYPE html>", content_type="image/png"), "login_page"),
        (redirect("https://acme.slack.com/?redir=%2Ffiles"), "login_page"),
        (said(403), "forbidden"),
        (said(200, b"hello"), "not_an_image"),
    ],
)
def test_slack_may_refuse_a_file(server, answer, kind):
    server.paths["/"] = answer

    assert refused(fetch_with_token, server.url(), server.host).kind == kind


def test_a_token_that_is_none_is_not_shown(server):
    token = f"{TOKEN}\r\nX: y"
    error = refused(fetch_with_token, server.url(), server.host, token=token)

    assert TOKEN not in "".join(traceback.format_exception(error))
    assert not server.heard


# Uploads.


def send(address: str, *hosts: str, data=PNG, timeouts=PATIENT, **changes) -> None:
    allowed, network = frozenset(hosts), Network(timeouts, **changes)
    post_bytes(address, data, content_type="image/png", hosts=allowed, network=network)


def test_an_upload_is_sent_as_it_is(server):
    server.paths["/upload"] = said(200, b"OK - 600")

    send(server.url("/upload?ticket=1"), server.host)

    heard = server.heard[0]
    assert (heard.method, heard.path, heard.body) == ("POST", "/upload?ticket=1", PNG)
    assert heard.headers["content-type"] == "image/png"
    assert heard.headers["content-length"] == str(len(PNG))
    assert "authorization" not in heard.headers


def test_a_large_upload_arrives_whole(server):
    data = random.Random(1).randbytes(5_000_000)
    server.paths["/"] = said(200)

    send(server.url(), server.host, data=data)

    assert server.heard[0].body == data


def test_an_upload_goes_to_slack_without_being_told(internet, authority):
    tls = authority.server("files.slack.com")
    with serving({"/upload": said(200)}, tls) as server:
        internet.servers = {(PUBLIC, 443): server.port}
        send(
            "https://files.slack.com/upload",
            resolver=lambda _host: [PUBLIC],
            route=Route(ca_file=authority.file),
        )

    assert server.heard[0].body == PNG


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://evil.test/upload",
        "https://slack.com.evil.test/upload",
        "https://evilslack.com/upload",
        "https://files.slack.com:8443/upload",
        "http://files.slack.com/upload",
        "http://127.0.0.1/upload",
        "https://127.0.0.1/upload",
        "https://files.slack.com@evil.test/upload",
    ],
)
def test_an_upload_goes_to_nobody_else(internet, address):
    error = refused(send, address, resolver=lambda _host: [PUBLIC])

    assert (error.kind, error.retryable) == ("upload_failed", False)
    assert internet.reached == []


@pytest.mark.parametrize(
    ("answer", "kind", "wait_seconds"),
    [
        (said(400), "upload_failed", None),
        (said(403), "upload_failed", None),
        (said(201), "upload_failed", None),
        (redirect("/other"), "upload_failed", None),
        (said(429, retry_after=3), "slack_unavailable", 3),
        (said(500), "slack_unavailable", None),
        (said(503, retry_after=9), "slack_unavailable", 9),
        (b"", "slack_unavailable", None),
        (silence, "slack_unavailable", None),
        (drip(PICTURE), "slack_unavailable", None),
    ],
)
def test_slack_may_refuse_an_upload(server, answer, kind, wait_seconds):
    server.paths["/"] = answer
    is_answered = not callable(answer)

    url = server.url(f"/?{SECRET}")
    timeouts = PATIENT if is_answered else IMPATIENT
    error = refused(send, url, server.host, timeouts=timeouts)

    assert error.kind == kind
    assert error.retryable == (kind == "slack_unavailable")
    assert error.retry_after_seconds == wait_seconds
    assert SECRET not in "".join(traceback.format_exception(error))
    # On a busy machine the time may be up before anything is sent.
    assert is_answered <= len(server.heard) <= 1
