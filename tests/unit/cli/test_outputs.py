from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emojifier_bot.cli.console import WrongUsage
from emojifier_bot.cli.inputs import find_inputs
from emojifier_bot.cli.outputs import (
    OutputFiles,
    is_stream,
    plan_targets,
    refuse_existing,
    write_file,
)
from emojifier_bot.errors import OutputError

pytestmark = pytest.mark.usefixtures("folder_of_files")

PNG, JPEG = (".png",), (".jpg", ".jpeg")


def plan(typed, output=None):
    return plan_targets(find_inputs(typed, recursive=True), output)


class TestNames:
    @pytest.mark.parametrize(
        ("typed", "extensions", "expected"),
        [
            ("in/a.png", PNG, "in/a.emojified.png"),
            ("a.JPEG", JPEG, "a.emojified.JPEG"),
            ("a.b.c.jpg", JPEG, "a.b.c.emojified.jpg"),
            ("n.jpg", PNG, "n.emojified.png"),
            ("a.heic", JPEG, "a.emojified.jpg"),
            ("n.gif", PNG, "n.emojified.png"),
            ("noname", JPEG, "noname.emojified.jpg"),
            ("version 1.2 final", PNG, "version 1.2 final.emojified.png"),
            (".png", PNG, ".png.emojified.png"),
            ("a.emojified.png", PNG, "a.emojified.emojified.png"),
            ("https://example.com/b/c.jpg?d=e.png", JPEG, "c.emojified.jpg"),
            ("https://example.com/", JPEG, "picture.emojified.jpg"),
        ],
    )
    def test_beside_the_input(self, typed, extensions, expected):
        (target,) = plan([typed])

        assert str(target.result(extensions)) == expected

    @pytest.mark.parametrize(
        ("typed", "output", "result", "debug", "extension"),
        [
            ("a.png", "new.png", "new.png", "new.debug.png", ".png"),
            ("a.png", "b.emojified.jpg", "b.emojified.jpg", "b.debug.jpg", ".jpg"),
            ("a.png", "new", "new", "new.debug.png", None),
            ("a.png", "out", "out/a.emojified.png", "out/a.debug.png", None),
            ("a.png", "new/", "new/a.emojified.png", "new/a.debug.png", None),
            ("a.png", "new/b.png", "new/b.png", "new/b.debug.png", ".png"),
            ("-", "out/", "out/stdin.emojified.png", "out/stdin.debug.png", None),
        ],
    )
    def test_for_one_input(self, typed, output, result, debug, extension):
        (target,) = plan([typed], output)
        extensions = (extension,) if extension else PNG

        assert str(target.result(extensions)) == result
        assert str(target.debug(extensions)) == debug
        assert target.extension == extension

    @pytest.mark.parametrize(
        ("typed", "expected"),
        [
            (["a.png", "b.jpg"], ["a.emojified.png", "b.emojified.png"]),
            (["in/sub"], ["a.emojified.png"]),
            (["*.png"], ["a.emojified.png"]),
            # A folder's shape is kept.
            (["in"], ["a.emojified.png", "sub/a.emojified.png"]),
        ],
    )
    def test_several_inputs_go_into_a_folder(self, typed, expected):
        Path("in/link.png").unlink()
        names = [one.result(PNG).as_posix() for one in plan(typed, "fresh")]

        assert names == [f"fresh/{name}" for name in expected]


@pytest.mark.parametrize(
    ("typed", "output", "expected"),
    [
        # The one whose format stays keeps its name, whatever the order.
        (["c.heic", "c.jpg"], None, ["c.heic.emojified.jpg", "c.emojified.jpg"]),
        (["c.jpg", "c.heic"], None, ["c.emojified.jpg", "c.heic.emojified.jpg"]),
        (["c.gif", "c.png"], "out", ["out/c.gif.emojified.png", "out/c.emojified.png"]),
        (
            ["a.png", "in/a.png", "in/sub/a.png"],
            "out/",
            [
                "out/a.emojified.png",
                "out/a.png.emojified.png",
                "out/a-2.emojified.png",
            ],
        ),
        (["c.heic", "c.heif"], None, ["c.emojified.jpg", "c.heif.emojified.jpg"]),
        # The results lie in different folders.
        (["a.png", "in/a.png"], None, ["a.emojified.png", "in/a.emojified.png"]),
    ],
)
def test_each_result_has_a_name_of_its_own(typed, output, expected):
    names = [one.expected.as_posix() for one in plan(typed, output)]

    assert names == expected


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ({"i.heic": JPEG}, ["i.emojified.jpg"]),
        (
            {"i.heic": JPEG, "i.jpg": JPEG},
            ["i.heic.emojified.jpg", "i.emojified.jpg"],
        ),
        # As cameras and phones write it.
        (
            {"i.HEIC": JPEG, "i.JPG": JPEG},
            ["i.HEIC.emojified.jpg", "i.emojified.JPG"],
        ),
        (
            {"i.heic": JPEG, "i.mpo": JPEG},
            ["i.heic.emojified.jpg", "i.mpo.emojified.jpg"],
        ),
        # Nobody else's name.
        ({"i.heic": JPEG, "i.png": PNG}, ["i.emojified.jpg", "i.emojified.png"]),
        ({"i.heic": JPEG, "ii.jpg": JPEG}, ["i.emojified.jpg", "ii.emojified.jpg"]),
        # Its bytes are those of a PNG, or it is transparent.
        ({"i.jpg": PNG, "i.png": PNG}, ["i.jpg.emojified.png", "i.emojified.png"]),
        ({"i.heic": PNG, "i.gif": PNG}, ["i.heic.emojified.png", "i.emojified.png"]),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("output", [None, "out/"])
