from __future__ import annotations

import json
import math

import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import torch
from torch import nn

from emojifier_bot.errors import ConfigError
from emojifier_training.fit import (
    LOG_FILE,
    TIMED_STEPS,
    FitConfig,
    Run,
    count_parameters,
    learning_rate_share,
    load_warm_start,
    save_warm_start,
)
from emojifier_training.nets import FusedEmotionNet

CONFIG = FitConfig(
    steps=12, batch_size=8, learning_rate=0.05, warmup_steps=3, evaluate_every=5
)


class LineRecipe:
    """Learns a straight line from points drawn for each batch."""

    def __init__(self):
        torch.manual_seed(9)
        self.net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    def loss(self, net):
        points = torch.rand(8, 2)
        return (net(points)[:, 0] - points @ torch.tensor([2.0, -1.0])).square().mean()

    def evaluate(self, net):
        assert not net.training
        return {"size": sum(float(p.square().sum()) for p in net.parameters())}


def run(folder, config=CONFIG, recipe=None, progress=lambda *_: None) -> Run:
    one = Run(recipe or LineRecipe(), config, folder)
    one.fit(progress)
    return one


def rows(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]


def same_weights(first: nn.Module, other: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class TestLearningRate:
    CONFIG = FitConfig(steps=100, batch_size=1, learning_rate=1, warmup_steps=10)

    @pytest.mark.parametrize(
        ("step", "share"),
        [
            (0, 0.1),
            (4, 0.5),
            (9, 1),
            (10, 1),
            (55, 0.505),  # half way down
            (100, 0.01),
            (200, 0.01),
        ],
    )
    def test_up_in_a_line_and_down_half_a_cosine(self, step, share):
        assert learning_rate_share(step, self.CONFIG) == pytest.approx(share)


class TestFit:
    def test_the_log_holds_the_knobs_and_then_the_figures(self, tmp_path):
        run(tmp_path)

        config, *steps = rows(tmp_path)
        assert config["config"]["learning_rate"] == 0.05
        assert config["config"]["seed"] == CONFIG.seed
        assert config["parameters"] == 2 * 4 + 4 + 4 + 4 + 4 + 1
        assert [row["step"] for row in steps] == [5, 10, 12]
        assert all(math.isfinite(row["loss"]) for row in steps)
        assert all(row["seconds"] >= 0 for row in steps)
        assert all(row["size"] > 0 for row in steps)

    def test_only_weights_decay(self, tmp_path):
        one = Run(LineRecipe(), FitConfig(**_knobs(weight_decay=0.3)), tmp_path)

        decaying, staying = one.optimizer.param_groups
        assert decaying["weight_decay"] == 0.3
        assert staying["weight_decay"] == 0
        assert all(parameter.ndim > 1 for parameter in decaying["params"])
        assert all(parameter.ndim == 1 for parameter in staying["params"])
        both = decaying["params"] + staying["params"]
        assert sum(one.numel() for one in both) == count_parameters(one.net)


def test_all_that_is_left_has_its_figures(tmp_path, monkeypatch):
    clock = iter([100.0, 106.0, 200.0, 201.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    config = FitConfig(**_knobs(steps=12, evaluate_every=5))

    needs = Run(LineRecipe(), config, tmp_path / "new").needs()

    assert needs.seconds_a_step == 6 / TIMED_STEPS
    # Fifteen steps tried are none of the run's, and each part evaluates once.
    assert needs.steps == 12
    assert needs.seconds == 12 * needs.seconds_a_step + 3 * 1.0
    assert not (tmp_path / "new").exists()


def _knobs(**changes):
    return {name: getattr(CONFIG, name) for name in CONFIG.__slots__} | changes


def test_it_follows_the_weights(tmp_path):
    seen = []

    class Watching(LineRecipe):
        def loss(self, net):
            seen.append(net[0].bias.detach().clone())
            return super().loss(net)

    one = run(tmp_path, recipe=Watching())

    weights = [*seen[1:], one.net[0].bias.detach()]
    average = seen[0]
    for step, now in enumerate(weights):
        decay = min(CONFIG.ema_decay, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * now
    torch.testing.assert_close(one.average[0].bias, average)


class Stopped(Exception):  # noqa: N818 - no error, an interruption
    pass


def interrupted(folder, at, recipe=None):
    """Run until a step, then stop as a crash would."""

    def stop(step, _):
        if step == at:
            raise Stopped

    with pytest.raises(Stopped):
        run(folder, recipe=recipe, progress=stop)


@pytest.mark.parametrize(("at", "kept"), [(5, 0), (6, 5), (9, 5), (11, 10)])
def test_it_ends_as_if_nothing_had_happened(at, kept, tmp_path):
    whole = run(tmp_path / "whole")
    interrupted(tmp_path / "parts", at)
    torch.manual_seed(12345)

    steps = []
    again = run(tmp_path / "parts", progress=lambda step, _: steps.append(step))

    assert steps == list(range(kept + 1, 13))
    assert again.step == whole.step == 12
    assert same_weights(again.net, whole.net)
    assert same_weights(again.average, whole.average)


class TestWarmStart:
    def test_an_emotion_net_learns_which_places_count(self, tmp_path):
        net = FusedEmotionNet(5, (4, 6, 8)).eval()
        weights = net.state_dict()
        grown = {n for n in weights if n.startswith(("second.", "appearance.9."))}
        assert len(grown) == 3
        older = {name: one for name, one in weights.items() if name not in grown}
        torch.save(older, tmp_path / "state.pt")
        maps = torch.rand(2, 8, 7, 7)

        load_warm_start(net, tmp_path / "state.pt")

        mean = net.appearance[9](maps)[..., 0, 0]
        torch.testing.assert_close(mean, maps.mean(dim=(2, 3)))
        inputs = torch.rand(2, 5), torch.rand(2, 1, 52, 52)
        votes, second = net.opinions(*inputs).unbind(dim=1)
        assert (second == 0).all()
        torch.testing.assert_close(net(*inputs), votes)

    @pytest.mark.parametrize(
        "other", [nn.Linear(2, 4), nn.Linear(3, 1)], ids=["names", "shapes"]
    )
    def test_another_net_is_refused(self, other, tmp_path):
        save_warm_start(nn.Linear(2, 1), tmp_path / "state.pt")
        wanted = nn.Sequential(other) if other.out_features == 4 else other

        with pytest.raises(ConfigError, match=r"state\.pt holds the weights of ano"):
            load_warm_start(wanted, tmp_path / "state.pt")
