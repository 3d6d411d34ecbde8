"""Models as data: what ``model.toml`` states about the weights, and what runs them."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from emojifier_bot.errors import InferenceError, ModelFileError
from emojifier_bot.vision.types import EMOTIONS, Emotion, FloatArray

TASKS = ("detector", "rescorer", "landmarks", "emotion")
SPEC_FILE = "model.toml"
#: onnxruntime's own level for "errors only"; its warnings are about graph details.
LOG_ERRORS_ONLY = 3
#: Faces that go through a model in one call, and calls at the same time. onnxruntime
#: keeps what the largest ones took: 49 MB for 16 faces, 159 MB for 64.
BATCH_FACES, MOST_CALLS = 5, 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything a back end must know about one model file."""

    folder: Path
    task: str
    #: Which of a task's models it is: ``fused`` and ``landmarks`` for emotion.
    variant: str
    title: str
    file: str
    sha256: str
    #: Side of the square input in pixels; 0 where any size goes.
    input_px: int
    #: ``BGR``, ``RGB`` or ``grey``.
    color: str
    #: Inputs are ``(pixel - mean) / std``.
    mean: float
    std: float
    #: Whether a face's mirror image is read too, and the logits averaged.
    mirror: bool
    #: Emotions in the order of the outputs.
    labels: tuple[Emotion, ...]
    #: Divides the logits (Guo et al., 2017).
    temperature: float
    #: Least calibrated top probability that counts as sure.
    sure_threshold: float
    #: Rescorer: what `rescorer.probabilities` joins its logits with others by.
    fusion: tuple[float, ...]
    #: One line on the data and what it allows.
    license_note: str

    @property
    def name(self) -> str:
        """Return the folder's name: ``emotion_fused_202611``."""
        return self.folder.name

    def verified_bytes(self) -> bytes:
        """Read the model file.

        Raises:
            ModelFileError: It is missing, or its SHA-256 is not the stated one.
        """
        path = self.folder / self.file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelFileError(
                f"The model file {path} cannot be read ({error.strerror}). Install the "
                "package again, or set the model's folder to one that has the file."
            ) from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ModelFileError(
                f"The model file {path} is not the one that {SPEC_FILE} beside it "
                "names: its SHA-256 differs. Fetch it again, or correct the hash if "
                "you changed the file on purpose."
            )
        return content


def read_model_spec(folder: Path) -> ModelSpec:
    """Read ``model.toml`` of a model's folder.

    Raises:
        ModelFileError: It is missing, is no TOML, or lacks or misstates a key.
    """
    path = folder / SPEC_FILE
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ModelFileError(
            f"{folder} is not a model's folder: it has no {SPEC_FILE}."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path} is not valid TOML: {error}.") from error
    try:
        return _spec(folder, table)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path} lacks or misstates a key: {error}.") from error


def _spec(folder: Path, table: dict[str, Any]) -> ModelSpec:
    inputs, outputs = table.get("input", {}), table.get("output", {})
    labels = tuple(Emotion(name) for name in outputs.get("labels", ()))
    if table["task"] not in TASKS:
        raise ValueError(f"task {table['task']!r} is none of {', '.join(TASKS)}")
    if labels and set(labels) != set(EMOTIONS):
        raise ValueError("labels must name each of the eight emotions once")
    return ModelSpec(
        folder=folder,
        task=table["task"],
        variant=str(table.get("variant", "")),
        title=str(table["title"]),
        file=str(table["file"]),
        sha256=str(table["sha256"]),
        input_px=int(inputs.get("size_px", 0)),
        color=str(inputs.get("color", "")),
        mean=float(inputs.get("mean", 0.0)),
        std=float(inputs.get("std", 1.0)),
        mirror=bool(inputs.get("mirror", False)),
        labels=labels,
        temperature=float(outputs.get("temperature", 1.0)),
        sure_threshold=float(outputs.get("sure_threshold", 0.5)),
        fusion=tuple(float(one) for one in outputs.get("fusion", ())),
        license_note=str(table["license_note"]),
    )


def list_model_specs(models: Path) -> list[ModelSpec]:
    """Return the specs of all models in a folder, by name."""
    return [
        read_model_spec(path.parent) for path in sorted(models.glob(f"*/{SPEC_FILE}"))
    ]


def pick_model_spec(models: Path, task: str, variant: str = "") -> ModelSpec:
    """Return the newest model of a task and variant: the last by name.

    Raises:
        ModelFileError: There is none; the message lists what there is.
    """
    specs = list_model_specs(models)
    fitting = [s for s in specs if s.task == task and variant in ("", s.variant)]
    if not fitting:
        have = ", ".join(spec.name for spec in specs) or "no model at all"
        wanted = f"{variant} {task}".strip()
        raise ModelFileError(f"There is no {wanted} model in {models}; it has {have}.")
    return max(fitting, key=lambda spec: spec.name.rsplit("_", 1)[-1])


def in_batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split the faces of a picture into an even number of batches, alike in size.

    Each has `BATCH_FACES` at most.
    """
    count = 2 * math.ceil(len(items) / (2 * BATCH_FACES))
    edges = [len(items) * index // count for index in range(count + 1)] if count else []
    return (items[start:end] for start, end in pairwise(edges) if start < end)


class OnnxSession:
    """A verified model file; each run takes one core, and several may run at once.

    Raises:
        ModelFileError: The file is missing, differs, or is no ONNX model.
    """

    def __init__(self, spec: ModelSpec) -> None:
        import onnxruntime  # noqa: PLC0415 - heavy; listing models needs none of it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = LOG_ERRORS_ONLY
        content = spec.verified_bytes()
        self._name = spec.name
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            # onnxruntime's exceptions share no base but Exception.
            raise ModelFileError(
                f"The model {spec.name} cannot be loaded: {error}"
            ) from error
        self.input_names = tuple(i.name for i in self._session.get_inputs())
        self.output_names = tuple(o.name for o in self._session.get_outputs())

    @property
    def takes_any_size(self) -> bool:
        """Return whether the height and the width of its pictures are free."""
        size_hw = self._session.get_inputs()[0].shape[2:]
        return not any(isinstance(length, int) for length in size_hw)

    def run(self, **inputs: FloatArray) -> FloatArray:
        """Run a batch and return the first output.

        Raises:
            InferenceError: The runtime refuses the input or fails.
        """
        return self.run_all(**inputs)[0]

    def run_all(self, **inputs: FloatArray) -> list[FloatArray]:
        """Run a batch and return every output, in the order of `output_names`.

        Raises:
            InferenceError: The runtime refuses the input or fails.
        """
        wanted = {name: inputs[name] for name in self.input_names}
        try:
            outputs: list[Any] = self._session.run(None, wanted)
        except Exception as error:
            raise InferenceError(f"The model {self._name} failed: {error}") from error
        return [np.asarray(one, np.float32) for one in outputs]
