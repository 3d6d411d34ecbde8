from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import torch
from PIL import Image

from emojifier_bot.vision.crops import upright_frame
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.landmarks import five_points
from emojifier_bot.vision.rescorer import MARGINS, Cutter, refined
from emojifier_bot.vision.types import BoundingBox, Detection, Landmarks, LandmarkScheme
from emojifier_training.candidates import Candidates, mine
from emojifier_training.nets import DetectorNet, RescorerNet
from emojifier_training.rescorer import (
    CONTEXT_WEIGHT,
    CROP_PX,
    MOST_WITHOUT,
    Crops,
    RescorerRecipe,
    candidates_file,
    changed,
    cross_entropy,
    fit_fusion,
    frames,
    fused,
    read_crops,
    read_pictures,
    roc_area,
)
from tests.builders import make_landmarks
from tests.datasets import labelled_picture as picture
from tests.datasets import tiny_data
from tests.training.test_candidates import ignore
from tests.training.test_evaluate_detector import box

pytestmark = pytest.mark.requires_torch


def candidates(count, *, points=None, seed=0):
    """Return candidates of one picture, the second half faces."""
    random = np.random.default_rng(seed)
    corner = random.uniform(20, 200, (count, 2))
    xyxy = np.hstack([corner, corner + random.uniform(20, 90, (count, 2))])
    xyxy = xyxy.astype(np.float32)
    is_face = np.arange(count) >= count // 2
    return Candidates(
        np.arange(count) // 4 * 0,
        np.tile([320, 240], (count, 1)),
        xyxy,
        np.full((count, 5, 2), np.nan, np.float32) if points is None else points,
        random.uniform(0.1, 0.9, count).astype(np.float32),
        is_face.astype(np.float32),
        np.where(is_face[:, None], xyxy, np.float32(np.nan)),
    )


@pytest.mark.parametrize("roll", [-120, 0, 35])
def test_many_frames_are_those_of_use(roll):
    face = make_landmarks(center_xy=(80, 70), eye_distance_px=40, roll_degrees=roll)
    five = five_points(face.points_xy)
    boxes = np.float32([[40, 30, 120, 130], [10, 20, 40, 40]])
    points = np.stack([five, np.full((5, 2), np.nan, np.float32)])

    found = frames(boxes, points)

    for index, known in enumerate([five, None]):
        wanted = upright_frame(BoundingBox(*boxes[index].tolist()), known, 1, 1.0)
        wanted[:, 2] -= 0.5
        np.testing.assert_allclose(found[index], wanted, atol=1e-5)


def test_crops_are_those_of_use():
    noise = np.random.default_rng(1).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    image = Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC)
    points = np.full((6, 5, 2), np.nan, np.float32)
    points[0] = five_points(make_landmarks(roll_degrees=25).points_xy)
    found = candidates(6, points=points)
    crops = Crops([picture(image=image)], found)

    cut = crops.as_they_are(np.arange(6))

    cutter = Cutter(from_image(image), np.asarray(image), CROP_PX)
    for row in range(6):
        five = Landmarks(points[row], LandmarkScheme.FIVE_POINT) if row == 0 else None
        one = Detection(BoundingBox(*found.xyxy[row].tolist()), 0.5, five)
        wanted = cutter.crops(one).transpose(1, 2, 0)
        assert np.abs(cut[row].astype(int) - wanted).mean() < 4
    assert cut.shape == (6, CROP_PX, CROP_PX, 3 * len(MARGINS))


def test_jittered_crops_differ_each_time_and_changes_leave_their_input_alone():
    crops = Crops([picture(box(0))], candidates(8))
    random = np.random.default_rng(2)

    (first, faces), (second, _) = (
        crops.jittered(np.arange(8), random) for _ in range(2)
    )

    assert np.isnan(faces).all(axis=1).tolist() == [True] * 4 + [False] * 4
    assert first.shape == (8, CROP_PX, CROP_PX, 6)
    assert first.dtype == np.uint8
    assert not (first == second).all()
    before = first.copy()
    changed(first, random)
    assert (first == before).all()


@pytest.mark.parametrize("roll", [0, 20, 90, -90, 180])
def test_the_box_that_a_net_learns_is_the_one_that_use_makes_of_it(roll):
    points = np.full((2, 5, 2), np.nan, np.float32)
    points[1] = five_points(make_landmarks(roll_degrees=roll).points_xy)
    c = candidates(2, points=points)
    c.faces_xyxy[1] = c.xyxy[1] + np.float32([4, -3, 9, 5])
    crops = Crops([picture(box(0))], c)

    (face,) = crops.faces(np.array([1]), crops.frames[[1]])

    said = np.concatenate([(face[:2] + face[2:]) / 2, np.log(face[2:] - face[:2])])
    five = Landmarks(points[1], LandmarkScheme.FIVE_POINT)
    proposed = Detection(BoundingBox(*c.xyxy[1].tolist()), 0.5, five)
    found = refined(proposed, said)
    np.testing.assert_allclose(found.box.xyxy, c.faces_xyxy[1], atol=1e-3)


