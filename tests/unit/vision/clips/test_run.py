"""A clip goes through the whole pipeline: followed once, then painted and encoded."""

from __future__ import annotations

import io
import pickle
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.app.picture_child import emojified, previewed
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.errors import ErrorKind, ImageError, PlanError
from emojifier_bot.vision.analyzers.local import LocalAnalyzer
from emojifier_bot.vision.clips.follow import FaceFollower
from emojifier_bot.vision.clips.limits import ClipLimits
from emojifier_bot.vision.clips.opening import InProcessDecoder
from emojifier_bot.vision.debug import label
from emojifier_bot.vision.edits import apply, parse_edits
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder
from emojifier_bot.vision.sandbox.protocol import ChildLimits
from tests import videos
from tests.builders import make_scores, make_theme
from tests.clips import animation, facts_of, rgba_frames
from tests.fakes.faces import (
    FACE_RGB,
    FakeAnalyzer,
    FakeClassifier,
    FakeDetector,
    FakeLandmarker,
    picture_with_faces,
)
from tests.fakes.pipeline import fake_pipeline
from tests.images import encoded, opened

PLAIN = EmojifyOptions()
COUNT, STEP_PX = 12, 4


def boxes(index):
    left = 40 + STEP_PX * index
    return [(left, 60, left + 80, 140), (260, 150, 340, 230)]


def drawn(some):
    """Draw faces, and light and shade: what has none counts as blank."""
    image = picture_with_faces((400, 300), some)
    image.paste((255, 255, 255), (0, 0, 400, 40))
    image.paste((0, 0, 0), (0, 260, 400, 300))
    return image


def frames(count=COUNT):
    return [drawn(boxes(index)) for index in range(count)]


WEBP = animation(frames(), "WEBP", lossless=True, loop=2)
GIF = animation([one.quantize(64) for one in frames()], "GIF")
FACELESS = animation([drawn([]), Image.new("RGB", (400, 300))], "GIF")


@dataclass
class Changing(FakeClassifier):
    """Reads another emotion in the right half of the way."""

    def classify(self, picture, landmarks):
        del picture
        return [
            make_scores("fear" if one.points_xy[:, 0].mean() > 180 else "happiness")
            for one in landmarks
        ]


def copied(result):
    return pickle.loads(pickle.dumps(result))


def uncovered(result):
    """Return how many pixels of the faces each frame still shows."""
    return [
        int((abs(one[..., :3].astype(int) - FACE_RGB).max(axis=2) < 30).sum())
        for one in rgba_frames(result.encoded)
    ]


@pytest.mark.parametrize("data", [WEBP, GIF])
def test_every_face_is_covered_in_every_frame(data):
    result = fake_pipeline().run(data, PLAIN)

    assert (result.frames, len(result.faces)) == (COUNT, 2)
    assert result.seconds == pytest.approx(0.48)
    assert facts_of(result.encoded) == facts_of(data)
    assert [face.planned.number for face in result.faces] == [1, 2]
    # The corners of a square are not under a disc.
    assert max(uncovered(result)) < 0.5 * 2 * 80 * 80
    assert result.alt_text.startswith("2 faces")
    assert result.notes == ()


def test_progress_goes_through_both_passes():
    told = []

    fake_pipeline().run(GIF, PLAIN, lambda done, total: told.append((done, total)))

    assert told == [(done, 2 * COUNT) for done in range(1, 2 * COUNT + 1)]


def test_a_person_who_is_left_alone_is_left_alone_throughout():
    edits = parse_edits("skip 2")
    both, one = (
        fake_pipeline().run(WEBP, replace(PLAIN, edits=some))
        for some in (PLAIN.edits, edits)
    )

    assert len(both.faces) == len(one.faces) == 2
    assert min(uncovered(one)) > max(uncovered(both)) + 3000


def test_a_plan_of_a_clip_is_painted_again():
    pipeline = fake_pipeline()
    result = pipeline.run(WEBP, PLAIN)
    plan = pipeline.read(WEBP, PLAIN)

    assert plan.to_json() == result.plan.to_json()
    again = pipeline.render(WEBP, type(plan).from_json(plan.to_json()), PLAIN)
    assert again.encoded == result.encoded


