"""Compare what the models read in a few photographs with what people see there.

The labels are the project's, by eye: docs/photos/labels.json. The photographs are not;
name their folder. Writes docs/photos/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emojifier_bot import Emojifier
from emojifier_bot.vision.result import EmojifiedFace

ROOT = Path(__file__).resolve().parents[1]
LABELS = ROOT / "docs" / "photos" / "labels.json"
PAGE = ROOT / "docs" / "photos" / "README.md"

HEAD = """# Results on five photographs

`labels.json` has the position and the emotion of every face in five photographs,
labelled by one of us; if two emotions are plausible, it has both. Nobody is identified.
The photographs are not part of this project. Written by `scripts/photo_agreement.py`.

| photo | faces | found | false | agree | sure | sure and agree |
|---|--:|--:|--:|--:|--:|--:|
"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts for one photograph."""

    faces: int
    found: int
    false: int
    agree: int
    sure: int
    sure_agree: int


def compare(
    labels: list[dict[str, Any]], faces: tuple[EmojifiedFace, ...]
) -> Agreement:
    """Match labelled faces with found ones by place and count what agrees."""
    pairs = [(label, face_at(label["center_xy"], faces)) for label in labels]
    found = [(label, face) for label, face in pairs if face is not None]
    agree = [
        one
        for label, one in found
        if one.face and one.face.scores.top in label["groups"]
    ]
    return Agreement(
        faces=len(labels),
        found=len(found),
        false=len(faces) - len({id(face) for _, face in found}),
        agree=len(agree),
        sure=sum(face.sure for _, face in found),
        sure_agree=sum(face.sure for face in agree),
    )


def face_at(
    center_xy: list[float], faces: tuple[EmojifiedFace, ...]
) -> EmojifiedFace | None:
    """Return the found face whose disc is centred nearest, if it covers the place."""
    x, y = center_xy

    def away(face: EmojifiedFace) -> float:
        place = face.placement
        dx, dy = place.center_xy[0] - x, place.center_xy[1] - y
        return float((dx * dx + dy * dy) ** 0.5 / place.size_px)

    nearest = min(faces, key=away, default=None)
    return nearest if nearest is not None and away(nearest) < 1 / 2 else None


def main() -> int:
    """Read every labelled photograph and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT.parent / "shared" / "photos"
    parser.add_argument("photos", type=Path, nargs="?", default=default)
    photos = parser.parse_args().photos
    emojifier = Emojifier()
    rows = []
    for name, labels in json.loads(LABELS.read_text("utf-8")).items():
        counts = compare(labels, emojifier.emojify(photos / name).faces)
        rows.append((name, counts))
    page = HEAD + "".join(row(name, counts) for name, counts in rows)
    PAGE.write_text(page, encoding="utf-8")
    print(page, file=sys.stderr)
    return 0


def row(name: str, counts: Agreement) -> str:
    """Return one line of the table."""
    cells = (counts.faces, counts.found, counts.false, counts.agree, counts.sure)
    numbers = " | ".join(str(cell) for cell in (*cells, counts.sure_agree))
    return f"| {name} | {numbers} |\n"


if __name__ == "__main__":
    sys.exit(main())
