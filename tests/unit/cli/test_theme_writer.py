from __future__ import annotations

import hashlib
import shutil
from contextlib import nullcontext

import numpy as np
import pytest

from emojifier_bot.cli.theme_writer import refuse_theme_folder, write_theme
from emojifier_bot.errors import OutputError, ThemeError
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.calibration import with_points
from emojifier_bot.vision.themes import ThemeFolder, open_theme

SHIPPED = open_theme("classic")
MIXED = np.full(8, 0.125, np.float32)


def files(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
    }


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("themes") / "mine"
    before = files(SHIPPED.folder)
    write_theme(SHIPPED.folder, folder, with_points(SHIPPED.theme, {"joy": MIXED}))
    assert files(SHIPPED.folder) == before
    return folder


def test_only_the_name_and_the_moved_point_differ_and_comments_stay(mine):
    text, theme = (mine / "theme.toml").read_text(), ThemeFolder(mine).theme
    changed = [
        (one, old)
        for one, old in zip(theme.emoji, SHIPPED.theme.emoji, strict=True)
        if one.point.tolist() != old.point.tolist()
    ]

    assert (theme.name, theme.title) == ("mine", SHIPPED.theme.title)
    ((joy, old),) = changed
    assert joy.name == "joy"
    assert ThemeFolder(mine).verify() == []
    assert text.startswith("# The classic theme")
    # A moved emoji keeps what it was declared to show.
    assert text.count("mixture = {") == 1
    np.testing.assert_allclose(joy.mixture, old.point)


def test_what_was_declared_outlives_a_second_calibration(mine, tmp_path):
    once = ThemeFolder(mine).theme
    points = {"joy": np.array([0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], np.float32)}

    write_theme(mine, tmp_path / "again", with_points(once, points))

    again = ThemeFolder(tmp_path / "again").theme
    before, after = (
        {one.name: one.mixture for one in theme.emoji if one.mixture is not None}
        for theme in (once, again)
    )
    assert list(after) == ["joy"]
    np.testing.assert_allclose(after["joy"], before["joy"])


def test_a_theme_that_could_not_be_opened_is_not_written(tmp_path):
    same = dict.fromkeys(("joy", "smile"), MIXED)

    with pytest.raises(ThemeError, match="apart"):
        write_theme(SHIPPED.folder, tmp_path / "bad", with_points(SHIPPED.theme, same))

    assert list(tmp_path.iterdir()) == []


def test_a_theme_that_is_there_is_replaced_whole(mine, tmp_path):
    folder = tmp_path / "mine"
    write_theme(SHIPPED.folder, folder, SHIPPED.theme)
    (folder / "stray.png").write_bytes(b"")

    write_theme(SHIPPED.folder, folder, with_points(SHIPPED.theme, {"joy": MIXED}))

    assert files(folder) == files(mine)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("folder", "force", "says"),
    [
        ("new", False, ""),
        ("theme", True, ""),
        ("theme", False, "--force"),
        ("letters", True, "is no theme"),
        ("letters", False, "is no theme"),
        ("file", True, "is no theme"),
        ("source", True, "not to be touched"),
        (emojis_dir() / "classic", True, "not to be touched"),
        (emojis_dir() / "another", True, "not to be touched"),
    ],
)
def test_where_a_theme_may_be_written(mine, tmp_path, folder, force, says):
    for name in ("theme", "source"):
        shutil.copytree(mine, tmp_path / name)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letters.txt").write_text("dear")
    (tmp_path / "file").write_text("")

    refusal = pytest.raises(OutputError, match=says) if says else nullcontext()
    with refusal:
        refuse_theme_folder(tmp_path / folder, tmp_path / "source", force=force)