def test_a_net_that_knows_is_believed():
    c = candidates(400)
    knows = np.where(c.targets > 0, 2.0, -2.0).astype(np.float32)
    logits = knows + np.random.default_rng(3).normal(0, 1, 400).astype(np.float32)

    alone, both = (fused(c, some, fit_fusion(c, some)) for some in (0 * logits, logits))

    assert cross_entropy(both, c.targets) < cross_entropy(alone, c.targets) * 0.8
    assert roc_area(both, c.targets) > roc_area(alone, c.targets) + 0.2
    assert fit_fusion(c, logits)[-1] == CONTEXT_WEIGHT
    # Calibrated: as many faces as the probabilities add up to.
    assert both.sum() == pytest.approx(200, abs=3)


def test_what_was_not_proposed_has_no_probability_and_is_no_sample():
    c = candidates(6)
    c.confidences[2] = np.nan
    c.targets[4] = np.nan

    logits = np.ones(6, np.float32)

    found = fused(c, logits, fit_fusion(c, logits))

    assert np.flatnonzero(np.isnan(found)).tolist() == [2]


def test_without_candidates_there_is_a_fusion():
    assert len(fit_fusion(candidates(0), np.empty(0, np.float32))) == 5


class TestRecipe:
    def test_faces_are_told_from_the_rest(self, losses):
        pixels = np.full((240, 320, 3), 60, np.uint8)
        c = candidates(40)
        c.xyxy[:20, [0, 2]] = c.xyxy[:20, [0, 2]] / 4
        c.xyxy[20:, [0, 2]] = 200 + c.xyxy[20:, [0, 2]] / 4
        pixels[:, 180:] = 200
        crops = Crops([picture(box(0), image=Image.fromarray(pixels))], c)
        recipe = RescorerRecipe(crops, crops, 16)

        seen = losses(recipe.net, recipe.loss, 60)

        assert np.mean(seen[-5:]) < np.mean(seen[:5]) * 0.8
        figures = recipe.evaluate(recipe.net.eval())
        assert set(figures) == {
            f"{who}_{what}"
            for who in ("detector", "both")
            for what in ("cross_entropy", "roc_area")
        }

    def test_from_data(self, tmp_path):
        class Spec:
            sha256 = "some"

        data = tiny_data(tmp_path / "data")

        def read(held_out):
            return read_crops(data, Spec, tmp_path, ignore, held_out=held_out)

        with pytest.raises(AttributeError):  # it would load the detector
            read(held_out=False)
        # What was proposed once is read.
        for held_out in (False, True):
            pictures = read_pictures(data, held_out=held_out)
            found = mine(lambda _: [], pictures, ignore)
            found.save(candidates_file(tmp_path, Spec, pictures))
        train, held = read(held_out=False), read(held_out=True)

        sources = [one.source for one in train.pictures]
        assert (sources.count("negatives"), sources.count("wider")) == (3, 4)
        assert {one.source for one in held.pictures} == {"negatives", "wider"}
        # The faces of the pictures, of the crops, and of every other video frame.
        assert len(train.candidates.targets) == 4 + 6 + 2
        assert MOST_WITHOUT > 0

    def test_what_the_teacher_sees_without_a_label_is_no_sample(
        self, tmp_path, monkeypatch
    ):
        data = tiny_data(tmp_path / "data")
        unlabelled = BoundingBox(4, 4, 44, 64)

        class FakeTeacher:
            def __init__(self, _path):
                pass

            def teach(self, picture, _image):
                seen = np.array([unlabelled.xyxy], np.float32)
                if picture.source != "wider":
                    return picture
                return dataclasses.replace(
                    picture,
                    xyxy=np.concatenate([picture.xyxy, seen]),
                    points_xy=np.concatenate([picture.points_xy, picture.points_xy]),
                    invalid=np.array([False, True]),
                    occlusion=np.array([0, 0]),
                )

        monkeypatch.setattr("emojifier_training.rescorer.Teacher", FakeTeacher)
        monkeypatch.setattr(
            "emojifier_training.rescorer._finder",
            lambda *_: lambda _image: [Detection(unlabelled, 0.5)],
        )
        spec = SimpleNamespace(sha256="some")

        alone, taught = (
            read_crops(data, spec, tmp_path, ignore, held_out=False, teacher=teacher)
            for teacher in (None, tmp_path / "centerface.onnx")
        )

        def of_wider(crops):
            rows = [
                crops.pictures[i].source == "wider" for i in crops.candidates.pictures
            ]
            return crops.candidates.subset(np.array(rows)).targets.tolist()

        assert sorted(of_wider(alone)) == [0] * 4 + [1] * 4
        assert of_wider(taught) == [1] * 4


class TestNet:
    def test_one_logit_and_one_box_for_each_candidate(self):
        logits, boxes = RescorerNet()(torch.zeros(3, 6, CROP_PX, CROP_PX))

        assert logits.shape == (3,)
        assert boxes.shape == (3, 4)

    def test_contrast_hardly_matters(self):
        net, crops = RescorerNet().eval(), torch.randn(2, 6, CROP_PX, CROP_PX)

        for one, other in zip(net(crops), net(crops * 3 + 1), strict=True):
            assert torch.allclose(one, other, atol=0.05)

    def test_it_begins_with_the_detectors_layers(self):
        detector, net = DetectorNet(), RescorerNet()

        net.start_from_detector(detector.state_dict())

        rgb = torch.randn(1, 3, 56, 56)
        net, detector = net.eval(), detector.eval()
        wanted = detector.level8(detector.stem(rgb.flip(1)))
        torch.testing.assert_close(net.level8(net.stem(rgb)), wanted)
