"""Decoder's processes that go wrong: each is a whole child, run in a real process."""

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
WRITTEN = Path("/tmp/written-by-a-decoder")  # noqa: S108 - refused
FACTS = {
    "mode": "RGB",
    "size": [8, 8],
    "format": "PNG",
    "profile": None,
    "jpeg": None,
    "lossless": True,
    "notes": [],
}


def _child(
    connection: socket.socket, limits: ChildLimits, work: Callable[[], object]
) -> None:
    """Do as the real one does until a picture comes."""
    silence = os.open(os.devnull, os.O_WRONLY)
    status = lock_down(limits)
    os.dup2(silence, STDERR)
    threading.Thread(target=end_with_parent, daemon=True).start()
    send_header(connection, ready_values(status))
    while receive_picture(connection) is not None:
        allow_one_picture(limits)
        work()


def does_not_start(_: socket.socket, __: ChildLimits) -> None:
    raise SystemExit(3)


def is_not_ready(connection: socket.socket, _: ChildLimits) -> None:
    send_header(connection, {"ready": "perhaps"})
    time.sleep(60)


def segfaults(connection: socket.socket, limits: ChildLimits) -> None:
    _child(connection, limits, lambda: ctypes.string_at(0))


def aborts(connection: socket.socket, limits: ChildLimits) -> None:
    _child(connection, limits, os.abort)


def raises(connection: socket.socket, limits: ChildLimits) -> None:
    _child(connection, limits, lambda: 1 / 0)


def eats_memory(connection: socket.socket, limits: ChildLimits) -> None:
    _child(connection, limits, lambda: [bytearray(2**24) for _ in range(999)])


def spins(connection: socket.socket, limits: ChildLimits) -> None:
    def spin() -> None:
        while True:
            pass

    _child(connection, limits, spin)


def sleeps(connection: socket.socket, limits: ChildLimits) -> None:
    _child(connection, limits, lambda: time.sleep(600))


def stops(connection: socket.socket, limits: ChildLimits) -> None:
    _child(connection, limits, lambda: os.kill(os.getpid(), signal.SIGSTOP))


def closes(connection: socket.socket, limits: ChildLimits) -> None:
    def close() -> None:
        connection.close()
        time.sleep(600)

    _child(connection, limits, close)


def talks_nonsense(connection: socket.socket, limits: ChildLimits) -> None:
    _child(connection, limits, lambda: connection.sendall(b"nonsense" * 50))


def never_stops_talking(connection: socket.socket, limits: ChildLimits) -> None:
    long = struct.pack(">I", 100_000) + b" " * 99_999

    def drip() -> None:
        for start in range(len(long)):
            connection.sendall(long[start : start + 1])
            time.sleep(0.05)

    _child(connection, limits, drip)


def lies_about_the_size(connection: socket.socket, limits: ChildLimits) -> None:
    lie = {**FACTS, "size": [10**9, 10**9]}
    _child(connection, limits, lambda: send_header(connection, lie))


def gives_no_pixels(connection: socket.socket, limits: ChildLimits) -> None:
    _child(connection, limits, lambda: send_header(connection, FACTS))


def gives_half_the_pixels(connection: socket.socket, limits: ChildLimits) -> None:
    def half() -> None:
        send_header(connection, FACTS)
        connection.sendall(bytes(8 * 4 * 4))
        os._exit(0)

    _child(connection, limits, half)


def gives_too_many_pixels(connection: socket.socket, limits: ChildLimits) -> None:
    def more() -> None:
        send_header(connection, FACTS)
        connection.sendall(bytes(8 * 8 * 4 + 99))

    _child(connection, limits, more)


def reads_no_picture(connection: socket.socket, limits: ChildLimits) -> None:
    send_header(connection, ready_values(lock_down(limits)))
    time.sleep(600)


def is_killed_mid_answer(connection: socket.socket, limits: ChildLimits) -> None:
    text = json.dumps(FACTS).encode()

    def half() -> None:
        connection.sendall(struct.pack(">I", len(text)) + text[:40])
        os.kill(os.getpid(), signal.SIGKILL)

    _child(connection, limits, half)


def tries_everything(connection: socket.socket, limits: ChildLimits) -> None:
    """Try what a child that was taken over would; the "error" tells how it went."""

    def tried() -> None:
        told = [f"{name} {_outcome(work)}" for name, work in ATTEMPTS.items()]
        told.append(f"knows {' '.join(sorted(os.environ))}")
        send_header(connection, {"error": "broken", "message": ", ".join(told)})

    _child(connection, limits, tried)


def _outcome(work: Callable[[], object]) -> int:
    """Return the system's number for how it was refused; 0 if it was done."""
    try:
        work()
    except OSError as error:
        return error.errno or -1
    return 0


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _write() -> None:
    WRITTEN.write_bytes(b"x")


def _dial(kind: socket.SocketKind) -> None:
    with socket.socket(type=kind) as line:
        line.connect(("127.0.0.1", 9))


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read": lambda: Path("/etc/passwd").read_bytes(),
    "write": _write,
    "spy": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "dial": lambda: _dial(socket.SOCK_STREAM),
    "send": lambda: _dial(socket.SOCK_DGRAM),
    "signal": lambda: os.kill(os.getppid(), 0),
    "own": lambda: fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid()),
    "fork": _fork,
    "limit": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0)),
    "niceness": lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
    "pin": lambda: os.sched_setaffinity(os.getppid(), {0}),
    "run": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - refused
    "open": lambda: [os.dup(0) for _ in range(50)],
}
