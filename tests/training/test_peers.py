from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import numpy as np
import torch
from emojifier_training.fit import count_parameters
from emojifier_training.graph_cost import multiply_adds
from emojifier_training.model_speed import (
    contest,
    detector_run,
    largest_difference,
    session_run,
)
from emojifier_training.nets import DetectorNet
from emojifier_training.peers import (
    MiniXception,
    PfldLike,
    YuNetN,
    pfld_file,
    xception_file,
    yunet_file,
)
from emojifier_training.targets import TARGETS

pytestmark = pytest.mark.requires_torch


@pytest.fixture(scope="module")
def yunet():
    return yunet_file()


class TestYuNet:
    def test_it_has_the_published_number_of_parameters(self):
        assert count_parameters(YuNetN()) == 75_856

    def test_the_bound_of_our_detector_is_made_from_it(self, yunet):
        bound = TARGETS["detector_multiply_adds"].must

        assert bound == pytest.approx(1.2 * multiply_adds(yunet), rel=1e-3)

    def test_it_gives_the_levels_of_our_own(self):
        picture = torch.zeros(1, 3, 64, 96)

        shapes = [level.shape for level in YuNetN().eval()(picture)]

        assert shapes == [level.shape for level in DetectorNet().eval()(picture)]

    def test_opencv_reads_its_file(self, yunet):
        status, _ = detector_run(yunet, (64, 64))()

        assert status


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_pfld_gives_68_points(share):
    points = PfldLike(share).eval()(torch.zeros(2, 3, 112, 112))

    assert points.shape == (2, 136)


def test_pfld_is_about_as_large_as_published():
    # 1.3 M parameters at full width.
    assert 1e6 < count_parameters(PfldLike(1.0)) < 1.5e6


@pytest.mark.parametrize("side", [52, 64])
def test_mini_xception_gives_eight_logits(side):
    assert MiniXception().eval()(torch.zeros(3, 1, side, side)).shape == (3, 8)


class TestContest:
    def test_both_run_by_turns(self):
        ran = []

        found = contest(
            ("ours", "theirs"),
            (lambda: ran.append("ours"), lambda: ran.append("theirs")),
            "nothing",
            4,
            (1, 2),
        )

        assert ran == ["ours", "theirs"] * (3 + 4)
        assert found.ratio > 0
        assert found.as_dict()["peer_multiply_adds"] == 2

    def test_faces_at_once_and_alone_give_the_same(self):
        assert largest_difference(pfld_file(0.25), 3) < 1e-4

    def test_one_call_gives_a_row_for_each_face(self):
        (logits,) = session_run(xception_file(52), 5)()
        alone = session_run(xception_file(52), 5, at_once=False)()

        assert logits.shape == (5, 8)
        assert [one[0].shape for one in alone] == [(1, 8)] * 5
        np.testing.assert_allclose(logits[2], alone[2][0][0], atol=1e-5)
