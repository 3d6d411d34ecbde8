from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import torch

from emojifier_bot.vision import models_dir
from emojifier_bot.vision.models import TASKS as SPEC_TASKS
from emojifier_bot.vision.models import list_model_specs
from emojifier_bot.vision.types import EMOTIONS, Emotion
from emojifier_training.fit import load_warm_start
from emojifier_training.runs import (
    FOLDS,
    SURE_ACCURACY,
    TASKS,
    WARM_START_FILE,
    calibrated,
    split,
)
from tests.datasets import expression_images, labelled_expressions


@pytest.fixture
def faces():
    faces = labelled_expressions([Emotion.FEAR] * 60, expression_images(60))
    return replace(faces, is_validation=np.arange(60) % 4 == 0)


class TestSplit:
    def test_without_a_fold_the_sets_own_part_is_held_out(self, faces):
        train, held_out = split(faces, None)

        assert held_out.tolist() == [index % 4 == 0 for index in range(60)]
        assert torch.equal(train, ~held_out)

    def test_folds_share_the_rest_out(self, faces):
        validation = split(faces, None)[1]

        parts = [split(faces, fold) for fold in range(FOLDS)]

        for train, held_out in parts:
            assert not (train & held_out).any()
            assert torch.equal(train | held_out, ~validation)
            assert 0 < held_out.sum() < train.sum()
        times = torch.stack([held_out for _, held_out in parts]).sum(dim=0)
        assert torch.equal(times == 1, ~validation)

    @pytest.mark.parametrize("fold", [None, 0])
    def test_a_face_that_training_has_too_is_not_held_out(self, fold, faces):
        train, held_out = (mask.numpy() for mask in split(faces, fold))
        one, other = np.flatnonzero(held_out)[0], np.flatnonzero(train)[0]
        faces.images[one] = faces.images[other]

        again, now = (mask.numpy() for mask in split(faces, fold))

        assert np.array_equal(again, train)
        assert np.flatnonzero(now != held_out).tolist() == [one]


@pytest.mark.parametrize("name", TASKS)
def test_each_has_a_table_that_back_ends_know(name):
    table = TASKS[name].table

    assert table["task"] in SPEC_TASKS
    assert table["title"]
    if table["task"] == "emotion":
        assert name == f"emotion-{table['variant']}"
    else:
        assert name == table["task"]


def test_the_table_of_outputs():
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (3000, 8)).astype(np.float32)
    powers = np.exp(logits)
    chances = (powers / powers.sum(axis=1, keepdims=True)).cumsum(axis=1)
    truth = (random.random((3000, 1)) > chances).sum(axis=1).clip(max=7)
    targets = np.eye(8, dtype=np.float32)[truth]

    table = calibrated(logits * 2, targets)

    assert table["labels"] == [str(one) for one in EMOTIONS]
    assert table["temperature"] == pytest.approx(2, rel=0.08)
    assert SURE_ACCURACY - 0.1 < table["sure_threshold"] <= 1


@pytest.mark.parametrize(
    "spec", list_model_specs(models_dir()), ids=lambda spec: spec.name
)
def test_training_can_go_on_from_every_shipped_model(spec):
    name = f"emotion-{spec.variant}" if spec.variant else spec.task

    load_warm_start(TASKS[name].net(), spec.folder / WARM_START_FILE)
