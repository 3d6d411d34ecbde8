"""Each hosted back end in front of its stand-in: what it sends and understands."""

from __future__ import annotations

import logging
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from botocore.exceptions import CredentialRetrievalError
from PIL import Image

from emojifier_bot.errors import ConfigError, EmojifierError, HostedApiError
from emojifier_bot.vision import models_dir
from emojifier_bot.vision.analyzers import rekognition as hosted_rekognition
from emojifier_bot.vision.analyzers.hosted import FAILURES_TO_OPEN, as_detection
from emojifier_bot.vision.analyzers.hosted_api import HostedFace
from emojifier_bot.vision.analyzers.registry import build_analyzer
from emojifier_bot.vision.decode import decode, from_image
from emojifier_bot.vision.landmarks import roll_degrees
from emojifier_bot.vision.place import place
from emojifier_bot.vision.types import UNREAD, BoundingBox, Emotion
from tests.builders import make_landmarks
from tests.datasets import sample
from tests.face_apis import VENDORS, hosted, options_for
from tests.fakes.clock import ManualClock
from tests.fakes.face_api import FakeAnswer, serving
from tests.fakes.faces import EYE_SHARE, FACE_RGB, picture_with_faces

BOX = (120, 60, 220, 190)
PICTURE = picture_with_faces((320, 240), [BOX])


@pytest.fixture(params=VENDORS)
def name(request):
    return request.param


@pytest.fixture
def fake(name):
    with serving(VENDORS[name].fake()) as fake:
        yield fake


def read(analyzer, image=PICTURE):
    return analyzer.analyze(from_image(image))


def shaded(shade):
    """Return a picture that nobody asked about before: answers are remembered."""
    image = PICTURE.copy()
    image.paste((40 * shade, 0, 0), (0, 0, 20, 20))
    return image


def failure(analyzer):
    with pytest.raises(HostedApiError) as caught:
        read(analyzer)
    return caught.value


class TestPlaces:
    @pytest.mark.parametrize("roll", [0.0, 25.0, -40.0])
    def test_points_are_the_persons_own_and_where_they_were(self, name, fake, roll):
        fake.roll_degrees = roll
        expected = make_landmarks(
            center_xy=(170, 125), eye_distance_px=100 * EYE_SHARE, roll_degrees=roll
        )

        (face,) = read(hosted(name, fake))

        np.testing.assert_allclose(
            face.landmarks.points_xy, expected.points_xy, atol=2.5
        )
        assert roll_degrees(face.landmarks.points_xy) == pytest.approx(roll, abs=2)

    @pytest.mark.parametrize("scale", [1, 4, 12])
    def test_boxes_of_reduced_pictures_are_mapped_back(self, name, fake, scale):
        large = PICTURE.resize((320 * scale, 240 * scale), Image.Resampling.NEAREST)

        (face,) = read(hosted(name, fake), large)

        expected = np.array(BOX) * scale
        np.testing.assert_allclose(face.box.xyxy, expected, atol=3 * scale)
        assert max(fake.seen_wh[0]) <= 1920

    @pytest.mark.parametrize("size_wh", [(1, 1), (30, 20), (400, 10)])
    def test_small_pictures_get_a_border(self, name, fake, size_wh):
        image = Image.new("RGB", size_wh, FACE_RGB)

        faces = read(hosted(name, fake), image)

        assert len(fake.seen_wh) == 1
        for face in faces:
            assert face.box.x_max <= size_wh[0] + 1

    def test_many_faces(self, name, fake):
        boxes = [(x, y, x + 30, y + 40) for x in range(10, 600, 60) for y in (20, 90)]

        faces = read(hosted(name, fake), picture_with_faces((640, 200), boxes))

        assert len(faces) == len(boxes)
        found = sorted(tuple(map(round, face.box.xyxy[:2])) for face in faces)
        np.testing.assert_allclose(found, sorted(box[:2] for box in boxes), atol=2)


