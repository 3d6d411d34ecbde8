"""Clips of known motion, made of stills, and how well covers fit the faces in them."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from emojifier_bot.app import make_analyzer, make_emoji_source
from emojifier_bot.config import load_picture_settings
from emojifier_bot.vision.clips.follow import FaceFollower
from emojifier_bot.vision.clips.types import Followed
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.landmarks import apply_affine, mirror
from emojifier_bot.vision.place import face_height, place
from emojifier_bot.vision.plan import Leave
from emojifier_bot.vision.types import Landmarks, LandmarkScheme
from tests.fakes.clips import FakeClip

PORTRAIT = Path(__file__).parent / "golden" / "inputs" / "astronaut.png"
#: How far a cut-out head reaches from the middle of the face's disc, in its diameters.
HEAD_DISCS = (0.62, 0.74)
#: Standard deviation of the grain of each frame.
GRAIN = 2.0
#: A face is seen if this share of its points is,
SEEN_SHARE = 0.6
#: and covered if discs hide this share of those.
COVERED_SHARE = 0.9
#: A face is the person of the nearest disc if the next one is this much farther away,
#: in heights of the face: two that meet are told apart before and after.
CLEARLY_NEARER = 0.4

#: What is asked of covers: shares of a face's height, and frames.
MOST_JITTER, MOST_DRIFT, MOST_LAG_FRAMES = 0.004, 0.02, 1.0
#: What changes more slowly than within so many seconds is no jitter.
JITTER_SECONDS = 1.0

#: A ``(2, 3)`` matrix from a layer's pixels to those of a frame; None: not there.
Pose = Callable[[int], np.ndarray | None]


@dataclass(frozen=True, eq=False)
class Layer:
    """A picture that moves over those before it."""

    #: ``(H, W, 4)`` uint8 RGBA.
    pixels: np.ndarray
    pose: Pose
    #: ``(F, 68, 2)`` the faces in it.
    faces: np.ndarray = field(default_factory=lambda: np.empty((0, 68, 2)))


@dataclass(eq=False)
class Scene:
    """Layers of a clip, the farthest first."""

    layers: Sequence[Layer]
    count: int
    size_wh: tuple[int, int] = (480, 270)
    fps: float = 30.0
    #: Frames that show nothing.
    blank: range = range(0)

    def draw(self, index: int) -> Image.Image:
        width, height = self.size_wh
        frame = np.full((height, width, 3), 0, np.float32)
        for layer in () if index in self.blank else self.layers:
            matrix = layer.pose(index)
            if matrix is None:
                continue
            sharp = math.hypot(matrix[0, 0], matrix[1, 0])
            source = layer.pixels
            if sharp < 1:
                source = cv2.GaussianBlur(source, (0, 0), 0.4 / sharp)
            warped = cv2.warpAffine(source, centred(matrix), self.size_wh)
            alpha = warped[..., 3:].astype(np.float32) / 255
            frame += alpha * (warped[..., :3] - frame)
        grain = np.random.default_rng(index).normal(0, GRAIN, frame.shape)
        return Image.fromarray(np.clip(frame + grain, 0, 255).astype(np.uint8))

    @property
    def clip(self) -> FakeClip:
        return FakeClip(self.draw, self.count, 1000 / self.fps)

    def truth(self, index: int) -> list[tuple[np.ndarray, bool]]:
        """Return each face's points in a frame, and which of them are seen."""
        found = []
        for rank, layer in enumerate(self.layers):
            matrix = layer.pose(index)
            for face in layer.faces:
                if matrix is None:
                    found.append((np.zeros((68, 2), np.float32), np.zeros(68, bool)))
                    continue
                points = apply_affine(matrix, face)
                seen = ((points >= 0) & (points < self.size_wh)).all(axis=1)
                for other in self.layers[rank + 1 :]:
                    seen &= ~_hidden(points, other, index)
                found.append((points, seen & (index not in self.blank)))
        return found


def _hidden(points, layer, index):
    matrix = layer.pose(index)
    if matrix is None:
        return np.zeros(len(points), bool)
    back = cv2.invertAffineTransform(matrix)
    x, y = np.floor(apply_affine(back, points)).astype(int).T
    height, width = layer.pixels.shape[:2]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    alpha = layer.pixels[y.clip(0, height - 1), x.clip(0, width - 1), 3]
    return inside & (alpha > 127)


