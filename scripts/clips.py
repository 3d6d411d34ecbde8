"""Measure how clips are followed, on clips of known motion made of stills.

Prints tables in Markdown: how steadily and how long faces are covered; the seconds of
following by frames and by faces; and whole processes, ``emojifier-bot replay`` on a GIF
and on a video. With deface's command, which needs an environment of its own, it stands
beside in the first and the last: ``python scripts/clips.py [--deface
~/deface/bin/deface] [--photos FOLDER] [--rounds 3]``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import av
import numpy as np
from PIL import Image

from emojifier_bot.cli.bench import command_use
from emojifier_bot.vision.decode import from_image
from tests.moving_pictures import (
    Scene,
    Spot,
    cut_head,
    fits,
    follower,
    ground,
    similarity,
    spots,
    still,
)

#: What deface's command draws with its defaults: it finds faces in each frame by
#: itself, and draws ellipses in boxes of this much more than the face at each side.
_DEFACE = """
import json, sys
import numpy as np
from deface.centerface import CenterFace
from deface.deface import scale_bb
net = CenterFace(in_shape=None, backend="auto")
found = []
for frame in np.load(sys.argv[1]):
    faces, _ = net(frame, threshold=0.2)
    found.append([[int(v) for v in scale_bb(*face[:4].astype(int), 1.3)]
                  for face in faces])
print(json.dumps(found))
"""
SECONDS = 2
#: The frame after a cut.
CUT = 30
SHAKE = np.random.default_rng(1).normal(0, 1, (600, 3))

#: Returns what covers each frame.
Cover = Callable[[Sequence[Image.Image], Scene], list[list[Spot]]]


def swing(index: int, hertz: float, width: float) -> float:
    """Return a sine at 30 frames a second."""
    return width * math.sin(2 * math.pi * hertz * index / 30)


def scenes() -> Iterator[tuple[str, Scene]]:
    """Yield clips of one head or two, by what moves."""
    head, other = cut_head(), cut_head().mirrored
    single = {
        "at rest": lambda _: (240, 130),
        "pan": lambda i: (100 + 4.5 * i, 130),
        "zoom": lambda i: (240, 130, 0.4 + 0.025 * i, 0),
        "roll, all the way": lambda i: (240, 130, 1, 6 * i),
        "swing": lambda i: (240 + swing(i, 1, 60), 130, 1, swing(i, 0.7, 20)),
        "shake": lambda i: (240 + 4 * SHAKE[i, 0], 130 + 4 * SHAKE[i, 1], 1, 0),
        "enters and leaves": lambda i: (-60 + 10 * i, 130),
    }
    for name, course in single.items():
        yield name, Scene([ground(), head.layer(course)], 30 * SECONDS)
    small = head.layer(lambda i: (60 + 4 * i, 130), 24 / 1.4)
    yield "pan, face of 24 px", Scene([ground(), small], 30 * SECONDS)
    blackout = range(25, 30)
    layer = head.layer(single["pan"])
    yield "blackout of 5 frames", Scene([ground(), layer], 30 * SECONDS, blank=blackout)
    first = head.layer(lambda i: (150, 120) if i < CUT else None)
    second = other.layer(lambda i: (320, 140) if i >= CUT else None)
    cut = still(
        ground(7).pixels[..., :3],
        [],
        lambda i: similarity(-100, -100) if i >= CUT else None,
    )
    yield "cut", Scene([ground(), cut, first, second], 30 * SECONDS)
    for speed in (3, 6):
        count = round(360 / speed)
        right = head.layer(lambda i, v=speed: (60 + v * i, 130))
        left = other.layer(lambda i, v=speed: (420 - v * i, 140), 72)
        yield f"crossing, {2 * speed} px a frame", Scene([ground(), right, left], count)


def photo_scenes(folder: Path) -> Iterator[tuple[str, Scene]]:
    """Yield pans and shakes over photos."""
    for path in sorted(folder.glob("*.*g")):
        with Image.open(path) as image:
            image.thumbnail((1600, 1600))
            picture = from_image(image.convert("RGB"))
        pixels = np.asarray(picture.image)
        found = follower().models.analyze(picture).faces
        faces = [face.landmarks.points_xy for face in found]
        fit = max(640 / pixels.shape[1], 360 / pixels.shape[0]) * 1.25
        center = np.mean([points.mean(axis=0) for points in faces], axis=0)

        def panned(i: int, fit: float = fit, center: np.ndarray = center) -> np.ndarray:
            return similarity(430 - 4 * i, 200 - i, fit, 0, center)

        def shaken(i: int, fit: float = fit, center: np.ndarray = center) -> np.ndarray:
            x, y, roll = SHAKE[i] * (4, 4, 1)
            return similarity(320 + x, 180 + y, fit, roll, center)

        for name, pose in (("pan", panned), ("shake", shaken)):
            layer = still(pixels, faces, pose)
            yield f"{path.stem}, {name}", Scene([layer], 30 * SECONDS, (640, 360))


def ours(frames: Sequence[Image.Image], scene: Scene) -> list[list[Spot]]:
    """Return what we cover."""
    clip = replace(scene.clip, draw=lambda index: frames[index])
    return spots(follower()(clip))


def deface(command: Path) -> Cover:
    """Return what deface covers, with its defaults."""

    def covered(frames: Sequence[Image.Image], _scene: Scene) -> list[list[Spot]]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "frames.npy")
            np.save(path, np.stack([np.asarray(one) for one in frames]))
            python = command.parent / "python"
            done = subprocess.run(
                [python, "-c", _DEFACE, path], capture_output=True, check=True
            )
        return [
            [
                Spot(((a + c) / 2, (b + d) / 2), ((c - a) / 2, (d - b) / 2))
                for a, b, c, d in boxes
            ]
            for boxes in json.loads(done.stdout.splitlines()[-1])
        ]

    return covered


def print_covers(clips: Iterator[tuple[str, Scene]], covers: dict[str, Cover]) -> None:
    """Print how steadily and how long faces are covered."""
    print("| clip | faces × frames |" + "".join(f" {one} |" for one in covers))
    print("|---|--:|" + "--:|" * len(covers))
    totals = dict.fromkeys(covers, 0)
    for name, scene in clips:
        frames = [scene.draw(index) for index in range(scene.count)]
        cells, seen = [], 0
        for who, cover in covers.items():
            each = [one for one in fits(scene, cover(frames, scene)) if one.seen]
            seen = sum(len(one.seen) for one in each)
            uncovered = sum(len(one.uncovered) for one in each)
            totals[who] += uncovered
            jitter = [one.jitter for one in each if not math.isnan(one.jitter)]
            cells.append(f"{uncovered}, {100 * statistics.median(jitter):.2f} %")
        print(f"| {name} | {seen} | {' | '.join(cells)} |", flush=True)
    print(f"| all | | {' | '.join(map(str, totals.values()))} |")


def grid(count: int, size_wh: tuple[int, int], frames: int) -> Scene:
    """Return heads that all move a little."""
    width, height = size_wh
    columns = math.ceil(math.sqrt(count * 1.5))
    rows = math.ceil(count / columns)
    height_px = min(0.45 * height / rows, 0.3 * width / columns)

    def course(k: int) -> Callable[[int], tuple[float, float]]:
        x, y = (
            (k % columns + 0.5) * width / columns,
            (k // columns + 0.5) * height / rows,
        )
        return lambda i: (x + swing(i, 0.3, 12), y + swing(i, 0.4, 8))

    layers = [cut_head().layer(course(k), height_px) for k in range(count)]
    return Scene([ground(0, (width + 220, height + 220)), *layers], frames, size_wh)


def print_growth(rounds: int) -> None:
    """Print the seconds of following by frames and by faces, each the least."""
    print("| frames of 480 × 270 | faces | seconds | for each frame and face, ms |")
    print("|--:|--:|--:|--:|")
    for count, faces in ((60, 2), (120, 2), (240, 2), (60, 1), (60, 4), (60, 8)):
        scene = grid(faces, (480, 270), count)
        frames = [scene.draw(index) for index in range(count)]
        clip = replace(scene.clip, draw=frames.__getitem__)
        seconds = []
        for _ in range(rounds):
            began = time.perf_counter()
            found = follower()(clip)
            seconds.append(time.perf_counter() - began)
        people = len(found.plan.faces)
        each = 1000 * min(seconds) / count / people
        print(f"| {count} | {people} | {min(seconds):.2f} | {each:.1f} |", flush=True)


def write_video(path: Path, frames: Sequence[Image.Image]) -> None:
    """Write frames as H.264."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
                )
            )
        container.mux(stream.encode())


