"""The rescorer recipe: is a candidate of the detector's a face?

It learns from what the detector proposes in labelled pictures and in photographs
without people, jittered, covered, cut off and blurred, by crops cut anew at each step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from emojifier_bot.vision.crops import MEAN_FACE, Affine, frame_scale, warp
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.detector import YuNetDetector
from emojifier_bot.vision.landmarks import five_points
from emojifier_bot.vision.models import ModelSpec
from emojifier_bot.vision.multi_scale import find_faces
from emojifier_bot.vision.rescorer import MARGINS, context, joined, probabilities
from emojifier_bot.vision.types import Detection, FloatArray, ImageArray
from emojifier_training import Progress
from emojifier_training.candidates import Candidates, at_most, load, mine
from emojifier_training.data import (
    NEGATIVES,
    SET_FOLDERS,
    LabelledPicture,
    is_held_out,
    read_detection,
    read_negatives,
)
from emojifier_training.detector import training_crops
from emojifier_training.detector_loss import overlap_losses
from emojifier_training.device import autocast, to_device, to_numpy
from emojifier_training.nets import RescorerNet
from emojifier_training.teacher import Teacher

CROP_PX = 56
#: How pixels are brought to about -2 to 2, in ``model.toml`` too.
MEAN, STD = 127.5, 64.0
#: Shares of a batch: faces that the detector proposed and that it missed, what it
#: proposed beside faces, and in pictures without any.
SHARES = {"faces": 0.36, "missed": 0.08, "beside": 0.26, "without": 0.30}
#: Candidates of a size are drawn less by their number to this power: few are large.
SIZE_POWER = 0.4
#: Of crowds, near-duplicates with masks and videos one picture in so many is used.
EVENTS_ONE_IN = {"2--Demonstration": 6, "masks": 3, "video": 2}
#: Candidates have at least this confidence, in photographs without people the second.
PROPOSED, PROPOSED_WITHOUT = 0.1, 0.03
#: Most candidates of one picture without faces, the most confident.
MOST_WITHOUT = 60
#: What is no face is drawn by the detector's confidence and this much.
LEAST_RATE = 0.1
#: Of a level of a picture's pyramid no frame shows less than this scale.
LEAST_SCALE = 0.5
#: How often a sample's picture ends near or within the face, and how much of the box's
#: side lies beyond the cut.
CUT, CUT_SHARES = 0.2, (-0.2, 0.45)
#: Shares of the samples that are grey, tinted, hazy, soft, covered in part.
CHANCES = np.array([0.15, 0.3, 0.05, 0.2, 0.15])
HALF = 0.5
#: Weight of the boxes' loss beside the cross-entropy.
BOX_WEIGHT = 1.0
#: While it trains, one held-out picture in so many is judged.
JUDGED_ONE_IN = 8
#: Newton's method has long settled after so many.
NEWTON_STEPS = 30
#: How much the net's logit counts beside the detector's, of tiny faces and of others.
NET_WEIGHTS = (0.15, 0.7)
#: How much the best other candidate counts. Fitted, it would be twice as much: most of
#: the pictures show many faces, and a face that is alone in its picture would be lost.
CONTEXT_WEIGHT = 0.3
#: Ranges of the logarithm of gamma, contrast, brightness and how much haze leaves.
RANGES = np.array([(-0.5, 0.5), (0.6, 1.3), (-0.15, 0.15), (0.15, 0.6)])
TINT_SPREAD = 0.12
#: The tone of haze, and the weights of red, green and blue.
VEIL, LUMA = 0.8, np.array([0.299, 0.587, 0.114], np.float32)
#: A soft crop has at least this much detail; the largest sigma of its grain.
LEAST_DETAIL_PX, LARGEST_GRAIN = 8, 12.0


@dataclass(frozen=True, slots=True)
class Jitter:
    """Errors of a detector's box and points."""

    shift: float = 0.05
    log_scale: float = 0.1
    turn_degrees: float = 8.0
    #: Share of samples that are turned evenly up to `wide_turn_degrees` instead.
    wide_turns: float = 0.15
    wide_turn_degrees: float = 50.0


