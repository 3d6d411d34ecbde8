from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.errors import ImageError, InferenceError, PlanError
from emojifier_bot.vision.clips.opening import InProcessDecoder
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.edits import decide, parse_edits
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.pipeline import MOST_FRAMES_SEEN, Pipeline
from emojifier_bot.vision.place import place
from emojifier_bot.vision.plan import ChosenBy, DrawEmoji, Plan
from emojifier_bot.vision.types import Placement
from tests.builders import make_emoji, make_face, make_landmarks
from tests.fakes.clock import FakeClock
from tests.fakes.faces import (
    FakeAnalyzer,
    FakeDetector,
    FakeLandmarker,
    picture_with_faces,
)
from tests.fakes.pipeline import (
    FakeDecoder,
    FakeEmojiSource,
    fake_analyzer,
    fake_pipeline,
)
from tests.images import assert_same_pixels, encoded, opened

STAGES = ["decode", "analyze", "choose", "composite", "encode"]
LEFT, RIGHT = (100.0, 120.0), (300.0, 120.0)
PLAIN = EmojifyOptions()


def face_at(center_xy, eye_distance_px=40.0, **options):
    landmarks = make_landmarks(center_xy=center_xy, eye_distance_px=eye_distance_px)
    return make_face("happiness", landmarks=landmarks, **options)


@pytest.fixture
def photo() -> Image.Image:
    return picture_with_faces((400, 300), [])


@pytest.fixture
def png(photo) -> bytes:
    return encoded(photo, "PNG")


def test_without_faces_the_picture_comes_out_as_it_came_in(photo, png):
    result = fake_pipeline(FakeAnalyzer()).run(png, PLAIN)

    assert result.faces == ()
    assert (result.width, result.height, result.format) == (400, 300, "PNG")
    assert_same_pixels(opened(result.encoded), photo)


def test_an_emoji_lies_over_the_face_and_nowhere_else(photo, png):
    result = fake_pipeline(FakeAnalyzer([face_at(LEFT)])).run(png, PLAIN)

    (face,) = result.faces
    before, after = np.asarray(photo), np.asarray(opened(result.encoded))
    rows, columns = np.nonzero((before != after).any(axis=-1))
    x, y = face.placement.center_xy
    radius = face.placement.size_px / 2
    assert face.emoji.name == "happiness_face"
    assert np.hypot(columns + 0.5 - x, rows + 0.5 - y).max() <= radius + 1
    assert len(rows) == pytest.approx(np.pi * radius**2, rel=0.05)


def test_faces_come_in_reading_order(png):
    analyzer = FakeAnalyzer([face_at(RIGHT), face_at(LEFT)])

    result = fake_pipeline(analyzer).run(png, PLAIN)

    assert [one.placement.center_xy[0] < 200 for one in result.faces] == [True, False]
    assert result.alt_text.startswith("2 faces")


def test_every_stage_is_timed(png):
    result = fake_pipeline(FakeAnalyzer([face_at(LEFT)])).run(png, PLAIN)

    assert list(result.milliseconds) == STAGES
    assert list(result.milliseconds.values()) == pytest.approx([1.0] * len(STAGES))


def test_a_decoded_picture_skips_the_decoder(photo):
    pipeline = Pipeline(FakeDecoder({}), FakeAnalyzer(), FakeEmojiSource(), FakeClock())

    result = pipeline.run(from_image(photo), PLAIN)

    assert list(result.milliseconds) == STAGES[1:]


def test_a_face_that_is_not_sure_gets_a_mild_guess(png):
    emoji = [
        make_emoji("beaming", point={"happiness": 1.0}),
        make_emoji("calm", point={"neutral": 1.0}, mild=True),
    ]
    analyzer = FakeAnalyzer([face_at(LEFT, probability=0.8, confident=False)])
    pipeline = Pipeline(
        fake_pipeline().decoder, analyzer, FakeEmojiSource(emoji), FakeClock()
    )

    (face,) = pipeline.run(png, PLAIN).faces

    assert (face.emoji.name, face.sure) == ("calm", False)


