"""What the first pass makes of frames, with models to whom patches are faces."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.analyzers.local import FOLLOWED_PX, LocalAnalyzer
from emojifier_bot.vision.clips.tracker import Tracker
from emojifier_bot.vision.clips.tracks import (
    AWAY_SECONDS,
    BRIEF_CONFIDENCE,
    UNCONFIRMED_SECONDS,
    Sighting,
    Track,
    believed,
    expected_at,
    joined,
    paired,
)
from tests.builders import make_detection, make_landmarks
from tests.fakes.clips import FakeClip
from tests.fakes.faces import FACE_RGB, FakeClassifier, FakeDetector, FakeLandmarker
from tests.moving_pictures import ground

GROUND = Image.fromarray(ground().pixels[:240, :320, :3])
FPS = 30
ENDS = [(index + 1) / FPS for index in range(100)]


class CountingDetector(FakeDetector):
    """Counts the frames that were searched as a whole, and all pixels."""

    def __init__(self):
        super().__init__()
        self.searches = self.pixels = 0

    def detect(self, image):
        self.pixels += image.shape[0] * image.shape[1]
        # The main pass of a search sees the whole frame, enlarged.
        self.searches += image.shape == (480, 640, 3)
        assert image.shape[0] >= FOLLOWED_PX
        return super().detect(image)


def tracked(count, *courses, detector=None, ground=GROUND, **shown):
    """Follow patches whose left upper corner a course gives, or None."""

    def draw(index):
        image = ground.copy()
        for course in courses:
            corner = course(index)
            if corner is not None:
                x, y = map(round, corner)
                image.paste(FACE_RGB, (x, y, x + 40, y + 40))
        return image

    models = LocalAnalyzer(
        detector or FakeDetector(), FakeLandmarker(), FakeClassifier()
    )
    clip = FakeClip(draw, count, **{"duration_ms": 1000 / FPS} | shown)
    return Tracker(models).run(clip)


def frames_of(track):
    return [one.frame for one in track.course]


def sighting(frame, x=100.0, confidence=0.9):
    points = make_landmarks(center_xy=(x, 80.0))
    detection = make_detection(points, confidence=confidence)
    return Sighting(frame, frame / FPS, (frame + 1) / FPS, detection, points)


class Unreadable(FakeClip):
    """A clip of which no frame can be decoded."""

    def frames(self):
        return iter(())


def test_a_clip_of_no_frames_has_no_tracks():
    models = LocalAnalyzer(FakeDetector(), FakeLandmarker(), FakeClassifier())

    found = Tracker(models).run(Unreadable(lambda _index: GROUND, 3))

    assert (found.tracks, found.seconds, found.scenes) == ((), (), ())


def test_a_face_that_stays_is_one_track_of_all_frames():
    found = tracked(25, lambda _index: (100, 80))

    (track,) = found.tracks
    assert frames_of(track) == list(range(25))
    assert found.scenes == (0,) * 25


def test_only_key_frames_are_searched_as_a_whole():
    detector = CountingDetector()

    tracked(46, lambda index: (60 + 2 * index, 80), detector=detector)

    assert detector.searches == 4


def test_a_lost_face_asks_for_a_search():
    detector = CountingDetector()

    # It jumps farther than it is looked for.
    found = tracked(10, lambda index: (10 if index < 5 else 250, 80), detector=detector)

    # The last frame is searched too.
    assert detector.searches == 3
    assert [frames_of(track) for track in found.tracks] == [
        list(range(5)),
        list(range(5, 10)),
    ]


def test_a_face_that_is_lost_after_frames_that_show_nothing_asks_for_a_search():
    detector = CountingDetector()

    def draw(index):
        if index in {4, 5}:
            return Image.new("RGB", GROUND.size)
        image = GROUND.copy()
        x = 10 if index < 4 else 250
        image.paste(FACE_RGB, (x, 80, x + 40, 120))
        return image

    models = LocalAnalyzer(detector, FakeLandmarker(), FakeClassifier())
    found = Tracker(models).run(FakeClip(draw, 10, 1000 / FPS))

    # The first frame, the one after the black ones and the last.
    assert detector.searches == 3
    assert [frames_of(track) for track in found.tracks] == [
        list(range(4)),
        list(range(6, 10)),
    ]


@pytest.mark.parametrize("since", [18, 22, 24])
def test_a_face_that_comes_shortly_before_the_end_is_followed_back(since):
    found = tracked(
        25,
        lambda _index: (30, 40),
        lambda index: (220 - 2 * index, 150) if index >= since else None,
    )

    # Frame 15 was the last key frame. A glimpse is a face if a search is sure.
    assert [frames_of(track) for track in found.tracks] == [
        list(range(25)),
        list(range(since, 25)),
    ]


def test_a_face_that_comes_shortly_before_a_cut_is_followed_back():
    other = Image.fromarray(ground(5).pixels[:240, :320, :3])

    def draw(index):
        image = (GROUND if index < 10 else other).copy()
        if 6 <= index < 10:
            image.paste(FACE_RGB, (100, 80, 140, 120))
        return image

    models = LocalAnalyzer(FakeDetector(), FakeLandmarker(), FakeClassifier())
    (track,) = Tracker(models).run(FakeClip(draw, 20, 40)).tracks

    assert (track.scene, frames_of(track)) == (0, [6, 7, 8, 9])


def test_a_new_face_is_followed_backwards_to_where_it_appeared():
    found = tracked(
        34,
        lambda _index: (30, 40),
        lambda index: (220 - 2 * index, 150) if index >= 17 else None,
    )

    # Frame 30 is the key frame that finds it.
    assert frames_of(found.tracks[1]) == list(range(17, 34))


@pytest.mark.parametrize(
    ("fps", "since", "size_wh"),
    [
        *((fps, 3, (320, 240)) for fps in (30, 24, 20, 4)),
        *((fps, 4, (320, 240)) for fps in (30, 10)),
        (30, 2, (1280, 720)),
    ],
)
def test_a_face_that_every_second_frame_shows_is_seen_in_all_of_them(
    fps, since, size_wh
):
    shown = list(range(since, 64, 2))

    found = tracked(
        64,
        lambda index: (100 + index, 80) if index in shown else None,
        ground=GROUND.resize(size_wh),
        duration_ms=1000 / fps,
    )

    (track,) = found.tracks
    assert frames_of(track) == shown


def test_a_face_is_followed_backwards_through_frames_that_show_nothing():
    shown = [index for index in range(2, 64, 2) if index not in {20, 22}]

    def draw(index):
        if index in {20, 21, 22}:
            return Image.new("RGB", GROUND.size)
        image = GROUND.copy()
        if index in shown:
            image.paste(FACE_RGB, (100, 80, 140, 120))
        return image

    models = LocalAnalyzer(FakeDetector(), FakeLandmarker(), FakeClassifier())
    found = Tracker(models).run(FakeClip(draw, 64, 1000 / FPS))

    # Frame 30 is the key frame that finds it.
    (track,) = found.tracks
    assert frames_of(track) == shown


def test_a_face_that_is_hidden_for_a_while_is_the_same_afterwards():
    found = tracked(
        60, lambda index: None if 20 <= index < 40 else (20 + 4 * index, 80)
    )

    (track,) = found.tracks
    assert frames_of(track) == [*range(20), *range(40, 60)]


#: Longer than a face is covered while nobody sees it, and while it may come back.
AWAY, LONG_AWAY = round(2.5 * FPS), round(AWAY_SECONDS * FPS) + 5


def away(first, last, since, until):
    """Return a course that ends at one frame and begins at another."""
    return lambda index: first if index < since else last if index >= until else None


def test_a_face_that_was_hidden_for_long_in_its_place_is_the_same():
    found = tracked(AWAY + 40, away((100, 80), (106, 82), 20, 20 + AWAY))

    (track,) = found.tracks
    assert [part[0].frame for part in track.parts()] == [0, 20 + AWAY]
    assert track.course[-1].frame == AWAY + 39


@pytest.mark.parametrize("held_ms", [2000, 6000])
@pytest.mark.parametrize("held", [0, 7, 11])
@pytest.mark.parametrize("corner", [(5, 80), (100, 80)], ids=["edge", "middle"])
def test_a_frame_that_is_shown_for_long_ends_no_track(corner, held, held_ms):
    found = tracked(12, lambda _index: corner, duration_ms=100, held_ms={held: held_ms})

    (track,) = found.tracks
    assert [frames_of(track)] == [[one.frame for one in part] for part in track.parts()]
    assert frames_of(track) == list(range(12))


def test_who_is_seen_in_each_picture_of_a_slide_show_is_one_person():
    found = tracked(5, lambda index: (5 + 2 * index, 80), duration_ms=3000)

    (track,) = found.tracks
    assert frames_of(track) == list(range(5))


def test_a_frame_that_is_shown_for_long_asks_no_more_of_the_next_than_others():
    # The last frame is shown too briefly for a face that nobody knew.
    found = tracked(
        6,
        lambda _index: (100, 80),
        detector=FakeDetector(BRIEF_CONFIDENCE - 0.05),
        held_ms={4: 3000},
    )

    (track,) = found.tracks
    assert frames_of(track) == list(range(6))


@pytest.mark.parametrize("corner", [(5, 80), (100, 80)], ids=["edge", "middle"])
@pytest.mark.parametrize(("held", "held_ms"), [(4, 3000), (5, 1450)])
def test_a_face_that_is_missed_beside_a_frame_that_is_shown_for_long_is_covered(
    held, held_ms, corner
):
    found = tracked(
        12,
        lambda index: corner if index != 5 else None,
        duration_ms=100,
        held_ms={held: held_ms},
    )

    # It is frame 5 alone that does not show it.
    (track,) = found.tracks
    assert len(track.parts()) == 1


@pytest.mark.parametrize(
    ("courses", "held_ms"),
    {
        "elsewhere": ([away((100, 80), (140, 80), 4, 4)], 3000),
        "not shown for long": ([away((5, 80), (5, 80), 4, 5)], 1600),
    }.values(),
)
def test_who_is_seen_after_a_long_frame_may_be_another_one(courses, held_ms):
    found = tracked(12, *courses, duration_ms=100, held_ms={3: held_ms, 4: held_ms})

    assert len(found.tracks) == 2


def test_a_face_that_only_a_long_frame_shows_is_found():
    found = tracked(
        12,
        lambda index: (100, 80) if index == 3 else None,
        duration_ms=100,
        held_ms={3: 500},
    )

    (track,) = found.tracks
    assert frames_of(track) == [3]


def test_a_cut_after_a_long_frame_is_another_one():
    other = Image.fromarray(ground(5).pixels[:240, :320, :3])

    def draw(index):
        image = (GROUND if index == 0 else other).copy()
        image.paste(FACE_RGB, (100, 80, 140, 120))
        return image

    models = LocalAnalyzer(FakeDetector(), FakeLandmarker(), FakeClassifier())
    found = Tracker(models).run(FakeClip(draw, 4, 2000))

    assert [frames_of(track) for track in found.tracks] == [[0], [1, 2, 3]]


@pytest.mark.parametrize(
    ("count", "courses"),
    {
        "elsewhere": (AWAY, [away((100, 80), (140, 80), 20, 20 + AWAY)]),
        "at the edge": (AWAY, [away((5, 80), (5, 80), 20, 20 + AWAY)]),
        "for too long": (LONG_AWAY, [away((100, 80), (100, 80), 20, 20 + LONG_AWAY)]),
        "where another one was": (
            AWAY,
            [
                away((100, 80), (100, 80), 20, 20 + AWAY),
                lambda index: (20 + 2 * (index - 10), 84) if 10 < index < 90 else None,
            ],
        ),
    }.values(),
)
def test_who_comes_back_may_be_another_one(count, courses):
    tracks = tracked(count + 40, *courses).tracks

    assert len(tracks) == len(courses) + 1


def test_two_that_swap_sides_stay_who_they_are():
    found = tracked(
        50, lambda index: (20 + 5 * index, 60), lambda index: (265 - 5 * index, 120)
    )

    ways = [
        track.course[-1].detection.box.x_min - track.course[0].detection.box.x_min
        for track in found.tracks
    ]
    assert sorted(map(round, ways)) == [-245, 245]


def test_a_scene_has_its_own_tracks():
    other = Image.fromarray(ground(5).pixels[:240, :320, :3])

    def draw(index):
        image = (GROUND if index < 10 else other).copy()
        image.paste(FACE_RGB, (100, 80, 140, 120))
        return image

    models = LocalAnalyzer(FakeDetector(), FakeLandmarker(), FakeClassifier())
    found = Tracker(models).run(FakeClip(draw, 20, 40))

    assert [frames_of(track) for track in found.tracks] == [
        list(range(10)),
        list(range(10, 20)),
    ]
    assert [track.scene for track in found.tracks] == [0, 1]


def test_expressions_are_read_ten_times_a_second():
    (track,) = tracked(31, lambda _index: (100, 80)).tracks

    read = [one.frame for one in track.course if one.scores is not None]

    assert read == list(range(0, 31, 3))


def test_without_a_classifier_no_expression_is_read():
    models = LocalAnalyzer(FakeDetector(), FakeLandmarker(), None)
    clip = FakeClip(lambda _index: picture_with_a_face(), 3)

    (track,) = Tracker(models).run(clip).tracks

    assert [one.scores for one in track.course] == [None] * 3


def picture_with_a_face():
    image = GROUND.copy()
    image.paste(FACE_RGB, (100, 80, 140, 120))
    return image


@pytest.mark.parametrize(
    ("expected", "found", "pairs"),
    [
        ([], [100.0], []),
        ([100.0], [], []),
        ([100.0], [130.0], [(0, 0)]),
        ([100.0], [300.0], []),
        # The nearest first, then what is left.
        ([100.0, 160.0], [150.0, 110.0], [(0, 1), (1, 0)]),
        # Most of them tell how all move.
        ([90.0, 200.0, 300.0], [133.0, 244.0, 345.0], [(0, 0), (1, 1), (2, 2)]),
        ([90.0, 200.0, 300.0, 400.0], [241.0, 341.0, 441.0], [(1, 0), (2, 1), (3, 2)]),
    ],
)
def test_faces_are_paired_with_what_is_near(expected, found, pairs):
    def detections(places):
        return [sighting(0, x).detection for x in places]

    matched = paired(
        [[one] for one in detections(expected)],
        [0.0] * len(expected),
        detections(found),
    )

    assert sorted(matched) == pairs


def test_what_was_not_seen_for_a_while_may_be_farther():
    near, far = sighting(0, 100.0).detection, sighting(0, 205.0).detection

    assert paired([[near]], [0.0], [far]) == []
    assert paired([[near]], [0.5], [far]) == [(0, 0)]


def test_another_size_is_another_face():
    small = make_detection(make_landmarks(eye_distance_px=20))
    large = make_detection(make_landmarks(eye_distance_px=50))

    assert paired([[small]], [0.0], [large]) == []


@pytest.mark.parametrize("frame", [10, 13, 25])
def test_a_face_is_expected_where_its_speed_takes_it(frame):
    course = [sighting(index, 50.0 + 3 * index) for index in range(10)]

    places = expected_at(course, frame / FPS)

    right = sighting(frame, 50.0 + 3 * frame).detection.box
    for one in places[:2]:
        np.testing.assert_allclose(one.box.xyxy, right.xyxy, atol=0.1)
    # After a while it may have stopped as well.
    assert (course[-1].detection in places) == (len(places) == 3) == (frame > 12)


def test_what_hides_a_face_does_not_tell_where_it_goes():
    course = [sighting(index, 50.0 + 3 * index) for index in range(10)]
    # Half covered by another one, it seems to stop.
    course += [sighting(index, 80.0, confidence=0.6) for index in (10, 11, 12)]

    box = expected_at(course, 30 / FPS)[1].box

    right = sighting(30, 50.0 + 3 * 30).detection.box
    np.testing.assert_allclose(box.xyxy, right.xyxy, atol=8)


def test_a_brief_mistake_is_no_face_and_a_brief_face_is_one():
    def seen_for(frames, confidence):
        track = Track(0, [sighting(index) for index in range(frames)])
        track.confirmed[0] = confidence
        return believed(track, ENDS)

    assert seen_for(1, BRIEF_CONFIDENCE - 0.01) is None
    assert seen_for(1, BRIEF_CONFIDENCE) is not None
    assert seen_for(8, BRIEF_CONFIDENCE - 0.01) is not None


@pytest.mark.parametrize(
    ("duration_ms", "within", "faces"),
    [
        *((100, [at], 0) for at in range(3)),
        *((500, [at], 1) for at in range(3)),
        # As long as the clip.
        (50, range(3), 1),
        (50, range(1, 3), 0),
    ],
)
def test_a_face_counts_for_as_long_as_its_frames_are_shown(duration_ms, within, faces):
    def draw(index):
        return picture_with_a_face() if index in within else GROUND

    detector = FakeDetector(BRIEF_CONFIDENCE - 0.05)
    models = LocalAnalyzer(detector, FakeLandmarker(), FakeClassifier())

    found = Tracker(models).run(FakeClip(draw, 3, duration_ms))

    assert len(found.tracks) == faces


def test_what_no_search_confirms_is_followed_for_a_second():
    track = Track(0, [sighting(index) for index in range(100)])
    track.confirmed |= {0: 0.9, 10: 0.4}

    kept = believed(track, ENDS)

    # From the end of the frame on that confirms it.
    assert kept.course[-1].frame == 11 + round(UNCONFIRMED_SECONDS * FPS)


def test_tracks_of_one_face_are_joined_and_others_are_not():
    first = Track(0, [sighting(index, 50.0 + 3 * index) for index in range(10)])
    second = Track(0, [sighting(index, 50.0 + 3 * index) for index in range(15, 20)])
    elsewhere = Track(0, [sighting(index, 400.0) for index in range(15, 20)])
    later = Track(0, [sighting(index, 110.0) for index in range(90, 95)])
    in_another_scene = Track(1, [sighting(20, 110.0)])
    first.confirmed[0] = second.confirmed[15] = 0.9

    one, *others = joined([in_another_scene, second, later, elsewhere, first])

    assert frames_of(one) == [*range(10), *range(15, 20)]
    assert list(one.confirmed) == [0, 15]
    assert len(others) == 3


def test_frames_that_are_said_to_last_no_time_follow_each_other():
    models = LocalAnalyzer(FakeDetector(), FakeLandmarker(), FakeClassifier())
    clip = FakeClip(lambda _index: picture_with_a_face(), 15, 0.0)

    found = Tracker(models).run(clip)

    assert list(found.seconds) == sorted(set(found.seconds))
    assert frames_of(found.tracks[0]) == list(range(15))


def pixels_seen(count, faces):
    detector = CountingDetector()
    courses = [
        lambda index, k=k: (20 + 75 * k + index / 4, 60 + 20 * k) for k in range(faces)
    ]
    found = tracked(count, *courses, detector=detector)
    assert len(found.tracks) == faces
    return detector.pixels


def test_work_grows_with_the_frames_and_with_the_faces():
    short, long_, longer = (pixels_seen(frames, 1) for frames in (45, 90, 135))

    assert longer - long_ == pytest.approx(long_ - short, rel=0.05)
    more = [pixels_seen(45, faces) - short for faces in (2, 3, 4)]
    np.testing.assert_allclose(more, [more[0] * k for k in (1, 2, 3)], rtol=0.1)
    # A frame between costs a face less than a twentieth of a key frame, of four.
    assert more[0] / 45 < 0.05 * (short / 4)


def test_a_face_that_hardly_shows_but_is_in_the_file_is_found():
    def draw(_index):
        image = picture_with_a_face().convert("RGBA")
        image.putalpha(25)
        return image

    models = LocalAnalyzer(FakeDetector(), FakeLandmarker(), FakeClassifier())

    (track,) = Tracker(models).run(FakeClip(draw, 3)).tracks

    assert frames_of(track) == [0, 1, 2]
