from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.alt_text import MAX_ALT_TEXT_CHARACTERS, alt_text
from tests.builders import make_emojified_face

LONG = "x" * 300


def faces(*spoken: str):
    """Return a face for each text; one that ends in a question mark is a guess."""
    return [
        make_emojified_face(one.rstrip("?"), sure=not one.endswith("?"))
        for one in spoken
    ]


@pytest.mark.parametrize(
    ("spoken", "text"),
    [
        ([], "No faces found."),
        (["grinning"], "1 face: grinning"),
        (["worried?"], "1 face: perhaps worried"),
        (["grinning", "neutral"], "2 faces: grinning, neutral"),
        (["neutral", "grinning"], "2 faces: neutral, grinning"),
        (["grinning", "grinning"], "2 faces: both grinning"),
        (["worried", "worried?"], "2 faces: worried, perhaps worried"),
        (["worried?", "worried?"], "2 faces: both perhaps worried"),
        (
            ["grinning", "neutral", "screaming in fear"],
            "3 faces: grinning, neutral, screaming in fear",
        ),
        (["a", "b", "a"], "3 faces: a, b, a"),
        (["crying"] * 3, "3 faces: all crying"),
        (list("abcdefga"), "8 faces: a, b, c, d, e, f, g, a"),
        (["b", *"aaaa", *"bbb", "c?"], "9 faces: 4 b, 4 a, perhaps c"),
        (["neutral"] * 29, "29 faces: all neutral"),
        # What does not fit is counted.
        (
            [f"{LONG}{n}" for n in "abcd"],
            f"4 faces: {LONG}a, {LONG}b, {LONG}c and 1 more",
        ),
        (["y" * 2000], "1 face"),
        (["a", "y" * 2000, "b"], "3 faces: a and 2 more"),
    ],
)
def test_sentences(spoken, text):
    assert alt_text(faces(*spoken)) == text


@pytest.mark.parametrize("over", [0, 1])
def test_the_limit_is_the_last_character_that_fits(over):
    prefix = "2 faces: a, "
    text = alt_text(faces("a", "y" * (MAX_ALT_TEXT_CHARACTERS - len(prefix) + over)))

    assert len(text) == (
        MAX_ALT_TEXT_CHARACTERS if over == 0 else len("2 faces: a and 1 more")
    )


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=300))
def test_it_is_never_too_long_and_counts_all_faces(shown):
    text = alt_text(
        [make_emojified_face(f"feeling {n} " + "x" * n, sure=sure) for n, sure in shown]
    )

    assert len(text) <= MAX_ALT_TEXT_CHARACTERS
    assert "\n" not in text
    assert text.startswith(str(len(shown)) if shown else "No")
