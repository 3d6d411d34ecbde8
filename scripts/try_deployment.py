"""Do by hand what the Dockerfile and the units do, and look: ``try_deployment.py DIR``.

As root: installs into DIR from the locked hashes and a wheel, read-only for everybody
else; then a user without rights runs `serve --no-worker` and `worker` there, with an
environment of its own and one folder that it may write. A Slack of this machine
installs the bot and asks for pictures. At the end both are told to end with a job in
flight, and everything that the user wrote is looked for. `--wheels DIR` installs from
a folder of downloads; `--python` is one that everybody may run.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.fakes.slack import SlackServer, SlackUser

USER = "emojifier-try"
SAMPLE = (ROOT / "docs" / "sample" / "astronaut.png").read_bytes()
KEY = "B3nI1zPvjUTHEhHVo4zLFAFwvMPU4ZgQ0qYjvIZkx8E="
START_SECONDS, PATIENCE_SECONDS, END_SECONDS = 60, 120, 45
#: Jobs that are asked for at the end, so that some are in flight.
LAST_JOBS = 4


def main() -> int:
    """Install, run, ask, end, look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--python", default=sys.executable)
    given = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("only root can make a user, and files that this user cannot write")
    make_user()
    program = install(given.folder.resolve(), given.python, given.wheels)
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="state-")))
        os.chown(state, *ids())
        try_out(program, state, stack)
    return 0


def told(text: str) -> None:
    """Print what was seen."""
    print(f"seen: {text}", flush=True)


def ids() -> tuple[int, int]:
    """Return the user's and the group's number."""
    who = pwd.getpwnam(USER)
    return who.pw_uid, who.pw_gid


def make_user() -> None:
    """Make the user unless it is there."""
    try:
        pwd.getpwnam(USER)
    except KeyError:
        options = "--system --no-create-home --home-dir /nonexistent --user-group"
        command = ["useradd", *options.split(), "--shell", "/usr/sbin/nologin", USER]
        subprocess.run(command, check=True)


