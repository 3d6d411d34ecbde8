"""Slack's end of Socket Mode: RFC 6455, as far as it is needed."""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import socket
import ssl
import struct
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self
from uuid import uuid4

#: Every answer to a handshake ends in it; RFC 6455, section 1.3.
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, PING, PONG = 1, 9, 10
SHORT, EXTENDED = 126, 126
PATIENCE_SECONDS = 60


class SocketModeLine:
    """Waits for one bot; sends it envelopes, reads its answers, answers its pings."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._accept_all, daemon=True)
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._send_lock = threading.Lock()
        #: How often the bot connected.
        self.connections = 0
        #: Whether it answers no ping, like a line whose other end is gone.
        self.silent = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Only a shutdown ends a call that waits.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        if self._connected.is_set():
            self.drop()
        self._thread.join(PATIENCE_SECONDS)

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/link"

    def drop(self) -> None:
        """Break the connection, without a word."""
        assert self._connected.wait(PATIENCE_SECONDS)
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def disconnect(self) -> None:
        """Ask the bot to connect anew, as Slack does every few hours."""
        assert self._connected.wait(PATIENCE_SECONDS)
        self._send(TEXT, b'{"type": "disconnect", "reason": "refresh_requested"}')

    def send_command(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Send a slash command; return what the bot answers."""
        return self._ask(
            type="slash_commands", payload=command, accepts_response_payload=True
        )

    def send_event(
        self, event: Mapping[str, Any], retry_attempt: int = 0, retry_reason: str = ""
    ) -> dict[str, Any]:
        """Send an event, as Slack does: the first delivery names its number too."""
        return self._ask(
            type="events_api",
            payload=event,
            accepts_response_payload=False,
            retry_attempt=retry_attempt,
            retry_reason=retry_reason,
        )

    def _ask(self, **envelope: Any) -> dict[str, Any]:
        envelope["envelope_id"] = str(uuid4())
        assert self._connected.wait(PATIENCE_SECONDS)
        connections = self.connections
        self._send(TEXT, json.dumps(envelope).encode())
        return self._answer_to(envelope["envelope_id"], connections)

    def _answer_to(self, envelope_id: str, connections: int) -> dict[str, Any]:
        """Wait for an answer; one that is replaced has perhaps heard nothing."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            with suppress(queue.Empty):
                answer: dict[str, Any] = json.loads(self._answers.get(timeout=1))
                if answer["envelope_id"] == envelope_id:
                    return answer
            if self.connections != connections:
                raise ConnectionResetError
        raise AssertionError("The bot does not answer.")

    def _send(self, kind: int, data: bytes) -> None:
        with self._send_lock:
            self._line.sendall(_frame(kind, data))

    def _accept_all(self) -> None:
        with suppress(OSError):  # the end of the test
            while True:
                line, _ = self._listening.accept()
                # Meanwhile the next one may come: the bot connects before it hangs up.
                threading.Thread(target=self._serve, args=[line], daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with suppress(OSError), line:
            if self._tls is not None:
                line = self._tls.wrap_socket(line, server_side=True)
            with line:
                _shake_hands(line)
                with self._send_lock:
                    self._line = line
                self.connections += 1
                self._connected.set()
                self._send(TEXT, b'{"type": "hello"}')
                self._hear(line)

    def _hear(self, line: socket.socket) -> None:
        while True:
            kind, data = _read(line)
            if kind == TEXT:
                self._answers.put(data)
            elif kind == PING and not self.silent:
                with self._send_lock:
                    line.sendall(_frame(PONG, data))


def _shake_hands(line: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += _take(line, 1)
    told = dict(
        row.split(": ", 1) for row in head.decode().split("\r\n") if ": " in row
    )
    named = {name.lower(): value for name, value in told.items()}
    key = named["sec-websocket-key"] + MAGIC
    accept = base64.b64encode(
        hashlib.sha1(key.encode()).digest()  # noqa: S324 - the RFC wants it
    )
    line.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def _read(line: socket.socket) -> tuple[int, bytes]:
    first, second = _take(line, 2)
    length = second & 127
    if length == EXTENDED:
        (length,) = struct.unpack("!H", _take(line, 2))
    mask = _take(line, 4) if second & 128 else bytes(4)
    data = _take(line, length)
    plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
    return first & 15, plain


def _take(line: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        received = line.recv(count - len(data))
        if not received:
            raise ConnectionResetError
        data += received
    return data


def _frame(kind: int, data: bytes) -> bytes:
    if len(data) < SHORT:
        return bytes([128 | kind, len(data)]) + data
    return bytes([128 | kind, EXTENDED]) + struct.pack("!H", len(data)) + data
