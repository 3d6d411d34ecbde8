"""What `train` and `export` know of each task: defaults, recipe, export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from emojifier_bot.emotion_models import EmotionModel
from emojifier_bot.vision import models_dir
from emojifier_bot.vision.emotion import APPEARANCE_PX
from emojifier_bot.vision.landmarks import OnnxLandmarker
from emojifier_bot.vision.models import ModelSpec, pick_model_spec
from emojifier_training.calibration import (
    fit_temperature,
    one_hot,
    pick_sure_threshold,
)
from emojifier_training.data import read_expressions
from emojifier_training.detector import DetectorRecipe
from emojifier_training.device import to_device
from emojifier_training.emotion import (
    NETS,
    READ_BOTH_WAYS,
    EmotionRecipe,
    PreparedFaces,
)
from emojifier_training.evaluate_emotion import SURE_ACCURACY
from emojifier_training.export import (
    emotion_output,
    export_detector,
    export_emotion,
    export_landmarks,
)
from emojifier_training.fit import FitConfig, Recipe
from emojifier_training.landmarks import FRAME_PX, LandmarkRecipe
from emojifier_training.near_duplicates import unseen
from emojifier_training.nets import DetectorNet, LandmarkNet
from emojifier_training.prepare import prepare_faces

Progress = Callable[[int, int], None]
#: The threshold is set for so much more, since other faces are read less surely.
SURE_MARGIN = 0.01
#: Parts of the cross-validation, and the seed that deals faces to them.
FOLDS, FOLD_SEED = 5, 5


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


def _emotion_recipe(variant: str) -> Callable[[Inputs], Recipe]:
    def recipe(inputs: Inputs) -> Recipe:
        spec = pick_model_spec(models_dir(), "landmarks")
        faces = prepared(inputs.data, spec, inputs.cache, inputs.progress)
        train, judged = split(inputs.data, inputs.fold)
        return EmotionRecipe(
            variant,
            faces.subset(train),
            faces.subset(judged),
            inputs.config.batch_size,
            inputs.teacher,
        )

    return recipe


def prepared(
    data: Path, spec: ModelSpec, cache: Path, progress: Progress
) -> PreparedFaces:
    """Read all expressions with the shipped landmark model."""
    labelled = read_expressions(data / "expressions")
    return prepare_faces(labelled, OnnxLandmarker(spec), spec.sha256, cache, progress)


def split(data: Path, fold: int | None) -> tuple[Tensor, Tensor]:
    """Return masks of training and held-out faces.

    Without a fold the set's own validation part is held out; with one, a fifth of the
    rest is, and the validation part is in neither. What training has a twin of is not
    judged.
    """
    faces = read_expressions(data / "expressions")
    rest = ~faces.is_validation
    train, judged = rest, faces.is_validation
    if fold is not None:
        dealt = np.random.default_rng(FOLD_SEED).integers(0, FOLDS, len(rest))
        train, judged = rest & (dealt != fold), rest & (dealt == fold)
    judged = unseen(faces.images, judged, train)
    return to_device(train), to_device(judged)


def _emotion_task(variant: str, title: str, *, looks: bool) -> Task:
    frame = {"size_px": APPEARANCE_PX, "color": "grey", "mean": 127.5, "std": 127.5}
    mirrored = {"mirror": variant in READ_BOTH_WAYS}
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
            "input": (frame if looks else {"size_px": 0}) | mirrored,
        },
    )


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "detector": Task(
            config=FitConfig(steps=6000, batch_size=16, learning_rate=2e-3),
            recipe=lambda inputs: DetectorRecipe(inputs.data, inputs.config.batch_size),
            net=DetectorNet,
            export=export_detector,
            table={
                "task": "detector",
                "title": "Faces and five points, in YuNet's format",
                "input": {"size_px": 0, "color": "BGR", "mean": 0.0, "std": 1.0},
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
                "input": {
                    "size_px": FRAME_PX,
                    "color": "grey",
                    "mean": 127.5,
                    "std": 127.5,
                },
            },
        ),
        **{
            f"emotion-{variant}": _emotion_task(variant, title, looks=looks)
            for variant, title, looks in (
                ("fused", "Eight emotions from geometry and appearance", True),
                (
                    "landmarks",
                    "Eight emotions from the geometry of the landmarks alone",
                    False,
                ),
                (
                    EmotionModel.SHARED_POINTS.value,
                    "Eight emotions from the 19 points that hosted APIs tell too",
                    False,
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
    temperature = fit_temperature(logits, one_hot(truth))
    scaled = (logits / temperature).astype(np.float32)
    return emotion_output(
        temperature,
        pick_sure_threshold(scaled, truth, SURE_ACCURACY + SURE_MARGIN),
    )
