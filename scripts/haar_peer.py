"""Measure a Haar cascade on our held-out pictures, to see how hard they are.

Its figures on the sets that are kept apart are known (`KEPT_APART`), so what it reaches
on ours tells how the two compare. OpenCV 5 has no cascades; install an OpenCV that has
them beside the environment:

    pip install --no-deps --target build/opencv4 opencv-python-headless==4.10.0.84
    PYTHONPATH=build/opencv4 python scripts/haar_peer.py ../shared/data

Writes docs/held_out/stand_in.md.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from emojifier_bot.vision.types import BoundingBox, Detection, ImageArray
from emojifier_training.data import (
    LabelledPicture,
    is_held_out,
    read_detection,
)
from emojifier_training.evaluate_detector import (
    DIFFICULTIES,
    REFERENCE_PX,
    at_least,
    find_all,
    measured_ap,
)

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "held_out" / "stand_in.md"
CASCADE = "haarcascade_frontalface_default.xml"
#: What the cascade reaches on 612 pictures of WIDER FACE's validation part, the longer
#: side 640, as the peers of our targets were measured.
KEPT_APART = {"easy": 0.471, "medium": 0.374, "hard": 0.136}
#: Steps of its pyramid, the least number of windows that agree, its smallest window.
SCALE_FACTOR, LEAST_NEIGHBORS, SMALLEST_PX = 1.1, 1, 10

HEAD = f"""# How hard our held-out pictures are

Our targets were set on pictures that are kept apart from this project; we measure on
others. OpenCV's Haar cascade for upright faces was measured on both, the longer side at
{REFERENCE_PX} pixels. With which settings it was there, we do not know; here each step
of its pyramid is {SCALE_FACTOR}, the smallest window has {SMALLEST_PX} pixels, and
{LEAST_NEIGHBORS + 1} windows must agree. Written by `scripts/haar_peer.py`; brackets
are 95 % intervals.

| average precision | kept apart | ours |
|---|--:|--:|
"""


def cascade() -> Callable[[LabelledPicture], list[Detection]]:
    """Return what finds faces by the cascade, each as sure as its last stage is."""
    classifier = cv2.CascadeClassifier(cv2.data.haarcascades + CASCADE)

    def detect(picture: LabelledPicture) -> list[Detection]:
        grey, scale = reduced(picture.image())
        windows, _, weights = classifier.detectMultiScale3(
            grey,
            scaleFactor=SCALE_FACTOR,
            minNeighbors=LEAST_NEIGHBORS,
            minSize=(SMALLEST_PX, SMALLEST_PX),
            outputRejectLevels=True,
        )
        return [
            Detection(
                BoundingBox(*(np.array([x, y, x + w, y + h]) / scale)),
                1 / (1 + math.exp(-weight)),
            )
            for (x, y, w, h), weight in zip(windows, weights, strict=True)
        ]

    return detect


def reduced(rgb: ImageArray) -> tuple[ImageArray, float]:
    """Return a grey copy whose longer side is 640, and its scale."""
    scale = REFERENCE_PX / max(rgb.shape[:2])
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    copy = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=kind)
    return cv2.cvtColor(copy, cv2.COLOR_RGB2GRAY), scale


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the three data sets")
    data = parser.parse_args().data
    pictures = [
        one
        for one in read_detection(data / "detection")
        if one.source == "wider" and is_held_out(one.source, one.name)
    ]
    found = find_all(cascade(), pictures, lambda *_: None)
    rows = []
    for name, height_px in DIFFICULTIES.items():
        ap = measured_ap(found, at_least(height_px))
        ours = f"{ap.value:.3f} ({ap.low:.3f} – {ap.high:.3f})"
        rows.append(f"| {name} | {KEPT_APART[name]:.3f} | {ours} |\n")
    PAGE.write_text(HEAD + "".join(rows), encoding="utf-8")
    sys.stdout.write(f"Wrote {PAGE.relative_to(ROOT)} ({len(pictures)} pictures)\n")


if __name__ == "__main__":
    main()
