"""Domain objects with sensible defaults, for tests that care about one field."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from emojifier_bot.vision.crops import MEAN_FACE
from emojifier_bot.vision.landmarks import five_points
from emojifier_bot.vision.plan import Decision, DrawEmoji, Plan, PlannedFace
from emojifier_bot.vision.result import EmojifiedFace
from emojifier_bot.vision.types import (
    EMOTIONS,
    Anchor,
    BoundingBox,
    Detection,
    Emoji,
    EmojiTheme,
    Emotion,
    EmotionScores,
    Face,
    GeometryBound,
    ImageArray,
    Landmarks,
    LandmarkScheme,
    Placement,
)

CENTER_XY = (200.0, 150.0)
EYE_DISTANCE_PX = 60.0
#: The disc fills the art but for a rim of a sixteenth.
ART_SIZE_PX = 512
ANCHOR = Anchor((256.0, 256.0), 448.0)


def make_landmarks(
    *,
    center_xy: tuple[float, float] = CENTER_XY,
    eye_distance_px: float = EYE_DISTANCE_PX,
    roll_degrees: float = 0.0,
) -> Landmarks:
    """Return the mean face, its middle between the eyes at ``center_xy``."""
    turn = math.radians(roll_degrees)
    cos, sin = math.cos(turn), math.sin(turn)
    turned = MEAN_FACE @ np.array([[cos, -sin], [sin, cos]])
    points_xy = turned * eye_distance_px + np.array(center_xy)
    return Landmarks(points_xy.astype(np.float32), LandmarkScheme.IBUG_68)


def make_box(landmarks: Landmarks | None = None) -> BoundingBox:
    points_xy = (landmarks or make_landmarks()).points_xy
    edges = [*points_xy.min(axis=0), *points_xy.max(axis=0)]
    return BoundingBox(*map(float, edges))


def make_detection(
    landmarks: Landmarks | None = None, *, confidence: float = 0.9
) -> Detection:
    """Return what a detector says of a face that has these 68 points."""
    landmarks = landmarks or make_landmarks()
    five = Landmarks(five_points(landmarks.points_xy), LandmarkScheme.FIVE_POINT)
    return Detection(make_box(landmarks), confidence, five)


def make_scores(
    top: Emotion | str = Emotion.NEUTRAL, probability: float = 0.9
) -> EmotionScores:
    """Return scores with one emotion on top and the rest spread evenly."""
    rest = (1 - probability) / (len(EMOTIONS) - 1)
    return EmotionScores(
        np.array([probability if one == top else rest for one in EMOTIONS], np.float32)
    )


def make_face(
    top: Emotion | str = Emotion.NEUTRAL,
    probability: float = 0.9,
    *,
    landmarks: Landmarks | None = None,
    confident: bool = True,
) -> Face:
    landmarks = landmarks or make_landmarks()
    scores = make_scores(top, probability)
    return Face(make_detection(landmarks), landmarks, scores, confident)


def make_emoji(
    name: str = "neutral_face",
    *,
    character: str = "😐",
    spoken: str | None = None,
    point: dict[str, float] | None = None,
    anchor: Anchor = ANCHOR,
    mild: bool = False,
    surprise_only: bool = False,
    bounds: Sequence[GeometryBound] = (),
) -> Emoji:
    """Return an emoji that stands for neutral, unless told otherwise."""
    shares = {Emotion.NEUTRAL: 1.0} if point is None else point
    return Emoji(
        name=name,
        character=character,
        spoken=name.replace("_", " ") if spoken is None else spoken,
        point=np.array([shares.get(one, 0.0) for one in EMOTIONS], np.float32),
        anchor=anchor,
        mild=mild,
        surprise_only=surprise_only,
        bounds=tuple(bounds),
    )


def make_theme(emoji: Sequence[Emoji] | None = None) -> EmojiTheme:
    """Return a theme; by default with one pure emoji for each emotion."""
    if emoji is None:
        emoji = [
            make_emoji(f"{one}_face", character=one[0], spoken=one, point={one: 1.0})
            for one in EMOTIONS
        ]
    return EmojiTheme("test", "Test", ART_SIZE_PX, tuple(emoji))


def make_placement(
    center_xy: tuple[float, float] = CENTER_XY,
    size_px: float = 80.0,
    roll_degrees: float = 0.0,
) -> Placement:
    return Placement(center_xy, size_px, roll_degrees)


def make_emojified_face(
    spoken: str = "neutral",
    *,
    sure: bool = True,
    placement: Placement | None = None,
    face: Face | None = None,
) -> EmojifiedFace:
    """Return a face with an emoji laid on it, which the reader chose."""
    face, emoji = face or make_face(), make_emoji(spoken=spoken)
    planned = PlannedFace(
        1,
        face.box,
        placement or make_placement(),
        DrawEmoji(emoji.name),
        sure=sure,
        face=face,
    )
    return EmojifiedFace(planned, emoji)


def make_sprite(
    rgb: tuple[int, int, int] = (250, 200, 60),
    *,
    size_px: int = 128,
    anchor: Anchor = ANCHOR,
) -> ImageArray:
    """Return ``(size, size, 4)`` RGBA art: one disc, where the anchor says, on nothing.

    The transparent pixels are black, as bad art has them, so that fringes would show.
    """
    scale = size_px / ART_SIZE_PX
    centers = np.arange(size_px) + 0.5
    x, y = (at * scale for at in anchor.center_xy)
    away = np.hypot(centers[None] - x, centers[:, None] - y)
    alpha = np.clip(anchor.diameter_px * scale / 2 - away + 0.5, 0, 1)
    sprite = np.zeros((size_px, size_px, 4), np.uint8)
    sprite[alpha > 0, :3] = rgb
    sprite[..., 3] = np.round(alpha * 255)
    return sprite


def make_plan(count: int, *decisions: Decision) -> Plan:
    """Return a plan of faces 100 pixels apart; the last decision is all others'."""
    decisions = decisions or (DrawEmoji("neutral_face"),)
    faces = [
        PlannedFace(
            number,
            BoundingBox(100.0 * number - 40, 60.0, 100.0 * number + 40, 140.0),
            make_placement((100.0 * number, 100.0)),
            decisions[min(number, len(decisions)) - 1],
        )
        for number in range(1, count + 1)
    ]
    return Plan(640, 480, "test", "local", tuple(faces))