class TestHiddenFaces:
    @pytest.mark.parametrize("alpha", [1, 60, 127])
    def test_a_face_that_hardly_shows_gets_its_emoji(self, alpha):
        image = picture_with_faces((400, 300), [(100, 100, 180, 180)])
        image.putalpha(alpha)
        result = fake_pipeline().run(encoded(image, "PNG"), PLAIN)
        (face,) = result.faces
        x, y = map(round, face.placement.center_xy)
        assert opened(result.encoded).getpixel((x, y))[3] == 255
        assert opened(result.encoded).getpixel((5, 5)) == (90, 120, 100, alpha)

    def test_a_face_that_shows_both_ways_gets_one(self):
        image = picture_with_faces((400, 300), [(100, 100, 180, 180)])
        image.putalpha(255)
        image.paste((1, 1, 1, 50), (300, 200, 340, 240))
        assert len(fake_pipeline().run(encoded(image, "PNG"), PLAIN).faces) == 1

    def test_nothing_is_left_of_a_face_under_full_transparency(self):
        image = picture_with_faces((400, 300), [(100, 100, 180, 180)])
        image.putalpha(0)
        result = fake_pipeline().run(encoded(image, "PNG"), PLAIN)
        assert result.faces == ()
        assert opened(result.encoded).getextrema() == ((0, 0),) * 4


ONE_FRAME = EmojifyOptions(one_frame=True)


class TestFrames:
    FRAMES: ClassVar = (
        [],
        [(100, 100, 180, 180)],
        [(20, 100, 100, 180), (200, 100, 280, 180)],
        [],
    )

    def animation(self, codec="PNG", boxes=FRAMES):
        first, *others = (picture_with_faces((400, 300), one) for one in boxes)
        options = {"lossless": True} if codec == "WEBP" else {}
        return encoded(first, codec, save_all=True, append_images=others, **options)

    @pytest.mark.parametrize("codec", ["PNG", "WEBP", "GIF", "TIFF", "AVIF"])
    def test_the_frame_with_most_faces_is_taken(self, codec):
        result = fake_pipeline().run(self.animation(codec), ONE_FRAME)
        assert len(result.faces) == 2
        assert result.frame == 2
        what = "file's 4 pages" if codec == "TIFF" else "animation's 4 frames"
        assert f"Of the {what}, only number 3 is in the result." in result.notes

    def test_of_frames_with_as_many_faces_the_surest_is_taken(self):
        faint = replace(fake_analyzer(), detector=FakeDetector(0.7))

        class Fading(FakeAnalyzer):
            def analyze(self, picture, *, expressions=True):
                assert expressions
                bright = picture.image.getpixel((0, 0))[0] > 80
                return (fake_analyzer() if bright else faint).analyze(picture)

        dim = picture_with_faces((400, 300), self.FRAMES[1])
        dim.paste((50, 60, 50), (0, 0, 90, 90))
        others = [dim, picture_with_faces((400, 300), self.FRAMES[1])]
        first = picture_with_faces((400, 300), [])
        data = encoded(first, "PNG", save_all=True, append_images=others)
        assert fake_pipeline(Fading()).run(data, ONE_FRAME).frame == 2

    def test_a_face_in_the_first_frame_settles_it(self):
        boxes = [self.FRAMES[1], self.FRAMES[2]]
        result = fake_pipeline().run(self.animation(boxes=boxes), ONE_FRAME)
        assert (len(result.faces), result.frame) == (1, 0)
        note = "Of the animation's 2 frames, only the first is in the result."
        assert result.notes == (note,)

    def test_without_faces_anywhere_the_first_stays(self):
        first, second = picture_with_faces((40, 30), []), Image.new("RGB", (40, 30))
        data = encoded(first, "PNG", save_all=True, append_images=[second])
        result = fake_pipeline().run(data, ONE_FRAME)
        assert_same_pixels(opened(result.encoded), first)

    def test_a_frame_that_cannot_be_read_ends_the_search(self):
        pictures = [
            replace(from_image(picture_with_faces((400, 300), boxes)), frames=9)
            for boxes in self.FRAMES[:2]
        ]
        pipeline = replace(fake_pipeline(), decoder=FakeDecoder({b"data": pictures}))
        assert len(pipeline.run(b"data", ONE_FRAME).faces) == 1

    @pytest.mark.parametrize(
        ("size", "looked_at"), [((10, 10), MOST_FRAMES_SEEN), ((8000, 5000), 3)]
    )
    def test_some_frames_are_looked_at(self, size, looked_at):
        analyzer = FakeAnalyzer()
        picture = replace(from_image(Image.new("RGB", size)), frames=1000)
        decoder = FakeDecoder({b"data": [picture] * 1000})
        replace(fake_pipeline(analyzer), decoder=decoder).run(b"data", ONE_FRAME)
        assert len(analyzer.seen_wh) == 1 + looked_at


