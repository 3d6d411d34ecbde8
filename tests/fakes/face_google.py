"""Google Cloud Vision's FACE_DETECTION on localhost.

Answers have the shape of recorded ones; the error about one picture inside of an answer
with status 200 has the shape of the schema, its text is ours.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.face_api import FaceApiFake, FakeAnswer, FakeRequest, SeenFace, opened

KEY = "key-of-the-tests"
MAX_JSON_BYTES, USUAL_FACES = 10_485_760, 10
#: Status, Google's word for it, and what it says.
ERRORS: Mapping[str, tuple[int, str, str]] = {
    "bad_key": (
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
    ),
    "missing_key": (
        403,
        "PERMISSION_DENIED",
        "The request is missing a valid API key.",
    ),
    "too_large": (400, "INVALID_ARGUMENT", "Request payload size exceeds the limit."),
    "bad_request": (400, "INVALID_ARGUMENT", "Invalid JSON payload received."),
    "not_found": (404, "NOT_FOUND", "Requested entity was not found."),
    "rate": (429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric."),
    "internal": (500, "INTERNAL", "Internal error encountered."),
    "unavailable": (503, "UNAVAILABLE", "The service is currently unavailable."),
}
#: Codes of errors about one picture.
INSIDE: Mapping[str, int] = {
    "bad_image": 3,
    "inside_busy": 8,
    "inside_internal": 13,
    "inside_unavailable": 14,
}
#: Its left is the viewer's.
POINTS = {
    "LEFT_EYE": range(36, 42),
    "RIGHT_EYE": range(42, 48),
    "LEFT_OF_LEFT_EYEBROW": (17,),
    "RIGHT_OF_LEFT_EYEBROW": (21,),
    "LEFT_OF_RIGHT_EYEBROW": (22,),
    "RIGHT_OF_RIGHT_EYEBROW": (26,),
    "NOSE_TIP": (30,),
    "UPPER_LIP": (51,),
    "LOWER_LIP": (57,),
    "MOUTH_LEFT": (48,),
    "MOUTH_RIGHT": (54,),
    "NOSE_BOTTOM_RIGHT": (35,),
    "NOSE_BOTTOM_LEFT": (31,),
    "LEFT_EYE_TOP_BOUNDARY": (37, 38),
    "LEFT_EYE_RIGHT_CORNER": (39,),
    "LEFT_EYE_BOTTOM_BOUNDARY": (40, 41),
    "LEFT_EYE_LEFT_CORNER": (36,),
    "RIGHT_EYE_TOP_BOUNDARY": (43, 44),
    "RIGHT_EYE_RIGHT_CORNER": (45,),
    "RIGHT_EYE_BOTTOM_BOUNDARY": (46, 47),
    "RIGHT_EYE_LEFT_CORNER": (42,),
    "CHIN_GNATHION": (8,),
}
#: The whole head is larger than the skin by this share of it.
HEAD = 0.2


@dataclass
class GoogleFake(FaceApiFake):
    """Tells likelihoods where ``emotions`` holds some: ``{"joy": "LIKELY"}``."""

    def error(self, name: str) -> FakeAnswer:
        if name in INSIDE:
            error = {"code": INSIDE[name], "message": f"{name} it is."}
            return FakeAnswer(200, {"responses": [{"error": error}]})
        code, status, message = ERRORS[name]
        error = {"code": code, "message": message, "status": status}
        return FakeAnswer(code, {"error": error})

    def answer(self, request: FakeRequest) -> FakeAnswer:
        parts = urlsplit(request.target)
        if (request.method, parts.path) != ("POST", "/v1/images:annotate"):
            raise self.refuse("not_found")
        self._check_key(request, parse_qs(parts.query))
        content, most = self._wanted(request)
        try:
            picture = opened(base64.b64decode(content, validate=True))
        except binascii.Error:
            raise self.refuse("bad_request") from None
        if picture is None:
            raise self.refuse("bad_image")
        faces = self.faces(picture)[:most]
        answer = {"faceAnnotations": [self._annotation(face) for face in faces]}
        return FakeAnswer(200, {"responses": [answer if faces else {}]})

    def _check_key(self, request: FakeRequest, query: Mapping[str, list[str]]) -> None:
        key = request.headers.get("x-goog-api-key") or "".join(query.get("key", []))
        if not key:
            raise self.refuse("missing_key")
        if key != KEY:
            raise self.refuse("bad_key")

    def _wanted(self, request: FakeRequest) -> tuple[str, int]:
        if len(request.body) > MAX_JSON_BYTES:
            raise self.refuse("too_large")
        try:
            (wanted,) = json.loads(request.body)["requests"]
            (feature,) = wanted["features"]
            if feature["type"] != "FACE_DETECTION":
                raise self.refuse("bad_request")
            return wanted["image"]["content"], feature.get("maxResults", USUAL_FACES)
        except (ValueError, KeyError, TypeError):
            raise self.refuse("bad_request") from None

    def _annotation(self, face: SeenFace) -> dict[str, Any]:
        x_min, y_min, x_max, y_max = face.box.xyxy
        more = HEAD * face.box.height
        annotation: dict[str, Any] = {
            "boundingPoly": _polygon(x_min, max(y_min - more, 0), x_max, y_max),
            "fdBoundingPoly": _polygon(x_min, y_min, x_max, y_max),
            "rollAngle": -self.roll_degrees,
            "panAngle": -15.25,
            "tiltAngle": -6.15,
            # On a scale of its own, even for a clear face.
            "detectionConfidence": 0.23,
            "landmarkingConfidence": 0.62,
        }
        if self.reports_points:
            annotation["landmarks"] = [
                {"type": name, "position": _without_zeros(x=x, y=y, z=-4.5)}
                for name, (x, y) in face.points(POINTS).items()
            ]
        for name, likelihood in (self.emotions or {}).items():
            annotation[f"{name}Likelihood"] = likelihood
        return annotation


def _polygon(x_min: float, y_min: float, x_max: float, y_max: float) -> dict[str, Any]:
    corners = ((x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max))
    return {"vertices": [_without_zeros(x=int(x), y=int(y)) for x, y in corners]}


def _without_zeros(**numbers: float) -> dict[str, float]:
    return {name: number for name, number in numbers.items() if number}