def test_what_a_person_chose_holds_for_all_frames_even_if_it_was_read_in_some():
    def emoji_of_first(words):
        edits = parse_edits(words)
        follow = FaceFollower(
            LocalAnalyzer(FakeDetector(), FakeLandmarker(), Changing()),
            make_theme(),
            decide=lambda plan: apply(plan, edits, make_theme()),
        )
        with InProcessDecoder().open_clip(animation(frames(40), "WEBP")) as clip:
            found = follow(clip)
        faces = [found.at(index).faces[0] for index in range(40)]
        return found.plan.faces[0].decision.name, {one.decision.name for one in faces}

    usual, drawn_ones = emoji_of_first("")
    assert len(drawn_ones) == 2
    assert emoji_of_first(f"1={usual}") == (usual, {usual})


def test_a_plan_of_a_clip_is_none_of_one_frame_nor_the_other_way_round():
    pipeline, still = fake_pipeline(), replace(PLAIN, one_frame=True)

    with pytest.raises(PlanError, match="for a clip of 12 frames, and this is a pict"):
        pipeline.render(GIF, pipeline.read(GIF, PLAIN), still)
    with pytest.raises(PlanError, match="for a picture, and this is a clip of 12 fr"):
        pipeline.render(GIF, pipeline.read(GIF, still), PLAIN)
    short = animation(frames(3), "GIF")
    with pytest.raises(PlanError, match="a clip of 12 frames, and this is a clip of 3"):
        pipeline.render(short, pipeline.read(GIF, PLAIN), PLAIN)


def test_a_plan_of_a_clip_says_how_it_was_read():
    for mode in ReadingMode:
        options = replace(PLAIN, reading=mode)
        assert fake_pipeline().read(GIF, options).reading == mode


def test_the_faces_of_a_clip_are_explained():
    pipeline = fake_pipeline()

    for data in (GIF, videos.video(frames())):
        plan, whys = pipeline.why(data, PLAIN)
        assert plan == pipeline.read(data, PLAIN)
        assert [one.number for one in whys] == [1, 2]
        assert [one.emoji.name for one in whys] == [
            one.decision.name for one in plan.faces
        ]


def late(index):
    """Show two faces, the second one only later, when the first one is gone."""
    left, top = (40 + index, 60) if index < COUNT else (250 + index, 150)
    return [(left, top, left + 80, top + 80)]


def test_who_is_not_seen_in_the_frame_of_a_preview_has_no_number_there():
    shown = [drawn(late(index)) for index in range(2 * COUNT)]
    data = animation(shown, "PNG", duration=200)
    pipeline = fake_pipeline()

    result = pipeline.run(data, PLAIN)

    first, second = result.plan.faces
    assert first.frame < COUNT <= second.frame
    assert [one.number for one in result.shown] == [1 if result.frame < COUNT else 2]
    pictures = pipeline.frames(data, result, {first.frame, second.frame})
    assert [one.frame for one in pictures] == [first.frame, second.frame]


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("container", ["gif", "mp4"])
def test_a_preview_of_a_clip_is_one_frame_with_numbers(container, seed):
    data, pipeline = GIF, fake_pipeline()
    if container == "mp4":
        data = videos.video(frames())
    options = replace(PLAIN, for_channel=True, surprise_seed=seed)

    shown = previewed(pipeline, data, options, None)

    assert (shown.format, shown.frames, opened(shown.data).size) == (
        "JPEG",
        COUNT,
        (400, 300),
    )
    posted = pipeline.render(data, shown.plan, replace(PLAIN, for_channel=True))
    assert shown.digest == emojified(posted).digest
    skipped = replace(PLAIN, for_channel=True, edits=parse_edits("skip 1"))
    other = pipeline.render(data, shown.plan, skipped)
    assert shown.digest != emojified(other).digest
    again = previewed(pipeline, data, options, shown.plan)
    assert (again.data, again.digest) == (shown.data, shown.digest)


