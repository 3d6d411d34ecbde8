"""What is named as the reason for an emoji is the reason: without it, it is another."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.app import make_analyzer
from emojifier_bot.config import load_picture_settings
from emojifier_bot.vision.choose import choose
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.landmarks import measure
from emojifier_bot.vision.place import place
from emojifier_bot.vision.plan import DrawEmoji, PlannedFace
from emojifier_bot.vision.shapes import SHAPES, with_measure
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.types import BoundingBox, Detection, Face
from emojifier_bot.vision.why import Rereader, explain

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "docs" / "sample" / "astronaut.png"
DATA = ROOT.parent / "shared" / "data"
FACES = 500
#: Of the faces, those whose first reason changes the choice when it is undone.
LEAST_SHARE = 0.9
#: The labelled crops are twice as wide as the face, those of expressions as wide.
CROP_BOX, CLOSE_BOX = (0.25, 0.75), (0.04, 0.96)
CLOSE_PX = 144

THEME = open_theme("classic").theme


@pytest.fixture(scope="module")
def analyzer():
    return make_analyzer(load_picture_settings(face_backend="local", threads=1))


def detection(side_px, box):
    low, high = (share * side_px for share in box)
    return Detection(BoundingBox(low, low, high, high), 1.0)


def photographed():
    """Yield faces of photographs, with what a detector would say of them."""
    folder = DATA / "landmarks"
    labels = json.loads(gzip.decompress((folder / "labels.json.gz").read_bytes()))
    names = sorted(n for n, one in labels.items() if one["source"] in {"helen", "afw"})
    order = np.random.default_rng(0).permutation(len(names))
    with tarfile.open(folder / "crops.tar") as crops:
        inside = {Path(one.name).as_posix(): one for one in crops.getmembers()}
        for index in order[: FACES // 2]:
            file = crops.extractfile(inside[names[index]])
            picture = from_image(Image.open(io.BytesIO(file.read())).convert("RGB"))
            yield picture, detection(picture.image.width, CROP_BOX)


def expressive():
    """Yield small faces of every expression."""
    with np.load(DATA / "expressions" / "ferplus_train.npz") as found:
        # Each look into the file unpacks all of it.
        images, held_out = found["images"], np.flatnonzero(found["is_validation"])
    for index in np.random.default_rng(0).permutation(held_out)[: FACES // 2]:
        crop = Image.fromarray(images[index]).convert("RGB")
        large = crop.resize((CLOSE_PX, CLOSE_PX), Image.Resampling.BICUBIC)
        yield from_image(large), detection(CLOSE_PX, CLOSE_BOX)


def read(analyzer, picture, one):
    (landmarks,) = analyzer.landmarker.locate(picture, [one])
    (scores,) = analyzer.classifier.classify(picture, [landmarks])
    confident = scores.top_probability >= analyzer.classifier.sure_threshold
    return Face(one, landmarks, scores, confident)


def changes(analyzer, picture, face):
    """Return of each reason whether the choice is another one without it."""
    values = measure(face.landmarks.points_xy)
    chosen = choose(THEME, face.scores, values, confident=face.confident)
    planned = PlannedFace(
        1,
        face.box,
        place(face.landmarks),
        DrawEmoji(chosen.emoji.name),
        sure=chosen.sure,
        face=face,
    )
    why = explain(picture, planned, THEME, analyzer.classifiers)
    again = Rereader(picture, face.landmarks.points_xy, THEME, analyzer.classifier)
    shapes = {one.measure: one for one in SHAPES}
    changed = []
    for reason in why.reasons:
        undone = [
            with_measure(again.canonical_xy, reason.measure, to)
            for to in shapes[reason.measure].undone(reason.value)
        ]
        (_, same), *others = again.read([again.canonical_xy, *undone])
        assert same.emoji.name == chosen.emoji.name
        names = {choice.emoji.name for _, choice in others}
        changed.append(names != {chosen.emoji.name} and reason.instead.name in names)
    return changed


def test_the_reasons_of_the_sample_are_the_reasons(analyzer):
    picture = from_image(Image.open(SAMPLE).convert("RGB"))
    (face,) = analyzer.analyze(picture)
    for turned in (0, 90, 180):
        image = picture.image.rotate(turned, expand=True)
        turned_picture = from_image(image)
        (face,) = analyzer.analyze(turned_picture)

        changed = changes(analyzer, turned_picture, face)

        assert changed
        assert all(changed)


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")
def test_the_reasons_of_500_faces_are_the_reasons(analyzer):
    faces = [*photographed(), *expressive()]

    found = [changes(analyzer, one, read(analyzer, one, box)) for one, box in faces]

    assert len(found) == FACES
    first = sum(one[:1] == [True] for one in found)
    assert first >= LEAST_SHARE * FACES, first
    assert all(map(all, found))
