"""Slack's end of one Socket Mode line: RFC 6455, as far as one message each way."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Mapping
from typing import Any, Self
from uuid import uuid4

#: Every answer to a handshake ends in it; RFC 6455, section 1.3.
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SHORT, EXTENDED = 126, 126
PATIENCE_SECONDS = 10


class SocketModeLine:
    """Waits for one bot; sends it envelopes and reads its answers."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(PATIENCE_SECONDS)
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        if self._connected.is_set():
            self._line.close()
        self._listening.close()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._listening.getsockname()[1]}/link"

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
        self._line.sendall(_frame(TEXT, json.dumps(envelope).encode()))
        while True:
            kind, data = self._read()
            if kind == TEXT:
                answer: dict[str, Any] = json.loads(data)
                assert answer["envelope_id"] == envelope["envelope_id"]
                return answer
            if kind == PING:
                self._line.sendall(_frame(PONG, data))

    def _accept(self) -> None:
        self._line, _ = self._listening.accept()
        self._line.settimeout(PATIENCE_SECONDS)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._line.recv(4096)
        lines = head.decode().split("\r\n")
        told = dict(line.split(": ", 1) for line in lines if ": " in line)
        named = {name.lower(): value for name, value in told.items()}
        key = named["sec-websocket-key"] + MAGIC
        accept = base64.b64encode(
            hashlib.sha1(key.encode()).digest()  # noqa: S324 - the RFC wants it
        )
        self._line.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._line.sendall(_frame(TEXT, b'{"type": "hello"}'))
        self._connected.set()

    def _read(self) -> tuple[int, bytes]:
        first, second = self._take(2)
        length = second & 127
        if length == EXTENDED:
            (length,) = struct.unpack("!H", self._take(2))
        mask = self._take(4) if second & 128 else bytes(4)
        data = self._take(length)
        plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        return first & 15, plain

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            received = self._line.recv(count - len(data))
            if not received:
                raise ConnectionResetError
            data += received
        return data


def _frame(kind: int, data: bytes) -> bytes:
    if len(data) < SHORT:
        return bytes([128 | kind, len(data)]) + data
    return bytes([128 | kind, EXTENDED]) + struct.pack("!H", len(data)) + data
