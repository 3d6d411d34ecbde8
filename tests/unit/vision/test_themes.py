from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.errors import ConfigError, ThemeError
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.color import straight
from emojifier_bot.vision.themes import (
    ART_SIZE_PX,
    MIN_MILD,
    MIN_POINT_DISTANCE,
    SPRITE_SIZES_PX,
    ThemeFolder,
    list_themes,
    open_theme,
    read_theme,
)
from emojifier_bot.vision.types import EMOTIONS, Anchor, GeometryBound, Measure
from tests import profiles
from tests.builders import make_sprite

HEAD = {"name": "mine", "title": "Mine"}
WIDTH = {"measure": "smile_width"}
DISC = Anchor((256, 264), 440)


def toml(value: object) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {toml(one)}" for key, one in value.items())
        return "{ " + inside + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def anchor(x: float, y: float, diameter_px: float) -> dict[str, object]:
    return {"center_xy": [x, y], "diameter_px": diameter_px}


def entry(name: str, /, **changes: object) -> dict[str, object]:
    """Return one emoji's entry; None takes a key out."""
    fields: dict[str, object] = {
        "name": name,
        "character": name[:2],
        "spoken": f"being {name}",
        "anchor": anchor(256.0, 264.0, 440),
        "mild": True,
        "point": {name: 1.0},
    }
    fields |= changes
    return {key: value for key, value in fields.items() if value is not None}


def entries(**changes: object) -> list[dict[str, object]]:
    """Return a sound emoji for each emotion; the changes go to the first."""
    first, *rest = EMOTIONS
    return [entry(first, **changes), *(entry(str(name)) for name in rest)]


def write_theme(folder: Path, emoji=None, **head: object) -> Path:
    """Write a theme whose art is one empty file each."""
    emoji = entries() if emoji is None else emoji
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {toml(value)}" for key, value in (HEAD | head).items()]
    for one in emoji:
        lines += [
            "[[emoji]]",
            *(f"{key} = {toml(value)}" for key, value in one.items()),
        ]
        if isinstance(one.get("name"), str) and re.fullmatch(r"\w+", one["name"]):
            (folder / f"{one['name']}.png").touch()
    (folder / "theme.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder


def draw(folder: Path, *names: str, art: np.ndarray | None = None) -> None:
    art = make_sprite(size_px=ART_SIZE_PX, anchor=DISC) if art is None else art
    for name in names:
        Image.fromarray(art).save(folder / f"{name}.png")


def problems_of(folder: Path) -> str:
    with pytest.raises(ThemeError) as caught:
        read_theme(folder)
    assert str(folder / "theme.toml") in caught.value.message
    return caught.value.message


def test_a_theme_is_read(tmp_path):
    bounds = [
        {"measure": "mouth_opening", "minimum": 0.25, "maximum": 0.6},
        {"measure": "left_eye_opening", "maximum": 0.15},
    ]
    point = {"anger": 0.7, "fear": 0.3}
    write_theme(tmp_path, entries(bounds=bounds, point=point, mild=None))

    theme = ThemeFolder(tmp_path).theme

    assert (theme.name, theme.title, theme.art_size_px) == ("mine", "Mine", 512)
    first, second, *rest = theme.emoji
    assert (first.name, first.character, first.spoken) == ("anger", "an", "being anger")
    assert (first.mild, first.surprise_only) == (False, False)
    assert first.anchor == DISC
    np.testing.assert_allclose(first.point, [0.7, 0, 0, 0.3, 0, 0, 0, 0])
    assert first.bounds == (
        GeometryBound(Measure.MOUTH_OPENING, 0.25, 0.6),
        GeometryBound(Measure.LEFT_EYE_OPENING, maximum=0.15),
    )
    assert second.mild
    assert second.bounds == ()
    assert len(rest) == 6


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": 7}, "emoji no. 1: name must be a text"),
        ({"name": "Big Smile"}, "name must be a Slack short name"),
        ({"name": "../x"}, "name must be a Slack short name"),
        ({"character": ""}, "emoji 'anger': character must not be empty"),
        ({"spoken": None}, "spoken must be a text"),
        ({"spoken": "x" * 61}, "spoken must have at most 60 characters"),
        ({"spoken": " angry"}, "spoken must be one line"),
        ({"spoken": "so\nangry"}, "spoken must be one line"),
        ({"mild": 1}, "mild must be true or false"),
        ({"surprise_only": True}, "mild and surprise_only exclude each other"),
        ({"colour": "red"}, "there is no such key as 'colour'"),
        ({"point": None}, "point must be a table"),
        ({"point": {}}, "the shares must sum to 1, not to 0"),
        ({"point": {"anger": 0.9}}, "point: the shares must sum to 1, not to 0.9"),
        ({"point": {"anger": 1.00001}}, "must sum to 1"),
        ({"point": {"anger": 1.5, "fear": -0.5}}, "no share may be negative"),
        ({"point": {"angry": 1.0}}, "point: there is no such key as 'angry'"),
        ({"point": {"anger": True}}, "point: anger must be a number"),
        ({"point": {"anger": float("nan")}}, "anger must be a number"),
        ({"point": {"anger": 10**400}}, "anger must be a number"),
        ({"anchor": None}, "anchor must be a table"),
        ({"anchor": {"center_xy": [9], "diameter_px": 9}}, "must be two numbers"),
        ({"anchor": {"center_xy": [9, 9]}}, "anchor: diameter_px must be a number"),
        ({"anchor": anchor(99, 99, 0)}, "diameter_px must be 128 or more"),
        ({"anchor": anchor(99, 99, 127)}, "diameter_px must be 128 or more"),
        ({"anchor": anchor(256, 300, 440)}, "the disc must lie inside the 512 px art"),
        ({"bounds": 3}, "bounds must be a list of tables"),
        ({"bounds": [{"measure": "nose"}]}, "bounds: measure must be one of mouth_"),
        ({"bounds": [WIDTH]}, "there must be a minimum"),
        ({"bounds": [WIDTH | {"minimum": 2, "maximum": 1}]}, "a minimum below a max"),
        (
            {"bounds": [WIDTH | {"minimum": 1, "max": 2}]},
            "bounds: there is no such key",
        ),
        ({"bounds": [WIDTH | {"minimum": 1}] * 2}, "two bounds on one measure"),
        (
            {"bounds": [{"measure": one, "minimum": 0} for one in list(Measure)[:3]]},
            "there may be at most 2 bounds, not 3",
        ),
    ],
)
def test_faults_of_an_entry_are_named(tmp_path, changes, problem):
    assert problem in problems_of(write_theme(tmp_path, entries(**changes)))


