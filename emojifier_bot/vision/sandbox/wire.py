"""What a decoder's process and its parent say to each other.

The parent asks in a fixed form, and passes descriptors of shared memory along. The
child answers in JSON; pixels stand in the shared memory. Whatever the child says is
checked here as if a stranger said it: a hostile picture may have taken the child over.
"""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Callable, Container
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.decode import DecodedImage, DecodeLimits
from emojifier_bot.vision.formats import FORMATS
from emojifier_bot.vision.jpeg import JpegParameters
from emojifier_bot.vision.plain_profile import plain_profile

#: Channels in shared memory, a byte each; RGB has one that means nothing.
BYTES_PER_PIXEL = 4
#: How Pillow calls the pixels in shared memory, by the picture's mode.
RAW_MODES = {"RGB": "RGBX", "RGBA": "RGBA"}

_QUESTION = struct.Struct(">B3Q")
_LENGTH = struct.Struct(">I")
#: A profile of three curves of 4096 points is the longest that anybody says.
_MOST_ANSWER_BYTES = 200_000

_FORMATS = frozenset(one.name for one in FORMATS)
_ERROR_KINDS = frozenset(
    {
        ErrorKind.BROKEN,
        ErrorKind.EMPTY,
        ErrorKind.NOT_AN_IMAGE,
        ErrorKind.TOO_LARGE,
        ErrorKind.TOO_MANY_PIXELS,
        ErrorKind.TRUNCATED,
        ErrorKind.UNSUPPORTED,
    }
)
_SUBSAMPLINGS = frozenset({"4:4:4", "4:2:2", "4:2:0"})
_MOST_TABLES, _DIVISORS, _LARGEST_DIVISOR = 4, 64, 255
_MOST_NOTES = 4
#: No links, no names, no marks that Slack would read.
_SENTENCES = re.compile(r"[\w .,:;%()\"'-]{1,300}", re.ASCII)


class Ask(IntEnum):
    """What the parent wants."""

    #: Use this memory from now on; its descriptor comes along, and its size.
    MEMORY = 1
    #: Decode the picture in the memory; so many bytes long.
    DECODE = 2
    #: From this row on, put so many rows of the picture into the memory, at this place.
    PIXELS = 3


class WrongAnswerError(Exception):
    """The child said something that no sound child says."""


@dataclass(frozen=True, slots=True)
class Walls:
    """Which of the kernel's walls stand around a child."""

    #: The version of Landlock, 0 for none: ports are closed from 4 on, other processes
    #: from 6 on.
    landlock: int = 0
    #: Whether system calls are filtered.
    seccomp: bool = False


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """All that is told of a decoded picture beside its pixels."""

    mode: str
    size_wh: tuple[int, int]
    source_format: str
    icc_profile: bytes | None
    jpeg: JpegParameters | None
    lossless: bool
    notes: tuple[str, ...]

    @property
    def row_bytes(self) -> int:
        """Return how much memory a row of pixels takes."""
        return self.size_wh[0] * BYTES_PER_PIXEL


def ask(
    connection: socket.socket, what: Ask, *numbers: int, descriptor: int | None = None
) -> None:
    """Send one question of up to three numbers."""
    descriptors = [] if descriptor is None else [descriptor]
    question = _QUESTION.pack(what, *numbers, *(0,) * (3 - len(numbers)))
    socket.send_fds(connection, [question], descriptors)


def next_question(
    connection: socket.socket,
) -> tuple[Ask, tuple[int, ...], list[int]] | None:
    """Wait for a question; ``None`` when the parent is gone."""
    data, descriptors, *_ = socket.recv_fds(connection, _QUESTION.size, 1)
    if len(data) < _QUESTION.size:
        return None
    what, *numbers = _QUESTION.unpack(data)
    return Ask(what), tuple(numbers), descriptors


def answer(connection: socket.socket, values: dict[str, Any]) -> None:
    """Send one answer."""
    text = json.dumps(values).encode()
    connection.sendall(_LENGTH.pack(len(text)) + text)


