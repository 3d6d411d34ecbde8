from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.copies import (
    COARSE_PX,
    FINE_PX,
    MAIN_PX,
    MAX_FACES,
    PADDED_PX,
    PADDING_PX,
    tiles,
)
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.fusion import (
    LARGE_FACE_PX,
    SHOWN_CONFIDENCE,
    TURNED_CONFIDENCE,
)
from emojifier_bot.vision.landmarks import roll_degrees
from emojifier_bot.vision.multi_scale import (
    DIAGONALS,
    doubted_diagonals,
    find_faces,
    main_direction,
    may_be_filled,
    needs_fine_pass,
    with_filling_face,
    without_parts,
)
from emojifier_bot.vision.types import BoundingBox, Detection
from tests.builders import make_detection, make_landmarks
from tests.fakes.faces import FakeDetector, picture_with_faces

#: Longer side of the small copy with room around it.
ROOMY_PX = PADDED_PX + 2 * PADDING_PX


def detection(x=0.0, y=0.0, width=10.0, height=10.0, confidence=0.9) -> Detection:
    return Detection(BoundingBox(x, y, x + width, y + height), confidence)


def face(side, confidence, x=100.0) -> Detection:
    return detection(x, 100.0, side, side, confidence)


@pytest.mark.parametrize(
    ("seen", "needs"),
    [
        pytest.param([], True, id="nothing"),
        pytest.param([(LARGE_FACE_PX, 0.9)], False, id="a-large-face"),
        pytest.param([(LARGE_FACE_PX, 0.3)], True, id="a-large-doubt-only"),
        pytest.param([(LARGE_FACE_PX, 0.9), (20.0, 0.5)], True, id="a-small-face"),
        pytest.param([(LARGE_FACE_PX, 0.9), (20.0, 0.4)], False, id="a-small-doubt"),
        pytest.param([(20.0, 0.4)], True, id="nothing-likely"),
    ],
)
def test_the_fine_pass_is_for_small_faces(seen, needs):
    assert needs_fine_pass([face(*one) for one in seen]) is needs


@pytest.mark.parametrize(
    ("confidences", "direction"),
    [
        pytest.param([[], [], [], []], 0, id="nothing-seen"),
        pytest.param([[0.9], [0.9], [0.9], [0.9]], 0, id="all-alike"),
        pytest.param([[], [], [0.9], []], 180, id="one-face-upside-down"),
        pytest.param([[], [0.64, 0.64], [], []], 0, id="too-unsure-to-count"),
        pytest.param([[0.9], [], [], [0.9, 0.65]], 0, id="not-clearly-more"),
        pytest.param([[0.9], [], [], [0.9, 0.7]], 270, id="clearly-more"),
    ],
)
def test_the_main_pass_goes_where_most_is_seen(confidences, direction):
    passes = [[detection(confidence=c) for c in found] for found in confidences]

    assert main_direction(passes) == direction