class TestOptions:
    @pytest.mark.parametrize(
        ("extension", "format_"),
        [(None, "PNG"), (".jpg", "JPEG"), (".WEBP", "WEBP"), (".tif", "TIFF")],
    )
    def test_the_extension_decides_the_format(self, png, extension, format_):
        result = fake_pipeline().run(png, EmojifyOptions(extension))

        assert result.format == format_
        assert opened(result.encoded).format == format_

    def test_a_format_that_is_not_written_is_refused_before_faces_are_read(self, png):
        analyzer = FakeAnalyzer()

        with pytest.raises(ImageError) as caught:
            fake_pipeline(analyzer).run(png, EmojifyOptions(".txt"))

        assert caught.value.kind == "output_format"
        assert analyzer.seen_wh == []

    def test_quality_makes_a_jpeg_smaller(self, png):
        rough, fine = (
            fake_pipeline().run(png, EmojifyOptions(".jpg", quality)).encoded
            for quality in (10, 95)
        )

        assert len(rough) < len(fine)

    def test_the_same_seed_draws_the_same_emoji(self, png):
        faces = [face_at((60.0 + 60 * i, 100.0), 12.0) for i in range(6)]
        pipeline = fake_pipeline(FakeAnalyzer(faces))

        def names(seed):
            drawn = pipeline.run(png, EmojifyOptions(surprise_seed=seed)).faces
            return [one.emoji.name for one in drawn]

        assert names(1) == names(1)
        assert len({tuple(names(seed)) for seed in range(5)}) > 1
        assert len(set(names(1))) > 1


