"""The real server on localhost: threads, large bodies, and how it ends."""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from flask import Flask, request

from emojifier_bot.errors import ConfigError
from emojifier_bot.web import server as server_module
from emojifier_bot.web.app import SECURITY_HEADERS
from emojifier_bot.web.server import CROWDED_FROM, WebServer
from emojifier_bot.web.slack_requests import MAX_BODY_BYTES
from tests.threads import PATIENCE_SECONDS, in_thread, wait_until

#: More than the system takes at once, less than waitress writes to a file.
LONG_BYTES = 900_000
#: More than the system takes at all for a client that does not read.
HUGE_BYTES = 20_000_000
PROGRAM = """
import time
from flask import Flask
from emojifier_bot.web import server as server_module
from emojifier_bot.web.server import WebServer

server_module.GRACE_SECONDS = 60.0

app = Flask("slow")

@app.get("/")
def slow():
    print("asked", flush=True)
    time.sleep(0.7)
    return "done"

server = WebServer(app, host="127.0.0.1", port=0, threads=1)
print(server.port, flush=True)
server.run_until_signal()
print("ended", flush=True)
"""


@pytest.fixture
def free():
    """Return what ends the requests that are held."""
    return threading.Event()


@pytest.fixture
def app(tmp_path, free):
    app = Flask("trial", static_url_path="/static", static_folder=tmp_path)
    (tmp_path / "picture").write_bytes(b"x" * 50_000)
    four = threading.Barrier(4)

    @app.get("/together")
    def together():
        four.wait(PATIENCE_SECONDS)
        return "done"

    @app.get("/held")
    def held():
        assert free.wait(PATIENCE_SECONDS)
        return "done"

    @app.get("/slow")
    def slow():
        time.sleep(0.3)
        return "done"

    @app.get("/long")
    def long():
        return b"x" * LONG_BYTES

    @app.get("/huge")
    def huge():
        return b"x" * HUGE_BYTES

    @app.post("/size")
    def size():
        return str(len(request.get_data()))

    return app


@contextlib.contextmanager
def serving(app, threads=4):
    server = WebServer(app, host="127.0.0.1", port=0, threads=threads)
    with in_thread(server.run, server.stop):
        yield server


@pytest.fixture
def running(app):
    with serving(app) as server:
        yield server


def url(server: WebServer, path: str) -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def patiently(address: str) -> requests.Response:
    return requests.get(address, timeout=PATIENCE_SECONDS)


def test_requests_are_answered_side_by_side(running):
    addresses = [url(running, "/together")] * 4
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(patiently, addresses))

    # None is answered before all four are there.
    assert [one.text for one in answers] == ["done"] * 4
    assert "Server" not in answers[0].headers


def test_a_body_as_large_as_the_guard_allows(running):
    body = b"x" * MAX_BODY_BYTES

    answer = requests.post(url(running, "/size"), data=body, timeout=PATIENCE_SECONDS)

    assert answer.text == str(MAX_BODY_BYTES)


def test_a_body_without_end_is_refused(running):
    answer = requests.post(
        url(running, "/size"),
        data=iter([b"x" * 100_000] * 50),
        timeout=PATIENCE_SECONDS,
    )

    assert answer.status_code == 413


def test_what_is_under_way_is_finished(app, free, monkeypatch):
    monkeypatch.setattr(server_module, "GRACE_SECONDS", PATIENCE_SECONDS)
    with serving(app, threads=1) as server, ThreadPoolExecutor(4) as pool:
        port, asked, waiting = server.port, server._server.active_channels, []
        # The long one comes last: before the held ones, it would end at once.
        for path, count in (("/held", 1), ("/held", 2), ("/long", 3)):
            waiting.append(pool.submit(patiently, url(server, path)))
            wait_until(
                lambda count=count: (
                    sum(bool(one.requests) for one in [*asked.values()]) == count
                )
            )
        server.stop()
        wait_until(lambda: not server._server.accepting)
        free.set()
        answers = [one.result() for one in waiting]

    assert [len(one.content) for one in answers] == [4, 4, LONG_BYTES]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_gently(number):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True
    ) as process:
        port = int(process.stdout.readline())
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(patiently, f"http://127.0.0.1:{port}/")
            assert process.stdout.readline() == "asked\n"
            process.send_signal(number)
            assert waiting.result().text == "done"
        assert process.stdout.read() == "ended\n"
        assert process.wait(PATIENCE_SECONDS) == 0