class WatchedDetector(FakeDetector):
    """Remembers the longer side of every copy that it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen_px: list[int] = []

    def detect(self, image):
        self.seen_px.append(max(image.shape[:2]))
        return super().detect(image)


@pytest.mark.parametrize(
    ("size_wh", "boxes", "passes_px"),
    [
        pytest.param(
            (1280, 960),
            [(100, 50, 1100, 920)],
            [MAIN_PX, *[COARSE_PX] * 4],
            id="a-portrait-gets-five-passes",
        ),
        pytest.param(
            (1280, 960),
            [(200, 100, 400, 340), (600, 100, 624, 124), (700, 100, 724, 124)],
            [MAIN_PX, *[COARSE_PX] * 4, FINE_PX, ROOMY_PX],
            id="small-faces-get-a-fine-pass-and-are-reported-once",
        ),
        pytest.param(
            (1920, 1440),
            [(600, 100, 610, 110)],
            [MAIN_PX, *[COARSE_PX] * 4, FINE_PX, ROOMY_PX],
            id="a-face-that-only-the-fine-pass-sees",
        ),
        pytest.param(
            (320, 240),
            [(100, 100, 108, 108)],
            [MAIN_PX, *[COARSE_PX] * 4, ROOMY_PX],
            id="a-small-picture-has-no-more-to-show",
        ),
    ],
)
def test_passes(size_wh, boxes, passes_px):
    detector = WatchedDetector()
    picture = from_image(picture_with_faces(size_wh, boxes))

    found = find_faces(detector, picture, SHOWN_CONFIDENCE)

    assert len(found) == len(boxes)
    assert detector.seen_px == passes_px


class CrowdDetector:
    """Finds more faces than a picture can have, none over another."""

    found = tuple(
        detection(x, y, 3.0, 3.0)
        for x, y in itertools.product(range(0, 240, 4), repeat=2)
    )

    def detect(self, image):
        del image
        return list(self.found)


def test_no_more_than_so_many_faces():
    picture = from_image(picture_with_faces((400, 400), []))

    assert len(find_faces(CrowdDetector(), picture, 0.01)) == MAX_FACES


@pytest.mark.parametrize(
    ("rolls", "confidence", "wanted"),
    [
        pytest.param([], 0.9, (), id="nothing"),
        pytest.param([0, 0, 90], 0.9, (), id="straight"),
        pytest.param([135, 130, 145] * 2, 0.4, DIAGONALS[0], id="seen-badly"),
        pytest.param([135, -45, 135] * 2, 0.4, DIAGONALS[0], id="some-upside-down"),
        pytest.param([45, 50, 225] * 2, 0.4, DIAGONALS[1], id="the-other-pair"),
        pytest.param([20] * 5, 0.9, (), id="heads-tilted"),
        pytest.param([45, 45, 45, 0], 0.9, (), id="not-far-more"),
        pytest.param([45] * 9 + [0] * 5, 0.9, (), id="not-twice-as-much"),
        pytest.param([45] * 20, 0.2, (), id="too-unsure-to-count"),
    ],
)
def test_rolls_tell_the_diagonals(rolls, confidence, wanted):
    found = [
        make_detection(make_landmarks(roll_degrees=roll), confidence=confidence)
        for roll in rolls
    ]

    assert doubted_diagonals(found) == wanted


#: Right and left eye of the faces that `NarrowDetector` finds.
EYES_RGB = ((255, 0, 0), (0, 255, 0))


class NarrowDetector:
    """Finds pairs of eyes, and is sure of those within 30 degrees from upright."""

    def __init__(self, confidence=0.9):
        self.confidence = confidence

    def detect(self, image):
        right, left = (self.middles(image, color) for color in EYES_RGB)
        found = [
            self.detection(one, min(left, key=lambda other: math.dist(one, other)))
            for one in right
            if left
        ]
        return sorted(found, key=lambda one: -one.confidence)

    @staticmethod
    def middles(image, color):
        away = np.abs(image.astype(int) - color).max(axis=-1)
        mask = (away < 120).astype(np.uint8)
        _, _, stats, middles = cv2.connectedComponentsWithStats(mask)
        return [
            middle + 0.5
            for middle, row in zip(middles[1:], stats[1:], strict=True)
            if row[cv2.CC_STAT_AREA] >= 6
        ]

    def detection(self, right, left):
        (x, y), (dx, dy) = (right + left) / 2, left - right
        roll = math.degrees(math.atan2(-dy, dx))
        points = make_landmarks(
            center_xy=(x, y), eye_distance_px=math.hypot(dx, dy), roll_degrees=roll
        )
        sure = self.confidence if abs(roll) < 30 else 0.55
        return make_detection(points, confidence=sure)


FOUR, ONE = ((160, 160), (160, 480), (480, 160), (480, 480)), ((300, 320),)


def eyes(middles, degrees):
    image = Image.new("RGB", (640, 640))
    turn = math.radians(degrees)
    for middle in middles:
        for way, color in zip((-1, 1), EYES_RGB, strict=True):
            x = round(middle[0] + way * 30 * math.cos(turn))
            y = round(middle[1] - way * 30 * math.sin(turn))
            image.paste(color, (x - 8, y - 8, x + 8, y + 8))
    return from_image(image)


@pytest.mark.parametrize("degrees", range(0, 360, 45))
@pytest.mark.parametrize("middles", [FOUR, ONE], ids=["four", "one"])
def test_faces_in_every_direction_are_seen_well(degrees, middles):
    found = find_faces(NarrowDetector(), eyes(middles, degrees), SHOWN_CONFIDENCE)

    assert [one.confidence for one in found] == pytest.approx([0.9] * len(middles))
    for one in found:
        off = (roll_degrees(one.landmarks.points_xy) - degrees + 180) % 360 - 180
        assert abs(off) < 3


@pytest.mark.parametrize(
    ("middles", "degrees", "shown"),
    [(ONE, 0, 1), (ONE, 90, 0), (ONE, 180, 0), (FOUR, 90, 4)],
)
def test_a_face_alone_does_not_tell_that_the_picture_is_turned(middles, degrees, shown):
    doubting = NarrowDetector((SHOWN_CONFIDENCE + TURNED_CONFIDENCE) / 2)

    found = find_faces(doubting, eyes(middles, degrees), SHOWN_CONFIDENCE)

    assert len(found) == shown


class TestFillingFace:
    COPY = np.zeros((100, 100, 3), np.uint8)
    HUGE = detection(-30, -30, 160, 160, 0.9)

    def test_stands_for_its_parts(self):
        parts = [detection(10, 10, 20, 20, 0.95), detection(60, 10, 20, 20, 0.8)]

        assert with_filling_face(parts, [self.HUGE], self.COPY) == [self.HUGE]

    def test_a_crowd_is_no_face(self):
        crowd = [detection(30 * n, 10, 20, 20, 0.7) for n in range(5)]

        assert with_filling_face(crowd, [self.HUGE], self.COPY) == crowd
        assert not may_be_filled(crowd, self.COPY)

    @pytest.mark.parametrize(
        "padded",
        [
            pytest.param([], id="nothing"),
            pytest.param([detection(-30, -30, 160, 160, 0.55)], id="unsure"),
            pytest.param([detection(10, 10, 50, 50, 0.9)], id="does-not-fill-it"),
            pytest.param([detection(90, -40, 160, 160, 0.9)], id="mostly-outside"),
        ],
    )
    def test_others_change_nothing(self, padded):
        seen = [detection(10, 10, 20, 20)]

        assert with_filling_face(seen, padded, self.COPY) == seen

    def test_in_the_end_its_parts_are_no_faces(self):
        part, beside = detection(10, 10, 30, 30, 0.7), detection(80, 0, 60, 60, 0.7)
        whole, surer = detection(0, 0, 90, 90), detection(20, 20, 20, 20, 0.95)
        size_wh = (100, 100)

        found = without_parts([surer, whole, part, beside], size_wh)

        assert found == [surer, whole, beside]
        assert without_parts([part, beside], size_wh) == [part, beside]
        assert without_parts([], size_wh) == []

    @pytest.mark.parametrize(
        ("seen", "may"),
        [([], True), ([(20, 0.9)], True), ([(80, 0.9)], False), ([(80, 0.3)], True)],
    )
    def test_nobody_looks_beside_a_large_face(self, seen, may):
        found = [detection(10, 10, size, size, sure) for size, sure in seen]

        assert may_be_filled(found, self.COPY) is may


def test_a_second_stage_has_the_last_word_before_the_threshold():
    boxes = [(100, 100, 300, 300), (500, 100, 700, 300)]
    picture = from_image(picture_with_faces((1000, 800), boxes))

    def doubt_the_left(shown, found, copy):
        assert shown is picture
        assert copy.shape == (512, 640, 3)
        return [
            Detection(one.box, 0.1 if one.box.x_min < 400 else 0.95, one.landmarks)
            for one in found
        ]

    (right,) = find_faces(
        FakeDetector(), picture, SHOWN_CONFIDENCE, rescore=doubt_the_left
    )

    assert right.confidence == 0.95
    assert right.box.x_min == pytest.approx(500, abs=2)


def test_faces_at_the_edges_are_found_once():
    size_wh = (3000, 600)
    edges = [x for one in tiles(size_wh) for x in (one[0], one[2])]
    seams = sorted({x for x in edges if 0 < x < 3000})
    boxes = [
        (x - 20, 100 + 150 * (i % 3), x + 20, 140 + 150 * (i % 3))
        for i, x in enumerate(seams)
    ]
    boxes += [(0, 10, 40, 50), (2960, 10, 3000, 50)]
    picture = from_image(picture_with_faces(size_wh, boxes))

    found = find_faces(FakeDetector(), picture, SHOWN_CONFIDENCE)

    assert len(seams) >= 4
    middles = sorted(round(one.box.center_xy[0]) for one in found)
    assert middles == pytest.approx([20, *seams, 2980], abs=3)
