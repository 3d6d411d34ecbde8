"""Draws a theme's emoji where their points lie among the emotions, on a plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from emojifier_bot.vision.calibration import Readings
from emojifier_bot.vision.color import straight
from emojifier_bot.vision.ports import EmojiSource
from emojifier_bot.vision.types import EMOTIONS, Emotion, FloatArray

SIZE_WH, MARGIN_PX = (1500, 1300), 40
#: Of the circle, and from there to the emotion's name.
RADIUS_PX, LABEL_PX = 500.0, 100.0
#: The seven emotions around the circle, clockwise from the top; neutral is its middle.
CIRCLE = (
    *(Emotion.HAPPINESS, Emotion.SURPRISE, Emotion.FEAR, Emotion.SADNESS),
    *(Emotion.DISGUST, Emotion.ANGER, Emotion.CONTEMPT),
)
ART_PX, NAME_PX, CORNER_PX, FACE_PX = 64, 14, 26, 3
#: Emoji are moved aside until their middles are so far apart,
APART_PX = 92.0
#: in at most so many rounds, each of which also draws them back by this share.
ROUNDS, BACK = 400, 0.02
GROUND, INK, LINE = (255, 255, 255), (40, 44, 52), (205, 209, 216)
#: Of an emotion's name and of faces that show it, in the order of `EMOTIONS`.
FACE_COLORS = (
    (214, 69, 65),
    (142, 110, 60),
    (88, 140, 60),
    (120, 80, 170),
    (235, 165, 30),
    (140, 145, 155),
    (60, 110, 190),
    (230, 110, 170),
)


def place(points: FloatArray) -> NDArray[np.float64]:
    """Return the ``(N, 2)`` pixels of ``(N, 8)`` points.

    A point lies where its shares balance seven emotions on a circle and neutral in its
    middle (RadViz, Hoffman et al., 1997): a projection that every theme shares.
    """
    return np.asarray(points, np.float64) @ corners()


def corners() -> NDArray[np.float64]:
    """Return the ``(8, 2)`` pixels of the pure emotions."""
    at = np.tile(np.array(SIZE_WH) / 2, (len(EMOTIONS), 1))
    for index, emotion in enumerate(CIRCLE):
        turn = 2 * np.pi * index / len(CIRCLE)
        at[EMOTIONS.index(emotion)] += RADIUS_PX * np.array(
            [np.sin(turn), -np.cos(turn)]
        )
    return at


def draw_points(source: EmojiSource, readings: Readings) -> Image.Image:
    """Draw every emoji at its point, moved aside where they would hide each other.

    Args:
        source: A theme with its art.
        readings: Faces, drawn as dots in the colour of what they mostly show.

    Returns:
        RGB, `SIZE_WH` pixels.
    """
    picture = Image.new("RGB", SIZE_WH, GROUND)
    draw = ImageDraw.Draw(picture)
    middle, font = np.array(SIZE_WH) / 2, ImageFont.load_default(CORNER_PX)
    for emotion, corner, color in zip(EMOTIONS, corners(), FACE_COLORS, strict=True):
        draw.line((*middle, *corner), fill=LINE, width=1)
        x, y = middle + (corner - middle) * (1 + LABEL_PX / RADIUS_PX)
        if emotion in CIRCLE:
            draw.text((x, y), str(emotion), color, font, anchor="mm")
    for face in (face for group in readings.values() for face in group):
        (spot,) = place(face.scores.probabilities[None]).tolist()
        draw.circle(spot, FACE_PX, fill=FACE_COLORS[EMOTIONS.index(face.scores.top)])
    emoji = [one for one in source.theme.emoji if not one.surprise_only]
    at = place(np.stack([one.point for one in emoji]))
    aside = spread(at)
    for start, end in zip(at.tolist(), aside.tolist(), strict=True):
        draw.line((*start, *end), fill=LINE, width=2)
        draw.circle(start, 3, fill=INK)
    font = ImageFont.load_default(NAME_PX)
    for one, (x, y) in zip(emoji, aside.tolist(), strict=True):
        art = straight(source.sprite(one, ART_PX)).resize((ART_PX, ART_PX))
        picture.paste(art, (round(x - ART_PX / 2), round(y - ART_PX / 2)), art)
        below = (x, y + ART_PX / 2)
        draw.text(
            below, one.name, INK, font, anchor="ma", stroke_width=2, stroke_fill=GROUND
        )
    return picture


def spread(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move places apart that are closer than `APART_PX`, each as little as can be."""
    places = at + 1e-3 * np.arange(at.size).reshape(at.shape)
    for _ in range(ROUNDS):
        away = places[:, None] - places[None]
        distance = np.linalg.norm(away, axis=2)
        np.fill_diagonal(distance, np.inf)
        push = np.maximum(APART_PX - distance, 0) / distance
        moved = 0.5 * (push[..., None] * away).sum(axis=1) + BACK * (at - places)
        places = np.clip(places + moved, MARGIN_PX, np.array(SIZE_WH) - MARGIN_PX)
    return places
