"""Real servers on localhost that say what a test tells them to, byte by byte."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from tests.threads import PATIENCE_SECONDS, in_thread

#: Writes an answer; the connection is closed when it returns.
Talk = Callable[[socket.socket], None]

LONGEST_HEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it came."""

    method: str
    path: str
    #: Names in lower case.
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(slots=True)
class RawServer:
    """Answers by path; remembers every request.

    A path's answer is the bytes themselves or a function that writes them. Paths that
    nobody set answer 404.
    """

    paths: dict[str, bytes | Talk] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    heard: list[Heard] = field(default_factory=list)
    #: How often somebody connected.
    connections: int = 0
    port: int = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http{'s' if self.tls else ''}://{self.host}{path}"

    def talk(self, sock: socket.socket) -> None:
        self.connections += 1
        heard = _read_request(sock)
        self.heard.append(heard)
        answer = self.paths.get(heard.path.partition("?")[0], said(404))
        if callable(answer):
            answer(sock)
        else:
            sock.sendall(answer)


@contextlib.contextmanager
def serving(
    paths: Mapping[str, bytes | Talk] | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[RawServer]:
    """Run a server for as long as the block lasts."""
    server = RawServer(dict(paths or {}), tls)

    def talk(sock: socket.socket) -> None:
        # Who is refused does not matter to the server.
        with contextlib.suppress(ValueError):
            _talk(server, sock)

    with accepting(talk) as server.port:
        yield server


@contextlib.contextmanager
def accepting(talk: Talk) -> Iterator[int]:
    """Give each connection a thread of its own while the block lasts; yield the port.

    Who is cut off does not matter.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                talk(self.request)

    with (
        _Threaded(("127.0.0.1", 0), Handler) as listening,
        in_thread(partial(listening.serve_forever, 0.01), listening.shutdown),
    ):
        yield listening.server_address[1]


def said(status: int, body: bytes = b"", **headers: object) -> bytes:
    """Return an answer as it goes over the wire.

    Args:
        status: Its number.
        body: Goes with a length, unless ``headers`` has one or says ``chunked``.
        headers: ``content_type="image/png"``; a value None leaves the header away.
    """
    named: dict[str, object] = {"content_length": len(body)} | headers
    lines = [
        f"{name.replace('_', '-').title()}: {value}\r\n"
        for name, value in named.items()
        if value is not None
    ]
    return f"HTTP/1.1 {status} Said\r\n{''.join(lines)}\r\n".encode("latin-1") + body


class _Threaded(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False


def _talk(server: RawServer, sock: socket.socket) -> None:
    sock.settimeout(PATIENCE_SECONDS)
    if server.tls is None:
        server.talk(sock)
        return
    with server.tls.wrap_socket(sock.dup(), server_side=True) as secure:
        server.talk(secure)


def _read_request(sock: socket.socket) -> Heard:
    data = b""
    while b"\r\n\r\n" not in data and len(data) < LONGEST_HEAD_BYTES:
        received = sock.recv(4096)
        if not received:
            raise ConnectionResetError
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    while len(body) < int(headers.get("content-length", 0)):
        received = sock.recv(1 << 16)
        if not received:
            break
        body += received
    return Heard(method, path, headers, body)
