"""Writes tiny data sets in the format of the shared ones, for readers and recipes."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from emojifier_bot.vision.landmarks import REGIONS
from emojifier_bot.vision.types import EMOTIONS, Emotion
from emojifier_training.data import (
    VOTE_NAMES,
    LabelledExpressions,
    LabelledPicture,
    is_held_out,
)
from tests.builders import make_landmarks
from tests.images import encoded

SAMPLE = Path(__file__).parents[1] / "docs" / "sample" / "astronaut.png"
#: Where the sample's face is, as a person would draw the box.
SAMPLE_BOX = (175.0, 60.0, 278.0, 185.0)
#: What `crowd` copies, and how small.
CROWD_BOX, CROWD_FACE_PX = (165, 50, 285, 190), 20
SKIN, DARK, GROUND = (230, 190, 160), (60, 30, 30), (90, 120, 100)
CROP_PX = 256
#: Distance of the outer eye corners in a landmark crop, as in the shared set.
CROP_EYES_PX = 62.0


def sample() -> Image.Image:
    with Image.open(SAMPLE) as image:
        return image.convert("RGB")


def crowd(columns: int, rows: int) -> Image.Image:
    """Return a grid of copies of the sample's face, each as small as can be found."""
    px = CROWD_FACE_PX
    face = sample().crop(CROWD_BOX).resize((px, px), Image.Resampling.LANCZOS)
    page = Image.new("RGB", (px * columns, px * rows))
    for index in range(columns * rows):
        row, column = divmod(index, columns)
        page.paste(face, (column * px, row * px))
    return page


def drawn_face(points_xy: np.ndarray, size_wh: tuple[int, int]) -> Image.Image:
    """Return a flat drawing of a face with these 68 points."""
    image = Image.new("RGB", size_wh, GROUND)
    draw = ImageDraw.Draw(image)
    low, high = points_xy.min(axis=0), points_xy.max(axis=0)
    low[1] -= 0.3 * (high[1] - low[1])
    draw.ellipse([*low, *high], fill=SKIN)
    for name in ("brows", "nose", "eyes", "mouth"):
        for x, y in points_xy[REGIONS[name]]:
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=DARK)
    return image


def face_label(
    box_xyxy: Sequence[float],
    *,
    points_xy: Sequence[Sequence[float]] | None = None,
    invalid: int = 0,
    occlusion: int = 0,
) -> dict[str, Any]:
    return {
        "box_xyxy": list(box_xyxy),
        "blur": 0,
        "occlusion": occlusion,
        "invalid": invalid,
        "points_xy": points_xy,
    }


def labelled_picture(
    *boxes: Sequence[float],
    name: str = "wider/a.png",
    image: Image.Image | None = None,
    points_xy: object = None,
    invalid: Sequence[Sequence[float]] = (),
) -> LabelledPicture:
    """Return labels as they are read; `invalid` are boxes that nobody could judge."""
    every = [*boxes, *invalid]
    unknown = np.full((len(every), 5, 2), np.nan)
    return LabelledPicture(
        name=name,
        source=name.partition("/")[0],
        event="0--Parade",
        encoded=encoded(image or Image.new("RGB", (640, 480), (9, 9, 9)), "PNG"),
        xyxy=np.array(every, np.float32).reshape(-1, 4),
        points_xy=np.array(unknown if points_xy is None else points_xy, np.float32),
        invalid=np.arange(len(every)) >= len(boxes),
        occlusion=np.zeros(len(every), np.int64),
    )


def labelled_expressions(
    emotions: Sequence[Emotion], images: np.ndarray | None = None
) -> LabelledExpressions:
    """Return crops as they are read, one for each emotion, by default black ones."""
    majority = np.array([EMOTIONS.index(one) for one in emotions], np.int64)
    if images is None:
        images = np.zeros((len(majority), 48, 48), np.uint8)
    return LabelledExpressions(
        images=images,
        targets=np.eye(8, dtype=np.float32)[majority],
        majority=majority,
        is_validation=np.zeros(len(majority), bool),
        second_opinions=np.eye(8, dtype=np.float32)[majority],
    )