def centred(matrix):
    """Return a matrix between corners as OpenCV's between centres of pixels."""
    half = np.array([0.5, 0.5])
    shift = matrix[:, :2] @ half + matrix[:, 2] - half
    return np.hstack([matrix[:, :2], shift[:, None]])


def similarity(
    x: float,
    y: float,
    scale: float = 1.0,
    roll: float = 0.0,
    about: ArrayLike = (0.0, 0.0),
) -> np.ndarray:
    """Return the matrix that brings ``about`` to a place, scaled and rolled."""
    turn = math.radians(roll)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    linear = np.array([[cos, sin], [-sin, cos]])
    return np.hstack([linear, (np.array([x, y]) - linear @ np.array(about))[:, None]])


@dataclass(frozen=True, eq=False)
class Head:
    """A head without its ground, for layers."""

    pixels: np.ndarray
    points: np.ndarray

    def layer(self, course, height_px=60.0) -> Layer:
        """Return the head on a course of x, y and optionally scale and roll."""
        landmarks = Landmarks(self.points, LandmarkScheme.IBUG_68)
        about = place(landmarks).center_xy
        scale = height_px / face_height(self.points)

        def pose(index):
            where = course(index)
            if where is None:
                return None
            x, y, zoom, roll = (*where, 1.0, 0.0)[:4]
            return similarity(x, y, scale * zoom, roll, about)

        return Layer(self.pixels, pose, self.points[None])

    @property
    def mirrored(self) -> Head:
        pixels = np.ascontiguousarray(self.pixels[:, ::-1])
        return Head(pixels, mirror(self.points, pixels.shape[1]))


@cache
def follower() -> FaceFollower:
    """Return what follows faces, with the shipped models."""
    settings = load_picture_settings(env_file=False)
    return FaceFollower(make_analyzer(settings), make_emoji_source(settings).theme)


@cache
def cut_head() -> Head:
    """Cut the head out of the portrait."""
    with Image.open(PORTRAIT) as image:
        picture = from_image(image.convert("RGB"))
    faces = follower().models.analyze(picture).faces
    face = max(faces, key=lambda one: one.box.height)
    disc = place(face.landmarks)
    pixels = np.array(picture.image.convert("RGBA"))
    mask = np.zeros(pixels.shape[:2], np.uint8)
    x, y = disc.center_xy
    axes = [round(share * disc.size_px) for share in HEAD_DISCS]
    cv2.ellipse(mask, (round(x), round(y)), axes, 0, 0, 360, 255, -1)
    pixels[..., 3] = cv2.GaussianBlur(mask, (0, 0), disc.size_px * 0.02)
    low = np.maximum(np.floor((x, y) - 1.1 * np.array(axes)), 0).astype(int)
    high = np.ceil((x, y) + 1.1 * np.array(axes)).astype(int)
    cut = np.ascontiguousarray(pixels[low[1] : high[1], low[0] : high[0]])
    return Head(cut, (face.landmarks.points_xy - low).astype(np.float32))


def still(pixels, faces, pose) -> Layer:
    """Return a whole photo on the move."""
    rgba = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    return Layer(rgba, pose, np.array(faces).reshape(-1, 68, 2))


