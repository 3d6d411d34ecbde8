import numpy as np
import pytest

from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.types import BoundingBox, Detection
from emojifier_training.negatives import (
    EACH,
    KINDS,
    REGION_PX,
    SIZE_WH,
    drawings,
    emoji_sheets,
    empty_region,
    false_alarms,
    largest_free,
)
from tests.datasets import labelled_picture as picture
from tests.images import flat

CLASSIC = emojis_dir() / "classic"


@pytest.mark.parametrize("kind", KINDS)
def test_drawings_differ_and_are_the_same_every_time(kind):
    first, again = drawings(KINDS[kind]), drawings(KINDS[kind])

    assert len(first) == EACH
    assert {(image.mode, image.size) for image in first} == {("RGB", SIZE_WH)}
    assert len({image.tobytes() for image in first}) == EACH
    assert [i.tobytes() for i in first] == [i.tobytes() for i in again]


def test_sheets_hold_every_emoji():
    sheets = emoji_sheets(CLASSIC)

    assert len(sheets) == -(-len(list(CLASSIC.glob("*.png"))) // 12)
    assert emoji_sheets(CLASSIC / "nowhere") == []


class TestEmptyRegion:
    def test_a_face_and_its_room_stay_out(self):
        region = empty_region(picture((0.0, 0.0, 100.0, 100.0)))

        assert min(region.size) >= REGION_PX
        assert region.size != (640, 480)

    def test_faces_that_nobody_could_judge_are_faces(self):
        labelled = picture(invalid=[(200.0, 100.0, 500.0, 400.0)])

        assert empty_region(labelled) is None


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        (["#"], (0, 0, 0, 0)),
        (["."], (0, 0, 1, 1)),
        (["..#", "..#", "###"], (0, 0, 2, 2)),
        (["#....", "#....", "#####"], (1, 0, 4, 2)),
    ],
)
def test_largest_free_by_hand(taken, expected):
    grid = np.array([[cell == "#" for cell in row] for row in taken])

    assert largest_free(grid) == expected


def test_what_is_seen_is_counted_for_each_kind():
    calls = []

    def find(image):
        # One sure and one unsure face in whatever is not a drawing.
        if image.size == SIZE_WH:
            return []
        box = BoundingBox(0, 0, 9, 9)
        return [Detection(box, 0.9), Detection(box, 0.3)]

    rows = false_alarms(
        find,
        [
            picture(image=flat((9, 9, 9), (600, 600))),
            picture((200.0, 100.0, 500.0, 400.0)),
        ],
        CLASSIC,
        lambda *now: calls.append(now),
    )

    photos = rows["regions of photographs"]
    assert (photos["pictures"], photos["per_picture"]) == (1, 1)
    assert all(rows[kind]["per_picture"] == 0 for kind in KINDS)
    done, total = zip(*calls, strict=True)
    assert set(total) == {len(calls)} == {done[-1]}
