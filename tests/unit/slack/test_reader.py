import pytest

from emojifier_bot.errors import FetchError
from emojifier_bot.slack.reader import check_picture

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"<!doctype html><p>", "page"),
        (b"\xef\xbb\xbf \n<html>", "page"),
        (b"hello", "not_an_image"),
        (b"%PDF-1.7", "not_an_image"),
        (b"\x1f\x8b\x08", "not_an_image"),
        (b'{"error": "no"}', "not_an_image"),
    ],
)
def test_bytes_that_are_no_picture_are_refused(data, kind):
    with pytest.raises(FetchError) as error:
        check_picture(data, "page")

    assert error.value.kind == kind


@pytest.mark.parametrize("data", [PNG, b"GIF89a", b"8BPS\0\1", b"<svg xmlns='"])
def test_a_picture_passes_though_it_may_not_be_readable(data):
    check_picture(data, "page")
