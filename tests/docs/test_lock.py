"""The lock files pin every download by hash and name no place to fetch it from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
#: With the bot and with videos: what is deployed.
BASE = PROJECT["project"]["dependencies"] + EXTRAS["bot"] + EXTRAS["video"]
GROUPS = PROJECT["dependency-groups"]
BUILD, SUPPLY = GROUPS["build"], GROUPS["supply"]
DEV = BUILD + [one for one in GROUPS["dev"] if isinstance(one, str)]
TRAINING = tomllib.loads((ROOT / "training" / "pyproject.toml").read_text("utf-8"))
TRAIN = TRAINING["project"]["optional-dependencies"]["train"]


def entries(name: str) -> list[str]:
    text = (ROOT / "requirements" / name).read_text("utf-8")
    code = re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE)
    return code.replace("\\\n", "").splitlines()


def package(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


@pytest.mark.parametrize("name", ["base.txt", "build.txt", "dev.txt", "supply.txt"])
def test_every_entry_is_one_public_version_with_hashes_and_no_index_is_named(name):
    for entry in entries(name):
        assert re.match(r"[a-z0-9.-]+==[0-9][0-9a-z.]*( ;| )", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    text = (ROOT / "requirements" / name).read_text("utf-8")
    assert "://" not in text
    assert "index" not in text


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("base.txt", BASE),
        ("build.txt", BUILD),
        ("dev.txt", BASE + DEV),
        ("supply.txt", SUPPLY),
    ],
    ids=["base", "build", "dev", "supply"],
)
def test_every_dependency_is_locked(name, wanted):
    locked = {package(entry) for entry in entries(name)}

    assert {package(requirement) for requirement in wanted} <= locked
    assert locked.isdisjoint(package(requirement) for requirement in TRAIN)


@pytest.mark.parametrize("name", ["base.txt", "build.txt"])
def test_the_tests_run_on_what_is_shipped(name):
    # What a package is for may differ: the tests' tools want some on more systems.
    versions = {entry.split()[0] for entry in entries("dev.txt")}

    for entry in entries(name):
        assert entry.split()[0] in versions
