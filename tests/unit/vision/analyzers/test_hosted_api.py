from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emojifier_bot.errors import HostedApiError
from emojifier_bot.vision.analyzers import azure as hosted_azure
from emojifier_bot.vision.analyzers import facepp as hosted_facepp
from emojifier_bot.vision.analyzers import google as hosted_google
from emojifier_bot.vision.analyzers import rekognition as hosted_rekognition
from emojifier_bot.vision.analyzers.facepp import _faces
from emojifier_bot.vision.analyzers.hosted import SENT_PX, picture_to_send
from emojifier_bot.vision.analyzers.hosted_api import (
    FaceApi,
    PictureLimits,
    SentPicture,
    VendorService,
    scores_from,
)
from emojifier_bot.vision.copies import MAX_FACES
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.shared_points import SHARED_POINTS, SharedPoint
from emojifier_bot.vision.types import EMOTIONS, Emotion

NAMES = hosted_rekognition.EMOTIONS
#: What a recorded answer of 2019 reported; it sums up to 109.
RECORDED = {
    "CALM": 76.8,
    "SURPRISED": 7.5,
    "ANGRY": 7.0,
    "FEAR": 6.6,
    "SAD": 4.3,
    "CONFUSED": 3.4,
    "DISGUSTED": 3.2,
    "HAPPY": 0.6,
}


class TestScoresFrom:
    @pytest.mark.parametrize(
        "reported",
        [{}, {"CONFUSED": 99.0}, {"UNKNOWN": 1.0}, {"CALM": 0.0}, {"SAD": -4.0}],
    )
    def test_nothing_reported(self, reported):
        assert scores_from(reported, NAMES) is None

    def test_a_recorded_answer(self):
        scores = scores_from(RECORDED, NAMES)

        assert scores.top is Emotion.NEUTRAL
        # What it reports as confused is spread over all eight.
        for emotion, reported in {Emotion.NEUTRAL: 76.8, Emotion.CONTEMPT: 0}.items():
            expected = (reported + 3.4 / 8) / 109.4
            assert scores[emotion] == pytest.approx(expected, abs=1e-3)

    @given(
        st.dictionaries(
            st.sampled_from([*NAMES, "CONFUSED"]), st.just(0.0) | st.floats(0.1, 100)
        ),
        st.floats(0.01, 10),
    )
    def test_always_a_distribution_whatever_the_scale(self, reported, factor):
        scores, scaled = (
            scores_from({name: one * by for name, one in reported.items()}, NAMES)
            for by in (1, factor)
        )

        if scores is not None and scaled is not None:
            assert scores.probabilities.sum() == pytest.approx(1, abs=1e-4)
            np.testing.assert_allclose(
                scores.probabilities, scaled.probabilities, atol=1e-5
            )


class TestTables:
    @pytest.mark.parametrize(
        ("names", "missing"),
        [
            (hosted_rekognition.EMOTIONS, {Emotion.CONTEMPT}),
            (hosted_facepp.EMOTIONS, {Emotion.CONTEMPT}),
            (
                hosted_google.EMOTIONS,
                {Emotion.CONTEMPT, Emotion.DISGUST, Emotion.FEAR},
            ),
        ],
    )
    def test_emotions_that_nobody_tells(self, names, missing):
        assert set(EMOTIONS) - set(names.values()) == missing

    @pytest.mark.parametrize(
        "module", [hosted_azure, hosted_facepp, hosted_google, hosted_rekognition]
    )
    def test_each_shared_point_has_one_name(self, module):
        assert set(module.POINTS.values()) == set(SHARED_POINTS)
        assert len(module.POINTS) == len(SHARED_POINTS)