def write_labels(folder: Path, labels: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = gzip.compress(json.dumps(labels).encode())
    (folder / "labels.json.gz").write_bytes(data)


def write_tar(path: Path, files: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def write_detection(
    folder: Path,
    pictures: Mapping[str, tuple[Image.Image, Sequence[dict[str, Any]]]],
    *,
    shards: int = 1,
) -> Path:
    """Write a detection set of pictures by name, each with its faces' labels."""
    files: list[dict[str, bytes]] = [{} for _ in range(shards)]
    labels = {}
    for index, (name, (image, faces)) in enumerate(pictures.items()):
        files[index % shards][name] = encoded(image, "PNG")
        labels[name] = {
            "size_wh": list(image.size),
            "source": name.partition("/")[0],
            "event": "masks" if name.startswith("masks") else "0--Parade",
            "shard": f"images-{index % shards:02}",
            "faces": list(faces),
        }
    write_labels(folder, labels)
    for index, part in enumerate(files):
        write_tar(folder / f"images-{index:02}.tar", part)
    return folder


def write_negatives(folder: Path, kinds: Mapping[str, str]) -> Path:
    """Write photographs without people, each of a kind."""
    image = encoded(Image.new("RGB", (320, 240), GROUND), "PNG")
    labels = {name: {"size_wh": [320, 240], "kind": k} for name, k in kinds.items()}
    write_tar(folder / "images.tar", dict.fromkeys(kinds, image))
    (folder / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    return folder


def write_landmarks(
    folder: Path, crops: Mapping[str, tuple[Image.Image, np.ndarray]]
) -> Path:
    """Write a landmark set of square crops by name, each with its 68 points."""
    labels: dict[str, dict[str, Any]] = {}
    for name, (image, points_xy) in crops.items():
        labels[name] = {
            "source": name.partition("/")[0],
            "size": image.width,
            "scale_from_original": 1.0,
            "points_xy": np.asarray(points_xy, float).round(2).tolist(),
        }
        if name.startswith("youtube"):
            labels[name]["subject"] = name.rpartition("/")[2].partition("_")[0]
    write_labels(folder, labels)
    files = {name: encoded(image, "PNG") for name, (image, _) in crops.items()}
    write_tar(folder / "crops.tar", files)
    return folder


def write_expressions(folder: Path, images: np.ndarray, **arrays: object) -> Path:
    """Write an expressions file and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "faces.npz"
    np.savez(path, images=images, **{k: np.asarray(v) for k, v in arrays.items()})
    return path


def votes_for(*names: str, count: int = 10) -> np.ndarray:
    """Return a row of votes for each name, all taggers of one mind."""
    return np.array(
        [[count * (column == name) for column in VOTE_NAMES] for name in names],
        np.uint8,
    )


def names(source: str, count: int, *, held_out: bool = False) -> list[str]:
    """Return names that the hash puts on the wanted side."""

    def fitting() -> Iterator[str]:
        for index in range(10_000):
            name = f"{source}/{index}.png"
            if is_held_out(source, name) is held_out:
                yield name

    return [name for name, _ in zip(fitting(), range(count), strict=False)]


def tiny_detection(folder: Path) -> Path:
    """Write four pictures with a drawn face each, and one that is held out."""
    image = drawn_face(make_landmarks().points_xy, (320, 240))
    box, five = (150.0, 95.0, 250.0, 230.0), [(176.0, 150.0), (224.0, 150.0)]
    five += [(200.0, 173.0), (181.0, 195.0), (219.0, 195.0)]
    face = face_label(box, points_xy=five)
    chosen = names("wider", 4) + names("wider", 1, held_out=True)
    return write_detection(folder, {name: (image, [face]) for name in chosen})


def tiny_negatives(folder: Path) -> Path:
    """Write a photograph of each kind, and one of each that is held out."""
    chosen = [names("negatives", 3, held_out=held) for held in (False, True)]
    kinds = ("scene", "thing", "animal")
    return write_negatives(
        folder, {n: k for side in chosen for n, k in zip(side, kinds, strict=True)}
    )


def tiny_landmarks(folder: Path) -> Path:
    """Write crops of all three sources, some of each held out."""
    random = np.random.default_rng(7)
    crops = {}
    for source in ("helen", "afw", "youtube"):
        for name in names(source, 3) + names(source, 1, held_out=True):
            points_xy = make_landmarks(
                center_xy=tuple(random.normal((128, 105), 3)),
                eye_distance_px=CROP_EYES_PX,
                roll_degrees=float(random.normal(0, 6)),
            ).points_xy
            crops[name] = (drawn_face(points_xy, (CROP_PX, CROP_PX)), points_xy)
    return write_landmarks(folder, crops)


def expression_images(count: int) -> np.ndarray:
    """Return small grey crops of the sample's face, each in a light of its own.

    The light differs so much that none of them is a twin of another.
    """
    face = sample().crop((160, 50, 290, 180)).convert("L").resize((48, 48))
    pixels = np.asarray(face, np.float32)
    noise = np.random.default_rng(3).normal(size=(count, 48, 48))
    light = [cv2.GaussianBlur(one, (0, 0), 4) for one in noise]
    lit = [pixels + 90 * one / one.std() for one in light]
    return np.clip(np.reshape(lit, (count, 48, 48)), 0, 255).astype(np.uint8)


def tiny_expressions(folder: Path) -> Path:
    """Write two faces of each emotion, the second for validation."""
    votes = votes_for(*[str(one) for one in EMOTIONS for _ in range(2)])
    return write_expressions(
        folder,
        expression_images(len(votes)),
        votes=votes,
        is_validation=[False, True] * len(EMOTIONS),
    )


def tiny_data(folder: Path) -> Path:
    """Write all sets, where `train` looks for them."""
    tiny_detection(folder / "detection")
    tiny_negatives(folder / "negatives")
    tiny_landmarks(folder / "landmarks")
    tiny_expressions(folder / "expressions")
    return folder
