import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import torch

from emojifier_bot.vision.emotion import APPEARANCE_PX, GEOMETRY_COUNT
from emojifier_training.nets import (
    DOUBT,
    DoubtfulLogits,
    FusedEmotionNet,
    LandmarkEmotionNet,
    LandmarkNet,
    fit_home,
    temperature,
)


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


class TestDoubt:
    def test_it_is_the_distance_in_spreads_of_the_training_faces(self):
        torch.manual_seed(5)
        mixing = torch.randn(6, 6)
        features = torch.randn(4000, 6) @ mixing + 3

        home = fit_home(features)

        # The spread of each direction but for what is added to it.
        away = (temperature(features, home) - 1) / DOUBT
        assert 0.7 < away.mean() < 1
        here, far = (features.mean(dim=0) + shift * mixing[:1] for shift in (0, 4))
        assert temperature(here, home) == pytest.approx(1)
        # Four spreads in one of six directions.
        assert temperature(far, home) == pytest.approx(1 + DOUBT * 16 / 6, rel=0.2)

    def test_a_strange_face_is_read_alike_but_less_surely(self):
        torch.manual_seed(5)
        net = FusedEmotionNet(GEOMETRY_COUNT, (4, 6, 8)).eval()
        shift = torch.randn(8)
        inputs = torch.randn(40, GEOMETRY_COUNT), torch.randn(40, 1, 52, 52)
        home = fit_home(net.features(*inputs))
        strange = 30 * torch.randn(40, GEOMETRY_COUNT), inputs[1]

        for given, least in ((inputs, 1.0), (strange, 4.0)):
            plain = net(*given) + shift
            found = DoubtfulLogits(net, shift, home).eval()(*given)

            assert torch.equal(found.argmax(dim=1), plain.argmax(dim=1))
            assert (plain / found)[:, 0].median() > least
