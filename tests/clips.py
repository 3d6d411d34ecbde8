"""Animations for tests: a photo under a known motion, written by Pillow."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from emojifier_bot.vision.clips.types import Frame
from tests.images import photo

SIZE_WH = (160, 120)
#: Side of what `paint_disc` paints, and how it is coloured.
DISC_PX, DISC_RGB = 41, (255, 200, 60)


def panned(count: int = 8, mode: str = "RGB", step_px: int = 3) -> list[Image.Image]:
    """Return frames of a photo that the camera moves over, to the right."""
    width, height = SIZE_WH
    whole = photo(width + count * step_px, height, mode)
    return [
        whole.crop((at * step_px, 0, at * step_px + width, height))
        for at in range(count)
    ]


def with_hole(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Return the picture, transparent around a box."""
    alpha = Image.new("L", image.size, 0)
    alpha.paste(255, box)
    image = image.convert("RGBA")
    image.putalpha(alpha)
    return image


def animation(frames: Sequence[Image.Image], name: str, **options: object) -> bytes:
    """Return frames as an animation, 40 ms each unless told otherwise."""
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        name,
        save_all=True,
        append_images=frames[1:],
        **{"duration": 40, "loop": 0} | options,
    )
    return buffer.getvalue()


def disc_center(index: int) -> tuple[int, int]:
    """Return where `paint_disc` paints: it goes to the left, as faces in a pan do."""
    return 90 - 3 * index, 60


def paint_disc(frame: Frame) -> None:
    """Paint a flat disc, opaque, in place of an emoji."""
    pixels = frame.picture.canvas.pixels
    pixels[disc_mask(frame.index, pixels.shape)] = (*DISC_RGB, 255)


def disc_mask(index: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return ``(H, W)`` bool: where the disc is."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    center_x, center_y = disc_center(index)
    return (x - center_x) ** 2 + (y - center_y) ** 2 <= (DISC_PX // 2) ** 2


def rgba_frames(data: bytes) -> list[np.ndarray]:
    """Return the frames as Pillow shows them: ``(H, W, 4)``."""
    with Image.open(io.BytesIO(data)) as image:
        frames = []
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGBA")))
        return frames


def facts_of(data: bytes) -> list[dict[str, object]]:
    """Return what Pillow says of each frame: delay, disposal, blend and loop."""
    with Image.open(io.BytesIO(data)) as image:
        facts = []
        for index in range(image.n_frames):
            image.seek(index)
            image.load()
            one = {key: image.info.get(key) for key in ("duration", "blend", "loop")}
            disposal = getattr(image, "disposal_method", image.info.get("disposal"))
            facts.append(one | {"disposal": disposal})
        return facts