class TestResult:
    def test_saves_in_the_format_of_the_name(self, png, tmp_path):
        result = fake_pipeline(FakeAnalyzer([face_at(LEFT)])).run(png, PLAIN)

        for name, format_ in [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a", "PNG")]:
            result.save(tmp_path / name)
            assert opened((tmp_path / name).read_bytes()).format == format_

    def test_notes_of_the_decoder_are_passed_on(self, photo):
        data = encoded(photo.resize((800, 600)), "JPEG")

        result = fake_pipeline(FakeAnalyzer()).run(data[: len(data) * 9 // 10], PLAIN)

        assert len(result.notes) == 1
        assert result.to_dict()["notes"] == list(result.notes)


@pytest.mark.parametrize("error", [InferenceError("Refused."), ValueError("odd")])
def test_errors_of_the_analyzer_come_through(png, error):
    with pytest.raises(type(error)):
        fake_pipeline(FakeAnalyzer(error=error)).run(png, PLAIN)


class TestPlans:
    #: Two patches that the fake detector takes for faces.
    BOXES = ((60, 60, 120, 120), (240, 60, 300, 120))

    @pytest.fixture
    def pair(self) -> bytes:
        return encoded(picture_with_faces((400, 300), self.BOXES), "PNG")

    def test_a_plan_that_waited_as_text_gives_the_bytes_of_one_run(self, pair):
        pipeline = fake_pipeline()
        options = EmojifyOptions(surprise_seed=3, quality=90, extension=".jpg")

        plan = Plan.from_json(pipeline.read(pair, options).to_json())

        at_once = pipeline.run(pair, options)
        assert plan == at_once.plan
        for _ in range(2):
            rendered = pipeline.render(pair, plan, options)
            assert rendered.encoded == at_once.encoded
            assert rendered.alt_text == at_once.alt_text
        assert rendered.faces[0].face is None
        assert at_once.faces[0].face is not None

    def test_nothing_is_analyzed_or_chosen_again(self, pair):
        plan = fake_pipeline().read(pair, PLAIN)
        broken = fake_pipeline(FakeAnalyzer(error=InferenceError("No models.")))

        result = broken.render(pair, plan, EmojifyOptions(surprise_seed=5))

        assert list(result.milliseconds) == ["decode", "composite", "encode"]
        assert result.plan == plan

    def test_a_run_decodes_once(self, pair):
        class Counting(InProcessDecoder):
            calls: ClassVar[list[int]] = []

            def decode(self, data, frame=0):
                self.calls.append(frame)
                return InProcessDecoder.decode(self, data, frame)

        pipeline = replace(fake_pipeline(), decoder=Counting())
        pipeline.run(pair, EmojifyOptions(edits=parse_edits("skip 1")))
        assert Counting.calls == [0]

    @pytest.mark.parametrize("input_format", ["PNG", "JPEG"])
    def test_a_face_that_is_left_stays_as_it_is(self, input_format):
        picture = picture_with_faces((400, 300), self.BOXES)
        data = encoded(picture, input_format)

        bare = fake_pipeline(FakeAnalyzer()).run(data, PLAIN)
        some = fake_pipeline().run(data, EmojifyOptions(edits=parse_edits("skip 2")))
        none = fake_pipeline().run(data, EmojifyOptions(edits=parse_edits("skip 1-2")))

        box = (200, 0, 400, 300)
        assert_same_pixels(
            opened(some.encoded).crop(box), opened(bare.encoded).crop(box)
        )
        assert none.encoded == bare.encoded
        assert [one.emoji is None for one in some.faces] == [False, True]
        assert some.alt_text == "2 faces: happiness, not covered"

    def test_a_frame_is_found_again(self):
        frames = [from_image(picture_with_faces((400, 300), [])), *(
            from_image(picture_with_faces((400, 300), self.BOXES)) for _ in range(2)
        )]  # fmt: skip
        frames = [replace(one, frames=3, frame=n) for n, one in enumerate(frames)]
        decoder = FakeDecoder({b"film": frames})
        pipeline = replace(fake_pipeline(), decoder=decoder)

        plan = pipeline.read(b"film", PLAIN)

        assert plan.frame == 1
        assert pipeline.render(b"film", plan, PLAIN).frame == 1

    def test_a_plan_of_another_picture_is_refused(self, pair, photo):
        plan = fake_pipeline().read(pair, PLAIN)
        other = encoded(photo.resize((300, 400)), "PNG")

        with pytest.raises(PlanError, match="400 x 300 pixels, and this one has 300"):
            fake_pipeline().render(other, plan, PLAIN)

    def test_a_frame_that_the_picture_lacks_is_refused(self, pair):
        plan = replace(fake_pipeline().read(pair, PLAIN), frame=7)

        with pytest.raises(PlanError, match="frame 8 of its picture, and this one"):
            fake_pipeline().render(pair, plan, PLAIN)
        with pytest.raises(ImageError, match="is empty"):
            fake_pipeline().render(b"", plan, PLAIN)

    def test_an_emoji_that_the_theme_lacks_is_refused(self, pair):
        plan = fake_pipeline().read(pair, PLAIN)
        plan = decide(plan, 1, DrawEmoji("swordfish"))

        with pytest.raises(PlanError, match="the emoji 'swordfish'"):
            fake_pipeline().render(pair, plan, PLAIN)

    def test_a_plan_is_changed_before_it_is_painted(self, pair):
        plan = fake_pipeline().read(pair, PLAIN)
        asked = EmojifyOptions(edits=parse_edits("1=fear_face"))

        result = fake_pipeline().render(pair, plan, asked)

        assert [one.emoji.name for one in result.faces] == [
            "fear_face",
            "happiness_face",
        ]
        assert result.alt_text == "2 faces: drawn as fear, happiness"
        assert [one["chosen_by"] for one in result.to_dict()["faces"]] == [
            "person",
            "reader",
        ]

    def test_a_missed_face_is_read_where_somebody_points(self, png):
        asked = EmojifyOptions(edits=parse_edits("also 50,40,60x60"))

        (face,) = fake_pipeline().run(png, asked).faces

        assert (face.planned.number, face.face.detection.confidence) == (1, 0.0)
        assert face.emoji.name == "happiness_face"
        assert face.placement == place(face.face.landmarks)
        assert face.planned.chosen_by is ChosenBy.READER

    def test_where_nothing_can_be_read_the_box_says_where(self, pair):
        asked = EmojifyOptions(edits=parse_edits("also 50,40,60x40"))
        analyzer = FakeAnalyzer([face_at(RIGHT)])

        plan = fake_pipeline(analyzer).read(pair, asked)

        # Who was found keeps the number that people know.
        first, added = plan.faces
        assert first.box.center_xy[0] > 200
        assert (added.number, added.sure, added.face) == (2, False, None)
        assert added.placement == Placement((80.0, 60.0), pytest.approx(66), 0.0)
        assert added.decision == DrawEmoji("neutral_face")

    def test_points_beside_the_box_are_not_believed(self, png):
        class Elsewhere(FakeLandmarker):
            def locate(self, picture, detections):
                del picture
                return [make_landmarks(center_xy=(300, 200)) for _ in detections]

        analyzer = replace(fake_analyzer(), landmarker=Elsewhere())
        asked = EmojifyOptions(edits=parse_edits("also 50,40,60x60"))

        (face,) = fake_pipeline(analyzer).read(png, asked).faces

        assert face.placement.center_xy == (80.0, 70.0)
        assert face.face is None

    def test_a_place_outside_is_refused(self, png):
        asked = EmojifyOptions(edits=parse_edits("also 400,0,9x9"))

        with pytest.raises(PlanError, match="400,0 lies outside of the picture"):
            fake_pipeline().run(png, asked)
