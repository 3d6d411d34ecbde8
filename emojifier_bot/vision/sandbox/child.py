"""The process that decodes a stranger's pictures: it has nothing to steal.

It is started anew, not forked, without the settings and tokens of its parent, and talks
to nobody but the parent. Everything is loaded before it is locked down: what clips need
only where there is one, since it takes 70 MB and a third of a second.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from typing import Any

from PIL import _imaging

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.decode import decode
from emojifier_bot.vision.loaders import import_plugins
from emojifier_bot.vision.sandbox.clip import (
    CLIP,
    import_writers,
    serve_clip,
    with_plain_profile,
)
from emojifier_bot.vision.sandbox.lockdown import (
    allow_one_picture,
    lock_down,
    resident_bytes,
)
from emojifier_bot.vision.sandbox.protocol import (
    ChildLimits,
    error_values,
    picture_values,
    ready_values,
    receive_picture,
    send_header,
)

STDIN, STDERR = 0, 2


def main(connection: socket.socket, limits: ChildLimits) -> None:
    """Decode pictures until the parent is gone."""
    import_plugins()
    _serve(connection, limits)


def main_of_clips(connection: socket.socket, limits: ChildLimits) -> None:
    """Decode and encode clips until the parent is gone."""
    import_plugins()
    before = resident_bytes()
    import_writers()
    # A clip has so much less: with what it needs, no process is larger than others.
    _serve(connection, limits, resident_bytes() - before)


def _serve(
    connection: socket.socket, limits: ChildLimits, taken_bytes: int = 0
) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    status = lock_down(limits, taken_bytes)
    threading.Thread(target=end_with_parent, daemon=True).start()
    send_header(connection, ready_values(status))
    # Our own mistakes may be printed; what a stranger's bytes make it print may not.
    os.dup2(silence, STDERR)
    while (frame := receive_picture(connection)) is not None:
        data = receive_picture(connection)
        if data is None:
            return
        allow_one_picture(limits)
        if frame == CLIP:
            serve_clip(connection, data, limits)
        else:
            _serve_picture(connection, data, limits, **json.loads(frame))
        # Nothing that one picture took is missing for the next.
        del data
        _imaging.clear_cache()


def _serve_picture(
    connection: socket.socket, data: bytes, limits: ChildLimits, **asked: Any
) -> None:
    try:
        decoded = with_plain_profile(decode(data, limits.picture, **asked))
    except ImageError as error:
        send_header(connection, error_values(error))
        return
    send_header(connection, picture_values(decoded))
    connection.sendall(decoded.canvas.pixels.data.cast("B"))


def end_with_parent() -> None:
    """Wait until the other end of standard input is gone, then end this process."""
    os.read(STDIN, 1)
    os._exit(0)
