"""What people say of single faces: taken, or refused with what was understood."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emojifier_bot.slack.commands import ParsedCommand, parse_command, parse_mention
from emojifier_bot.slack.face_words import read_face_words
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.words import OtherWords
from emojifier_bot.vision.edits import parse_edits

SAID = [
    ("skip the second face", "skip 2"),
    ("Skip the first one, please", "skip 1"),
    ("skip face two", "skip 2"),
    ("skip faces two, three and 5th", "skip 2 3 5"),
    ("leave out the first two", "skip 1-2"),
    ("please leave the second face as it is", "skip 2"),
    ("leave the 2nd and 5th faces alone", "skip 2 5"),
    ("leave faces one to three out", "skip 1-3"),
    ("only the first three faces", "only 1-3"),
    ("only the twelfth", "only 12"),
    ("swap the first and the third", "swap 1 3"),
    ("swap the first two", "swap 1-2"),
    ("skip the second face 3=grin", "skip 2 3=grin"),
    ("only 1 to my dm", "only 1"),
    # Counted from the last one.
    ("skip the last face", "skip last"),
    ("skip the last one please", "skip last"),
    ("leave out the last two", "skip last:2"),
    ("only the last 3 faces", "only last:3"),
    ("swap the first with the last", "swap 1 last"),
    ("skip the first and the last face", "skip 1 last"),
    ("skip the second one and the third one", "skip 2 3"),
    ("skip 2,last", "skip 2,last"),
    # All but some.
    ("all but the first", "skip 1"),
    ("emojify all but the first", "skip 1"),
    ("everyone except the last two please", "skip last:2"),
    ("all faces but 2 and 3", "skip 2 3"),
    ("skip all but the first", "only 1"),
    ("leave everyone except face 2 alone", "only 2"),
    ("cover all but the first", "cover skip 1"),
    ("mosaic everybody except 2", "mosaic skip 2"),
    ("everyone 😂 but not the second", "everyone 😂 skip 2"),
    ("all but the last as 😎", "everyone 😎 skip last"),
    ("not the second face please", "skip 2"),
    ("please emojify without face 3", "skip 3"),
    # What one face gets.
    ("face 2 as 😎", "2=😎"),
    ("face 2 as sunglasses", "2=sunglasses"),
    ("the second one as grin please", "2=grin"),
    ("2 as grin", "2=grin"),
    ("face 2: 😎", "2=😎"),
    ("3 = :sunglasses:", "3=:sunglasses:"),
    ("the last two as 😎", "last:2=😎"),
    ("make face 2 😎 and face 3 😂", "2=😎 3=😂"),
    ("make the last face grin", "last=grin"),
    ("give face 1 :grin:, please", "1=:grin:"),
    ("put 😎 on face 2", "2=😎"),
    ("😎 for the last one", "last=😎"),
    ("😎 on 2", "2=😎"),
    ("sunglasses on the second face", "2=sunglasses"),
    ("turn the first face into a skull", "1=skull"),
    ("face 2 as it is", "skip 2"),
    ("1-2=😎 last=grin", "1-2=😎 last=grin"),
    ("cover face 2", "2=cover"),
    ("blur the first two", "1-2=blur"),
    ("cover the last one with a mosaic", "last=mosaic"),
    ("face 2 as mosaic", "2=mosaic"),
    # All of them.
    ("everyone as 😂", "everyone 😂"),
    ("all 😂", "everyone 😂"),
    ("all faces as 😂 please", "everyone 😂"),
    ("everybody gets :joy:", "everyone :joy:"),
    ("😂 for everyone", "everyone 😂"),
    ("😂 on all faces", "everyone 😂"),
    ("cover all faces", "cover"),
    ("cover them with a mosaic", "mosaic"),
    ("mosaic", "mosaic"),
    ("opposite, skip the last", "opposite skip last"),
    ("face 1 😎, the others 😂", "1=😎 everyone 😂"),
    ("cover 1 and 2 with a blur, the rest as 😎", "1,2=blur everyone 😎"),
    ("3=😎 and blur the rest", "3=😎 blur"),
    ("face 1 only", "only 1"),
    ("just the first face", "only 1"),
    ("don't do the last face", "skip last"),
    # From one to another, with any words between.
    ("skip the first to the third face", "skip 1-3"),
    ("only face 2 through face 4", "only 2-4"),
    ("skip 1 - 3", "skip 1-3"),
    ("only face 1 & 3", "only 1 3"),
    ("skip 2 + 4, please", "skip 2 4"),
    # With an emoji, or but for some, as with other words.
    ("cover face 2 with 😎", "2=😎"),
    ("cover everyone with 😂", "everyone 😂"),
    ("cover all but the first with a mosaic", "mosaic skip 1"),
    ("blur all but the last with 😎", "everyone 😎 skip last"),
    ("mosaic not face 2", "mosaic skip 2"),
    ("cover everything but the first", "cover skip 1"),
    ("emojify all of them but not the second", "skip 2"),
    ("everyone 😂 but the second", "everyone 😂 skip 2"),
    ("everyone 😂 but the second 😎", "everyone 😂 2=😎"),
    ("put 😎 on everyone but 2", "everyone 😎 skip 2"),
    ("cover all faces with a blur but the second", "blur skip 2"),
    ("not the first, not the last", "skip 1 skip last"),
    ("everyone 😎 but leave face 2 as it is", "everyone 😎 skip 2"),
    ("everyone 😎 but give the last one 😂", "everyone 😎 last=😂"),
    ("skip the last, everyone else 😂", "skip last everyone 😂"),
    ("leave out face 2 and the last one", "skip 2 last"),
    ("skip face 3 and the 5th one", "skip 3 5"),
    ("skip 2, 😎 on face 3", "skip 2 3=😎"),
    ("skip 2 cover 3", "skip 2 3=cover"),
    # To the end of the sentence.
    ("Face 2 as grin.", "2=grin"),
    ("Everyone as 😂.", "everyone 😂"),
    ("Cover the last one with a mosaic.", "last=mosaic"),
    ("face 2 😎, thanks", "2=😎"),
    ("lol, 😂 on the last one please", "last=😂"),
]


@pytest.mark.parametrize(("text", "expected"), SAID)
def test_what_people_say(text, expected):
    commanded, mentioned = parse_command(text, ()), parse_mention(text, ())

    assert isinstance(commanded, ParsedCommand), commanded
    assert " ".join(commanded.words) == expected
    assert mentioned.words == commanded.words
    parse_edits(expected)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("skip", "I did not understand “skip”."),
        ("skip two", "I did not understand “skip two”."),
        (
            "skip 2 please, face 3 funny",
            "I understood “skip 2”, but not “face 3 funny”.",
        ),
        ("skip the bald guy", "I did not understand “skip the bald guy”."),
        ("only the woman on the left", "I did not understand “only the woman on the”."),
        ("please, not my face", "I did not understand “not my face”."),
        ("without the kids please", "I did not understand “without the kids please”."),
        ("the last face please", "I did not understand “last face please”."),
        ("please do everyone but me", "I did not understand “everyone but me”."),
        ("what about face 2", "I did not understand “face 2”."),
        # What a face gets, behind faces that are left.
        ("skip 2, 3 as 😎", "I understood “skip 2 3”, but not “as 😎”."),
        ("only face 2 😎", "I understood “only 2”, but not “😎”."),
        (
            "everyone 😎 except face 2 😂",
            "I understood “everyone 😎 skip 2”, but not “😂”.",
        ),
        # Left, or not left?
        ("skip 1 but not 2", "I understood “skip 1”, but not “not 2”."),
        ("skip 2, not 3", "I understood “skip 2”, but not “not 3”."),
        ("cover face 2, not face 3", "I understood “2=cover”, but not “not face 3”."),
        ("3=😎 not 2", "I understood “3=😎”, but not “not 2”."),
        # How many, or which?
        ("skip 2 faces", "I did not understand “skip 2 faces” and “2 faces”."),
        ("skip 2 of them", "I did not understand “skip 2 of them”."),
        ("only 2 of us", "I did not understand “only 2 of us”."),
        ("everyone 😂 except 2 of them", "I understood “everyone 😂”, but not “exc"),
        # Other faces than these numbers.
        ("skip 1 or 2", "I did not understand “skip 1 or 2”."),
        ("only face 1 or face 2", "I did not understand “only face 1 or face”"),
        ("face 1 or 2 as 😎", "I understood “2=😎”, but not “face 1 or”."),
        ("skip 2 and the bald guy", "I understood “skip 2”, but not “and the bald"),
        ("only face 2 and the baby", "I understood “only 2”, but not “and the baby”"),
        ("all but face 2 and me please", "I understood “skip 2”, but not “and me ple"),
        ("cover face 2 and our boss", "I understood “2=cover”, but not “and our boss"),
        ("cover everyone 😂", "I understood “cover”, but not “😂”."),
        ("skip the second guy", "I did not understand “skip the second guy”."),
        ("only the first row", "I did not understand “only the first row”."),
        ("skip the last two men", "I did not understand “skip the last two men”."),
        ("skip the third from the right", "I did not understand “skip the third from"),
        ("everyone but the second girl", "I did not understand “everyone but the"),
        ("skip the second from last", 'After "skip" go the numbers of faces'),
        ("skip the second from the last", 'After "skip" go the numbers of faces'),
        ("blur 2 faces", "I understood “blur”, but not “2 faces”."),
        ("skip the second last face", 'After "skip" go the numbers of faces'),
        ("everyone 😂 but me", "I understood “everyone 😂”, but not “but me”."),
        ("cover 1, skip the rest", "I understood “1=cover”, but not “skip the rest”."),
        ("3-1=😎", '"3-1" names no faces.'),
        ("0=grin", '"0" names no faces.'),
        ("only faces 3-1", '"3-1" names no faces.'),
        ("swap face 1", '"1" names no two faces.'),
        ("swap the last two and the first", '"last:2,1" names no two faces.'),
    ],
)
def test_what_is_not_understood_is_told(text, problem):
    for parsed in (parse_command(text, ()), parse_mention(text, ())):
        assert parsed.kind == "plan"
        assert parsed.facts["problem"].startswith(problem)
        said = render_message(parsed.kind, **parsed.facts)
        assert said.startswith("What you asked for single faces is not possible. The ")


@pytest.mark.parametrize("text", ["everyone", "only", "swap"])
def test_after_the_command_a_word_lacks_what_belongs_to_it(text):
    assert parse_command(text, ()).kind == "plan"


@pytest.mark.parametrize(
    ("text", "other_words"),
    [
        ("only the last pic", OtherWords.REQUEST),
        ("plz only the newest photo", OtherWords.REQUEST),
        ("only this one please", OtherWords.REQUEST),
        ("only that picture", OtherWords.REQUEST),
        ("the last picture please", OtherWords.REQUEST),
        ("leave the first photo", OtherWords.AGAINST),
        ("leave this alone", OtherWords.AGAINST),
    ],
)
def test_pictures_are_counted_too(text, other_words):
    commanded, mentioned = parse_command(text, ()), parse_mention(text, ())

    assert commanded == mentioned == ParsedCommand(other_words=other_words)


@pytest.mark.parametrize(
    ("text", "other_words"),
    [
        ("can you skip this one please?", OtherWords.REQUEST),
        ("please emojify this for everyone, thanks", OtherWords.REQUEST),
        ("everyone look at this picture please", OtherWords.REQUEST),
        ("for the third time: please do this one", OtherWords.REQUEST),
        ("thanks, the second face is hilarious", OtherWords.THANKS),
        ("thank you all", OtherWords.THANKS),
        ("how do you find face 2?", OtherWords.QUESTION),
        ("not all of it, please stop", OtherWords.AGAINST),
        ("could you do the last one?", OtherWords.REQUEST),
        ("can you do all of these?", OtherWords.REQUEST),
        ("all faces please", OtherWords.REQUEST),
        ("just 2 minutes, please do this", OtherWords.REQUEST),
        ("all good, thanks", OtherWords.THANKS),
        ("please don't", OtherWords.AGAINST),
        ("this is our second attempt, please try", OtherWords.REQUEST),
        ("haha, the last one 😂", OtherWords.THANKS),
        ("lol face 2 :joy:", OtherWords.THANKS),
        ("thank you all 😂", OtherWords.THANKS),
        ("thanks 🙏 for all your work", OtherWords.THANKS),
        ("hi all 👋 please emojify this", OtherWords.REQUEST),
        ("please emojify this, we won 3-1 🎉", OtherWords.REQUEST),
        ("please do this, I have only 2 minutes", OtherWords.REQUEST),
        ("our new cover photo, please emojify it", OtherWords.REQUEST),
        ("please emojify the cover of our magazine", OtherWords.REQUEST),
        ("we leave on 2 May", OtherWords.AGAINST),
    ],
)
def test_in_a_mention_a_sentence_is_a_sentence(text, other_words):
    assert parse_mention(text, ()) == ParsedCommand(other_words=other_words)


NUMBERS = {"2": 2, "3rd": 3, "first": 1, "fifth": 5, "last": -1, "7": 7}
NAMES = ("😎", ":grin:", "🎉")
WORDS = (
    *("skip", "leave", "only", "swap", "cover", "mosaic", "everyone", "all", "but"),
    *("except", "not", "without", "face", "faces", "one", "the", "and", "with", "as"),
    *("gets", "to", "for", "on", "make", "please", "it", "is", "opposite", "alone"),
)
SENTENCES = st.lists(
    st.sampled_from((*WORDS, *(f"{one} face" for one in NUMBERS), *NUMBERS, *NAMES)),
    max_size=9,
)


@given(SENTENCES)
def test_nothing_that_is_said_of_faces_is_passed_over(words):
    text = " ".join(words)
    assume("last 2" not in text and "last 7" not in text)  # counts from the end
    parsed = parse_command(text, ())
    if not isinstance(parsed, ParsedCommand) or parsed.is_answered:
        return  # told, or against all of it

    edits = parse_edits(" ".join(parsed.words))
    said = {NUMBERS[one] for one in text.split() if one in NUMBERS}
    assert said <= {*edits.numbers} or (
        said - edits.numbers == {-1} and not parsed.words
    )
    assert {one for one in text.split() if one in NAMES} <= {*edits.names()}


@given(SENTENCES)
def test_nor_in_a_mention_what_names_a_face(words):
    text = " ".join(words)
    assume("last 2" not in text and "last 7" not in text)
    parsed = parse_mention(text, ())
    if not isinstance(parsed, ParsedCommand):
        return

    edits = parse_edits(" ".join(parsed.words))
    named = {NUMBERS[one.split()[0]] for one in words if " face" in one}
    assert named <= {*edits.numbers}


@given(st.lists(st.text(max_size=12), max_size=30))
def test_any_words_are_found_left_or_told(words):
    read = read_face_words(words)

    assert {*read.others} <= {*words, "just"}
    assert bool(read.problem) == bool(read.not_understood)
