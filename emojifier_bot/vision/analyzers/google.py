"""Google Cloud Vision, FACE_DETECTION: boxes and points; its emotions are ending.

Coordinates are pixels; a zero is left out of its JSON. Its left is the viewer's, so it
is the person's right. Its roll grows clockwise, as its recorded answers show. Four
likelihoods in words stood for emotions: they are ``UNKNOWN`` or missing for new
projects since 15 October 2026 and for all from 14 January 2027. Then, and where none of
them is even possible, the points are read by the local model.

The key goes in a header and never in an address. That an error about one picture comes
inside an answer with status 200 is in its schema; the codes' meaning there is that of
its other errors (google.rpc.Code), which nobody verified for pictures.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from emojifier_bot.errors import ErrorKind
from emojifier_bot.http import ServiceCall
from emojifier_bot.vision.analyzers import hosted, hosted_api
from emojifier_bot.vision.analyzers.registry import HostedOptions
from emojifier_bot.vision.shared_points import SharedPoint
from emojifier_bot.vision.types import BoundingBox, Emotion, EmotionScores

ADDRESS = "https://vision.googleapis.com"
PATH = "/v1/images:annotate"
#: A request may have 10 MB of JSON, in which three bytes of picture take four; the rest
#: is room for what is around it.
LIMITS = hosted_api.PictureLimits(max_bytes=7_000_000, min_side_px=16, max_side_px=8192)
#: Faces that are asked for; the default is ten.
MAX_FACES = 100
#: A word's share; Google does not define the words in numbers.
LIKELIHOODS: Mapping[str, float] = {
    "VERY_UNLIKELY": 0.02,
    "UNLIKELY": 0.1,
    "POSSIBLE": 0.4,
    "LIKELY": 0.75,
    "VERY_LIKELY": 0.95,
}
#: From this likelihood on Google's word counts; below it no emotion is said to be
#: there, and the four that Google never names may be.
TELLING = LIKELIHOODS["POSSIBLE"]
EMOTIONS: Mapping[str, Emotion] = {
    "angerLikelihood": Emotion.ANGER,
    "joyLikelihood": Emotion.HAPPINESS,
    "sorrowLikelihood": Emotion.SADNESS,
    "surpriseLikelihood": Emotion.SURPRISE,
    "": Emotion.NEUTRAL,
}
POINTS: Mapping[str, SharedPoint] = {
    "LEFT_OF_LEFT_EYEBROW": SharedPoint.RIGHT_BROW_OUTER,
    "RIGHT_OF_LEFT_EYEBROW": SharedPoint.RIGHT_BROW_INNER,
    "LEFT_OF_RIGHT_EYEBROW": SharedPoint.LEFT_BROW_INNER,
    "RIGHT_OF_RIGHT_EYEBROW": SharedPoint.LEFT_BROW_OUTER,
    "LEFT_EYE_LEFT_CORNER": SharedPoint.RIGHT_EYE_OUTER,
    "LEFT_EYE_TOP_BOUNDARY": SharedPoint.RIGHT_EYE_TOP,
    "LEFT_EYE_RIGHT_CORNER": SharedPoint.RIGHT_EYE_INNER,
    "LEFT_EYE_BOTTOM_BOUNDARY": SharedPoint.RIGHT_EYE_BOTTOM,
    "RIGHT_EYE_LEFT_CORNER": SharedPoint.LEFT_EYE_INNER,
    "RIGHT_EYE_TOP_BOUNDARY": SharedPoint.LEFT_EYE_TOP,
    "RIGHT_EYE_RIGHT_CORNER": SharedPoint.LEFT_EYE_OUTER,
    "RIGHT_EYE_BOTTOM_BOUNDARY": SharedPoint.LEFT_EYE_BOTTOM,
    "NOSE_TIP": SharedPoint.NOSE_TIP,
    "NOSE_BOTTOM_LEFT": SharedPoint.NOSE_RIGHT,
    "NOSE_BOTTOM_RIGHT": SharedPoint.NOSE_LEFT,
    "MOUTH_LEFT": SharedPoint.MOUTH_RIGHT,
    "MOUTH_RIGHT": SharedPoint.MOUTH_LEFT,
    "UPPER_LIP": SharedPoint.UPPER_LIP_TOP,
    "LOWER_LIP": SharedPoint.LOWER_LIP_BOTTOM,
}
#: Numbers of google.rpc.Code: too many calls; and what may pass.
_KINDS = {8: ErrorKind.FACE_API_BUSY} | dict.fromkeys(
    (4, 10, 13, 14), ErrorKind.FACE_API_DOWN
)


def _code(contents: Any) -> str:
    error = contents["error"]
    reasons = [one["reason"] for one in error.get("details", ()) if "reason" in one]
    if not reasons and "API key not valid" in error["message"]:
        return "API_KEY_INVALID"
    code: str = (reasons or [error["status"]])[0]
    return code


SERVICE = hosted_api.VendorService(
    "Google Cloud Vision",
    _code,
    credentials=frozenset({"API_KEY_INVALID", "PERMISSION_DENIED", "UNAUTHENTICATED"}),
    busy=frozenset({"RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"}),
)


def _face(reported: Mapping[str, Any]) -> hosted_api.HostedFace:
    # The one around the skin, as ours is; the other is around the whole head.
    polygon = reported.get("fdBoundingPoly") or reported["boundingPoly"]
    corners = [_xy(vertex) for vertex in polygon["vertices"]]
    across, down = zip(*corners, strict=True)
    by_name = {
        one["type"]: _xy(one["position"]) for one in reported.get("landmarks", ())
    }
    roll = reported.get("rollAngle")
    return hosted_api.HostedFace(
        box=BoundingBox(min(across), min(down), max(across), max(down)),
        confidence=float(reported.get("detectionConfidence", 1.0)),
        points=hosted_api.named_points(by_name, POINTS),
        roll_degrees=hosted_api.counter_clockwise(roll),
        scores=_scores(reported),
    )


def _xy(vertex: Mapping[str, float]) -> hosted_api.Point:
    return float(vertex.get("x", 0.0)), float(vertex.get("y", 0.0))


def _scores(reported: Mapping[str, Any]) -> EmotionScores | None:
    """Return the scores of the likelihoods, None where the points are better."""
    likely = {
        name: LIKELIHOODS.get(reported.get(name, "UNKNOWN"), 0.0)
        for name in EMOTIONS
        if name
    }
    most = max(likely.values())
    if most < TELLING:
        return None
    return hosted_api.scores_from(likely | {"": 1.0 - most}, EMOTIONS)


def _faces(contents: Any, _: hosted_api.SentPicture) -> list[hosted_api.HostedFace]:
    (answer,) = contents["responses"]
    if "error" in answer:
        number = int(answer["error"]["code"])
        kind = _KINDS.get(number, ErrorKind.FACE_API_REFUSED)
        raise SERVICE.error(kind, str(number))
    return [_face(one) for one in answer.get("faceAnnotations", ())]


def make_api(options: HostedOptions) -> hosted_api.FaceApi:
    """Return the API as the settings name it.

    Raises:
        ConfigError: The key is missing, or the address would show it.
    """
    (key,) = hosted_api.needed_keys("google", options.keys, "GOOGLE_API_KEY")
    address = hosted_api.base_address(options.url, ADDRESS) + PATH
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "X-Goog-Api-Key": key,
    }

    def request(sent: hosted_api.SentPicture) -> ServiceCall:
        feature = {"type": "FACE_DETECTION", "maxResults": MAX_FACES}
        picture = {"content": base64.b64encode(sent.data).decode("ascii")}
        body = {"requests": [{"image": picture, "features": [feature]}]}
        return ServiceCall(address, headers, json.dumps(body).encode())

    return hosted_api.FaceApi(SERVICE, LIMITS, request, _faces)


build = partial(hosted.build, "google", make_api)
