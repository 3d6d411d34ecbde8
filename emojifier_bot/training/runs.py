"""A run from start to model folder: train, keep what calibrates it, export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emojifier_bot.training.device import DEVICE, to_numpy, use_device
from emojifier_bot.training.emotion import EmotionRecipe, predict
from emojifier_bot.training.export import write_model
from emojifier_bot.training.fit import (
    LOG_FILE,
    STATE_FILE,
    Run,
    load_warm_start,
    save_warm_start,
)
from emojifier_bot.training.tasks import TASKS, Inputs, Progress, Task, calibrated

#: Logits and labels of an emotion run's held-out faces.
HELD_OUT_FILE = "held_out.npz"
#: Half-precision weights that the next run starts from.
WARM_START_FILE = "state.pt"
#: The run's log, beside the model.
MODEL_LOG_FILE = "training.log.jsonl"


def train_task(
    name: str, inputs: Inputs, folder: Path, start_from: Path | None, progress: Progress
) -> None:
    """Train one of `TASKS`; a folder with an unfinished run goes on.

    Args:
        name: Key of `TASKS`.
        inputs: Data and knobs.
        folder: Where log and state go.
        start_from: A model's ``state.pt``, or None for random weights.
        progress: Told how many steps of how many are done.
    """
    use_device()
    recipe = TASKS[name].recipe(inputs)
    if start_from is not None:
        load_warm_start(recipe.net, start_from)
    run = Run(recipe, inputs.config, folder)
    run.fit(progress)
    if isinstance(recipe, EmotionRecipe):
        logits = predict(run.average, recipe.held_out)
        targets = recipe.held_out.targets
        np.savez(
            folder / HELD_OUT_FILE, logits=to_numpy(logits), targets=to_numpy(targets)
        )


def export_task(
    name: str, folder: Path, to: Path, calibration: Sequence[Path] = ()
) -> None:
    """Write a run's averaged weights as a model's folder.

    Args:
        name: Key of `TASKS`.
        folder: The run's.
        to: ``models/<task>_<architecture>_<yyyymm>``.
        calibration: Emotion: runs whose held-out faces set temperature and threshold;
            empty takes the run's own.
    """
    task = TASKS[name]
    table = dict(task.table)
    if table["task"] == "emotion":
        table["output"] = calibrated(*_held_out(calibration or [folder]))
    net = average_of(task, folder)
    write_model(to, task.export(net), table)
    save_warm_start(net, to / WARM_START_FILE)
    (to / MODEL_LOG_FILE).write_bytes((folder / LOG_FILE).read_bytes())


def average_of(task: Task, folder: Path) -> nn.Module:
    """Return a run's averaged net, ready to be used."""
    net = task.net().to(DEVICE)
    state = torch.load(folder / STATE_FILE, map_location=DEVICE)
    net.load_state_dict(state["average"])
    return net.eval()


def _held_out(folders: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    parts = [np.load(folder / HELD_OUT_FILE) for folder in folders]
    logits = np.concatenate([part["logits"] for part in parts])
    return logits, np.concatenate([part["targets"] for part in parts])
