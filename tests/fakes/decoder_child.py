"""Decoder processes that go wrong: each name in `WRONG` is a whole child."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

from emojifier_bot.vision.sandbox.child import STDERR, end_with_parent
from emojifier_bot.vision.sandbox.lockdown import allow_one_picture, lock_down
from emojifier_bot.vision.sandbox.protocol import (
    ChildLimits,
    ready_values,
    receive_picture,
    send_header,
)

#: Must never be there.
WRITTEN = Path("/tmp/written-by-a-decoder")
HEADER: dict[str, object] = {
    "mode": "RGB",
    "size": [8, 8],
    "format": "PNG",
    "profile": None,
    "jpeg": None,
    "lossless": True,
    "notes": [],
    "source_bytes": 0,
    "dpi": None,
    "frames": 1,
    "is_scaled": False,
}
PIXELS = bytes(8 * 8 * 4)

Header = dict[str, object]
Child = Callable[[socket.socket, ChildLimits], None]
Work = Callable[[socket.socket], object]


def __getattr__(name: str) -> Child:
    """Return a child that does as the real one does until a picture comes."""
    if name not in WRONG:
        raise AttributeError(name)
    work = WRONG[name]

    def child(connection: socket.socket, limits: ChildLimits) -> None:
        silence = os.open(os.devnull, os.O_WRONLY)
        status = lock_down(limits)
        os.dup2(silence, STDERR)
        threading.Thread(target=end_with_parent, daemon=True).start()
        send_header(connection, ready_values(status))
        while receive_picture(connection) and receive_picture(connection):
            allow_one_picture(limits)
            work(connection)

    return child


def does_not_start(_: socket.socket, __: ChildLimits) -> None:
    raise SystemExit(3)


def is_not_ready(connection: socket.socket, _: ChildLimits) -> None:
    send_header(connection, {"ready": "perhaps"})
    time.sleep(60)


def reads_no_picture(connection: socket.socket, limits: ChildLimits) -> None:
    send_header(connection, ready_values(lock_down(limits)))
    time.sleep(600)


def _spin(_: socket.socket) -> None:
    while True:
        pass


def _close(connection: socket.socket) -> None:
    connection.close()
    time.sleep(600)


def always_further(connection: socket.socket, _: ChildLimits) -> None:
    """Be a process for pictures that is a little further each time, never done."""
    receive_picture(connection)
    send_header(connection, {"ready": True})
    receive_picture(connection)
    receive_picture(connection)
    for done in range(2000):
        send_header(connection, {"progress": [done, 2000]})
        time.sleep(0.01)


def _drip(connection: socket.socket) -> None:
    for byte in struct.pack(">I", 100_000) + b" " * 99_999:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def _send(connection: socket.socket, header: Header, pixels: bytes = b"") -> None:
    send_header(connection, header)
    connection.sendall(pixels)


def _half_the_pixels(connection: socket.socket) -> None:
    _send(connection, HEADER, PIXELS[: len(PIXELS) // 2])
    os._exit(0)


def _half_a_header(connection: socket.socket) -> None:
    text = json.dumps(HEADER).encode()
    connection.sendall(struct.pack(">I", len(text)) + text[:40])
    os.kill(os.getpid(), signal.SIGKILL)


def _try_everything(connection: socket.socket) -> None:
    """Try what a child that was taken over would; the "error" tells how it went."""
    results = [f"{name} {_errno(attempt)}" for name, attempt in ATTEMPTS.items()]
    results.append(f"knows {' '.join(sorted(os.environ))}")
    send_header(connection, {"error": "broken", "message": ", ".join(results)})


def _errno(attempt: Callable[[], object]) -> int:
    """Return the system's number for how it was refused; 0 if it was done."""
    try:
        attempt()
    except OSError as error:
        return error.errno or -1
    return 0


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _unshare() -> None:
    # Python has it from 3.12 on.
    if ctypes.CDLL(None, use_errno=True).unshare(0):
        raise OSError(ctypes.get_errno(), "refused")


def _dial(kind: socket.SocketKind) -> None:
    with socket.socket(type=kind) as line:
        line.connect(("127.0.0.1", 9))


WRONG: dict[str, Work] = {
    "segfaults": lambda _: ctypes.string_at(0),
    "aborts": lambda _: os.abort(),
    "raises": lambda _: 1 / 0,
    "eats_memory": lambda _: [bytearray(2**24) for _ in range(999)],
    "spins": _spin,
    "sleeps": lambda _: time.sleep(600),
    "stops": lambda _: os.kill(os.getpid(), signal.SIGSTOP),
    "closes": _close,
    "talks_nonsense": lambda connection: connection.sendall(b"nonsense" * 50),
    "never_stops_talking": _drip,
    "lies_about_the_size": lambda connection: _send(
        connection, {**HEADER, "size": [10**9, 10**9]}
    ),
    "gives_no_pixels": lambda connection: _send(connection, HEADER),
    "gives_half_the_pixels": _half_the_pixels,
    "gives_too_many_pixels": lambda connection: _send(
        connection, HEADER, PIXELS + bytes(99)
    ),
    "is_killed_mid_answer": _half_a_header,
    "tries_everything": _try_everything,
}
ATTEMPTS: dict[str, Callable[[], object]] = {
    "read": lambda: Path("/etc/passwd").read_bytes(),
    "write": lambda: WRITTEN.write_bytes(b"x"),
    "spy": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "dial": lambda: _dial(socket.SOCK_STREAM),
    "send": lambda: _dial(socket.SOCK_DGRAM),
    "signal": lambda: os.kill(os.getppid(), 0),
    "own": lambda: fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid()),
    "fork": _fork,
    "limit": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0)),
    "niceness": lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
    "pin": lambda: os.sched_setaffinity(os.getppid(), {0}),
    "cut": lambda: os.truncate(WRITTEN, 0),
    "mode": lambda: WRITTEN.chmod(0),
    "time": lambda: os.utime(WRITTEN),
    "label": lambda: os.setxattr(WRITTEN, "user.x", b"x"),
    "unshare": _unshare,
    "run": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - refused
    "open": lambda: [os.dup(0) for _ in range(50)],
}
