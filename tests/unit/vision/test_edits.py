from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.errors import PlanError
from emojifier_bot.vision import edits
from emojifier_bot.vision.edits import NO_EDITS, Edits, apply, parse_edits
from emojifier_bot.vision.plan import ChosenBy, Cover, CoverKind, DrawEmoji, Leave
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.types import BoundingBox
from tests.builders import make_plan, make_theme

THEME = make_theme()
HAPPY, SAD, NEUTRAL, SURPRISED = (
    DrawEmoji(f"{one}_face") for one in ("happiness", "sadness", "neutral", "surprise")
)
SOLID, MOSAIC, BLUR = (
    Cover(kind) for kind in (CoverKind.SOLID, CoverKind.MOSAIC, CoverKind.BLUR)
)
LEAVE = Leave()


def decisions(plan):
    return [face.decision for face in plan.faces]


def by_person(plan):
    return {one.number for one in plan.faces if one.chosen_by is ChosenBy.PERSON}


@pytest.mark.parametrize(
    ("words", "expected", "chosen"),
    [
        ("", [HAPPY, SAD, NEUTRAL], set()),
        ("skip 2", [HAPPY, LEAVE, NEUTRAL], {2}),
        ("skip 1,3", [LEAVE, SAD, LEAVE], {1, 3}),
        ("Skip 1 3", [LEAVE, SAD, LEAVE], {1, 3}),
        ("only 1-2", [HAPPY, SAD, LEAVE], {3}),
        ("only 2", [LEAVE, SAD, LEAVE], {1, 3}),
        ("only 1-3 skip 2", [HAPPY, LEAVE, NEUTRAL], {2}),
        ("3=happiness_face", [HAPPY, SAD, HAPPY], {3}),
        ("3=:happiness_face:, 2=n", [HAPPY, NEUTRAL, HAPPY], {2, 3}),
        ("everyone :sadness_face:", [SAD, SAD, SAD], {1, 2, 3}),
        ("swap 1 3", [NEUTRAL, SAD, HAPPY], {1, 3}),
        ("swap 1,2 swap 2,3", [SAD, NEUTRAL, HAPPY], {1, 2, 3}),
        ("opposite", [SAD, HAPPY, SURPRISED], {1, 2, 3}),
        ("cover", [SOLID] * 3, {1, 2, 3}),
        # What concerns everybody comes first, whatever the order of the words.
        ("skip 1 blur", [LEAVE, BLUR, BLUR], {1, 2, 3}),
        ("2=happiness_face mosaic", [MOSAIC, HAPPY, MOSAIC], {1, 2, 3}),
        ("swap 1 2 3=happiness_face", [SAD, HAPPY, HAPPY], {1, 2, 3}),
        ("everyone happiness_face opposite", [SAD, SAD, SAD], {1, 2, 3}),
        # Counted from the last one, and several at once.
        ("skip last", [HAPPY, SAD, LEAVE], {3}),
        ("skip Last:2", [HAPPY, LEAVE, LEAVE], {2, 3}),
        ("only 1,last", [HAPPY, LEAVE, NEUTRAL], {2}),
        ("swap 1 last", [NEUTRAL, SAD, HAPPY], {1, 3}),
        ("1-2=n last=happiness_face", [NEUTRAL, NEUTRAL, HAPPY], {1, 2, 3}),
        ("last:2=Mosaic 1=cover", [SOLID, MOSAIC, MOSAIC], {1, 2, 3}),
        ("blur 2=happiness_face", [BLUR, HAPPY, BLUR], {1, 2, 3}),
    ],
)
def test_words_change_a_plan(words, expected, chosen):
    plan = make_plan(3, HAPPY, SAD, NEUTRAL)

    edited = apply(plan, parse_edits(words), THEME)

    assert decisions(edited) == expected
    assert by_person(edited) == chosen
    assert [one.placement for one in edited.faces] == [
        one.placement for one in plan.faces
    ]


def test_the_opposite_of_a_face_that_is_left_or_covered_is_itself():
    edited = edits.opposite(make_plan(3, LEAVE, SOLID, HAPPY), THEME)

    assert decisions(edited) == [LEAVE, SOLID, SAD]


def test_every_emoji_that_ships_has_another_opposite():
    theme = open_theme("classic").theme
    by_name = {one.name: one for one in theme.emoji}

    assert edits.opposite_of(theme, by_name["joy"]).point.argmax() == 6  # sadness
    assert edits.opposite_of(theme, by_name["sob"]).point.argmax() == 4  # happiness
    for one in theme.emoji:
        assert edits.opposite_of(theme, one).name != one.name


def test_spaces_and_commas_separate():
    asked = parse_edits(" skip 2,, 3=😎 ,blur,")

    assert asked == Edits(
        skip=frozenset({2}), uses=((frozenset({3}), "😎"),), cover=BLUR
    )
    assert parse_edits(" , ") == parse_edits("") == NO_EDITS


def test_missed_faces_are_named_by_their_place():
    assert parse_edits("also 120,80,60x50").also == (BoundingBox(120, 80, 180, 130),)


PIECES = st.sampled_from(
    [*"0123456789,-=x ", "skip", "only", "swap", "everyone", "also", "blur", "😎", "٣"]
)


