"""Stands between a client and a server on localhost, and can fall silent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.fakes.servers import accepting


@dataclass
class Relay:
    """Passes on what both sides send, while it is not silent."""

    server_port: int
    port: int = 0
    #: Cleared, it keeps every connection open and passes nothing on.
    flowing: threading.Event = field(default_factory=threading.Event)

    def serve(self, client: socket.socket) -> None:
        self.flowing.wait()
        with socket.create_connection(("127.0.0.1", self.server_port)) as server:
            back = threading.Thread(target=self._pass_on, args=[server, client])
            back.start()
            self._pass_on(client, server)
            back.join()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while received := source.recv(65536):
                self.flowing.wait()
                target.sendall(received)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relaying(server_port: int) -> Iterator[Relay]:
    """Run a relay for as long as the block lasts."""
    relay = Relay(server_port)
    relay.flowing.set()
    with accepting(relay.serve) as relay.port:
        try:
            yield relay
        finally:
            relay.flowing.set()
