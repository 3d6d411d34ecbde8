from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from emojifier_bot.vision.clips.common_motion import PictureMotion, common_motion
from emojifier_bot.vision.clips.motion import (
    EASE_SECONDS,
    LEAD_SECONDS,
    placements,
)
from emojifier_bot.vision.clips.tracks import Sighting, Track
from emojifier_bot.vision.clips.unseen import EDGE_SECONDS
from emojifier_bot.vision.place import place
from tests.builders import make_detection, make_landmarks

FPS = 20
SECONDS = [index / FPS for index in range(100)]
LEAD = round(LEAD_SECONDS * FPS)
WHOLE = range(100)
SIZE_WH = (640, 360)


def placed(seen, seconds, scene, others=()):
    picture = PictureMotion([Track(0, course) for course in (seen, *others)])
    shown = list(pairwise([*seconds, 2 * seconds[-1] - seconds[-2]]))
    return placements(seen, shown, scene, picture, SIZE_WH)


def sighting(frame, points):
    detection = make_detection(points)
    return Sighting(frame, frame / FPS, (frame + 1) / FPS, detection, points)


def held(frame, held_seconds=3.0):
    """Return when each frame is shown if one of them is shown for long."""
    return [one + held_seconds * (k > frame) for k, one in enumerate(SECONDS)]


def shown_at(seen, seconds):
    """Return sightings at the times at which a clip shows their frames."""
    return [
        replace(one, seconds=seconds[one.frame], until=seconds[one.frame + 1])
        for one in seen
    ]


def part_seen_in(frames, x, size=0.5):
    """Return sightings of a face of which something hides a part."""
    found = []
    for frame in frames:
        points = make_landmarks(center_xy=(x, 80.0), eye_distance_px=40 * size)
        found.append(sighting(frame, points))
    return found


def seen_in(frames, course=lambda _frame: (100.0, 80.0), roll=lambda _frame: 0.0):
    found = []
    for frame in frames:
        points = make_landmarks(center_xy=course(frame), roll_degrees=roll(frame))
        found.append(sighting(frame, points))
    return found


def test_a_face_that_is_seen_once_is_covered_before_and_after():
    (one,) = seen_in([50])

    discs = placed([one], SECONDS, WHOLE)

    assert list(discs) == list(range(50 - LEAD, 50 + LEAD + 1))
    assert discs[50].size_px == pytest.approx(place(one.landmarks).size_px)


def test_a_disc_grows_before_a_face_is_seen_and_shrinks_after():
    discs = placed(seen_in(range(30, 60)), SECONDS, WHOLE)

    sizes = [discs[frame].size_px for frame in sorted(discs)]
    full = max(sizes)
    assert sizes[:4] == sorted(sizes[:4])
    assert sizes[-4:] == sorted(sizes[-4:], reverse=True)
    # Three tenths of a second before it is seen the disc is as large as it gets.
    around = [discs[frame].size_px for frame in range(30 - 6, 60 + 6)]
    np.testing.assert_allclose(around, full, rtol=1e-3)


@pytest.mark.parametrize(
    "long", [48, 49, 50, 51, 52, 45, 55], ids=lambda one: f"{one - 50:+}"
)
def test_a_face_is_covered_for_the_lead_beside_a_frame_that_is_shown_for_long(long):
    seconds = held(long)
    seen = shown_at(seen_in([49, 50, 51]), seconds)

    discs = placed(seen, seconds, WHOLE)

    begin, end = seconds[49], seconds[52]
    full = place(seen[0].landmarks).size_px
    for frame in range(99):
        # What is shown within the lead, however long before it that began.
        lead = max(begin - seconds[frame + 1], seconds[frame] - end)
        if lead < LEAD_SECONDS - EASE_SECONDS - 0.001:
            assert discs[frame].size_px == pytest.approx(full, rel=1e-3), frame
        elif lead < LEAD_SECONDS - 0.02:
            assert frame in discs
        else:
            assert frame not in discs


def test_a_gap_is_covered_on_the_way_between():
    def course(frame):
        return (50 + 3 * frame, 80)

    seen = seen_in([*range(20, 40), *range(60, 80)], course)
    truth = seen_in(range(100), course)

    discs = placed(seen, SECONDS, WHOLE)

    for frame in range(20, 80):
        away = math.dist(
            discs[frame].center_xy, place(truth[frame].landmarks).center_xy
        )
        assert away < 0.3, frame


def test_no_disc_crosses_a_cut_and_none_fades_there():
    discs = placed(seen_in(range(42, 48)), SECONDS, range(40, 50))

    assert list(discs) == list(range(40, 50))
    sizes = [one.size_px for one in discs.values()]
    np.testing.assert_allclose(sizes, sizes[0], rtol=1e-3)


