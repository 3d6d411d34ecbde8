"""The table of picture formats, and which of them some bytes are.

To read another format, add an entry to `FORMATS`: recognising, decoding (in a child
process too), the command line and the sentences for people all read it here.

The first bytes decide what a file is; its name and content type never do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.tiff import is_camera_raw


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """A format that pictures are read from."""

    #: As Pillow spells it: ``"WEBP"``.
    name: str
    #: As people spell it: ``"WebP"``.
    title: str
    #: Of file names, the usual one first.
    extensions: tuple[str, ...]
    mime_type: str
    #: ``module:class`` that opens a file with Pillow; imported on first use. What a
    #: class cannot do by itself is in `loaders`.
    plugin: str
    #: Regular expression for the first bytes; empty where `brands` tell.
    magic: bytes = b""
    #: Of ISO media files.
    brands: frozenset[bytes] = frozenset()
    #: Whether all its files keep every pixel as it was.
    lossless: bool = False
    #: Names of the formats that a result gets: with opaque pixels only, and with
    #: transparent ones. A format that results are written in names itself first.
    becomes: tuple[str, str] = ("PNG", "PNG")
    #: Whether Slack shows a result in this format in the channel.
    shown_in_channel: bool = False
    #: Whether a file can hold transparency, and a colour profile. A result without
    #: transparency gets white paper, one without a profile is sRGB.
    holds_alpha: bool = True
    holds_profile: bool = True
    #: Whether Pillow writes the dots per inch of a picture.
    holds_density: bool = False
    #: Of a lossless format that is written: what Pillow's `save` takes. Effort is from
    #: the knee of time over size: 12 megapixels take about a second. How lossy formats
    #: are written is in `encode`.
    save_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_written(self) -> bool:
        """Tell whether results can have this format."""
        return self.becomes[0] == self.name


#: Every format that is read. The written ones are listed to people in this order.
FORMATS = (
    PictureFormat(
        "JPEG",
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        "image/jpeg",
        "PIL.JpegImagePlugin:JpegImageFile",
        magic=rb"\xff\xd8\xff",
        becomes=("JPEG", "PNG"),
        shown_in_channel=True,
        holds_alpha=False,
        holds_density=True,
    ),
    # Several JPEGs in one file, of which the first counts; recognised as a JPEG.
    PictureFormat(
        "MPO",
        "MPO",
        (".mpo",),
        "image/mpo",
        "PIL.JpegImagePlugin:JpegImageFile",
        becomes=("JPEG", "PNG"),
    ),
    PictureFormat(
        "PNG",
        "PNG",
        (".png",),
        "image/png",
        "PIL.PngImagePlugin:PngImageFile",
        magic=rb"\x89PNG\r\n\x1a\n",
        lossless=True,
        shown_in_channel=True,
        # Two thirds of the time of 3, for 1 to 3 % more bytes.
        save_options={"compress_level": 2},
        holds_density=True,
    ),
    PictureFormat(
        "WEBP",
        "WebP",
        (".webp",),
        "image/webp",
        "PIL.WebPImagePlugin:WebPImageFile",
        magic=rb"RIFF....WEBP",
        becomes=("WEBP", "WEBP"),
        shown_in_channel=True,
    ),
    PictureFormat(
        "GIF",
        "GIF",
        (".gif",),
        "image/gif",
        "PIL.GifImagePlugin:GifImageFile",
        magic=rb"GIF8[79]a",
        lossless=True,
    ),
    PictureFormat(
        "HEIF",
        "HEIC",
        (".heic", ".heif", ".hif"),
        "image/heic",
        "pillow_heif:HeifImageFile",
        brands=frozenset(
            b"heic heix heim heis hevc hevx hevm hevs mif1 msf1 mif2 heif".split()
        ),
        becomes=("JPEG", "PNG"),
    ),
    PictureFormat(
        "AVIF",
        "AVIF",
        (".avif",),
        "image/avif",
        "PIL.AvifImagePlugin:AvifImageFile",
        brands=frozenset({b"avif", b"avis"}),
        becomes=("AVIF", "AVIF"),
    ),
    PictureFormat(
        "TIFF",
        "TIFF",
        (".tif", ".tiff"),
        "image/tiff",
        "PIL.TiffImagePlugin:TiffImageFile",
        # But not a Canon raw file, which goes on with another mark.
        magic=rb"II[*+]\0(?!\x10\0\0\0CR)|MM\0[*+]",
        lossless=True,
        becomes=("TIFF", "TIFF"),
        save_options={"compression": "tiff_adobe_deflate"},
        holds_density=True,
    ),
    PictureFormat(
        "BMP",
        "BMP",
        (".bmp",),
        "image/bmp",
        "PIL.BmpImagePlugin:BmpImageFile",
        magic=rb"BM",
        lossless=True,
        becomes=("BMP", "PNG"),
        holds_alpha=False,
        holds_profile=False,
        holds_density=True,
    ),
    PictureFormat(
        "ICO",
        "ICO",
        (".ico",),
        "image/vnd.microsoft.icon",
        "PIL.IcoImagePlugin:IcoFile",
        # The count of pictures follows; an ISO media file may begin with the same four.
        magic=rb"\0\0\x01\0.\0",
        lossless=True,
    ),
)

#: Videos that are read and written, where the extra `video` is installed.
VIDEOS = (
    PictureFormat(
        "MP4",
        "MP4",
        (".mp4", ".m4v"),
        "video/mp4",
        "av:open",
        becomes=("MP4", "MP4"),
        shown_in_channel=True,
        holds_alpha=False,
    ),
    PictureFormat(
        "MOV",
        "MOV",
        (".mov",),
        "video/quicktime",
        "av:open",
        becomes=("MOV", "MOV"),
        shown_in_channel=True,
        holds_alpha=False,
    ),
    PictureFormat(
        "WEBM",
        "WebM",
        (".webm",),
        "video/webm",
        "av:open",
        becomes=("WEBM", "WEBM"),
        shown_in_channel=True,
        holds_alpha=False,
    ),
)
#: Names of the picture formats whose files may be animations, which stay such.
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")

#: What a result becomes where Slack would not show it, and one that moves.
_CHANNEL_FORMAT, _MOVING_CHANNEL_FORMAT = "JPEG", "GIF"
_BY_NAME = {one.name: one for one in (*FORMATS, *VIDEOS)}
_BY_EXTENSION = {
    extension: one for one in _BY_NAME.values() for extension in one.extensions
}
#: File extensions that a result can have.
WRITTEN_EXTENSIONS = tuple(
    extension for one in FORMATS if one.is_written for extension in one.extensions
)
#: File extensions that a result which moves can have.
MOVING_EXTENSIONS = tuple(
    extension
    for name in (*ANIMATED, *(one.name for one in VIDEOS))
    for extension in _BY_NAME[name].extensions
)

#: Pictures that are not read, by their first bytes.
_UNREADABLE = (
    (rb"8BPS", "a Photoshop file"),
    (rb"gimp xcf", "a GIMP file"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (rb"icns", "an icon file"),
    (rb"\0\0\x02\0", "a cursor file"),
    # Canon, Panasonic and Leica, Olympus, Fujifilm, Minolta, Sigma.
    (
        rb"II(\*\0\x10\0\0\0CR|\x1a\0\0\0HEAP|U\0|R[OS])|MMOR|FUJIFILM|\0MRM|FOVb",
        "a camera's raw file",
    ),
    (rb"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (rb"DDS ", "a DDS texture"),
    (rb"qoif", "a QOI picture"),
    (rb"P[14]\n", "a PBM picture"),
    (rb"P[25]\n", "a PGM picture"),
    (rb"P[36]\n", "a PPM picture"),
    (rb"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (rb"BPG\xfb", "a BPG picture"),
    (rb"FLIF", "a FLIF picture"),
)
_RAW_BRANDS = frozenset({b"crx "})

#: Matroska begins so, and says soon that it is a WebM; QuickTime by its brand, or as it
#: did before there were brands.
_EBML, _WEBM, _WEBM_WITHIN_BYTES = b"\x1aE\xdf\xa3", b"webm", 64
_QUICKTIME = b"qt  "
_OLD_QUICKTIME = frozenset({b"moov", b"mdat", b"wide"})

#: Files that are no pictures at all, by their first bytes.
_NOT_PICTURES = (
    (rb"%PDF", "a PDF document"),
    (rb"PK(\x03\x04|\x05\x06)", "a ZIP archive or an office document"),
    (rb"\xd0\xcf\x11\xe0", "an office document"),
    (rb"\{\\rtf", "a text document"),
    (rb"Rar!|7z\xbc\xaf", "an archive"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ", "a compressed archive"),
    (rb"RIFF....AVI |\x1aE\xdf\xa3|FLV\x01|\0\0\x01[\xba\xb3]", "a video"),
    (rb"RIFF....WAVE|ID3|OggS|fLaC", "a sound file"),
    (rb"RIFF", "a media file"),
    (rb"\x7fELF|MZ", "a program"),
)

#: Brands that say "a picture, by some codec": they count where no other one is known.
_GENERIC_BRANDS = frozenset({b"mif1", b"msf1", b"mif2", b"heif"})
#: How much of the list of brands is read.
_MOST_BRANDS_BYTES = 256

_HTML = re.compile(
    rb"<(!doctype html|html|head|body|script|title|meta)\b", re.IGNORECASE
)
_SVG = re.compile(rb"<svg\b", re.IGNORECASE)
#: How much of a text is searched for tags.
_TEXT_HEAD_BYTES = 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def format_named(name: str) -> PictureFormat:
    """Return the format that Pillow calls so."""
    return _BY_NAME[name]


def format_for(extension: str) -> PictureFormat | None:
    """Return the format that a file extension, ``".JPG"``, names."""
    return _BY_EXTENSION.get(extension.lower())


def channel_format(name: str) -> PictureFormat:
    """Return the format in which Slack shows a result of the named one."""
    return _BY_NAME[name if _BY_NAME[name].shown_in_channel else _CHANNEL_FORMAT]


def moving_format(
    name: str, extension: str | None = None, *, for_channel: bool = False
) -> PictureFormat | None:
    """Return the format that the result of a clip gets.

    Args:
        name: Of the clip's own format.
        extension: Of the requested output, ``".webp"`` or ``"webp"``; ``None`` keeps
            the format.
        for_channel: Whether it must be one that Slack shows.

    Returns:
        ``None`` where the extension is that of a format for single pictures, or none.
    """
    if extension is not None:
        extension = f".{extension.removeprefix('.')}".lower()
        return _BY_EXTENSION[extension] if extension in MOVING_EXTENSIONS else None
    if for_channel and name == "AVIF":
        return _BY_NAME[_MOVING_CHANNEL_FORMAT]
    return _BY_NAME[name]


def video_format(data: bytes) -> PictureFormat | None:
    """Return the format of a video by its first bytes; None where it is none of ours.

    Sound alone may look like one.
    """
    if data[:4] == _EBML:
        return _BY_NAME["WEBM"] if _WEBM in data[:_WEBM_WITHIN_BYTES] else None
    if data[4:8] in _OLD_QUICKTIME:
        return _BY_NAME["MOV"]
    if data[4:8] != b"ftyp" or _media_format(data) is not None:
        return None
    return _BY_NAME["MOV" if data[8:12] == _QUICKTIME else "MP4"]


def readable_titles(conjunction: str) -> str:
    """Return the names of all formats for people: ``"JPEG, PNG or TIFF"``."""
    *others, last = (one.title for one in FORMATS if one.magic or one.brands)
    return f"{', '.join(others)} {conjunction} {last}"


#: What every refusal ends with.
READABLE = f"Use a {readable_titles('or')} picture."


def sniff(data: bytes) -> PictureFormat:
    """Return the format that some bytes are in; MPO counts as JPEG.

    Raises:
        ImageError: No picture (``not_an_image``) or one that is not read
            (``unsupported``).
    """
    for one in FORMATS:
        if one.magic and re.match(one.magic, data, re.DOTALL):
            if one.name == "TIFF" and is_camera_raw(data):
                raise _unsupported("a camera's raw file")
            return one
    if data[4:8] == b"ftyp":
        return _sniff_media(data)
    if unreadable := _first_match(_UNREADABLE, data):
        raise _unsupported(unreadable)
    if other := _first_match(_NOT_PICTURES, data):
        raise _not_a_picture(f"This is {other}, not a picture.")
    if _has_tag(data, _SVG):
        raise _unsupported("an SVG drawing")
    if is_web_page(data):
        raise _not_a_picture(
            "This is a web page, not a picture. Open the page, copy the address of "
            "the picture itself, and try that."
        )
    raise _not_a_picture("This file is not a picture that I know.")


def is_web_page(data: bytes) -> bool:
    """Tell whether some bytes begin as HTML does."""
    return _has_tag(data, _HTML) and not _has_tag(data, _SVG)


def _first_match(table: tuple[tuple[bytes, str], ...], data: bytes) -> str | None:
    matches = (what for magic, what in table if re.match(magic, data, re.DOTALL))
    return next(matches, None)


def _has_tag(data: bytes, tag: re.Pattern[bytes]) -> bool:
    head = data[:_TEXT_HEAD_BYTES].removeprefix(_BYTE_ORDER_MARK).lstrip()
    return head.startswith(b"<") and tag.search(head) is not None


def _sniff_media(data: bytes) -> PictureFormat:
    """Tell HEIF, AVIF, raw files and videos apart."""
    if found := _media_format(data):
        return found
    raise _not_a_picture("This is a video, not a picture.")


def _media_format(data: bytes) -> PictureFormat | None:
    """Return the picture format that the brands of a file name, the major one first."""
    box = data[8 : min(int.from_bytes(data[:4], "big"), _MOST_BRANDS_BYTES)]
    brands = [box[start : start + 4] for start in range(0, len(box), 4)]
    for brand in sorted(brands, key=_GENERIC_BRANDS.__contains__):
        if brand in _RAW_BRANDS:
            raise _unsupported("a camera's raw file")
        for one in FORMATS:
            if brand in one.brands:
                return one
    return None


def _unsupported(what: str) -> ImageError:
    return ImageError(
        f"This is {what}, which I cannot read. {READABLE}", kind=ErrorKind.UNSUPPORTED
    )


def _not_a_picture(sentence: str) -> ImageError:
    return ImageError(f"{sentence} {READABLE}", kind=ErrorKind.NOT_AN_IMAGE)
