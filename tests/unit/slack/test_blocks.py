"""Messages and windows in Block Kit, held against Slack's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.domain import FaceSummary
from emojifier_bot.slack import blocks
from emojifier_bot.slack.blocks import (
    alt_text_of,
    buttons_blocks,
    comment,
    delete_confirmation_view,
    doubts,
    found,
    help_blocks,
    plain_comment,
    result_blocks,
)
from emojifier_bot.vision.alt_text import COVERED
from tests.fakes.slack.blocks import wrong_blocks, wrong_view
from tests.slack_posts import make_post

MANY = tuple(FaceSummary("😆", "grinning", sure=False) for _ in range(300))
POSTS = [
    make_post(),
    make_post(faces=()),
    make_post(alt_text=""),
    make_post(alt_text="&" * 1000, faces=MANY),
    make_post(channel_id="D1", thread_ts="1.2", post_id="x" * 2000),
]


@pytest.mark.parametrize("post", POSTS)
def test_a_result_is_good_block_kit(post):
    assert wrong_blocks(result_blocks(post)) == []
    assert wrong_blocks(buttons_blocks(post)) == []
    assert 0 < len(plain_comment(post)) <= 3000


def test_a_result_says_what_was_found_in_emoji_and_in_words():
    above, words, _ = result_blocks(make_post())
    assert above["text"]["text"] == "<@UADA> asked for this. 1 face: 😆"
    assert words["elements"][0]["text"] == "1 face: grinning"
    assert plain_comment(make_post()) == (
        "<@UADA> asked for this. 1 face: 😆\n1 face: grinning"
    )


@pytest.mark.parametrize("make", [result_blocks, buttons_blocks])
def test_the_buttons_carry_the_post(make):
    actions = make(make_post())[-1]
    assert [(one["action_id"], one["value"]) for one in actions["elements"]] == [
        ("try_another", "5d3f0a"),
        ("why", "5d3f0a"),
        ("delete_post", "5d3f0a"),
    ]
    # Buttons look alike for everybody: who must confirm is asked in a window.
    assert not any("confirm" in one for one in actions["elements"])


def test_the_window_that_asks_before_a_deletion():
    view = delete_confirmation_view("{}" * 1500)
    assert wrong_view(view, "modal") == []
    assert view["callback_id"] == blocks.DELETE_CONFIRMED
    assert view["private_metadata"] == "{}" * 1500
    with pytest.raises(ValueError, match="3000 characters"):
        delete_confirmation_view("x" * 3001)


def test_a_button_carries_only_what_fits():
    with pytest.raises(ValueError, match="2000 characters"):
        result_blocks(make_post(post_id="x" * 2001))


def test_help_is_good_block_kit():
    assert wrong_blocks(help_blocks()) == []


@given(st.text(min_size=1, max_size=5000))
def test_texts_are_cut_where_slack_would_refuse_them(text):
    assert len(blocks.mrkdwn(text)["text"]) <= 3000
    assert len(blocks.plain(text)["text"]) <= 75
    assert wrong_blocks([blocks.section(text)]) == []
    if len(text) <= 75:
        assert blocks.plain(text)["text"] == text


# The comment above a result, from no face to a stadium.

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
def test_doubtful_faces_are_named(count, doubtful, said):
    assert doubts(faces(GRIN * count, *doubtful)) == said


@pytest.mark.parametrize(
    ("frames", "said"), [(1, "2 faces: 😆 😐"), (60, "2 faces in 60 frames: 😆 😐")]
)
def test_the_comment_on_a_clip_says_how_many_frames_and_people(frames, said):
    post = make_post(faces=faces(GRIN + NEUTRAL), frames=frames)
    assert comment(post).partition(". ")[2] == said


def test_the_comment_names_who_asked():
    post = make_post(faces=faces(GRIN + NEUTRAL, 2))
    assert comment(post) == (
        "<@UADA> asked for this. 2 faces: 😆 😐\nI am not sure about the second face."
    )


def test_the_comment_says_what_the_result_lacks():
    notes = ("Of the animation's 6 frames, only the first is in the result.",)
    post = make_post(faces=faces(GRIN), channel_id="D1", notes=notes)
    assert comment(post) == f"Here you are. 1 face: 😆\n{notes[0]}"


def test_the_comment_in_a_direct_message():
    post = make_post(faces=faces(GRIN), channel_id="D1")
    assert comment(post) == "Here you are. 1 face: 😆"


def test_the_words_of_a_picture_hold_no_markup():
    assert alt_text_of(make_post(alt_text="1 face: <!channel> & co")) == (
        "1 face: &lt;!channel&gt; &amp; co"
    )


@given(st.lists(st.tuples(st.sampled_from("😆😐😱😢"), st.booleans()), max_size=500))
def test_any_number_of_faces_stays_short(drawn):
    some = tuple(FaceSummary(character, "a face", sure) for character, sure in drawn)
    assert len(comment(make_post(faces=some))) < 300


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ([("😎", "drawn as sunglasses"), ("😐", "neutral")], "2 faces, drawn as 😎 😐"),
        (
            [("😎", "drawn as sunglasses"), ("", "not covered")],
            "2 faces, drawn as 😎, 1 not covered",
        ),
        (
            [("", "covered"), ("", "covered"), ("", "not covered")],
            "3 faces: 2 covered, 1 not covered",
        ),
        ([("", "not covered")], "1 face: 1 not covered"),
    ],
)
def test_what_a_person_chose_is_drawn_and_nothing_is_said_of_the_face(shown, said):
    faces = tuple(FaceSummary(one, spoken, sure=True) for one, spoken in shown)

    assert found(faces) == said


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 face covered"), (3, "3 faces covered")]
)
def test_faces_without_words_are_counted(count, text):
    assert found([FaceSummary("", COVERED, sure=True)] * count) == text
