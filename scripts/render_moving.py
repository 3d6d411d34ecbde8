"""Make the animation at the top of the README from the sample photo.

Run ``python scripts/render_moving.py`` after the sample, the emoji or the tracking has
changed. A camera moves over the photo; the bot gets that as an animation, and what it
got stands beside what it made.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

from emojifier_bot.app import make_pipeline
from emojifier_bot.config import load_picture_settings
from emojifier_bot.vision.options import EmojifyOptions

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "docs" / "sample" / "astronaut.png"
MOVING = ROOT / "docs" / "moving.gif"
FRAMES, FRAME_MS, SIDE_PX, GAP_PX, COLORS = 30, 80, 200, 8, 96
#: Of the face in the photo; how far the camera goes, turns, and comes near.
FACE_XY, SWAY_PX, ROLL_DEGREES, NEAR, FAR = (224, 142), (44, 12), 7, 0.75, 1.12


def main() -> None:
    """Write the animation."""
    with Image.open(SAMPLE) as photo:
        before = [camera(photo.convert("RGB"), at) for at in range(FRAMES)]
    buffer = io.BytesIO()
    before[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=before[1:],
        duration=FRAME_MS,
        lossless=True,
    )
    pipeline = make_pipeline(load_picture_settings(env_file=False))
    result = pipeline.run(buffer.getvalue(), EmojifyOptions())
    pairs = []
    with Image.open(io.BytesIO(result.encoded)) as after:
        for at, frame in enumerate(before):
            after.seek(at)
            pair = Image.new("RGB", (2 * SIDE_PX + GAP_PX, SIDE_PX), "white")
            pair.paste(frame, (0, 0))
            pair.paste(after.convert("RGB"), (SIDE_PX + GAP_PX, 0))
            pairs.append(pair)
    palette = stacked(pairs).quantize(COLORS, kmeans=1)
    drawn = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pairs]
    drawn[0].save(
        MOVING,
        save_all=True,
        append_images=drawn[1:],
        duration=FRAME_MS,
        loop=0,
        optimize=True,
    )
    print(f"{MOVING}: {MOVING.stat().st_size / 1e6:.2f} MB, {result.alt_text}")


def camera(photo: Image.Image, at: int) -> Image.Image:
    """Return the frame that a camera sees which moves around the face, and back."""
    phase = 2 * math.pi * at / FRAMES
    scale = (NEAR + FAR) / 2 - (FAR - NEAR) / 2 * math.cos(phase)
    turn = math.radians(ROLL_DEGREES) * math.sin(phase)
    center = np.array(FACE_XY) + np.array(SWAY_PX) * (
        math.sin(phase),
        math.sin(2 * phase),
    )
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    middle = SIDE_PX / 2
    x, y = center - (cos * middle - sin * middle, sin * middle + cos * middle)
    matrix = (cos, -sin, x, sin, cos, y)
    size = (SIDE_PX, SIDE_PX)
    return photo.transform(
        size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )


def stacked(frames: list[Image.Image]) -> Image.Image:
    """Return some frames in one picture, for a palette that suits all."""
    some = frames[::6]
    sheet = Image.new("RGB", (some[0].width, some[0].height * len(some)))
    for at, frame in enumerate(some):
        sheet.paste(frame, (0, at * frame.height))
    return sheet


if __name__ == "__main__":
    main()
