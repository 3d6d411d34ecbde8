from __future__ import annotations

import pytest

from emojifier_bot.errors import FetchError
from emojifier_bot.http import ServiceCall, is_safe_for_keys, multipart, post_to_service
from tests.fakes.servers import said, serving


def call(url, body=b"body"):
    return ServiceCall(url, {"X-Key": "secret", "Content-Type": "a/b"}, body)


def test_it_sends_what_it_is_given_and_no_more():
    with serving({"/x": said(200, b"answer")}) as server:
        answer = post_to_service(call(server.url("/x?a=b")), 60.0)

    (heard,) = server.heard
    assert (heard.method, heard.path, heard.body) == ("POST", "/x?a=b", b"body")
    assert heard.headers["x-key"] == "secret"
    assert heard.headers["content-type"] == "a/b"
    assert not {"cookie", "authorization", "referer"} & set(heard.headers)
    assert (answer.status, answer.body) == (200, b"answer")


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_every_status_is_an_answer(status):
    with serving({"/": said(status, b"why", retry_after=7)}) as server:
        answer = post_to_service(call(server.url()), 60.0)

    assert (answer.status, answer.body) == (status, b"why")
    assert answer.retry_after_seconds == 7


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_too(status):
    with serving() as server:
        server.paths["/"] = said(status, location=server.url("/other"))
        answer = post_to_service(call(server.url()), 60.0)

    assert answer.status == status
    assert len(server.heard) == 1


def test_a_long_answer_is_cut():
    with (
        serving({"/": said(200, b"x" * 2000)}) as server,
        pytest.raises(FetchError) as caught,
    ):
        post_to_service(call(server.url()), 60.0, max_bytes=1999)

    assert caught.value.kind == "too_large"


def test_a_server_that_drips_is_cut_in_time():
    def drip(sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        while True:
            sock.sendall(b"x")
            sock.settimeout(0.1)
            try:
                if not sock.recv(1):
                    return
            except TimeoutError:
                pass

    with serving({"/": drip}) as server, pytest.raises(FetchError) as caught:
        post_to_service(call(server.url()), 0.6)

    assert caught.value.kind == "timeout"
    assert caught.value.retryable


def test_what_fails_says_nothing_of_what_was_sent():
    with serving() as server:
        url = server.url("/path?key=secret")

    with pytest.raises(FetchError) as caught:
        post_to_service(call(url), 2.0)

    assert caught.value.kind == "unreachable"
    assert "secret" not in repr(caught.value)
    assert "secret" not in repr(call("https://x"))
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("", False),
        ("nothing", False),
        ("http://example.com", False),
        ("ftp://example.com", False),
        ("http://192.168.0.7:8000", False),
        ("https://example.com", True),
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
    ],
)
def test_keys_go_over_tls_or_stay_here(address, safe):
    assert is_safe_for_keys(address) is safe


def test_a_form_with_a_file():
    content_type, body = multipart({"a": "1", "ü": "é"}, "file", "x.jpg", b"\xff\0\r\n")

    boundary = content_type.partition("boundary=")[2].encode()
    assert body.count(b"--" + boundary) == 4
    assert b'filename="x.jpg"' in body
    assert b"\xff\0\r\n" in body
