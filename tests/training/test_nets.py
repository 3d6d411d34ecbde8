import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import torch

from emojifier_bot.vision.emotion import APPEARANCE_PX, GEOMETRY_COUNT
from emojifier_training.nets import FusedEmotionNet, LandmarkEmotionNet, LandmarkNet


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 20), (27, 5)])
def test_a_peak_is_found_at_the_middle_of_its_cell(row, column):
    heat = torch.zeros(1, 68, 28, 28)
    heat[..., row, column] = 100

    points = LandmarkNet().expect(heat)

    wanted = torch.tensor([(column + 0.5) / 28, (row + 0.5) / 28])
    torch.testing.assert_close(points, wanted.expand(1, 68, 2))


class TestEmotionNets:
    @pytest.mark.parametrize(
        ("net", "sees_appearance"),
        [(FusedEmotionNet, True), (LandmarkEmotionNet, False)],
    )
    def test_what_a_net_sees(self, net, sees_appearance):
        net = net(GEOMETRY_COUNT).eval()
        geometry = torch.randn(2, 1, GEOMETRY_COUNT)
        pictures = torch.randn(2, 1, 1, APPEARANCE_PX, APPEARANCE_PX)

        first = net(geometry[0], pictures[0])

        assert not torch.equal(net(geometry[1], pictures[0]), first)
        assert torch.equal(net(geometry[0], pictures[1]), first) is not sees_appearance

    def test_fusion_learns_from_some_faces_without_their_geometry(self):
        count = 400
        net = FusedEmotionNet(GEOMETRY_COUNT).eval()
        appearance = torch.randn(1, 1, APPEARANCE_PX, APPEARANCE_PX).expand(
            count, -1, -1, -1
        )
        geometry = torch.randn(1, GEOMETRY_COUNT).expand(count, -1)
        whole = net(geometry, appearance)
        net.geometry.register_forward_hook(lambda *_: torch.zeros(count, 96))
        without = net(geometry, appearance)
        net.geometry._forward_hooks.clear()

        # The rest stays as it is in use: only the net itself learns.
        net.training = True
        learned = net(geometry, appearance)

        hidden = (learned == without).all(dim=1)
        assert ((learned == whole).all(dim=1) | hidden).all()
        assert 0.4 < hidden.float().mean() < 0.6
