"""HTTP in threads: turns sockets into `Request` and `Reply`, and stops cleanly."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.slack.exchange import Reply, Request

#: Answers a request; None drops the connection.
Answer = Callable[[Request], "Reply | None"]
HOST = "127.0.0.1"
#: Linger on, for no time at all: closing then resets the connection.
RESET = struct.pack("ii", 1, 0)


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
        """Return ``host:port``."""
        return f"{HOST}:{self._server.server_port}"

    @property
    def url(self) -> str:
        """Return the base of its addresses, without a slash at the end."""
        return f"http://{self.host}"

    def start(self) -> None:
        """Begin to answer."""
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
        """Say nothing: the records know."""
