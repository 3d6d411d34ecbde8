"""A company's HTTP proxy on localhost: tunnels, plain requests and a password."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.fakes.servers import accepting


@dataclass(slots=True)
class FakeProxy:
    """Leads ``host:port`` to servers of this machine, and refuses all others."""

    #: ``host:port`` to a port of this machine.
    servers: Mapping[str, int]
    #: The first line of each request and the value of ``Proxy-Authorization``.
    heard: list[tuple[str, str]] = field(default_factory=list)
    #: Status of what it refuses; 407 also where it knows the host.
    refuses_with: int = 403
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://me:pass%40word@127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            received = client.recv(1)
            if not received:
                return
            head += received
        first, *lines = head.decode().split("\r\n")
        headers = dict(one.split(": ", 1) for one in lines if ": " in one)
        self.heard.append((first, headers.get("Proxy-Authorization", "")))
        method, where, _ = first.split(" ")
        host = where if method == "CONNECT" else where.split("/")[2]
        port = self.servers.get(host) if self.refuses_with != 407 else None
        if port is None:
            client.sendall(f"HTTP/1.1 {self.refuses_with} No\r\n\r\n".encode())
            return
        with socket.create_connection(("127.0.0.1", port)) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = "/" + where.split("/", 3)[3]
                server.sendall(f"{method} {path} HTTP/1.1\r\n".encode())
                server.sendall("\r\n".join(lines).encode())
            back = threading.Thread(target=_copy, args=[server, client])
            back.start()
            _copy(client, server)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65536):
            target.sendall(received)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxying(servers: Mapping[str, int]) -> Iterator[FakeProxy]:
    """Run a proxy for as long as the block lasts."""
    proxy = FakeProxy(servers)
    with accepting(proxy.serve) as proxy.port:
        yield proxy