@given(st.lists(st.lists(PIECES, max_size=6).map("".join), max_size=6))
def test_any_words_are_understood_or_refused(words):
    plan = make_plan(3, HAPPY, SAD, NEUTRAL)

    with contextlib.suppress(PlanError):
        asked = parse_edits(" ".join(words))
        assert len(apply(plan, asked, THEME).faces) >= 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("skip", 'After "skip" go the numbers of faces, such as skip 1,4.'),
        ("skip two", 'After "skip" go the numbers'),
        ("only", 'After "only" go the numbers'),
        ("swap 1", '"1" names no two faces.'),
        ("swap 1 2 3", '"1,2,3" names no two faces.'),
        ("swap 2,2", '"2,2" names no two faces.'),
        ("skip 3-1", '"3-1" names no faces.'),
        ("skip 0", '"0" names no faces.'),
        ("skip 1-999999", '"1-999999" names no faces.'),
        ("also 0,0,999999x1", '"0,0,999999x1" names no place.'),
        ("also 0,400000,9x200000", '"0,400000,9x200000" names no place.'),
        ("0=grin", '"0" names no faces.'),
        ("last:0=grin", '"last:0" names no faces.'),
        ("swap last:3", '"last:3" names no two faces.'),
        ("everyone grin everyone joy", "All faces get one emoji, or one kind of"),
        ("cover everyone joy", "All faces get one emoji, or one kind of cover"),
        ("mosaic blur", "All faces get one emoji, or one kind of cover"),
        ("opposite cover", "All faces get one emoji, or one kind of cover"),
        ("everyone", 'After "everyone" goes an emoji'),
        ("also", '"" names no place.'),
        ("also 1,2,0x5", '"1,2,0x5" names no place.'),
        ("dance", '"dance" is no change of a plan. These are: skip 2,5, '),
    ],
)
def test_words_that_lack_something_are_refused(words, message):
    with pytest.raises(PlanError) as caught:
        parse_edits(words)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("count", "words", "message"),
    [
        (3, "skip 5", "There is no face 5: the picture has faces 1 to 3."),
        (3, "only 2,7", "There is no face 7: the picture has faces 1 to 3."),
        (1, "swap 1 2", "There is no face 2: the picture has one face, number 1."),
        (0, "4=n", "There is no face 4: no face was found in the picture."),
        (0, "skip last", "There is no last face: no face was found in the picture."),
        (
            1,
            "skip last:2",
            "There are no last 2 faces: the picture has one face, number",
        ),
        (1, "swap 1 last", "Face 1 cannot be exchanged with itself."),
        (3, "2=n last:2=happiness_face", 'Face 2 gets "happiness_face" and something'),
        (3, "skip last 3=n", 'Face 3 gets "n" and is left as it is: choose one.'),
        (3, "only 1 2=n", 'Face 2 gets "n" and is left as it is: choose one.'),
        (2, "2=grim", 'The theme "test" has no emoji "grim". Try anger_face, contempt'),
        (2, "everyone hapiness", 'has no emoji "hapiness". Try happiness_face.'),
    ],
)
def test_what_is_not_there_is_refused(count, words, message):
    with pytest.raises(PlanError) as caught:
        apply(make_plan(count, NEUTRAL), parse_edits(words), THEME)
    assert message in caught.value.message


@pytest.mark.parametrize("text", ["sunglasses", ":sunglasses:", "😎", "Sunglasses"])
def test_an_emoji_has_several_names(text):
    theme = open_theme("classic").theme

    assert edits.emoji_named(theme, text).name == "sunglasses"


def test_an_emoji_is_known_with_and_without_its_variation_selector():
    theme = open_theme("classic").theme
    for one in theme.emoji:
        plain = one.character.replace("\N{VARIATION SELECTOR-16}", "")
        for text in (plain, plain + "\N{VARIATION SELECTOR-16}"):
            assert edits.emoji_named(theme, text) is one


def test_the_numbers_and_names_of_edits_are_known():
    asked = parse_edits("skip 2 only 1-3 5=grin everyone joy swap 7 8")

    assert asked.numbers == {1, 2, 3, 5, 7, 8}
    assert asked.names() == ["joy", "grin"]
    assert (NO_EDITS.numbers, NO_EDITS.names()) == (frozenset(), [])


def test_shuffling_draws_from_the_nearest_and_leaves_what_people_chose():
    plan = make_plan(4, HAPPY, SAD, LEAVE, NEUTRAL)
    near = ("happiness_face", "surprise_face", "fear_face")
    plan = edits.decide(plan, 2, SAD)
    plan = replace(plan, faces=tuple(replace(one, nearest=near) for one in plan.faces))

    drawn = {seed: edits.shuffle(plan, seed) for seed in range(30)}

    assert drawn[7] == edits.shuffle(plan, 7)
    assert {one.faces[0].decision.name for one in drawn.values()} == {*near[1:]}
    assert {one.faces[3].decision.name for one in drawn.values()} == {*near}
    assert {one.faces[1:3] for one in drawn.values()} == {plan.faces[1:3]}
    assert by_person(drawn[3]) == {2}
    bare = make_plan(1, HAPPY)
    assert edits.shuffle(bare, 1) == bare
