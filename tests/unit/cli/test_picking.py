from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from emojifier_bot.cli.main import app
from emojifier_bot.vision import models_dir
from emojifier_bot.vision.plan import Plan
from tests.datasets import sample
from tests.images import encoded, opened

#: Of the sample's face in the picture that is made here, left, and its mirror, right.
PAIR_WH = (500, 250)


@pytest.fixture(scope="module")
def pair() -> bytes:
    """Return a picture of two faces."""
    face = sample().crop((100, 0, 350, 250))
    image = Image.new("RGB", PAIR_WH)
    image.paste(face, (0, 0))
    image.paste(face.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (250, 0))
    return encoded(image, "PNG")


@pytest.fixture(autouse=True)
def _pictures(tmp_path, monkeypatch, pair):
    monkeypatch.chdir(tmp_path)
    Path("pair.png").write_bytes(pair)
    Path("sticker.png").write_bytes(encoded(Image.new("RGB", (9, 9), "lime"), "PNG"))
    Path("notes.txt").write_text("no picture")


def replay(*typed: str) -> dict:
    """Return what ``--json`` prints of one picture."""
    done = CliRunner().invoke(app, ["replay", "pair.png", "--json", "--force", *typed])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def new_files() -> list[str]:
    given = {"pair.png", "sticker.png", "notes.txt"}
    return sorted({one.name for one in Path().iterdir()} - given)


def result() -> np.ndarray:
    return np.asarray(opened(Path("pair.emojified.png").read_bytes()))


def emoji(found: dict) -> list[str | None]:
    return [one["emoji"] and one["emoji"]["name"] for one in found["faces"]]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["--skip", "3"], "There is no face 3: the picture has faces 1 to 2."),
        (["--only", "1,7"], "There is no face 7: the picture has faces 1 to 2."),
        (["--swap", "2,3"], "There is no face 3"),
        (["--as", "3=grin"], "There is no face 3"),
        (["--as", "1=grim"], 'The theme "classic" has no emoji "grim". Try grin.'),
        (["--everyone", "🦄"], 'The theme "classic" has no emoji "🦄".'),
        (["--also", "900,9,9x9"], "The place 900,9 lies outside of the picture"),
        (["--skip", "two"], '"two" names no faces. Write numbers, such as 2,5'),
        (["--as", "grin"], '"grin" names no face and emoji.'),
        (["--swap", "1"], '"1" names no two faces.'),
        (["--also", "here"], '"here" names no place.'),
        (["--skip", "1", "--only", "2"], "--skip and --only contradict each other."),
        (
            ["--cover", "blur", "--everyone", "grin"],
            "--everyone and --cover contradict",
        ),
        (["--cover", "blur", "--opposite"], "--opposite and --cover contradict"),
        (["--margin", "0.5"], "--margin only works with --cover."),
        (["--cover", "blur", "--margin", "3.5"], "'3.5' is not a number from 0 to 3."),
        (["--cover", "smear"], "A cover is solid, mosaic, blur or a picture, and"),
        (["--cover", "notes.txt"], "notes.txt: This file is not a picture"),
        (["--plan", "nowhere.json"], "nowhere.json cannot be read: No such file"),
        (["--plan", "notes.txt"], "notes.txt: This is no plan of a picture:"),
        (["sticker.png", "--skip", "1"], "are those of one picture, not of several"),
        (["sticker.png", "--save-plan", "a.json"], "are those of one picture"),
        (["--number", "-o", "/dev/null"], "write a second file"),
    ],
)
def test_wrong_usage_says_what_is_wrong_and_writes_nothing(typed, says):
    done = CliRunner().invoke(app, ["replay", "pair.png", "--json", *typed])

    assert done.exit_code == 2, done.output
    assert says in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert new_files() == []


def test_faces_are_left_given_another_emoji_and_swapped():
    chosen = emoji(replay("--save-plan", "plan.json"))
    before = result()

    assert emoji(replay("--skip", "2")) == [chosen[0], None]
    untouched = np.asarray(opened(Path("pair.png").read_bytes()))
    assert np.array_equal(result()[:, 250:], untouched[:, 250:])
    assert np.array_equal(result()[:, :250], before[:, :250])
    assert emoji(replay("--only", "2")) == [None, chosen[1]]
    assert emoji(replay("--as", "1=😎", "--as", "2=:sob:")) == ["sunglasses", "sob"]
    assert emoji(replay("--as", "1=sob", "--swap", "1,2")) == ["sob", chosen[0]]
    assert emoji(replay("--everyone", "joy", "--skip", "1")) == [None, "joy"]
    turned = replay("--opposite")
    assert not {*emoji(turned)} & {*chosen}
    assert {one["chosen_by"] for one in turned["faces"]} == {"person"}
    assert turned["alt_text"].startswith("2 faces: both drawn as ")
    plan = Plan.from_json(Path("plan.json").read_text())
    assert [one.decision.name for one in plan.faces] == chosen


