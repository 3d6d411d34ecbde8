from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.errors import FetchError
from emojifier_bot.http.addresses import read
from emojifier_bot.http.pictures import (
    LONGEST_NAME,
    check_head,
    clean_name,
    content_type,
    picture_name,
)


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

    assert picture_name(headers, read(f"http://example.com{path}")) == name


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
    name = picture_name({"content-disposition": header}, target)

    assert 0 < len(name) <= LONGEST_NAME
    assert not {"/", "\\", "\n", "\0"} & set(name)
    assert not name.startswith(".")
    assert clean_name(name) == name


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("", ""),
        ("image/png", "image/png"),
        ("Image/PNG; q=1", "image/png"),
        ("nonsense", ""),
        ("a/b/c", ""),
        ("image/<script>", ""),
        ("image/" + "x" * 100, ""),
    ],
)
def test_a_content_type_is_one_or_nothing(header, kind):
    assert content_type({"content-type": header}) == kind


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"content-type": "text/html; charset=utf-8"}, "page"),
        ({"content-type": "TEXT/HTML"}, "page"),
        ({"content-type": "application/xhtml+xml"}, "page"),
        ({"content-encoding": "gzip"}, "not_an_image"),
        ({"content-encoding": "identity, BR"}, "not_an_image"),
        ({"content-encoding": "deflate,gzip"}, "not_an_image"),
    ],
)
def test_some_heads_tell_that_no_picture_comes(headers, kind):
    with pytest.raises(FetchError) as error:
        check_head(headers, "page")

    assert error.value.kind == kind


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "image/png"},
        {"content-type": "application/octet-stream"},
        {"content-type": "text/plain", "content-encoding": "identity"},
        {"content-encoding": "aws-chunked"},
    ],
)
def test_other_heads_leave_it_to_the_bytes(headers):
    check_head(headers, "page")
