"""What the sequence header of an AV1 stream says of its frames (AV1, 5.5)."""

from __future__ import annotations

from dataclasses import dataclass

#: Of the units that a stream is made of (OBUs): the type of a sequence header.
_SEQUENCE_HEADER = 1
#: A length has seven bits a byte, eight bytes at most.
_LENGTH_BITS, _LENGTH_BYTES = 7, 8
#: Units before a picture's own data; a sequence header is the first or the second.
_MOST_UNITS = 8
#: A tier follows higher levels.
_LAST_LEVEL_WITHOUT_TIER = 7
_MONOCHROME_NEVER, _TWELVE_BITS_MAYBE = 1, 2
#: Primaries or a transfer function that nobody states.
_UNSPECIFIED = 2


@dataclass(frozen=True, slots=True)
class SequenceHeader:
    """Colours of a stream, and the largest frame that it may have."""

    size_wh: tuple[int, int]
    #: Per channel.
    bits: int
    #: Numbers of colour primaries and of a transfer function; ``None`` where unsaid.
    codes: tuple[int, int] | None


class _Bits:
    """Reads numbers of any width, the highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._number, self._left = int.from_bytes(data), 8 * len(data)

    def read(self, width: int = 1) -> int:
        """Return the next number.

        Raises:
            IndexError: There are fewer bits.
        """
        self._left -= width
        if self._left < 0:
            raise IndexError
        return self._number >> self._left & (1 << width) - 1

    def read_uvlc(self) -> int:
        """Return a number whose width is told by zeros before it."""
        zeros = 0
        while not self.read():
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)


def sequence_header(stream: bytes) -> SequenceHeader | None:
    """Read the first sequence header of a stream; None where there is none.

    Raises:
        IndexError: It is cut off.
    """
    start = 0
    for _ in range(_MOST_UNITS):
        head = stream[start]
        has_extension, has_length = head >> 2 & 1, head >> 1 & 1
        start += 1 + has_extension
        length, start = _length(stream, start) if has_length else (None, start)
        end = len(stream) if length is None else start + length
        if head >> 3 & 0xF == _SEQUENCE_HEADER:
            return _read_header(_Bits(stream[start:end]))
        start = end
    return None


def _length(stream: bytes, start: int) -> tuple[int, int]:
    length = 0
    for index in range(_LENGTH_BYTES):
        byte = stream[start + index]
        length |= (byte & 0x7F) << _LENGTH_BITS * index
        if byte < 1 << _LENGTH_BITS:
            break
    return length, start + index + 1


def _read_header(bits: _Bits) -> SequenceHeader:
    profile, _is_still, is_reduced = bits.read(3), bits.read(), bits.read()
    if is_reduced:
        bits.read(5)
    else:
        _skip_operating_points(bits)
    width, height = bits.read(4) + 1, bits.read(4) + 1
    size_wh = bits.read(width) + 1, bits.read(height) + 1
    if not is_reduced and bits.read():
        bits.read(4 + 3)
    # Superblocks, and two filters within a frame.
    bits.read(3)
    if not is_reduced:
        _skip_tools_between_frames(bits)
    # Super resolution, and two filters behind the decoder.
    bits.read(3)
    return _read_colors(bits, profile, size_wh)


def _skip_operating_points(bits: _Bits) -> None:
    has_model = delay_bits = 0
    if bits.read():
        bits.read(32 + 32)
        if bits.read():
            bits.read_uvlc()
        has_model = bits.read()
        if has_model:
            delay_bits = bits.read(5) + 1
            bits.read(32 + 5 + 5)
    has_display_delay = bits.read()
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > _LAST_LEVEL_WITHOUT_TIER:
            bits.read()
        if has_model and bits.read():
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.read():
            bits.read(4)


def _skip_tools_between_frames(bits: _Bits) -> None:
    # Four tools of prediction.
    bits.read(4)
    has_order = bits.read()
    if has_order:
        bits.read(2)
    # Whether each frame chooses; if not, what holds for all.
    screen_tools = bits.read() or bits.read()
    if screen_tools and not bits.read():
        bits.read()
    if has_order:
        bits.read(3)


def _read_colors(bits: _Bits, profile: int, size_wh: tuple[int, int]) -> SequenceHeader:
    depth = 8 + 2 * bits.read()
    if profile == _TWELVE_BITS_MAYBE and depth > 8:  # noqa: PLR2004 - the usual depth
        depth += 2 * bits.read()
    if profile != _MONOCHROME_NEVER:
        bits.read()
    if not bits.read():
        return SequenceHeader(size_wh, depth, None)
    codes = (bits.read(8), bits.read(8))
    said = None if set(codes) == {_UNSPECIFIED} else codes
    return SequenceHeader(size_wh, depth, said)
