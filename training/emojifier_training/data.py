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
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojifier_bot.errors import EmojifierError
from emojifier_bot.vision.types import EMOTIONS, FloatArray, ImageArray

#: The folder of each task's set within a folder of the three.
SET_FOLDERS = MappingProxyType(
    {
        "detector": "detection",
        "rescorer": "detection",
        "negatives": "negatives",
        "landmarks": "landmarks",
        "emotion": "expressions",
    }
)
#: Landmark sets whose points people placed.
HAND_LABELLED = ("helen", "afw")
#: One in this many names is held out; HELEN gives one in eight, so that there are
#: more than a hundred of its 870.
HELD_OUT_ONE_IN = 10
HELEN_HELD_OUT_ONE_IN = 8
#: The source that photographs without people have, and the share that is held out.
NEGATIVES = "negatives"
NEGATIVES_HELD_OUT_ONE_IN = 5
#: Names in an expressions file's ``votes`` columns, in order.
VOTE_NAMES = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"),
    *("contempt", "unknown", "no_face"),
)
#: What an expressions file may hold, and how many axes each has.
ARRAYS = MappingProxyType(
    {
        "images": (3, 4),
        "votes": (2,),
        "labels": (1,),
        "is_validation": (1,),
        "fer2013_label": (1,),
    }
)
#: What readers of archives raise for files that are damaged or something else.
_DAMAGE_ERRORS = (
    EOFError,
    OSError,
    TypeError,
    ValueError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


class DatasetError(EmojifierError):
    """A data folder is missing or is not in the expected format."""


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
        return decode_rgb(self.encoded, self.name)


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
        return decode_rgb(self.encoded, self.name)


Labelled = TypeVar("Labelled", LabelledPicture, LabelledCrop)


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
    #: ``(N, 8)`` float32, what the older single labels of the same faces say; the votes
    #: where a set has none.
    second_opinions: FloatArray

    def subset(self, keep: NDArray[Any]) -> LabelledExpressions:
        """Return the rows that a mask or an index array names."""
        return LabelledExpressions(
            self.images[keep],
            self.targets[keep],
            self.majority[keep],
            self.is_validation[keep],
            self.second_opinions[keep],
        )


def decode_rgb(encoded: bytes, name: str) -> ImageArray:
    """Decode a trusted picture to ``(H, W, 3)`` uint8 RGB.

    Raises:
        DatasetError: It is none, or is damaged.
    """
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DatasetError(f"{name} cannot be decoded: {error}.") from error


_HELD_OUT_ONE_IN = MappingProxyType(
    {"helen": HELEN_HELD_OUT_ONE_IN, NEGATIVES: NEGATIVES_HELD_OUT_ONE_IN}
)


def is_held_out(source: str, name: str, subject: str = "") -> bool:
    """Tell by a hash whether a sample is kept away from training.

    A subject, where one is known, decides for all of its pictures.
    """
    one_in = _HELD_OUT_ONE_IN.get(source, HELD_OUT_ONE_IN)
    digest = hashlib.sha256((subject or name).encode()).digest()
    return int.from_bytes(digest[:4], "big") % one_in == 0


def read_detection(folder: Path) -> list[LabelledPicture]:
    """Read a detection set.

    Raises:
        DatasetError: Labels or a picture are missing or not in the expected format.
    """
    labels = _read_labels(folder)
    encoded = _read_tars(folder.glob("images-*.tar"))
    return [
        _labelled(_picture, name, label, _member(encoded, name, folder))
        for name, label in sorted(labels.items())
    ]


def read_negatives(folder: Path) -> list[LabelledPicture]:
    """Read photographs without people; their kind is the event.

    Raises:
        DatasetError: Labels or a picture are missing or not in the expected format.
    """
    labels = _read_labels(folder, "labels.json")
    encoded = _read_tars([folder / "images.tar"])
    return [
        _labelled(
            _picture,
            name,
            label | {"source": NEGATIVES, "event": label.get("kind"), "faces": []},
            _member(encoded, name, folder),
        )
        for name, label in sorted(labels.items())
    ]


def read_landmarks(folder: Path) -> list[LabelledCrop]:
    """Read a landmark set.

    Raises:
        DatasetError: Labels or a picture are missing or not in the expected format.
    """
    labels = _read_labels(folder)
    encoded = _read_tars([folder / "crops.tar"])
    return [
        _labelled(_crop, name, label, _member(encoded, name, folder))
        for name, label in sorted(labels.items())
    ]


def read_expressions(path: Path) -> LabelledExpressions:
    """Read expressions from an ``.npz`` file, or from the only one in a folder.

    The file has ``images``, ``(N, H, W)`` grey or ``(N, H, W, 3)`` RGB, and either
    ``votes`` (columns of `VOTE_NAMES`) or ``labels`` (emotion names), and may have
    ``fer2013_label`` (emotion names) beside votes. Rows that nobody gave one of the
    eight are dropped.

    Raises:
        DatasetError: There is no such file, or it lacks those arrays.
    """
    files = [path] if path.is_file() else sorted(path.glob("*.npz"))
    if len(files) != 1:
        raise DatasetError(f"Expected one .npz file at {path}, found {len(files)}.")
    (file,) = files
    arrays = _read_arrays(file)
    images = _array(file, arrays, "images")
    if images.dtype != np.uint8 or images.shape[3:] not in {(), (3,)}:
        raise DatasetError(f"'images' of {file.name} must be grey or RGB, uint8.")
    targets = _targets(file, arrays)
    is_validation = np.asarray(arrays.get("is_validation", np.zeros(len(images))), bool)
    second = targets
    if "fer2013_label" in arrays:
        second = _one_hot(file, arrays, "fer2013_label")
    if not len(images) == len(targets) == len(is_validation) == len(second):
        raise DatasetError(f"The arrays of {file.name} differ in length.")
    known = targets.sum(axis=1) > 0
    second = second[known] / second[known].sum(axis=1, keepdims=True)
    targets = targets[known] / targets[known].sum(axis=1, keepdims=True)
    majority = targets.argmax(axis=1)
    return LabelledExpressions(
        images[known],
        targets.astype(np.float32),
        majority,
        is_validation[known],
        second.astype(np.float32),
    )


def _read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with file.open("rb") as opened, np.load(opened) as arrays:
            return {name: arrays[name] for name in ARRAYS if name in arrays}
    except _DAMAGE_ERRORS as error:
        raise DatasetError(f"{file} cannot be read as .npz: {error}.") from error


def _array(file: Path, arrays: dict[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """Return an array that has as many axes as it should."""
    if name not in arrays:
        raise DatasetError(f"{file.name} has no array {name!r}.")
    array = arrays[name]
    if array.ndim not in ARRAYS[name]:
        raise DatasetError(f"{name!r} of {file.name} has the shape {array.shape}.")
    return array


def _targets(file: Path, arrays: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    if "votes" in arrays:
        votes = _array(file, arrays, "votes").astype(np.float64)
        if votes.shape[1] != len(VOTE_NAMES):
            raise DatasetError(
                f"'votes' of {file.name} must have {len(VOTE_NAMES)} columns: "
                f"{', '.join(VOTE_NAMES)}."
            )
        return votes[:, [VOTE_NAMES.index(emotion) for emotion in EMOTIONS]]
    if "labels" not in arrays:
        raise DatasetError(f"{file.name} has neither 'labels' nor 'votes'.")
    return _one_hot(file, arrays, "labels")


def _one_hot(
    file: Path, arrays: dict[str, NDArray[Any]], key: str
) -> NDArray[np.float64]:
    """Return ``(N, 8)`` with a 1 for each row's emotion name."""
    labels = _array(file, arrays, key).astype(str)
    names = np.array([str(emotion) for emotion in EMOTIONS])
    unknown = sorted(set(labels.tolist()) - set(names.tolist()))
    if unknown:
        raise DatasetError(f"{file.name} has {key} that are no emotion: {unknown}.")
    return np.asarray(labels[:, None] == names, np.float64)


def _labelled(
    make: Callable[[str, dict[str, Any], bytes], Labelled],
    name: str,
    label: dict[str, Any],
    encoded: bytes,
) -> Labelled:
    try:
        return make(name, label, encoded)
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"The label of {name} lacks or misstates a key: {error}."
        ) from error


def _picture(name: str, label: dict[str, Any], encoded: bytes) -> LabelledPicture:
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


def _crop(name: str, label: dict[str, Any], encoded: bytes) -> LabelledCrop:
    source, subject = label["source"], label.get("subject")
    return LabelledCrop(
        name=name,
        source=source,
        subject="" if subject is None else f"{source}/{subject}",
        encoded=encoded,
        points_xy=np.array(label["points_xy"], np.float32).reshape(68, 2),
    )


def _read_labels(folder: Path, name: str = "labels.json.gz") -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise DatasetError(f"There is no {name} in {folder}.")
    try:
        content = path.read_bytes()
        packed = path.suffix == ".gz"
        labels = json.loads(gzip.decompress(content) if packed else content)
    except _DAMAGE_ERRORS as error:
        raise DatasetError(f"{path} cannot be read: {error}.") from error
    if not isinstance(labels, dict):
        raise DatasetError(f"{path} must hold one object, with a key for each picture.")
    return labels


def _read_tars(paths: Iterable[Path]) -> dict[str, bytes]:
    encoded = {}
    for path in sorted(paths):
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    if (file := archive.extractfile(member)) is not None:
                        encoded[member.name] = file.read()
        except _DAMAGE_ERRORS as error:
            raise DatasetError(f"{path} cannot be read: {error}.") from error
    return encoded


def _member(encoded: dict[str, bytes], name: str, folder: Path) -> bytes:
    if name not in encoded:
        raise DatasetError(f"{name} is labelled but in no archive of {folder}.")
    return encoded[name]
