from __future__ import annotations

import contextlib
import copy
import functools
import json
import math
import operator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emojifier_bot.errors import ImageError, PlanError
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.plan import (
    MOST_MARGIN,
    ChosenBy,
    Cover,
    CoverKind,
    DrawEmoji,
    Leave,
    Plan,
    PlannedFace,
    check_fits,
)
from emojifier_bot.vision.types import BoundingBox, Placement
from tests.builders import make_face, make_plan, make_theme
from tests.fakes.pipeline import fake_pipeline
from tests.images import encoded

SIZES = st.floats(0, 1e5)
DECISIONS = st.one_of(
    st.builds(Leave),
    st.builds(DrawEmoji, st.text(max_size=9)),
    st.builds(Cover, st.sampled_from(CoverKind), st.floats(0, MOST_MARGIN), st.text()),
)
FACES = st.builds(
    PlannedFace,
    number=st.integers(1, 1),
    box=st.builds(BoundingBox, SIZES, SIZES, st.just(2e5), st.just(2e5)),
    placement=st.builds(Placement, st.tuples(SIZES, SIZES), st.floats(1, 1e5), SIZES),
    decision=DECISIONS,
    chosen_by=st.sampled_from(ChosenBy),
    sure=st.booleans(),
    nearest=st.lists(st.text(max_size=9)).map(tuple),
    shapes=st.text(),
)


@given(st.lists(FACES, max_size=4))
def test_a_plan_survives_json(faces):
    faces = [replace(face, number=2 * n) for n, face in enumerate(faces, start=1)]
    plan = Plan(640, 480, "classic", "local", tuple(faces), frame=3)

    assert Plan.from_json(plan.to_json()) == plan


def test_what_was_read_is_not_in_the_json():
    plan = make_plan(1)
    read = replace(plan.faces[0], face=make_face("fear"))

    text = replace(plan, faces=(read,)).to_json()

    assert text == plan.to_json()
    assert "fear" not in text
    assert Plan.from_json(text).faces[0].face is None


def test_what_a_newer_version_added_is_left_out():
    values = make_plan(1).to_dict()
    values["hats"] = values["faces"][0]["hat"] = "bowler"

    assert Plan.from_dict(values) == make_plan(1)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "3", "null", "{}", '{"faces": 3}', '"plan"'),
        make_plan(1).to_json().replace('"width"', '"breadth"'),
        make_plan(1).to_json().replace('"emoji"', '"eat"'),
        make_plan(1).to_json().replace('"reader"', '"nobody"'),
        make_plan(1).to_json().replace('"number": 1', '"number": 0'),
        make_plan(2).to_json().replace('"number": 2', '"number": 1'),
        make_plan(1).to_json().replace('"size_px": 80.0', '"size_px": NaN'),
        make_plan(1).to_json().replace('"size_px": 80.0', '"size_px": 1e999'),
        make_plan(1, Cover(CoverKind.BLUR))
        .to_json()
        .replace('"margin": 0.25', '"margin": 9'),
        make_plan(1, Cover(CoverKind.BLUR)).to_json().replace("blur", "smear"),
    ],
)
def test_other_text_is_no_plan(text):
    with pytest.raises(PlanError, match="This is no plan of a picture: ") as caught:
        Plan.from_json(text)
    assert caught.value.kind == "plan"


HOSTILE = (
    *(-1, 0, 1e308, 1e999, -1e999, 10**400, True, None),
    *("", "x", "9" * 50, [], [1], {}, {"do": []}),
)


def leaves(values, path=()):
    """Yield the way to each value, and to what holds others."""
    if isinstance(values, dict | list):
        items = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in items:
            yield (*path, key)
            yield from leaves(value, (*path, key))


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:12])
def test_any_value_anywhere_gives_a_plan_that_can_be_painted_or_is_refused(value):
    picture = encoded(Image.new("RGB", (640, 480), "tan"), "PNG", compress_level=1)
    for decision in (DrawEmoji("neutral_face"), Cover(CoverKind.BLUR)):
        values = make_plan(1, decision).to_dict()
        for path in leaves(values):
            changed = copy.deepcopy(values)
            *way, last = path
            functools.reduce(operator.getitem, way, changed)[last] = value
            with contextlib.suppress(PlanError, ImageError):
                plan = Plan.from_json(json.dumps(changed))
                options = EmojifyOptions(numbered=True)
                assert fake_pipeline().render(picture, plan, options).encoded


def test_nesting_without_end_is_no_plan():
    with pytest.raises(PlanError, match="This is no plan"):
        Plan.from_json("[" * 100_000)


@pytest.mark.parametrize("margin", [-0.1, MOST_MARGIN + 0.1, math.nan])
def test_a_margin_has_limits(margin):
    with pytest.raises(ValueError, match="margin"):
        Cover(CoverKind.SOLID, margin)


def test_a_plan_knows_whether_it_covers():
    assert not make_plan(0).covers
    assert not make_plan(2).covers
    assert make_plan(2, Cover(CoverKind.BLUR)).covers


def test_a_plan_must_fit_the_picture_and_the_theme():
    plan = make_plan(2)
    theme = make_theme()

    check_fits(plan, (plan.width, plan.height), theme)
    with pytest.raises(PlanError, match="640 x 480 pixels, and this one has 480 x 640"):
        check_fits(plan, (480, 640), theme)
    with pytest.raises(PlanError, match="Face 1 of the plan gets the emoji 'neutral_f"):
        check_fits(plan, (640, 480), replace(theme, name="bare", emoji=()))


def test_the_json_is_plain():
    plan = make_plan(1, Cover(CoverKind.MOSAIC, 0.5))

    assert json.loads(plan.to_json()) == {
        "width": 640,
        "height": 480,
        "theme": "test",
        "backend": "local",
        "frame": 0,
        "frames": 1,
        "reading": "expressions",
        "faces": [
            {
                "number": 1,
                "frame": 0,
                "box": [60.0, 60.0, 140.0, 140.0],
                "placement": {
                    "center_xy": [100.0, 100.0],
                    "size_px": 80.0,
                    "roll_degrees": 0.0,
                },
                "decision": {
                    "do": "cover",
                    "kind": "mosaic",
                    "picture": "",
                    "margin": 0.5,
                },
                "chosen_by": "reader",
                "sure": True,
                "nearest": [],
                "shapes": "",
            }
        ],
    }
