"""Fetches files: redirects are followed, each checked like the first address."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import unquote, urljoin

import requests

from emojifier_bot.errors import ErrorKind, FetchError
from emojifier_bot.http.addresses import Target, fetch_error, read_public
from emojifier_bot.http.connection import BodyCheck, PinnedConnection, Room, any_room
from emojifier_bot.http.resolver import (
    Deadline,
    Network,
    ResolvedTarget,
    Timeouts,
    resolve,
)

MOST_REDIRECTS = 5
#: What may lead on from an address, see `FetchError.hop`.
REDIRECT, PAGE = "redirect", "page"
#: Somebody is waiting.
FETCH_NETWORK = Network(
    Timeouts(connect_seconds=5.0, read_seconds=10.0, total_seconds=30.0)
)
#: A server may ask to wait for this long at most.
LONGEST_WAIT_SECONDS = 3600.0
#: Longest name that is given, and the name of what has none.
LONGEST_NAME, NAMELESS = 80, "picture"
#: Longest ending that a shortened name keeps: ``".jpeg"``, ``".heic"``.
_LONGEST_ENDING = 6
#: Longer headers have no name in them that is worth reading.
_LONGEST_HEADER = 2048

#: How much of a page is read: its head comes first.
PAGE_BYTES = 256 * 1024
#: What pages call the picture that they are about, the best one first.
PICTURE_NAMES = ("og:image:secure_url", "og:image", "og:image:url", "twitter:image")
#: No class takes in what its own match begins with, so that the time is linear.
_META = re.compile(r"<meta\s([^<>]{1,4000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""(?<![\w:-])([\w:-]{1,40})=("[^"]*"|'[^']*'|[^\s"'<>]+)""")

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_FOUND = frozenset({404, 410})
_FORBIDDEN = frozenset({401, 402, 403, 407, 451})
#: Beside all that begin with 5.
_PASSING = frozenset({408, 425, 429})
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate", "compress", "br", "zstd"})


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address led to, in memory only."""

    data: bytes = field(repr=False)
    #: File name for people, never a path.
    name: str


def fetch(
    address: str,
    *,
    admit: Callable[[str, Deadline], ResolvedTarget],
    check_body: BodyCheck,
    max_bytes: int,
    network: Network,
    page_kind: ErrorKind,
    headers: Mapping[str, str] = MappingProxyType({}),
    reads_pages: bool = False,
    room: Room = any_room,
) -> Fetched:
    """Follow an address to its file.

    Args:
        address: Where to begin.
        admit: Checks an address, at every redirect anew; raises `FetchError`.
        check_body: Called with the first bytes, then with all; raises `FetchError`.
        max_bytes: Largest file that is read.
        network: How servers are reached.
        page_kind: Kind of the error for a web page.
        headers: Sent to every host that was admitted.
        reads_pages: A web page that names its picture counts as a redirect to it; only
            one does.
        room: Waits for room for a large file.

    Raises:
        FetchError: It leads nowhere good.
    """
    deadline = Deadline(network.timeouts)
    headers = {"Accept": "image/*, */*;q=0.5", **headers}
    hop = ""
    for _ in range(1 + MOST_REDIRECTS):
        with _told_apart(hop):
            resolved = admit(address, deadline)
            connection = PinnedConnection(resolved, deadline, max_bytes, network.route)
            with connection.send("GET", headers) as response:
                onward = redirect_of(response, resolved.target.url)
                hop = hop or (REDIRECT if onward is not None else "")
                if onward is None and reads_pages and is_page(response):
                    reads_pages, hop = False, PAGE
                    head = connection.read_start(response, PAGE_BYTES)
                    onward = picture_of_page(head, resolved.target.url)
                if onward is None:
                    check_head(response, page_kind)
                    data = connection.read_body(response, check_body, room)
                    return Fetched(data, file_name(response.headers, resolved.target))
                address = onward
    raise fetch_error(ErrorKind.TOO_MANY_REDIRECTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedClient:
    """Fetches files from addresses that people give: nobody vouches for any of them.

    Only public addresses are connected to. Every redirect is checked like the first
    address, and a connection goes to an address that was checked, whatever the name
    says the next moment.
    """

    #: Hosts (``host`` or ``host:port``) that may be private, on any port they name.
    allow_hosts: frozenset[str]
    max_bytes: int
    check_body: BodyCheck
    network: Network = FETCH_NETWORK

    def get(
        self,
        address: str,
        before_opening: Callable[[str], None] = lambda _: None,
        room: Room = any_room,
    ) -> Fetched:
        """Fetch one file.

        Args:
            address: As somebody typed it.
            before_opening: Called with the address, and with that of each redirect,
                before it is opened; what it raises ends the fetch.
            room: Waits for room for a large file.

        Raises:
            FetchError: ``not_an_address``, ``scheme``, ``port``, ``private_address``,
                ``unresolvable``, ``unreachable``, ``timeout``, ``tls``, ``proxy``,
                ``unknown_issuer``,
                ``too_many_redirects``, ``too_large``, ``http_status``, ``not_found``,
                ``forbidden``, ``page``, or as ``check_body`` says.
        """

        def admit(address: str, deadline: Deadline) -> ResolvedTarget:
            before_opening(address)
            target = read_public(address, self.allow_hosts)
            public = not target.is_listed(self.allow_hosts)
            return resolve(target, self.network, deadline, public=public)

        try:
            return fetch(
                address,
                admit=admit,
                check_body=self.check_body,
                max_bytes=self.max_bytes,
                network=self.network,
                page_kind=ErrorKind.PAGE,
                reads_pages=True,
                room=room,
            )
        except FetchError as error:
            if error.kind == ErrorKind.TIMEOUT:
                # It has had its time, which others may be waiting for.
                error.retryable = False
            raise


@contextmanager
def _told_apart(hop: str) -> Iterator[None]:
    """Note in what goes wrong how it was come to that address."""
    try:
        yield
    except FetchError as error:
        error.hop = hop
        raise


def redirect_of(response: requests.Response, address: str) -> str | None:
    """Return where a redirect leads, None for any other answer.

    Raises:
        FetchError: ``not_an_address``: that cannot be read.
    """
    location = response.headers.get("location")
    if response.status_code not in _REDIRECTS or location is None:
        return None
    try:
        # Headers are read byte by byte; many servers write UTF-8.
        location = location.encode("latin-1").decode("utf-8", "replace")
        return urljoin(address, location.strip())
    except ValueError:
        raise fetch_error(ErrorKind.NOT_AN_ADDRESS) from None


def is_page(response: requests.Response) -> bool:
    """Return whether an answer is a web page that can be read."""
    media_type = response.headers.get("content-type", "").partition(";")[0]
    is_plain = response.headers.get("content-encoding", "identity") == "identity"
    is_html = media_type.strip().lower() in _PAGES
    return response.status_code == HTTPStatus.OK and is_html and is_plain


def picture_of_page(data: bytes, address: str) -> str | None:
    """Return the address of the picture that a page says it is about, if it says so.

    Args:
        data: The beginning of the page.
        address: Of the page.
    """
    found: dict[str, str] = {}
    for tag in _META.findall(data.decode("utf-8", "replace")):
        values = {name.lower(): html.unescape(text) for name, text in _pairs(tag)}
        name = values.get("property") or values.get("name") or ""
        found.setdefault(name.lower(), values.get("content", "").strip())
    names = (found[name] for name in PICTURE_NAMES if found.get(name))
    with suppress(ValueError):
        return next((urljoin(address, one) for one in names), None)
    return None


def _pairs(tag: str) -> list[tuple[str, str]]:
    return [(name, text.strip("\"'")) for name, text in _ATTRIBUTE.findall(tag)]


def check_head(response: requests.Response, page_kind: ErrorKind) -> None:
    """Go on only with an answer whose head promises what was asked for.

    Raises:
        FetchError: ``not_found``, ``forbidden``, ``http_status``, ``not_an_image`` or,
            for a web page, ``page_kind``.
    """
    status = response.status_code
    if status in _NOT_FOUND:
        raise fetch_error(ErrorKind.NOT_FOUND)
    if status in _FORBIDDEN:
        raise fetch_error(ErrorKind.FORBIDDEN)
    if status not in {HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION}:
        raise fetch_error(
            ErrorKind.HTTP_STATUS,
            retryable=is_passing(status),
            retry_after_seconds=retry_after_seconds(response),
        )
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if media_type.strip().lower() in _PAGES:
        raise fetch_error(page_kind)
    encoding = response.headers.get("content-encoding", "").lower()
    if not _COMPRESSED.isdisjoint(re.split(r"[\s,]+", encoding)):
        # A few bytes may unpack to gigabytes, and no picture gains by it.
        raise fetch_error(ErrorKind.NOT_AN_IMAGE)


def is_passing(status: int) -> bool:
    """Return whether the same request may go well later."""
    return status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def retry_after_seconds(response: requests.Response) -> float | None:
    """Return how long the server asks to wait, None if it does not or is not clear."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        try:
            moment = parsedate_to_datetime(text)
            seconds = (moment - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None  # no date, or one without a time zone
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


def file_name(headers: Mapping[str, str], target: Target) -> str:
    """Return what to call a file, by its server or else by its address."""
    disposition, message = headers.get("content-disposition", ""), Message()
    with suppress(UnicodeError):
        # It was read byte by byte; it may be UTF-8.
        disposition = disposition.encode("latin-1").decode("utf-8")
    message["content-disposition"] = disposition[:_LONGEST_HEADER]
    names = [unquote(target.path.partition("?")[0].rpartition("/")[2]), NAMELESS]
    with suppress(ValueError, LookupError):
        names.insert(0, message.get_filename(""))
    return next(filter(None, map(clean_name, names)))


def visible(text: str) -> str:
    """Return a text from outside in one line, as people see it.

    Control characters go, and so do those of no width and those that turn the writing
    direction.
    """
    text = unicodedata.normalize("NFC", text)
    shown = (" " if unicodedata.category(one)[0] in "CZ" else one for one in text)
    return " ".join("".join(shown).split())


def clean_name(name: str) -> str:
    """Return a file name that is safe to show and to store; empty if nothing is left.

    Folders go, and so does what `visible` leaves out.
    """
    name = visible(name.replace("\\", "/").rpartition("/")[2]).strip(". ")
    if len(name) <= LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) >= _LONGEST_ENDING:
        return name[:LONGEST_NAME].strip(". ")
    return stem[: LONGEST_NAME - len(dot + ending)].strip(". ") + dot + ending
