from __future__ import annotations

import sys
import tomllib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from emojifier_bot.errors import ThemeError
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.theme_maker import (
    find_disc,
    fitted,
    make_drawings,
    read_drawings,
)
from emojifier_bot.vision.themes import MIN_POINT_DISTANCE, opaque_share
from emojifier_bot.vision.types import EMOTIONS

KNOWN = tomllib.loads((emojis_dir() / "classic" / "theme.toml").read_text("utf-8"))[
    "emoji"
]
YELLOW = (250, 200, 60, 255)
CLEAR = (0, 0, 0, 0)
CIRCLE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
    '<circle cx="32" cy="32" r="28" fill="#fc3"/></svg>'
)


def disc(size_wh=(300, 200), box=(60, 10, 240, 190), holes=()) -> Image.Image:
    image = Image.new("RGBA", size_wh)
    draw = ImageDraw.Draw(image)
    draw.ellipse(box, fill=YELLOW)
    for hole in holes:
        draw.ellipse(hole, fill=CLEAR)
    return image


def drawings(*stems: str):
    art = fitted(disc())
    return {
        one.entry["name"]: one
        for one in make_drawings(dict.fromkeys(stems, art), KNOWN)
    }


@pytest.mark.parametrize(
    ("art", "center_xy", "diameter_px"),
    [
        (disc(), (256, 256), 512),
        (disc(box=(0, 0, 40, 40)), (256, 256), 512),
        (Image.new("RGBA", (40, 20), YELLOW), (128, 256), 256),
        # The light in an eye.
        (disc(holes=[(120, 60, 126, 66)]), (256, 256), 512),
    ],
    ids=["disc", "corner", "oblong", "small hole"],
)
def test_the_disc_is_found_in_art_of_any_size(art, center_xy, diameter_px):
    found = find_disc(fitted(art))

    # Scaled up, the edge of small art is soft.
    assert 0.85 * diameter_px < found.diameter_px <= diameter_px
    assert found.center_xy[1] == pytest.approx(center_xy[1], abs=3)
    assert found.center_xy[0] >= center_xy[0] - 3
    inside = [at - found.diameter_px / 2 >= 0 for at in found.center_xy]
    assert all(inside)


@pytest.mark.parametrize(
    "art",
    [
        disc(holes=[(80, 30, 220, 170)]),
        Image.new("RGBA", (64, 64), (250, 200, 60, 200)),
        Image.new("RGBA", (400, 20), YELLOW),
    ],
    ids=["ring", "translucent", "line"],
)
def test_what_hides_no_face_is_refused(art):
    assert find_disc(fitted(art)) is None
    with pytest.raises(ThemeError, match="ring has no opaque disc of 128 of 512"):
        make_drawings({"ring": fitted(art)}, KNOWN)


def test_of_a_wide_ring_the_disc_lies_in_its_band():
    art = fitted(disc(holes=[(120, 70, 180, 130)]))

    found = find_disc(art)

    # A ring of 180 with a hole of 60 has a band of 60; scaled up, its edges are soft.
    assert found.diameter_px == pytest.approx(512 / 3, abs=15)
    away = np.hypot(*(np.array(found.center_xy) - 256))
    assert away == pytest.approx(512 / 3, abs=6)
    assert opaque_share(np.asarray(art)[..., 3], found) == 1


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("joy", "joy"),
        ("Star Struck", "star-struck"),
        ("1f602", "joy"),
        ("emoji_u1f602", "joy"),
        ("U+1F602", "joy"),
        ("face_with_tears_of_joy", "joy"),
        ("😂", "joy"),
        ("laughing with tears", "joy"),
        ("anger", "anger"),
    ],
)
def test_a_name_says_the_place(stem, name):
    (made,) = drawings(stem).values()

    assert (made.is_placed, made.entry["name"]) == (True, name)
    known = next((one for one in KNOWN if one["name"] == name), None)
    point = known["point"] if known else {"anger": 1.0}
    assert made.entry["point"] == point


def test_a_second_drawing_of_a_face_takes_nobodys_place():
    others = ("grinning", "smiley", "smile", "joy", "1f602", "neutral_face")

    made = drawings(*EMOTIONS, *others)

    placed = {name: one.entry["point"] for name, one in made.items() if one.is_placed}
    # Neutral is the name of an emoji too.
    emotions = {*map(str, EMOTIONS)} - {"neutral"}
    assert "neutral_face" in placed
    assert {name: placed[name] for name in emotions} == {
        name: {name: 1.0} for name in emotions
    }


def test_the_others_get_a_free_place_and_are_left_to_surprise():
    made = drawings("joy", "1f602", "Big Cat!", "big cat", "smile", "happiness")

    # The second joy, and the smile that happiness stands for already.
    free = {name for name, one in made.items() if not one.is_placed}
    assert free == {"joy_2", "big_cat", "big_cat_2", "smile"}
    for name in free:
        assert made[name].entry["surprise_only"]
    points = np.array(
        [[one.entry["point"].get(key, 0) for key in EMOTIONS] for one in made.values()]
    )
    away = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(away, 1)
    assert away.min() >= MIN_POINT_DISTANCE
    assert points.sum(axis=1) == pytest.approx(1)


def test_pngs_and_svgs_are_read(tmp_path):
    disc().convert("P").save(tmp_path / "a.png")
    (tmp_path / "b.svg").write_text(CIRCLE)
    # One rendering of the drawing: the drawing counts.
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").touch()

    read = read_drawings(tmp_path)

    assert list(read) == ["a", "b"]
    for art in read.values():
        assert (art.mode, art.size) == ("RGBA", (512, 512))
        assert find_disc(art).diameter_px > 480


def test_a_missing_extra_is_told_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    for name in "ab":
        (tmp_path / f"{name}.svg").write_text(CIRCLE)

    with pytest.raises(ThemeError) as caught:
        read_drawings(tmp_path)

    assert caught.value.message == (
        "SVGs need the extra `svg` (resvg-py): docs/python.md says how to install it. "
        "Or save them as PNG."
    )


def test_every_drawing_that_cannot_be_used_is_named(tmp_path):
    Image.new("RGBA", (9, 9)).save(tmp_path / "clear.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "broken.svg").write_text("<svg")

    with pytest.raises(ThemeError) as caught:
        read_drawings(tmp_path)

    assert "clear.png is transparent everywhere" in caught.value.message
    assert "broken.svg cannot be read" in caught.value.message
    with pytest.raises(ThemeError, match="There is no PNG or SVG"):
        read_drawings(tmp_path.parent / tmp_path.name / "..")
