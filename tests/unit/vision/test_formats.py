import pytest

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.formats import READABLE, sniff


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    box = b"ftyp" + major + b"\0\0\0\0" + b"".join(compatible)
    return (len(box) + 4).to_bytes(4, "big") + box + b"rest of the file"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF87a", "GIF"),
        (b"GIF89a", "GIF"),
        (b"BM", "BMP"),
        (b"\0\0\1\0\1\0", "ICO"),
        (ftyp(b"avif", *[b"mif1"] * 60), "AVIF"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WEBP"),
        (ftyp(b"avif", b"mif1"), "AVIF"),
        (ftyp(b"avis"), "AVIF"),
        (ftyp(b"mif1", b"avif", b"miaf"), "AVIF"),
        (ftyp(b"heic", b"mif1"), "HEIF"),
        (ftyp(b"heix"), "HEIF"),
        (ftyp(b"mif1", b"heic"), "HEIF"),
        (ftyp(b"mif1"), "HEIF"),
    ],
)
def test_bytes_tell_the_format(head, expected):
    assert sniff(head).name == expected


@pytest.mark.parametrize(
    ("head", "kind", "words"),
    [
        (b"<!DOCTYPE html><html>", "not_an_image", "web page"),
        (b"\xef\xbb\xbf\n  <HTML lang=en>", "not_an_image", "web page"),
        (b"%PDF-1.7", "not_an_image", "PDF"),
        (b"PK\x03\x04", "not_an_image", "ZIP"),
        (b"\xd0\xcf\x11\xe0", "not_an_image", "office document"),
        (ftyp(b"isom", b"mp41"), "not_an_image", "video"),
        (ftyp(b"qt  "), "not_an_image", "video"),
        (b"\x1aE\xdf\xa3", "not_an_image", "video"),
        (b"RIFF\0\0\0\0AVI LIST", "not_an_image", "video"),
        (b"RIFF\0\0\0\0WAVEfmt ", "not_an_image", "sound"),
        (b"RIFF", "not_an_image", "media"),
        (b"hello", "not_an_image", "not a picture that I know"),
        (b'{"json": "<html>"}', "not_an_image", "not a picture that I know"),
        (b"\0", "not_an_image", "not a picture that I know"),
        (b"8BPS\0\1", "unsupported", "Photoshop"),
        (b"\xff\x0a\0", "unsupported", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n", "unsupported", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n", "unsupported", "JPEG 2000"),
        (b"icns", "unsupported", "icon"),
        (b"\0\0\2\0\1\0", "unsupported", "cursor"),
        (ftyp(b"crx "), "unsupported", "raw"),
        (b"II*\0\x10\0\0\0CR", "unsupported", "raw"),
        (b"<?xml version='1.0'?>\n<svg xmlns='", "unsupported", "SVG"),
        (b"<svg width='10'>", "unsupported", "SVG"),
    ],
)
def test_what_is_no_readable_picture_is_refused_by_name(head, kind, words):
    with pytest.raises(ImageError, match=words) as caught:
        sniff(head)
    assert caught.value.kind == kind
    assert caught.value.message.endswith(READABLE)
