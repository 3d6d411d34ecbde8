"""A theme of one's own from photos, and two back ends beside each other."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageOps

from emojifier_bot.vision.themes import ThemeFolder, open_theme


@pytest.fixture
def proxies(tmp_path, sample):
    """Return a folder with three photos of one smile, and what does not belong."""
    folder = tmp_path / "proxies" / "joy"
    folder.mkdir(parents=True)
    with Image.open(io.BytesIO(sample)) as opened:
        photo = opened.convert("RGB")
    photo.save(folder / "one.jpg")
    ImageOps.mirror(photo).save(folder / "two.jpg")
    photo.resize((400, 400)).save(folder / "three.png")
    Image.new("RGB", (200, 200), (90, 160, 90)).save(folder / "green.jpg")
    (folder / "page.jpg").write_text("<html>")
    (folder / "notes.txt").write_text("not a photo")
    (tmp_path / "proxies" / "gladness").mkdir()
    return folder.parent


def test_photos_make_a_theme_that_replay_takes(run, proxies, tmp_path, sample):
    done = run("calibrate", str(proxies), "-o", "mine")

    assert done.returncode == 0, done.stderr.decode()
    notes = done.stderr.decode()
    assert "gladness is left out: no emoji of that name is to be placed." in notes
    assert "green.jpg has no face that was found; it is left out." in notes
    assert "page.jpg cannot be read" in notes
    table = done.stdout.decode()
    (row,) = [line for line in table.splitlines() if line.startswith("joy")]
    assert row.split()[1] == "3"
    assert " of 3 " in row
    mine = {
        one.name: one.point.tolist()
        for one in ThemeFolder(tmp_path / "mine").theme.emoji
    }
    shipped = {
        one.name: one.point.tolist() for one in open_theme("classic").theme.emoji
    }
    assert [name for name in mine if mine[name] != shipped[name]] == ["joy"]
    with Image.open(tmp_path / "mine.points.png") as picture:
        assert picture.format == "PNG"
    (tmp_path / "photo.png").write_bytes(sample)
    assert run("replay", "photo.png", "--theme", "./mine").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'PROXIES'"),
        (["missing"], "missing is no folder."),
        (["."], "There is no photo in ."),
    ],
    ids=["nothing", "no folder", "no photo"],
)
def test_wrong_usage_says_what_to_do(run, arguments, message):
    done = run("calibrate", *arguments)

    assert done.returncode == 2
    assert message in done.stderr.decode()


def test_what_is_there_is_not_written_over(run, proxies, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letters.txt").write_text("dear")

    done = run("calibrate", str(proxies), "-o", "mine", "--force")

    assert done.returncode == 1
    assert b"is there already and is no theme" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letters.txt"]
