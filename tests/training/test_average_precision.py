from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_training.average_precision import (
    MatchedPicture,
    match_boxes,
    rank,
    ranked_precision,
)
from tests.strategies import boxes

SIDE = 10.0


def average_precision(pictures) -> float:
    return ranked_precision(rank(pictures), np.ones(len(pictures), np.int64))


def face(place: float, *, width: float = SIDE) -> list[float]:
    """Return a square box; faces at different whole places do not touch."""
    return [place * 20, 0, place * 20 + width, SIDE]


def matched(found, truth=(), ignored=(), *, iou=0.5) -> MatchedPicture:
    """Judge detections given as box and confidence."""
    labelled = np.array([*truth, *ignored], np.float32).reshape(-1, 4)
    wanted = np.array([True] * len(truth) + [False] * len(ignored), bool)
    xyxy = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    confidences = np.array([confidence for _, confidence in found], np.float32)
    return match_boxes(xyxy, confidences, labelled, wanted, iou=iou)


def ap(*args, **options) -> float:
    return average_precision([matched(*args, **options)])


class TestMatchBoxes:
    @pytest.mark.parametrize(
        ("width", "hit"), [(SIDE, True), (5.01, True), (5, True), (4.99, False)]
    )
    def test_a_hit_overlaps_by_half(self, width, hit):
        result = matched([(face(0, width=width), 0.9)], [face(0)])

        assert result.hits.tolist() == [hit]
        assert result.found.tolist() == [hit]

    def test_a_face_is_found_once_by_the_surest(self):
        result = matched([(face(0), 0.5), (face(0, width=9), 0.7)], [face(0)])

        assert result.hits.tolist() == [False, True]
        assert not result.ignored.any()

    @pytest.mark.parametrize(
        ("box", "ignored"),
        [
            (face(0), True),
            ([2.0, 2, 4, 4], True),  # small, but inside
            ([8.0, 0, 11.9, 10], True),  # half of it inside
            ([8.1, 0, 12, 10], False),
            (face(1), False),
        ],
    )
    def test_an_unwanted_face_takes_the_blame(self, box, ignored):
        result = matched([(box, 0.9)], ignored=[face(0)])

        assert result.ignored.tolist() == [ignored]
        assert not result.hits.any()
        assert result.found.shape == (0,)

    @given(boxes(), boxes(), st.integers(0, 2**32 - 1))
    def test_every_hit_finds_one_face(self, found, truth, seed):
        random = np.random.default_rng(seed)
        wanted = random.random(len(truth)) < 0.6
        confidences = random.random(len(found)).astype(np.float32)

        result = match_boxes(found, confidences, truth, wanted)

        assert result.hits.sum() == result.found.sum()
        assert not (result.hits & result.ignored).any()
        assert len(result.found) == wanted.sum()
        assert len(result.hits) == len(found)


class TestAveragePrecision:
    @pytest.mark.parametrize(
        "pictures",
        [[], [matched([])], [matched([(face(0), 0.9)])], [matched([], (), [face(0)])]],
        ids=["no picture", "empty", "false alarm", "ignored face"],
    )
    def test_without_a_wanted_face_it_is_not_defined(self, pictures):
        assert math.isnan(average_precision(pictures))

    @pytest.mark.parametrize(
        ("hits", "faces", "expected"),
        [
            ("", 1, 0),
            ("-", 1, 0),
            ("+", 1, 1),
            ("++", 2, 1),
            ("+", 2, 1 / 2),
            ("-+", 1, 1 / 2),
            ("+-", 1, 1),
            ("--+", 1, 1 / 3),
            ("+-+", 2, 1 / 2 * 1 + 1 / 2 * 2 / 3),
            ("-++", 2, 2 / 3),  # the curve is made monotone
            ("+-+-+", 4, 1 / 4 + 1 / 4 * 2 / 3 + 1 / 4 * 3 / 5),
        ],
    )
    def test_against_sums_by_hand(self, hits, faces, expected):
        truth = [face(place) for place in range(faces)]
        places = iter(range(faces))
        found = [
            (face(next(places) if hit == "+" else 50 + index), 0.9 - index / 10)
            for index, hit in enumerate(hits)
        ]

        assert ap(found, truth) == pytest.approx(expected)

    def test_confidences_count_across_pictures(self):
        pictures = [
            matched([(face(0), 0.5)], [face(0)]),
            matched([(face(9), 0.9)], [face(0)]),
        ]

        # A false alarm first, then a hit; one of two faces found.
        assert average_precision(pictures) == pytest.approx(1 / 2 * 1 / 2)

    @given(boxes(), boxes(), st.integers(0, 2**32 - 1))
    def test_laws(self, found, truth, seed):
        random = np.random.default_rng(seed)
        confidences = random.random(len(found)).astype(np.float32)
        wanted = np.append(random.random(len(truth)) < 0.6, True)
        truth = np.vstack([truth, np.float32([[900, 900, 910, 910]])])

        plain = match_boxes(found, confidences, truth, wanted)
        value = average_precision([plain])
        keep = ~plain.ignored

        assert 0 <= value <= plain.found.mean() + 1e-9
        # Only the order of confidences counts, and ignored detections do not.
        squared = match_boxes(found[keep], confidences[keep] ** 2, truth, wanted)
        assert average_precision([squared]) == pytest.approx(value)
