"""How fast each model is on one core, beside a peer of its size class.

Both get the same input by turns, so that what else the machine does slows both; the
median of the pairs' ratios is told.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import onnxruntime

from emojifier_bot.vision.onnx_session import LOG_ERRORS_ONLY
from emojifier_bot.vision.types import FloatArray

Run = Callable[[], object]
#: Random weights see faces everywhere; so sure is none, and no time goes into sorting
#: them out.
SUREST = 0.999
#: Rounds that do not count.
WARM_UP = 3
SEED = 5


@dataclass(frozen=True, slots=True)
class Contest:
    """One model beside one peer."""

    model: str
    peer: str
    #: What both were given.
    given: str
    model_ms: float
    peer_ms: float
    #: Median of the pairs' ratios, model over peer.
    ratio: float
    #: Multiply-adds of each, for one input; None where nobody counted.
    model_multiply_adds: int | None = None
    peer_multiply_adds: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def contest(
    names: tuple[str, str],
    runs: tuple[Run, Run],
    given: str,
    rounds: int,
    costs: tuple[int | None, int | None] = (None, None),
) -> Contest:
    """Time a model and a peer by turns.

    Args:
        names: Of the model and of the peer.
        runs: What runs each once.
        given: What both are given, in words.
        rounds: How often each is timed.
        costs: Multiply-adds of each.
    """
    for run in runs * WARM_UP:
        run()
    pairs = [(_milliseconds(runs[0]), _milliseconds(runs[1])) for _ in range(rounds)]
    return Contest(
        *names,
        given,
        statistics.median(model for model, _ in pairs),
        statistics.median(peer for _, peer in pairs),
        statistics.median(model / peer for model, peer in pairs),
        *costs,
    )


def _milliseconds(run: Run) -> float:
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1000


def detector_run(content: bytes, size_wh: tuple[int, int]) -> Run:
    """Return what runs a YuNet-format file once, through OpenCV as use does."""
    cv2.setNumThreads(1)
    # With each file it warns that it knows no other processor.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    net = cv2.FaceDetectorYN.create(
        "onnx",
        np.frombuffer(content, np.uint8),
        np.empty(0, np.uint8),
        size_wh,
        SUREST,
    )
    random = np.random.default_rng(SEED)
    picture = random.integers(0, 255, (size_wh[1], size_wh[0], 3)).astype(np.uint8)
    return lambda: net.detect(picture)


def session_run(content: bytes, count: int, *, at_once: bool = True) -> Run:
    """Return what runs an ONNX file for a number of faces, on one core.

    Args:
        content: The file; its first axis is that of the faces.
        count: How many faces.
        at_once: In one call, else in one call each.
    """
    session = _session(content)
    random = np.random.default_rng(SEED)
    inputs = {
        one.name: random.normal(0, 0.5, (count, *one.shape[1:])).astype(np.float32)
        for one in session.get_inputs()
    }
    if at_once:
        return lambda: session.run(None, inputs)
    each = [
        {name: values[index : index + 1] for name, values in inputs.items()}
        for index in range(count)
    ]
    return lambda: [session.run(None, one) for one in each]


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = LOG_ERRORS_ONLY
    return onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )


def largest_difference(content: bytes, count: int) -> float:
    """Return by how much faces in one call differ from the same ones alone."""
    together = session_run(content, count)()
    alone = session_run(content, count, at_once=False)()
    return _apart(
        _first(together), np.concatenate([_first(one) for one in _list(alone)])
    )


def _list(outputs: object) -> Sequence[object]:
    assert isinstance(outputs, list)  # noqa: S101 - for the type checker
    return outputs


def _first(outputs: object) -> FloatArray:
    return np.asarray(_list(outputs)[0], np.float32)


def _apart(first: FloatArray, other: FloatArray) -> float:
    return float(np.abs(first - other).max())