@pytest.mark.parametrize("extension", [".mp4", ".gif", ".webp"])
def test_the_numbers_of_a_clip_are_a_picture_whatever_it_becomes(extension):
    options = replace(PLAIN, numbered=True, extension=extension)

    assert fake_pipeline().run(GIF, options).format == "PNG"


def test_a_video_of_one_frame_can_be_looked_at_again():
    data, pipeline = videos.video(frames(1)), fake_pipeline()

    result = pipeline.run(data, PLAIN)

    assert (result.frames, len(result.faces)) == (1, 2)
    (frame,) = pipeline.frames(data, result, {0})
    assert frame.image.size == (400, 300)


def test_a_video_that_was_made_becomes_another_one():
    result = fake_pipeline().run(videos.video(frames(3)), PLAIN)

    with InProcessDecoder().open_clip(result.encode_for(".webm")) as clip:
        assert len(list(clip.frames())) == 3


def test_what_was_not_read_is_not_told_as_read():
    covered = replace(PLAIN, edits=parse_edits("cover"))

    for data in (GIF, encoded(drawn(boxes(0)), "PNG")):
        result = fake_pipeline().run(data, covered)
        assert [one["emotions"] for one in result.to_dict()["faces"]] == [None, None]
        assert "0.12" not in label(result.faces[0])


def test_the_numbered_preview_is_one_picture_with_every_person():
    result = fake_pipeline().run(GIF, replace(PLAIN, numbered=True, for_channel=True))

    assert (result.frames, len(result.faces)) == (1, 2)
    with Image.open(io.BytesIO(result.encoded)) as image:
        assert (image.size, getattr(image, "n_frames", 1)) == ((400, 300), 1)


def test_one_frame_is_a_picture_if_that_is_wanted():
    for options in (
        replace(PLAIN, one_frame=True),
        replace(PLAIN, extension=".jpg"),
    ):
        result = fake_pipeline().run(GIF, options)
        assert (result.frames, len(result.faces)) == (1, 2)
        note = f"Of the animation's {COUNT} frames, only the first is in the result."
        assert note in result.notes


@pytest.mark.parametrize("extension", [".gif", "png", ".webp", ".avif"])
def test_another_extension_converts_and_so_does_the_result(extension):
    result = fake_pipeline().run(GIF, replace(PLAIN, extension=extension))

    assert extension.removeprefix(".") in result.extensions[0]
    assert len(rgba_frames(result.encoded)) == COUNT
    again = copied(result).encode_for(".webp")
    assert len(rgba_frames(again)) == COUNT
    with pytest.raises(ImageError, match="cannot be written as"):
        result.encode_for(".jpg")


def test_without_people_a_channel_gets_nothing_and_others_the_clip():
    assert (
        fake_pipeline().run(FACELESS, replace(PLAIN, for_channel=True)).encoded == b""
    )
    result = fake_pipeline().run(FACELESS, PLAIN)
    assert (result.faces, len(rgba_frames(result.encoded))) == ((), 2)


def test_faces_that_are_hardly_seen_are_covered_too():
    """Whoever has the file restores what lies under a faint alpha."""
    faint = []
    for one in frames():
        alpha = Image.new("L", one.size, 255)
        alpha.paste(20, (0, 50, 400, 250))
        one.putalpha(alpha)
        faint.append(one)

    result = fake_pipeline().run(animation(faint, "PNG"), PLAIN)

    assert len(result.faces) == 2
    for index, shown in enumerate(rgba_frames(result.encoded)):
        x = 40 + STEP_PX * index + 40
        assert tuple(shown[100, x])[3] == 255
        assert abs(shown[100, x, :3].astype(int) - FACE_RGB).max() > 60


def test_what_is_cut_off_is_said():
    result = fake_pipeline().run(GIF[: int(len(GIF) * 0.8)], PLAIN)

    assert 2 < result.frames < COUNT
    (note,) = result.notes
    assert f"only the first {result.frames} could be read" in note


