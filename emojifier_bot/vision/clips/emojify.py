"""Joins the parts of `clips`: follow the faces, then paint and encode each frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emojifier_bot.vision.clips.types import Clip, Follow, Followed, Frame
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.plan import PlannedFace

#: Paints on one frame what becomes of its faces.
PaintFaces = Callable[[DecodedImage, Sequence[PlannedFace]], None]


def emojify_clip(
    clip: Clip,
    follow: Follow,
    paint: PaintFaces,
    name: str | None = None,
    quality: int | None = None,
) -> tuple[Followed, bytes]:
    """Put emoji over the faces of a clip.

    Args:
        clip: It is decoded twice.
        follow: Finds the faces and chooses their emoji.
        paint: Paints what becomes of the faces of a frame.
        name: Of the format, as `formats.clip_format` gives it; None keeps it.
        quality: 1 to 100, for lossy formats; None matches the input's.

    Returns:
        Who was found, and the encoded clip: empty where nobody was.

    Raises:
        ImageError: It cannot be decoded, or written in this format.
    """
    followed = follow(clip)
    if not followed.plan.faces:
        return followed, b""

    def paint_frame(frame: Frame) -> None:
        # A frame that was not followed shows nobody's face.
        last = len(followed.frames) - 1
        paint(frame.picture, followed.frames[min(frame.index, last)])

    return followed, clip.rewritten(paint_frame, name, quality)