def print_processes(command: Path | None, rounds: int) -> None:
    """Print the seconds of whole processes, in turn, each the least and the median.

    Below stands the load of the machine, before and after.
    """
    load = os.getloadavg()[0]
    print("| clip | command | least, s | median, s | processor, s | × real time | MB |")
    print("|---|---|--:|--:|--:|--:|--:|")
    replay = [sys.executable, "-m", "emojifier_bot", "replay", "--force"]
    with tempfile.TemporaryDirectory() as folder:
        for name, size_wh, count in (
            ("480 × 270, 60 frames, 2 faces.gif", (480, 270), 60),
            ("1280 × 720, 150 frames, 2 faces.mp4", (1280, 720), 150),
        ):
            path = Path(folder, name)
            scene = grid(2, size_wh, count)
            frames = [scene.draw(index) for index in range(count)]
            if path.suffix == ".gif":
                more = {"append_images": frames[1:], "save_all": True}
                frames[0].save(path, None, duration=33, loop=0, **more)
            else:
                write_video(path, frames)
            out = str(Path(folder, "out" + path.suffix))
            commands = {"replay": [*replay, str(path), "-o", out]}
            if command is not None and path.suffix == ".mp4":
                commands["deface"] = [str(command), str(path), "-o", out]
            uses: dict[str, list[dict[str, float]]] = {one: [] for one in commands}
            for _ in range(rounds):
                for one, words in commands.items():
                    uses[one].append(command_use(words))
            for one, used in uses.items():
                seconds = [each["seconds"] for each in used]
                peak = max(each["peak_mb"] for each in used)
                processor = min(each["cpu_seconds"] for each in used)
                share = count / 30 / min(seconds)
                print(
                    f"| {path.stem} | {one} | {min(seconds):.2f} | "
                    f"{statistics.median(seconds):.2f} | {processor:.2f} | "
                    f"{share:.2f} | {peak:.0f} |",
                    flush=True,
                )
    print(f"\nLoad before {load:.1f}, after {os.getloadavg()[0]:.1f}.")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deface", type=Path, help="its command")
    parser.add_argument("--photos", type=Path, help="a folder of photos with faces")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("covers", "growth", "processes"))
    arguments = parser.parse_args()
    covers: dict[str, Cover] = {"ours": ours}
    if arguments.deface is not None:
        covers["deface"] = deface(arguments.deface)
    if arguments.only in {None, "covers"}:
        print_covers(scenes(), covers)
        if arguments.photos is not None:
            print_covers(photo_scenes(arguments.photos), covers)
    if arguments.only in {None, "growth"}:
        print_growth(arguments.rounds)
    if arguments.only in {None, "processes"}:
        print_processes(arguments.deface, arguments.rounds)


if __name__ == "__main__":
    main()