class TestSent:
    def test_pictures_go_upright_and_without_metadata(self, name, fake, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6  # turn clockwise to see it upright
        exif[0x010E] = "somebody's living room"
        sideways = PICTURE.rotate(90, expand=True)
        sideways.save(tmp_path / "a.jpg", exif=exif, quality=95, comment=b"secret")

        # The stand-in fails where it finds metadata.
        picture = decode((tmp_path / "a.jpg").read_bytes())
        (face,) = hosted(name, fake).analyze(picture)

        np.testing.assert_allclose(face.box.xyxy, BOX, atol=4)
        assert fake.seen_wh[0][0] > fake.seen_wh[0][1]
        assert b"living room" not in fake.requests[0].body

    def test_noise_is_reduced_until_it_fits(self, name, fake):
        noise = np.random.default_rng(0).integers(0, 256, (3000, 3000, 3), np.uint8)
        analyzer = hosted(name, fake)

        read(analyzer, Image.fromarray(noise))

        assert len(fake.seen_wh) == 1


class TestEmotions:
    @pytest.mark.parametrize(
        ("name", "reported", "expected"),
        [
            ("rekognition", [], Emotion.NEUTRAL),
            ("facepp", [], Emotion.HAPPINESS),
            ("google", [{"joy": "VERY_LIKELY", "anger": "LIKELY"}], Emotion.HAPPINESS),
            ("google", [{"surprise": "LIKELY", "joy": "POSSIBLE"}], Emotion.SURPRISE),
            ("google", [{"sorrow": "LIKELY", "joy": "UNKNOWN"}], Emotion.SADNESS),
        ],
    )
    def test_reported_emotions_become_ours(self, name, reported, expected):
        with serving(VENDORS[name].fake(*reported)) as fake:
            (face,) = read(hosted(name, fake))

        assert face.scores.top is expected
        assert face.scores.probabilities.sum() == pytest.approx(1, abs=1e-4)

    @pytest.mark.parametrize(
        ("name", "emotions"),
        [
            ("google", None),
            ("google", dict.fromkeys(("joy", "sorrow", "anger"), "UNKNOWN")),
            ("google", dict.fromkeys(("joy", "sorrow", "anger"), "VERY_UNLIKELY")),
            ("azure", None),
            ("rekognition", None),
            ("rekognition", {"UNKNOWN": 99.0}),
            ("facepp", None),
            ("facepp", {}),
        ],
    )
    def test_without_emotions_the_points_are_read_here(self, name, emotions):
        with serving(VENDORS[name].fake(emotions)) as fake:
            analyzer = hosted(name, fake)
            (face,) = read(analyzer)

        (expected,) = analyzer.by_points.classify(from_image(PICTURE), [face.landmarks])
        np.testing.assert_allclose(
            face.scores.probabilities, expected.probabilities, atol=1e-4
        )

    def test_without_points_the_boxes_are_read_here(self, name):
        with serving(VENDORS[name].fake(None, reports_points=False)) as fake:
            analyzer = hosted(name, fake)
            (face,) = read(analyzer)

        picture = from_image(PICTURE)
        (points,) = analyzer.local.landmarker.locate(picture, [face.detection])
        (expected,) = analyzer.local.classifier.classify(picture, [points])
        np.testing.assert_array_equal(face.landmarks.points_xy, points.points_xy)
        np.testing.assert_allclose(
            face.scores.probabilities, expected.probabilities, atol=1e-4
        )

    def test_the_sixth_face_of_a_small_account_is_read_by_its_points(self):
        boxes = [(x, 20, x + 40, 70) for x in range(10, 400, 60)]
        with serving(VENDORS["facepp"].fake({"anger": 100.0})) as fake:
            faces = read(hosted("facepp", fake), picture_with_faces((440, 100), boxes))

        angry = [face.scores[Emotion.ANGER] > 0.99 for face in faces]
        assert sum(angry) == 5
        assert len(angry) == 7


class TestBoxesAlone:
    @pytest.mark.parametrize("roll", [None, 0.0, 30.0])
    def test_an_angle_turns_the_frame_for_our_points(self, roll):
        face = HostedFace(BoundingBox(100, 100, 200, 220), roll_degrees=roll)

        detection = as_detection(face)

        if roll is None:
            assert detection.landmarks is None
            return
        five = detection.landmarks.points_xy
        assert roll_degrees(five) == pytest.approx(roll, abs=0.1)
        assert (five >= 100).all()
        assert (five <= (200, 220)).all()

    @pytest.mark.parametrize("confidence", [-0.1, 0.0, 0.5, 1.0, 1.00002])
    def test_a_confidence_is_brought_into_bounds(self, confidence):
        face = HostedFace(BoundingBox(0, 0, 1, 1), confidence=confidence)

        assert 0 <= as_detection(face).confidence <= 1


#: What an answer means: the error's kind, and how many of two tries are made.
MEANINGS = {
    "down": ("face_api_down", 2),
    "busy": ("face_api_busy", 2),
    "refused": ("face_api_refused", 1),
    "credentials": ("face_api_credentials", 1),
    "elsewhere": ("face_api_credentials", 1),
}
GARBAGE = {
    "nothing": b"",
    "html": b"<html>",
    "deep": b"[" * 100_000,
    "object": {},
    "list": [{}],
    "numbers": {"FaceDetails": 3, "responses": 3, "faces": 3},
    "empty faces": {"FaceDetails": [{}], "responses": [{"faceAnnotations": [{}]}]}
    | {"faces": [{"face_rectangle": {"left": "x"}}]},
    "no faces": {"responses": [{}, {}], "faces": [7], "FaceDetails": [7]},
}


class TestFailures:
    @pytest.mark.parametrize(
        ("name", "error", "kind", "tries"),
        [
            pytest.param(name, error, *expected, id=f"{name} {error}")
            for meaning, expected in MEANINGS.items()
            for name, vendor in VENDORS.items()
            for error in getattr(vendor, meaning)
        ],
    )
    def test_documented_errors(self, name, fake, error, kind, tries):
        fake.failures = [error] * 2

        found = failure(hosted(name, fake, tries=2))

        assert (found.kind, len(fake.requests)) == (kind, tries)
        assert found.retryable is (tries == 2)

    @pytest.mark.parametrize("name", ["azure"])
    def test_the_wait_that_a_service_asks_for_is_kept(self, name, fake):
        clock, fake.failures = ManualClock(), ["RateLimitExceeded"]

        assert len(read(hosted(name, fake, clock))) == 1
        assert clock.slept == [1.0]

    @pytest.mark.parametrize("meaning", ["credentials", "elsewhere"])
    def test_what_only_a_setting_mends_fails_though_local_could_read(
        self, name, fake, meaning
    ):
        errors = getattr(VENDORS[name], meaning) or [FakeAnswer(404, b"<html>")]
        fake.failures = [errors[0]]

        assert failure(hosted(name, fake, falls_back=True)).kind == (
            "face_api_credentials"
        )

    @pytest.mark.parametrize("status", [302, 307, 404, 405])
    def test_a_wrong_address_and_a_redirect_that_is_not_followed(
        self, name, fake, status
    ):
        with serving(VENDORS[name].fake()) as other:
            fake.failures = [FakeAnswer(status, b"<html>", {"Location": other.url})]

            assert "Check FACE_API_URL" in failure(hosted(name, fake)).message
            assert other.requests == []

    @pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 400])
    def test_a_number_beyond_all_bounds_is_no_answer(self, name, fake, number):
        good = VENDORS[name].fake()
        with serving(good):
            read(hosted(name, good))
        answer = good.answer(good.requests[0])
        changed, count = re.subn(rb"\d+\.\d+", number.encode(), answer.body, count=1)
        fake.failures = [FakeAnswer(200, changed)]

        assert count == 1
        assert failure(hosted(name, fake)).kind == "face_api_answer"

    def test_a_wrong_key_is_noticed(self, name, fake):
        wrong = {key: value[:-1] + "x" for key, value in VENDORS[name].keys.items()}

        assert failure(hosted(name, fake, keys=wrong)).kind == "face_api_credentials"

    @pytest.mark.parametrize("contents", GARBAGE.values(), ids=GARBAGE)
    def test_an_answer_that_is_none(self, name, fake, contents):
        fake.failures = [FakeAnswer(200, contents)]

        assert failure(hosted(name, fake)).kind == "face_api_answer"

    def test_nobody_there(self, name):
        with serving(VENDORS[name].fake()) as gone:
            pass

        assert failure(hosted(name, gone, tries=1)).kind == "face_api_down"

    def test_in_an_outage_the_local_models_read_and_soon_nobody_is_asked(
        self, name, fake, caplog
    ):
        fake.failures = [VENDORS[name].down[0]] * 2 * FAILURES_TO_OPEN
        analyzer = hosted(name, fake, falls_back=True, tries=2)
        caplog.set_level(logging.WARNING, "emojifier_bot")

        for shade in range(FAILURES_TO_OPEN + 2):
            assert read(analyzer, shaded(shade)).backend == "local"

        assert len(fake.requests) == 2 * FAILURES_TO_OPEN
        record = caplog.records[0]
        assert record.action == "face_api_fallback"
        assert (record.backend, record.error) == (name, "face_api_down")
        assert read(hosted(name, fake)).backend == name


