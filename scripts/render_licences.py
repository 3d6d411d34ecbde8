"""Write docs/licences.md: ``render_licences.py PIP_LICENSES``, that tool's program.

What a package says of itself is read by the tool from the environment that runs this.
Wheels also carry other people's libraries: where a licence file of a package names a
licence of the GNU family, that is told beside it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
LOCKS = ROOT / "requirements"
#: As they stand in texts, and as they are told; the first that fits counts.
GNU = (
    (re.compile(r"\bAGPL|affero general public", re.IGNORECASE), "AGPL"),
    (re.compile(r"\bLGPL|(lesser|library) general public", re.IGNORECASE), "LGPL"),
    (re.compile(r"\bGPL|gnu general public", re.IGNORECASE), "GPL"),
)
INTRO = """\
# Licences

Written by `make licences` with pip-licenses from the installed packages. Emojifier Bot
itself is under the MIT licence, see [LICENSE](../LICENSE); the cards of its models name
their training data. “Carries” names GNU licences that the licence files inside a wheel
mention, for a part of it or as an alternative; [security.md](security.md#supply-chain)
has the result of the review.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One package."""

    name: str
    version: str
    licence: str
    #: Of the GNU family, named in its licence files.
    carries: str


def page(program: str) -> str:
    """Return the page."""
    told = {_normal(one["Name"]): one["License"] for one in _ask(program)}
    shipped, tools = _locked("base.txt"), _locked("dev.txt")
    for name in shipped:
        tools.pop(name, None)
    return (
        f"{INTRO}\n## What the bot runs with\n\n{_table(shipped, told)}"
        f"\n## What only tests and builds use\n\n{_table(tools, told)}"
    )


def _ask(program: str) -> list[dict[str, str]]:
    command = [program, f"--python={sys.executable}", "--format=json", "--with-system"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows: list[dict[str, str]] = json.loads(done.stdout)
    return rows


def _locked(name: str) -> dict[str, str]:
    """Return the packages of a lock file with their versions."""
    text = (LOCKS / name).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==([0-9][\w.]*)", text, re.MULTILINE))


def _table(packages: dict[str, str], told: dict[str, str]) -> str:
    head = "| Package | Version | Licence | Carries |\n|---|---|---|---|\n"
    rows = (_row(name, version, told) for name, version in sorted(packages.items()))
    return head + "".join(
        f"| {one.name} | {one.version} | {one.licence} | {one.carries} |\n"
        for one in rows
    )


def _row(name: str, version: str, told: dict[str, str]) -> Row:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return Row(name, version, "not for this system", "")
    licence = re.sub(r"\s*[;\n]\s*", "; ", told.get(name, "UNKNOWN"))
    return Row(name, version, licence, ", ".join(sorted(set(_carried(found)))))


def _carried(found: Distribution) -> Iterator[str]:
    for file in found.files or []:
        if not re.search(r"licen[cs]e|copying|notice", file.name, re.IGNORECASE):
            continue
        path = Path(str(file.locate()))
        if path.suffix in {".py", ".pyc", ".so"} or not path.is_file():
            continue
        text = path.read_text("utf-8", "replace")
        for pattern, name in GNU:
            if pattern.search(text):
                yield name
                # What is left are whole words of the others.
                text = pattern.sub("", text)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    PAGE.write_text(page(sys.argv[1]), encoding="utf-8")
