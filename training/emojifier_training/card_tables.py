"""The tables of the models' cards, from the figures that `evaluate --full` gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from emojifier_bot.vision.landmarks import REGIONS
from emojifier_bot.vision.types import EMOTIONS
from emojifier_training.pages import markdown

Row = Mapping[str, Any]
Column = Callable[[Row], str]

#: How cards name the landmark sets and the classes of heights.
SOURCES = MappingProxyType(
    {"helen": "HELEN", "afw": "AFW", "youtube": "video frames (noisy labels)"}
)
HEIGHTS = MappingProxyType(
    {
        "8_16": "8 to 16 px",
        "16_32": "16 to 32 px",
        "32_64": "32 to 64 px",
        "64_inf": "over 64 px",
    }
)
#: Confidences of the curve that a card shows.
CURVE_AT = ("0.30", "0.40", "0.50", "0.60", "0.70", "0.80")


def number(value: float | None, digits: int = 3) -> str:
    """Return a figure; a dash where there is none.

    >>> number(0.12345), number(None), number(float("nan"))
    ('0.123', '–', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}"


def ranged(row: Row, key: str = "value", *, scale: float = 1, digits: int = 3) -> str:
    """Return a figure with its interval in brackets.

    >>> ranged({"ap": 0.5, "ap_low": 0.4, "ap_high": 0.6}, "ap", digits=2)
    '0.50 (0.40 – 0.60)'
    """
    prefix = "" if key == "value" else f"{key}_"
    value, low, high = (
        number(None if row.get(one) is None else row[one] * scale, digits)
        for one in (key, f"{prefix}low", f"{prefix}high")
    )
    return value if "–" in {value, low, high} else f"{value} ({low} – {high})"


def count(key: str) -> Column:
    """Return a column of whole numbers."""
    return lambda row: f"{row[key]:,}"


def _plain(key: str, digits: int = 3) -> Column:
    return lambda row: number(row.get(key), digits)


def _ranged(key: str = "value", *, scale: float = 1, digits: int = 3) -> Column:
    return lambda row: ranged(row, key, scale=scale, digits=digits)


def table(first: str, rows: Mapping[str, Row], columns: Mapping[str, Column]) -> str:
    """Return a table whose first column is text and whose others are figures."""
    return markdown(
        (first, *columns),
        ("---", *["--:"] * len(columns)),
        [
            (name, *(show(row) for show in columns.values()))
            for name, row in rows.items()
        ],
    )


def figures_table(rows: Mapping[str, str]) -> str:
    """Return a table of single figures."""
    return markdown(("figure", "value"), ("---", "--:"), rows.items())


_FOUND = {"faces": count("faces"), "AP": _ranged("ap"), "recall": _ranged("recall")}
_SHOWN = {
    "precision": _plain("precision"),
    "false a picture": _plain("false_alarms_per_picture", 2),
}
_ERROR = {"faces": count("count"), "error, %": _ranged(scale=100, digits=2)}


def _detector_tables(held: Row) -> dict[str, str]:
    def kinds(first: str, rows: Mapping[str, Row]) -> str:
        occurring = {
            HEIGHTS.get(name, name): row for name, row in rows.items() if row["faces"]
        }
        return table(first, occurring, _FOUND)

    return {
        "by_difficulty": kinds("set", held["by_difficulty"]),
        "by_height": kinds("height", held["by_height"]),
        "by_occlusion": kinds("set, covered", held["by_occlusion"] | held["by_source"]),
        "by_roll": table("turned by", held["by_roll"], _FOUND | _SHOWN),
        "operating": figures_table(
            {
                "pictures": f"{held['pictures']:,}",
                "recall": ranged(held["intervals"]["recall"]),
                "precision": ranged(held["intervals"]["precision"]),
                "false a picture": number(held["false_alarms_per_picture"], 2),
            }
        ),
        "curve": table(
            "confidence",
            {at: held["curve"][at] for at in CURVE_AT},
            {"recall": _plain("recall"), **_SHOWN},
        ),
        # Figures of before have none.
        **{
            name: _without_people(held[name])
            for name in ("without_people",)
            if name in held
        },
        "without_faces": table(
            "without a face",
            held["without_faces"],
            {
                "pictures": count("pictures"),
                "seen a picture": _ranged("per_picture", digits=2),
            },
        ),
    }


