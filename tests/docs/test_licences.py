"""Every locked package's licence is known, and may go along with the MIT licence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_lock import entries

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "licences.md").read_text("utf-8")
SECURITY = (ROOT / "docs" / "security.md").read_text("utf-8")
ROWS = {
    name: (version, licence, carries)
    for name, version, licence, carries in re.findall(
        r"^\| ([a-z0-9.-]+) \| ([0-9]\S*) \| (.+?) \| (.*?) ?\|$", PAGE, re.MULTILINE
    )
}
#: Whoever ships these need only pass their texts on.
PERMISSIVE = re.compile(
    r"(MIT|BSD|3-Clause BSD|0BSD|Apache|ISC|PSF|Zlib|CC0|MPL|Mozilla Public|Zope)",
    re.IGNORECASE,
)
NOT_HERE = "not for this system"
#: Looked at by a person; docs/security.md says what was found, by the same names.
REVIEWED = {
    "av": "FFmpeg with x264 and x265, GPL: docs/security.md says what follows",
    "hypothesis": "its MPL 2.0 names the GNU licences as others to choose",
    "librt": "PSF's history of Python tells of the GPL",
    "mypy": "PSF's history of Python tells of the GPL",
    "numpy": "libgfortran and libgcc: GPL with the runtime exception",
    "onnxruntime": "notices of parts that are not in the wheel for processors",
    "opencv-python-headless": "FFmpeg's libraries: LGPL, linked dynamically",
    "pathspec": "its MPL 2.0 names the GNU licences as others to choose",
    "pillow": "FreeType and others under another licence of their choice",
    "pillow-heif": "libheif and libde265: LGPL; x265: GPL, an encoder nothing calls",
    "psycopg": "LGPL: a library that anybody can exchange",
    "psycopg-binary": "LGPL: a library that anybody can exchange",
    "resvg-py": "says nothing in its metadata; MIT by its licence file; draws the art",
    "selenium": "a test tool; notices of what its browsers carry",
    "typing-extensions": "PSF's history of Python tells of the GPL",
    "waitress": "the Zope Public License says that the GPL goes along with it",
}


def wanted() -> dict[str, str]:
    locked = [one for name in ("base.txt", "dev.txt") for one in entries(name)]
    return dict(entry.split()[0].split("==") for entry in locked)


def test_the_page_is_in_step_with_the_locks():
    told = {name: version for name, (version, _, _) in ROWS.items()}

    assert told == wanted(), "run `make licences`"


@pytest.mark.parametrize("name", ROWS)
def test_its_licence_may_go_along(name):
    _, licence, carries = ROWS[name]
    sound = licence == NOT_HERE or (
        PERMISSIVE.match(licence) and "GPL" not in licence and not carries
    )

    assert sound or name in REVIEWED, f"{name}: {licence}, carries {carries or 'none'}"


def test_nothing_was_reviewed_that_is_gone():
    assert set(REVIEWED) <= set(ROWS)


def test_what_ships_with_obligations_is_told_to_operators():
    for name in ("av", "opencv-python-headless", "pillow-heif", "psycopg"):
        assert f"`{name}`" in SECURITY


@pytest.mark.parametrize("licence", ["UNKNOWN", "GPL-3.0-only", "Proprietary", ""])
def test_what_would_be_refused(licence):
    assert not PERMISSIVE.match(licence)
