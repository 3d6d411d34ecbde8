"""What the README and the page of the library show runs as it stands there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.clips import animation
from tests.datasets import sample
from tests.images import encoded, opened

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def blocks_of(page: str) -> list[tuple[str, str]]:
    text = (ROOT / page).read_text("utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


BLOCKS, LIBRARY = blocks_of("README.md"), blocks_of("docs/python.md")
#: Of every shell block, with the comments that the shell skips anyway.
LINES = [
    line
    for kind, block in BLOCKS
    if kind == "sh"
    for line in block.splitlines()
    if line
]
#: How to install it: from the repository, since it is in no index.
INSTALL = [
    line
    for kind, block in [*BLOCKS, *LIBRARY]
    if kind == "sh"
    for line in block.splitlines()
    if " install " in line
]
ADDRESS = "REPOSITORY=…    # this repository's address, as `git clone` takes it"
MAKE = [line for line in LINES if line.startswith("make ")]
OURS = [line for line in LINES if line.startswith("emojifier-bot ")]
PYTHON = [block for kind, block in BLOCKS if kind == "python"]
OTHER_PYTHON = [block for kind, block in LIBRARY if kind == "python"]
#: Where pip put the command that the README calls.
SCRIPTS = Path(sys.executable).parent
LIMIT_SECONDS = 300


def without_comment(line: str) -> str:
    return line.partition("#")[0].strip()


def pictures_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*.*") if path.is_file()}


@pytest.fixture
def folder(tmp_path):
    """Return a folder with everything that the README's lines read."""
    photo = sample()
    (tmp_path / "holiday").mkdir()
    for name, codec in [
        ("photo.jpg", "JPEG"),
        ("photo.heic", "HEIF"),
        ("in.jpg", "JPEG"),
        ("holiday/one.jpg", "JPEG"),
        ("holiday/two.png", "PNG"),
    ]:
        (tmp_path / name).write_bytes(encoded(photo, codec))
    (tmp_path / "party.gif").write_bytes(animation([photo, photo.rotate(1)], "GIF"))
    return tmp_path


@pytest.fixture
def run(folder):
    """Return a function that runs a command as somebody in that folder would."""
    path = os.pathsep.join([str(SCRIPTS), os.environ["PATH"]])

    def run(*command: str) -> str:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_animation_is_small_and_moves():
    data = (ROOT / "docs" / "moving.gif").read_bytes()

    readme = (ROOT / "README.md").read_text("utf-8")
    assert "(docs/moving.gif)" in readme.partition("## ")[0]
    assert len(data) <= 1_500_000
    assert opened(data).n_frames >= 24


def test_no_line_goes_unchecked():
    lines = [one for one in LINES if one not in INSTALL]
    assert sorted([*MAKE, *OURS, ADDRESS]) == sorted(lines)
    assert len(INSTALL) == 9
    assert (len(PYTHON), len(OURS)) >= (1, 6)


@pytest.mark.parametrize("line", INSTALL)
def test_install_lines_name_the_package_and_its_extras(tmp_path, line):
    for tool in ("pip", "uv"):
        (tmp_path / tool).write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        (tmp_path / tool).chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", f"REPOSITORY=file:///clone\n{line}"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    *command, given = done.stdout.splitlines()
    wanted = Requirement(given)
    assert command in (["install"], ["tool", "install"])
    assert (wanted.name, wanted.url) == (PROJECT["name"], "git+file:///clone")
    assert wanted.extras <= PROJECT["optional-dependencies"].keys()


def test_nothing_says_that_it_is_in_an_index():
    """Whoever takes the name there could be anybody."""
    command = re.compile(r"""install (-\S+ )*["']?emojifier-bot(\[[\w,]+\])?["'`\n]""")
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    for path in [*pages, *ROOT.glob("emojifier_bot/**/*.py")]:
        # Texts of the code are cut into lines anywhere.
        text = re.sub(r'"\s+"', "", path.read_text("utf-8"))
        assert not command.search(text), path


def test_there_is_a_line_for_each_extra():
    told = "".join(INSTALL)

    assert all(f"[{extra}]" in told for extra in PROJECT["optional-dependencies"])


def test_the_demo_installs_no_tools_of_developers(tmp_path):
    # Where no environment is yet: what would be run.
    for name in ("Makefile", "pyproject.toml", "training", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run(
        ["make", "-n", "demo"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert "requirements/base.txt" in done.stdout
    assert "dev.txt" not in done.stdout
    assert "./training" not in done.stdout


@pytest.mark.parametrize("line", MAKE, ids=without_comment)
def test_make_lines_are_targets(line):
    target = line.split()[1]

    assert re.search(
        rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
    )


@pytest.mark.parametrize("line", OURS, ids=without_comment)
def test_a_shell_line(run, folder, line):
    before = pictures_in(folder)

    printed = run("sh", "-c", line)

    written = pictures_in(folder) - before
    two = ("holiday/", "--number", "--why")
    assert len(written) == (2 if any(one in line for one in two) else 1)
    for path in written:
        if ".why." in path.name or path.suffix == ".mp4":
            continue
        assert opened(path.read_bytes()).size == (512, 512)
    told = re.search(r"# writes (\S+)", line)
    assert not told or folder / told[1] in written
    if "--json" in line:
        assert json.loads(printed)["faces"]
    else:
        assert printed == ""


@pytest.fixture
def sample_folder(folder):
    """Return the folder with the sample where a clone has it."""
    shutil.copytree(
        ROOT / "docs" / "sample",
        folder / "docs" / "sample",
        ignore=shutil.ignore_patterns("*.emojified.*"),
    )
    (folder / "README.md").write_text("no picture")
    return folder


@pytest.mark.parametrize(
    ("block", "printed"),
    list(
        zip(
            OTHER_PYTHON,
            [
                r"1 face.*",
                r"docs/sample/astronaut\.png 1 \d+\nREADME\.md not_an_image .*",
                r"\(128, 128\) \d+ \d+",
                (
                    r"1 DrawEmoji\(name='sunglasses'\) person \(.*\)\n"
                    r"1 face: drawn as cool in sunglasses\n1 face: covered"
                ),
            ],
            strict=True,
        )
    ),
    ids=["one", "many", "file", "plan"],
)
@pytest.mark.usefixtures("sample_folder")
def test_a_block_of_the_library(run, block, printed):
    assert re.fullmatch(printed, run(sys.executable, "-c", block).strip())


@pytest.mark.parametrize("block", PYTHON)
def test_a_python_block(run, sample_folder, block):
    folder = sample_folder

    printed = run(sys.executable, "-c", block).splitlines()

    assert printed[0].startswith("1 face"), printed
    assert len(printed) == 2, printed
    result = opened((folder / "astronaut.emojified.png").read_bytes())
    assert (result.format, result.size) == ("PNG", (512, 512))
