"""Face++, detect v3: boxes, 83 points and seven emotions.

Coordinates are pixels, scores 0 to 100 without contempt. Its left is the viewer's in a
recorded answer, so it is the person's right. ``face_num`` was wrong there, so the faces
are counted. The official reference was not at hand: its limits, its error codes, the
names of those points that the recording left out and the sense of its roll are not
verified. Faces for which an account gets no attributes are read by their points.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from emojifier_bot.http import ServiceCall, multipart
from emojifier_bot.vision.analyzers import hosted, hosted_api
from emojifier_bot.vision.analyzers.registry import HostedOptions
from emojifier_bot.vision.shared_points import SharedPoint
from emojifier_bot.vision.types import Emotion

ADDRESS = "https://api-us.faceplusplus.com"
PATH = "/facepp/v3/detect"
#: Not verified, see above.
LIMITS = hosted_api.PictureLimits(max_bytes=2_000_000, min_side_px=48, max_side_px=4096)
EMOTIONS: Mapping[str, Emotion] = {
    str(emotion): emotion for emotion in Emotion if emotion is not Emotion.CONTEMPT
}
POINTS: Mapping[str, SharedPoint] = {
    "left_eyebrow_left_corner": SharedPoint.RIGHT_BROW_OUTER,
    "left_eyebrow_right_corner": SharedPoint.RIGHT_BROW_INNER,
    "right_eyebrow_left_corner": SharedPoint.LEFT_BROW_INNER,
    "right_eyebrow_right_corner": SharedPoint.LEFT_BROW_OUTER,
    "left_eye_left_corner": SharedPoint.RIGHT_EYE_OUTER,
    "left_eye_top": SharedPoint.RIGHT_EYE_TOP,
    "left_eye_right_corner": SharedPoint.RIGHT_EYE_INNER,
    "left_eye_bottom": SharedPoint.RIGHT_EYE_BOTTOM,
    "right_eye_left_corner": SharedPoint.LEFT_EYE_INNER,
    "right_eye_top": SharedPoint.LEFT_EYE_TOP,
    "right_eye_right_corner": SharedPoint.LEFT_EYE_OUTER,
    "right_eye_bottom": SharedPoint.LEFT_EYE_BOTTOM,
    "nose_tip": SharedPoint.NOSE_TIP,
    "nose_left": SharedPoint.NOSE_RIGHT,
    "nose_right": SharedPoint.NOSE_LEFT,
    "mouth_left_corner": SharedPoint.MOUTH_RIGHT,
    "mouth_right_corner": SharedPoint.MOUTH_LEFT,
    "mouth_upper_lip_top": SharedPoint.UPPER_LIP_TOP,
    "mouth_lower_lip_bottom": SharedPoint.LOWER_LIP_BOTTOM,
}

SERVICE = hosted_api.VendorService(
    "Face++",
    # "AUTHORIZATION_ERROR:reason" and "MISSING_ARGUMENTS: name".
    lambda contents: contents["error_message"].partition(":")[0].strip(),
    credentials=frozenset({"AUTHENTICATION_ERROR", "AUTHORIZATION_ERROR"}),
    busy=frozenset({"CONCURRENCY_LIMIT_EXCEEDED"}),
)


def _face(reported: Mapping[str, Any]) -> hosted_api.HostedFace:
    attributes = reported.get("attributes", {})
    roll = attributes.get("headpose", {}).get("roll_angle")
    return hosted_api.HostedFace(
        box=hosted_api.box_from(reported["face_rectangle"]),
        points=hosted_api.named_points(
            hosted_api.points_by_name(reported.get("landmark", {})), POINTS
        ),
        roll_degrees=hosted_api.counter_clockwise(roll),
        scores=hosted_api.scores_from(attributes.get("emotion", {}), EMOTIONS),
    )


def _faces(contents: Any, _: hosted_api.SentPicture) -> list[hosted_api.HostedFace]:
    return [_face(one) for one in contents["faces"]]


def make_api(options: HostedOptions) -> hosted_api.FaceApi:
    """Return the API as the settings name it.

    Raises:
        ConfigError: A key is missing, or the address would show it.
    """
    names = ("FACEPP_API_KEY", "FACEPP_API_SECRET")
    key, secret = hosted_api.needed_keys("facepp", options.keys, *names)
    address = hosted_api.base_address(options.url, ADDRESS) + PATH
    fields = {
        "api_key": key,
        "api_secret": secret,
        "return_landmark": "1",
    }

    def request(sent: hosted_api.SentPicture) -> ServiceCall:
        wanted = "emotion,headpose" if sent.expressions else "headpose"
        parts = {**fields, "return_attributes": wanted}
        # A file name without information.
        content_type, body = multipart(parts, "image_file", "picture.jpg", sent.data)
        return ServiceCall(address, {"Content-Type": content_type}, body)

    return hosted_api.FaceApi(SERVICE, LIMITS, request, _faces)


build = partial(hosted.build, "facepp", make_api)
