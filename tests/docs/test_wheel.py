"""The built wheel carries what the bot needs to run, and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
DATA_SUFFIXES = {".md", ".onnx", ".png", ".toml"}
#: Beside the code: what Slack users read, and the marker for type checkers.
OTHER_FILES = {"messages.toml", "py.typed"}
#: What the public pages are made of.
PAGES = ("emojifier_bot/web/templates", "emojifier_bot/web/static")
PAGE_SUFFIXES = {".css", ".html", ".md", ".jpg", ".png", ".webp"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_models_and_emoji_travel_inside(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())

    for folder in ("emojis", "models"):
        shipped = {
            f"emojifier_bot/_data/{path.relative_to(ROOT).as_posix()}"
            for path in (ROOT / folder).rglob("*")
            if path.suffix in DATA_SUFFIXES
        }
        assert shipped
        assert shipped <= names


def test_the_public_pages_travel_inside(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [file for folder in PAGES for file in (ROOT / folder).iterdir()]

    assert {file.suffix for file in files} == PAGE_SUFFIXES
    assert {file.relative_to(ROOT).as_posix() for file in files} <= names


def test_the_messages_travel_inside(wheel):
    assert "emojifier_bot/slack/messages.toml" in zipfile.ZipFile(wheel).namelist()


def test_nothing_else_travels(wheel):
    names = map(PurePosixPath, zipfile.ZipFile(wheel).namelist())
    content = [name for name in names if not name.parts[0].endswith(".dist-info")]

    assert {name.parts[0] for name in content} == {"emojifier_bot"}
    for name in content:
        if name.is_relative_to("emojifier_bot/_data"):
            assert name.suffix in DATA_SUFFIXES
        elif any(map(name.is_relative_to, PAGES)):
            assert name.suffix in PAGE_SUFFIXES
        else:
            assert name.suffix == ".py" or name.name in OTHER_FILES


def test_an_installed_package_finds_them(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from emojifier_bot.vision import emojis_dir, models_dir\n"
        "print(emojis_dir(), models_dir(), sep='\\n')"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    data = tmp_path / "emojifier_bot" / "_data"
    assert done.stdout.splitlines() == [str(data / "emojis"), str(data / "models")]
    assert (data / "emojis" / "classic" / "theme.toml").is_file()


def build(source: Path, folder: Path, umask: int) -> str:
    """Build a wheel as somebody with a umask; return its SHA-256."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    environment = {k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}
    subprocess.run(
        command,
        cwd=source,
        env=environment,
        umask=umask,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_who_builds_it_where_and_when_does_not_matter(tmp_path):
    copies = [tmp_path / "here", tmp_path / "else" / "where"]
    for number, copy in enumerate(copies):
        copy.mkdir(parents=True)
        for name in ("LICENSE", "README.md", "pyproject.toml"):
            shutil.copyfile(ROOT / name, copy / name)
        for name in ("emojifier_bot", "emojis", "models"):
            # A checkout's files are read by all or by one, and of any day.
            shutil.copytree(ROOT / name, copy / name, ignore=IGNORED)
        for path in copy.rglob("*"):
            mode = (0o755 if path.is_dir() else 0o644) & ~(0o077 * number)
            path.chmod(mode)
            os.utime(path, (10**9 + number, 10**9 + number))

    built = {
        build(copy, tmp_path / f"dist-{umask:o}", umask)
        for copy, umask in zip(copies, (0o022, 0o077), strict=True)
    }

    assert len(built) == 1


#: What a checkout is full of beside its files.
IGNORED = shutil.ignore_patterns("__pycache__", "*.pt", "*.npz", "*.jsonl")
