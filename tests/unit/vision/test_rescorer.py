from __future__ import annotations

import numpy as np
import pytest

from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.landmarks import five_points
from emojifier_bot.vision.rescorer import (
    LEAST_CONTEXT,
    MOST_CONTEXT,
    Cutter,
    best_other,
    context,
    joined,
    probabilities,
    refined,
)
from emojifier_bot.vision.types import BoundingBox, Detection, Landmarks, LandmarkScheme
from tests.builders import make_landmarks
from tests.images import flat, photo

SIZE_WH = (640, 480)
FUSION = (0.1, 0.5, -1.0, 1.0, 0.5)


def boxes(*places, side=40.0):
    """Return boxes that touch only where they are in the same place."""
    left = np.float32(places).reshape(-1, 1) * 60
    return np.hstack([left, left * 0, left + side, left * 0 + side]).astype(np.float32)


class TestBestOther:
    def test_of_nothing(self):
        assert best_other(boxes(), np.float32([])).shape == (0,)

    def test_alone_there_is_none(self):
        assert best_other(boxes(0), np.float32([9])).tolist() == [LEAST_CONTEXT]

    def test_the_same_face_seen_twice_is_no_other(self):
        found = best_other(boxes(0, 0, 3), np.float32([1, 2, 0.5]))

        assert found.tolist() == [0.5, 0.5, 2.0]

    def test_more_than_sure_says_no_more(self):
        assert best_other(boxes(0, 1), np.float32([8, 9])).max() == MOST_CONTEXT


def test_what_fills_the_picture_needs_no_others():
    filling = np.float32([[-50, -50, 600, 500], [0, 0, 30, 30]])

    found = context(filling[:1], np.float32([0]), SIZE_WH)

    assert found.tolist() == [MOST_CONTEXT]
    assert context(filling[1:], np.float32([0]), SIZE_WH).tolist() == [LEAST_CONTEXT]


class TestJoined:
    @pytest.mark.parametrize(
        ("side", "size_wh", "weight"),
        [
            (5, SIZE_WH, 0.1),
            (14.142, SIZE_WH, 0.3),
            (80, SIZE_WH, 0.5),
            (80, (5120, 3840), 0.1),
            # A long picture was seen in parts.
            (80, (6400, 400), 0.5),
        ],
    )
    def test_the_net_counts_less_the_smaller_the_face_was(self, side, size_wh, weight):
        found = joined(
            boxes(0, side=side), np.float32([0.5]), np.float32([2]), size_wh, FUSION[:2]
        )

        assert found == pytest.approx([2 * weight], abs=1e-3)

    def test_certainty_stays_finite(self):
        found = joined(
            boxes(0, 1), np.float32([0, 1]), np.float32([0, 0]), SIZE_WH, FUSION[:2]
        )

        assert np.isfinite(found).all()


class TestProbabilities:
    def test_of_nothing(self):
        none = np.float32([])

        assert probabilities(boxes(), none, none, SIZE_WH, FUSION).shape == (0,)

    def test_a_doubtful_face_is_believed_among_sure_ones(self):
        doubtful, sure = np.float32([0.6]), np.float32([0.6, 0.95])

        (alone,) = probabilities(boxes(0), doubtful, doubtful * 0, SIZE_WH, FUSION)
        among, _ = probabilities(boxes(0, 2), sure, sure * 0, SIZE_WH, FUSION)

        assert alone < 0.3
        assert among > 0.6


class TestRefined:
    box = BoundingBox(100, 200, 140, 280)

    def test_nothing_to_say_is_a_square_of_the_longer_side(self):
        one = refined(Detection(self.box, 0.7), np.zeros(4, np.float32))

        assert one.box.xyxy == pytest.approx((80, 200, 160, 280))
        assert one.confidence == 0.7

    @pytest.mark.parametrize(
        ("roll", "middle", "size"),
        [
            (0, (128, 236), (40, 80)),
            (90, (116, 232), (80, 40)),
            # What is right of an upright face is below one that is turned clockwise.
            (-90, (124, 248), (80, 40)),
            (180, (112, 244), (40, 80)),
        ],
    )
    def test_moves_and_sizes_are_those_of_the_upright_face(self, roll, middle, size):
        five = five_points(make_landmarks(roll_degrees=roll).points_xy)
        points = Landmarks(five, LandmarkScheme.FIVE_POINT)
        said = np.float32([0.1, -0.05, np.log(0.5), 0])

        found = refined(Detection(self.box, 0.7, points), said).box

        assert found.center_xy == pytest.approx(middle, abs=0.1)
        assert (found.width, found.height) == pytest.approx(size, abs=0.1)

    def test_the_box_moves_as_far_as_it_is_believed(self):
        said = np.float32([0, 0, 0, 0])

        half = refined(Detection(self.box, 0.7), said, share=0.5)

        assert half.box.xyxy == pytest.approx((90, 200, 150, 280))

    def test_a_wild_box_stays_finite(self):
        found = refined(Detection(self.box, 0.7), np.float32([0, 0, 1e9, -1e9])).box

        assert np.isfinite(found.xyxy).all()
        assert found.height > 0


class TestCutter:
    def test_large_squares_come_from_a_small_copy_and_look_the_same(self):
        image = photo(1920, 1440)
        one = Detection(BoundingBox(400, 300, 1100, 1000), 0.5)
        small = Detection(BoundingBox(*(edge / 3 for edge in one.box.xyxy)), 0.5)

        copy = image.resize((640, 480))
        large = Cutter(from_image(image), np.asarray(copy), 56).crops(one)
        wanted = Cutter(from_image(copy), np.asarray(copy), 56).crops(small)

        assert large.shape == (6, 56, 56)
        assert np.abs(large.astype(int) - wanted).mean() < 3

    def test_beyond_the_edge_the_border_repeats(self):
        image = flat((10, 200, 30), (50, 40))
        cutter = Cutter(from_image(image), np.asarray(image), 56)

        cut = cutter.crops(Detection(BoundingBox(-30, -20, 80, 70), 0.5))

        assert (cut.reshape(2, 3, -1) == np.array([10, 200, 30])[:, None]).all()
