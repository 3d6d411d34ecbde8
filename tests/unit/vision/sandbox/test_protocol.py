import json
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.app import make_isolated_decoder
from emojifier_bot.config import load_settings
from emojifier_bot.errors import ImageError
from emojifier_bot.vision.clips.types import ClipInfo
from emojifier_bot.vision.decode import DecodeLimits, decode
from emojifier_bot.vision.sandbox.process import IsolatedClip
from emojifier_bot.vision.sandbox.protocol import (
    ChildLimits,
    IsolationStatus,
    ProtocolError,
    error_values,
    picture_values,
    read_picture,
    read_ready,
    ready_values,
    receive_header,
    receive_picture,
)
from tests import profiles
from tests.images import encoded, photo

LIMITS = DecodeLimits(max_pixels=100_000)
SOUND = json.loads(json.dumps(picture_values(decode(encoded(photo(), "JPEG")))))


def framed(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def reader(data: bytes):
    left = bytearray(data)

    def receive(length: int) -> bytes:
        if len(left) < length:
            raise EOFError
        taken = bytes(left[:length])
        del left[:length]
        return taken

    return receive


def test_a_sound_answer_is_read():
    facts = read_picture(SOUND, LIMITS)

    assert (facts.image.mode, facts.image.size) == ("RGB", (96, 80))
    assert facts.source_format == "JPEG"
    assert facts.jpeg.tables == decode(encoded(photo(), "JPEG")).jpeg.tables


def test_a_refusal_is_raised():
    error = ImageError("This picture has 9 x 9 pixels.", kind="too_many_pixels")

    with pytest.raises(ImageError) as caught:
        read_picture(error_values(error), LIMITS)

    assert (caught.value.kind, caught.value.message) == (error.kind, error.message)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "P"},
        {"mode": ["RGB"]},
        {"size": [0, 5]},
        {"size": [-3, -5]},
        {"size": [1000, 1000]},
        {"size": [2.0, 2]},
        {"size": [True, 2]},
        {"size": [5]},
        {"size": None},
        {"format": "EPS"},
        {"profile": "zz"},
        {"profile": 5},
        {"profile": profiles.SRGB.hex()},
        {"jpeg": []},
        {"jpeg": [[], "4:2:0", True]},
        {"jpeg": [[[1] * 64] * 5, "4:2:0", True]},
        {"jpeg": [[[1] * 63], "4:2:0", True]},
        {"jpeg": [[[256] * 64], "4:2:0", True]},
        {"jpeg": [[[0] * 64], "4:2:0", True]},
        {"jpeg": [[["1"] * 64], "4:2:0", True]},
        {"jpeg": [[[1] * 64], "4:1:1", True]},
        {"jpeg": [[[1] * 64], "4:2:0", 1]},
        {"lossless": "yes"},
        {"notes": "a note"},
        {"notes": ["<!channel> look: https://evil.example"]},
        {"notes": [""]},
        {"notes": [5]},
        {"notes": ["a"] * 5},
        {"source_bytes": -1},
        {"source_bytes": 30_000_001},
        {"source_bytes": "1"},
        {"dpi": 72},
        {"dpi": [72.0]},
        {"dpi": [72, 72]},
        {"dpi": [72.0, float("nan")]},
        {"dpi": [72.0, 1e9]},
        {"frames": 0},
        {"frames": 1001},
        {"is_scaled": None},
        {"error": "posted", "message": "No."},
        {"error": "broken", "message": "<@U1>"},
        {"error": "broken", "message": "a" * 301},
        {"error": "broken"},
        {"error": ["broken"], "message": "No."},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(change):
    with pytest.raises(ProtocolError):
        read_picture({**SOUND, **change}, LIMITS)


@pytest.mark.parametrize("name", SOUND)
def test_nothing_may_be_missing(name):
    with pytest.raises(ProtocolError):
        read_picture({k: v for k, v in SOUND.items() if k != name}, LIMITS)


@given(
    st.dictionaries(
        st.sampled_from([*SOUND, "error", "message"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=4),
        ),
        max_size=3,
    )
)
def test_any_change_is_read_or_refused(change):
    try:
        facts = read_picture({**SOUND, **change}, LIMITS)
    except (ImageError, ProtocolError):
        return
    assert facts.image.width * facts.image.height <= LIMITS.max_pixels


@pytest.mark.parametrize(
    "data",
    [
        framed(b""),
        framed(b"nonsense"),
        framed(b"[1]"),
        framed(b"\xff\xfe\x00"),
        framed(b"[" * 150_000),
        struct.pack(">I", 2**32 - 1),
    ],
    ids=["empty", "no json", "list", "no text", "deep", "long"],
)
def test_garbage_is_refused(data):
    with pytest.raises(ProtocolError):
        receive_header(reader(data))


def test_half_an_answer_is_the_end():
    with pytest.raises(EOFError):
        receive_header(reader(framed(b'{"ready": true}')[:-3]))


@pytest.mark.parametrize("sent", [b"", b"\0" * 5, b"\0" * 7 + b"\x09half"])
def test_a_parent_that_is_gone_sends_nothing_more(sent):
    parent, child = socket.socketpair()
    with child:
        # What it has not read makes its end a reset.
        child.sendall(b"ready")
        parent.sendall(sent)
        parent.close()

        assert receive_picture(child) is None


def test_what_walls_stand_comes_over():
    assert read_ready(
        ready_values(IsolationStatus(6, seccomp=True))
    ) == IsolationStatus(6, seccomp=True)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"ready": True},
        {"ready": {"landlock": 1}},
        {"ready": {"landlock": "1", "seccomp": True}},
        {"ready": {"landlock": 1, "seccomp": 1}},
    ],
)
def test_a_child_that_does_not_say_so_is_not_ready(values):
    with pytest.raises(ProtocolError):
        read_ready(values)


def test_limits_go_into_a_command_and_come_out():
    limits = ChildLimits(DecodeLimits(7, 8), 9, 10, 11.5)

    assert ChildLimits.from_json(limits.to_json()) == limits


def test_settings_say_what_a_picture_may_take():
    settings = load_settings(
        max_bytes=7,
        max_pixels=8,
        decode_memory_mb=9,
        decode_cpu_seconds=10,
        decode_seconds=11.5,
    )

    decoder = make_isolated_decoder(settings)

    assert decoder._limits == ChildLimits(DecodeLimits(7, 8), 9_000_000, 10, 11.5)
    assert decoder.pids == []


def test_the_usual_settings_are_the_usual_limits():
    assert make_isolated_decoder(load_settings())._limits == ChildLimits()


class Hostile:
    """Stands for a child that says something else than asked."""

    def __init__(self, answer: dict) -> None:
        self.answer = lambda: answer

    def ask(self, **_: object) -> None:
        pass


@pytest.mark.parametrize("answer", [{}, *({"index": at} for at in (None, -1, 1, True))])
def test_a_frame_to_be_painted_has_a_number(answer):
    clip = IsolatedClip(Hostile(answer), ClipInfo("GIF", (8, 8), (40.0,)))

    with pytest.raises(ProtocolError):
        clip.rewritten(lambda _frame: None)