def test_a_missed_face_is_named_by_its_place():
    found = replay("--min-confidence", "1", "--also", "50,20,150x150")

    (face,) = found["faces"]
    assert face["number"] == 1
    assert len(face["landmarks"]) == 68
    assert result().shape == (250, 500, 3)


def test_a_saved_plan_is_painted_again_and_changed(monkeypatch):
    first = replay("--theme", "classic", "--as", "2=sob", "--save-plan", "plan.json")
    bytes_then = Path("pair.emojified.png").read_bytes()
    # The settings' own theme is another one.
    monkeypatch.setenv("EMOJIFIER_THEME", "robots")

    again = replay("--plan", "plan.json")

    assert Path("pair.emojified.png").read_bytes() == bytes_then
    assert emoji(again) == emoji(first)
    assert "analyze" not in again["milliseconds"]
    assert again["faces"][0]["landmarks"] is None
    changed = replay("--plan", "plan.json", "--skip", "1", "--save-plan", "two.json")
    assert emoji(changed) == [None, "sob"]
    assert emoji(replay("--plan", "two.json")) == [None, "sob"]


def test_a_plan_of_another_picture_is_wrong_usage():
    replay("--save-plan", "plan.json")
    Path("pair.emojified.png").unlink()

    done = CliRunner().invoke(app, ["replay", "sticker.png", "--plan", "plan.json"])

    assert done.exit_code == 2
    said = " ".join(done.stderr.split())
    assert "The plan is for a picture of 500 x 250 pixels, and this one has 9" in said
    assert new_files() == ["plan.json"]


def test_numbers_are_written_on_a_copy():
    replay("--number")

    assert new_files() == ["pair.emojified.png", "pair.numbered.png"]
    numbered = np.asarray(opened(Path("pair.numbered.png").read_bytes()))
    plain = result()
    assert 200 < (numbered != plain).any(axis=-1).sum() < 3000
    # It is ours: a folder's next run leaves it out.
    done = CliRunner().invoke(app, ["replay", ".", "-o", "out", "--everyone", "joy"])
    assert done.exit_code == 0
    assert [one.name for one in Path("out").iterdir()] == ["pair.emojified.png"]


@pytest.mark.parametrize("kind", ["solid", "mosaic", "blur", "sticker.png"])
def test_covers_hide_every_face(kind):
    found = replay("--cover", kind, "--margin", "0.5", "--save-plan", "plan.json")

    assert emoji(found) == [None, None]
    assert found["alt_text"] == "2 faces: both covered"
    assert {one["decision"]["do"] for one in found["faces"]} == {"cover"}
    assert {one["decision"]["margin"] for one in found["faces"]} == {0.5}
    bytes_then = Path("pair.emojified.png").read_bytes()
    replay("--plan", "plan.json")
    assert Path("pair.emojified.png").read_bytes() == bytes_then


@pytest.mark.parametrize(
    "typed", [["--cover", "solid"], ["--everyone", "joy"], ["--plan", "plan.json"]]
)
def test_where_no_expression_chooses_no_emotion_model_is_opened(
    typed, tmp_path, monkeypatch
):
    replay("--save-plan", "plan.json")
    shipped = next(models_dir().glob("emotion_fused_*"))
    kept = shutil.copytree(shipped, tmp_path / "model")
    for file in kept.glob("*.onnx"):
        file.unlink()
    monkeypatch.setenv("EMOJIFIER_EMOTION_MODEL_DIR", str(kept))
    reading = CliRunner().invoke(app, ["replay", "pair.png", "--force"])
    assert reading.exit_code == 1
    assert "onnx" in reading.stderr

    assert len(replay(*typed)["faces"]) == 2


def test_a_folder_of_event_pictures_is_covered():
    Path("event/day").mkdir(parents=True)
    for name in ("event/a.png", "event/day/b.png"):
        shutil.copy("pair.png", name)

    done = CliRunner().invoke(
        app, ["replay", "event", "-r", "-o", "public", "--cover", "mosaic"]
    )

    assert done.exit_code == 0, done.output
    found = sorted(str(one) for one in Path("public").rglob("*.png"))
    assert found == ["public/a.emojified.png", "public/day/b.emojified.png"]


PAGE = Path(__file__).parents[3] / "docs" / "picking.md"
LINES = [
    line.partition("#")[0].split()[1:]
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_the_page_on_picking_faces_is_right(words, pair):
    five = Image.new("RGB", (1250, 250))
    for number in range(5):
        five.paste(opened(pair).crop((0, 0, 250, 250)), (250 * number, 0))
    Path("event").mkdir()
    for name in ("party.jpg", "event/one.jpg"):
        five.save(name, quality=95)
    saved = CliRunner().invoke(app, ["party.jpg", "-q", "--save-plan", "party.json"])
    Path("party.emojified.jpg").unlink()
    if "--save-plan" in words:
        Path("party.json").unlink()
    assert saved.exit_code == 0

    done = CliRunner().invoke(app, words)

    assert done.exit_code == 0, done.output
    assert Path("party.emojified.jpg").exists() or Path("public").exists()
