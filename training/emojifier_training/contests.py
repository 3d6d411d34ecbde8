"""Our models beside their peers, and beside themselves in eight bits."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emojifier_bot.vision.models import ModelSpec, pick_model_spec
from emojifier_training.graph_cost import multiply_adds
from emojifier_training.int8 import (
    FEEDS,
    quantized,
    quantized_weights,
    write_file,
)
from emojifier_training.judge import Judge, Models
from emojifier_training.model_speed import (
    Contest,
    contest,
    detector_run,
    largest_difference,
    session_run,
)
from emojifier_training.peers import (
    LANDMARKS_PX,
    pfld_file,
    xception_file,
    yunet_file,
)
from emojifier_training.runs import float_file

#: Sizes that the detector looks at: its small and its large look.
SIZES_WH = ((320, 320), (640, 480))
#: PFLD at three quarters of its widths has 2.8 MB, about what our net has; at a quarter
#: it is the smallest that its authors show.
PFLD_SHARES = (0.75, 0.25)
#: Faces of a picture.
MANY_FACES = 10


def against_peers(models: Path, rounds: int) -> list[Contest]:
    """Return every model beside its peers, and ten faces at once beside one by one.

    Args:
        models: Folder of the models.
        rounds: How often each is timed.
    """
    detector = pick_model_spec(models, "detector")
    landmarks = pick_model_spec(models, "landmarks")
    emotion = pick_model_spec(models, "emotion", "fused")
    rows = [_detectors(detector, size_wh, rounds) for size_wh in SIZES_WH]
    for share in PFLD_SHARES:
        given = f"a face of {LANDMARKS_PX} px"
        peer = pfld_file(share)
        rows.append(_nets(landmarks, f"PFLD-like, × {share:g}", peer, given, rounds))
    peer = xception_file(emotion.input_px)
    given = f"a face of {emotion.input_px} px"
    rows.append(_nets(emotion, "mini-XCEPTION", peer, given, rounds))
    return rows + [_batched(spec, rounds) for spec in (landmarks, emotion)]


def _detectors(spec: ModelSpec, size_wh: tuple[int, int], rounds: int) -> Contest:
    ours, peer = spec.verified_bytes(), yunet_file()
    return contest(
        (spec.name, "YuNet-n"),
        (detector_run(ours, size_wh), detector_run(peer, size_wh)),
        f"a picture of {size_wh[0]} × {size_wh[1]}",
        rounds,
        (multiply_adds(ours), multiply_adds(peer)),
    )


def _nets(spec: ModelSpec, name: str, peer: bytes, given: str, rounds: int) -> Contest:
    ours = spec.verified_bytes()
    return contest(
        (spec.name, name),
        (session_run(ours, 1), session_run(peer, 1)),
        given,
        rounds,
        (multiply_adds(ours), multiply_adds(peer)),
    )


def _batched(spec: ModelSpec, rounds: int) -> Contest:
    content = spec.verified_bytes()
    return contest(
        (f"{spec.name}, one call", "ten calls"),
        (
            session_run(content, MANY_FACES),
            session_run(content, MANY_FACES, at_once=False),
        ),
        f"{MANY_FACES} faces",
        rounds,
    )


def batching_differs(models: Path) -> dict[str, float]:
    """Return by how much faces in one call differ from the same faces alone."""
    specs = (
        pick_model_spec(models, "landmarks"),
        pick_model_spec(models, "emotion", "fused"),
    )
    return {
        spec.name: largest_difference(spec.verified_bytes(), MANY_FACES)
        for spec in specs
    }


def in_eight_bits(
    models: Path,
    data: Path,
    rounds: int,
    progress: Callable[[int, int], None],
    every: int,
) -> list[dict[str, Any]]:
    """Return speed and figures of landmarks and emotion in eight bits.

    Args:
        models: Folder of the models.
        data: Folder of the three sets.
        rounds: How often each file is timed.
        progress: Told how many samples of how many are judged.
        every: Judge only every so many samples.

    Raises:
        ConfigError: The emotion model is in eight bits already.
    """
    judge = Judge(Models(threads=1), progress, held_out=True, every=every)
    rows = []
    for task, variant in (("landmarks", ""), ("emotion", "fused")):
        spec = pick_model_spec(models, task, variant)
        content = float_file(spec)
        feeds = FEEDS[task](spec, data)
        files = {
            "float": content,
            "int8 weights": quantized_weights(content),
            "int8 weights and activations": quantized(content, feeds),
        }
        for name, file in files.items():
            row = _timed(content, file, rounds)
            figures = _figures(judge, spec, file, data)
            rows.append({"model": spec.name, "file": name, **row, **figures})
    return rows


def _timed(content: bytes, file: bytes, rounds: int) -> dict[str, Any]:
    runs = (session_run(file, MANY_FACES), session_run(content, MANY_FACES))
    timed = contest(("", ""), runs, "", rounds)
    return {
        "bytes": len(file),
        "milliseconds": timed.model_ms,
        "ratio": timed.ratio,
    }


def _figures(judge: Judge, spec: ModelSpec, file: bytes, data: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        model = write_file(spec, file, Path(folder, spec.name))
        if spec.task == "landmarks":
            models = dataclasses.replace(judge.models, landmarks=model)
            judged = dataclasses.replace(judge, models=models)
            found = judged.landmarks(data / "landmarks")
            return {"nme_helen": found.get("nme_helen")}
        models = dataclasses.replace(judge.models, emotion=model)
        found = dataclasses.replace(judge, models=models).emotion(data / "expressions")
        return {"accuracy": found["accuracy"], "macro_f1": found["macro_f1"]}