def test_a_place_cannot_be_added_and_another_back_end_is_not_asked():
    edits = parse_edits("also 10,10,20x20")
    with pytest.raises(PlanError, match="not to a clip"):
        fake_pipeline().run(GIF, replace(PLAIN, edits=edits))
    hosted = fake_pipeline(FakeAnalyzer())
    with pytest.raises(ImageError, match="local models alone"):
        hosted.run(GIF, PLAIN)
    own = replace(hosted, make_models=lambda: fake_pipeline().analyzer)
    assert len(own.run(GIF, PLAIN).faces) == 2


def test_over_a_bound_no_still_picture_is_made_silently():
    decoder = InProcessDecoder(clip_limits=ClipLimits(max_frames=COUNT - 1))

    with pytest.raises(ImageError, match="EMOJIFIER_MAX_FRAMES") as caught:
        replace(fake_pipeline(), decoder=decoder).run(GIF, PLAIN)

    assert caught.value.kind == ErrorKind.CLIP_TOO_LONG


@pytest.fixture(scope="module")
def decoder():
    with IsolatedDecoder() as one:
        yield one


class TestIsolated:
    @pytest.mark.parametrize("options", [PLAIN, replace(PLAIN, extension=".avif")])
    @pytest.mark.parametrize("data", [WEBP, GIF, FACELESS])
    def test_a_process_of_its_own_gives_the_same(self, decoder, data, options):
        here = fake_pipeline()

        there = replace(here, decoder=decoder).run(data, options)

        want = here.run(data, options)
        assert there.alt_text == want.alt_text
        for one, other in zip(
            rgba_frames(there.encoded), rgba_frames(want.encoded), strict=True
        ):
            np.testing.assert_array_equal(one, other)
        assert decoder.deaths == {}

    def test_a_pass_may_end_early_and_begin_again(self, decoder):
        with decoder.open_clip(GIF) as clip:
            assert [frame.index for frame in clip.frames()][-1] == COUNT - 1
            for frame in clip.frames():
                if frame.index == 3:
                    break
            assert next(clip.frames()).index == 0
            assert len(clip.rewritten(lambda _frame: None)) > 1000
        with decoder.open_clip(FACELESS) as clip:
            assert clip.info.frames == 2
        assert decoder.decode(GIF).frames == COUNT
        assert decoder.deaths == {}

    def test_a_picture_and_a_refusal_leave_it_alive(self, decoder):
        with decoder.open_clip(animation(frames(1), "GIF")) as clip:
            assert clip is None
        with suppress(PlanError), decoder.open_clip(GIF) as clip:
            next(clip.frames())
            raise PlanError("It is another picture.")
        assert decoder.decode(GIF).frames == COUNT
        assert decoder.deaths == {}

    def test_whoever_gives_up_amid_the_encoding_costs_a_process(self):
        def fail(_frame):
            raise PlanError("It is another picture.")

        with IsolatedDecoder() as decoder:
            with (
                pytest.raises(ImageError) as caught,
                decoder.open_clip(GIF) as clip,
            ):
                clip.rewritten(fail)
            assert caught.value.kind == ErrorKind.DECODE_CRASH
            assert decoder.decode(GIF).frames == COUNT
            assert decoder.deaths == {"wrong answer": 1}

    def test_bounds_hold_there_too(self):
        limits = ChildLimits(clip=ClipLimits(max_seconds=0.4))
        with (
            IsolatedDecoder(limits) as decoder,
            pytest.raises(ImageError, match="EMOJIFIER_MAX_SECONDS"),
            decoder.open_clip(GIF),
        ):
            pass

    def test_a_result_that_is_too_large_is_refused_and_leaves_it_alive(self):
        limits = ChildLimits(clip=ClipLimits(max_result_bytes=2_000))
        with IsolatedDecoder(limits) as decoder:
            with (
                pytest.raises(ImageError, match=r"result of this clip") as caught,
                decoder.open_clip(GIF) as clip,
            ):
                clip.rewritten(lambda _frame: None)
            assert caught.value.kind == ErrorKind.CLIP_TOO_LONG
            assert decoder.decode(GIF).frames == COUNT
            assert decoder.deaths == {}
