"""Faces are followed through clips of known motion, by the shipped models."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from emojifier_bot.app import make_pipeline
from emojifier_bot.config import load_picture_settings
from emojifier_bot.vision import edits
from emojifier_bot.vision.clips.follow import FaceFollower
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.plan import DrawEmoji, Leave
from emojifier_bot.vision.why import READ_ELSEWHERE
from tests.clips import animation
from tests.images import encoded
from tests.moving_pictures import (
    MOST_JITTER,
    MOST_LAG_FRAMES,
    Scene,
    cut_head,
    fits,
    follower,
    ground,
    similarity,
    spots,
    still,
)


@pytest.fixture(name="follow", scope="module")
def _follow():
    return follower()


@pytest.fixture(name="head", scope="module")
def _head():
    return cut_head()


def followed(follow, *layers, count=40, **more):
    """Return how well each face is covered, and what was followed."""
    scene = Scene([ground(), *layers], count, **more)
    found = follow(scene.clip)
    return fits(scene, spots(found)), found


def test_a_clip_without_a_face_has_no_people(follow):
    _, found = followed(follow, count=12)

    assert found.plan.faces == ()
    assert found.frames == ((),) * 12


@pytest.mark.parametrize(
    "course",
    [
        lambda _index: (240, 130),
        lambda index: (100 + 5 * index, 130),
        lambda index: (240, 130, 0.5 + 0.03 * index, 0),
        lambda index: (240, 130, 1, 90 - 4 * index),
    ],
    ids=["rest", "pan", "zoom", "roll"],
)
def test_an_emoji_glides_with_its_face(follow, head, course):
    (fit,), found = followed(follow, head.layer(course))

    assert len(found.plan.faces) == 1
    assert fit.uncovered == []
    assert fit.jitter <= MOST_JITTER
    assert math.isnan(fit.lag) or abs(fit.lag) <= MOST_LAG_FRAMES
    assert fit.size_jitter <= 0.01
    assert fit.roll_jitter <= 1.0
    assert fit.persons == [1]
    assert len(fit.emoji) == 1


def test_a_face_is_covered_through_frames_that_show_nothing(follow, head):
    (fit,), found = followed(
        follow, head.layer(lambda index: (140 + 4 * index, 130)), blank=range(18, 23)
    )

    assert all(len(faces) == 1 for faces in found.frames)
    assert (fit.uncovered, fit.persons) == ([], [1])
    assert fit.jitter <= MOST_JITTER


def test_what_is_decided_of_a_face_holds_after_it_was_hidden_for_long(follow, head):
    def course(index):
        return None if 20 <= index < 80 else (240, 130)

    def skip_the_first(read):
        return edits.apply(read, edits.parse_edits("skip 1"), follow.theme)

    left = replace(follow, decide=skip_the_first)
    scene = Scene([ground(), head.layer(course)], 90)

    found = left(scene.clip)

    assert [one.number for one in found.plan.faces] == [1]
    # While it is gone its place is bare.
    assert [len(faces) for faces in found.frames[36:64]] == [0] * 28
    decided = {one.decision for faces in found.frames for one in faces}
    assert decided == {Leave()}


def test_no_emoji_is_carried_over_a_cut(follow, head):
    def until(frame, course):
        return lambda index: course if index < frame else None

    def since(frame, course):
        return lambda index: course if index >= frame else None

    second = still(
        ground(7).pixels[..., :3],
        [],
        lambda index: similarity(-100, -100) if index >= 20 else None,
    )
    fits_, found = followed(
        follow,
        second,
        head.layer(until(20, (140, 130))),
        head.mirrored.layer(since(20, (330, 140))),
    )

    assert [fit.uncovered for fit in fits_] == [[], []]
    assert [fit.persons for fit in fits_] == [[1], [2]]
    assert [{one.number for one in faces} for faces in found.frames] == (
        [{1}] * 20 + [{2}] * 20
    )


def test_two_who_pass_each_other_stay_who_they_are(follow, head):
    fits_, found = followed(
        follow,
        head.layer(lambda index: (120 + 6 * index, 130)),
        head.mirrored.layer(lambda index: (360 - 6 * index, 140), 75),
    )

    assert [fit.persons for fit in fits_] == [[1], [2]]
    assert [fit.uncovered for fit in fits_] == [[], []]
    assert len(found.plan.faces) == 2


def test_each_face_is_explained_where_it_was_read_best(head):
    """Two who are never seen together: neither is explained in the other's frame."""
    first = head.layer(lambda index: (140, 130) if index < 10 else None, 110)
    second = head.mirrored.layer(lambda i: (330, 140) if i >= 12 else None, 110)
    scene = Scene([ground(), first, second], 24)
    shown = [scene.draw(index) for index in range(24)]
    pipeline = make_pipeline(load_picture_settings(env_file=False))

    plan, whys = pipeline.why(animation(shown, "PNG"), EmojifyOptions())

    assert [face.frame < 11 for face in plan.faces] == [True, False]
    for face, why in zip(plan.faces, whys, strict=True):
        still = encoded(shown[face.frame], "PNG")
        _, (alone,) = pipeline.why(still, EmojifyOptions())
        assert why.note == alone.note != READ_ELSEWHERE
        assert why.emoji.name == face.decision.name == alone.emoji.name
        assert [one.measure for one in why.reasons] == [
            one.measure for one in alone.reasons
        ]
        np.testing.assert_allclose(why.canonical_xy, alone.canonical_xy, atol=0.03)


