"""Tell how often each emoji of a theme is chosen on real faces.

Reads the validation part of an expressions set and every face of a detection set with
the shipped models, chooses as ``replay`` does, and writes docs/emoji/shares.md. It
fails if an emoji takes more than its share or one that a face can justify never comes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.app import make_analyzer
from emojifier_bot.config import load_picture_settings
from emojifier_bot.vision import models_dir
from emojifier_bot.vision.analyzers.local import LocalAnalyzer
from emojifier_bot.vision.choose import choose
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.landmarks import measure
from emojifier_bot.vision.models import list_model_specs
from emojifier_bot.vision.place import face_height
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.types import EmojiTheme, EmotionScores, Measure
from emojifier_training.crops import crop_detection, crop_picture
from emojifier_training.data import read_detection, read_expressions
from emojifier_training.evaluate_detector import picture_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "emoji" / "shares.md"
#: No emoji may take more of a set than this.
LARGEST_SHARE = 0.15
#: An emoji that a face can justify comes at least this often in both sets together.
SMALLEST_SHARE = 1 / 2000
#: Faces lower than this, from brows to chin, show no expression.
SMALLEST_FACE_PX = 16.0


@dataclass(frozen=True, slots=True, eq=False)
class ReadFaces:
    """What the models say about a set of faces."""

    #: ``(N, 8)`` float32.
    probabilities: NDArray[np.float32]
    #: ``(N, 4)`` float64 in the order of `Measure`.
    measures: NDArray[np.float64]


def main() -> int:
    """Read the faces, or take them from the cache, and write the page."""
    arguments = _arguments()
    # The command line's checks apply to no one else: `local` is what has models here.
    analyzer = make_analyzer(load_picture_settings(face_backend="local"))
    assert isinstance(analyzer, LocalAnalyzer)
    (classifier,) = analyzer.classifiers
    sets = _cached(arguments.cache, analyzer, arguments.data)
    theme = open_theme(arguments.theme).theme
    threshold = classifier.sure_threshold
    counts = {name: _count(theme, faces, threshold) for name, faces in sets.items()}
    sizes = {name: len(faces.measures) for name, faces in sets.items()}
    problems = _problems(theme, counts, sizes)
    page = _page(theme, counts, sizes)
    if arguments.show:
        print(page)
    else:
        PAGE.write_text(page, encoding="utf-8")
    print("\n".join(problems) or "Every emoji is within its bounds.", file=sys.stderr)
    return 1 if problems else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs")
    parser.add_argument("--theme", default="classic")
    parser.add_argument("--show", action="store_true", help="print, write no page")
    return parser.parse_args()


def _cached(cache: Path, analyzer: LocalAnalyzer, data: Path) -> dict[str, ReadFaces]:
    readers = {"expressions": _read_crops, "detection": _read_photos}
    sets, models = {}, _models_digest()
    for name, reader in readers.items():
        path = cache / f"shares-{name}-{models}.npz"
        if not path.is_file():
            cache.mkdir(parents=True, exist_ok=True)
            faces = reader(analyzer, data / name)
            np.savez(path, probabilities=faces.probabilities, measures=faces.measures)
        with np.load(path) as arrays:
            sets[name] = ReadFaces(arrays["probabilities"], arrays["measures"])
    return sets


def _models_digest() -> str:
    """Return what changes when any of the models does."""
    shas = sorted(spec.sha256 for spec in list_model_specs(models_dir()))
    return hashlib.sha256("".join(shas).encode()).hexdigest()[:16]


def _read_crops(analyzer: LocalAnalyzer, data: Path) -> ReadFaces:
    faces = read_expressions(data)
    (classifier,) = analyzer.classifiers
    rows = []
    for crop in faces.images[faces.is_validation]:
        picture = crop_picture(crop)
        points = analyzer.landmarker.locate(picture, [crop_detection()])
        scores = classifier.classify(picture, points)[0]
        rows.append((scores.probabilities, measure(points[0].points_xy)))
    return _stacked(rows)


def _read_photos(analyzer: LocalAnalyzer, data: Path) -> ReadFaces:
    rows = []
    for labelled in read_detection(data):
        for face in analyzer.analyze(from_image(picture_of(labelled))):
            if face_height(face.landmarks.points_xy) >= SMALLEST_FACE_PX:
                measures = measure(face.landmarks.points_xy)
                rows.append((face.scores.probabilities, measures))
    return _stacked(rows)


def _stacked(
    rows: list[tuple[NDArray[np.float32], dict[Measure, float]]],
) -> ReadFaces:
    measures = [[values[one] for one in Measure] for _, values in rows]
    return ReadFaces(
        np.array([probabilities for probabilities, _ in rows], np.float32),
        np.array(measures, np.float64),
    )


def _count(theme: EmojiTheme, faces: ReadFaces, threshold: float) -> Counter[str]:
    names: Counter[str] = Counter()
    for probabilities, values in zip(faces.probabilities, faces.measures, strict=True):
        scores = EmotionScores(probabilities)
        confident = scores.top_probability >= threshold
        measures = dict(zip(Measure, values, strict=True))
        names[choose(theme, scores, measures, confident=confident).emoji.name] += 1
    return names


def _problems(
    theme: EmojiTheme, counts: dict[str, Counter[str]], sizes: dict[str, int]
) -> list[str]:
    problems = [
        f"{name} takes {count / sizes[data]:.1%} of {data}"
        for data, names in counts.items()
        for name, count in names.items()
        if count / sizes[data] > LARGEST_SHARE
    ]
    every = sum(counts.values(), Counter())
    least = SMALLEST_SHARE * sum(sizes.values())
    return problems + [
        f"{one.name} comes {every[one.name]} times, {least:.1f} are due"
        for one in theme.emoji
        if not one.surprise_only and every[one.name] < least
    ]


def _page(
    theme: EmojiTheme, counts: dict[str, Counter[str]], sizes: dict[str, int]
) -> str:
    head = [
        f"# How often each emoji of {theme.name} is chosen",
        "",
        "Written by `scripts/emoji_shares.py` with the shipped models: the validation",
        f"part of the expressions ({sizes['expressions']:,} faces) and the faces of",
        f"the detection pictures that are high enough ({sizes['detection']:,}).",
        "",
        "| emoji | name | expressions | detection |",
        "|---|---|--:|--:|",
    ]
    every = sum(counts.values(), Counter())
    rows = [
        f"| {one.character} | {one.name} | "
        + " | ".join(f"{counts[d][one.name] / sizes[d]:.2%}" for d in counts)
        + " |"
        for one in sorted(theme.emoji, key=lambda one: (-every[one.name], one.name))
        if not one.surprise_only
    ]
    only = ", ".join(one.name for one in theme.emoji if one.surprise_only)
    return "\n".join([*head, *rows, "", f"By `--surprise` only: {only}.", ""])


if __name__ == "__main__":
    sys.exit(main())
