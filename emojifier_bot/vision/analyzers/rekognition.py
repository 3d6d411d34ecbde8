"""Amazon Rekognition, DetectFaces: boxes, points and eight emotions.

Signed by botocore (the extra ``rekognition``), sent by our own client. Coordinates are
shares of the picture. Its left is the viewer's, as its documented example shows (its
``eyeLeft`` lies left of its ``eyeRight``), so it is the person's right. Its scores are
0 to 100 and do not sum to 100; its ``CONFUSED`` and ``UNKNOWN`` are none of ours, and
our contempt is none of its own. Its roll grows clockwise, as the signs of its examples'
rolls and eye lines say; both are small, so that is likely, not verified.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from emojifier_bot.errors import ConfigError, ErrorKind
from emojifier_bot.http import ServiceCall
from emojifier_bot.vision.analyzers import hosted, hosted_api
from emojifier_bot.vision.analyzers.registry import HostedOptions
from emojifier_bot.vision.shared_points import SharedPoint
from emojifier_bot.vision.types import BoundingBox, Emotion

CONTENT_TYPE = "application/x-amz-json-1.1"
TARGET = "RekognitionService.DetectFaces"
#: Raw bytes, before they are written as text; a side of 80 px is the least that it
#: takes. How large a side may be, it does not say for pictures sent as bytes.
LIMITS = hosted_api.PictureLimits(max_bytes=5_000_000, min_side_px=80, max_side_px=4096)
PERCENT = 100.0
EMOTIONS: Mapping[str, Emotion] = {
    "ANGRY": Emotion.ANGER,
    "CALM": Emotion.NEUTRAL,
    "DISGUSTED": Emotion.DISGUST,
    "FEAR": Emotion.FEAR,
    "HAPPY": Emotion.HAPPINESS,
    "SAD": Emotion.SADNESS,
    "SURPRISED": Emotion.SURPRISE,
}
POINTS: Mapping[str, SharedPoint] = {
    "leftEyeBrowLeft": SharedPoint.RIGHT_BROW_OUTER,
    "leftEyeBrowRight": SharedPoint.RIGHT_BROW_INNER,
    "rightEyeBrowLeft": SharedPoint.LEFT_BROW_INNER,
    "rightEyeBrowRight": SharedPoint.LEFT_BROW_OUTER,
    "leftEyeLeft": SharedPoint.RIGHT_EYE_OUTER,
    "leftEyeUp": SharedPoint.RIGHT_EYE_TOP,
    "leftEyeRight": SharedPoint.RIGHT_EYE_INNER,
    "leftEyeDown": SharedPoint.RIGHT_EYE_BOTTOM,
    "rightEyeLeft": SharedPoint.LEFT_EYE_INNER,
    "rightEyeUp": SharedPoint.LEFT_EYE_TOP,
    "rightEyeRight": SharedPoint.LEFT_EYE_OUTER,
    "rightEyeDown": SharedPoint.LEFT_EYE_BOTTOM,
    "nose": SharedPoint.NOSE_TIP,
    "noseLeft": SharedPoint.NOSE_RIGHT,
    "noseRight": SharedPoint.NOSE_LEFT,
    "mouthLeft": SharedPoint.MOUTH_RIGHT,
    "mouthRight": SharedPoint.MOUTH_LEFT,
    "mouthUp": SharedPoint.UPPER_LIP_TOP,
    "mouthDown": SharedPoint.LOWER_LIP_BOTTOM,
}
#: In the order of our five points.
FIVE = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d{1,2}")


SERVICE = hosted_api.VendorService(
    "Amazon Rekognition",
    # Some of Amazon's services write "namespace#Code".
    lambda contents: contents["__type"].rpartition("#")[2],
    credentials=frozenset(
        {
            "AccessDeniedException",
            "ExpiredTokenException",
            "IncompleteSignatureException",
            "InvalidSignatureException",
            "MissingAuthenticationTokenException",
            "UnrecognizedClientException",
        }
    ),
    busy=frozenset({"ProvisionedThroughputExceededException", "ThrottlingException"}),
)


Sign = Callable[[str, Mapping[str, str], bytes], Mapping[str, str]]


def _face(
    reported: Mapping[str, Any], size_wh: tuple[int, int]
) -> hosted_api.HostedFace:
    width, height = size_wh
    box = reported["BoundingBox"]
    left, top = box["Left"] * width, box["Top"] * height
    by_name: dict[str, hosted_api.Point] = {
        one["Type"]: (one["X"] * width, one["Y"] * height)
        for one in reported.get("Landmarks", ())
    }
    five = [by_name[name] for name in FIVE if name in by_name]
    roll = reported.get("Pose", {}).get("Roll")
    emotions = {one["Type"]: one["Confidence"] for one in reported.get("Emotions", ())}
    return hosted_api.HostedFace(
        box=BoundingBox(
            left, top, left + box["Width"] * width, top + box["Height"] * height
        ),
        confidence=reported["Confidence"] / PERCENT,
        points=hosted_api.named_points(by_name, POINTS),
        five_xy=np.array(five, np.float32) if len(five) == len(FIVE) else None,
        roll_degrees=hosted_api.counter_clockwise(roll),
        scores=hosted_api.scores_from(emotions, EMOTIONS),
    )


def _faces(contents: Any, sent: hosted_api.SentPicture) -> list[hosted_api.HostedFace]:
    return [_face(one, sent.size_wh) for one in contents["FaceDetails"]]


def make_api(options: HostedOptions) -> hosted_api.FaceApi:
    """Return the API as the settings name it.

    Raises:
        ConfigError: botocore, a key or the region is missing or wrong.
    """
    if not _REGION.fullmatch(options.region):
        raise ConfigError(["AWS_REGION must be one of Amazon's names: us-east-1."])
    own = f"https://rekognition.{options.region}.amazonaws.com"
    address = hosted_api.base_address(options.url, own) + "/"
    sign = signer(options)

    def request(sent: hosted_api.SentPicture) -> ServiceCall:
        picture = base64.b64encode(sent.data).decode("ascii")
        wanted = ["DEFAULT", "EMOTIONS"] if sent.expressions else ["DEFAULT"]
        asked = {"Image": {"Bytes": picture}, "Attributes": wanted}
        body = json.dumps(asked).encode()
        headers = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": TARGET}
        return ServiceCall(address, sign(address, headers, body), body)

    return hosted_api.FaceApi(SERVICE, LIMITS, request, _faces)


def signer(options: HostedOptions) -> Sign:
    """Return what signs requests (AWS Signature Version 4).

    Raises:
        ConfigError: botocore or the keys are missing.
    """
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        problem = (
            "FACE_BACKEND=rekognition needs the extra `rekognition` (botocore): "
            "docs/python.md says how to install it."
        )
        raise ConfigError([problem]) from error
    credentials = _credentials(options.keys)

    def sign(
        address: str, headers: Mapping[str, str], body: bytes
    ) -> Mapping[str, str]:
        request = AWSRequest("POST", address, dict(headers), body)
        try:
            frozen = credentials.get_frozen_credentials()
            SigV4Auth(frozen, "rekognition", options.region).add_auth(request)
        except BotoCoreError as error:
            # Its own words may hold an address or a file's contents.
            raise SERVICE.error(
                ErrorKind.FACE_API_CREDENTIALS, type(error).__name__
            ) from None
        return dict(request.headers.items())

    return sign


def _credentials(keys: Mapping[str, str]) -> Any:
    """Return the keys of the settings, or what Amazon's own tools would find.

    botocore's credentials; it renews temporary keys itself.
    """
    from botocore.credentials import Credentials
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    key_id = keys.get("AWS_ACCESS_KEY_ID", "")
    secret = keys.get("AWS_SECRET_ACCESS_KEY", "")
    if key_id and secret:
        return Credentials(key_id, secret, keys.get("AWS_SESSION_TOKEN") or None)
    if key_id or secret:
        raise ConfigError(
            ["AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together: one is missing."]
        )
    try:
        discovered = Session().get_credentials()
    except BotoCoreError as error:
        problem = (
            f"AWS's profiles, files or roles cannot be read ({type(error).__name__}). "
            "Mend them, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
        raise ConfigError([problem]) from None
    if discovered is None:
        problem = (
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are missing: FACE_BACKEND="
            "rekognition needs them, or a profile or role that AWS's tools find."
        )
        raise ConfigError([problem])
    return discovered


build = partial(hosted.build, "rekognition", make_api)
