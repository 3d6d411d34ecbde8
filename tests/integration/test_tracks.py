"""Faces in clips of known motion: how steadily and how long they are covered."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.place import face_height
from tests.moving_pictures import (
    MOST_DRIFT,
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

SHAKE = np.random.default_rng(1).normal(0, 1, (400, 3))
#: A detected face of 24 pixels has this height from brows to chin.
LEAST_HEIGHT_PX = 24 / 1.4


def swing(index, hertz, width):
    return width * math.sin(2 * math.pi * hertz * index / 30)


def shaken(index, level_px):
    x, y, roll = SHAKE[index % len(SHAKE)]
    return 240 + level_px * x, 130 + level_px * y, 1, 2 * roll


MOTIONS = {
    "swinging": lambda i: (240 + swing(i, 1, 60), 130, 1, swing(i, 0.7, 20)),
    "nodding": lambda i: (240, 130 + swing(i, 3, 8)),
    "breathing": lambda i: (240, 130, 1 + swing(i, 1.5, 0.15), 0),
    "coming": lambda i: (240, 130, 0.3 * 1.025**i, 0),
    "going": lambda i: (240, 130, 2 * 0.985**i, 0),
    "rolling": lambda i: (240, 130, 1, 6 * i),
    "shaken": lambda i: shaken(i, 4),
    "trembling": lambda i: shaken(i, 0.7),
}


def followed(scene):
    found = follower()(scene.clip)
    return fits(scene, spots(found)), found


@pytest.mark.parametrize("course", MOTIONS.values(), ids=MOTIONS)
@pytest.mark.parametrize("height_px", [40, 70])
def test_an_emoji_glides_with_its_face(course, height_px):
    scene = Scene([ground(), cut_head().layer(course, height_px)], 75)

    (fit,), _ = followed(scene)

    assert fit.uncovered == []
    assert fit.jitter <= MOST_JITTER
    assert fit.drift <= MOST_DRIFT
    assert math.isnan(fit.lag) or abs(fit.lag) <= MOST_LAG_FRAMES
    assert fit.persons == [1]
    assert len(fit.emoji) <= 2


@pytest.mark.parametrize("fps", [8, 12, 15, 60])
def test_other_frame_rates_are_as_steady(fps):
    layer = cut_head().layer(lambda i: (90 + 150 * i / fps, 130))

    (fit,), _ = followed(Scene([ground(), layer], 2 * fps, fps=fps))

    assert (fit.uncovered, fit.persons) == ([], [1])
    assert fit.jitter <= MOST_JITTER


@pytest.mark.parametrize("speed", [2, 5, 12])
@pytest.mark.parametrize("height_px", [LEAST_HEIGHT_PX, 60])
def test_who_passes_through_is_covered_from_edge_to_edge(speed, height_px):
    count = round(700 / speed)
    layer = cut_head().layer(lambda i: (-100 + speed * i, 130), height_px)

    (fit,), _ = followed(Scene([ground(), layer], min(count, 200)))

    assert len(fit.seen) > 30
    assert (fit.uncovered, fit.persons) == ([], [1])


@pytest.mark.parametrize("begin", [7, 20, 31])
@pytest.mark.parametrize("motion", ["swinging", "shaken", "coming"])
def test_a_blackout_uncovers_nobody(motion, begin):
    head = cut_head().layer(MOTIONS[motion])

    (fit,), found = followed(Scene([ground(), head], 60, blank=range(begin, begin + 5)))

    assert (fit.uncovered, fit.persons) == ([], [1])
    assert all(len(faces) == 1 for faces in found.frames)


@pytest.mark.parametrize("part", range(5))
def test_no_two_of_those_who_meet_are_swapped(part):
    wrong = []
    for number in range(10 * part, 10 * part + 10):
        scene = crossing(random.Random(number))
        both, found = followed(scene)
        persons = [fit.persons for fit in both]
        if sorted(persons) != [[1], [2]] or any(fit.uncovered for fit in both):
            wrong.append((number, persons, [fit.uncovered for fit in both]))
        for person in (1, 2):
            sizes = [
                one.placement.size_px
                for faces in found.frames
                for one in faces
                if one.number == person
            ]
            # What hides a part of a face makes its emoji hardly smaller.
            middle = np.median(sizes)
            if max(np.abs(np.log(np.array(sizes[8:-8]) / middle))) > 0.3:
                wrong.append((number, person, min(sizes), max(sizes)))

    assert wrong == []


def crossing(draw):
    """Return two heads that pass before each other, at any speed, size and height."""
    sizes = draw.uniform(40, 80), draw.uniform(40, 80)
    right, left = draw.uniform(1, 8), draw.uniform(1, 8)
    x, y = draw.uniform(190, 290), draw.uniform(110, 160)
    other_y, slope = y + draw.uniform(-25, 25), draw.uniform(-0.5, 0.5)
    met = draw.randint(30, 50)
    after = min(60, max(30, 1.5 * sum(sizes) / (right + left)))
    return Scene(
        [
            ground(draw.randint(0, 5)),
            cut_head().layer(
                lambda i: (x + right * (i - met), y + slope * (i - met)), sizes[0]
            ),
            cut_head().mirrored.layer(
                lambda i: (x - left * (i - met), other_y), sizes[1]
            ),
        ],
        met + round(after),
    )


@pytest.mark.parametrize("motion", ["swinging", "breathing", "trembling", "shaken"])
def test_an_emoji_changes_at_most_once_in_ten_seconds(motion):
    scene = Scene([ground(), cut_head().layer(MOTIONS[motion])], 300)

    (fit,), _ = followed(scene)

    assert len(fit.emoji) <= 2
    assert (fit.uncovered, fit.persons) == ([], [1])


@pytest.mark.parametrize("times", [(20, 40), (5, 9), (29, 31)])
def test_cuts_carry_no_emoji_over(times):
    first, second = times

    def between(begin, end, place):
        return lambda i: place if begin <= i < end else None

    places = [(150, 110), (240, 140), (330, 120)]
    spans = [(0, first), (first, second), (second, 60)]
    grounds = [
        still(
            ground(10 + k).pixels[..., :3],
            [],
            lambda i, span=span: similarity(-100, -50) if i in range(*span) else None,
        )
        for k, span in enumerate(spans)
    ]
    heads = [
        cut_head().layer(between(*span, place))
        for span, place in zip(spans, places, strict=True)
    ]

    each, found = followed(Scene([*grounds, *heads], 60))

    assert [fit.uncovered for fit in each] == [[], [], []]
    for k, span in enumerate(spans):
        for index in range(*span):
            assert {one.number for one in found.frames[index]} == {k + 1}, index


def pan(center, fit):
    return lambda i: similarity(440 - 4 * i, 210 - i, fit * 1.3, 0, center)


def zoom(center, fit):
    return lambda i: similarity(320, 180, fit * (1 + 0.02 * i), -20 + 0.8 * i, center)


def shake(center, fit):
    x, y, roll = (SHAKE * (4, 4, 1)).T
    return lambda i: similarity(320 + x[i], 180 + y[i], fit * 1.2, roll[i], center)


def of_photo(path, motion, wide=1.0):
    """Return a photo on the move, whose faces are those that are found in it."""
    with Image.open(path) as image:
        image.thumbnail((1600, 1600))
        picture = from_image(image.convert("RGB"))
    pixels = np.asarray(picture.image)
    faces = [
        face.landmarks.points_xy for face in follower().models.analyze(picture).faces
    ]
    center = np.mean([points.mean(axis=0) for points in faces], axis=0)
    fit = wide * max(640 / pixels.shape[1], 360 / pixels.shape[0])
    return Scene([still(pixels, faces, motion(center, fit))], 60, (640, 360))


def test_a_face_that_the_edge_of_a_shaken_picture_cuts_is_covered(shared_data):
    scene = of_photo(shared_data / "photos" / "conference_1927.jpg", shake, 1.25 / 1.2)

    each, _ = followed(scene)

    cut = [one for one in each if 0 < len(one.seen) < 60]
    assert cut
    assert [one.uncovered for one in each] == [[]] * len(each)


@pytest.mark.parametrize("motion", [pan, zoom, shake])
@pytest.mark.parametrize(
    "name", ["portrait.png", "crew_of_three.jpg", "crew_of_ten.jpg", "two_phones.jpg"]
)
def test_photos_on_the_move_stay_covered(shared_data, name, motion):
    scene = of_photo(shared_data / "photos" / name, motion)

    each, found = followed(scene)

    assert len(found.plan.faces) == len(scene.truth(0))
    for k, one in enumerate(each):
        first, *_ = one.seen
        if face_height(scene.truth(first)[k][0]) >= LEAST_HEIGHT_PX:
            assert one.uncovered == [], k
            assert len(one.persons) == 1, k
            assert len(one.emoji) <= 2, k
            assert one.jitter <= 2 * MOST_JITTER, k
            assert one.drift <= MOST_DRIFT, k
