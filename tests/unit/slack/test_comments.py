"""What stands above a result, from no face to a stadium."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.domain import FaceSummary
from emojifier_bot.slack.comments import comment, doubts, found, in_words
from tests.slack_posts import make_post

GRIN, NEUTRAL, SCREAM = "😆", "😐", "😱"


def faces(characters: str, *doubtful: int) -> tuple[FaceSummary, ...]:
    return tuple(
        FaceSummary(character, "a face", sure=number not in doubtful)
        for number, character in enumerate(characters, start=1)
    )


@pytest.mark.parametrize(
    ("characters", "said"),
    [
        ("", "0 faces"),
        (GRIN, "1 face: 😆"),
        (GRIN + NEUTRAL + SCREAM, "3 faces: 😆 😐 😱"),
        (GRIN * 12, "12 faces: " + " ".join(GRIN * 12)),
        (GRIN * 13, "13 faces: 😆 × 13"),
        (GRIN * 2 + NEUTRAL * 30 + SCREAM, "33 faces: 😐 × 30, 😆 × 2, 😱"),
        (
            "abcdefghij" * 2,
            "20 faces: " + ", ".join(f"{c} × 2" for c in "abcdefgh") + " and 4 more",
        ),
    ],
)
def test_faces_are_counted_and_shown(characters, said):
    assert found(faces(characters)) == said


@pytest.mark.parametrize(
    ("count", "doubtful", "said"),
    [
        (0, (), ""),
        (3, (), ""),
        (1, (1,), "I am not sure about it."),
        (2, (1, 2), "I am not sure about either of them."),
        (3, (1, 2, 3), "I am not sure about any of them."),
        (3, (2,), "I am not sure about the second face."),
        (3, (1, 3), "I am not sure about the first and the third faces."),
        (
            5,
            (1, 2, 5),
            "I am not sure about the first, the second and the fifth faces.",
        ),
        (9, (9,), "I am not sure about 1 of them."),
        (9, (1, 2, 3, 4), "I am not sure about 4 of them."),
    ],
)
def test_doubt_is_said_honestly(count, doubtful, said):
    assert doubts(faces(GRIN * count, *doubtful)) == said


def test_the_channel_reads_who_asked():
    post = make_post(faces=faces(GRIN + NEUTRAL, 2))
    assert comment(post) == (
        "<@UADA> asked for this. 2 faces: 😆 😐\nI am not sure about the second face."
    )


def test_in_direct_messages_everybody_knows_who_asked():
    post = make_post(faces=faces(GRIN), channel_id="D1")
    assert comment(post) == "Here you are. 1 face: 😆"


def test_the_words_of_a_picture_hold_no_markup():
    assert in_words(make_post(alt_text="1 face: <!channel> & co")) == (
        "1 face: &lt;!channel&gt; &amp; co"
    )


@given(st.lists(st.tuples(st.sampled_from("😆😐😱😢"), st.booleans()), max_size=500))
def test_any_number_of_faces_stays_short(drawn):
    some = tuple(FaceSummary(character, "a face", sure) for character, sure in drawn)
    assert len(comment(make_post(faces=some))) < 300
