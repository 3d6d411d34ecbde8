from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from emojifier_bot.cli.files import find_inputs, is_ours, is_pattern
from emojifier_bot.errors import ImageError

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """Make the current folder one with files of every sort."""
    names = [
        "photos/b.jpg",
        "photos/a.PNG",
        "photos/notes.txt",
        "photos/a.emojified.png",
        "photos/a.debug.PNG",
        "photos/.hidden.jpg",
        "photos/sub/c.heic",
        "photos/sub/.git/d.jpg",
        "photos/.cache/e.jpg",
        "photos/odd[1].jpg",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "photos" / "folder.jpg").mkdir()
    (tmp_path / "photos" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)


def given(inputs):
    return [one.given for one in inputs.sources]


@pytest.mark.parametrize(
    ("typed", "expected", "many"),
    [
        ([], [], False),
        (["-"], ["-"], False),
        (["photos/b.jpg"], ["photos/b.jpg"], False),
        (["nowhere.jpg"], ["nowhere.jpg"], False),
        (["-dash.jpg"], ["-dash.jpg"], False),
        (["photos/a.emojified.png"], ["photos/a.emojified.png"], False),
        (["photos/notes.txt", "-"], ["photos/notes.txt", "-"], True),
        (["photos/odd[1].jpg"], ["photos/odd[1].jpg"], False),
        (["photos/[ab].*"], ["photos/a.PNG", "photos/b.jpg"], True),
        (["photos/**/c.*"], ["photos/sub/c.heic"], True),
        (["*.nothing"], ["*.nothing"], True),
        (
            ["photos"],
            ["photos/a.PNG", "photos/b.jpg", "photos/odd[1].jpg"],
            True,
        ),
        (
            ["photos/sub/", "photos/b.jpg"],
            ["photos/sub/c.heic", "photos/b.jpg"],
            True,
        ),
    ],
)
def test_what_stands_for_which_pictures(typed, expected, many):
    inputs = find_inputs(typed, recursive=False)

    assert given(inputs) == expected
    assert inputs.many is many


def test_recursion_keeps_the_place_below_the_folder():
    inputs = find_inputs(["photos"], recursive=True)

    assert given(inputs)[-1] == "photos/sub/c.heic"
    assert [str(one.subfolder) for one in inputs.sources] == [".", ".", ".", "sub"]


def test_what_is_left_out_is_counted():
    # A text, two of our own, and a link to nowhere. Hidden files are not even seen.
    assert find_inputs(["photos"], recursive=False).skipped == 4


def test_a_name_that_is_there_is_no_pattern():
    assert not is_pattern("photos/odd[1].jpg")
    assert is_pattern("photos/odd[2].jpg")


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("photo.jpg", False),
        ("photo.emojified.jpg", True),
        ("photo.DEBUG.png", True),
        ("photo.emojified", False),
        ("emojified.jpg", False),
        (".emojified.jpg", False),
    ],
)
def test_our_own_pictures_are_told_by_their_names(tmp_path, name, ours):
    assert is_ours(tmp_path / name) is ours


class TestRead:
    def read(self, typed, max_bytes=MIB):
        (source,) = find_inputs([typed], recursive=False).sources
        return source.read(max_bytes)

    def test_a_file(self):
        assert self.read("photos/b.jpg") == b"x"

    def test_standard_input(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"bytes")))

        assert self.read("-") == b"bytes"

    @pytest.mark.parametrize(
        ("typed", "says"),
        [
            ("nowhere.jpg", "No such file"),
            ("nothing*.jpg", "Nothing has such a name"),
            ("photos/b.jpg/x.jpg", "Not a directory"),
            ("x" * 300, "too long"),
        ],
    )
    def test_what_cannot_be_read_says_why(self, typed, says):
        with pytest.raises(ImageError, match=says) as caught:
            self.read(typed)

        assert caught.value.kind == "unreadable"

    def test_no_more_is_read_than_is_allowed(self):
        Path("large.jpg").write_bytes(b"xx")

        with pytest.raises(ImageError, match="more than 1e-06 MB") as caught:
            self.read("large.jpg", max_bytes=1)

        assert caught.value.kind == "too_large"

    def test_an_endless_file_is_not_read_to_its_end(self):
        with pytest.raises(ImageError) as caught:
            self.read(os.devnull.replace("null", "zero"))

        assert caught.value.kind == "too_large"
