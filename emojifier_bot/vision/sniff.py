"""Which picture format some bytes are, told by the bytes alone.

File names and content types are never asked. What is no picture, or one that cannot be
read, is refused with a sentence that says what it is and what to send instead.
"""

from __future__ import annotations

import re

from emojifier_bot.errors import ErrorKind, ImageError

#: What every refusal ends with.
READABLE = "Send a JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP or TIFF picture."

#: First bytes of the formats that are read.
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)

#: First bytes of picture formats that are not read. They come before the formats
#: above, because some camera files begin as TIFF does.
_UNSUPPORTED = (
    (b"8BPS", "a Photoshop file"),
    (b"gimp xcf", "a GIMP file"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\x00\x00\x01\x00", "an icon file"),
    (b"\x00\x00\x02\x00", "a cursor file"),
    (b"icns", "an icon file"),
    (b"II*\x00\x10\x00\x00\x00CR", "a camera's raw file"),
    (b"IIU\x00", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"DDS ", "a DDS texture"),
    (b"qoif", "a QOI picture"),
    (b"P1\n", "a PBM picture"),
    (b"P4\n", "a PBM picture"),
    (b"P2\n", "a PGM picture"),
    (b"P5\n", "a PGM picture"),
    (b"P3\n", "a PPM picture"),
    (b"P6\n", "a PPM picture"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"%!PS", "a PostScript drawing"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (b"BPG\xfb", "a BPG picture"),
    (b"FLIF", "a FLIF picture"),
)

#: First bytes of files that are no pictures at all.
_NOT_PICTURES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"PK\x05\x06", "a ZIP archive or an office document"),
    (b"\xd0\xcf\x11\xe0", "an office document"),
    (b"{\\rtf", "a text document"),
    (b"Rar!", "an archive"),
    (b"7z\xbc\xaf", "an archive"),
    (b"\x1f\x8b", "a compressed archive"),
    (b"BZh", "a compressed archive"),
    (b"\xfd7zXZ", "a compressed archive"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"FLV\x01", "a video"),
    (b"\x00\x00\x01\xba", "a video"),
    (b"\x00\x00\x01\xb3", "a video"),
    (b"ID3", "a sound file"),
    (b"OggS", "a sound file"),
    (b"fLaC", "a sound file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)

#: Kinds of RIFF container, from byte 8.
_RIFF_NOT_PICTURES = {b"AVI ": "a video", b"WAVE": "a sound file"}

#: Brands of ISO media files ("ftyp"), major or compatible.
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
)
_GENERIC_HEIF_BRANDS = frozenset({b"mif1", b"msf1", b"mif2", b"heif"})
_RAW_BRANDS = frozenset({b"crx "})
#: How much of the list of brands is read.
_LONGEST_BRANDS_BYTES = 256

_HTML = re.compile(
    rb"<(!doctype html|html|head|body|script|title|meta)\b", re.IGNORECASE
)
_SVG = re.compile(rb"<svg\b", re.IGNORECASE)
#: How much of a text is looked at to tell what it is.
_TEXT_HEAD_BYTES = 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def sniff(data: bytes) -> str:
    """Return the format's name as Pillow spells it; MPO counts as ``"JPEG"``.

    Raises:
        ImageError: No picture (``not_an_image``) or one that is not read
            (``unsupported``).
    """
    for signature, what in _UNSUPPORTED:
        if data.startswith(signature):
            raise _unsupported(what)
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF":
        return _sniff_riff(data)
    if data[4:8] == b"ftyp":
        return _sniff_media(data)
    raise _refusal(data)


def is_web_page(data: bytes) -> bool:
    """Tell whether some bytes begin as HTML does."""
    return _has_tag(data, _HTML) and not _has_tag(data, _SVG)


def _has_tag(data: bytes, tag: re.Pattern[bytes]) -> bool:
    head = data[:_TEXT_HEAD_BYTES].removeprefix(_BYTE_ORDER_MARK).lstrip()
    return head.startswith(b"<") and tag.search(head) is not None


def _sniff_riff(data: bytes) -> str:
    if data[8:12] == b"WEBP":
        return "WEBP"
    raise _not_a_picture(_RIFF_NOT_PICTURES.get(data[8:12], "a media file"))


def _sniff_media(data: bytes) -> str:
    """Tell HEIF, AVIF, raw files and videos apart by their brands, the major first."""
    for brand in _brands(data):
        if brand in _AVIF_BRANDS:
            return "AVIF"
        if brand in _HEIF_BRANDS:
            return "HEIF"
        if brand in _RAW_BRANDS:
            raise _unsupported("a camera's raw file")
    if _GENERIC_HEIF_BRANDS.isdisjoint(_brands(data)):
        raise _not_a_picture("a video")
    return "HEIF"


def _brands(data: bytes) -> list[bytes]:
    """Return the major brand, its version number and the compatible brands."""
    box = data[8 : min(int.from_bytes(data[:4], "big"), _LONGEST_BRANDS_BYTES)]
    return [box[start : start + 4] for start in range(0, len(box), 4)]


def _refusal(data: bytes) -> ImageError:
    """Return the error for bytes that no table of pictures knows."""
    for signature, what in _NOT_PICTURES:
        if data.startswith(signature):
            return _not_a_picture(what)
    if _has_tag(data, _SVG):
        return _unsupported("an SVG drawing")
    if is_web_page(data):
        return ImageError(
            "This is a web page, not a picture. Open the page, copy the address of "
            f"the picture itself, and try that. {READABLE}",
            kind=ErrorKind.NOT_AN_IMAGE,
        )
    return ImageError(
        f"This file is not a picture that I know. {READABLE}",
        kind=ErrorKind.NOT_AN_IMAGE,
    )


def _unsupported(what: str) -> ImageError:
    return ImageError(
        f"This is {what}, which I cannot read. {READABLE}", kind=ErrorKind.UNSUPPORTED
    )


def _not_a_picture(what: str) -> ImageError:
    return ImageError(
        f"This is {what}, not a picture. {READABLE}", kind=ErrorKind.NOT_AN_IMAGE
    )
