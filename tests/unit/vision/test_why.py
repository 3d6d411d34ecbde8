from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.vision.choose import choose, ranking
from emojifier_bot.vision.crops import canonical_face
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.landmarks import measure
from emojifier_bot.vision.plan import (
    ChosenBy,
    Cover,
    CoverKind,
    DrawEmoji,
    Leave,
    PlannedFace,
)
from emojifier_bot.vision.ports import EmotionClassifier
from emojifier_bot.vision.shapes import with_measure
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.types import Emotion, Face, Landmarks, LandmarkScheme, Measure
from emojifier_bot.vision.why import (
    AT_RANDOM,
    BY_PERSON,
    IS_COVERED,
    IS_LEFT,
    NOT_READ,
    READ_ELSEWHERE,
    UNDECIDED,
    Rereader,
    explain,
    sentence,
)
from tests.builders import make_detection, make_face, make_placement, make_scores
from tests.emotion_words import found_in

THEME = open_theme("classic").theme
SIDE_PX = 300


@dataclass
class Reader(EmotionClassifier):
    """An `EmotionClassifier` that goes by one measure alone."""

    measure: Measure
    limit: float
    sure_threshold: float = 0.5
    seen: list[np.ndarray] = field(default_factory=list)

    def classify(self, picture, landmarks):
        self.seen.append(np.asarray(picture.image))
        return [
            make_scores(
                Emotion.HAPPINESS
                if measure(one.points_xy)[self.measure] > self.limit
                else Emotion.SADNESS,
                0.97,
            )
            for one in landmarks
        ]


def asked(reader, points=None, side_px=SIDE_PX, theme=THEME, **options):
    """Return why a face in a picture of noise got the emoji that a reader gives it."""
    canonical = canonical_face(1) if points is None else points
    noise = np.random.default_rng(0).integers(0, 256, (side_px, side_px, 3), np.uint8)
    picture = from_image(Image.fromarray(noise))
    points_xy = (canonical * side_px).astype(np.float32)
    landmarks = Landmarks(points_xy, LandmarkScheme.IBUG_68)
    (scores,) = reader.classify(picture, [landmarks])
    face = Face(make_detection(landmarks), landmarks, scores, confident=True)
    chosen = choose(theme, scores, measure(points_xy), confident=True)
    return explain(picture, planned(face, chosen.emoji), theme, [reader], **options)


def planned(read, emoji, **fields):
    """Return a face that gets an emoji, as the reader plans it."""
    fields = {"decision": DrawEmoji(emoji.name), "face": read} | fields
    return PlannedFace(1, read.box, make_placement(), **fields)


@pytest.mark.parametrize(
    ("one", "limit_and_value", "words", "undone"),
    [
        (Measure.MOUTH_CORNERS, (0.03, 0.07), "mouth corners raised", "lower"),
        (Measure.SMILE_WIDTH, (0.65, 0.8), "mouth wide", "narrower"),
        (Measure.BROW_HEIGHT, (0.26, 0.3), "brows raised", "lower"),
        (Measure.EYE_OPENING, (0.4, 0.5), "eyes wide open", "narrower"),
        (Measure.BROW_GAP, (0.2, 0.12), "brows drawn together", "further apart"),
    ],
)
@pytest.mark.parametrize("side_px", [90, 300])
def test_the_measure_that_decided_is_named_first(
    one, limit_and_value, words, undone, side_px
):
    limit, value = limit_and_value
    face = with_measure(canonical_face(1), one, value)

    why = asked(Reader(one, limit), face, side_px)

    reason = why.reasons[0]
    assert (reason.measure, reason.words, reason.undone) == (one, words, undone)
    assert reason.value == pytest.approx(value, abs=0.01)
    assert reason.instead.name != why.emoji.name
    assert words in why.shapes
    assert why.note == ""


def test_what_is_at_rest_decides_by_staying_there():
    why = asked(Reader(Measure.MOUTH_CORNERS, 0.05))

    (reason,) = [one for one in why.reasons if one.measure == Measure.MOUTH_CORNERS]
    assert (reason.words, reason.undone) == ("mouth corners level", "higher")


def test_where_nothing_decides_alone_that_is_said():
    unbounded = tuple(replace(one, bounds=()) for one in THEME.emoji)

    why = asked(Reader(Measure.SMILE_WIDTH, 99), theme=replace(THEME, emoji=unbounded))

    assert (why.reasons, why.note) == ((), UNDECIDED)


