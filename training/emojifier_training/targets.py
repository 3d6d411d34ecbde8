"""What the models must reach and what we aim at: one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

Format = Callable[[float], str]


def _plain(value: float) -> str:
    return f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{value * 100:.2f} %"


def _millions(value: float) -> str:
    return f"{value / 1e6:.1f} M"


@dataclass(frozen=True, slots=True)
class Target:
    """One row: a figure, and where it shall be."""

    task: str
    what: str
    must: float | None
    #: The best small peers' own figure, on the sets kept apart; None where a bound is
    #: all there is.
    aim: float | None
    lower_is_better: bool = False
    shown: Format = _plain
    #: Why it cannot be measured on the data at hand; empty where it can.
    kept_apart: str = ""

    def met(self, value: float, goal: float | None) -> bool:
        """Tell whether a value is at least as good as a goal."""
        if goal is None:
            return False
        return value <= goal if self.lower_is_better else value >= goal


_KEPT_APART = "not measurable here: kept apart"

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "ap_easy": Target("detection", "AP@0.5, easy", 0.88, 0.93),
        "ap_medium": Target("detection", "AP@0.5, medium", 0.84, 0.91),
        "ap_hard": Target("detection", "AP@0.5, hard", 0.60, 0.75),
        "recall_0": Target("detection", "recall, upright", 0.92, 0.96),
        "recall_90": Target("detection", "recall, turned 90°", 0.88, 0.95),
        "recall_180": Target("detection", "recall, turned 180°", 0.88, 0.95),
        "nme_helen": Target(
            "landmarks",
            "error of 68 points",
            0.043,
            0.036,
            lower_is_better=True,
            shown=_percent,
        ),
        "accuracy_fused": Target("emotion", "`fused`, accuracy", 0.84, 0.88),
        "macro_f1_fused": Target("emotion", "`fused`, macro-F1", 0.60, 0.70),
        "accuracy_posed": Target(
            "emotion",
            "`fused`, accuracy on CK+48",
            0.68,
            0.83,
            kept_apart=_KEPT_APART,
        ),
        "accuracy_landmarks": Target("emotion", "`landmarks`, accuracy", 0.70, 0.75),
        "macro_f1_landmarks": Target("emotion", "`landmarks`, macro-F1", 0.42, 0.50),
        "calibration_error": Target(
            "emotion",
            "`fused`, calibration error",
            0.05,
            None,
            lower_is_better=True,
        ),
        "sure_accuracy": Target("emotion", "`fused`, accuracy where sure", 0.92, None),
        "sure_coverage": Target("emotion", "`fused`, share called sure", 0.65, None),
        # 1.2 times what YuNet-n takes at 320 × 320: 135.6 M.
        "detector_multiply_adds": Target(
            "speed",
            "detector, multiply-adds",
            162.7e6,
            None,
            lower_is_better=True,
            shown=_millions,
        ),
        "landmarks_multiply_adds": Target(
            "speed",
            "landmarks, multiply-adds",
            150e6,
            None,
            lower_is_better=True,
            shown=_millions,
        ),
        "emotion_multiply_adds": Target(
            "speed",
            "emotion, multiply-adds",
            40e6,
            None,
            lower_is_better=True,
            shown=_millions,
        ),
    }
)