@cache
def ground(seed=0, size_wh=(900, 600)) -> Layer:
    """Return a soft texture in which there is no face."""
    width, height = size_wh
    draw = np.random.default_rng(seed)
    blots = draw.integers(40, 216, (height // 60, width // 60, 3), np.uint8)
    pixels = cv2.resize(blots, size_wh, interpolation=cv2.INTER_CUBIC)
    lines = draw.integers(0, 255, (height // 6, width // 6, 1), np.uint8)
    lines = cv2.resize(lines, size_wh, interpolation=cv2.INTER_CUBIC)
    mixed = (pixels * 0.85 + lines[..., None] * 0.15).astype(np.uint8)
    return still(mixed, [], lambda _index: similarity(-100, -100))


@dataclass(frozen=True)
class Spot:
    """What covers a face in one frame: an ellipse along the frame's edges."""

    center_xy: tuple[float, float]
    half_wh: tuple[float, float]
    roll_degrees: float = 0.0
    person: int = 0
    emoji: str = ""

    def hides(self, points: np.ndarray) -> np.ndarray:
        away = (points - self.center_xy) / np.maximum(self.half_wh, 1e-6)
        return np.linalg.norm(away, axis=1) <= 1


def spots(followed: Followed) -> list[list[Spot]]:
    """Return what covers faces in each frame of a clip."""
    return [
        [
            Spot(
                one.placement.center_xy,
                (one.placement.size_px / 2,) * 2,
                one.placement.roll_degrees,
                one.number,
                getattr(one.decision, "name", ""),
            )
            for one in faces
            if not isinstance(one.decision, Leave)
        ]
        for faces in followed.frames
    ]


@dataclass
class Fit:
    """How well covers fit one face of a scene."""

    #: Frames in which it is seen, and those of them in which it is not covered.
    seen: list[int]
    uncovered: list[int]
    #: RMS of the disc's centre about its mean place on the face within a second, shares
    #: of its height, over the frames in which all of the face is seen. So are the next
    #: four.
    jitter: float
    #: How far that mean place moves from the mean of all frames: a face that comes near
    #: shows more of where it ends.
    drift: float
    #: By how many frames the disc lags behind; NaN for a face at rest.
    lag: float
    #: RMS of size and roll about their means: shares, degrees.
    size_jitter: float
    roll_jitter: float
    #: The numbers of the persons that it was taken for, and the emoji, in order.
    persons: list[int]
    emoji: list[str]


def fits(scene: Scene, covers: Sequence[Sequence[Spot]]) -> list[Fit]:
    """Return how well each face of a scene is covered, by what covers each frame."""
    truths = [scene.truth(index) for index in range(scene.count)]
    window = max(round(scene.fps * JITTER_SECONDS), 1)
    return [
        _fit([one[k] for one in truths], covers, window) for k in range(len(truths[0]))
    ]


def moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean of the values around each, so many or as many as there are."""
    half = window // 2
    return np.array(
        [values[max(k - half, 0) : k + half + 1].mean() for k in range(len(values))]
    )


def _fit(course, all_covers, window: int) -> Fit:
    seen, uncovered, persons, emoji = [], [], [], []
    errors, speeds, sizes, rolls = [], [], [], []
    previous = None
    for index, (points, visible) in enumerate(course):
        if visible.mean() < SEEN_SHARE:
            previous = None
            continue
        seen.append(index)
        covers = all_covers[index]
        hidden = np.zeros(len(points), bool)
        for one in covers:
            hidden |= one.hides(points)
        if hidden[visible].mean() < COVERED_SHARE:
            uncovered.append(index)
        disc = place(Landmarks(points, LandmarkScheme.IBUG_68))
        height = face_height(points)
        aways = [math.dist(one.center_xy, disc.center_xy) / height for one in covers]
        order = np.argsort(aways)
        if not covers or aways[order[0]] > CLEARLY_NEARER:
            previous = None
            continue
        one = covers[order[0]]
        if len(order) == 1 or aways[order[1]] > aways[order[0]] + CLEARLY_NEARER:
            persons += [one.person] if persons[-1:] != [one.person] else []
            emoji += [one.emoji] if emoji[-1:] != [one.emoji] else []
        if not visible.all():
            previous = None
            continue
        turn = cmath.exp(-1j * math.radians(disc.roll_degrees)) * height
        now = complex(*disc.center_xy)
        errors.append((complex(*one.center_xy) - now) / turn)
        speeds.append(0 if previous is None else (now - previous) / turn)
        sizes.append(math.log(2 * one.half_wh[1] / disc.size_px))
        degrees = one.roll_degrees - disc.roll_degrees
        rolls.append(math.remainder(degrees, 360))
        previous = now
    if not errors:
        return Fit(seen, uncovered, *[math.nan] * 5, persons, emoji)
    e, v = np.array(errors), np.array(speeds)
    e = e - e.mean()
    slow = moving_mean(e, window)
    power = float((np.abs(v) ** 2).sum())
    lag = -float((e * np.conj(v)).real.sum()) / power if power > 1e-9 else math.nan
    return Fit(
        seen,
        uncovered,
        float(np.sqrt((np.abs(e - slow) ** 2).mean())),
        float(np.abs(slow).max()),
        lag,
        float(np.std(sizes)),
        float(np.std(rolls)),
        persons,
        emoji,
    )