def test_a_face_that_leaves_is_covered_on_its_way():
    def course(frame):
        return (50 + 4 * frame, 80)

    truth = seen_in(range(100), course)

    discs = placed(truth[30:60], SECONDS, WHOLE)

    for frame in (24, 27, 62, 65):
        away = math.dist(
            discs[frame].center_xy, place(truth[frame].landmarks).center_xy
        )
        # It may come to rest as well: a quarter of its disc.
        assert away < 0.25 * discs[frame].size_px, frame


@pytest.mark.parametrize("step", [-12, 12])
def test_a_face_that_turns_over_and_over_has_no_jump(step):
    seen = seen_in(range(100), roll=lambda frame: frame * step)

    discs = placed(seen, SECONDS, WHOLE)

    for frame, one in enumerate(seen):
        off = discs[frame].roll_degrees - place(one.landmarks).roll_degrees
        assert abs(math.remainder(off, 360)) < 1.0, frame


def test_a_mouth_that_opens_moves_the_disc_softly():
    shut, open_ = make_landmarks().points_xy, make_landmarks().points_xy.copy()
    open_[5:12, 1] += 15
    seen = []
    for frame in range(60):
        points = make_landmarks()
        points = type(points)(open_ if frame >= 30 else shut, points.scheme)
        seen.append(sighting(frame, points))

    discs = placed(seen, SECONDS, WHOLE)

    sizes = np.array([discs[frame].size_px for frame in range(60)])
    jump = place(seen[30].landmarks).size_px - place(seen[29].landmarks).size_px
    assert sizes[-1] - sizes[0] == pytest.approx(jump, rel=0.05)
    assert np.diff(sizes).max() < 0.5 * jump


def test_a_face_of_which_a_part_is_hidden_keeps_its_size_and_its_way():
    def course(frame):
        return (50 + 3 * frame, 80)

    truth = seen_in(range(100), course)
    # It goes behind something from frame 40 to 50: there its rim alone is seen.
    seen = [
        *truth[:37],
        *part_seen_in(range(37, 40), 50 + 3 * 38 - 20),
        *part_seen_in(range(51, 54), 50 + 3 * 52 + 20),
        *truth[54:],
    ]

    discs = placed(seen, SECONDS, WHOLE)

    for frame in range(100):
        right = place(truth[frame].landmarks)
        assert discs[frame].size_px == pytest.approx(right.size_px, rel=0.02), frame
        assert math.dist(discs[frame].center_xy, right.center_xy) < 1.0, frame


def test_a_face_that_is_hidden_by_and_by_keeps_its_size():
    def course(frame):
        return (50 + 3 * frame, 80)

    truth = seen_in(range(100), course)
    # Each frame shows less of it, at first hardly less, until it is gone for long.
    sizes = {35: 0.94, 36: 0.88, 37: 0.81, 38: 0.74, 39: 0.66}
    parts = [part_seen_in([at], 50 + 3 * at, size)[0] for at, size in sizes.items()]
    seen = [*truth[:35], *parts, *truth[80:]]

    discs = placed(seen, SECONDS, WHOLE)

    for frame in range(100):
        right = place(truth[frame].landmarks)
        assert discs[frame].size_px == pytest.approx(right.size_px, rel=0.1), frame


def test_a_face_that_comes_near_fast_is_whole():
    seen = [part_seen_in([frame], 100.0, 0.4 * 1.03**frame)[0] for frame in range(60)]

    discs = placed(seen, SECONDS, WHOLE)

    for frame, one in enumerate(seen):
        right = place(one.landmarks)
        assert discs[frame].size_px == pytest.approx(right.size_px, rel=0.03), frame


@pytest.mark.parametrize(
    ("count", "step_seconds", "growth"),
    [(12, 0.5, 1.1), (12, 0.2, 1.1), (2, 0.1, 1.3), (2, 3.0, 0.6)],
)
def test_a_face_that_comes_near_in_few_frames_a_second_is_whole(
    count, step_seconds, growth
):
    seconds = [step_seconds * frame for frame in range(count)]
    seen = [
        replace(
            part_seen_in([frame], 100.0 + 20 * frame, 0.6 * growth**frame)[0],
            seconds=seconds[frame],
            until=seconds[frame] + step_seconds,
        )
        for frame in range(count)
    ]

    discs = placed(seen, seconds, range(count))

    for frame, one in enumerate(seen):
        right = place(one.landmarks)
        assert discs[frame].size_px == pytest.approx(right.size_px, rel=0.05), frame
        away = math.dist(discs[frame].center_xy, right.center_xy)
        assert away < 0.05 * right.size_px, frame


def test_a_face_of_which_only_parts_are_seen_is_covered_all_the_same():
    seen = [
        part_seen_in([frame], 100.0, size)[0]
        for frame, size in ((30, 0.3), (31, 0.6), (32, 1.2), (33, 2.4))
    ]

    assert set(range(30, 34)) <= set(placed(seen, SECONDS, WHOLE))