@pytest.mark.parametrize("name", ["google"])
class TestCache:
    def test_the_same_picture_is_asked_for_once(self, name, fake):
        analyzer = hosted(name, fake)

        first, again = read(analyzer), read(analyzer)
        read(analyzer, PICTURE.transpose(Image.Transpose.FLIP_TOP_BOTTOM))

        assert len(fake.requests) == 2
        assert [one.box for one in first] == [one.box for one in again]
        assert place(first.faces[0].landmarks) == place(again.faces[0].landmarks)

    def test_a_failure_is_not_remembered(self, name, fake):
        analyzer = hosted(name, fake)
        fake.failures = [VENDORS[name].refused[0]]

        failure(analyzer)

        assert len(read(analyzer)) == 1

    def test_threads_share_an_analyzer(self, name, fake):
        analyzer = hosted(name, fake)
        with ThreadPoolExecutor(6) as pool:
            found = pool.map(lambda shade: read(analyzer, shaded(shade)), range(6))

        assert [len(reading) for reading in found] == [1] * 6


class TestKeys:
    def secrets(self, name):
        return [value for key, value in VENDORS[name].keys.items() if "_ID" not in key]

    @pytest.mark.parametrize("kind", ["down", "busy", "refused", "credentials"])
    def test_no_key_is_in_an_error_or_a_log(self, name, fake, kind, caplog):
        caplog.set_level(logging.DEBUG)
        # A careless service repeats what it was sent.
        answer = VENDORS[name].fake().error(getattr(VENDORS[name], kind)[0])
        text = " ".join(self.secrets(name))
        repeating = answer.body.decode().replace(" it is.", f" {text}")
        fake.failures = [FakeAnswer(answer.status, repeating.encode())] * 9
        analyzer = hosted(name, fake)

        error = failure(analyzer)

        shown = [repr(error), str(error), repr(analyzer), caplog.text]
        shown.append(repr(options_for(name, fake.url)))
        shown += [str(vars(record)) for record in caplog.records]
        seen: BaseException | None = error
        while seen is not None:
            shown.append(repr(seen))
            seen = seen.__cause__ or seen.__context__
        for secret in self.secrets(name):
            assert all(secret not in one for one in shown)

    def test_no_key_is_in_an_address(self, name, fake):
        read(hosted(name, fake))

        for secret in self.secrets(name):
            assert secret not in fake.requests[0].target

    def test_missing_keys_are_named(self, name, monkeypatch, tmp_path):
        for variable in ("HOME", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(variable, str(tmp_path / "nothing"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

        message = config_error(name, keys={})

        assert all(key in message for key in VENDORS[name].keys)

    @pytest.mark.parametrize("wrong", ["key\n", "kéy", "k\r\nX-A: 1", "my key"])
    def test_malformed_keys_are_named_and_not_shown(self, name, wrong):
        message = config_error(name, keys=dict.fromkeys(VENDORS[name].keys, wrong))

        assert "copy it anew" in message
        assert all(key in message for key in VENDORS[name].keys)
        assert wrong not in message

    @pytest.mark.parametrize("url", ["http://face.example.com", "ftp://x", "nothing"])
    def test_keys_do_not_travel_in_the_open(self, name, url):
        assert "FACE_API_URL must begin with https://" in config_error(name, url)


def config_error(name, url="http://127.0.0.1:1", **changes):
    """Return the message of what a back end cannot be built with."""
    with pytest.raises(ConfigError) as caught:
        build_analyzer(name, options_for(name, url, **changes))
    return caught.value.message


@pytest.mark.parametrize("name", ["rekognition"])
class TestRekognition:
    def test_temporary_keys_bring_their_token(self, name, fake):
        fake.session_token = "token-of-the-tests"
        keys = {**VENDORS[name].keys, "AWS_SESSION_TOKEN": fake.session_token}

        assert failure(hosted(name, fake)).kind == "face_api_credentials"
        assert len(read(hosted(name, fake, keys=keys))) == 1

    def test_keys_may_lie_where_amazons_tools_look(
        self, name, fake, monkeypatch, tmp_path
    ):
        keys = VENDORS[name].keys
        file = tmp_path / "credentials"
        file.write_text(
            "[default]\n"
            f"aws_access_key_id = {keys['AWS_ACCESS_KEY_ID']}\n"
            f"aws_secret_access_key = {keys['AWS_SECRET_ACCESS_KEY']}\n"
        )
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

        assert len(read(hosted(name, fake, keys={}))) == 1

    @pytest.mark.parametrize("text", ["", "[default]\naws_access_key_id = x\n"])
    def test_an_incomplete_profile_is_an_error(self, name, monkeypatch, tmp_path, text):
        file = tmp_path / "credentials"
        file.write_text(text)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
        monkeypatch.setenv("AWS_PROFILE", "default" if text else "missing")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

        message = config_error(name, keys={})

        assert re.search(r"profiles.*\((Part|Profile)\w+\)", message)

    def test_keys_that_cannot_be_renewed_are_wrong_keys(self, name, fake, monkeypatch):
        class Expired:
            def get_frozen_credentials(self):
                raise CredentialRetrievalError(provider="x", error_msg="secret")

        monkeypatch.setattr(hosted_rekognition, "_credentials", lambda _: Expired())
        error = failure(hosted(name, fake))

        assert error.kind == "face_api_credentials"
        assert "CredentialRetrievalError" in error.message
        assert "secret" not in error.message

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"keys": {"AWS_ACCESS_KEY_ID": "AKID"}}, "go together"),
            ({"region": ""}, "AWS_REGION"),
            ({"region": "x"}, "AWS_REGION"),
            ({"region": "us-east-1.evil.example"}, "AWS_REGION"),
            ({"region": "US-EAST-1"}, "AWS_REGION"),
        ],
    )
    def test_one_key_alone_and_what_is_no_region_are_errors(self, name, changes, says):
        assert says in config_error(name, "", **changes)

    def test_a_key_of_another_region_does_not_do(self, name, fake):
        analyzer = hosted(name, fake, region="us-east-1")

        assert failure(analyzer).kind == "face_api_credentials"


