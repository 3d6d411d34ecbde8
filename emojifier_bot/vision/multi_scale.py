"""Finds faces of any size and roll by several passes of one detector.

The detector knows faces up to 45 degrees from upright. So four coarse passes look at a
small copy of the picture, as it is and turned by 90, 180 and 270 degrees; beside them
the main pass looks at a larger copy. Where the coarse passes see clearly more in
another direction, the main pass is repeated in that one. These passes always run: a
picture may hold upright and turned faces at once.

Others run where the first leave a doubt:

- faces about 45 degrees from all these directions: coarse and main pass in theirs;
- small faces, or none: a fine pass over a still larger copy, in the same direction;
- few faces and none that fills the picture: a pass over a small copy with room around
  it, in which a face that is larger than the picture is whole;
- a face in another direction that is not explained yet: the main pass in that one; all
  of them where nothing was found;
- no face in the end: coarse passes in the diagonals, and the main pass in the best.

A picture of little contrast is stretched before. A long or wide picture is cut into
overlapping tiles. Inside, every detection is in pixels of the main copy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.canvas import canvas_of
from emojifier_bot.vision.copies import (
    MAIN_PX,
    MAX_FACES,
    Copies,
    tiles,
    uncut,
)
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.detector import box_overlap, covered_shares, moved
from emojifier_bot.vision.fusion import (
    LARGE_FACE_PX,
    SAME_FACE_OVERLAP,
    SHOWN_CONFIDENCE,
    distinct,
    merge,
    penalize,
    pool_scales,
    side,
    surer_than,
)
from emojifier_bot.vision.landmarks import roll_degrees
from emojifier_bot.vision.ports import FaceDetector, Map
from emojifier_bot.vision.types import Detection, ImageArray

#: Directions of the coarse passes: the turn of the picture, degrees counter-clockwise.
QUARTER_TURNS = (0, 90, 180, 270)
#: Pairs of opposite directions between them.
DIAGONALS = ((45, 225), (135, 315))
UPRIGHT = 0
#: What a second stage is asked about.
PROPOSED_CONFIDENCE = 0.15
#: The fine pass costs as much as all others: what the main pass is less sure of is no
#: reason for one.
LIKELY_CONFIDENCE = 0.5
#: The direction of the main pass is where the confidences of coarse passes, those of at
#: least the first number, sum up to most: more than upright by at least the second.
SEEN_CONFIDENCE, CLEARLY_MORE = 0.65, 0.7
#: Faces far from upright are seen badly: of those from this confidence on, the rolls
#: tell whether a diagonal would show them better.
DOUBTFUL_CONFIDENCE = 0.3
#: A roll this near a diagonal, in degrees, speaks for it; and the confidences of these
#: must sum up to so much more than those of the others, and to so many times as much.
NEAR_DIAGONAL_DEGREES = 20.0
FAR_MORE, FAR_TIMES = 2.0, 2.0
#: And so many times as much must be seen there: a grid of faces misleads the rolls.
BETTER_TIMES = 1.2
#: A face fills a picture if it covers this share of it and the detector is this sure:
#: none of 592 photographs without people has one by mistake.
FILLED_SHARE, FILLING_CONFIDENCE = 0.5, 0.6
#: A likely face of this share may be the whole of what fills the picture.
LARGE_SHARE = 0.6
#: How many faces the parts of one face may be taken for.
MOST_PARTS = 4


#: What passes found, by the direction.
Seen = dict[int, list[Detection]]
#: A `FaceRescorer`'s method.
Rescore = Callable[[DecodedImage, Sequence[Detection], ImageArray], list[Detection]]


def find_faces(
    detector: FaceDetector,
    picture: DecodedImage,
    min_confidence: float,
    *,
    side_by_side: Map = map,
    rescore: Rescore | None = None,
) -> list[Detection]:
    """Find faces of any size at any roll, in a picture of any shape.

    Args:
        detector: Finds upright faces.
        picture: Any decoded picture.
        min_confidence: Detections that are less sure in the end are dropped.
        side_by_side: Runs passes that do not depend on each other.
        rescore: Judges the candidates of all passes; None believes the detector.

    Returns:
        At most `MAX_FACES` detections in pixels of the picture, best first.
    """
    copies = Copies(detector, picture, side_by_side)
    parts = [find_candidates(copies)]
    for tile in tiles(picture.image.size):
        canvas = canvas_of(picture.image.crop(tile))
        part = dataclasses.replace(picture, canvas=canvas)
        candidates = find_candidates(Copies(detector, part, side_by_side))
        whole = uncut(candidates, tile, picture.image.size)
        parts.append(moved(whole, np.array([[1.0, 0, tile[0]], [0, 1.0, tile[1]]])))

    def judged(found: Sequence[Detection]) -> list[Detection]:
        if rescore is not None:
            proposed = surer_than(min(PROPOSED_CONFIDENCE, min_confidence), found)
            known = distinct(rescore(picture, proposed, copies.plain))
            found = without_parts(known, picture.image.size)
        return surer_than(min_confidence, found)

    # A single face tells no pass of another direction that it is between two.
    return judged(merge(parts)[:MAX_FACES]) or judged(_diagonal_candidates(copies))


def without_parts(
    found: Sequence[Detection], size_wh: tuple[int, int]
) -> list[Detection]:
    """Drop what lies within a surer face that fills the picture: a part of it.

    Args:
        found: In pixels of the picture, best first.
        size_wh: Width and height of the picture.
    """
    xyxy = np.array([one.box.xyxy for one in found], np.float32).reshape(-1, 4)
    filling = np.flatnonzero(covered_shares(xyxy, size_wh) >= FILLED_SHARE)[:1]
    if not len(filling):
        return list(found)
    inside = box_overlap(xyxy, xyxy[filling])[:, 0] >= SAME_FACE_OVERLAP
    kept = ~inside | (np.arange(len(found)) <= filling)
    return [one for one, keep in zip(found, kept, strict=True) if keep]


def find_upright_faces(
    detector: FaceDetector, picture: DecodedImage, min_confidence: float
) -> list[Detection]:
    """Find faces by the main pass alone; see `find_faces`."""
    copies = Copies(detector, picture)
    found = copies.look(copies.main, UPRIGHT).run()
    return surer_than(min_confidence, moved(found, copies.to_picture))


def find_candidates(copies: Copies) -> list[Detection]:
    """Return what may be faces in a picture of usual shape, best first."""
    main, coarse, direction = _first_passes(copies)
    found = main[direction]
    # A smaller picture has no more to show.
    fine = copies.longer_side_px >= MAIN_PX and needs_fine_pass(found)
    likely = [surer_than(LIKELY_CONFIDENCE, one) for one in (found, coarse[direction])]
    filled = may_be_filled(merge(likely), copies.main)
    roomy = dict.fromkeys([UPRIGHT, direction] if filled else [])
    known = surer_than(SHOWN_CONFIDENCE, found)
    # Where nothing is known yet, the fine pass decides about other directions.
    others = _unexplained(known, coarse, direction) if known else []

    further = iter(
        copies.run(
            [
                *([copies.look(copies.fine(), direction)] if fine else []),
                *(copies.padded(one) for one in roomy),
                *(copies.look(copies.main, one) for one in others if one not in main),
            ],
        )
    )
    finer = next(further) if fine else None
    padded = [next(further) for _ in roomy]
    main |= {one: next(further) for one in others if one not in main}
    found = pool_scales(found, finer, coarse[direction])
    known = surer_than(SHOWN_CONFIDENCE, found)
    if direction != UPRIGHT and len(known) <= 1:
        # One face does not tell that the picture is turned: it may be a mistake.
        found = [penalize(one) for one in found]
    others = _unexplained(known, coarse, direction)
    unseen = [one for one in others if one not in main]
    looks = [copies.look(copies.main, one) for one in unseen]
    main |= zip(unseen, copies.run(looks), strict=True)
    turned = [
        [penalize(one) for one in pool_scales(main[degrees], None, coarse[degrees])]
        for degrees in others
    ]
    found = with_filling_face(merge([found, *turned]), merge(padded), copies.main)
    return moved(found, copies.to_picture)


def _diagonal_candidates(copies: Copies) -> list[Detection]:
    """Return what may be faces in the diagonal in which most are seen well."""
    directions = [degrees for pair in DIAGONALS for degrees in pair]
    looks = [copies.look(copies.coarse, degrees) for degrees in directions]
    seen = dict(zip(directions, copies.run(looks), strict=True))
    best = max(directions, key=lambda one: _seen(seen[one]))
    if not surer_than(SEEN_CONFIDENCE, seen[best]):
        return []
    main = copies.look(copies.main, best).run()
    found = pool_scales(main, None, seen[best])
    return moved([penalize(one) for one in found], copies.to_picture)


def _first_passes(copies: Copies) -> tuple[Seen, Seen, int]:
    """Run the main pass and the coarse ones.

    Returns:
        What they found by direction, and the direction that shows most faces.
    """
    upright, *seen = copies.run(
        [
            copies.look(copies.main, UPRIGHT),
            *(copies.look(copies.coarse, degrees) for degrees in QUARTER_TURNS),
        ],
    )
    main = {UPRIGHT: upright}
    coarse = dict(zip(QUARTER_TURNS, seen, strict=True))
    direction = main_direction(seen)
    if direction not in main:
        main[direction] = copies.look(copies.main, direction).run()
    doubted = [surer_than(DOUBTFUL_CONFIDENCE, one) for one in (main[direction], *seen)]
    diagonals = doubted_diagonals(merge(doubted))
    if diagonals:
        looks = [copies.look(copies.main, degrees) for degrees in diagonals]
        main |= zip(diagonals, copies.run(looks), strict=True)
        best = max(diagonals, key=lambda one: _seen(main[one]))
        if _seen(main[best]) >= BETTER_TIMES * _seen(main[direction]):
            direction = best
            coarse[best] = copies.look(copies.coarse, best).run()
    return main, coarse, direction


def _unexplained(known: Sequence[Detection], coarse: Seen, direction: int) -> list[int]:
    """Return the other directions that show a new face; all if none is known."""
    return [
        degrees
        for degrees in QUARTER_TURNS
        if degrees != direction
        and (not known or finds_new_face(known, coarse[degrees]))
    ]


def main_direction(coarse: Sequence[Sequence[Detection]]) -> int:
    """Return the direction in which a picture shows most faces.

    Args:
        coarse: What was found in each of `QUARTER_TURNS`.
    """
    seen = [_seen(found) for found in coarse]
    best = int(np.argmax(seen))
    clear = seen[best] >= seen[QUARTER_TURNS.index(UPRIGHT)] + CLEARLY_MORE
    return QUARTER_TURNS[best] if clear else UPRIGHT


def doubted_diagonals(found: Sequence[Detection]) -> tuple[int, ...]:
    """Return two opposite diagonals, if one of them clearly shows most faces.

    The rolls of faces that are seen badly tell which, but many of them are seen upside
    down.
    """
    told = [
        (roll_degrees(one.landmarks.points_xy), one.confidence)
        for one in surer_than(DOUBTFUL_CONFIDENCE, found)
        if one.landmarks is not None
    ]
    rolls, weights = np.array(told).reshape(-1, 2).T

    def votes(directions: Sequence[int], within: float) -> float:
        away = np.abs((rolls[:, None] + directions + 180) % 360 - 180).min(axis=1)
        return float(weights[away <= within].sum())

    best = max(DIAGONALS, key=lambda pair: votes(pair, NEAR_DIAGONAL_DEGREES))
    straight = votes(QUARTER_TURNS, 45 - NEAR_DIAGONAL_DEGREES)
    most = votes(best, NEAR_DIAGONAL_DEGREES)
    clear = most >= max(straight + FAR_MORE, FAR_TIMES * straight)
    return best if clear else ()


def finds_new_face(known: Sequence[Detection], coarse: Sequence[Detection]) -> bool:
    """Tell whether a coarse pass sees a face well that is not known yet."""
    return len(merge([known, surer_than(SEEN_CONFIDENCE, coarse)])) > len(known)


def needs_fine_pass(main: Sequence[Detection]) -> bool:
    """Tell whether a fine pass may see more: small faces, or any at all."""
    likely = surer_than(LIKELY_CONFIDENCE, main)
    return not likely or min(map(side, likely)) < LARGE_FACE_PX


def may_be_filled(found: Sequence[Detection], main_copy: ImageArray) -> bool:
    """Tell whether a face may fill the picture that no pass has seen.

    Not beside a large face, and not where more faces are known than its parts may be
    taken for.
    """
    likely = surer_than(LIKELY_CONFIDENCE, found)
    large = _covered_shares(likely, main_copy) >= LARGE_SHARE
    return not large.any() and not _are_many(found)


def with_filling_face(
    found: Sequence[Detection], padded: Sequence[Detection], main_copy: ImageArray
) -> list[Detection]:
    """Return the face that fills the picture; without one, what was found."""
    covered = _covered_shares(padded, main_copy)
    filling = [
        one
        for one, share in zip(padded, covered, strict=True)
        if share >= FILLED_SHARE and one.confidence >= FILLING_CONFIDENCE
    ]
    return list(found) if _are_many(found) or not filling else filling[:1]


def _are_many(found: Sequence[Detection]) -> bool:
    return len(surer_than(SHOWN_CONFIDENCE, found)) > MOST_PARTS


def _covered_shares(
    found: Sequence[Detection], main_copy: ImageArray
) -> NDArray[np.floating]:
    height, width = main_copy.shape[:2]
    xyxy = np.array([one.box.xyxy for one in found]).reshape(-1, 4)
    return covered_shares(xyxy, (width, height))


def _seen(found: Sequence[Detection]) -> float:
    return sum(one.confidence for one in surer_than(SEEN_CONFIDENCE, found))
