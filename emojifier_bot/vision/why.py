"""Why a face got its emoji: the measures that decided, by undoing each of them.

A measure decided if the face would have got another emoji without it. So each measure
of `shapes.SHAPES` is undone: the 68 points move until it is at rest, the pixels move
along (a thin-plate spline, Bookstein, 1989), and the same classifier reads that face.
A measure that is at rest is undone the other way: away from rest. Nothing here looks at
weights or gradients; what is named has changed the choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.vision.choose import Choice, choose, ranking
from emojifier_bot.vision.crops import canonical_frame, frame_patch, invert
from emojifier_bot.vision.decode import DecodedImage, from_image
from emojifier_bot.vision.emotion import APPEARANCE_PX, to_canonical
from emojifier_bot.vision.landmarks import apply_affine, measure
from emojifier_bot.vision.plan import ChosenBy, Cover, DrawEmoji, Leave, PlannedFace
from emojifier_bot.vision.ports import EmotionClassifier
from emojifier_bot.vision.shapes import SHAPES, visible, with_measure, words_of
from emojifier_bot.vision.shared_points import bending
from emojifier_bot.vision.types import (
    Emoji,
    EmojiTheme,
    EmotionScores,
    FloatArray,
    ImageArray,
    Landmarks,
    LandmarkScheme,
    Measure,
)

#: So many measures are named, and so many emoji compared.
NAMED, COMPARED = 3, 3
#: The corners of the space of emotions are this far apart.
FARTHEST = 2**0.5
#: Points on the frame's edge that stay: so many on each side.
_EDGE_POINTS = 5
#: Lets points of the spline that come together (closed lips) miss their aim a little.
_SLACK = 1e-4


#: Why no measure is named.
UNDECIDED = "No measure decided alone."
READ_ELSEWHERE = "What read this face gives no reasons."
AT_RANDOM = "It was drawn at random."
NOT_READ = "Nothing was read of this face."
BY_PERSON = "A person chose this."
IS_LEFT, IS_COVERED = "It was left as it is.", "It was covered."


@dataclass(frozen=True, slots=True, eq=False)
class Reason:
    """A measure that decided."""

    measure: Measure
    value: float
    #: "mouth corners raised".
    words: str
    #: How it was undone, "lower", and the emoji that the face would get then.
    undone: str
    instead: Emoji


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """One of the emoji that come nearest, and how near: 0 to 1."""

    emoji: Emoji
    nearness: float


@dataclass(frozen=True, slots=True, eq=False)
class Why:
    """Why one face got its emoji."""

    #: The face's, in the plan.
    number: int
    #: None where it was left or covered.
    emoji: Emoji | None
    sure: bool
    #: ``(68, 2)`` in the canonical frame of side 1, for the drawing; None for a place
    #: in which nothing was read.
    canonical_xy: FloatArray | None = None
    #: What is visible, in words; empty where nothing may be read.
    shapes: tuple[str, ...] = ()
    #: Those that decided most, at most three.
    reasons: tuple[Reason, ...] = ()
    #: The emoji itself and those that it beat, at most three.
    nearest: tuple[Contender, ...] = ()
    #: Why no measure is named; empty where one is.
    note: str = ""

    @property
    def margin(self) -> float | None:
        """Return how much nearer it is than what it beat; None if it beat nothing.

        Below 0 the other one is nearer, and the face's shape fits this one better.
        """
        if len(self.nearest) < 2:  # noqa: PLR2004 - two to compare
            return None
        return self.nearest[0].nearness - self.nearest[1].nearness

    def to_dict(self, reading: ReadingMode) -> dict[str, object]:
        """Return the key ``why`` of a face in the object of ``replay --json``.

        Args:
            reading: What may be said: emoji have no names where shapes are.
        """

        def name(emoji: Emoji) -> str | None:
            return emoji.name if reading == ReadingMode.EXPRESSIONS else None

        margin = self.margin
        return {
            "reasons": [
                {
                    "measure": _PLAIN_NAMES.get(one.measure, str(one.measure)),
                    "value": round(one.value, 4),
                    "words": one.words,
                    "undone": one.undone,
                    "instead": name(one.instead),
                }
                for one in self.reasons
            ],
            "nearest": [
                {"name": name(one.emoji), "nearness": round(one.nearness, 4)}
                for one in self.nearest
            ],
            "margin": None if margin is None else round(margin, 4),
            "note": self.note,
        }


#: Names of measures that would say more than what is visible.
_PLAIN_NAMES = {Measure.SMILE_WIDTH: "mouth_width"}


def sentence(why: Why, reading: ReadingMode) -> str:
    """Return why a face got its emoji, as one line of text.

    Args:
        why: What was found.
        reading: What may be said.
    """
    named = reading == ReadingMode.EXPRESSIONS
    parts = []
    if named and why.emoji is not None:
        parts.append(why.emoji.spoken if why.sure else f"perhaps {why.emoji.spoken}")
    if why.reasons:
        reasons = "; ".join(_reason_words(one, named=named) for one in why.reasons)
        parts.append(reasons)
    elif why.shapes and not named:
        parts.append(", ".join(why.shapes))
    if why.note:
        parts.append(why.note.rstrip("."))
    elif named and (beaten := beat_words(why)):
        parts.append(beaten)
    return f"face {why.number}: {'. '.join(parts)}."


def _reason_words(reason: Reason, *, named: bool) -> str:
    words = f"{reason.words} {reason.value:.2f}"
    if named:
        return f"{words} ({reason.undone}: {reason.instead.spoken})"
    return words


def beat_words(why: Why) -> str:
    """Return what the emoji beat, and by how much; empty if it beat nothing."""
    if why.margin is None:
        return ""
    beaten = why.nearest[1].emoji.spoken
    if why.margin < 0:
        return (
            f"It beat {beaten}, which is {-why.margin:.2f} nearer, by the face's shape"
        )
    return f"It beat {beaten} by {why.margin:.2f}"


def explain(
    picture: DecodedImage,
    planned: PlannedFace,
    theme: EmojiTheme,
    classifiers: Sequence[EmotionClassifier],
    *,
    reading: ReadingMode = ReadingMode.EXPRESSIONS,
    at_random: bool = False,
) -> Why:
    """Say why a face got what a plan gives it.

    Args:
        picture: Before anything was painted on it.
        planned: One of its faces, as it was just read.
        theme: What its emoji was picked from.
        classifiers: What may have read the face.
        reading: What may be read.
        at_random: Whether the reader drew the emoji.
    """
    decision, face = planned.decision, planned.face
    emoji = None
    if isinstance(decision, DrawEmoji):
        emoji = next(one for one in theme.emoji if one.name == decision.name)
    why = Why(planned.number, emoji, planned.sure)
    if face is None:
        return replace(why, note=NOT_READ)
    points_xy = face.landmarks.points_xy
    is_read = reading != ReadingMode.OFF
    why = replace(
        why,
        canonical_xy=to_canonical(points_xy),
        shapes=visible(points_xy) if is_read else (),
    )
    if emoji is None or planned.chosen_by is ChosenBy.PERSON or not is_read:
        return replace(why, note=_note(planned))
    values = measure(points_xy)
    ranked = ranking(theme, face.scores, values, sure=planned.sure, count=COMPARED)
    near = tuple(Contender(one, 1 - away / FARTHEST) for one, away in ranked)
    if at_random:
        return replace(why, nearest=near, note=AT_RANDOM)
    note = READ_ELSEWHERE
    for classifier in classifiers:
        reader = Rereader(picture, points_xy, theme, classifier)
        reasons = _reasons(reader, values, emoji)
        if reasons is not None:
            note = "" if reasons else UNDECIDED
            return replace(why, nearest=near, reasons=reasons, note=note)
    return replace(why, nearest=near, note=note)


def _note(planned: PlannedFace) -> str:
    """Return what decided in place of the reader."""
    if isinstance(planned.decision, Leave):
        return IS_LEFT
    if isinstance(planned.decision, Cover):
        return IS_COVERED
    if planned.chosen_by is ChosenBy.PERSON:
        return BY_PERSON
    return NOT_READ


def _reasons(
    reader: Rereader, values: Mapping[Measure, float], chosen: Emoji
) -> tuple[Reason, ...] | None:
    """Return what decided; None where this reader would not have chosen so."""
    tries = [
        (shape, to) for shape in SHAPES for to in shape.undone(values[shape.measure])
    ]
    faces = [with_measure(reader.canonical_xy, one.measure, to) for one, to in tries]
    (scores, same), *read = reader.read([reader.canonical_xy, *faces])
    if same.emoji.name != chosen.name:
        return None
    found: dict[Measure, tuple[bool, float, Reason]] = {}
    for (shape, to), (other, choice) in zip(tries, read, strict=True):
        if choice.emoji.name == chosen.name:
            continue
        value = values[shape.measure]
        is_at_rest = len(shape.undone(value)) > 1
        effect = float(np.abs(other.probabilities - scores.probabilities).sum())
        reason = Reason(
            shape.measure,
            value,
            words_of(shape, values) or shape.usual,
            shape.less if to < value else shape.more,
            choice.emoji,
        )
        best = found.get(shape.measure)
        if best is None or effect > best[1]:
            found[shape.measure] = (is_at_rest, effect, reason)
    # What is away from rest says more than what is not.
    ranked = sorted(found.values(), key=lambda one: (one[0], -one[1]))
    return tuple(reason for _, _, reason in ranked[:NAMED])


class Rereader:
    """Reads one face again with its points moved, and its pixels with them."""

    def __init__(
        self,
        picture: DecodedImage,
        points_xy: FloatArray,
        theme: EmojiTheme,
        classifier: EmotionClassifier,
    ) -> None:
        self._theme, self._classifier = theme, classifier
        frame = canonical_frame(points_xy, APPEARANCE_PX)
        self.canonical_xy = to_canonical(points_xy)
        self._patch, self._to_frame = frame_patch(picture, frame, APPEARANCE_PX)

    def read(
        self, faces_xy: Sequence[FloatArray]
    ) -> list[tuple[EmotionScores, Choice]]:
        """Return what is read of faces, and the emoji that each would get.

        Args:
            faces_xy: Each ``(68, 2)`` in the canonical frame of side 1.
        """
        return [self._read(face_xy) for face_xy in faces_xy]

    def _read(self, face_xy: FloatArray) -> tuple[EmotionScores, Choice]:
        # A picture for each face, so that what is read of it depends on it alone: in
        # one picture, where a copy lies would round its pixels' places differently.
        points = self._in_patch(face_xy).astype(np.float32)
        landmarks = Landmarks(points, LandmarkScheme.IBUG_68)
        picture = from_image(Image.fromarray(self._moved(face_xy)))
        (scores,) = self._classifier.classify(picture, [landmarks])
        confident = scores.top_probability >= self._classifier.sure_threshold
        values = measure(points)
        return scores, choose(self._theme, scores, values, confident=confident)

    def _in_patch(self, canonical_xy: FloatArray) -> FloatArray:
        return apply_affine(invert(self._to_frame), canonical_xy * APPEARANCE_PX)

    def _moved(self, face_xy: FloatArray) -> ImageArray:
        """Move the pixels as the points have moved."""
        if np.array_equal(face_xy, self.canonical_xy):
            return self._patch
        from_xy = _spline(face_xy, self.canonical_xy) * APPEARANCE_PX
        rows, columns = self._patch.shape[:2]
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        pixels_xy = np.stack([x, y], axis=-1).astype(np.float32)
        in_frame = apply_affine(self._to_frame, pixels_xy + 0.5) - 0.5
        field = _sampled(from_xy.astype(np.float32), in_frame, cv2.BORDER_CONSTANT)
        step = field @ np.linalg.inv(self._to_frame[:, :2]).T
        sources_xy = (pixels_xy + step).astype(np.float32)
        moved = _sampled(self._patch, sources_xy, cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.uint8)


def _sampled(image: NDArray[Any], at_xy: FloatArray, border: int) -> NDArray[Any]:
    """Return an image's values at ``(H, W, 2)`` places, bilinear."""
    x, y = at_xy[..., 0], at_xy[..., 1]
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=border))


