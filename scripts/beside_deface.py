"""Time whole processes: ``emojifier-bot replay`` beside deface, in turn.

Pictures of 0.3 and 11.5 megapixels with three faces. A line for each command has the
least and the median seconds by the clock, their ratio to replay's, run by run, and the
peak memory. Install deface into an environment of its own, then:
``python scripts/beside_deface.py [--rounds 12] ~/deface/bin/deface``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from emojifier_bot.app import make_pipeline
from emojifier_bot.cli.bench import SAMPLE, command_use, compose, cut_face
from emojifier_bot.config import load_picture_settings

SIZES_WH = {"0.3 MP": (640, 480), "11.5 MP": (3920, 2940)}
FACES = 3


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("deface", help="its command")
    parser.add_argument("--rounds", type=int, default=12)
    arguments = parser.parse_args()
    face = cut_face(make_pipeline(load_picture_settings()), SAMPLE.read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        photo, out = Path(folder, "photo.jpg"), Path(folder, "out.jpg")
        replay = [sys.executable, "-m", "emojifier_bot", "replay", "--force"]
        files = [str(photo), "-o", str(out)]
        commands = {
            "replay": [*replay, *files],
            "deface, OpenCV": [arguments.deface, "--backend", "opencv", *files],
            "deface, onnxruntime": [arguments.deface, "--backend", "onnxrt", *files],
        }
        for size, size_wh in SIZES_WH.items():
            photo.write_bytes(compose(face, size_wh, FACES))
            rounds = [
                {name: command_use(command) for name, command in commands.items()}
                for _ in range(arguments.rounds)
            ]
            for name in commands:
                seconds = [one[name]["seconds"] for one in rounds]
                ours = [one["replay"]["seconds"] for one in rounds]
                ratio = statistics.median(map(float.__truediv__, seconds, ours))
                peak = max(one[name]["peak_mb"] for one in rounds)
                print(
                    f"| {size} | {name} | {min(seconds):.2f} | "
                    f"{statistics.median(seconds):.2f} | {ratio:.1f} | {peak:.0f} |"
                )


if __name__ == "__main__":
    main()
