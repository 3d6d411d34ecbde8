"""What a decoder process and its parent exchange over one socket.

The parent sends what to decode, as JSON, and a picture: each its length and its bytes.
With a clip it goes on asking: `sandbox.clip`.
The child answers with a header, a length and JSON, and then with the pixels: four bytes
each, row by row from the top. Its first header says how well it is isolated.

The child's answers are validated like a stranger's: a hostile picture may have taken
the child over.
"""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Callable, Container
from dataclasses import asdict, dataclass, field
from typing import Any

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.canvas import RAW_MODES, new_canvas
from emojifier_bot.vision.clips.limits import ClipLimits
from emojifier_bot.vision.clips.types import ClipInfo
from emojifier_bot.vision.color import plain_profile
from emojifier_bot.vision.decode import (
    LEAST_DPI,
    MOST_DPI,
    DecodedImage,
    DecodeLimits,
)
from emojifier_bot.vision.depth import Discs
from emojifier_bot.vision.formats import ANIMATED, FORMATS, VIDEOS
from emojifier_bot.vision.jpeg import LARGEST_DIVISOR, SUBSAMPLINGS, JpegParameters
from emojifier_bot.vision.loaded import Density
from emojifier_bot.vision.loaders import MOST_FRAMES

#: A child decodes so many pictures, then a fresh one takes its place: what a library
#: leaks, or a hostile picture left behind, does not stay for long.
PICTURES_PER_CHILD = 100

_PICTURE_LENGTH = struct.Struct(">Q")
_HEADER_LENGTH = struct.Struct(">I")
#: A profile of three curves of 4096 points is the longest part of any header.
_MAX_HEADER_BYTES = 200_000

_FORMATS = frozenset(one.name for one in (*FORMATS, *VIDEOS))
_MOVING = frozenset((*ANIMATED, *(one.name for one in VIDEOS)))
_MOST_LOOPS = 2**32
_ERROR_KINDS = frozenset(
    {
        ErrorKind.BROKEN,
        ErrorKind.CLIP_TOO_LONG,
        ErrorKind.EMPTY,
        ErrorKind.NOT_AN_IMAGE,
        ErrorKind.OUTPUT_FORMAT,
        ErrorKind.TOO_LARGE,
        ErrorKind.TOO_MANY_PIXELS,
        ErrorKind.TRUNCATED,
        ErrorKind.UNSUPPORTED,
    }
)
_MAX_TABLES, _DIVISORS = 4, 64
_MAX_NOTES = 4
#: No links, no names, no marks that Slack would read.
_SENTENCES = re.compile(r"[\w .,:;%()\"'-]{1,300}", re.ASCII)


class ProtocolError(Exception):
    """The child sent something that no sound child sends."""


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What one picture may take; the system stops whoever takes more."""

    picture: DecodeLimits = field(default_factory=DecodeLimits)
    #: Of one process, on top of what it has when it starts; docs/security.md says how
    #: large a picture of each format may then be.
    memory_bytes: int = 550_000_000
    #: On the processor. A big picture takes 2 seconds where nothing else runs.
    cpu_seconds: int = 20
    #: By the clock, all in all.
    wall_seconds: float = 40.0
    clip: ClipLimits = field(default_factory=ClipLimits)
    #: For a clip, both on the processor and by the clock.
    clip_seconds: float = 300.0

    def to_json(self) -> str:
        """Return them as an argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ChildLimits:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        picture, clip = DecodeLimits(**values["picture"]), ClipLimits(**values["clip"])
        return cls(**{**values, "picture": picture, "clip": clip})


@dataclass(frozen=True, slots=True)
class IsolationStatus:
    """What the kernel enforces on a child, beside the limits."""

    #: The version of Landlock, 0 for none: ports are closed from 4 on, other processes
    #: from 6 on.
    landlock: int = 0
    #: Whether system calls are filtered.
    seccomp: bool = False


def send_picture(connection: socket.socket, data: bytes) -> None:
    """Send a file to the child."""
    connection.sendall(_PICTURE_LENGTH.pack(len(data)))
    connection.sendall(data)


def receive_picture(connection: socket.socket) -> bytes | None:
    """Wait for a file from the parent; ``None`` when the parent is gone."""
    try:
        head = connection.recv(_PICTURE_LENGTH.size, socket.MSG_WAITALL)
        if len(head) < _PICTURE_LENGTH.size:
            return None
        (length,) = _PICTURE_LENGTH.unpack(head)
        data = connection.recv(length, socket.MSG_WAITALL)
    except ConnectionResetError:
        # It went before it had read all that was sent.
        return None
    return data if len(data) == length else None


def send_header(connection: socket.socket, values: dict[str, Any]) -> None:
    """Send one header to the parent."""
    text = json.dumps(values).encode()
    connection.sendall(_HEADER_LENGTH.pack(len(text)) + text)


