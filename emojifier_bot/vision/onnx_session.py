"""One way to run a model file with onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import onnxruntime

from emojifier_bot.errors import InferenceError, ModelFileError
from emojifier_bot.vision.models import ModelSpec
from emojifier_bot.vision.types import FloatArray

#: onnxruntime's own level for "errors only"; its warnings are about graph details.
LOG_ERRORS_ONLY = 3
#: Faces that go through a model in one call, which needs about 1 MB for each.
BATCH_FACES = 64
T = TypeVar("T")


def in_batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split the faces of a picture into batches of at most `BATCH_FACES`."""
    for start in range(0, len(items), BATCH_FACES):
        yield items[start : start + BATCH_FACES]


class OnnxSession:
    """A verified model file, loaded."""

    def __init__(self, spec: ModelSpec, threads: int = 0) -> None:
        """Load a model with a number of threads; 0 is one for each core.

        Raises:
            ModelFileError: The file is missing, differs, or is no ONNX model.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.inter_op_num_threads = 1
        options.log_severity_level = LOG_ERRORS_ONLY
        # Spinning threads would take the cores from the steps between two calls.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
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

    def run(self, **inputs: FloatArray) -> FloatArray:
        """Run a batch and return the first output.

        Raises:
            InferenceError: The runtime refuses the input or fails.
        """
        wanted = {name: inputs[name] for name in self.input_names}
        try:
            outputs: list[Any] = self._session.run(None, wanted)
        except Exception as error:
            raise InferenceError(f"The model {self._name} failed: {error}") from error
        return np.asarray(outputs[0], np.float32)
