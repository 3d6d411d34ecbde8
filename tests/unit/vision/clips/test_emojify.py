"""A clip is followed once, then painted once, frame by frame."""

from __future__ import annotations

import numpy as np
from PIL import Image

from emojifier_bot.vision.clips.emojify import emojify_clip
from emojifier_bot.vision.clips.types import ClipInfo, Followed
from emojifier_bot.vision.plan import DrawEmoji, Plan, PlannedFace
from emojifier_bot.vision.types import BoundingBox, Placement
from tests.fakes.clips import FakeClip


def planned(x):
    spot = Placement((x, 0), 10, 0)
    return PlannedFace(1, BoundingBox(0, 0, 8, 8), spot, DrawEmoji("neutral_face"))


def plan_of(*faces):
    return Plan(64, 48, "test", "local", faces)


def clip_of(count):
    return FakeClip(lambda index: Image.new("RGB", (64, 48), (index, 0, 0)), count)


def test_times_begin_at_zero_and_add_up():
    info = ClipInfo("GIF", (8, 8), (40.0, 60.0, 100.0))

    assert info.frames == 3
    assert info.times_ms == (0.0, 40.0, 100.0)
    assert info.seconds == 0.2


def test_a_clip_without_people_is_not_encoded():
    clip = clip_of(3)

    followed, encoded = emojify_clip(
        clip, lambda _clip: Followed(plan_of(), (), ((),) * 3), lambda *_: None
    )

    assert (followed.plan.faces, encoded, clip.written) == ((), b"", [])


def test_each_frame_gets_its_own_covers_and_those_too_many_the_last():
    clip, painted = clip_of(3), []
    frames = tuple((planned(index),) for index in range(2))

    def follow(given):
        assert [frame.index for frame in given.frames()] == [0, 1, 2]
        return Followed(plan_of(planned(0)), (0,), frames)

    def paint(picture, faces):
        red = int(np.asarray(picture.image)[0, 0, 0])
        painted.append((red, faces[0].placement.center_xy[0]))

    _, encoded = emojify_clip(clip, follow, paint, "WEBP")

    assert painted == [(0, 0), (1, 1), (2, 1)]
    assert encoded == b"clip of 3 as WEBP"
    assert clip.decoded == 2
