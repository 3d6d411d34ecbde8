"""A copy of a picture that shows what was read from it: boxes, points, scores."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.vision.alt_text import spoken
from emojifier_bot.vision.result import EmojifiedFace

BOX_COLOR = (0, 200, 255)
POINT_COLOR = (255, 230, 0)
DISC_COLOR = (255, 0, 160)
TEXT_COLOR, TEXT_GROUND = (255, 255, 255), (0, 0, 0)

#: Thickness of lines and size of points: one pixel for this much of the longer side,
_PX_PER_LINE = 600
#: and for this much of the face, whichever is less.
_FACE_PX_PER_LINE = 60
#: Height of the text over that of the face, and its limits in pixels.
_TEXT_SHARE, _LEAST_TEXT_PX, _MOST_TEXT_PX = 0.08, 10, 64
#: Frames one below the other have no more pixels than this together.
_MOST_STACKED_PX = 40_000_000
#: How many emotions are named, the most probable first.
_NAMED_EMOTIONS = 3


def draw_debug(
    image: Image.Image,
    faces: Sequence[EmojifiedFace],
    reading: ReadingMode = ReadingMode.EXPRESSIONS,
) -> Image.Image:
    """Draw each face's box, 68 points, the emoji's disc and scores on a copy.

    Args:
        image: RGB or RGBA, as it was before anything was painted on it.
        faces: What was read from it; may be empty.
        reading: What may be said of them.
    """
    drawn = image.copy()
    draw = ImageDraw.Draw(drawn)
    for face in faces:
        by_face = face.box.height / _FACE_PX_PER_LINE
        line_px = max(round(min(max(image.size) / _PX_PER_LINE, by_face)), 1)
        draw.rectangle(face.box.xyxy, outline=BOX_COLOR, width=line_px)
        center_xy, radius = face.placement.center_xy, face.placement.size_px / 2
        draw.circle(center_xy, radius, outline=DISC_COLOR, width=line_px)
        points_xy = [] if face.face is None else face.face.landmarks.points_xy.tolist()
        for x, y in points_xy:
            draw.circle((x, y), line_px, fill=POINT_COLOR)
    # Texts come last, so that no line crosses them.
    for face in faces:
        _draw_label(draw, face, label(face, reading), image.size)
    return drawn


def reduced(image: Image.Image, count: int) -> Image.Image:
    """Return a picture as small as it must be where so many are stacked."""
    width, height = image.size
    scale = (_MOST_STACKED_PX / (count * width * height)) ** 0.5
    if count == 1 or scale >= 1:
        return image
    return image.resize((max(int(width * scale), 1), max(int(height * scale), 1)))


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Return pictures of one size, one below the other."""
    if len(pictures) == 1:
        return pictures[0]
    width, height = pictures[0].size
    whole = Image.new(pictures[0].mode, (width, height * len(pictures)))
    for index, one in enumerate(pictures):
        whole.paste(one, (0, index * height))
    return whole


def label(face: EmojifiedFace, reading: ReadingMode = ReadingMode.EXPRESSIONS) -> str:
    """Return what is written beside a face, a few short lines."""
    if reading != ReadingMode.EXPRESSIONS:
        return "\n".join([_found(face), *filter(None, face.planned.shapes.split(", "))])
    read = face.face
    scores = read.scores.as_dict() if read is not None and read.is_read else {}
    best = sorted(scores, key=lambda name: -scores[name])[:_NAMED_EMOTIONS]
    doubt = "" if face.sure else " (not sure)"
    return "\n".join(
        [
            _found(face),
            *(f"{name} {scores[name]:.2f}" for name in best),
            spoken(face) if face.emoji is None else f"{face.emoji.name}{doubt}",
        ]
    )


def _found(face: EmojifiedFace) -> str:
    confidence = 0.0 if face.face is None else face.face.detection.confidence
    return f"face {confidence:.2f}, roll {face.placement.roll_degrees:.0f}"


def _draw_label(
    draw: ImageDraw.ImageDraw, face: EmojifiedFace, text: str, size_wh: tuple[int, int]
) -> None:
    box = face.box
    text_px = min(max(box.height * _TEXT_SHARE, _LEAST_TEXT_PX), _MOST_TEXT_PX)
    font = ImageFont.load_default(text_px)
    left, top, right, bottom = draw.multiline_textbbox((0, 0), text, font=font)
    # Below the box; moved back in where it would leave the picture.
    x = max(min(box.x_min, size_wh[0] - (right - left)), 0)
    y = max(min(box.y_max, size_wh[1] - (bottom - top)), 0)
    ground = (x, y, x + right - left, y + bottom - top)
    draw.rectangle(ground, fill=TEXT_GROUND)
    draw.multiline_text((x - left, y - top), text, fill=TEXT_COLOR, font=font)
