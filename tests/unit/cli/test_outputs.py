from __future__ import annotations

import os
from pathlib import Path

import pytest

from emojifier_bot.cli.console import WrongUsage
from emojifier_bot.cli.files import (
    find_inputs,
    plan_targets,
    refuse_existing,
    write_file,
)
from emojifier_bot.errors import OutputError

PNG, JPEG = (".png",), (".jpg", ".jpeg")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.jpg", "in/a.png", "in/sub/a.png", "out/x"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")


def plan(typed, output=None):
    return plan_targets(find_inputs(typed, recursive=True), output)


class TestNames:
    @pytest.mark.parametrize(
        ("typed", "extensions", "expected"),
        [
            ("a.png", PNG, "a.emojified.png"),
            ("in/a.png", PNG, "in/a.emojified.png"),
            ("a.JPEG", JPEG, "a.emojified.JPEG"),
            ("a.b.c.jpg", JPEG, "a.b.c.emojified.jpg"),
            ("a.jpg", PNG, "a.emojified.png"),
            ("a.heic", JPEG, "a.emojified.jpg"),
            ("a.gif", PNG, "a.emojified.png"),
            ("noname", JPEG, "noname.emojified.jpg"),
            ("version 1.2 final", PNG, "version 1.2 final.emojified.png"),
            (".png", PNG, ".png.emojified.png"),
            ("a.emojified.png", PNG, "a.emojified.emojified.png"),
        ],
    )
    def test_beside_the_input(self, typed, extensions, expected):
        (target,) = plan([typed])

        assert str(target.result(extensions)) == expected

    @pytest.mark.parametrize(
        ("output", "result", "debug", "extension"),
        [
            ("new.png", "new.png", "new.debug.png", ".png"),
            ("new.emojified.jpg", "new.emojified.jpg", "new.debug.jpg", ".jpg"),
            ("new", "new", "new.debug.png", None),
            ("out", "out/a.emojified.png", "out/a.debug.png", None),
            ("fresh/", "fresh/a.emojified.png", "fresh/a.debug.png", None),
            ("fresh/new.png", "fresh/new.png", "fresh/new.debug.png", ".png"),
        ],
    )
    def test_for_one_input(self, output, result, debug, extension):
        (target,) = plan(["a.png"], output)
        extensions = (extension,) if extension else PNG

        assert str(target.result(extensions)) == result
        assert str(target.debug(extensions)) == debug
        assert target.extension == extension

    @pytest.mark.parametrize("typed", [["a.png", "b.jpg"], ["in/sub"], ["*.png"]])
    def test_several_inputs_go_into_a_folder(self, typed):
        for target in plan(typed, "fresh"):
            assert target.result(PNG).parent == Path("fresh")

    def test_a_folders_shape_is_kept(self):
        names = [str(one.result(PNG)) for one in plan(["in"], "fresh")]

        assert names == ["fresh/a.emojified.png", "fresh/sub/a.emojified.png"]

    def test_standard_input_has_a_name_of_its_own(self):
        (target,) = plan(["-"], "out/")

        assert str(target.result(JPEG)) == "out/stdin.emojified.jpg"


@pytest.mark.parametrize(
    ("typed", "output", "says"),
    [
        (["a.png", "b.jpg"], "a.png", "a.png is a file"),
        (["a.png", "a.png"], None, "would both become a.emojified.png"),
        (["a.png", "./a.png"], None, "would both become"),
        (["a.png", "in/a.png"], "out", "would both become out/a.emojified.png"),
        (["c.heic", "c.jpg"], None, "would both become c.emojified.jpg"),
        (["a.png"], "a.png", "a.png is an input"),
        (["a.png"], "./in/../a.png", "is an input"),
        (["in/a.png"], "in/link.png", "is an input"),
    ],
)
def test_what_would_lose_a_picture_is_refused_at_once(typed, output, says):
    Path("in/link.png").unlink(missing_ok=True)
    if output == "in/link.png":
        Path("in/link.png").symlink_to(Path("in/a.png").resolve())

    with pytest.raises(WrongUsage, match=says):
        plan(typed, output)


class TestWrite:
    @pytest.fixture
    def target(self, tmp_path):
        return tmp_path / "out" / "result.png"

    def test_writes_and_leaves_nothing_else(self, target):
        write_file(target, b"content", force=False)

        assert target.read_bytes() == b"content"
        assert sorted(one.name for one in target.parent.iterdir()) == [
            "result.png",
            "x",
        ]

    def test_new_files_have_the_usual_permissions(self, target):
        write_file(target, b"content", force=False)

        plain = target.with_name("plain")
        plain.touch()
        assert target.stat().st_mode == plain.stat().st_mode

    def test_missing_folders_are_made(self, tmp_path):
        write_file(tmp_path / "x" / "y" / "z.png", b"content", force=False)

        assert (tmp_path / "x" / "y" / "z.png").is_file()

    def test_what_is_there_stays_there(self, target):
        target.write_bytes(b"old")

        with pytest.raises(OutputError, match="--force") as caught:
            write_file(target, b"new", force=False)

        assert caught.value.kind == "exists"
        assert target.read_bytes() == b"old"

    def test_force_overwrites(self, target):
        target.write_bytes(b"old")

        write_file(target, b"new", force=True)

        assert target.read_bytes() == b"new"

    def test_a_link_to_nowhere_counts_as_there(self, target):
        target.symlink_to("nowhere")

        with pytest.raises(OutputError):
            write_file(target, b"new", force=False)

    @pytest.mark.parametrize("force", [True, False])
    def test_a_folder_is_never_overwritten(self, target, force):
        target.mkdir()

        with pytest.raises(OutputError) as caught:
            write_file(target, b"new", force=force)

        assert caught.value.kind == "not_a_file"

    def test_a_device_is_never_overwritten(self):
        with pytest.raises(OutputError, match="device"):
            refuse_existing(Path(os.devnull), force=True)

    @pytest.mark.parametrize("name", ["x/result.png", "n" * 300 + ".png"])
    def test_a_place_that_refuses_is_told(self, tmp_path, name):
        before = sorted(tmp_path.rglob("*"))

        with pytest.raises(OutputError, match="cannot be written") as caught:
            write_file(tmp_path / "out" / name, b"new", force=False)

        assert caught.value.kind == "not_writable"
        assert sorted(tmp_path.rglob("*")) == before
