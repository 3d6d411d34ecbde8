"""Count the files of this package that a picture runs through.

Two runs as a user starts them, each process with a profile hook that notes every call
of a function of ours: `replay` of the sample, and `/emojify LINK` to a bot with one
worker until its picture is posted. What runs while the bot starts, imports and class
bodies are left out. From the checkout: ``python scripts/path_length.py [--files]``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.fakes.slack import SlackServer, sample_workspace
from tests.running_bot import KEY, address_of
from tests.slack_payloads import command, signed

SAMPLE = ROOT / "docs" / "sample" / "astronaut.png"
BOT = [sys.executable, "-m", "emojifier_bot"]
WARM_SECONDS, PATIENCE_SECONDS = 12, 60
#: What a process wrote.
Noted = dict[str, Any]
#: Put into each process as its `sitecustomize`. SIGUSR1 forgets what was noted so far,
#: SIGUSR2 writes it down; both at the end of the process too.
HOOK = """
import atexit, json, os, signal, sys, threading

PACKAGE, OUT = os.environ["PATH_PACKAGE"], os.environ["PATH_OUT"]
CO_OPTIMIZED = 1  # functions have it, class bodies and modules have not
files, deepest, jumps, last = {}, 0, 0, {}

def ours(frame):
    return frame.f_code.co_filename.startswith(PACKAGE)

def note(frame, event, _):
    global deepest, jumps
    if event != "call" or not ours(frame) or not frame.f_code.co_flags & CO_OPTIMIZED:
        return
    depth, outer = 1, frame.f_back
    while outer:
        if ours(outer):
            name = outer.f_code.co_filename
            if outer.f_code.co_name == "<module>" and not name.endswith("__main__.py"):
                return
            depth += outer.f_code.co_flags & CO_OPTIMIZED
        outer = outer.f_back
    name = frame.f_code.co_filename[len(PACKAGE):]
    files[name] = files.get(name, 0) + 1
    jumps += last.get(threading.get_ident()) != name
    last[threading.get_ident()] = name
    deepest = max(deepest, depth)

def forget(*_):
    global deepest, jumps
    files.clear()
    deepest = jumps = 0

def write(*_):
    with open(f"{OUT}/{os.getpid()}.{len(os.listdir(OUT))}.json", "w") as out:
        json.dump({"files": files, "deepest": deepest, "jumps": jumps}, out)

signal.signal(signal.SIGUSR1, forget)
signal.signal(signal.SIGUSR2, write)
atexit.register(write)
threading.setprofile(note)
sys.setprofile(note)
"""


def environment(folder: Path) -> dict[str, str]:
    """Return what puts the hook into a process; `folder` gets what it writes."""
    (folder / "out").mkdir()
    (folder / "sitecustomize.py").write_text(HOOK, "utf-8")
    return os.environ | {
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "PATH_PACKAGE": f"{ROOT / 'emojifier_bot'}{os.sep}",
        "PATH_OUT": str(folder / "out"),
    }


def noted(folder: Path) -> list[Noted]:
    """Return what the processes wrote, oldest first."""
    files = sorted((folder / "out").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    return [json.loads(file.read_text("utf-8")) for file in files]


def replay_path() -> list[Noted]:
    """Run `replay` on the sample."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [*BOT, "replay", str(SAMPLE), "-o", str(folder / "result.png")],
            env=environment(folder),
            check=True,
            capture_output=True,
        )
        return noted(folder)


def command_paths() -> tuple[list[Noted], list[Noted]]:
    """Send one slash command; return its path to the answer, and to the picture."""
    with tempfile.TemporaryDirectory() as name, SlackServer() as slack:
        folder = Path(name)
        acme = sample_workspace(slack)
        more = {"DATABASE_URL": f"sqlite:///{folder}/bot.db", "PORT": "0"}
        more |= {"SLACK_BOT_TOKEN": acme.token, "ENCRYPTION_KEYS": KEY}
        with subprocess.Popen(
            [*BOT, "serve"],
            cwd=folder,
            env=environment(folder) | slack.environment | more,
            stdout=subprocess.PIPE,
            text=True,
        ) as bot:
            try:
                url = address_of(bot)
                time.sleep(WARM_SECONDS)
                worker = _child(bot.pid)
                for pid in (bot.pid, worker):
                    os.kill(pid, signal.SIGUSR1)
                time.sleep(1)
                address = slack.website.add_picture("/a.png", SAMPLE.read_bytes())
                asked = command(
                    address,
                    team_id=acme.workspace.team_id,
                    channel_id=acme.general.channel_id,
                    user_id=acme.ada.user_id,
                    response_url="",
                )
                headers = signed(asked, slack.app.signing_secret)
                answer = requests.post(
                    f"{url}/slack/events", data=asked.body, headers=headers, timeout=30
                )
                answer.raise_for_status()
                os.kill(bot.pid, signal.SIGUSR2)
                until = time.monotonic() + PATIENCE_SECONDS
                while not slack.results() and time.monotonic() < until:
                    time.sleep(0.2)
                time.sleep(3)
                acknowledged = noted(folder)
                # A decoder's process ends by a signal of its parent: it writes nothing.
                os.kill(worker, signal.SIGUSR2)
                time.sleep(1)
                return acknowledged, noted(folder)
            finally:
                bot.terminate()


def _child(pid: int) -> int:
    """Return the worker that `serve` keeps."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return next(int(child) for task in tasks for child in task.read_text().split())


def show(title: str, paths: list[Noted]) -> None:
    """Print the sums of some processes."""
    files = {name for path in paths for name in path["files"]}
    jumps = sum(path["jumps"] for path in paths)
    deepest = max(path["deepest"] for path in paths)
    print(f"{title}: {len(files)} files, {jumps} jumps, {deepest} own frames deep")
    if "--files" in sys.argv:
        print("  " + "\n  ".join(sorted(files)))


def main() -> None:
    """Print one line for each path."""
    show("replay", replay_path())
    acknowledged, posted = command_paths()
    show("a slash command, to its answer", acknowledged)
    show("a slash command, to its picture", posted)


if __name__ == "__main__":
    main()
