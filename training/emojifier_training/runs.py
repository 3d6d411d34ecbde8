"""A run from start to model folder: train, keep what calibrates it, export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emojifier_bot.errors import ConfigError
from emojifier_training import MODEL_LOG_FILE
from emojifier_training.device import DEVICE, to_numpy, use_device
from emojifier_training.emotion import PRIOR_RELIEFS, EmotionRecipe
from emojifier_training.export import write_model
from emojifier_training.fit import (
    LOG_FILE,
    STATE_FILE,
    Needs,
    Run,
    load_warm_start,
    save_warm_start,
)
from emojifier_training.nets import ShiftedLogits
from emojifier_training.tasks import TASKS, Inputs, Progress, Task, calibrated

#: Logits and labels of an emotion run's held-out faces.
HELD_OUT_FILE = "held_out.npz"
#: Half-precision weights that the next run starts from.
WARM_START_FILE = "state.pt"


def train_task(
    name: str,
    inputs: Inputs,
    folder: Path,
    start_from: Path | None,
    progress: Progress,
    *,
    command: str = "",
) -> None:
    """Train one of `TASKS`; a folder with an unfinished run goes on.

    Args:
        name: Key of `TASKS`.
        inputs: Data and knobs.
        folder: Where log and state go.
        start_from: A model's ``state.pt``, or None for random weights.
        progress: Told how many steps of how many are done.
        command: What was typed, for the log.
    """
    run = _begun(name, inputs, folder, start_from, command)
    run.fit(progress)
    recipe = run.recipe
    if isinstance(recipe, EmotionRecipe):
        np.savez(
            folder / HELD_OUT_FILE,
            logits=to_numpy(recipe.predict(run.average)),
            targets=to_numpy(recipe.held_out.targets),
            log_prior=to_numpy(recipe.log_prior),
        )


def forecast_task(
    name: str, inputs: Inputs, folder: Path, start_from: Path | None
) -> Needs:
    """Return what `train_task` would need from where the run is; writes nothing there.

    Args:
        name: Key of `TASKS`.
        inputs: Data and knobs.
        folder: Of the run, begun or not.
        start_from: As `train_task` takes it.
    """
    return _begun(name, inputs, folder, start_from, "").needs()


def _begun(
    name: str, inputs: Inputs, folder: Path, start_from: Path | None, command: str
) -> Run:
    use_device()
    recipe = TASKS[name].recipe(inputs)
    if start_from is not None:
        load_warm_start(recipe.net, start_from)
    return Run(recipe, inputs.config, folder, command)


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

    Raises:
        ConfigError: A run has not come to its end.
    """
    task = TASKS[name]
    table = dict(task.table)
    # The exporter's example inputs lie on the processor.
    net = average_of(task, folder).cpu()
    shipped = net
    if table["task"] == "emotion":
        variant = table["variant"]
        table["output"] = calibrated(*held_out_logits(calibration or [folder], variant))
        shipped = ShiftedLogits(net, -PRIOR_RELIEFS[variant] * _log_prior(folder))
    write_model(to, task.export(shipped), table)
    save_warm_start(net, to / WARM_START_FILE)
    (to / MODEL_LOG_FILE).write_bytes((folder / LOG_FILE).read_bytes())


def average_of(task: Task, folder: Path) -> nn.Module:
    """Return a run's averaged net, ready to be used."""
    net = task.net().to(DEVICE)
    state = torch.load(_part(folder, STATE_FILE), map_location=DEVICE)
    net.load_state_dict(state["average"])
    return net.eval()


def held_out_logits(
    folders: Sequence[Path], variant: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the pooled logits, as a variant ships, and targets of held-out faces."""
    parts = [np.load(_part(folder, HELD_OUT_FILE)) for folder in folders]
    relief = PRIOR_RELIEFS[variant]
    logits = [part["logits"] - relief * part["log_prior"] for part in parts]
    targets = [part["targets"] for part in parts]
    return np.concatenate(logits), np.concatenate(targets)


def _part(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise ConfigError([f"There is no {name} in {folder}: train that model first."])
    return path


def _log_prior(folder: Path) -> Tensor:
    with np.load(folder / HELD_OUT_FILE) as arrays:
        return torch.from_numpy(arrays["log_prior"])
