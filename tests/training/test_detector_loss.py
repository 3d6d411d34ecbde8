from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import torch

from emojifier_training.detector_crops import Crop
from emojifier_training.detector_loss import (
    BACKGROUND,
    CENTER_RADIUS,
    assign,
    decode_boxes,
    detection_loss,
    grid,
)
from emojifier_training.nets import DetectorNet

SIDE = 128


def empty_levels(count=1, side=SIDE) -> list[torch.Tensor]:
    """Return outputs of a net that sees no face anywhere."""
    levels = [
        torch.zeros(count, 16, side // stride, side // stride)
        for stride in DetectorNet.strides
    ]
    for level in levels:
        level[:, :2] = -4
    return levels


def crop(*boxes, ignored=(), points=None) -> Crop:
    known = np.full((len(boxes), 5, 2), np.nan) if points is None else points
    return Crop(
        image_bgr=np.zeros((SIDE, SIDE, 3), np.uint8),
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        ignored_xyxy=np.array(ignored, np.float32).reshape(-1, 4),
        points_xy=np.array(known, np.float32).reshape(-1, 5, 2),
    )


def assigned(boxes, levels=None):
    """Return owners, cell middles and strides for faces in a picture."""
    levels = empty_levels() if levels is None else levels
    flat = torch.cat([one.permute(0, 2, 3, 1).flatten(1, 2) for one in levels], dim=1)
    cells, strides = grid(levels)
    middles = (cells + 0.5) * strides[:, None]
    found = decode_boxes(flat[..., 2:6], cells, strides)
    truth = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    owner = assign(flat[0], found[0], middles, strides, truth)
    return owner, middles, strides


@st.composite
def separate_faces(draw):
    """Draw up to four faces, each in a quarter of the picture."""
    boxes = []
    for index in range(draw(st.integers(1, 4))):
        x, y = (index % 2) * 64, (index // 2) * 64
        width, height = draw(st.floats(8, 56)), draw(st.floats(8, 56))
        left = x + draw(st.floats(0, 64 - width))
        top = y + draw(st.floats(0, 64 - height))
        boxes.append((left, top, left + width, top + height))
    return boxes


class TestAssign:
    @given(separate_faces(), st.integers(0, 99))
    def test_every_face_has_a_cell_and_none_lies_outside(self, boxes, seed):
        torch.manual_seed(seed)
        levels = [level + torch.randn_like(level) for level in empty_levels()]

        owner, middles, strides = assigned(boxes, levels)

        assert set(owner.tolist()) - {BACKGROUND} == set(range(1, len(boxes) + 1))
        for index, box in enumerate(boxes):
            low, high = torch.tensor(box[:2]), torch.tensor(box[2:])
            mine = owner == index + 1
            assert mine.sum() <= 10
            inside = ((middles > low) & (middles < high)).all(dim=1)
            away = (middles - (low + high) / 2).abs().amax(dim=1)
            near = away < CENTER_RADIUS * strides
            assert (inside | near)[mine].all()

    def test_a_sure_and_fitting_cell_is_preferred(self):
        levels = empty_levels()
        # Cell (4, 4) at stride 16 claims just this face.
        levels[1][0, :2, 4, 4] = 4
        levels[1][0, 2:6, 4, 4] = torch.tensor([0.5, 0.5, math.log(2), math.log(2)])

        owner, middles, strides = assigned([(56, 56, 88, 88)], levels)

        index = ((middles == 72).all(dim=1) & (strides == 16)).nonzero().item()
        assert owner[index] == 1

    def test_cells_in_the_middle_of_the_face_come_first(self):
        levels = [level + 3 * torch.randn_like(level) for level in empty_levels()]

        owner, middles, strides = assigned([(20, 20, 108, 108)], levels)

        away = (middles[owner == 1] - 64).abs().amax(dim=1)
        assert (away < CENTER_RADIUS * strides[owner == 1]).all()


class TestDetectionLoss:
    BOX = (56.0, 56.0, 88.0, 88.0)
    FIVE = ((66, 66), (78, 66), (72, 73), (67, 80), (77, 80))

    def knowing(self) -> list[torch.Tensor]:
        """Return outputs that tell the face truly, from one cell at stride 16."""
        levels = empty_levels()
        for level in levels:
            level[:, :2] = -12
            level[:, 4:6] = -5  # too small to be this face
        levels[1][0, :2, 4, 4] = 12
        levels[1][0, 2:6, 4, 4] = torch.tensor([0.5, 0.5, math.log(2), math.log(2)])
        levels[1][0, 6:, 4, 4] = (torch.tensor(self.FIVE) / 16 - 4).flatten()
        return levels

    def test_an_empty_picture_only_asks_for_silence(self):
        silent = detection_loss(empty_levels(), [crop()])
        loud = detection_loss([level * 0 for level in empty_levels()], [crop()])

        assert 0 < silent < loud

    def test_the_truth_costs_little(self):
        picture = crop(self.BOX, points=[self.FIVE])

        true = detection_loss(self.knowing(), [picture])

        assert true < detection_loss(empty_levels(), [picture]) / 20

    @pytest.mark.parametrize(
        ("numbers", "off"),
        [(slice(0, 1), -12), (slice(1, 2), -12), (slice(2, 4), 1), (slice(4, 6), 1)],
        ids=["class", "objectness", "place", "size"],
    )
    def test_each_part_counts(self, numbers, off):
        picture = crop(self.BOX, points=[self.FIVE])
        wrong = self.knowing()
        wrong[1][0, numbers, 4, 4] += off

        assert detection_loss(wrong, [picture]) > (
            detection_loss(self.knowing(), [picture]) + 0.1
        )

    def test_points_count_where_they_are_known(self):
        wrong = self.knowing()
        wrong[1][0, 6:, 4, 4] += 1
        marked, unmarked = crop(self.BOX, points=[self.FIVE]), crop(self.BOX)

        assert detection_loss(wrong, [marked]) > (
            detection_loss(self.knowing(), [marked]) + 0.1
        )
        torch.testing.assert_close(
            detection_loss(wrong, [unmarked]),
            detection_loss(self.knowing(), [unmarked]),
        )

    def test_ignored_places_cost_nothing(self):
        loud = empty_levels()
        for level in loud:
            level[..., : level.shape[-1] // 2] = 3
        left = (0, 0, SIDE / 2, SIDE)

        judged = detection_loss(loud, [crop()])
        ignored = detection_loss(loud, [crop(ignored=[left])])

        assert ignored < judged / 10


def test_a_tiny_batch_is_learned(losses):
    net = DetectorNet(width=16)
    random = np.random.default_rng(0)
    boxes = [(20.0, 30.0, 60.0, 80.0), (70.0, 50.0, 110.0, 100.0)]
    crops, images = [], []
    for box in boxes:
        image = random.integers(0, 60, (SIDE, SIDE, 3))
        x_min, y_min, x_max, y_max = (int(edge) for edge in box)
        image[y_min:y_max, x_min:x_max] = (120, 160, 220)
        images.append(image)
        crops.append(crop(box))
    batch = torch.tensor(np.stack(images)).permute(0, 3, 1, 2).float()

    seen = losses(net, lambda net: detection_loss(net(batch), crops), 25)

    assert np.mean(seen[-3:]) < 0.5 * seen[0]