def install(folder: Path, interpreter: str, wheels: Path | None) -> Path:
    """Install as the image does; return the program."""
    build, prefix = folder / "build", folder / "emojifier"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    hashes = ["--require-hashes", "--only-binary", ":all:", "--quiet"]
    if wheels:
        hashes += ["--no-index", "--find-links", str(wheels)]
    python, build_python = prefix / "bin" / "python", build / "bin" / "python"
    began = time.monotonic()
    for command in (
        [interpreter, "-m", "venv", "--clear", "--without-pip", build],
        [*pip, "--python", build_python, "install", *hashes, "-r", lock("build")],
        [interpreter, "-m", "venv", "--clear", "--without-pip", prefix],
        [*pip, "--python", python, "install", *hashes, "-r", lock("base")],
        [build_python, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
    ):
        subprocess.run(list(map(str, command)), cwd=ROOT, check=True)
    (wheel,) = folder.glob("*.whl")
    last = [*pip, "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(list(map(str, [*last, wheel])), cwd=folder, check=True)
    told(f"{wheel.name} and its locked wheels, in {time.monotonic() - began:.0f} s")
    return prefix / "bin" / "emojifier-bot"


def lock(name: str) -> Path:
    """Return a lock file."""
    return ROOT / "requirements" / f"{name}.txt"


def try_out(program: Path, state: Path, stack: ExitStack) -> None:
    """Run the bot and ask it for pictures."""
    slack = stack.enter_context(SlackServer())
    variables = slack.environment | {
        "DATABASE_URL": f"sqlite:///{state / 'emojifier-bot.db'}",
        "ENCRYPTION_KEYS": KEY,
        "EMOJIFIER_LOG_FORMAT": "json",
        "HOST": "127.0.0.1",
        "PORT": "0",
        "PATH": f"{program.parent}:{os.defpath}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    refused(program, state, variables)
    web, url = stack.enter_context(serving(program, state, variables))
    variables["PORT"] = url.rpartition(":")[2]
    healthy(state, variables)
    worker = stack.enter_context(running([program, "worker"], state, variables))
    ask(slack, url, LAST_JOBS)
    end("worker", worker)
    end("web", web)
    told(f"posted {len(posts(slack))} of {1 + LAST_JOBS} before the end")
    left = jobs(program, state, variables)
    told(f"jobs by state: {left}")
    with (
        serving(program, state, variables | {"PORT": "0"}) as (web, _),
        running([program, "worker"], state, variables) as worker,
    ):
        slack.wait_until(lambda: len(posts(slack)) > LAST_JOBS, PATIENCE_SECONDS)
        told(f"posted {len(posts(slack))} after a new start: each once")
        memory(web, worker)
        end("worker", worker)
        end("web", web)
    written(state)


def posts(slack: SlackServer) -> list[object]:
    """Return every result in every channel."""
    found = [slack.results(one) for one in slack.world.channels]
    return [post for channel in found for post in channel]


def refused(program: Path, state: Path, variables: dict[str, str]) -> None:
    """Show that the user can write nothing but its folder."""
    prefix = program.parents[1]
    for place in (prefix, prefix / "bin", Path("/"), Path("/etc"), state):
        done = run(["test", "-w", place], state, variables)
        told(f"{'can' if done.returncode == 0 else 'cannot'} write {place}")


def run(
    command: list[object], state: Path, variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command as the user to its end."""
    return subprocess.run(
        list(map(str, command)),
        **as_user(state, variables),
        capture_output=True,
        text=True,
        check=False,
    )


def as_user(state: Path, variables: dict[str, str]) -> dict[str, Any]:
    """Return what makes a process the user's."""
    user, group = ids()
    who = {"user": user, "group": group, "extra_groups": [], "umask": 0o077}
    return {"cwd": state, "env": variables, **who}


@contextmanager
def running(
    command: list[object], state: Path, variables: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Run a command as the user while the block lasts."""
    with subprocess.Popen(
        list(map(str, command)),
        **as_user(state, variables),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def serving(
    program: Path, state: Path, variables: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the web process; give it and its address."""
    command: list[object] = [program, "serve", "--no-worker"]
    with running(command, state, variables) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[-1]


def healthy(state: Path, variables: dict[str, str]) -> None:
    """Run the image's health check."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    found = re.search(r"HEALTHCHECK .*?CMD (\[.*?\])\n", text, re.DOTALL)
    command = json.loads(found[1]) if found else []
    done = run(command, state, variables)
    told(f"health check: exit code {done.returncode} {done.stderr}")
    done = run(command, state, variables | {"PORT": "1"})
    told(f"health check where nobody listens: exit code {done.returncode}")


def ask(slack: SlackServer, url: str, more: int) -> None:
    """Install the bot and ask for one picture; then for more that nobody awaits."""
    slack.app.redirect_urls.append(f"{url}/slack/oauth_redirect")
    home = slack.add_workspace("Acme")
    user = slack.add_user(home, "ada")
    ada = SlackUser(slack, home, user, url)
    told(f"installed: {requests.get(f'{url}/slack/install', timeout=30).status_code}")
    channels = [
        slack.add_channel(home, f"channel-{number}", [user]).channel_id
        for number in range(more + 1)
    ]
    picture = slack.website.add_picture("/astronaut.png", SAMPLE)
    began = time.monotonic()
    ada.command(channels[0], picture)
    slack.wait_until(lambda: slack.results(channels[0]), PATIENCE_SECONDS)
    told(f"the first picture in {time.monotonic() - began:.1f} s, models loaded in it")
    for channel in channels[1:]:
        ada.command(channel, picture)


def end(name: str, process: subprocess.Popen[str]) -> None:
    """Tell a process to end, as systemd and container engines do."""
    began = time.monotonic()
    process.terminate()
    code = process.wait(END_SECONDS)
    told(f"{name} ended with {code} {time.monotonic() - began:.1f} s after SIGTERM")


def jobs(program: Path, state: Path, variables: dict[str, str]) -> dict[str, int]:
    """Return how many jobs are in each state, by the operator's verb."""
    done = run([program, "jobs", "list", "--json"], state, variables)
    states = [one["state"] for one in json.loads(done.stdout)]
    return {state: states.count(state) for state in sorted(set(states))}


def memory(*processes: subprocess.Popen[str]) -> None:
    """Tell the most memory that each process had."""
    for process in processes:
        status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
        assert isinstance(process.args, list)
        told(f"{shlex.join(process.args)}: {int(peak) // 1024} MiB at most")


def written(state: Path) -> None:
    """Tell every file of the user, on every disk of the root."""
    command = ["find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/sys", ")"]
    command += ["-prune", "-o", "-user", USER, "-print"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    inside = [one for one in found.stdout.split("\n") if one.startswith(str(state))]
    outside = sorted({*found.stdout.split("\n")} - {*inside, ""})
    names = sorted(Path(one).name for one in inside if one != str(state))
    told(f"files in its folder: {', '.join(names)}; elsewhere: {outside or 'none'}")


if __name__ == "__main__":
    sys.exit(main())
