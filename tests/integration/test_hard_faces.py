"""How often faces are found that are cut off, covered, faded, grey or turned.

The same held-out faces in each case, each in a picture of its own surroundings, by all
that ships. ``pytest -n0 -rP`` prints the counts.
"""

from __future__ import annotations

import functools
import math
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from emojifier_bot.vision.intervals import share
from emojifier_training.data import is_held_out, read_detection

#: Faces that annotators saw whole, in pixels, one of each picture, evenly among these.
LEAST_HEIGHT_PX, FACES = 48, 50
#: Eyes that are nearer, in heights of the face, belong to a profile.
LEAST_EYES = 0.25
#: The picture around a face, in heights of it.
AROUND = 3.0
#: A detection is of a face if their centres are this near, in heights of the face, and
#: it is at most so many times as high or as low.
NEAR, MOST_TIMES = 0.4, 2.0
GROUND = (150, 145, 140)
DARK, CLOTH = (20, 20, 20), (190, 215, 230)
HAZE = 0.15


class Case:
    """A face in a picture."""

    def __init__(self, image, xyxy, points_xy):
        self.image = image
        self.xyxy = np.asarray(xyxy, float)
        self.points_xy = np.asarray(points_xy, float)

    @property
    def height(self):
        return self.xyxy[3] - self.xyxy[1]

    @property
    def center(self):
        return (self.xyxy[:2] + self.xyxy[2:]) / 2

    def cropped(self, box):
        """Return the part of the picture in a box, which may reach beyond it."""
        left, upper = (max(round(edge), 0) for edge in box[:2])
        right, lower = (
            min(round(edge), length)
            for edge, length in zip(box[2:], self.image.size, strict=True)
        )
        corner = np.array([left, upper])
        return Case(
            self.image.crop((left, upper, right, lower)),
            self.xyxy - np.tile(corner, 2),
            self.points_xy - corner,
        )

    def with_image(self, image):
        return Case(image, self.xyxy, self.points_xy)

    def drawn(self, outline, colour):
        """Paint over what lies between points along and below the line of the eyes.

        Args:
            outline: Of a polygon: how far along from between the eyes to the person's
                left, in distances of the eyes, and how far towards the mouth.
            colour: RGB.
        """
        right_eye, left_eye, _, *mouth = self.points_xy
        middle, along = (right_eye + left_eye) / 2, left_eye - right_eye
        down = np.mean(mouth, axis=0) - middle
        image = self.image.copy()
        corners = [tuple(middle + a * along + d * down) for a, d in outline]
        ImageDraw.Draw(image).polygon(corners, fill=colour)
        return self.with_image(image)


def around(case, _index):
    half = AROUND / 2 * case.height
    return case.cropped([*(case.center - half), *(case.center + half)])


def at_the_border(part):
    """Return what cuts a part of the face off, at one edge after the other."""

    def cut(case, index):
        half = AROUND / 2 * case.height
        box = np.array([*(case.center - half), *(case.center + half)])
        edge = index % 4
        width_height = case.xyxy[2:] - case.xyxy[:2]
        inwards = part * width_height[edge % 2]
        box[edge] = case.xyxy[edge] + (inwards if edge < 2 else -inwards)
        return case.cropped(box)

    return cut


def with_sunglasses(case, index):
    bar = [(-0.95, -0.3), (0.95, -0.3), (0.95, 0.3), (-0.95, 0.3)]
    return around(case, index).drawn(bar, DARK)


def with_a_mask(case, index):
    cloth = [(-0.8, 0.4), (0.8, 0.4), (0.75, 1.1), (0.3, 1.7), (-0.3, 1.7)]
    return around(case, index).drawn([*cloth, (-0.75, 1.1)], CLOTH)


def in_haze(case, index):
    shown = around(case, index)
    return shown.with_image(ImageEnhance.Contrast(shown.image).enhance(HAZE))


def in_grey(case, index):
    shown = around(case, index)
    return shown.with_image(shown.image.convert("L"))


def turned(case, index):
    """Return the picture turned by 135 degrees, on a larger ground."""
    shown = around(case, index)
    image = shown.image.rotate(
        135, Image.Resampling.BICUBIC, expand=True, fillcolor=GROUND
    )
    cos, sin = math.cos(math.radians(135)), math.sin(math.radians(135))
    matrix = np.array([[cos, sin], [-sin, cos]])
    old, new = (np.array(one.size) / 2 for one in (shown.image, image))
    center = matrix @ (shown.center - old) + new
    half = np.array([shown.xyxy[2] - shown.xyxy[0], shown.height]) / 2
    return Case(image, [*(center - half), *(center + half)], shown.points_xy)


@functools.cache
def held_out_faces(folder):
    """Return faces in whole pictures, the largest one that fits of each."""
    found = []
    for picture in read_detection(folder):
        if picture.source != "wider" or not is_held_out(picture.source, picture.name):
            continue
        heights = picture.xyxy[:, 3] - picture.xyxy[:, 1]
        points = picture.points_xy
        eyes = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
        clear = (picture.occlusion == 0) & ~picture.invalid
        fits = clear & (heights >= LEAST_HEIGHT_PX) & (eyes >= LEAST_EYES * heights)
        if fits.any():
            best = int(np.argmax(np.where(fits, heights, 0)))
            found.append((picture, best))
    chosen = np.linspace(0, len(found) - 1, FACES).round().astype(int)
    return [
        Case(Image.fromarray(one.image()), one.xyxy[best], one.points_xy[best])
        for one, best in (found[index] for index in chosen)
    ]


def is_found(case, emojifier):
    for face in emojifier.emojify(case.image).faces:
        box = face.face.detection.box
        center = np.array([box.x_min + box.x_max, box.y_min + box.y_max]) / 2
        times = (box.y_max - box.y_min) / case.height
        near = math.dist(center, case.center) <= NEAR * case.height
        if near and 1 / MOST_TIMES <= times <= MOST_TIMES:
            return True
    return False


#: How many of the faces at least: what was measured, less what may be chance.
@pytest.mark.parametrize(
    ("change", "least"),
    [
        pytest.param(around, 43, id="as they are"),
        pytest.param(at_the_border(0.25), 38, id="cut off by 25 %"),
        pytest.param(at_the_border(0.40), 32, id="cut off by 40 %"),
        pytest.param(with_sunglasses, 38, id="under sunglasses"),
        pytest.param(with_a_mask, 37, id="under a mask"),
        pytest.param(in_haze, 41, id="in haze"),
        pytest.param(in_grey, 41, id="in grey"),
        pytest.param(turned, 39, id="turned by 135 degrees"),
    ],
)
def test_hard_faces(shared_data, emojifier, change, least, request):
    faces = held_out_faces(shared_data / "data" / "detection")
    cases = [change(face, index) for index, face in enumerate(faces)]

    found = sum(is_found(case, emojifier) for case in cases)

    name, told = request.node.callspec.id, share(found, len(cases))
    counts = f"{name}: {found} of {told.count} ({told.low:.2f} to {told.high:.2f})"
    sys.stdout.write(f"{counts}\n")
    assert found >= least, counts