def test_every_problem_is_listed_at_once(tmp_path):
    emoji = entries(spoken="", mild="yes", point={"anger": 0.4})
    emoji[3]["anchor"] = anchor(0, 0, 440)

    message = problems_of(write_theme(tmp_path, emoji, tittle="x", title=3))

    assert message.count("\n- ") == 6
    assert "the theme: title must be a text" in message
    assert "no such key as 'tittle'" in message
    assert "emoji 'fear'" in message


def test_missing_art_is_named(tmp_path):
    (write_theme(tmp_path) / "fear.png").unlink()

    assert "emoji 'fear': its art fear.png is missing" in problems_of(tmp_path)


@pytest.mark.parametrize("key", ["name", "character", "spoken"])
def test_repeated_values_are_named(tmp_path, key):
    emoji = entries()
    emoji[4][key] = emoji[2][key]

    assert f"2 emoji have the {key} {emoji[2][key]!r}" in problems_of(
        write_theme(tmp_path, emoji)
    )


@pytest.mark.parametrize(("share", "allowed"), [(0.94, False), (0.92, True)])
def test_points_keep_their_distance(tmp_path, share, allowed):
    # A share of 1 - s moved to another emotion is the root of 2 times that away.
    assert (2**0.5 * (1 - share) > MIN_POINT_DISTANCE) == allowed
    near = entry("near", character="n", point={"fear": share, "anger": 1 - share})
    write_theme(tmp_path, [*entries(), near])

    if allowed:
        assert len(read_theme(tmp_path).emoji) == 9
    else:
        assert "the points of 'fear' and 'near' are 0.085 apart" in problems_of(
            tmp_path
        )


@pytest.mark.parametrize(
    ("emoji", "problem"),
    [
        ([], "0 emoji are mild"),
        (
            [one | {"mild": at < MIN_MILD - 1} for at, one in enumerate(entries())],
            "5 emoji are mild; 6 or more must be",
        ),
        (
            [one | {"mild": False, "surprise_only": True} for one in entries()],
            "no emoji may be chosen",
        ),
    ],
    ids=["none", "few mild", "surprises"],
)
def test_there_must_be_enough_to_choose_from(tmp_path, emoji, problem):
    assert problem in problems_of(write_theme(tmp_path, emoji))


@pytest.mark.parametrize("content", [None, b"name = ", b"\xff\xfe", b"emoji = 3"])
def test_a_table_that_is_none_is_an_error(tmp_path, content):
    if content is not None:
        (tmp_path / "theme.toml").write_bytes(content)

    problems_of(tmp_path)


@pytest.mark.parametrize("character", ["😮\u200d💨", "☺\ufe0f", "❤"])
def test_characters_may_be_joined_ones(tmp_path, character):
    write_theme(tmp_path, entries(character=character))

    assert read_theme(tmp_path).emoji[0].character == character


@pytest.fixture
def drawn(tmp_path) -> ThemeFolder:
    folder = write_theme(tmp_path)
    draw(folder, *EMOTIONS)
    return ThemeFolder(folder)


@pytest.mark.parametrize(
    ("size", "widths"),
    [(32, (0, 1, 32)), (64, (33,)), (256, (256,)), (512, (257, 512, 5000))],
)
def test_the_smallest_size_that_is_wide_enough_is_given(drawn, size, widths):
    for width in widths:
        sprite = drawn.sprite(drawn.theme.emoji[0], width)

        assert (sprite.shape, sprite.dtype) == ((size, size, 4), np.uint8)
        assert not sprite.flags.writeable


