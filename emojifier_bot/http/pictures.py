"""What the head of an answer says of a file: its media type and its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import unquote

from emojifier_bot.errors import ErrorKind, FetchError
from emojifier_bot.http.addresses import Target

#: Longest name that is given.
LONGEST_NAME = 80
#: The name of what has none.
NAMELESS = "picture"
#: Longest ending that a shortened name keeps: ``".jpeg"``, ``".heic"``.
_LONGEST_ENDING = 6
#: Longer headers have no name in them that is worth reading.
_LONGEST_HEADER = 2048

_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_PACKED = frozenset({"gzip", "x-gzip", "deflate", "compress", "br", "zstd"})
_MEDIA_TYPE = re.compile(r"[a-z0-9.+_-]{1,60}/[a-z0-9.+_-]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address led to, in memory only."""

    data: bytes = field(repr=False)
    #: As the server says, ``"image/png"``; empty if it does not. The bytes decide.
    content_type: str
    #: File name for people, never a path.
    name: str


def check_head(headers: Mapping[str, str], page_kind: ErrorKind) -> None:
    """Refuse what the headers already say is no picture.

    Raises:
        FetchError: Of kind ``page_kind``, or ``not_an_image``.
    """
    if content_type(headers) in _PAGES:
        raise web_page(page_kind)
    codings = re.split(r"[\s,]+", headers.get("content-encoding", "").lower())
    if not _PACKED.isdisjoint(codings):
        # A few bytes may unpack to gigabytes, and no picture gains by it.
        raise FetchError(
            "The server sends this picture packed, though it was asked not to. Give "
            "another address of the picture, or upload it.",
            kind=ErrorKind.NOT_AN_IMAGE,
        )


def web_page(kind: ErrorKind) -> FetchError:
    """Return the error for a web page in place of a picture."""
    return FetchError(
        "There is a web page at this address, not a picture. Open the page, copy the "
        "address of the picture itself, and try that.",
        kind=kind,
    )


def content_type(headers: Mapping[str, str]) -> str:
    """Return the media type in lower case, without parameters, empty if odd."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind if _MEDIA_TYPE.fullmatch(kind) else ""


def picture_name(headers: Mapping[str, str], target: Target) -> str:
    """Return what to call a picture, by its server or else by its address."""
    disposition = headers.get("content-disposition", "")[:_LONGEST_HEADER]
    path = target.path.partition("?")[0]
    names = (_disposed_name(disposition), unquote(path.rpartition("/")[2]))
    return next(filter(None, map(clean_name, names)), NAMELESS)


def clean_name(name: str) -> str:
    """Return a file name that is safe to show and to store; empty if nothing is left.

    Folders go, and so do control characters and those that turn the writing direction.
    """
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    visible = "".join(" " if _is_hidden(one) else one for one in name)
    name = " ".join(visible.split()).strip(". ")
    if len(name) <= LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) >= _LONGEST_ENDING:
        return name[:LONGEST_NAME].strip(". ")
    return stem[: LONGEST_NAME - len(dot + ending)].strip(". ") + dot + ending


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character)[0] in "CZ"


def _disposed_name(header: str) -> str:
    message = Message()
    message["content-disposition"] = _readable(header)
    try:
        return message.get_filename("")
    except (ValueError, LookupError):
        return ""


def _readable(header: str) -> str:
    """Read as UTF-8 what was read byte by byte, if it is UTF-8."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header
