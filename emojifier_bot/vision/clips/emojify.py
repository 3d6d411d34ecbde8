"""Joins the parts of `clips`: follow the faces, then paint and encode each frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emojifier_bot.vision.clips.types import Clip, Cover, Follow, Followed, Frame
from emojifier_bot.vision.decode import DecodedImage

#: Paints the emoji of one frame on it.
PaintCovers = Callable[[DecodedImage, Sequence[Cover]], None]


def emojify_clip(
    clip: Clip, follow: Follow, paint: PaintCovers, extension: str | None = None
) -> tuple[Followed, bytes]:
    """Put emoji over the faces of a clip.

    Args:
        clip: It is decoded twice.
        follow: Finds the faces and chooses their emoji.
        paint: Paints the emoji of a frame.
        extension: Chooses the format, ``".webp"``; None keeps it.

    Returns:
        Who was found, and the encoded clip: empty where nobody was.

    Raises:
        ImageError: It cannot be decoded, or written in this format.
    """
    followed = follow(clip)
    if not followed.people:
        return followed, b""

    def paint_frame(frame: Frame) -> None:
        # A frame that was not followed shows nobody's face.
        last = len(followed.covers) - 1
        paint(frame.picture, followed.covers[min(frame.index, last)])

    return followed, clip.rewritten(paint_frame, extension)