def shaken(frame):
    """Return where a shaken camera takes points: shift, roll and zoom."""
    x, y, roll, zoom = np.random.default_rng(frame).normal(0, 1, 4) * (9, 9, 0.02, 0.02)
    factor = np.exp(zoom + 1j * roll)
    return lambda point: factor * (point - 320 - 180j) + 320 + 180j + complex(x, y)


def in_picture(x, y, speed=0.0):
    """Return the course of a face that stands, or walks, in a shaken picture."""

    def course(frame):
        point = shaken(frame)(complex(x + speed * frame, y))
        return point.real, point.imag

    return course


OTHERS = [in_picture(x, y) for x, y in ((90, 80), (250, 90), (400, 240), (500, 100))]


def off(discs, course):
    """Return how far discs are from what they are over, in their diameters."""
    whole = seen_in(discs, course)
    return {
        one.frame: np.linalg.norm(
            np.subtract(discs[one.frame].center_xy, place(one.landmarks).center_xy)
        )
        / place(one.landmarks).size_px
        for one in whole
    }


@pytest.mark.parametrize("speed", [0.0, 0.8])
def test_who_is_not_seen_is_where_the_picture_and_their_speed_take_them(speed):
    course = in_picture(200, 200, speed)
    seen = seen_in([*range(30, 50), *range(60, 80)], course)
    others = [seen_in(WHOLE, one) for one in OTHERS]

    discs = placed(seen, SECONDS, WHOLE, others)
    alone = placed(seen, SECONDS, WHOLE)

    gap = range(50, 60)
    assert max(off(discs, course)[frame] for frame in gap) < 0.06
    assert max(off(alone, course)[frame] for frame in gap) > 0.12
    beyond = [*range(24, 30), *range(80, 86)]
    assert max(off(discs, course)[frame] for frame in beyond) < 0.06


@pytest.mark.parametrize("others", [OTHERS, []], ids=["others", "alone"])
@pytest.mark.parametrize("long", [39, 49, 50, 59])
def test_nobody_moves_on_while_a_frame_is_held(long, others):
    def course(frame):
        return in_picture(60, 200, 8)(frame) if others else (60 + 8 * frame, 200)

    seconds = held(long)
    seen = shown_at(seen_in([*range(40, 50), *range(55, 60)], course), seconds)

    discs = placed(seen, seconds, WHOLE, [seen_in(WHOLE, one) for one in others])

    for frame in (39, *range(50, 55), 60, 61):
        assert off(discs, course)[frame] < 0.2, frame


@pytest.mark.parametrize(
    ("x", "others", "seconds"),
    [(622, OTHERS, EDGE_SECONDS), (622, [], LEAD_SECONDS), (450, OTHERS, LEAD_SECONDS)],
    ids=["edge", "nobody else", "inside"],
)
def test_whom_the_edge_cuts_is_covered_for_longer(x, others, seconds):
    course = in_picture(x, 180)
    seen = seen_in([49, 50], course)

    discs = placed(seen, SECONDS, WHOLE, [seen_in(WHOLE, one) for one in others])

    lead = round(seconds * FPS)
    assert min(discs) == pytest.approx(49 - lead, abs=1)
    assert max(discs) == pytest.approx(50 + lead, abs=1)
    if others:
        assert max(off(discs, course).values()) < 0.06


@pytest.mark.parametrize("long", [46, 49, 50, 53])
def test_whom_the_edge_cuts_is_covered_for_longer_beside_a_frame_that_is_shown_for_long(
    long,
):
    seconds = held(long)
    course = in_picture(622, 180)
    seen = shown_at(seen_in([49, 50], course), seconds)

    discs = placed(seen, seconds, WHOLE, [seen_in(WHOLE, one) for one in OTHERS])

    for frame in range(99):
        lead = max(seconds[49] - seconds[frame + 1], seconds[frame] - seconds[51])
        if lead < EDGE_SECONDS - EASE_SECONDS:
            assert frame in discs


def test_no_picture_moves_where_faces_go_their_own_ways():
    walks = [
        seen_in(WHOLE, lambda f, k=k: (60 + 90 * k + 25 * f * (-1) ** k, 80 + 9 * k))
        for k in range(4)
    ]
    picture = PictureMotion([Track(0, course) for course in walks])

    assert picture.between(0, 1) is None
    assert PictureMotion([]).between(0, 1) is None


def test_faces_in_one_place_tell_no_roll_and_no_zoom():
    same = (100.0, 80.0, 40.0)

    motion = common_motion([same] * 3, [(103.0, 84.0, 40.0)] * 3)

    assert motion(1 + 1j) == 4 + 5j