class TestRecordedAnswers:
    """A few numbers of answers that services gave, to pin sides and signs."""

    def test_googles_left_is_the_persons_right(self):
        reported = {
            "fdBoundingPoly": {"vertices": [{"y": 106}, {"x": 353, "y": 330}]},
            "landmarks": [
                {"type": "LEFT_EYE_LEFT_CORNER", "position": {"x": 185.8, "y": 197.8}},
                {
                    "type": "RIGHT_EYE_RIGHT_CORNER",
                    "position": {"x": 285.9, "y": 198.3},
                },
            ],
            "rollAngle": -1.8,
        }

        face = hosted_google._face(reported)

        right = face.points[SharedPoint.RIGHT_EYE_OUTER]
        assert right[0] < face.points[SharedPoint.LEFT_EYE_OUTER][0]
        assert face.box.xyxy == (0, 106, 353, 330)
        assert face.roll_degrees == 1.8
        assert face.scores is None

    def test_rekognitions_shares_become_pixels(self):
        reported = {
            "BoundingBox": {"Left": 0.25, "Top": -0.125, "Width": 0.5, "Height": 0.5},
            "Landmarks": [
                {"Type": "leftEyeLeft", "X": 0.352, "Y": 0.394},
                {"Type": "rightEyeRight", "X": 0.609, "Y": 0.392},
            ],
            "Pose": {"Roll": -1.5},
            "Confidence": 99.9,
        }

        face = hosted_rekognition._face(reported, (1000, 800))

        assert face.box.xyxy == (250, -100, 750, 300)
        assert face.points[SharedPoint.RIGHT_EYE_OUTER] == pytest.approx((352, 315.2))
        assert face.roll_degrees == 1.5
        assert face.five_xy is None
        assert face.confidence == pytest.approx(0.999)

    def test_faceplusplus_tells_percent(self):
        reported = {
            "face_rectangle": {"width": 198, "top": 279, "left": 516, "height": 198},
            "landmark": {"nose_tip": {"x": 614, "y": 366}},
            "attributes": {
                "emotion": {"happiness": 75.9, "neutral": 24.1, "fear": 0.0},
                "headpose": {"roll_angle": -4.9},
            },
        }

        face = hosted_facepp._face(reported)

        assert face.box.xyxy == (516, 279, 714, 477)
        assert face.scores[Emotion.HAPPINESS] == pytest.approx(0.759)
        assert face.points == {SharedPoint.NOSE_TIP: (614, 366)}


class TestPictureToSend:
    LIMITS = PictureLimits(max_bytes=200_000, min_side_px=80, max_side_px=900)

    @given(width=st.integers(1, 700), height=st.integers(1, 700))
    def test_scale_and_border_fit_together(self, width, height):
        sent = picture_to_send(
            from_image(Image.new("RGB", (width, height))), self.LIMITS
        )

        assert sent.scale == 1
        assert sent.size_wh == (max(width, 80), max(height, 80))

    @pytest.mark.parametrize(
        ("size_wh", "limits", "sent_wh"),
        [
            ((3600, 1800), LIMITS, (900, 450)),
            # No more is sent than helps.
            ((4000, 3000), PictureLimits(10**8, 1, 10**5), (SENT_PX, SENT_PX * 3 // 4)),
        ],
    )
    def test_large_ones_shrink(self, size_wh, limits, sent_wh):
        # Transparent parts are no error.
        sent = picture_to_send(from_image(Image.new("RGBA", size_wh)), limits)

        assert sent.size_wh == sent_wh
        assert sent.scale == sent_wh[0] / size_wh[0]
        assert sent.data.startswith(b"\xff\xd8\xff")

    def test_limits_that_nothing_keeps(self):
        small = from_image(Image.new("RGB", (90, 90)))
        with pytest.raises(HostedApiError) as caught:
            picture_to_send(small, PictureLimits(9, 1, 90))

        assert caught.value.kind == "face_api_refused"


def face(*, left=10, top=10, width=50, height=50, **more):
    frame = {"left": left, "top": top, "width": width, "height": height}
    return {"face_rectangle": frame, **more}


class TestHostileAnswers:
    """What the service says is a stranger's word, too."""

    SENT = SentPicture(b"", (640, 480), 1.0)

    def ask(self, monkeypatch, *faces):
        service = VendorService("Face++", str)
        api = FaceApi(service, hosted_facepp.LIMITS, lambda _: None, _faces)
        monkeypatch.setattr(VendorService, "post", lambda *_: {"faces": [*faces]})
        return api.ask(self.SENT, 1.0)

    @pytest.mark.parametrize(
        "hostile",
        [
            face(left=1e300),
            face(width=1e308),
            face(left=10**300),
            face(left=-50, width=-10),
            face(attributes={"headpose": {"roll_angle": 1e308}}),
            face(landmark={"nose_tip": {"x": 5, "y": 1e300}}),
        ],
    )
    def test_numbers_of_no_picture_are_no_answer(self, monkeypatch, hostile):
        with pytest.raises(HostedApiError) as caught:
            self.ask(monkeypatch, face(), hostile)

        assert caught.value.kind == "face_api_answer"

    @pytest.mark.parametrize(
        "unseen",
        [face(left=640), face(top=-50), face(width=0), face(width=500, height=1e-9)],
    )
    def test_faces_beside_the_picture_and_without_size_are_none(
        self, monkeypatch, unseen
    ):
        assert len(self.ask(monkeypatch, unseen, face())) == 1

    def test_a_face_over_the_edge_is_one(self, monkeypatch):
        assert len(self.ask(monkeypatch, face(left=-49, top=479))) == 1

    def test_no_more_faces_are_read_than_of_any_picture(self, monkeypatch):
        assert len(self.ask(monkeypatch, *[face()] * 40_000)) == MAX_FACES
