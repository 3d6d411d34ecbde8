from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import torch

from emojifier_bot.vision.models import TASKS as SPEC_TASKS
from emojifier_bot.vision.types import EMOTIONS
from emojifier_training.tasks import FOLDS, SURE_ACCURACY, TASKS, calibrated, split
from tests.datasets import expression_images, votes_for, write_expressions

pytestmark = pytest.mark.requires_torch


def write(folder, images):
    write_expressions(
        folder / "expressions",
        images,
        votes=votes_for(*["fear"] * len(images)),
        is_validation=np.arange(len(images)) % 4 == 0,
    )


@pytest.fixture
def data(tmp_path):
    write(tmp_path, expression_images(60))
    return tmp_path


class TestSplit:
    def test_without_a_fold_the_sets_own_part_is_held_out(self, data):
        train, held_out = split(data, None)

        assert held_out.tolist() == [index % 4 == 0 for index in range(60)]
        assert torch.equal(train, ~held_out)

    def test_folds_share_the_rest_out(self, data):
        validation = split(data, None)[1]

        parts = [split(data, fold) for fold in range(FOLDS)]

        for train, held_out in parts:
            assert not (train & held_out).any()
            assert torch.equal(train | held_out, ~validation)
            assert 0 < held_out.sum() < train.sum()
        times = torch.stack([held_out for _, held_out in parts]).sum(dim=0)
        assert torch.equal(times == 1, ~validation)

    @pytest.mark.parametrize("fold", [None, 0])
    def test_a_face_that_training_has_too_is_not_judged(self, fold, tmp_path, data):
        train, held_out = (mask.numpy() for mask in split(data, fold))
        one, other = np.flatnonzero(held_out)[0], np.flatnonzero(train)[0]
        images = expression_images(60)
        images[one] = images[other]
        write(tmp_path, images)

        again, judged = (mask.numpy() for mask in split(data, fold))

        assert np.array_equal(again, train)
        assert np.flatnonzero(judged != held_out).tolist() == [one]

    def test_the_same_faces_each_time(self, data):
        assert torch.equal(split(data, 2)[1], split(data, 2)[1])


class TestTasks:
    @pytest.mark.parametrize("name", TASKS)
    def test_each_has_a_table_that_back_ends_know(self, name):
        table = TASKS[name].table

        assert table["task"] in SPEC_TASKS
        assert table["title"]
        if table["task"] == "emotion":
            assert name == f"emotion-{table['variant']}"
        else:
            assert name == table["task"]

    @pytest.mark.parametrize("name", TASKS)
    def test_each_has_a_net_and_knobs(self, name):
        task = TASKS[name]

        assert isinstance(task.net(), torch.nn.Module)
        assert task.config.steps > task.config.warmup_steps > 0
        assert task.config.batch_size >= 2


class TestCalibrated:
    def test_the_table_of_outputs(self):
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