def receive_header(receive: Callable[[int], bytes]) -> dict[str, Any]:
    """Read one header from the child.

    Args:
        receive: Returns exactly so many bytes.

    Raises:
        ProtocolError: It is too long, or no JSON object.
    """
    (length,) = _HEADER_LENGTH.unpack(receive(_HEADER_LENGTH.size))
    if length > _MAX_HEADER_BYTES:
        raise ProtocolError
    try:
        values = json.loads(receive(length))
    except (ValueError, RecursionError) as error:
        raise ProtocolError from error
    if not isinstance(values, dict):
        raise ProtocolError
    return values


def ready_values(status: IsolationStatus) -> dict[str, Any]:
    """Return the header of a child that waits for its first picture."""
    return {"ready": asdict(status)}


def read_ready(values: dict[str, Any]) -> IsolationStatus:
    """Validate what `ready_values` made.

    Raises:
        ProtocolError: It makes no sense.
    """
    match values:
        case {"ready": {"landlock": int(version), "seccomp": bool(filtered)}}:
            return IsolationStatus(version, filtered)
    raise ProtocolError


def error_values(error: ImageError) -> dict[str, Any]:
    """Return the header that refuses a picture."""
    return {"error": error.kind, "message": error.message}


def picture_values(decoded: DecodedImage) -> dict[str, Any]:
    """Return the header of a decoded picture."""
    profile, jpeg = decoded.icc_profile, decoded.jpeg
    return {
        "mode": decoded.image.mode,
        "size": decoded.image.size,
        "format": decoded.source_format,
        "profile": profile and profile.hex(),
        "jpeg": jpeg and [jpeg.tables, jpeg.subsampling, jpeg.aligned],
        "lossless": decoded.lossless,
        "notes": decoded.notes,
        "source_bytes": decoded.source_bytes,
        "dpi": decoded.dpi,
        "frames": decoded.frames,
        "is_scaled": decoded.rescaled is not None,
    }


def read_picture(
    values: dict[str, Any],
    limits: DecodeLimits,
    frame: int = 0,
    rescaled: Callable[[Discs], DecodedImage] | None = None,
) -> DecodedImage:
    """Validate a picture's header; return the picture, whose pixels are to come.

    Raises:
        ImageError: The picture was refused.
        ProtocolError: It makes no sense.
    """
    try:
        if "error" in values:
            kind = ErrorKind(_one_of(_ERROR_KINDS, values["error"]))
            raise ImageError(_sentence(values["message"]), kind=kind)
        mode = _one_of(RAW_MODES, values["mode"])
        size_wh = _size(values["size"], limits)
        return DecodedImage(
            source_format=_one_of(_FORMATS, values["format"]),
            icc_profile=_profile(values["profile"]),
            jpeg=_jpeg(values["jpeg"]),
            lossless=_bool(values["lossless"]),
            notes=_notes(values["notes"]),
            source_bytes=_count(values["source_bytes"], limits.max_bytes, least=0),
            dpi=_density(values["dpi"]),
            frames=_count(values["frames"], MOST_FRAMES),
            rescaled=rescaled if _bool(values["is_scaled"]) else None,
            frame=frame,
            canvas=new_canvas(mode, size_wh),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError from error


def clip_values(info: ClipInfo) -> dict[str, Any]:
    """Return the header of an opened clip."""
    return {"clip": asdict(info)}


def read_clip(values: dict[str, Any], limits: ChildLimits) -> ClipInfo | None:
    """Validate the header of a clip; None says that the file is a picture.

    Raises:
        ImageError: The clip was refused.
        ProtocolError: It makes no sense.
    """
    if "error" in values:
        read_picture(values, limits.picture)
    try:
        if values["clip"] is None:
            return None
        stated = values["clip"]
        durations = stated["durations_ms"]
        most_ms = limits.clip.max_seconds * 1000
        _count(len(durations), limits.clip.max_frames)
        return ClipInfo(
            format=_one_of(_MOVING, stated["format"]),
            size_wh=_size(stated["size_wh"], limits.picture),
            durations_ms=tuple(_duration(one, most_ms) for one in durations),
            loops=_count(stated["loops"], _MOST_LOOPS, least=0),
            has_sound=_bool(stated["has_sound"]),
            notes=_notes(stated["notes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError from error


def _duration(value: Any, most: float) -> float:
    if type(value) in {int, float} and 0 <= value <= most:
        return float(value)
    raise ValueError


def _one_of(known: Container[str], value: Any) -> str:
    if isinstance(value, str) and value in known:
        return value
    raise ValueError


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _count(value: Any, most: int, least: int = 1) -> int:
    if type(value) is int and least <= value <= most:
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
    if not isinstance(value, list) or len(value) > _MAX_NOTES:
        raise ValueError
    return tuple(_sentence(note) for note in value)


def _density(value: Any) -> Density | None:
    if value is None:
        return None
    x, y = value
    if not all(type(one) is float and LEAST_DPI <= one <= MOST_DPI for one in (x, y)):
        raise ValueError
    return x, y


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
    _count(len(tables), _MAX_TABLES)
    if any(len(table) != _DIVISORS for table in tables):
        raise ValueError
    return JpegParameters(
        tables=tuple(
            tuple(_count(divisor, LARGEST_DIVISOR) for divisor in table)
            for table in tables
        ),
        subsampling=_one_of(SUBSAMPLINGS, subsampling),
        aligned=_bool(aligned),
    )
