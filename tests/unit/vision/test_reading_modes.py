"""What each reading mode reads of a face, and what it says."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from emojifier_bot.app import make_pipeline
from emojifier_bot.app.picture_child import emojified
from emojifier_bot.config import load_picture_settings
from emojifier_bot.domain import ImageReference, Post, Workspace
from emojifier_bot.emotion_models import ReadingMode, lowest
from emojifier_bot.slack.blocks import plain_comment, result_blocks
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.alt_text import MAX_ALT_TEXT_CHARACTERS, alt_text
from emojifier_bot.vision.choose import unread
from emojifier_bot.vision.clips.opening import InProcessDecoder
from emojifier_bot.vision.crops import canonical_face
from emojifier_bot.vision.debug import label
from emojifier_bot.vision.edits import parse_edits
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.pipeline import Pipeline
from emojifier_bot.vision.plan import ChosenBy, DrawEmoji, Plan
from emojifier_bot.vision.shapes import with_measure
from emojifier_bot.vision.themes import list_themes, open_theme
from emojifier_bot.vision.types import (
    EMOTIONS,
    UNREAD,
    BoundingBox,
    Detection,
    EmotionScores,
    Face,
    Landmarks,
    LandmarkScheme,
    Measure,
)
from tests.builders import make_plan, make_scores
from tests.datasets import sample
from tests.emotion_words import found_in
from tests.fakes.clock import FakeClock
from tests.fakes.faces import FakeAnalyzer
from tests.images import encoded, photo

MODES = list(ReadingMode)
#: Encoded fast.
JPEG = EmojifyOptions(".jpg")
SHAPES = replace(JPEG, reading=ReadingMode.SHAPES)
OFF = replace(JPEG, reading=ReadingMode.OFF)
#: Names of keys, which stand in every object.
KEYS = frozenset({"emotions", "emoji", "emojified"})
SIDE_PX = 64
PNG = encoded(photo(1000, 700), "PNG")
#: Large enough for one face.
SMALL = encoded(photo(120, 100), "PNG")
CLASSIC = open_theme("classic")


def face_at(index, scores, confident=True, **values):
    """Return the face of a grid, with some measures and any scores."""
    points = canonical_face(1)
    for name, value in values.items():
        points = with_measure(points, Measure(name), value)
    row, column = divmod(index, 12)
    x, y = 20 + column * 78, 20 + row * 90
    box = BoundingBox(x, y, x + SIDE_PX, y + SIDE_PX)
    landmarks = Landmarks(points * SIDE_PX + (x, y), LandmarkScheme.IBUG_68)
    return Face(Detection(box, 0.9), landmarks, scores, confident)


def pipeline(faces, source=CLASSIC, reading=ReadingMode.EXPRESSIONS):
    analyzer = FakeAnalyzer(faces)
    return Pipeline(InProcessDecoder(), analyzer, source, FakeClock(), reading)


def everything_said(result):
    """Return all that people read of a result, and all that is stored of it."""
    picture = emojified(result)
    post = Post(
        post_id="p1",
        workspace=Workspace("T1"),
        asker_id="U1",
        file_id="F1",
        channel_id="C1",
        title="party, emojified",
        alt_text=picture.alt_text,
        faces=picture.faces,
        source=ImageReference(file_id="F2"),
        notes=picture.notes,
    )
    kept = asdict(replace(picture, data=b"", plan=None, digest=""))
    return json.dumps(
        [
            result.alt_text,
            result.to_dict("a.png", "a.emojified.png"),
            kept | {"data": ""},
            asdict(post),
            result_blocks(post),
            plain_comment(post),
            [label(one, result.plan.reading) for one in result.faces],
        ],
        ensure_ascii=False,
    )


@pytest.mark.parametrize(
    ("wishes", "mode"),
    [
        ((ReadingMode.EXPRESSIONS,), "expressions"),
        ((ReadingMode.EXPRESSIONS, "", ""), "expressions"),
        (("shapes", "expressions", ""), "shapes"),
        (("expressions", "off", "shapes"), "off"),
        (("off", "expressions", "expressions"), "off"),
    ],
)
def test_nobody_raises_what_somebody_lowered(wishes, mode):
    assert lowest(*wishes) == mode


@pytest.mark.parametrize("wishes", [("expressions", "some"), ("some", "shapes")])
def test_what_another_version_stored_allows_least(wishes):
    values = make_plan(1).to_dict() | {"reading": "some"}

    assert lowest(*wishes) == ReadingMode.OFF
    assert Plan.from_dict(values).reading == ReadingMode.OFF


@pytest.mark.parametrize("theme", list_themes(emojis_dir()))
@pytest.mark.parametrize("chosen_by", ChosenBy)
@pytest.mark.parametrize("sure", [True, False])
def test_shapes_say_no_emotion_for_any_emoji_of_any_theme(theme, chosen_by, sure):
    source = open_theme(theme)
    every = source.theme.emoji
    faces = [face_at(i, EmotionScores(one.point)) for i, one in enumerate(every)]
    reader = pipeline(faces, source)
    plan = reader.read(PNG, SHAPES)
    decided = tuple(
        replace(face, decision=DrawEmoji(one.name), chosen_by=chosen_by, sure=sure)
        for face, one in zip(plan.faces, every, strict=True)
    )

    result = reader.render(PNG, replace(plan, faces=decided), SHAPES)

    assert {one.emoji.name for one in result.faces} == {one.name for one in every}
    assert found_in(everything_said(result), spared=KEYS) == set()
    for one in result.faces:
        alone = replace(result, faces=(one,), alt_text=alt_text([one], MODES[1]))
        assert found_in(everything_said(alone), spared=KEYS) == set()
    in_full = reader.run(PNG, JPEG)
    assert len(found_in(everything_said(in_full), spared=KEYS)) > 20


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("confident", [True, False])
def test_shapes_say_no_emotion_whatever_is_read(seed, confident):
    faces = [
        face_at(i, make_scores(e, 0.99), confident) for i, e in enumerate(EMOTIONS)
    ]
    options = replace(SHAPES, surprise_seed=seed)

    for shown in (faces, faces[:1], faces[4:5]):
        result = pipeline(shown).run(PNG, options)
        assert found_in(everything_said(result), spared=KEYS) == set()


@pytest.mark.parametrize(
    "edits", ["everyone angry", "1=rage", "skip 1", "mosaic", "opposite", "swap 1 2"]
)
def test_shapes_say_no_emotion_whatever_people_choose(edits):
    faces = [face_at(i, make_scores(one, 0.99)) for i, one in enumerate(EMOTIONS)]

    result = pipeline(faces).run(PNG, replace(SHAPES, edits=parse_edits(edits)))

    assert found_in(everything_said(result), spared=KEYS) == set()


@pytest.mark.parametrize("mode", MODES[1:])
def test_the_words_never_depend_on_the_net(mode):
    said = {
        everything_said(
            pipeline([face_at(0, make_scores(one, 0.99), mouth_opening=0.4)]).run(
                SMALL, EmojifyOptions(reading=mode)
            )
        )
        for one in EMOTIONS
    }

    assert len(said) == 1


def test_shapes_are_named_from_the_points():
    happy = make_scores("happiness", 0.99)
    faces = [
        face_at(0, happy, mouth_opening=0.4, brow_height=0.33),
        face_at(1, happy, mouth_opening=0.0, eye_opening=0.05),
    ]

    result = pipeline(faces).run(PNG, SHAPES)

    assert result.alt_text == (
        "2 faces covered: mouth open, brows raised; mouth closed, eyes closed"
    )
    first = result.to_dict()["faces"][0]
    assert first["shapes"] == "mouth open, brows raised"
    assert (first["emotions"], first["emoji"]) == (None, None)
    assert first["decision"] == {"do": "emoji"}


@pytest.mark.parametrize(
    ("count", "edits", "text"),
    [
        (1, "", "1 face covered: lips apart"),
        (2, "", "2 faces covered: both with lips apart"),
        (3, "", "3 faces covered: all with lips apart"),
        (3, "skip 1", "3 faces, 1 of them not covered: all with lips apart"),
        (0, "", "No faces found."),
    ],
)
def test_sentences_of_shapes(count, edits, text):
    faces = [face_at(i, make_scores("anger")) for i in range(count)]

    result = pipeline(faces).run(PNG, replace(SHAPES, edits=parse_edits(edits)))

    assert result.alt_text == text


def test_many_shapes_are_counted_within_the_limit():
    kinds = [{"mouth_opening": 0.0}, {"mouth_opening": 0.4, "brow_height": 0.33}]
    faces = [face_at(i, make_scores("anger"), **kinds[i % 2]) for i in range(12)]

    result = pipeline(faces).run(PNG, SHAPES)

    assert result.alt_text == (
        "12 faces covered: 6 with mouth closed; 6 with mouth open, brows raised"
    )
    assert len(alt_text(result.faces * 400, ReadingMode.SHAPES)) < (
        MAX_ALT_TEXT_CHARACTERS
    )


def test_off_reads_nothing_and_gives_every_face_the_same_emoji():
    faces = [face_at(i, make_scores(one, 0.99)) for i, one in enumerate(EMOTIONS)]

    result = pipeline(faces).run(PNG, OFF)

    mild = next(one for one in CLASSIC.theme.emoji if one.mild)
    assert {one.emoji.name for one in result.faces} == {mild.name}
    assert result.alt_text == "8 faces covered"
    for face in result.plan.faces:
        assert (face.face.scores, face.shapes) == (UNREAD, "")
    assert all(one["emotions"] is None for one in result.to_dict()["faces"])


def test_off_draws_any_emoji_by_its_seed():
    faces = [face_at(i, make_scores("fear", 0.99)) for i in range(60)]

    def drawn(seed):
        result = pipeline(faces).run(PNG, replace(OFF, surprise_seed=seed))
        return [one.emoji.name for one in result.faces]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len({*drawn(1)}) > 20


@pytest.mark.parametrize("edits", ["everyone sunglasses", "mosaic", "1=joy", "skip 1"])
def test_off_does_what_people_choose(edits):
    faces = [face_at(i, make_scores("fear", 0.99)) for i in range(3)]

    result = pipeline(faces).run(PNG, replace(OFF, edits=parse_edits(edits)))

    assert found_in(result.alt_text) == set()
    assert {one.planned.decision for one in result.faces} != {
        result.plan.faces[1].decision
    } or edits in {"everyone sunglasses", "mosaic"}


@pytest.mark.parametrize("own", MODES)
@pytest.mark.parametrize("asked", MODES)
def test_the_pipelines_own_mode_is_the_most_that_is_read(own, asked):
    face = face_at(0, make_scores("anger", 0.99))

    plan = pipeline([face], reading=own).read(SMALL, EmojifyOptions(reading=asked))

    assert plan.reading == lowest(own, asked)
    is_unread = np.allclose(plan.faces[0].face.scores.probabilities, 1 / 8)
    assert is_unread == (plan.reading == ReadingMode.OFF)


def test_a_plan_keeps_its_mode_and_is_said_no_more_of_when_it_is_lowered():
    face = face_at(0, make_scores("anger", 0.99))
    full = pipeline([face])
    plan = Plan.from_json(full.read(SMALL, EmojifyOptions()).to_json())
    lowered = Plan.from_json(full.read(SMALL, SHAPES).to_json())

    assert (plan.reading, lowered.reading) == (MODES[0], MODES[1])
    for one, options in ((lowered, EmojifyOptions()), (plan, SHAPES)):
        result = full.render(SMALL, one, options)
        assert result.alt_text == "1 face covered: lips apart"
        assert found_in(everything_said(result), spared=KEYS) == set()


@pytest.fixture(scope="module")
def clip():
    """Return a GIF in which the sample's face stands still."""
    face = sample().crop((100, 0, 350, 250))
    others = [face.rotate(1), face.rotate(2)]
    return encoded(face, "GIF", save_all=True, append_images=others, duration=200)


@pytest.mark.parametrize("mode", MODES)
def test_animations_have_the_same_modes(clip, mode):
    settings = load_picture_settings(face_backend="local", threads=1, reading=mode)
    whole = make_pipeline(settings)

    result = whole.run(clip, EmojifyOptions())

    (face,) = result.faces
    assert (result.frames, result.plan.reading) == (3, mode)
    if mode == ReadingMode.EXPRESSIONS:
        assert found_in(result.alt_text)
        return
    assert found_in(result.alt_text) == set()
    if mode == ReadingMode.SHAPES:
        assert found_in(everything_said(result), spared=KEYS) == set()
        assert result.alt_text == f"1 face covered: {face.planned.shapes}"
        return
    mild = next(one for one in CLASSIC.theme.emoji if one.mild)
    assert (face.emoji.name, face.planned.shapes) == (mild.name, "")
    assert result.alt_text == "1 face covered"
    drawn = whole.run(clip, EmojifyOptions(surprise_seed=1)).faces[0].emoji
    assert drawn.name == unread(CLASSIC.theme, "1/0").emoji.name != mild.name
