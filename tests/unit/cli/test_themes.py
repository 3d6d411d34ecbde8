from __future__ import annotations

import pytest
from click.testing import CliRunner
from PIL import Image

from emojifier_bot.cli.main import app
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.types import EMOTIONS, Reading
from tests.builders import make_face, make_sprite
from tests.images import encoded, photo


@pytest.fixture
def art(tmp_path, monkeypatch):
    """Return a folder with a drawing for each emotion."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "art"
    folder.mkdir()
    for name in EMOTIONS:
        Image.fromarray(make_sprite(size_px=200)).save(folder / f"{name}.png")
    return folder


def run(*arguments: str):
    return CliRunner().invoke(app, ["themes", *arguments])


def test_a_theme_is_made_from_any_drawings(art, tmp_path):
    Image.fromarray(make_sprite(size_px=90)).save(art / "cat.png")

    done = run("new", "art", "--name", "mine")

    assert done.exit_code == 0, done.output
    theme = open_theme(tmp_path / "mine")
    assert theme.verify() == []
    assert (theme.theme.name, len(theme.theme.emoji)) == ("mine", 9)
    (cat,) = [one for one in theme.theme.emoji if one.name == "cat"]
    assert cat.surprise_only
    assert "Only --surprise chooses cat" in done.stderr
    with Image.open(tmp_path / "mine.sheet.png") as sheet:
        assert sheet.width > 1000
    assert run("verify", "./mine").output == "ok     ./mine: 9 emoji\n"
    assert run("new", "art", "--name", "mine").exit_code == 1
    assert run("new", "art", "--name", "mine", "--force").exit_code == 0


def test_photos_place_what_no_name_places(art, tmp_path, monkeypatch):
    Image.fromarray(make_sprite(size_px=90)).save(art / "cat.png")
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "a.png").write_bytes(encoded(photo(64, 48), "PNG"))
    face = make_face()

    class OneFace:
        def analyze(self, _picture, *, expressions=True):
            assert expressions
            return Reading((face,), "local")

    monkeypatch.setattr("emojifier_bot.app.make_analyzer", lambda *_, **__: OneFace())

    done = run("new", "art", "--name", "mine", "--photos", "photos")

    assert done.exit_code == 0, done.output
    theme = open_theme(tmp_path / "mine").theme
    (cat,) = [one for one in theme.emoji if one.name == "cat"]
    assert (cat.surprise_only, cat.mild) == (False, True)
    mean = face.scores.probabilities
    nearest = min(abs(cat.point - mean).sum(), 0.3)
    assert abs(cat.point - mean).sum() == pytest.approx(nearest)
    assert "Only --surprise" not in done.stderr


def test_too_few_drawings_are_told_which_names_would_do(art):
    for name in EMOTIONS[:4]:
        (art / f"{name}.png").unlink()

    done = run("new", "art", "--name", "mine")

    assert done.exit_code == 1
    assert (
        "4 of 4 drawings may stand for a face whose expression is unclear; a theme "
        in (done.stderr)
    )
    assert "slightly_smiling_face" in done.stderr


@pytest.mark.usefixtures("art")
def test_a_theme_that_covers_nothing_is_named_and_not_the_photo(tmp_path):
    assert run("new", "art", "--name", "mine").exit_code == 0
    Image.new("RGBA", (512, 512)).save(tmp_path / "mine" / "fear.png")
    (tmp_path / "photo.png").write_bytes(encoded(photo(64, 48), "PNG"))

    verified = run("verify", "./mine", "classic")
    replayed = CliRunner().invoke(app, ["replay", "photo.png", "--theme", "./mine"])

    assert (verified.exit_code, replayed.exit_code) == (1, 1)
    fault = "mine/fear.png: only 0.0% of the disc"
    assert verified.stdout.startswith(f"wrong  ./mine: {fault}")
    assert verified.stdout.splitlines()[-1].startswith("ok     classic: ")
    assert replayed.stderr.startswith(fault)
    assert "photo.png" not in replayed.stderr


@pytest.mark.parametrize("name", ["", "a/b", "..", "../x"])
def test_a_name_is_no_path(art, name):
    done = run("new", str(art), "--name", name)

    assert done.exit_code == 2
    assert "is no name of a folder" in done.stderr