def test_a_name_is_the_same_whatever_else_a_run_has(folder, expected, output):
    Path("new").mkdir()
    for name in folder:
        Path("new", name).touch()
    place = output or "new/"

    alone = {name: plan([f"new/{name}"], output)[0] for name in folder}
    together = dict(zip(sorted(folder), plan(["new"], output), strict=True))

    for targets in (alone, together):
        results = [targets[name].result(folder[name]) for name in folder]
        assert [one.as_posix() for one in results] == [place + one for one in expected]
        debug = [targets[name].debug(folder[name]) for name in folder]
        assert len(set(debug)) == len(folder)


@pytest.mark.parametrize(
    ("typed", "output", "says"),
    [
        (["a.png", "b.jpg"], "a.png", "a.png is a file"),
        (["a.png", "b.jpg"], "new.png", "name of one picture, and several need a fol"),
        (["photos"], "new.jpg", "For a folder of that name write new.jpg/"),
        (["a.png"], "./in/../a.png", "is an input"),
        (["in/a.png"], "in/link.png", "is an input"),
    ],
)
def test_what_would_lose_a_picture_is_refused_at_once(typed, output, says):
    with pytest.raises(WrongUsage, match=says):
        plan(typed, output)


class TestWrite:
    @pytest.fixture
    def target(self, tmp_path):
        return tmp_path / "out" / "result.png"

    def test_missing_folders_are_made_and_nothing_else_is_left(self, tmp_path):
        target = tmp_path / "new" / "sub" / "z.png"
        write_file(target, b"content", force=False)

        assert target.read_bytes() == b"content"
        assert list(target.parent.iterdir()) == [target]
        (target.parent / "plain").touch()
        assert target.stat().st_mode == (target.parent / "plain").stat().st_mode

    def test_what_is_there_is_overwritten_by_force_only(self, target):
        target.write_bytes(b"old")

        with pytest.raises(OutputError, match="--force") as caught:
            write_file(target, b"new", force=False)
        assert caught.value.kind == "exists"
        assert target.read_bytes() == b"old"

        write_file(target, b"new", force=True)
        assert target.read_bytes() == b"new"

    def test_a_link_to_nowhere_counts_as_there(self, target):
        target.symlink_to("nowhere")

        with pytest.raises(OutputError, match="--force"):
            write_file(target, b"new", force=False)

    def test_a_link_stays_and_the_file_behind_it_is_replaced(self, target, tmp_path):
        target.symlink_to(tmp_path / "b.jpg")

        write_file(target, b"new", force=True)

        assert target.is_symlink()
        assert (tmp_path / "b.jpg").read_bytes() == b"new"

    @pytest.mark.parametrize("path", ["out", "out/x/..", "socket"])
    def test_a_folder_or_a_socket_is_never_overwritten(self, path, tmp_path):
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "socket"))
            (tmp_path / "out" / "x").unlink()
            (tmp_path / "out" / "x").mkdir()

            with pytest.raises(OutputError, match="-o - for standard") as caught:
                refuse_existing(Path(path), force=True)

        assert caught.value.kind == "not_a_file"

    @pytest.mark.parametrize("force", [False, True])
    def test_a_fifo_is_written_through_and_stays(self, tmp_path, force):
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        with ThreadPoolExecutor() as pool:
            read = pool.submit(fifo.read_bytes)
            write_file(fifo, b"new", force=force)

        assert read.result() == b"new"
        assert is_stream(fifo)

    def test_a_device_is_written_through_and_stays(self):
        before = Path(os.devnull).stat()

        write_file(Path(os.devnull), b"new", force=True)

        assert Path(os.devnull).stat().st_ino == before.st_ino
        with pytest.raises(OutputError, match="/dev/full cannot be written: No space"):
            write_file(Path("/dev/full"), b"new", force=True)

    def test_what_the_process_has_open_is_written_through(self):
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as pipe:
            write_file(Path(f"/dev/fd/{writing}"), b"new", force=False)
            os.close(writing)

            assert pipe.read() == b"new"

    def test_the_date_is_that_of_the_input(self, target):
        write_file(target, b"new", force=False, modified_ns=10**18)

        assert target.stat().st_mtime_ns == 10**18

    @pytest.mark.parametrize("name", ["x/result.png", "n" * 300 + ".png"])
    def test_a_place_that_refuses_is_reported(self, tmp_path, name):
        before = sorted(tmp_path.rglob("*"))

        with pytest.raises(OutputError, match="cannot be written") as caught:
            write_file(tmp_path / "out" / name, b"new", force=False)

        assert caught.value.kind == "not_writable"
        assert sorted(tmp_path.rglob("*")) == before


class TestRun:
    """What one run writes."""

    def test_no_file_is_written_twice(self):
        outputs = OutputFiles(frozenset(), force=True)
        for name in ("d.jpg", "d.png", "d.gif"):
            (target,) = plan([name], "out/")
            free = outputs.free(target, PNG)
            outputs.write({free.result(PNG): name.encode()}, None)

        written = {one.name: one.read_bytes() for one in Path("out").glob("d*")}
        assert written == {
            "d.emojified.png": b"d.jpg",
            "d.png.emojified.png": b"d.png",
            "d.gif.emojified.png": b"d.gif",
        }

    def test_an_input_is_not_overwritten_even_by_force(self):
        inputs = find_inputs(
            ["photos/a.PNG", "photos/a.emojified.png"], recursive=False
        )
        outputs = OutputFiles(inputs.identities, force=True)

        with pytest.raises(
            OutputError, match="is an input, which is never overwritten"
        ):
            outputs.write(
                {Path("new.png"): b"1", Path("photos/a.emojified.png"): b"2"}, 0
            )

        assert not Path("new.png").exists()