def test_each_person_is_shown_where_all_are_seen(follow, head):
    fits_, found = followed(
        follow,
        head.layer(lambda _index: (140, 130)),
        head.mirrored.layer(lambda index: (340, 140) if index >= 12 else None),
    )

    assert {one.frame for one in found.plan.faces} == {found.plan.frame}
    assert found.plan.frame >= 12
    for person in found.plan.faces:
        (here,) = [
            one for one in found.frames[found.plan.frame] if one.number == person.number
        ]
        assert person.placement == here.placement
        np.testing.assert_allclose(
            person.box.center_xy, person.placement.center_xy, atol=20
        )
    assert [fit.uncovered for fit in fits_] == [[], []]


def test_a_seed_draws_one_emoji_for_a_face(follow, head):
    def drawn(seed):
        surprising = FaceFollower(follow.models, follow.theme, seed)
        layer = head.layer(lambda index: (150 + index, 130))
        (fit,), _ = followed(surprising, layer, count=4)
        (name,) = fit.emoji
        return name

    names = [drawn(seed) for seed in (1, 1, 2, 3, 4)]
    assert names[0] == names[1]
    assert len(set(names)) > 1


def test_who_is_left_is_left_in_every_frame(follow, head):
    def skipped(plan):
        return edits.apply(plan, edits.Edits(skip=frozenset({2})), follow.theme)

    leaving = FaceFollower(follow.models, follow.theme, decide=skipped)
    _, found = followed(
        leaving,
        head.layer(lambda index: (120 + 5 * index, 130)),
        head.mirrored.layer(lambda index: (360 - 5 * index, 140), 75),
    )

    assert [one.decision for one in found.plan.faces][1] == Leave()
    decisions = {1: set(), 2: set()}
    for faces in found.frames:
        assert len(faces) == 2
        for one in faces:
            decisions[one.number].add(type(one.decision))
    assert decisions == {1: {DrawEmoji}, 2: {Leave}}


def test_an_emoji_that_somebody_chose_stays(follow, head):
    def use(plan):
        return edits.decide(plan, 1, DrawEmoji("ghost"))

    choosing = FaceFollower(follow.models, follow.theme, decide=use)
    (fit,), _ = followed(choosing, head.layer(lambda _index: (240, 130)), count=8)

    assert fit.emoji == ["ghost"]
