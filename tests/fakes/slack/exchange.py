"""HTTP: requests and answers as plain values, and the server that carries them."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"
HOST = "127.0.0.1"
#: Linger on, for no time at all: closing then resets the connection.
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    verb: str
    path: str
    query: str
    #: Names in small letters.
    headers: Mapping[str, str]
    body: bytes
    #: The caller's end of the connection.
    peer_port: int = 0

    @property
    def params(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """Return the charset that the content type names; empty for none."""
        _, _, rest = self.headers.get("content-type", "").lower().partition("charset=")
        return rest.partition(";")[0].strip(" \"'")

    @property
    def bearer(self) -> str:
        """Return the token of the ``Authorization`` header; empty for none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(
        cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Reply:
        return cls(status, JSON_TYPE, json.dumps(value).encode(), headers or {})

    @classmethod
    def html(
        cls, page: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Reply:
        return cls(status, HTML_TYPE, page.encode(), headers or {})

    @classmethod
    def redirect(cls, address: str) -> Reply:
        return cls(302, HTML_TYPE, b"", {"Location": address})

    @property
    def told(self) -> Any:
        """Return what the records keep of it."""
        if self.content_type == JSON_TYPE:
            return json.loads(self.body)
        if self.content_type == HTML_TYPE:
            return self.body[:200].decode(errors="replace")
        return f"{len(self.body)} bytes of {self.content_type}"


#: Answers a request; None drops the connection.
Answer = Callable[[Request], Reply | None]


class Listener:
    """Listens on a free port of this machine until it is stopped."""

    def __init__(
        self, answer: Answer, broke: Callable[[BaseException], None], port: int = 0
    ) -> None:
        self._server = _Server((HOST, port), answer, broke)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )

    @property
    def host(self) -> str:
        return f"{HOST}:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, close every connection, wait for every thread."""
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 256

    def __init__(
        self,
        address: tuple[str, int],
        answer: Answer,
        broke: Callable[[BaseException], None],
    ) -> None:
        self.answer = answer
        self.broke = broke
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address
        error = sys.exception()
        # Who hangs up early is no news; anything else is a mistake of the fake.
        if error is not None and not isinstance(error, (ConnectionError, TimeoutError)):
            self.broke(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(Reply.html("Length required", 411))
            return
        length = int(self.headers.get("Content-Length") or 0)
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(length)
        if len(body) < length:
            # Whoever sent it died in the middle: that was no request.
            self.close_connection = True
            return
        port = self.client_address[1]
        request = Request(self.command, path, query, headers, body, port)
        reply = self.server.answer(request)
        if reply is None:
            self._drop()
        else:
            self._send(reply)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = _serve  # noqa: N815 - the base looks these up

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def log_message(self, *args: Any) -> None:
        pass