def _spline(to_xy: FloatArray, from_xy: FloatArray) -> NDArray[np.float64]:
    """Return how far each pixel of the canonical frame comes from where it is seen.

    Args:
        to_xy: ``(68, 2)`` where the points go, in the frame of side 1.
        from_xy: ``(68, 2)`` where they come from. The edge of the frame stays.

    Returns:
        ``(APPEARANCE_PX, APPEARANCE_PX, 2)`` differences, 1 is the side.
    """
    steps = np.linspace(0, 1, _EDGE_POINTS)
    edge = np.array([(x, y) for x in steps for y in steps if {x, y} & {0.0, 1.0}])
    known = np.vstack([to_xy, edge]).astype(np.float64)
    count = len(known)
    flat = np.hstack([np.ones((count, 1)), known])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = bending(known, known) + _SLACK * np.eye(count)
    system[:count, count:], system[count:, :count] = flat, flat.T
    aims = np.zeros((count + 3, 2))
    aims[: len(to_xy)] = from_xy - to_xy
    weights = np.linalg.solve(system, aims)
    centers = (np.arange(APPEARANCE_PX) + 0.5) / APPEARANCE_PX
    pixels = np.stack(np.meshgrid(centers, centers), axis=-1).reshape(-1, 2)
    basis = np.hstack([bending(pixels, known), np.ones((len(pixels), 1)), pixels])
    moved: NDArray[np.float64] = basis @ weights
    return moved.reshape(APPEARANCE_PX, APPEARANCE_PX, 2)
