"""Azure Face's detect, v1.2, on localhost.

Paths, parameters and limits are those of its reference; the codes of its errors and the
texts were not verified. It reports no emotion: asking for one is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.face_api import FaceApiFake, FakeAnswer, FakeRequest, SeenFace, opened

KEY = "azure-key-of-the-tests"
LEAST_BYTES, MAX_BYTES = 1024, 6_291_456
ATTRIBUTES = frozenset({"headPose", "blur", "mask", "exposure", "noise", "occlusion"})
#: Status, and what goes with it.
ERRORS: Mapping[str, tuple[int, dict[str, str]]] = {
    "401": (401, {}),
    "BadArgument": (400, {}),
    "InternalServerError": (500, {}),
    "InvalidImage": (400, {}),
    "InvalidImageSize": (400, {}),
    "OperationTimeOut": (408, {}),
    "RateLimitExceeded": (429, {"Retry-After": "1"}),
    "ServiceUnavailable": (503, {}),
    "Unspecified": (403, {}),
    "UnsupportedMediaType": (415, {}),
}
#: Its left is the viewer's.
POINTS = {
    "pupilLeft": range(36, 42),
    "pupilRight": range(42, 48),
    "noseTip": (30,),
    "mouthLeft": (48,),
    "mouthRight": (54,),
    "eyebrowLeftOuter": (17,),
    "eyebrowLeftInner": (21,),
    "eyeLeftOuter": (36,),
    "eyeLeftTop": (37, 38),
    "eyeLeftBottom": (40, 41),
    "eyeLeftInner": (39,),
    "eyebrowRightInner": (22,),
    "eyebrowRightOuter": (26,),
    "eyeRightInner": (42,),
    "eyeRightTop": (43, 44),
    "eyeRightBottom": (46, 47),
    "eyeRightOuter": (45,),
    "noseLeftAlarOutTip": (31,),
    "noseRightAlarOutTip": (35,),
    "upperLipTop": (51,),
    "upperLipBottom": (62,),
    "underLipTop": (66,),
    "underLipBottom": (57,),
}


@dataclass
class AzureFake(FaceApiFake):
    """One resource."""

    def error(self, name: str) -> FakeAnswer:
        status, headers = ERRORS[name]
        error = {"code": name, "message": f"{name} it is."}
        return FakeAnswer(status, {"error": error}, headers)

    def answer(self, request: FakeRequest) -> FakeAnswer:
        parts = urlsplit(request.target)
        if request.headers.get("ocp-apim-subscription-key") != KEY:
            raise self.refuse("401")
        if (request.method, parts.path) != ("POST", "/face/v1.2/detect"):
            raise self.refuse("BadArgument")
        if request.headers.get("content-type") != "application/octet-stream":
            raise self.refuse("UnsupportedMediaType")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self._check_query(query)
        if not LEAST_BYTES <= len(request.body) <= MAX_BYTES:
            raise self.refuse("InvalidImageSize")
        picture = opened(request.body)
        if picture is None:
            raise self.refuse("InvalidImage")
        with_points = query.get("returnFaceLandmarks") == "true" and self.reports_points
        faces = self.faces(picture)[:100]
        return FakeAnswer(200, [self._face(face, with_points) for face in faces])

    def _check_query(self, query: Mapping[str, str]) -> None:
        # Ids are for those whom Microsoft allows to recognise people; true is default.
        if query.get("returnFaceId", "true") != "false":
            raise self.refuse("Unspecified")
        models = {"detection_01", "detection_02", "detection_03"}
        if query.get("detectionModel", "detection_01") not in models:
            raise self.refuse("BadArgument")
        wanted = query.get("returnFaceAttributes", "").split(",")
        if not set(filter(None, wanted)) <= ATTRIBUTES:
            raise self.refuse("BadArgument")

    def _face(self, face: SeenFace, with_points: bool) -> dict[str, Any]:
        reported: dict[str, Any] = {
            "faceRectangle": face.rectangle,
            "faceAttributes": {
                "headPose": {"pitch": 0.0, "roll": -self.roll_degrees, "yaw": 2.5}
            },
        }
        if with_points:
            points = face.points(POINTS)
            reported["faceLandmarks"] = {
                name: {"x": round(x, 1), "y": round(y, 1)}
                for name, (x, y) in points.items()
            }
        return reported
