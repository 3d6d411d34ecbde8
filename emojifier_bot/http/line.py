"""One connection: to a checked address, cut at a deadline, its bytes counted.

`requests` and urllib3 speak HTTP and TLS over it; the host's name stays theirs, for
the ``Host`` header, for SNI and for the certificate. Where the connection goes is
decided here alone.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    closing,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from emojifier_bot.errors import ErrorKind, FetchError
from emojifier_bot.http.deadline import Deadline, timed_out

#: Status line and headers together, of all interim answers too.
LONGEST_HEAD_BYTES = 1 << 16
#: What the framing of a body in chunks may cost: this much and an eighth of the body.
FRAMING_BYTES = 1 << 16


@dataclass(slots=True)
class Line:
    """The way to one server, for one request."""

    #: IP addresses that were checked; they are tried in this order.
    addresses: Sequence[str]
    port: int
    deadline: Deadline
    #: Largest body of an answer.
    max_bytes: int
    _received_bytes: int = 0
    _limit_bytes: int = LONGEST_HEAD_BYTES
    _belongings: ExitStack = field(default_factory=ExitStack)
    _outside: BaseException | None = field(default_factory=sys.exception)

    def connect(self) -> socket.socket:
        """Return a connected socket, with the clock ticking.

        Raises:
            FetchError: ``unreachable`` or ``timeout``.
        """
        failure = unreachable()
        for address in self.addresses:
            try:
                return self._watched(self._connected(address))
            except TimeoutError:
                failure = timed_out()
            except OSError:
                failure = unreachable()
        raise failure

    def owns(self, one: AbstractContextManager[Any]) -> None:
        """Have something closed with this line, at the latest."""
        self._belongings.enter_context(one)

    def hang_up(self) -> None:
        """Stop the clock and close what is open."""
        self._belongings.close()

    def count(self, received_bytes: int) -> None:
        """Note that so much arrived.

        Raises:
            FetchError: ``too_large``: it is more than any good answer has.
        """
        self._received_bytes += received_bytes
        if self._received_bytes > self._limit_bytes:
            raise too_large(self.max_bytes)

    def expect_body(self) -> None:
        """Let a body come after the head."""
        self._limit_bytes += _framed_bytes(self.max_bytes)

    def check_framing(self, body_bytes: int) -> None:
        """Go on only if most of what arrived is body.

        A body in chunks of one byte costs much work and brings little.

        Raises:
            FetchError: ``too_large``: it is not.
        """
        if self._received_bytes > LONGEST_HEAD_BYTES + _framed_bytes(body_bytes):
            raise too_large(self.max_bytes)

    def failure(self, error: BaseException) -> FetchError:
        """Return our error for one of the libraries'."""
        causes = list(self._causes(error))
        kinds = tuple(map(type, causes))
        if self.deadline.passed or TimeoutError in kinds:
            return timed_out()
        if any(issubclass(kind, ssl.SSLError) for kind in kinds) and not (
            {ssl.SSLEOFError, ssl.SSLZeroReturnError} & set(kinds)
        ):
            return _tls()
        # Exactly these two: their sub-classes are connections that broke off.
        if {http.client.HTTPException, http.client.LineTooLong} & set(kinds):
            return too_large(self.max_bytes)
        return unreachable()

    def _connected(self, address: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        timeouts = self.deadline.timeouts
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            left = self.deadline.remaining_seconds()
            sock.settimeout(min(timeouts.connect_seconds, left))
            sock.connect((address, self.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeouts.read_seconds)
        except BaseException:
            sock.close()
            raise
        return sock

    def _watched(self, sock: socket.socket) -> socket.socket:
        """Have the connection cut at the deadline, in whatever call it is then.

        The cut goes through a second handle, because TLS takes the first one away.
        """
        self.owns(sock)
        handle = sock.dup()
        self.owns(handle)
        cutter = threading.Timer(self.deadline.remaining_seconds(), _cut, [handle])
        cutter.daemon = True
        cutter.start()
        self._belongings.callback(cutter.join)
        self._belongings.callback(cutter.cancel)
        return sock

    def _causes(self, error: BaseException) -> Iterator[BaseException]:
        """Yield an error and what it came from, not what the caller is handling."""
        seen = [self._outside]
        waiting: list[BaseException | None] = [error]
        while waiting:
            one = waiting.pop()
            if one is None or one in seen:
                continue
            seen.append(one)
            yield one
            wrapped = (arg for arg in one.args if isinstance(arg, BaseException))
            waiting += [one.__cause__, one.__context__, *wrapped]


@contextmanager
def answer(
    call: requests.Request, line: Line, ca_file: str | None
) -> Iterator[requests.Response]:
    """Send a request, give its answer with the body unread, and close everything.

    Args:
        call: What is asked; proxies, cookies and passwords of this machine are not
            added to it.
        line: Where it goes.
        ca_file: Certificates to trust in place of the usual ones.

    Raises:
        FetchError: It could not be sent, or the answer broke off.
    """
    timeouts = line.deadline.timeouts
    with closing(_PinnedAdapter(line)) as adapter:
        try:
            response = adapter.send(
                call.prepare(),
                stream=True,
                timeout=(timeouts.connect_seconds, timeouts.read_seconds),
                verify=ca_file or True,
            )
            with closing(response):
                # A head that was cut looks like a whole one.
                line.deadline.check()
                yield response
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
        ) as error:
            # Not "from error": its text has the whole address, secrets and all.
            raise line.failure(error) from None
        finally:
            line.hang_up()


def _framed_bytes(body_bytes: int) -> int:
    return body_bytes + body_bytes // 8 + FRAMING_BYTES


def unreachable() -> FetchError:
    """Return the error for a server that does not answer, or breaks off."""
    return FetchError(
        "The server cannot be reached, or broke off in the middle. Try again in a "
        "minute.",
        kind=ErrorKind.UNREACHABLE,
        retryable=True,
    )


def too_large(max_bytes: int) -> FetchError:
    """Return the error for more bytes than wanted."""
    return FetchError(
        f"The server sends more than the {max_bytes / 1e6:g} MB that I read. Give the "
        "address of a smaller picture.",
        kind=ErrorKind.TOO_LARGE,
    )


def _tls() -> FetchError:
    return FetchError(
        "The server cannot prove who it is: its certificate is not valid. Give another "
        "address of the picture, or upload it.",
        kind=ErrorKind.TLS,
    )


def _cut(handle: socket.socket) -> None:
    with suppress(OSError):  # it ended by itself
        handle.shutdown(socket.SHUT_RDWR)


class _PinnedAdapter(HTTPAdapter):
    """Sends one request over one line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        super().__init__(pool_connections=1, pool_maxsize=1)

    def get_connection_with_tls_context(
        self, *args: Any, **kwargs: Any
    ) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        secure = isinstance(pool, HTTPSConnectionPool)
        pool.ConnectionCls = _PinnedTlsConnection if secure else _PinnedConnection
        pool.conn_kw["line"] = self._line
        return pool


class _PinnedConnection(HTTPConnection):
    def __init__(self, *args: Any, line: Line, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._line = line
        # What is asked for is something to call, a class or not.
        self.response_class = partial(_CountedResponse, line=line)  # type: ignore[assignment] # see above

    def _new_conn(self) -> socket.socket:
        return self._line.connect()


class _PinnedTlsConnection(_PinnedConnection, HTTPSConnection):
    pass


class _CountedResponse(http.client.HTTPResponse):
    """Reads an answer through a counter."""

    def __init__(self, *args: Any, line: Line, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._line = line
        self.fp = io.BufferedReader(_CountedStream(self.fp.detach(), line))
        line.owns(closing(self))

    def begin(self) -> None:
        super().begin()
        # urllib3 would log the whole address if a header is misshapen.
        self.headers.set_payload("")
        self.headers.defects.clear()
        self._line.expect_body()


class _CountedStream(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, line: Line) -> None:
        self._raw = raw
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        received = self._raw.readinto(buffer)
        self._line.count(received or 0)
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()
