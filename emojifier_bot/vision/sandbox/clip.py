"""The child's part of a clip, which it decodes and encodes for the parent.

The child sends a header, and waits. For each frame that the parent asks for it sends a
header and pixels; while the parent reads them it decodes the next one. When it encodes,
each frame comes back painted.
"""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from PIL import Image

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.clips.limits import check_result
from emojifier_bot.vision.clips.opening import open_clip
from emojifier_bot.vision.clips.types import Clip, Frame, Writing
from emojifier_bot.vision.color import plain_profile, to_srgb
from emojifier_bot.vision.decode import NO_LIMITS, DecodedImage, damage_named
from emojifier_bot.vision.formats import VIDEOS
from emojifier_bot.vision.sandbox.lockdown import allow_one_clip
from emojifier_bot.vision.sandbox.protocol import (
    ChildLimits,
    clip_values,
    error_values,
    picture_values,
    receive_picture,
    send_header,
)

_SMALL_WH, _GREEN = (16, 16), 255
#: In place of the number of a frame.
CLIP = b"clip"
#: What the parent asks for: the next frame of a pass, the end of it, a new file, the
#: end of all.
NEXT, STOP, WRITE, END = "next", "stop", "write", "end"


def import_writers() -> None:
    """Import what writes clips, for a process that can open no file later.

    Libraries import more when they are first used, so a small clip is written.
    """
    frames = [Image.new("RGB", _SMALL_WH, color) for color in ("red", "blue")]
    for name in ("GIF", "PNG"):
        buffer = io.BytesIO()
        frames[0].save(buffer, name, save_all=True, append_images=frames[1:])
        clip = open_clip(buffer.getvalue(), NO_LIMITS)
        # Without the extra for videos, they are refused.
        with suppress(ImageError):
            for other in (name, *(one.name for one in VIDEOS)):
                video = clip and clip.rewritten(_paint_green, Writing(other))
                again = video and open_clip(video, NO_LIMITS)
                if again:
                    again.rewritten(_paint_green)


def _paint_green(frame: Frame) -> None:
    frame.picture.canvas.pixels[:1] = (0, _GREEN, 0, _GREEN)


def serve_clip(connection: socket.socket, data: bytes, limits: ChildLimits) -> None:
    """Do in the child what the parent asks of a clip."""
    try:
        clip = open_clip(data, limits.picture, limits.clip, with_plain_profile)
        if clip is None:
            send_header(connection, {"clip": None})
            return
        allow_one_clip(limits)
        send_header(connection, clip_values(clip.info))
    except ImageError as error:
        send_header(connection, error_values(error))
        return
    asked = _asked(connection)
    while asked["do"] != END:
        if asked["do"] == NEXT:
            asked = _send_frames(connection, clip)
            continue
        if asked["do"] == WRITE:
            _send_file(connection, clip, asked, limits)
        asked = _asked(connection)


def _asked(connection: socket.socket) -> dict[str, Any]:
    message = receive_picture(connection)
    asked: dict[str, Any] = json.loads(message) if message else {"do": END}
    return asked


def _send_frames(connection: socket.socket, clip: Clip) -> dict[str, Any]:
    """Send frames as long as they are asked for; return what is asked for then.

    Each is decoded before it is asked for, but nothing is sent unasked, be it an
    error: the parent would take it for the answer to something else.
    """
    for number, one in enumerate(_to_the_end(clip.frames())):
        asked = _asked(connection) if number else {"do": NEXT}
        if asked["do"] != NEXT:
            return asked
        if isinstance(one, Frame):
            _send_frame(connection, one)
        else:
            send_header(connection, one)
    return _asked(connection)


def _to_the_end(frames: Iterator[Frame]) -> Iterator[Frame | dict[str, Any]]:
    """Yield frames, and the header that says how they ended."""
    try:
        yield from frames
    except ImageError as error:
        yield error_values(error)
    else:
        yield {"end": True}


def _send_frame(connection: socket.socket, frame: Frame) -> None:
    values = picture_values(frame.picture) | {"index": frame.index}
    send_header(connection, values)
    connection.sendall(frame.picture.canvas.pixels.data.cast("B"))


def _send_file(
    connection: socket.socket, clip: Clip, asked: dict[str, Any], limits: ChildLimits
) -> None:
    try:
        encoded = _write(connection, clip, asked)
        check_result(encoded, limits.clip)
    except ImageError as error:
        send_header(connection, error_values(error))
        return
    send_header(connection, {"length": len(encoded)})
    connection.sendall(encoded)


def _write(connection: socket.socket, clip: Clip, asked: dict[str, Any]) -> bytes:
    def paint(frame: Frame) -> None:
        _send_frame(connection, frame)
        pixels = frame.picture.canvas.pixels.data.cast("B")
        while pixels:
            received = connection.recv_into(pixels)
            if not received:
                raise EOFError
            pixels = pixels[received:]

    return clip.rewritten(paint, Writing(**asked["how"]))


def with_plain_profile(decoded: DecodedImage) -> DecodedImage:
    """Return the picture with a profile that the parent accepts, or in sRGB.

    Raises:
        ImageError: There is too little memory for that (``too_many_pixels``).
    """
    if decoded.icc_profile is None:
        return decoded
    plain = plain_profile(decoded.icc_profile)
    if plain is not None:
        return replace(decoded, icc_profile=plain)
    with damage_named(decoded.source_format):
        decoded.canvas.fill(to_srgb(decoded.image, decoded.icc_profile))
    return replace(decoded, icc_profile=None)
