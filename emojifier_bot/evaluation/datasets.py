"""Readers for labelled faces: folders of detection, landmarks and expressions.

Every reader takes a folder (or, for expressions, also one ``.npz`` file), keeps the
encoded pictures in memory and decodes one when asked.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojifier_bot.domain import EMOTIONS, FloatArray, ImageArray
from emojifier_bot.errors import EmojifierError

#: One in this many names is held out; HELEN gives one in eight, so that there are
#: more than a hundred of its 870.
HELD_OUT_ONE_IN = 10
HELEN_HELD_OUT_ONE_IN = 8
#: Names in an expressions file's ``votes`` columns, in order.
VOTE_NAMES = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"),
    *("contempt", "unknown", "no_face"),
)


class DatasetError(EmojifierError):
    """A data folder is missing or is not in the expected format."""

    default_kind = "dataset"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """One picture of a detection set."""

    name: str
    source: str
    event: str
    encoded: bytes
    #: ``(N, 4)`` float32 pixels.
    xyxy: FloatArray
    #: ``(N, 5, 2)`` float32 pixels; NaN where nobody marked the points.
    points_xy: FloatArray
    #: ``(N,)`` faces that annotators gave up on.
    invalid: NDArray[np.bool_]
    #: ``(N,)`` 0 none, 1 partial, 2 heavy.
    occlusion: NDArray[np.int64]

    def image(self) -> ImageArray:
        """Decode to ``(H, W, 3)`` uint8 RGB."""
        return decode_rgb(self.encoded)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledCrop:
    """One square face crop with its 68 points."""

    name: str
    source: str
    subject: str
    encoded: bytes
    #: ``(68, 2)`` float32 pixels of the crop.
    points_xy: FloatArray

    def image(self) -> ImageArray:
        """Decode to ``(H, W, 3)`` uint8 RGB."""
        return decode_rgb(self.encoded)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledExpressions:
    """Grey face crops with the distribution of emotions that people saw in them."""

    #: ``(N, H, W)`` uint8.
    images: ImageArray
    #: ``(N, 8)`` float32, in the order of `Emotion`, rows sum to 1.
    targets: FloatArray
    #: ``(N,)`` index of the majority emotion, ties to the first in `Emotion`.
    majority: NDArray[np.int64]
    #: ``(N,)`` the set's own validation part; all False where it names none.
    is_validation: NDArray[np.bool_]

    def subset(self, keep: NDArray[Any]) -> LabelledExpressions:
        """Return the rows that a mask or an index array names."""
        return LabelledExpressions(
            self.images[keep],
            self.targets[keep],
            self.majority[keep],
            self.is_validation[keep],
        )


def decode_rgb(encoded: bytes) -> ImageArray:
    """Decode a trusted picture to ``(H, W, 3)`` uint8 RGB."""
    with Image.open(io.BytesIO(encoded)) as image:
        return np.asarray(image.convert("RGB"))


def is_held_out(source: str, name: str, subject: str = "") -> bool:
    """Tell by a hash whether a sample is kept away from training.

    A subject, where one is known, decides for all of its pictures.
    """
    one_in = HELEN_HELD_OUT_ONE_IN if source == "helen" else HELD_OUT_ONE_IN
    digest = hashlib.sha256((subject or name).encode()).digest()
    return int.from_bytes(digest[:4], "big") % one_in == 0


def read_detection(folder: Path) -> list[LabelledPicture]:
    """Read a detection set.

    Raises:
        DatasetError: The folder has no ``labels.json.gz`` or a picture is missing.
    """
    labels = _read_labels(folder)
    encoded = _read_tars(folder.glob("images-*.tar"))
    return [
        _labelled_picture(name, label, _member(encoded, name, folder))
        for name, label in sorted(labels.items())
    ]


def read_landmarks(folder: Path) -> list[LabelledCrop]:
    """Read a landmark set.

    Raises:
        DatasetError: The folder has no ``labels.json.gz`` or a picture is missing.
    """
    labels = _read_labels(folder)
    encoded = _read_tars([folder / "crops.tar"])
    return [
        LabelledCrop(
            name=name,
            source=label["source"],
            subject=_subject(label),
            encoded=_member(encoded, name, folder),
            points_xy=np.array(label["points_xy"], np.float32),
        )
        for name, label in sorted(labels.items())
    ]


def read_expressions(path: Path) -> LabelledExpressions:
    """Read expressions from an ``.npz`` file, or from the only one in a folder.

    The file has ``images`` and either ``votes`` (columns of `VOTE_NAMES`) or
    ``labels`` (emotion names). Rows that nobody gave one of the eight are dropped.

    Raises:
        DatasetError: There is no such file, or it lacks those arrays.
    """
    file = _only_npz(path)
    with np.load(file) as arrays:
        if "images" not in arrays:
            raise DatasetError(f"{file.name} has no array 'images'.")
        images = np.asarray(arrays["images"])
        targets = _targets(file, arrays)
        is_validation = np.zeros(len(images), bool)
        if "is_validation" in arrays:
            is_validation = np.asarray(arrays["is_validation"], bool)
    known = targets.sum(axis=1) > 0
    targets = targets[known] / targets[known].sum(axis=1, keepdims=True)
    majority = targets.argmax(axis=1)
    return LabelledExpressions(
        images[known], targets.astype(np.float32), majority, is_validation[known]
    )


def _targets(file: Path, arrays: Any) -> NDArray[np.float64]:
    if "votes" in arrays:
        votes = np.asarray(arrays["votes"], np.float64)
        columns = [VOTE_NAMES.index(emotion) for emotion in EMOTIONS]
        return np.asarray(votes[:, columns], np.float64)
    if "labels" not in arrays:
        raise DatasetError(f"{file.name} has neither 'labels' nor 'votes'.")
    labels = np.asarray(arrays["labels"]).astype(str)
    unknown = sorted(set(labels.tolist()) - {str(emotion) for emotion in EMOTIONS})
    if unknown:
        raise DatasetError(f"{file.name} has labels that are no emotion: {unknown}.")
    names = np.array([str(emotion) for emotion in EMOTIONS])
    return np.asarray(labels[:, None] == names, np.float64)


def _only_npz(path: Path) -> Path:
    files = [path] if path.is_file() else sorted(path.glob("*.npz"))
    if len(files) != 1:
        raise DatasetError(f"Expected one .npz file at {path}, found {len(files)}.")
    return files[0]


def _subject(label: dict[str, Any]) -> str:
    subject = label.get("subject")
    return "" if subject is None else f"{label['source']}/{subject}"


def _labelled_picture(
    name: str, label: dict[str, Any], encoded: bytes
) -> LabelledPicture:
    faces = label["faces"]
    unknown = [[np.nan, np.nan]] * 5
    return LabelledPicture(
        name=name,
        source=label["source"],
        event=label["event"],
        encoded=encoded,
        xyxy=np.array([f["box_xyxy"] for f in faces], np.float32).reshape(-1, 4),
        points_xy=np.array(
            [f["points_xy"] or unknown for f in faces], np.float32
        ).reshape(-1, 5, 2),
        invalid=np.array([f["invalid"] for f in faces], bool),
        occlusion=np.array([f["occlusion"] for f in faces], np.int64),
    )


def _read_labels(folder: Path) -> dict[str, Any]:
    path = folder / "labels.json.gz"
    if not path.is_file():
        raise DatasetError(f"There is no labels.json.gz in {folder}.")
    labels: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return labels


def _read_tars(paths: Any) -> dict[str, bytes]:
    encoded = {}
    for path in sorted(paths):
        with tarfile.open(path) as archive:
            for member in archive:
                if (file := archive.extractfile(member)) is not None:
                    encoded[member.name] = file.read()
    return encoded


def _member(encoded: dict[str, bytes], name: str, folder: Path) -> bytes:
    if name not in encoded:
        raise DatasetError(f"{name} is labelled but in no archive of {folder}.")
    return encoded[name]