JITTER = Jitter()


class Crops:
    """The candidates of a set, to be cut out of their pictures."""

    def __init__(
        self, pictures: Sequence[LabelledPicture], candidates: Candidates
    ) -> None:
        """Decode the pictures; candidates that labels tell nothing about are left."""
        self.pictures = pictures
        self.candidates = c = candidates.subset(~np.isnan(candidates.targets))
        self.levels = [_levels(picture.image()) for picture in pictures]
        self.frames = frames(c.xyxy, c.points_xy)
        self.sizes = upright_sizes(self.frames, c.faces_xyxy)

    def as_they_are(self, rows: NDArray[np.int64]) -> ImageArray:
        """Return crops as use cuts them, ``(N, S, S, 6)`` uint8."""
        cut = [self._cut(row, self.frames[row]) for row in rows]
        return np.array(cut, np.uint8).reshape(-1, CROP_PX, CROP_PX, 6)

    def jittered(
        self, rows: NDArray[np.int64], random: np.random.Generator
    ) -> tuple[ImageArray, FloatArray]:
        """Return crops as worse detectors and pictures give them.

        Returns:
            ``(N, S, S, 6)`` uint8, and ``(N, 4)`` float32 xyxy of the labelled face of
            each in sides of the candidate about its middle, NaN for none.
        """
        count = len(rows)
        wide = random.random(count) < JITTER.wide_turns
        degrees = np.where(
            wide,
            random.uniform(-1, 1, count) * JITTER.wide_turn_degrees,
            random.normal(0, JITTER.turn_degrees, count),
        )
        turns = np.deg2rad(degrees)
        scales = np.exp(random.normal(0, JITTER.log_scale, count))
        cos, sin = scales * np.cos(turns), scales * np.sin(turns)
        linear = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
        linear[random.random(count) < HALF, :, 0] *= -1
        frames = linear @ self.frames[rows]
        frames[:, :, 2] += random.normal(0, JITTER.shift, (count, 2))
        parts = [
            self._part(row, random) if cut else None
            for row, cut in zip(rows, random.random(count) < CUT, strict=True)
        ]
        cut = [self._cut(*one) for one in zip(rows, frames, parts, strict=True)]
        return changed(np.stack(cut), random), self.faces(rows, frames)

    def faces(self, rows: NDArray[np.int64], frames: NDArray[np.float64]) -> FloatArray:
        """Return the labelled faces in frames, ``(N, 4)`` xyxy, NaN for none."""
        faces = self.candidates.faces_xyxy[rows]
        middles = (faces[:, :2] + faces[:, 2:]) / 2
        middles = (frames[:, :, :2] @ middles[..., None])[..., 0] + frames[:, :, 2]
        grown = np.sqrt(np.abs(np.linalg.det(frames[:, :, :2])))
        half = self.sizes[rows] * grown[:, None] / 2
        return np.hstack([middles - half, middles + half]).astype(np.float32)

    def _part(self, row: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Return a part of the picture, some of whose edges cut the box off."""
        box = self.candidates.xyxy[row]
        share = random.uniform(*CUT_SHARES, 4)
        share[random.random(4) < HALF] = -np.inf
        edges = box + np.array([1, 1, -1, -1]) * share * (box[2:] - box[:2]).max()
        height, width = self.levels[self.candidates.pictures[row]][0].shape[:2]
        return np.clip(edges, 0, [width, height] * 2).astype(int)

    def _cut(
        self, row: int, frame: Affine, part: NDArray[np.int64] | None = None
    ) -> ImageArray:
        """Cut both squares out of a picture, or out of a part of it."""
        levels = self.levels[self.candidates.pictures[row]]
        return np.concatenate([_cut(levels, frame, m, part) for m in MARGINS], axis=-1)


def _levels(image: ImageArray) -> list[ImageArray]:
    """Return a picture at full size, a half, a quarter …."""
    levels = [image]
    while min(image.shape[:2]) >= CROP_PX:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        even = image[: half[1] * 2, : half[0] * 2]
        image = np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA))
        levels.append(image)
    return levels


def frames(xyxy: FloatArray, points_xy: FloatArray) -> NDArray[np.float64]:
    """Return `upright_frame` of many boxes, in sides of the box about its middle.

    Args:
        xyxy: ``(N, 4)``.
        points_xy: ``(N, 5, 2)``, NaN where nobody knows.

    Returns:
        ``(N, 2, 3)``.
    """
    mean = five_points(MEAN_FACE)
    mean = mean - mean.mean(axis=0)
    points = np.nan_to_num(points_xy - points_xy.mean(axis=1, keepdims=True))
    turn = np.arctan2(
        (points[..., 0] * mean[:, 1] - points[..., 1] * mean[:, 0]).sum(axis=1),
        (points * mean).sum(axis=(1, 2)),
    )
    sides = np.maximum((xyxy[:, 2:] - xyxy[:, :2]).max(axis=1), 1.0)
    cos, sin = np.cos(turn) / sides, np.sin(turn) / sides
    linear = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
    middle = (xyxy[:, :2] + xyxy[:, 2:])[..., None] / 2
    return np.concatenate([linear, -linear @ middle], axis=2)


def upright_sizes(frames: NDArray[np.float64], xyxy: FloatArray) -> FloatArray:
    """Return width and height of boxes as their frames turn them, ``(N, 2)`` pixels.

    Turns are rounded to quarters: a box has its edges along the picture's.
    """
    sizes = xyxy[:, 2:] - xyxy[:, :2]
    lying = np.abs(frames[:, 1, 0]) > np.abs(frames[:, 0, 0])
    return np.where(lying[:, None], sizes[:, ::-1], sizes)


def _cut(
    levels: Sequence[ImageArray],
    frame: Affine,
    margin: float,
    part: NDArray[np.int64] | None,
) -> ImageArray:
    frame = frame * (CROP_PX / margin)
    frame[:, 2] += CROP_PX / 2
    level = int(np.log2(max(LEAST_SCALE / frame_scale(frame), 1)) + 0.999)
    level = min(level, len(levels) - 1)
    image = levels[level]
    frame[:, :2] *= 2.0**level
    if part is not None:
        last = [image.shape[1] - 1, image.shape[0] - 1]
        left, top = np.minimum(part[:2] >> level, last)
        right, bottom = np.maximum(part[2:] >> level, [left + 1, top + 1])
        image = image[top:bottom, left:right]
        frame[:, 2] += frame[:, :2] @ [left, top]
    return warp(image, frame, (CROP_PX, CROP_PX))


def changed(crops: ImageArray, random: np.random.Generator) -> ImageArray:
    """Return crops in other light, without colour, soft or covered in part.

    Args:
        crops: ``(N, S, S, 6)`` uint8.
        random: Every choice is drawn from it.
    """
    count = len(crops)
    grey, tint, haze, soft, covered = CHANCES[:, None] > random.random((count, 5)).T
    drawn = random.uniform(RANGES[:, 0], RANGES[:, 1], (count, len(RANGES)))
    gamma, contrast, brightness, clear = drawn.T[..., None, None]
    tones = (np.linspace(0, 1, 256)[:, None] ** np.exp(gamma) - 0.5) * contrast + 0.5
    tones = (tones + brightness).clip(0, 1).repeat(3, axis=2)
    tones[tint] *= random.normal(1, TINT_SPREAD, (tint.sum(), 1, 3))
    tones[haze] = tones[haze] * clear[haze] + VEIL * (1 - clear[haze])
    curves = np.clip(tones * 255, 0, 255).astype(np.uint8)
    result = np.empty_like(crops)
    for index, crop in enumerate(crops):
        both = np.concatenate([crop[..., :3], crop[..., 3:]])
        if grey[index]:
            both = both @ LUMA
            both = np.broadcast_to(both[..., None], (*both.shape, 3)).astype(np.uint8)
        both = np.asarray(cv2.LUT(both, curves[index, :, None]), np.uint8)
        if soft[index]:
            both = _soft(both, random)
        if covered[index]:
            low = random.integers(-CROP_PX // 4, CROP_PX, 2)
            high = low + random.integers(CROP_PX // 6, CROP_PX * 2 // 3, 2)
            (left, top), (right, bottom) = low.clip(0), high.clip(1, CROP_PX)
            both[top:bottom, left:right] = random.integers(0, 256, 3)
        result[index, ..., :3], result[index, ..., 3:] = both[:CROP_PX], both[CROP_PX:]
    return result


def _soft(both: ImageArray, random: np.random.Generator) -> ImageArray:
    """Return both squares with less detail, some of them with grain."""
    small = int(random.integers(LEAST_DETAIL_PX, CROP_PX))
    reduced = cv2.resize(both, (small, 2 * small), interpolation=cv2.INTER_AREA)
    grain = random.uniform(-LARGEST_GRAIN, LARGEST_GRAIN)
    if grain > 0:
        noise = random.standard_normal(reduced.shape, np.float32) * np.float32(grain)
        reduced = np.clip(reduced + noise, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(reduced, (CROP_PX, 2 * CROP_PX)), np.uint8)


def read_pictures(data: Path, *, held_out: bool) -> list[LabelledPicture]:
    """Return all pictures of one side, with and without people."""
    pictures = read_negatives(data / SET_FOLDERS["negatives"])
    pictures += read_detection(data / SET_FOLDERS["detector"])
    pictures = [p for p in pictures if is_held_out(p.source, p.name) == held_out]
    if held_out:
        return pictures
    pictures += training_crops(data)
    for event, one_in in EVENTS_ONE_IN.items():
        of_event = [p for p in pictures if p.event == event]
        thinned = {p.name for p in of_event} - {p.name for p in of_event[::one_in]}
        pictures = [p for p in pictures if p.name not in thinned]
    return pictures


def candidates_file(
    cache: Path,
    spec: ModelSpec,
    pictures: Sequence[LabelledPicture],
    *,
    taught: bool = False,
) -> Path:
    """Return where is kept what a detector proposes in pictures."""
    names = [spec.sha256, *(picture.name for picture in pictures), *["taught"] * taught]
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return cache / f"candidates-{digest[:16]}.npz"


def read_crops(
    data: Path,
    spec: ModelSpec,
    cache: Path,
    progress: Progress,
    *,
    held_out: bool,
    teacher: Path | None = None,
) -> Crops:
    """Let a detector propose candidates in all pictures of one side, or read them.

    Args:
        data: Folder of the sets.
        spec: The detector.
        cache: Folder for what it proposes, 10 MB; that takes half an hour.
        progress: Told how many of how many are done.
        held_out: Which side; it is proposed as in use, the other also below that.
        teacher: CenterFace's file: what it takes for a face, and nobody labelled, is
            no candidate to learn from.
    """
    pictures = read_pictures(data, held_out=held_out)
    path = candidates_file(cache, spec, pictures, taught=teacher is not None)
    if not path.is_file():
        usual = _finder(spec, PROPOSED)
        without = usual if held_out else _finder(spec, PROPOSED_WITHOUT)
        taught = pictures
        if teacher is not None:
            adds = Teacher(teacher).teach
            taught = [adds(picture, picture.image()) for picture in pictures]
        candidates = mine(
            lambda one: (without if one.source == NEGATIVES else usual)(one.image()),
            taught,
            progress,
        )
        cache.mkdir(parents=True, exist_ok=True)
        candidates.save(path)
    candidates = load(path)
    return Crops(
        pictures, candidates if held_out else at_most(MOST_WITHOUT, candidates)
    )


def _finder(
    spec: ModelSpec, min_confidence: float
) -> Callable[[ImageArray], list[Detection]]:
    detector = YuNetDetector(spec, min_confidence)
    return lambda image: find_faces(
        detector, from_image(Image.fromarray(image)), min_confidence
    )


class RescorerRecipe:
    """Data, loss and held-out figures of the rescorer."""

    def __init__(
        self,
        train: Crops,
        held_out: Crops,
        batch_size: int,
        detector: dict[str, Tensor] | None = None,
    ) -> None:
        """Sort the candidates by what they are.

        Args:
            train: Candidates to learn from.
            held_out: Candidates in pictures that neither stage was trained with.
            batch_size: Samples.
            detector: Weights of a detector's net that this one begins with.
        """
        net = RescorerNet()
        net.start_from_detector(detector or {})
        self.net: nn.Module = net
        self.batch_size, self.train, self.held_out = batch_size, train, held_out
        c = train.candidates
        with_faces = np.isin(c.pictures, c.pictures[c.targets > 0])
        missed, face = np.isnan(c.confidences), c.targets >= HALF
        groups = {
            "faces": face & ~missed,
            "missed": missed,
            "beside": ~face & with_faces,
            "without": ~face & ~with_faces,
        }
        octave = np.log2(np.maximum(c.sides, 1)).astype(int)
        rate = np.bincount(octave)[octave] ** -SIZE_POWER
        # What the detector nearly believed is what the second stage is for.
        rate = rate * np.where(face, 1.0, LEAST_RATE + np.nan_to_num(c.confidences))
        #: Rows of each kind of candidate, and how often each is drawn.
        self.kinds = {
            name: (np.flatnonzero(group), rate[group] / rate[group].sum())
            for name, group in groups.items()
            if group.any()
        }

    def loss(self, net: nn.Module) -> Tensor:
        """Return the cross-entropy of a batch, and the loss of the boxes of faces."""
        # Seeded by torch, whose state a run keeps, so that it goes on as it would have.
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        rows = np.concatenate(
            [
                random.choice(
                    of, max(round(self.batch_size * SHARES[kind]), 1), p=rates
                )
                for kind, (of, rates) in self.kinds.items()
            ]
        )
        crops, faces = self.train.jittered(rows, random)
        with autocast():
            logits, boxes = net(normalized(crops))
        targets = to_device(self.train.candidates.targets[rows])
        loss = functional.binary_cross_entropy_with_logits(logits.float(), targets)
        face = np.flatnonzero(np.isfinite(faces).all(axis=1))
        found = as_xyxy(boxes.float())[to_device(face)]
        _, box_loss = overlap_losses(found, to_device(faces[face]))
        return loss + BOX_WEIGHT * box_loss.sum() / max(len(found), 1)

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        """Return how well the detector tells faces alone, and with the net.

        What joins both is fitted on every other picture and judged on the rest, on a
        part of the candidates.
        """
        c = self.held_out.candidates
        rows = np.flatnonzero(c.pictures % JUDGED_ONE_IN == 0)
        c = c.subset(rows)
        odd = c.pictures // JUDGED_ONE_IN % 2 == 1
        proposed = ~np.isnan(c.confidences)
        figures: dict[str, float] = {}
        if not proposed.any():
            return figures
        for name, logits in (
            ("detector", np.zeros_like(c.targets)),
            ("both", self.logits(net, rows)),
        ):
            found = np.empty_like(logits)
            for half in (odd, ~odd):
                fusion = fit_fusion(c.subset(~half), logits[~half])
                found[half] = fused(c.subset(half), logits[half], fusion)
            judged = found[proposed], c.targets[proposed]
            figures[f"{name}_cross_entropy"] = cross_entropy(*judged)
            figures[f"{name}_roc_area"] = roc_area(*judged)
        return figures

    @torch.no_grad()
    def logits(
        self, net: nn.Module, rows: NDArray[np.int64] | None = None
    ) -> FloatArray:
        """Return the net's logits of held-out candidates; None takes all."""
        if rows is None:
            rows = np.arange(len(self.held_out.candidates.targets))
        parts = [
            to_numpy(net(normalized(self.held_out.as_they_are(some)))[0].float())
            for some in np.array_split(rows, max(len(rows) // 256, 1))
        ]
        return np.concatenate(parts)


def normalized(crops: ImageArray) -> Tensor:
    """Return ``(N, S, S, 6)`` uint8 crops as the net reads them."""
    # A permuted view is what channels last means.
    pixels = to_device(crops).permute(0, 3, 1, 2)
    return (pixels.float() - MEAN) / STD


def as_xyxy(boxes: Tensor) -> Tensor:
    """Return ``(N, 4)`` boxes of the net's as xyxy."""
    half = boxes[:, 2:].exp() / 2
    return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], dim=1)


def fused(c: Candidates, logits: FloatArray, fusion: Sequence[float]) -> FloatArray:
    """Return the probabilities of candidates of many pictures, as use joins them.

    Those that the detector did not propose have none.
    """
    found = np.full(len(logits), np.nan, np.float32)
    for rows in _by_picture(c):
        found[rows] = probabilities(
            c.xyxy[rows], c.confidences[rows], logits[rows], c.sizes_wh[rows[0]], fusion
        )
    return found


def fit_fusion(c: Candidates, logits: FloatArray) -> tuple[float, ...]:
    """Return what `rescorer.probabilities` takes, by logistic regression.

    Candidates that the detector did not propose, or that labels tell nothing about,
    are no samples; the latter are others of their picture. The best other candidate
    counts `CONTEXT_WEIGHT`. Newton's method, with a weak prior.
    """
    both, others = np.full((2, len(logits)), np.nan, np.float32)
    for rows in _by_picture(c):
        xyxy, size_wh = c.xyxy[rows], c.sizes_wh[rows[0]]
        both[rows] = joined(
            xyxy, c.confidences[rows], logits[rows], size_wh, NET_WEIGHTS
        )
        others[rows] = context(xyxy, both[rows], size_wh)
    use = ~np.isnan(others) & ~np.isnan(c.targets)
    x = np.stack([np.ones_like(both), both], axis=1)[use].astype(np.float64)
    given = CONTEXT_WEIGHT * others[use].astype(np.float64)
    y = c.targets[use].astype(np.float64)
    weights = np.zeros(x.shape[1])
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-x @ weights - given))
        gradient = x.T @ (p - y) + weights
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.eye(len(weights))
        weights = weights - np.linalg.solve(hessian, gradient)
    return (*NET_WEIGHTS, *weights.tolist(), CONTEXT_WEIGHT)


def _by_picture(c: Candidates) -> list[NDArray[np.int64]]:
    """Return the rows of each picture's proposed candidates."""
    rows = np.flatnonzero(~np.isnan(c.confidences))
    rows = rows[np.argsort(c.pictures[rows], kind="stable")]
    parts = np.split(rows, np.flatnonzero(np.diff(c.pictures[rows])) + 1)
    return [part for part in parts if len(part)]


def cross_entropy(probabilities: FloatArray, targets: FloatArray) -> float:
    """Return the mean cross-entropy of ``(N,)`` probabilities."""
    p = probabilities.astype(np.float64).clip(1e-6, 1 - 1e-6)
    return float(-np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p)))


def roc_area(scores: FloatArray, targets: FloatArray) -> float:
    """Return how often a face outranks what is none, ties in order.

    >>> roc_area(np.array([0.1, 0.9, 0.8]), np.array([0, 1, 0]))
    1.0
    """
    face = targets >= HALF
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores, kind="stable")] = np.arange(1, len(scores) + 1)
    faces = int(face.sum())
    pairs = faces * (len(scores) - faces)
    return float((ranks[face].sum() - faces * (faces + 1) / 2) / max(pairs, 1))
