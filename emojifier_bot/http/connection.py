"""One request over one connection: to a checked IP address, cut at a deadline, counted.

`requests` and urllib3 speak HTTP and TLS over it; the host's name stays theirs, for
the ``Host`` header, for SNI and for the certificate. Where the connection goes is
decided by `resolver` alone.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from emojifier_bot.errors import ErrorKind, FetchError
from emojifier_bot.http.addresses import fetch_error
from emojifier_bot.http.resolver import Deadline, ResolvedTarget, own_error
from emojifier_bot.http.route import DIRECT, Proxy, Route

#: Some servers want to know who asks.
HEADERS = {
    "User-Agent": "emojifier-bot (Slack app)",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
#: Status line and headers together, of all interim answers too.
LONGEST_HEAD_BYTES = 1 << 16
#: What the framing of a body in chunks may cost: this much and an eighth of the body.
FRAMING_BYTES = 1 << 16
#: Read and counted at a time.
CHUNK_BYTES = 1 << 16
#: OpenSSL's codes for a certificate whose issuer is not known here: often that of a
#: company's own proxy. A certificate that signs itself is the website's own fault.
UNKNOWN_ISSUERS = frozenset({2, 19, 20, 21})
#: So much of a body is checked before the rest is read.
FIRST_BYTES = 1 << 12

_TUNNEL_OPEN = re.compile(rb"HTTP/1\.[01] 2[0-9][0-9][ \r]")

#: Called with the first bytes of a body, then with all; raises `FetchError` where they
#: are not what is wanted.
BodyCheck = Callable[[bytes], None]
#: Called before so many bytes are held in memory; waits until there is room for them.
Room = Callable[[int], None]
#: Nobody needs room for less.
SMALL_BYTES = 4_000_000


def any_room(_length: int) -> None:
    """Hold what comes, however much."""


@dataclass(slots=True)
class PinnedConnection:
    """The connection to one server, for one request."""

    resolved: ResolvedTarget
    deadline: Deadline
    #: Largest body of an answer.
    max_bytes: int
    route: Route = DIRECT
    _received_bytes: int = 0
    _limit_bytes: int = LONGEST_HEAD_BYTES
    #: Closed with this connection, at the latest.
    opened: ExitStack = field(default_factory=ExitStack)

    @contextmanager
    def send(
        self, method: str, headers: Mapping[str, str], data: Any = None
    ) -> Iterator[requests.Response]:
        """Send a request, give its answer with the body unread, and close everything.

        Cookies and passwords of this machine are not added to it.

        Raises:
            FetchError: It could not be sent, or the answer broke off.
        """
        url = self.resolved.target.url
        request = requests.Request(method, url, {**HEADERS, **headers}, data=data)
        timeouts = self.deadline.timeouts
        outside = sys.exception()
        with self.opened, closing(_PinnedAdapter(self)) as adapter:
            try:
                response = adapter.send(
                    request.prepare(),
                    stream=True,
                    timeout=(timeouts.connect_seconds, timeouts.read_seconds),
                )
                with closing(response):
                    # A head that was cut looks like a whole one.
                    self.deadline.seconds_left()
                    yield response
            except (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                http.client.HTTPException,
                OSError,
            ) as error:
                # Not "from error": its text has the whole address, secrets and all.
                raise self._failure(error, outside) from None

    def read_body(
        self,
        response: requests.Response,
        check: BodyCheck = lambda _: None,
        room: Room = any_room,
    ) -> bytes:
        """Read a body as it comes over the wire; nothing is unpacked.

        More than `SMALL_BYTES` wait for room, which no drop takes that is only said to
        come.

        Raises:
            FetchError: ``too_large``, ``timeout``, ``unreachable``, or as ``check``.
        """
        announced, most = response.headers.get("content-length", ""), self.max_bytes
        if announced.isascii() and announced.isdigit():
            # As text: no whole number is too long to compare.
            longest, digits = str(self.max_bytes), announced.lstrip("0")
            if (len(digits), digits) > (len(longest), longest):
                raise fetch_error(ErrorKind.TOO_LARGE)
            most = int(announced)
        # Unlike other buffers it becomes bytes without a copy.
        buffer = io.BytesIO()
        is_checked = has_room = False
        for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
            buffer.write(chunk)
            length = buffer.tell()
            # A body in chunks of one byte costs much work and brings little.
            framed = LONGEST_HEAD_BYTES + _framed_bytes(length)
            if length > self.max_bytes or self._received_bytes > framed:
                raise fetch_error(ErrorKind.TOO_LARGE)
            if length > SMALL_BYTES and not has_room:
                with self.deadline.paused():
                    room(most)
                has_room = True
            if not is_checked and length >= FIRST_BYTES:
                check(bytes(buffer.getbuffer()[:FIRST_BYTES]))
                is_checked = True
        # A body without a length that was cut at the deadline looks like a whole one.
        self.deadline.seconds_left()
        body = buffer.getvalue()
        check(body)
        return body

    def read_start(self, response: requests.Response, most_bytes: int) -> bytes:
        """Read the beginning of a body as it comes over the wire.

        Raises:
            FetchError: ``timeout``.
        """
        data = bytearray()
        for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
            data += chunk
            if len(data) >= most_bytes:
                break
        self.deadline.seconds_left()
        return bytes(data[:most_bytes])

    def connect(self) -> socket.socket:
        """Return a socket that is connected to the first address that answers.

        It is cut at the deadline, in whatever call it is then.

        Raises:
            FetchError: ``unreachable``, ``timeout`` or ``proxy``.
        """
        proxy = self.resolved.proxy
        failure = fetch_error(ErrorKind.UNREACHABLE)
        for address in self.resolved.addresses:
            try:
                sock = self.opened.enter_context(self._connected(address))
            except TimeoutError:
                failure = fetch_error(ErrorKind.TIMEOUT)
            except OSError:
                failure = fetch_error(ErrorKind.UNREACHABLE)
            else:
                # Through a second handle, because TLS takes the first one away.
                handle = self.opened.enter_context(sock.dup())
                cutter = threading.Timer(self.deadline.seconds_left(), _cut, [handle])
                cutter.daemon = True
                cutter.start()
                self.opened.callback(cutter.join)
                self.opened.callback(cutter.cancel)
                if proxy is not None and self.resolved.target.scheme == "https":
                    self._open_tunnel(sock, proxy)
                return sock
        raise failure if proxy is None else own_error(ErrorKind.PROXY)

    def _open_tunnel(self, sock: socket.socket, proxy: Proxy) -> None:
        target = self.resolved.target
        lines = [f"CONNECT {target.host}:{target.port} HTTP/1.1"]
        lines.append(f"Host: {target.host}:{target.port}")
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        head = b""
        try:
            sock.sendall("\r\n".join([*lines, "", ""]).encode())
            # Byte by byte: what follows belongs to the tunnel.
            while not head.endswith(b"\r\n\r\n") and len(head) < LONGEST_HEAD_BYTES:
                byte = sock.recv(1)
                if not byte:
                    break
                head += byte
        except OSError:
            raise own_error(ErrorKind.PROXY) from None
        if not _TUNNEL_OPEN.match(head):
            raise own_error(ErrorKind.PROXY)

    def count(self, received_bytes: int) -> None:
        """Count bytes that arrived; refuse more than any good answer has."""
        self._received_bytes += received_bytes
        if self._received_bytes > self._limit_bytes:
            raise fetch_error(ErrorKind.TOO_LARGE)

    def expect_body(self) -> None:
        """Let a body come after the head."""
        self._limit_bytes += _framed_bytes(self.max_bytes)

    def _connected(self, address: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        timeouts, left = self.deadline.timeouts, self.deadline.seconds_left()
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(min(timeouts.connect_seconds, left))
            sock.connect((address, self.resolved.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeouts.read_seconds)
        except BaseException:
            sock.close()
            raise
        return sock

    def _failure(
        self, error: BaseException, outside: BaseException | None
    ) -> FetchError:
        """Return our error for one of the libraries'.

        Args:
            error: What they raised.
            outside: What the caller was handling already; it is no cause.
        """
        try:
            self.deadline.seconds_left()
        except FetchError as timeout:
            return timeout
        causes = list(_causes(error, outside))
        kinds = {type(one) for one in causes}
        codes = {getattr(one, "verify_code", 0) for one in causes}
        if codes & UNKNOWN_ISSUERS:
            return own_error(ErrorKind.UNKNOWN_ISSUER)
        if TimeoutError in kinds:
            return fetch_error(ErrorKind.TIMEOUT)
        broke_off = {ssl.SSLEOFError, ssl.SSLZeroReturnError} & kinds
        if not broke_off and any(issubclass(kind, ssl.SSLError) for kind in kinds):
            return fetch_error(ErrorKind.TLS)
        # Exactly these two: their sub-classes are connections that broke off.
        if {http.client.HTTPException, http.client.LineTooLong} & kinds:
            return fetch_error(ErrorKind.TOO_LARGE)
        return fetch_error(ErrorKind.UNREACHABLE)


def _causes(
    error: BaseException, outside: BaseException | None
) -> Iterator[BaseException]:
    seen = [outside]
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        yield one
        wrapped = (arg for arg in one.args if isinstance(arg, BaseException))
        waiting += [one.__cause__, one.__context__, *wrapped]


def _framed_bytes(body_bytes: int) -> int:
    return body_bytes + body_bytes // 8 + FRAMING_BYTES


def _cut(handle: socket.socket) -> None:
    with suppress(OSError):  # it ended by itself
        handle.shutdown(socket.SHUT_RDWR)


class _PinnedAdapter(HTTPAdapter):
    def __init__(self, pinned: PinnedConnection) -> None:
        self._pinned = pinned
        super().__init__(pool_connections=1, pool_maxsize=1)

    def cert_verify(self, *args: Any) -> None:
        """Leave the certificates to the context of `Route`."""

    def request_url(self, request: requests.PreparedRequest, *args: Any) -> str:
        is_plain = self._pinned.resolved.target.scheme == "http"
        if self._pinned.resolved.proxy is not None and is_plain:
            return str(request.url)
        return super().request_url(request, *args)

    def add_headers(self, request: requests.PreparedRequest, **_: Any) -> None:
        proxy = self._pinned.resolved.proxy
        is_plain = self._pinned.resolved.target.scheme == "http"
        if is_plain and proxy is not None and proxy.authorization:
            request.headers["Proxy-Authorization"] = proxy.authorization

    def get_connection_with_tls_context(
        self, *args: Any, **kwargs: Any
    ) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        secure = isinstance(pool, HTTPSConnectionPool)
        pool.ConnectionCls = _HTTPSConnection if secure else _HTTPConnection
        pool.conn_kw["pinned"] = self._pinned
        if secure:
            pool.conn_kw["ssl_context"] = self._pinned.route.tls_context()
        return pool


class _HTTPConnection(HTTPConnection):
    def __init__(self, *args: Any, pinned: PinnedConnection, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pinned = pinned
        # What is asked for is something to call, a class or not.
        self.response_class = partial(_CountedResponse, pinned=pinned)  # type: ignore[assignment] # see above

    def _new_conn(self) -> socket.socket:
        return self._pinned.connect()


class _HTTPSConnection(_HTTPConnection, HTTPSConnection):
    pass


class _CountedResponse(http.client.HTTPResponse):
    def __init__(self, *args: Any, pinned: PinnedConnection, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pinned = pinned
        self.fp = io.BufferedReader(_CountedStream(self.fp.detach(), pinned))
        pinned.opened.enter_context(closing(self))

    def begin(self) -> None:
        super().begin()
        # urllib3 would log the whole address if a header is misshapen.
        self.headers.set_payload("")
        self.headers.defects.clear()
        self._pinned.expect_body()


class _CountedStream(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, pinned: PinnedConnection) -> None:
        self._raw = raw
        self._pinned = pinned

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        received = self._raw.readinto(buffer)
        self._pinned.count(received or 0)
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()
