"""The process that decodes a stranger's pictures: it has nothing to steal.

It is started anew, not forked, without the settings and tokens of its parent, and talks
to nobody but the parent. Everything is loaded before it is locked down.
"""

from __future__ import annotations

import mmap
import os
import socket
import threading
from dataclasses import replace

from PIL import Image

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.color import to_srgb
from emojifier_bot.vision.decode import DecodedImage, decode
from emojifier_bot.vision.loaders import import_plugins
from emojifier_bot.vision.plain_profile import plain_profile
from emojifier_bot.vision.sandbox.limits import ChildLimits
from emojifier_bot.vision.sandbox.lockdown import allow_one_picture, lock_down
from emojifier_bot.vision.sandbox.memory import map_memory
from emojifier_bot.vision.sandbox.wire import (
    RAW_MODES,
    Ask,
    answer,
    error_values,
    next_question,
    picture_values,
    ready_values,
)

STDIN, STDERR = 0, 2
#: Rows are copied in strips that the processor's cache holds.
_STRIP_PX = 131_072


def main(connection: socket.socket, limits: ChildLimits) -> None:
    """Decode pictures until the parent is gone."""
    import_plugins()
    silence = os.open(os.devnull, os.O_WRONLY)
    walls = lock_down(limits)
    threading.Thread(target=end_with_parent, daemon=True).start()
    answer(connection, ready_values(walls))
    # Until here a mistake is to be seen; from here on a stranger's bytes could speak.
    os.dup2(silence, STDERR)
    _Decoder(connection, limits).serve()


def end_with_parent() -> None:
    """Wait until the other end of standard input is gone, then end this process."""
    os.read(STDIN, 1)
    os._exit(0)


class _Decoder:
    def __init__(self, connection: socket.socket, limits: ChildLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._image = Image.new("RGB", (1, 1))

    def serve(self) -> None:
        while (question := next_question(self._connection)) is not None:
            what, numbers, descriptors = question
            if what is Ask.MEMORY:
                self._use(map_memory(descriptors[0], numbers[0]))
            elif what is Ask.DECODE:
                self._decode(numbers[0])
            else:
                self._write_pixels(*numbers)

    def _use(self, memory: mmap.mmap) -> None:
        self._memory.close()
        self._memory = memory

    def _decode(self, length: int) -> None:
        allow_one_picture(self._limits)
        try:
            decoded = decode(self._memory[:length], self._limits.picture)
        except ImageError as error:
            answer(self._connection, error_values(error))
            return
        decoded = with_plain_profile(decoded)
        self._image = decoded.image
        answer(self._connection, picture_values(decoded))

    def _write_pixels(self, top: int, rows: int, place: int) -> None:
        self._memory.seek(place)
        write_pixels(self._image, range(top, top + rows), self._memory)
        if top + rows == self._image.height:
            self._image = Image.new("RGB", (1, 1))
        answer(self._connection, {"done": top})


def with_plain_profile(decoded: DecodedImage) -> DecodedImage:
    """Return the picture with a profile that the parent accepts, or in sRGB."""
    if decoded.icc_profile is None:
        return decoded
    plain = plain_profile(decoded.icc_profile)
    if plain is not None:
        return replace(decoded, icc_profile=plain)
    image = to_srgb(decoded.image, decoded.icc_profile)
    return replace(decoded, image=image, icc_profile=None)


def write_pixels(image: Image.Image, rows: range, memory: mmap.mmap) -> None:
    """Copy rows of a picture into shared memory, four bytes each pixel."""
    step = max(_STRIP_PX // image.width, 1)
    for top in rows[::step]:
        strip = image.crop((0, top, image.width, min(top + step, rows.stop)))
        memory.write(strip.tobytes("raw", RAW_MODES[image.mode]))