def _without_people(rows: Mapping[str, Row]) -> str:
    columns = {"pictures": count("count"), "with an emoji": _ranged()}
    return table("without people", rows, columns)


def _rescorer_tables(held: Row) -> dict[str, str]:
    both = {"the detector alone": held["without"], "rescored": held["with"]}
    points = {
        f"{name}, from {at}": one["curve"][at]
        for name, one in both.items()
        for at in CURVE_AT
    }
    return {
        "by_difficulty": table(
            "set",
            {
                f"{name}, {by}": one["by_difficulty"][name]
                for name in held["with"]["by_difficulty"]
                for by, one in both.items()
            },
            {"faces": count("faces"), "AP": _ranged("ap")},
        ),
        "curve": table(
            "",
            points,
            {
                "recall": _plain("recall"),
                **_SHOWN,
                **{
                    f"{name} with an emoji": _emoji_on(name)
                    for name in held["with"]["without_people"]
                },
            },
        ),
        "reliability": table(
            "probability from",
            {f"{row['low']:.1f}": row for row in held["reliability"]},
            {
                "candidates": count("count"),
                "mean probability": _plain("confidence"),
                "share of faces": _ranged("accuracy"),
            },
        ),
        "without_people": _without_people(held["with"]["without_people"]),
    }


def _emoji_on(name: str) -> Column:
    return lambda row: number(row["without_people"][name]["value"])


def _landmark_tables(held: Row) -> dict[str, str]:
    intervals = held["intervals"]

    def errors(first: str, names: Mapping[str, str]) -> str:
        rows = {
            shown: intervals[key] for key, shown in names.items() if key in intervals
        }
        return table(first, rows, _ERROR)

    return {
        "by_source": errors(
            "set",
            {f"nme_{key}": name for key, name in SOURCES.items()}
            | {"nme": f"all ({held['found']} of {held['count']} found)"},
        ),
        "by_region": errors("region", {f"nme_{name}": name for name in REGIONS}),
        "cumulative": table(
            "error at most",
            {
                f"{float(at):.0%}".replace("%", " %"): v
                for at, v in held["cumulative"].items()
            },
            {"share of the faces": lambda v: f"{ranged(v, scale=100, digits=1)} %"},
        ),
        "followed": table(
            "ratio",
            {name.replace("_", " "): row for name, row in held["followed"].items()},
            {
                "faces": count("faces"),
                "correlation": _ranged("correlation"),
                "mean difference": _plain("mean_difference"),
                "spread of the labels": _plain("spread"),
            },
        ),
        "harder": table(
            "",
            held["harder"],
            {
                "faces": count("faces"),
                "error, %": _ranged("nme", scale=100, digits=2),
                "mouth followed": _plain("mouth_opening_correlation", 2),
                "right eye": _plain("right_eye_opening_correlation", 2),
                "left eye": _plain("left_eye_opening_correlation", 2),
            },
        ),
        "disc": figures_table(
            {
                "labelled points covered": f"{held['disc_coverage'] * 100:.2f} %",
                "median diameter, face heights": number(
                    held["disc_over_face_height"], 2
                ),
            }
        ),
    }


def _emotion_tables(held: Row) -> dict[str, str]:
    intervals, threshold = held["intervals"], held["sure"]["threshold"]
    main = {
        "accuracy": "accuracy",
        "macro-F1": "macro_f1",
        "expected calibration error": "calibration_error",
        f"called sure (from {round(threshold, 3):g} on)": "sure_coverage",
        "right where sure": "sure_accuracy",
    }
    return {
        "main": figures_table({k: ranged(intervals[key]) for k, key in main.items()}),
        "per_class": table(
            "emotion",
            {
                str(emotion): held["per_class"][str(emotion)]
                | {"interval": intervals[f"f1_{emotion}"]}
                for emotion in EMOTIONS
            },
            {
                "faces": count("count"),
                "precision": _plain("precision", 2),
                "recall": _plain("recall", 2),
                "F1": lambda row: ranged(row["interval"], digits=2),
            },
        ),
    }


TABLES: Mapping[str, Callable[[Row], dict[str, str]]] = MappingProxyType(
    {
        "detector": _detector_tables,
        "rescorer": _rescorer_tables,
        "landmarks": _landmark_tables,
        "emotion": _emotion_tables,
    }
)
