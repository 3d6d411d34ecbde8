"""What the templates of the model cards leave open, told from figures and knobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from emojifier_bot.vision.features import SHARED_POINTS_VARIANT
from emojifier_bot.vision.landmark_geometry import REGIONS
from emojifier_bot.vision.models import ModelSpec
from emojifier_training import card_tables as tables
from emojifier_training.detector_crops import (
    CHANCES,
    CROP_PX,
    FACE_HEIGHTS_PX,
    SCALES,
    SMALLEST_FACE_PX,
    TURN_DEGREES,
)
from emojifier_training.emotion import PRIOR_RELIEFS
from emojifier_training.graph_cost import is_quantized
from emojifier_training.landmarks import Jitter
from emojifier_training.run_log import steps_of
from emojifier_training.runs import MODEL_LOG_FILE

SOURCES = MappingProxyType(
    {"helen": "HELEN", "afw": "AFW", "youtube": "video frames (noisy labels)"}
)
HOW = MappingProxyType(
    {
        "fused": "A small residual net reads the appearance, a two-layer net the "
        "geometry; one linear layer joins them. Since its 21,700th step, geometry was "
        "hidden for half of the faces in training (ModDrop, Neverova et al., 2016); "
        "for the nets of the cross-validation, all along.",
        "landmarks": "This variant looks at the geometry alone, with a two-layer net: "
        "for who wants no pixels but the points to be looked at.",
        SHARED_POINTS_VARIANT: "This variant looks at 19 points alone, with a "
        "two-layer net, brought onto the mean face by seven of them: brow ends, eye "
        "corners, the middle of each lid, the nose's tip and wings, mouth corners, "
        "upper and lower lip. They are what hosted face APIs (Google, Azure) share "
        "with the 68 points, so a face that such an API found can be read without its "
        "pixels. What that loses against all 68 points, the table of parts below says.",
        "appearance": "This variant looks at the appearance alone: it is trained to "
        "see what fusion gains.",
    }
)
READINGS = MappingProxyType(
    {
        True: "Each face and its mirror image are read, and the mean of both counts; "
        "the multiply-adds are those of both readings.",
        False: "Each face is read once.",
    }
)
PRECISION = MappingProxyType(
    {
        False: "Numbers are in floating point.",
        True: "Weights and activations are in eight bits, but for the convolution that "
        "makes the maps; what that gains and costs is in "
        "[docs/bench.md](../../docs/bench.md#eight-bits).",
    }
)
NO_POOLED = (
    "The rare emotions have few faces there: read their intervals, not their figures."
)

Words = dict[str, str]


def _data_table(figures: Mapping[str, Any]) -> str:
    rows = figures["data"].items()
    return tables.table(
        ("source", "for training", "held out"),
        [(name, f"{row['train']:,}", f"{row['held']:,}") for name, row in rows],
    )


def _detector_words(_spec: ModelSpec, figures: Mapping[str, Any]) -> Words:
    held_out = figures["held_out"]
    return {
        "data_table": _data_table(figures),
        "smallest": f"{SMALLEST_FACE_PX:g}",
        "crop": f"{CROP_PX}",
        "low_height": f"{FACE_HEIGHTS_PX[0]:g}",
        "high_height": f"{FACE_HEIGHTS_PX[1]:g}",
        "mosaic": tables.percent(CHANCES.mosaic, 0),
        "enlarged": f"{SCALES[1]:g}",
        "turned": tables.percent(CHANCES.turn, 0),
        "turn_degrees": f"{TURN_DEGREES:g}",
        "overturn": tables.percent(CHANCES.overturn, 0),
        "pictures": f"{held_out['pictures']}",
        "difficulty_table": tables.kinds_table("set", held_out["by_difficulty"]),
        "height_table": tables.kinds_table(
            "height", held_out["by_height"], tables.HEIGHTS
        ),
        "occlusion_table": tables.kinds_table(
            "set, covered", held_out["by_occlusion"] | held_out["by_source"]
        ),
        "roll_table": tables.roll_table(held_out["by_roll"]),
        "recall": tables.ranged(held_out["intervals"]["recall"]),
        "precision": tables.ranged(held_out["intervals"]["precision"]),
        "false_alarms": f"{held_out['false_alarms_per_picture']:.2f}",
        "curve_table": tables.curve_table(held_out["curve"]),
        "empty_table": tables.empty_table(held_out["without_faces"]),
    }


def _landmark_words(spec: ModelSpec, figures: Mapping[str, Any]) -> Words:
    held_out, jitter = figures["held_out"], Jitter()
    intervals = held_out["intervals"]
    return {
        "input_px": f"{spec.input_px}",
        "precision": PRECISION[is_quantized(spec.verified_bytes())],
        "data_table": _data_table(figures),
        "shift": tables.percent(jitter.shift, 0),
        "scale": tables.percent(jitter.log_scale, 0),
        "turn": f"{jitter.turn_degrees:g}",
        "wide_turns": tables.percent(jitter.wide_turns, 0),
        "wide_degrees": f"{jitter.wide_turn_degrees:g}",
        "source_table": tables.error_table(
            "set",
            intervals,
            {f"nme_{key}": name for key, name in SOURCES.items()}
            | {"nme": f"all ({held_out['found']} of {held_out['count']} found)"},
        ),
        "region_table": tables.error_table(
            "region", intervals, {f"nme_{name}": name for name in REGIONS}
        ),
        "cumulative_table": tables.cumulative_table(held_out["cumulative"]),
        "followed_table": tables.followed_table(held_out["followed"]),
        "harder_table": tables.harder_table(held_out["harder"]),
        "disc_coverage": tables.percent(held_out["disc_coverage"], 2),
        "disc_size": _or_none(held_out["disc_over_face_height"]),
    }


def _emotion_words(spec: ModelSpec, figures: Mapping[str, Any]) -> Words:
    held_out, data = figures["held_out"], figures["data"].values()
    return {
        "title": spec.title,
        "how": HOW[spec.variant],
        "readings": READINGS[spec.mirror],
        "relief": tables.percent(PRIOR_RELIEFS[spec.variant], 0),
        "temperature": f"{spec.temperature:g}",
        "train_count": f"{sum(row['train'] for row in data):,}",
        "held_count": f"{sum(row['held'] for row in data):,}",
        "data_table": _data_table(figures),
        "count": f"{held_out['count']:,}",
        "main_table": tables.main_table(held_out),
        "calibrated_on": "held-out faces of the cross-validation"
        if figures.get("pooled", {}).get("calibrates")
        else "faces of this part",
        "class_table": tables.class_table(held_out),
        "pooled_text": _pooled_text(spec, figures.get("pooled")),
        "condition_table": tables.loss_table("condition", held_out["conditions"]),
        "parts_table": tables.loss_table("in its place", held_out["parts"]),
        "alike_text": _alike_text(figures.get("alike")),
    }


def _pooled_text(spec: ModelSpec, pooled: Mapping[str, Any] | None) -> str:
    if pooled is None:
        return NO_POOLED
    shipped = steps_of(spec.folder / MODEL_LOG_FILE)
    return (
        f"{NO_POOLED} So {pooled['folds']}-fold cross-validation over the "
        f"{pooled['count']:,} others without a twin, pooled, each fold calibrated by "
        "the other folds. "
        f"Each of those nets learned for {pooled['steps']:,} steps from nothing, the "
        f"weights here for {shipped:,}: these are figures of less training."
        f"\n\n{tables.main_table(pooled)}\n\n{tables.class_table(pooled)}"
    )


def _alike_text(alike: Mapping[str, Any] | None) -> str:
    if alike is None:
        return ""
    return (
        f"Both trained alike, {alike['steps']:,} steps on four fifths of the faces, "
        f"and judged on the other {alike['faces']:,}, where fusion has an accuracy of "
        f"{alike['accuracy']:.3f} and a macro-F1 of {alike['macro_f1']:.3f}:\n\n"
        f"{tables.loss_table('in its place', alike['lost'])}\n\n"
        f"{_entropy_text(alike['cross_entropy'])}"
    )


def _entropy_text(lost: Mapping[str, float]) -> str:
    verdict = "that may be chance"
    if lost["low"] > 0:
        verdict = "fusion beats it and is kept"
    elif lost["high"] < 0:
        verdict = "fusion is the worse of the two"
    return (
        "In cross-entropy with the votes, which tells of every face and not of "
        f"decisions alone, it loses {tables.ranged(lost)}: {verdict}."
    )


WORDS: Mapping[str, Callable[[ModelSpec, Mapping[str, Any]], Words]] = MappingProxyType(
    {
        "detector": _detector_words,
        "landmarks": _landmark_words,
        "emotion": _emotion_words,
    }
)


def _or_none(figure: float | None) -> str:
    """Return a figure, or a word where nothing was found to measure it on."""
    return "no" if figure is None else f"{figure:.2f}"
