"""The training loop that all three models share: seeds, EMA, resume, a log of JSON.

One readable loop in the spirit of nanoGPT. It runs on a CPU or a GPU unchanged: on
both, convolutions run in bfloat16 under autocast, with channels last.
"""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from emojifier_bot.cli.bench import peak_bytes
from emojifier_bot.errors import ConfigError
from emojifier_training import Progress
from emojifier_training.device import DEVICE, device_peak_bytes
from emojifier_training.nets import GROWN

STATE_FILE, LOG_FILE = "run_state.pt", "log.jsonl"
#: Steps of a forecast: the first ones, which set things up, are not timed.
SETTLING_STEPS, TIMED_STEPS = 3, 12


@dataclass(frozen=True, slots=True)
class FitConfig:
    """The knobs of one run; every one is written to the log."""

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.02
    warmup_steps: int = 200
    #: Half-life of the averaged weights, as the decay per step at full length.
    ema_decay: float = 0.999
    gradient_clip: float = 5.0
    evaluate_every: int = 1000
    seed: int = 20261
    #: CPU threads; one each for two runs side by side beats two for one.
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Needs:
    """What the rest of a run would need on this machine."""

    #: ``cpu`` or ``cuda``.
    device: str
    steps: int
    seconds_a_step: float
    #: All steps and evaluations that are left.
    seconds: float
    #: Most memory of the process, and of the GPU where there is one.
    memory_bytes: int
    device_memory_bytes: int


class Recipe(Protocol):
    """What a task brings to the loop."""

    net: nn.Module

    def loss(self, net: nn.Module) -> Tensor:
        """Draw a batch and return its loss."""
        ...

    def evaluate(self, net: nn.Module, /) -> dict[str, float]:
        """Return held-out figures of the averaged weights."""
        ...


def learning_rate_share(step: int, config: FitConfig) -> float:
    """Return the share of the full rate: linear warm-up, then half a cosine."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


class Run:
    """The state of one training run, in a folder of its own."""

    def __init__(
        self, recipe: Recipe, config: FitConfig, folder: Path, command: str = ""
    ) -> None:
        """Set seeds, build the optimiser, go on from a state if there is one."""
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.threads)
        self.recipe, self.config, self.folder = recipe, config, folder
        self.command = command
        self.net = recipe.net.to(DEVICE)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's types
        self.average = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(self.net, config.weight_decay), lr=config.learning_rate
        )
        self.step = 0
        if self.state_path.is_file():
            self._resume()

    @property
    def state_path(self) -> Path:
        """Return where the full state of an unfinished run lies."""
        return self.folder / STATE_FILE

    def fit(self, progress: Progress) -> None:
        """Train to the last step, evaluating and saving on the way."""
        config = self.config
        self.folder.mkdir(parents=True, exist_ok=True)
        typed = {"command": self.command} if self.command else {}
        counted = {"parameters": count_parameters(self.net)}
        self.log(typed | {"config": asdict(config)} | counted)
        began = time.monotonic()
        while self.step < config.steps:
            loss = self._one_step()
            self.step += 1
            progress(self.step, config.steps)
            if self.step % config.evaluate_every == 0 or self.step == config.steps:
                figures = self.recipe.evaluate(self.average)
                seconds = round(time.monotonic() - began)
                self.log(
                    {"step": self.step, "loss": loss, "seconds": seconds} | figures
                )
                self.save()

    def needs(self) -> Needs:
        """Try some steps and an evaluation, write nothing, tell what all would need.

        The weights have changed afterwards: the run itself begins with a new object.
        """
        for _ in range(SETTLING_STEPS):
            self._one_step()
        began = time.monotonic()
        for _ in range(TIMED_STEPS):
            self._one_step()
        per_step = (time.monotonic() - began) / TIMED_STEPS
        began = time.monotonic()
        self.recipe.evaluate(self.average)
        per_evaluation = time.monotonic() - began
        left = max(self.config.steps - self.step, 0)
        evaluations = math.ceil(left / self.config.evaluate_every)
        return Needs(
            device=DEVICE.type,
            steps=left,
            seconds_a_step=per_step,
            seconds=left * per_step + evaluations * per_evaluation,
            memory_bytes=peak_bytes("self"),
            device_memory_bytes=device_peak_bytes(),
        )

    def _one_step(self) -> float:
        for group in self.optimizer.param_groups:
            share = learning_rate_share(self.step, self.config)
            group["lr"] = self.config.learning_rate * share
        self.net.train()
        loss = self.recipe.loss(self.net)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        nn.utils.clip_grad_norm_(self.net.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        self._update_average()
        return float(loss.detach())

    def _update_average(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            now = self.net.state_dict()
            for name, value in self.average.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(now[name], 1 - decay)
                else:
                    value.copy_(now[name])

    def log(self, row: dict[str, Any]) -> None:
        """Append one JSON object to the log."""
        with (self.folder / LOG_FILE).open("a") as file:
            file.write(json.dumps(row) + "\n")

    def save(self) -> None:
        """Write the full state, atomically."""
        state = {
            "step": self.step,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "device_random": torch.cuda.get_rng_state_all(),
        }
        partial = self.state_path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.state_path)

    def _resume(self) -> None:
        state = torch.load(self.state_path, map_location=DEVICE)
        self.step = state["step"]
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"].cpu())
        # Runs that began before this was kept go on with other draws.
        device_random = state.get("device_random", [])
        torch.cuda.set_rng_state_all([one.cpu() for one in device_random])


def count_parameters(net: nn.Module) -> int:
    """Return how many numbers a net learns."""
    return sum(parameter.numel() for parameter in net.parameters())


def save_warm_start(net: nn.Module, path: Path) -> None:
    """Write half-precision weights that the next run can start from (a few MB)."""
    weights = net.state_dict()
    halves = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    torch.save(halves, path)


def load_warm_start(net: nn.Module, path: Path) -> None:
    """Start from weights that `save_warm_start` wrote, units grown since left out.

    Raises:
        ConfigError: They are those of another net.
    """
    weights = torch.load(path, map_location="cpu")
    grown = {
        f"{name}.{key}": value
        for name, unit in net.named_modules()
        if isinstance(unit, GROWN)
        for key, value in unit.state_dict().items()
    }
    try:
        net.load_state_dict(grown | weights)
    except RuntimeError as error:
        raise ConfigError([f"{path} holds the weights of another net."]) from error


def _parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    weights = [p for p in net.parameters() if p.ndim > 1]
    scales = [p for p in net.parameters() if p.ndim <= 1]
    return [
        {"params": weights, "weight_decay": weight_decay},
        {"params": scales, "weight_decay": 0.0},
    ]