def test_reduced_art_has_no_dark_fringe(drawn):
    for size in SPRITE_SIZES_PX:
        sprite = drawn.sprite(drawn.theme.emoji[0], size)
        colors = np.asarray(straight(sprite))
        seen = colors[sprite[..., 3] > 40][:, :3].astype(int)
        # Of 41 levels of alpha, one is six levels of colour.
        assert np.abs(seen - (250, 200, 60)).max() <= 6
        full = np.pi * (440 / 512) ** 2 / 4
        assert sprite[..., 3].mean() / 255 == pytest.approx(full, abs=0.002)


def test_a_sprite_is_converted_once_into_a_profile(drawn):
    emoji, profile = drawn.theme.emoji[0], profiles.rgb_profile()
    wide = drawn.sprite(emoji, 64, profile)
    for path in drawn.folder.glob("*.png"):
        path.unlink()

    assert drawn.sprite(emoji, 64, bytes(bytearray(profile))) is wide
    with pytest.raises(ThemeError, match="cannot be read"):
        drawn.sprite(emoji, 64)


def test_a_sprite_is_read_once_and_only_when_asked_for(drawn):
    emoji = drawn.theme.emoji[0]
    sprite = drawn.sprite(emoji, 60)
    for path in drawn.folder.glob("*.png"):
        path.unlink()

    assert drawn.sprite(emoji, 64) is sprite
    assert drawn.sprite(emoji, 64, profiles.SRGB) is sprite
    with pytest.raises(ThemeError, match="cannot be read"):
        drawn.sprite(emoji, 65)


@pytest.mark.parametrize(
    ("art", "problem"),
    [
        (np.zeros((512, 512, 3), np.uint8), "is 512×512 RGB; emoji are 512×512 RGBA"),
        (make_sprite(size_px=256), "is 256×256 RGBA"),
        (make_sprite(size_px=512, anchor=Anchor((256, 264), 430)), "only 95."),
    ],
)
def test_verify_names_art_that_is_wrong(drawn, art, problem):
    draw(drawn.folder, "fear", art=art)

    (found,) = drawn.verify()

    assert "fear" in found
    assert problem in found


def test_what_is_no_theme_is_told_in_words(tmp_path):
    with pytest.raises(ThemeError) as missing:
        open_theme(tmp_path / "nosuch")
    with pytest.raises(ThemeError) as empty:
        open_theme(tmp_path)

    assert missing.value.message == (
        f"There is no folder {tmp_path / 'nosuch'} to read a theme from."
    )
    assert empty.value.message == (
        f"{tmp_path / 'theme.toml'} cannot be read: No such file or directory. A theme "
        "is a folder with a theme.toml."
    )


def test_verify_finds_nothing_in_a_sound_theme_and_strays_beside_it(drawn):
    assert drawn.verify() == []

    draw(drawn.folder, "stray")
    (drawn.folder / "anger.png").write_bytes(b"no picture")

    broken, stray = drawn.verify()
    assert "anger.png cannot be read" in broken
    assert "stray.png belongs to no emoji" in stray


def test_themes_are_listed_by_name(tmp_path):
    assert list_themes(tmp_path) == []

    write_theme(tmp_path / "b")
    write_theme(tmp_path / "a")
    (tmp_path / "no theme").mkdir()

    assert list_themes(tmp_path) == ["a", "b"]


def test_a_name_opens_a_shipped_theme_and_a_path_any(tmp_path, monkeypatch):
    monkeypatch.setattr("emojifier_bot.vision.themes.emojis_dir", lambda: tmp_path)
    folder = write_theme(tmp_path / "mine")
    draw(folder, *EMOTIONS)
    monkeypatch.chdir(tmp_path)

    assert open_theme("mine").folder == folder
    assert open_theme("./mine").theme.name == "mine"
    assert open_theme(f"{tmp_path}{os.sep}mine").theme.name == "mine"
    assert open_theme(folder).folder == folder


@pytest.mark.parametrize("alpha", [0, 254])
def test_a_theme_of_ones_own_that_covers_nothing_is_refused(tmp_path, alpha):
    folder = write_theme(tmp_path / "mine")
    draw(folder, *EMOTIONS)
    draw(folder, "fear", art=np.full((512, 512, 4), alpha, np.uint8))

    with pytest.raises(ThemeError, match=r"mine/fear.png: only 0.0% of the disc"):
        open_theme(folder)


@pytest.mark.parametrize("name", ["nope", "..", ".", ""])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ConfigError, match=r"there is classic\. A folder of your own"):
        open_theme(name)


@pytest.mark.parametrize("name", list_themes(emojis_dir()))
def test_shipped_themes_are_sound(name):
    theme = open_theme(name)

    assert theme.verify() == []
    assert theme.theme.name == name
