"""Times each model on one core: one face or picture, and ten faces in one call."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from emojifier_bot.vision.detector import YuNetDetector
from emojifier_bot.vision.models import (
    LOG_ERRORS_ONLY,
    ModelSpec,
    pick_model_spec,
)
from emojifier_bot.vision.types import FloatArray
from emojifier_training.graph_cost import multiply_adds

#: Sizes that the detector reads: its small and its large pass.
SIZES_WH = ((320, 320), (640, 480))
#: Noise holds no face this certain, so no time goes into suppressing overlaps.
CERTAIN = 0.999
MANY_FACES = 10
#: Rounds that do not count.
WARM_UP = 3
SEED = 5


def time_models(models: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """Return the median milliseconds of every task's shipped model.

    Args:
        models: Folder of the models.
        rounds: How often each is timed.
    """
    detector = pick_model_spec(models, "detector")
    content = detector.verified_bytes()
    rows: dict[str, dict[str, Any]] = {
        f"{detector.name}, {size_wh[0]} × {size_wh[1]}": {
            "milliseconds": _median_ms(_detector(detector, size_wh), rounds)
        }
        for size_wh in SIZES_WH
    }
    rows[next(iter(rows))]["multiply_adds"] = multiply_adds(content)
    for spec in (
        pick_model_spec(models, "rescorer"),
        pick_model_spec(models, "landmarks"),
        pick_model_spec(models, "emotion", "fused"),
    ):
        content = spec.verified_bytes()
        session, faces = _session(content)
        one = {name: values[:1] for name, values in faces.items()}
        many_ms = _median_ms(partial(session.run, None, faces), rounds)
        rows[spec.name] = {
            "milliseconds": _median_ms(partial(session.run, None, one), rounds),
            "milliseconds_a_face_of_ten": many_ms / MANY_FACES,
            "multiply_adds": multiply_adds(content),
        }
    return rows


def _median_ms(run: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(WARM_UP + rounds):
        began = time.perf_counter()
        run()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[WARM_UP:])


def _detector(spec: ModelSpec, size_wh: tuple[int, int]) -> Callable[[], object]:
    """Return what finds the faces of a picture once, as a pass in use does."""
    cv2.setNumThreads(1)
    random = np.random.default_rng(SEED)
    picture = random.integers(0, 255, (size_wh[1], size_wh[0], 3)).astype(np.uint8)
    return partial(YuNetDetector(spec, CERTAIN).detect, picture)


def _session(
    content: bytes,
) -> tuple[onnxruntime.InferenceSession, dict[str, FloatArray]]:
    """Return a session on one core, and random inputs of ten faces by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = LOG_ERRORS_ONLY
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    random = np.random.default_rng(SEED)
    return session, {
        one.name: random.normal(0, 0.5, (MANY_FACES, *one.shape[1:])).astype(np.float32)
        for one in session.get_inputs()
    }
