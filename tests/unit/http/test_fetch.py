from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.errors import FetchError
from emojifier_bot.http.addresses import read
from emojifier_bot.http.fetch import (
    LONGEST_NAME,
    LONGEST_WAIT_SECONDS,
    check_head,
    clean_name,
    file_name,
    redirect_of,
    retry_after_seconds,
)


def response(status: int, **headers: str) -> requests.Response:
    one = requests.Response()
    one.status_code = status
    one.headers.update({key.replace("_", "-"): headers[key] for key in headers})
    return one


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("0", 0),
        ("30", 30),
        (" 7 ", 7),
        ("999999999999", LONGEST_WAIT_SECONDS),
        ("9" * 400, LONGEST_WAIT_SECONDS),
        ("-5", None),
        ("1.5", None),
        ("nan", None),
        ("soon", None),
        ("٣", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00", None),
        ("Wed, 99 Oct 99999 07:28:00 GMT", None),
    ],
)
def test_the_wait_is_read_if_it_is_clear(text, seconds):
    assert retry_after_seconds(response(429, retry_after=text)) == seconds


def test_the_wait_may_be_a_date():
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)

    assert 90 < retry_after_seconds(response(503, retry_after=moment)) <= 100


@given(st.text())
def test_any_wait_is_within_bounds(text):
    seconds = retry_after_seconds(response(429, retry_after=text))

    assert seconds is None or 0 <= seconds <= LONGEST_WAIT_SECONDS


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (404, "not_found", False),
        (410, "not_found", False),
        (401, "forbidden", False),
        (403, "forbidden", False),
        (451, "forbidden", False),
        (400, "http_status", False),
        (418, "http_status", False),
        (204, "http_status", False),
        (206, "http_status", False),
        (300, "http_status", False),
        (304, "http_status", False),
        (101, "http_status", False),
        (408, "http_status", True),
        (429, "http_status", True),
        (500, "http_status", True),
        (503, "http_status", True),
        (599, "http_status", True),
    ],
)
def test_a_status_tells_what_happened(status, kind, retryable):
    with pytest.raises(FetchError) as error:
        check_head(response(status, retry_after="9"), "page")

    assert (error.value.kind, error.value.retryable) == (kind, retryable)
    assert kind != "http_status" or error.value.retry_after_seconds == 9


@pytest.mark.parametrize(
    ("status", "location", "onward"),
    [
        (200, "http://b.test/", None),
        (201, "http://b.test/", None),
        (304, "/b", None),
        (301, "http://b.test/c", "http://b.test/c"),
        (302, "/b?c", "http://a.test/b?c"),
        (303, "b", "http://a.test/dir/b"),
        (307, "../b", "http://a.test/b"),
        (308, "//b.test/c", "http://b.test/c"),
        (302, "?c", "http://a.test/dir/x?c"),
        (302, "", "http://a.test/dir/x?y"),
        (302, "f\xc3\xaate.png", "http://a.test/dir/fête.png"),
        (302, "javascript:alert(1)", "javascript:alert(1)"),
        (302, "file:///etc/passwd", "file:///etc/passwd"),
    ],
)
def test_a_redirect_leads_on(status, location, onward):
    answer = response(status, location=location)

    assert redirect_of(answer, "http://a.test/dir/x?y") == onward


def test_a_redirect_that_cannot_be_read_is_refused():
    with pytest.raises(FetchError) as error:
        redirect_of(response(302, location="http://[::1"), "http://a.test/")

    assert error.value.kind == "not_an_address"


def test_a_redirect_without_a_place_is_a_status():
    assert redirect_of(response(302), "http://a.test/") is None
    with pytest.raises(FetchError) as error:
        check_head(response(302), "page")

    assert error.value.kind == "http_status"


@pytest.mark.parametrize(
    ("header", "path", "name"),
    [
        ("", "/", "picture"),
        ("", "/party.jpg", "party.jpg"),
        ("", "/a/b/party.jpg?x=/../evil.sh", "party.jpg"),
        ("", "/party%20time.jpg", "party time.jpg"),
        ("", "/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("", "/..", "picture"),
        ("", "/%00%0a%1b[31m.png", "[31m.png"),
        ("", "/f%C3%AAte.png", "fête.png"),
        ("", "/%ff%fe.png", "\ufffd\ufffd.png"),
        ("inline", "/party.jpg", "party.jpg"),
        ("attachment; filename=a.png", "/b.png", "a.png"),
        ('attachment; filename="a b.png"', "/b.png", "a b.png"),
        ('attachment; filename="../../a.png"', "/b.png", "a.png"),
        ('attachment; filename="C:\\\\dir\\\\a.png"', "/b.png", "a.png"),
        ('attachment; filename=""', "/b.png", "b.png"),
        ('attachment; filename="..."', "/b.png", "b.png"),
        ("attachment; filename*=UTF-8''f%C3%AAte.png", "/b.png", "fête.png"),
        ("attachment; filename*=nonsense''f%C3%AAte.png", "/b.png", "fÃªte.png"),
        ("attachment; filename*=UTF-8''..%2Fa.png", "/b.png", "a.png"),
        ('attachment; filename="f\xc3\xaate.png"', "/b.png", "fête.png"),
        ('attachment; filename="f\xeate.png"', "/b.png", "fête.png"),
        ('attachment; filename="a\u202egnp.exe"', "/b.png", "a gnp.exe"),
        (";;;=;filename", "/b.png", "b.png"),
        ("attachment; filename*0=a; filename*1=b.png", "/c.png", "ab.png"),
    ],
)
def test_a_name_comes_from_the_server_or_the_address(header, path, name):
    headers = {"content-disposition": header}

    assert file_name(headers, read(f"http://example.com{path}")) == name


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("", ""),
        (" . ", ""),
        (".htaccess", "htaccess"),
        ("a" * 100, "a" * 80),
        ("a" * 100 + ".jpeg", "a" * 75 + ".jpeg"),
        ("a." + "b" * 100, "a." + "b" * 78),
        ("a\tb\u00a0c.png", "a b c.png"),
        ("a\u200b\u202eb\ufeff.png", "a b .png"),
        ("e\u0301.png", "é.png"),
        ("\ud800.png", "png"),
    ],
)
def test_names_are_fit_to_show(name, cleaned):
    assert clean_name(name) == cleaned


@given(st.text(), st.text())
def test_every_name_is_short_flat_and_printable(header, path):
    path = quote(path, errors="replace")
    target = read(f"http://example.com/{path}"[:8000])
    name = file_name({"content-disposition": header}, target)

    assert 0 < len(name) <= LONGEST_NAME
    assert not {"/", "\\", "\n", "\0"} & set(name)
    assert not name.startswith(".")
    assert clean_name(name) == name


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"content_type": "text/html; charset=utf-8"}, "page"),
        ({"content_type": "TEXT/HTML"}, "page"),
        ({"content_type": "application/xhtml+xml"}, "page"),
        ({"content_encoding": "gzip"}, "not_an_image"),
        ({"content_encoding": "identity, BR"}, "not_an_image"),
        ({"content_encoding": "deflate,gzip"}, "not_an_image"),
    ],
)
def test_some_heads_tell_that_no_picture_comes(headers, kind):
    with pytest.raises(FetchError) as error:
        check_head(response(200, **headers), "page")

    assert error.value.kind == kind


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_type": "image/png"},
        {"content_type": "application/octet-stream"},
        {"content_type": "text/plain", "content_encoding": "identity"},
        {"content_encoding": "aws-chunked"},
    ],
)
def test_other_heads_leave_it_to_the_bytes(headers):
    check_head(response(200, **headers), "page")