def test_a_port_that_somebody_has(running, app):
    with pytest.raises(ConfigError, match=r"in use.*--port"):
        WebServer(app, host="127.0.0.1", port=running.port, threads=1)


@pytest.fixture
def hasty(app, monkeypatch):
    """Run a server that soon cuts off who is slow."""
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 1)
    monkeypatch.setattr(server_module, "SWEEP_SECONDS", 0.2)
    with serving(app) as server:
        yield server


def drip(server: WebServer, data: bytes) -> bytes:
    """Send byte after byte until nobody takes them; return what was answered."""
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=PATIENCE_SECONDS) as sock:
        with contextlib.suppress(ConnectionError):
            for number in itertools.islice(itertools.cycle(data), 1200):
                sock.sendall(bytes([number]))
                time.sleep(0.05)
            pytest.fail("it listened for a minute")
        with contextlib.suppress(ConnectionError):
            return sock.recv(100)
    return b""


def is_answered(server: WebServer) -> bool:
    """Tell whether somebody is answered whom a busy machine did not make too slow."""
    with contextlib.suppress(requests.ConnectionError):
        return patiently(url(server, "/slow")).text == "done"
    return False


@pytest.mark.parametrize(
    "head",
    [b"", b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"],
    ids=["head", "body"],
)
def test_who_sends_drop_by_drop_is_cut_off(hasty, head):
    assert drip(hasty, head + b"X" * 5000) == b""
    wait_until(lambda: is_answered(hasty))


@pytest.mark.parametrize("silent", [200, CROWDED_FROM + 50])
def test_who_says_nothing_keeps_nobody_out(running, silent):
    with contextlib.ExitStack() as stack:
        for _ in range(silent):
            address = ("127.0.0.1", running.port)
            stack.enter_context(
                socket.create_connection(address, timeout=PATIENCE_SECONDS)
            )

        assert (
            requests.get(url(running, "/slow"), timeout=PATIENCE_SECONDS).text == "done"
        )


def ask(stack: contextlib.ExitStack, server: WebServer, path: str, times: int = 1):
    """Send requests in one go, and read nothing."""
    sock = stack.enter_context(socket.socket())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", server.port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * times)
    return sock


def test_who_reads_nothing_is_cut_off(hasty):
    with contextlib.ExitStack() as stack:
        sockets = [ask(stack, hasty, "/huge") for _ in range(8)]

        # Twice as many as there are threads: none of them waits for a reader.
        wait_until(lambda: is_answered(hasty))
        wait_until(lambda: not hasty._server.active_channels)
        assert len(sockets) == 8


def test_who_asks_hundreds_of_times_at_once_is_cut_off(running):
    descriptors = Path("/proc/self/fd")
    before = len([*descriptors.iterdir()])
    with contextlib.ExitStack() as stack:
        sockets = [ask(stack, running, "/static/picture", 200) for _ in range(20)]
        time.sleep(1)

        # A socket here, one there, and an answer's file.
        assert len([*descriptors.iterdir()]) - before <= 3 * len(sockets)
        assert (
            requests.get(url(running, "/slow"), timeout=PATIENCE_SECONDS).text == "done"
        )


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"swordfish\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: swordfish\r\n\r\n", b"501"),
        (b"GET / HTTP/1.1\r\nX: " + b"swordfish" * 9999 + b"\r\n\r\n", b"431"),
    ],
)
def test_what_is_no_http_is_answered_safely(running, request_, status):
    with socket.create_connection(
        ("127.0.0.1", running.port), timeout=PATIENCE_SECONDS
    ) as sock:
        sock.sendall(request_)
        answer = sock.recv(10_000)

    assert answer.split()[1] == status
    assert b"swordfish" not in answer
    for name, value in SECURITY_HEADERS.items():
        assert f"{name}: {value}".encode() in answer
