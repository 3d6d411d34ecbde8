"""The detector recipe: boxes and five points, in YuNet's output format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emojifier_bot.vision import models_dir
from emojifier_bot.vision.detector import YuNetDetector
from emojifier_bot.vision.landmarks import five_points
from emojifier_bot.vision.models import pick_model_spec
from emojifier_bot.vision.types import FloatArray, ImageArray
from emojifier_training.crops import BOX_SHARE
from emojifier_training.data import (
    HAND_LABELLED,
    SET_FOLDERS,
    LabelledCrop,
    LabelledPicture,
    is_held_out,
    read_detection,
    read_expressions,
    read_landmarks,
    read_negatives,
)
from emojifier_training.detector_crops import (
    CHANCES,
    NO_BOXES,
    TILE_FACES,
    Crop,
    Tile,
    collage,
    face_tile,
    mosaic,
    random_crop,
)
from emojifier_training.detector_loss import detection_loss
from emojifier_training.device import autocast, to_device
from emojifier_training.landmarks import face_bounds
from emojifier_training.negatives import KINDS, TRAINED_KINDS, drawings
from emojifier_training.nets import DetectorNet
from emojifier_training.teacher import Teacher

#: The crowd event has 450 pictures of tiny faces, the masks set near-duplicates; the
#: landmark crops bring the large faces that the rest lacks, those of videos are soft.
EVENT_RATES = {"2--Demonstration": 0.35, "masks": 0.6, "landmarks": 0.3, "video": 0.12}
#: The box of a face of the expressions' set, in shares of the crop's side.
EDGE = (1 - BOX_SHARE) / 2
CLOSE_FACE_BOX = np.array([EDGE, EDGE, 1 - EDGE, 1 - EDGE], np.float32)
#: Photographs without people, and those in which the shipped detector sees a face.
BACKGROUND_RATE, MISTAKEN_RATE = 0.4, 1.0
#: What the shipped detector is this sure of in them is a mistake to learn from.
MISTAKE_CONFIDENCE = 0.15
#: Drawings of each kind that are background, and the seed that evaluation has not.
DRAWINGS_EACH, DRAWINGS_SEED = 16, 5


class DetectorRecipe:
    """Data, loss and held-out figures of the detector."""

    def __init__(
        self, data: Path, batch_size: int, teacher: Path | None = None
    ) -> None:
        """Read the sets and hold their shares out.

        Args:
            data: Folder of the sets.
            batch_size: Crops of a step.
            teacher: CenterFace's file, which adds to the labels.
        """
        self.net: nn.Module = DetectorNet()
        self.batch_size = batch_size
        self.train = _training_pictures(data)
        self.images = [picture.image() for picture in self.train]
        if teacher:
            adds = Teacher(teacher).teach
            pairs = zip(self.train, self.images, strict=True)
            self.train = [adds(picture, image) for picture, image in pairs]
        self.mistakes = [NO_BOXES] * len(self.train)
        rates = [EVENT_RATES.get(p.event, 1.0) for p in self.train]
        for picture, image in background_drawings():
            self._add(picture, image, NO_BOXES)
            rates.append(1.0)
        for picture, image, mistakes in mined_photographs(data):
            self._add(picture, image, mistakes)
            rates.append(MISTAKEN_RATE if len(mistakes) else BACKGROUND_RATE)
        self.rates = np.array(rates) / sum(rates)
        self.close_faces = close_faces(data)

    def _add(
        self, picture: LabelledPicture, image: ImageArray, mistakes: FloatArray
    ) -> None:
        self.train.append(picture)
        self.images.append(image)
        self.mistakes.append(mistakes)

    def loss(self, net: nn.Module) -> Tensor:
        """Return the sum of the four losses over a batch of crops."""
        # Seeded by torch, whose state a run keeps, so that it goes on as it would have.
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        crops = [self._draw(random) for _ in range(self.batch_size)]
        bgr = to_device(np.stack([crop.image_bgr for crop in crops]))
        # Channels last as they come; bfloat16 holds 0 to 255 exactly.
        batch = bgr.permute(0, 3, 1, 2).bfloat16()
        with autocast():
            levels = net(batch)
        return detection_loss([level.float() for level in levels], crops)

    def _draw(self, random: np.random.Generator) -> Crop:
        kind = random.random()
        if kind < CHANCES.mosaic:
            return mosaic([self._crop(random) for _ in range(4)])
        if kind < CHANCES.mosaic + CHANCES.collage:
            return collage(self._tiles(random), random)
        return self._crop(random)

    def _tiles(self, random: np.random.Generator) -> list[Tile]:
        """Return a few different faces for a page, half of them such as fill a crop."""
        count = int(random.integers(1, TILE_FACES + 1))
        indices = random.choice(len(self.train), 3 * TILE_FACES, p=self.rates)
        cut = [face_tile(self.images[i], self.train[i], random) for i in indices]
        tiles = [tile for tile in cut if tile][: count // 2]
        close = random.choice(self.close_faces, count - len(tiles))
        return tiles + [(one, CLOSE_FACE_BOX) for one in close]

    def _crop(self, random: np.random.Generator) -> Crop:
        index = random.choice(len(self.train), p=self.rates)
        return random_crop(
            self.images[index],
            self.train[index],
            random,
            mistakes_xyxy=self.mistakes[index],
        )

    def evaluate(self, _net: nn.Module) -> dict[str, float]:
        """Return nothing: ``evaluate detector`` measures the exported file."""
        return {}


def _training_pictures(data: Path) -> list[LabelledPicture]:
    pictures = read_detection(data / SET_FOLDERS["detector"])
    kept = [p for p in pictures if not is_held_out(p.source, p.name)]
    return kept + training_crops(data)


def training_crops(data: Path) -> list[LabelledPicture]:
    """Return the landmark crops that are not held out, as pictures with one face."""
    return [
        as_picture(crop)
        for crop in read_landmarks(data / SET_FOLDERS["landmarks"])
        if not is_held_out(crop.source, crop.name, crop.subject)
    ]


def close_faces(data: Path) -> ImageArray:
    """Return faces that fill their pictures, ``(N, S, S, 3)`` uint8 BGR."""
    faces = read_expressions(data / SET_FOLDERS["emotion"])
    images = faces.images[~faces.is_validation]
    is_grey = images.ndim == len("NHW")
    bgr = images[..., None].repeat(3, axis=3) if is_grey else images[..., ::-1]
    return np.ascontiguousarray(bgr)


def as_picture(crop: LabelledCrop) -> LabelledPicture:
    """Return a landmark crop as a picture with one labelled face."""
    return LabelledPicture(
        name=crop.name,
        source=crop.source,
        event="landmarks" if crop.source in HAND_LABELLED else "video",
        encoded=crop.encoded,
        xyxy=face_bounds(crop.points_xy)[None],
        points_xy=five_points(crop.points_xy)[None],
        invalid=np.zeros(1, bool),
        occlusion=np.zeros(1, np.int64),
    )


def background_drawings() -> list[tuple[LabelledPicture, ImageArray]]:
    """Return drawings without faces, each with its empty labels."""
    without_faces = LabelledPicture(
        name="drawing",
        source="drawings",
        event="drawings",
        encoded=b"",
        xyxy=np.zeros((0, 4), np.float32),
        points_xy=np.zeros((0, 5, 2), np.float32),
        invalid=np.zeros(0, bool),
        occlusion=np.zeros(0, np.int64),
    )
    return [
        (without_faces, np.asarray(image))
        for kind in TRAINED_KINDS
        for image in drawings(KINDS[kind], DRAWINGS_EACH, DRAWINGS_SEED)
    ]


def mined_photographs(
    data: Path,
) -> list[tuple[LabelledPicture, ImageArray, FloatArray]]:
    """Return photographs without people, each with what the detector takes for faces.

    The boxes are ``(N, 4)`` xyxy pixels of what `models/` has for a detector.
    """
    detector = YuNetDetector(
        pick_model_spec(models_dir(), "detector"), MISTAKE_CONFIDENCE
    )
    mined = []
    for picture in read_negatives(data / SET_FOLDERS["negatives"]):
        if not is_held_out(picture.source, picture.name):
            image = picture.image()
            boxes = [found.box.xyxy for found in detector.detect(image)]
            mined.append((picture, image, np.array(boxes, np.float32).reshape(-1, 4)))
    return mined