@pytest.mark.parametrize("name", ["rekognition", "facepp"])
def test_no_emotion_is_asked_for_or_cached_where_none_is_read(name, fake):
    analyzer = hosted(name, fake)
    picture = from_image(PICTURE)

    for expressions in (True, False, False, True):
        analyzer.analyze(picture, expressions=expressions)

    asked, unasked = (b"emotion" in one.body.lower() for one in fake.requests)
    assert (asked, unasked) == (True, False)


def test_a_place_that_somebody_names_is_read_here(name, fake):
    analyzer, picture = hosted(name, fake), from_image(sample())
    (expected,) = analyzer.local.analyze(picture)

    (face,) = analyzer.read_at(picture, [expected.box])

    assert np.allclose(face.landmarks.points_xy, expected.landmarks.points_xy, atol=3.0)
    assert fake.requests == []


def test_what_a_service_says_unasked_is_not_heard(name, fake):
    picture = from_image(PICTURE)
    fake.emotions = {"joyLikelihood": "VERY_LIKELY", "ANGRY": 99.0, "anger": 99.0}

    (face,) = hosted(name, fake).analyze(picture, expressions=False)

    assert (face.scores, face.confident) == (UNREAD, False)


def test_without_expressions_no_emotion_model_is_opened(name, fake, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(models_dir(), models)
    for folder in models.glob("emotion_*"):
        shutil.rmtree(folder)
    options = replace(options_for(name, fake.url), models=models)

    (face,) = build_analyzer(name, replace(options, expressions=False)).analyze(
        from_image(PICTURE)
    )

    assert face.scores is UNREAD
    with pytest.raises(EmojifierError):
        build_analyzer(name, options)