def test_no_reason_is_invented_for_what_something_else_read():
    face, other = make_face(), THEME.emoji[-1]
    picture = from_image(Image.new("RGB", (400, 400)))
    reader = Reader(Measure.MOUTH_CORNERS, 0.03)

    for readers in ([reader], [reader, reader], []):
        why = explain(picture, planned(face, other), THEME, readers)

        assert (why.reasons, why.note) == ((), READ_ELSEWHERE)
        assert why.canonical_xy.shape == (68, 2)


def test_of_several_readers_the_one_that_chose_so_is_asked():
    picture, face = from_image(Image.new("RGB", (400, 400))), make_face()
    glad, sad = Reader(Measure.MOUTH_CORNERS, -9), Reader(Measure.MOUTH_CORNERS, 9)
    (scores,) = glad.classify(picture, [face.landmarks])
    values = measure(face.landmarks.points_xy)
    chosen = choose(THEME, scores, values, confident=True).emoji
    one = planned(replace(face, scores=scores, confident=True), chosen)

    assert explain(picture, one, THEME, [sad]).note == READ_ELSEWHERE
    assert explain(picture, one, THEME, [sad, glad]).note != READ_ELSEWHERE


@pytest.mark.parametrize(
    ("fields", "options", "note"),
    [
        ({"decision": Leave()}, {}, IS_LEFT),
        ({"decision": Cover(CoverKind.BLUR)}, {}, IS_COVERED),
        ({"chosen_by": ChosenBy.PERSON}, {}, BY_PERSON),
        ({"face": None}, {}, NOT_READ),
        ({}, {"reading": ReadingMode.OFF}, NOT_READ),
        ({}, {"at_random": True}, AT_RANDOM),
    ],
)
def test_what_no_reading_decided_says_what_did(fields, options, note):
    face = make_face()
    picture = from_image(Image.new("RGB", (400, 400)))
    reader = Reader(Measure.MOUTH_CORNERS, 0.03)

    one = planned(face, THEME.emoji[0], **fields)
    why = explain(picture, one, THEME, [reader], **options)

    assert (why.reasons, why.note) == ((), note)
    assert reader.seen == []
    for reading in ReadingMode:
        assert note.rstrip(".") in sentence(why, reading)
        assert json.dumps(why.to_dict(reading))


def test_a_sentence_names_what_decided_and_what_was_beaten():
    face = with_measure(canonical_face(1), Measure.MOUTH_CORNERS, 0.07)

    why = asked(Reader(Measure.MOUTH_CORNERS, 0.03), face)

    said = sentence(why, ReadingMode.EXPRESSIONS)
    assert said.startswith(
        f"face 1: {why.emoji.spoken}. mouth corners raised 0.07 (lower:"
    )
    assert f"It beat {why.nearest[1].emoji.spoken}" in said
    guess = replace(why, sure=False)
    assert f"perhaps {why.emoji.spoken}" in sentence(guess, ReadingMode.EXPRESSIONS)


def test_with_shapes_no_emotion_is_said():
    for one in (Measure.SMILE_WIDTH, Measure.MOUTH_CORNERS):
        why = asked(Reader(one, 0.1), reading=ReadingMode.SHAPES)

        assert found_in(sentence(why, ReadingMode.SHAPES)) == set()
        assert found_in(json.dumps(why.to_dict(ReadingMode.SHAPES))) == set()
        assert why.reasons


def test_the_nearest_come_in_the_order_of_choosing():
    scores, values = make_scores(Emotion.HAPPINESS, 0.9), measure(canonical_face(1))
    chosen = choose(THEME, scores, values, confident=True)

    ranked = ranking(THEME, scores, values, sure=chosen.sure, count=3)

    assert ranked[0][0].name == chosen.emoji.name
    assert len({one.name for one, _ in ranked}) == 3
    mild = ranking(THEME, scores, values, sure=False, count=99)
    assert len(mild) == sum(one.mild and not one.surprise_only for one in THEME.emoji)


def test_the_pixels_move_with_the_points_and_the_frame_stays():
    reader = Reader(Measure.MOUTH_CORNERS, 0.0)
    rows = np.linspace(0, 255, SIDE_PX, dtype=np.uint8)[:, None, None]
    image = Image.fromarray(np.tile(rows, (1, SIDE_PX, 3)))
    points_xy = canonical_face(1) * SIDE_PX
    again = Rereader(from_image(image), points_xy, THEME, reader)
    raised = with_measure(again.canonical_xy, Measure.BROW_HEIGHT, 0.32)

    again.read([again.canonical_xy, raised])

    same, moved = (one[..., 0].astype(int) for one in reader.seen[-2:])
    difference = np.abs(same - moved)
    assert difference[: len(same) // 2].max() > 10
    assert difference[[0, -1]].max() <= 6
    assert difference[:, [0, -1]].max() <= 6