def read_answer(receive: Callable[[int], bytes]) -> dict[str, Any]:
    """Read one answer.

    Args:
        receive: Returns exactly so many bytes.

    Raises:
        WrongAnswerError: It is too long, or no JSON object.
    """
    (length,) = _LENGTH.unpack(receive(_LENGTH.size))
    if length > _MOST_ANSWER_BYTES:
        raise WrongAnswerError
    try:
        values = json.loads(receive(length))
    except (ValueError, RecursionError) as error:
        raise WrongAnswerError from error
    if not isinstance(values, dict):
        raise WrongAnswerError
    return values


def ready_values(walls: Walls) -> dict[str, Any]:
    """Return the answer of a child that waits for its first picture."""
    return {"ready": asdict(walls)}


def read_ready(values: dict[str, Any]) -> Walls:
    """Read what `ready_values` said.

    Raises:
        WrongAnswerError: It makes no sense.
    """
    match values:
        case {"ready": {"landlock": int(version), "seccomp": bool(filtered)}}:
            return Walls(version, filtered)
    raise WrongAnswerError


def error_values(error: ImageError) -> dict[str, Any]:
    """Return an answer that refuses a picture."""
    return {"error": error.kind, "message": error.message}


def picture_values(decoded: DecodedImage) -> dict[str, Any]:
    """Return an answer that describes a picture."""
    profile, jpeg = decoded.icc_profile, decoded.jpeg
    return {
        "mode": decoded.image.mode,
        "size": decoded.image.size,
        "format": decoded.source_format,
        "profile": profile and profile.hex(),
        "jpeg": jpeg and [jpeg.tables, jpeg.subsampling, jpeg.aligned],
        "lossless": decoded.lossless,
        "notes": decoded.notes,
    }


def read_picture(values: dict[str, Any], limits: DecodeLimits) -> PictureFacts:
    """Check what was said about a picture.

    Raises:
        ImageError: The picture was refused.
        WrongAnswerError: It makes no sense.
    """
    try:
        if "error" in values:
            raise _refusal(values)
        return PictureFacts(
            mode=_one_of(RAW_MODES, values["mode"]),
            size_wh=_size(values["size"], limits),
            source_format=_one_of(_FORMATS, values["format"]),
            icc_profile=_profile(values["profile"]),
            jpeg=_jpeg(values["jpeg"]),
            lossless=_true_or_false(values["lossless"]),
            notes=_notes(values["notes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WrongAnswerError from error


def _refusal(values: dict[str, Any]) -> ImageError:
    return ImageError(
        _sentence(values["message"]),
        kind=ErrorKind(_one_of(_ERROR_KINDS, values["error"])),
    )


def _one_of(known: Container[str], value: Any) -> str:
    if value in known and isinstance(value, str):
        return value
    raise ValueError


def _true_or_false(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _count(value: Any, most: int) -> int:
    if type(value) is int and 1 <= value <= most:
        return value
    raise ValueError


def _size(value: Any, limits: DecodeLimits) -> tuple[int, int]:
    width, height = (_count(side, limits.max_pixels) for side in value)
    _count(width * height, limits.max_pixels)
    return width, height


def _sentence(value: Any) -> str:
    if _SENTENCES.fullmatch(value):
        return str(value)
    raise ValueError


def _notes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST_NOTES:
        raise ValueError
    return tuple(_sentence(note) for note in value)


def _profile(value: Any) -> bytes | None:
    if value is None:
        return None
    profile = bytes.fromhex(value)
    if plain_profile(profile) != profile:
        raise ValueError
    return profile


def _jpeg(value: Any) -> JpegParameters | None:
    if value is None:
        return None
    tables, subsampling, aligned = value
    _count(len(tables), _MOST_TABLES)
    if any(len(table) != _DIVISORS for table in tables):
        raise ValueError
    return JpegParameters(
        tables=tuple(
            tuple(_count(divisor, _LARGEST_DIVISOR) for divisor in table)
            for table in tables
        ),
        subsampling=_one_of(_SUBSAMPLINGS, subsampling),
        aligned=_true_or_false(aligned),
    )
