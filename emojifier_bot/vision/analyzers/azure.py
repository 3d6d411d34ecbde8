"""Azure Face, detect v1.2: boxes and 27 points; its emotions were retired in 2023.

Coordinates are pixels. Its left is the viewer's, so it is the person's right; that, the
names of its points, and that its roll grows clockwise are from its reference and were
not verified against a live answer, nor were the codes of its errors. No face id is
asked for, so nothing is kept there for later comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from emojifier_bot.http import ServiceCall
from emojifier_bot.vision.analyzers import hosted, hosted_api
from emojifier_bot.vision.analyzers.registry import HostedOptions
from emojifier_bot.vision.shared_points import SharedPoint

PATH = (
    "/face/v1.2/detect?returnFaceId=false&returnFaceLandmarks=true"
    "&detectionModel=detection_03&returnFaceAttributes=headPose"
)
#: 1 KB at least: a JPEG of 256 px has that, even if it is empty.
LIMITS = hosted_api.PictureLimits(
    max_bytes=6_000_000, min_side_px=256, max_side_px=4096
)
POINTS: Mapping[str, SharedPoint] = {
    "eyebrowLeftOuter": SharedPoint.RIGHT_BROW_OUTER,
    "eyebrowLeftInner": SharedPoint.RIGHT_BROW_INNER,
    "eyebrowRightInner": SharedPoint.LEFT_BROW_INNER,
    "eyebrowRightOuter": SharedPoint.LEFT_BROW_OUTER,
    "eyeLeftOuter": SharedPoint.RIGHT_EYE_OUTER,
    "eyeLeftTop": SharedPoint.RIGHT_EYE_TOP,
    "eyeLeftInner": SharedPoint.RIGHT_EYE_INNER,
    "eyeLeftBottom": SharedPoint.RIGHT_EYE_BOTTOM,
    "eyeRightInner": SharedPoint.LEFT_EYE_INNER,
    "eyeRightTop": SharedPoint.LEFT_EYE_TOP,
    "eyeRightOuter": SharedPoint.LEFT_EYE_OUTER,
    "eyeRightBottom": SharedPoint.LEFT_EYE_BOTTOM,
    "noseTip": SharedPoint.NOSE_TIP,
    "noseLeftAlarOutTip": SharedPoint.NOSE_RIGHT,
    "noseRightAlarOutTip": SharedPoint.NOSE_LEFT,
    "mouthLeft": SharedPoint.MOUTH_RIGHT,
    "mouthRight": SharedPoint.MOUTH_LEFT,
    "upperLipTop": SharedPoint.UPPER_LIP_TOP,
    "underLipBottom": SharedPoint.LOWER_LIP_BOTTOM,
}

SERVICE = hosted_api.VendorService(
    "Azure Face",
    lambda contents: contents["error"]["code"],
    credentials=frozenset({"401", "PermissionDenied", "Unauthorized"}),
    busy=frozenset({"ConcurrentOperationConflict", "RateLimitExceeded"}),
)


def _face(reported: Mapping[str, Any]) -> hosted_api.HostedFace:
    roll = reported.get("faceAttributes", {}).get("headPose", {}).get("roll")
    return hosted_api.HostedFace(
        box=hosted_api.box_from(reported["faceRectangle"]),
        points=hosted_api.named_points(
            hosted_api.points_by_name(reported.get("faceLandmarks", {})), POINTS
        ),
        roll_degrees=hosted_api.counter_clockwise(roll),
    )


def _faces(contents: Any, _: hosted_api.SentPicture) -> list[hosted_api.HostedFace]:
    if not isinstance(contents, list):
        raise TypeError("expected a list of faces")
    return [_face(one) for one in contents]


def make_api(options: HostedOptions) -> hosted_api.FaceApi:
    """Return the API as the settings name it.

    Raises:
        ConfigError: The key or the endpoint is missing, or would be shown.
    """
    settings = {**options.keys, "FACE_API_URL": options.url}
    key, url = hosted_api.needed_keys(
        "azure", settings, "AZURE_FACE_KEY", "FACE_API_URL"
    )
    address = hosted_api.base_address(url) + PATH
    headers = {
        "Content-Type": "application/octet-stream",
        "Ocp-Apim-Subscription-Key": key,
    }

    def request(sent: hosted_api.SentPicture) -> ServiceCall:
        return ServiceCall(address, headers, sent.data)

    return hosted_api.FaceApi(SERVICE, LIMITS, request, _faces)


build = partial(hosted.build, "azure", make_api)
