from __future__ import annotations

import io
from pathlib import Path

import pytest

from emojifier_bot.app import make_web_client
from emojifier_bot.cli.inputs import find_inputs, is_ours
from emojifier_bot.config import PictureSettings
from emojifier_bot.errors import FetchError, ImageError
from tests.fakes.servers import said, serving

pytestmark = pytest.mark.usefixtures("folder_of_files")

MIB = 1 << 20


@pytest.mark.parametrize(
    ("typed", "expected", "many"),
    [
        ([], [], False),
        (["-"], ["-"], False),
        (["photos/b.jpg"], ["photos/b.jpg"], False),
        (["nowhere.jpg"], ["nowhere.jpg"], False),
        (["photos/a.emojified.png"], ["photos/a.emojified.png"], False),
        (["photos/notes.txt", "-"], ["photos/notes.txt", "-"], True),
        # A name that exists is no pattern.
        (["photos/odd[1].jpg"], ["photos/odd[1].jpg"], False),
        (["photos/[ab].*"], ["photos/a.PNG", "photos/b.jpg"], True),
        (["photos/**/c.*"], ["photos/sub/c.heic"], True),
        (["*.nothing"], ["*.nothing"], True),
        (["photos"], ["photos/a.PNG", "photos/b.jpg", "photos/odd[1].jpg"], True),
        (["photos/sub/", "photos/b.jpg"], ["photos/sub/c.heic", "photos/b.jpg"], True),
        # Each picture once; two names of one file are two pictures.
        (["a.png", "./a.png", "in/../a.png"], ["a.png"], True),
        (["in/a.png", "in"], ["in/a.png", "in/link.png"], True),
        (["https://example.com/a?b=[1]"], ["https://example.com/a?b=[1]"], False),
    ],
)
def test_what_stands_for_which_pictures(typed, expected, many):
    inputs = find_inputs(typed, recursive=False)

    assert [one.given for one in inputs.sources] == expected
    assert inputs.many is many


def test_recursion_keeps_the_place_below_the_folder_and_counts_what_is_left_out():
    inputs = find_inputs(["photos"], recursive=True)

    assert inputs.sources[-1].given == "photos/sub/c.heic"
    assert [str(one.subfolder) for one in inputs.sources] == [".", ".", ".", "sub"]
    # A text, two of our own, and a link to nowhere. Hidden files are not even seen.
    assert inputs.skipped == 4


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
def test_our_own_pictures_are_recognised_by_name(name, ours):
    assert is_ours(Path(name)) is ours


class TestRead:
    def read(self, typed, max_bytes=MIB):
        (source,) = find_inputs([typed], recursive=False).sources
        return source.read(max_bytes, lambda: make_web_client(PictureSettings()))

    def test_an_address_is_fetched(self):
        picture = said(200, b"picture", content_type="image/jpeg")
        with serving({"/a%20b.jpg": picture}) as server:
            (source,) = find_inputs(
                [server.url("/a%20b.jpg?x=1")], recursive=False
            ).sources

            allowed = PictureSettings(fetch_allow_hosts=frozenset({server.host}))
            fetched = source.read(MIB, lambda: make_web_client(allowed))
            assert fetched == b"picture"
            assert source.name == "a b.jpg"

    def test_a_closed_standard_input_is_told(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", None)

        with pytest.raises(ImageError, match="Standard input is closed"):
            self.read("-")

    def test_a_file_and_standard_input(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"bytes")))

        assert (self.read("photos/b.jpg"), self.read("-")) == (b"x", b"bytes")

    @pytest.mark.parametrize(
        ("typed", "max_bytes", "says", "kind"),
        [
            ("nowhere.jpg", MIB, "No such file", "unreadable"),
            ("nothing*.jpg", MIB, "Nothing has such a name", "unreadable"),
            ("photos/b.jpg/x.jpg", MIB, "Not a directory", "unreadable"),
            ("x" * 300, MIB, "too long", "unreadable"),
            ("photos/b.jpg", 0, "more than 0 MB.*EMOJIFIER_MAX_BYTES", "too_large"),
            ("FTP://example.com/a.jpg", MIB, "It was not fetched: scheme", "scheme"),
            ("http://127.0.0.1/a.jpg", MIB, "FETCH_ALLOW_HOSTS", "private_address"),
            # Endless, so it must not be read to its end.
            ("/dev/zero", 1, "more than 1e-06 MB", "too_large"),
        ],
    )
    def test_what_cannot_be_read_says_why(self, typed, max_bytes, says, kind):
        with pytest.raises((FetchError, ImageError), match=says) as caught:
            self.read(typed, max_bytes)

        assert caught.value.kind == kind
