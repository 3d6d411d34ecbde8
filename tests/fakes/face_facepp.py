"""Face++'s detect, v3, on localhost.

Answers have the shape of a recorded one, the wrong ``face_num`` included. Limits, error
codes and the names of most points come from programs that use it, and are not verified.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.face_api import FaceApiFake, FakeAnswer, FakeRequest, SeenFace, opened

KEY, SECRET = "facepp-key-of-tests", "facepp-secret-of-tests"
MAX_BYTES, LEAST_SIDE_PX, LARGEST_SIDE_PX = 2_097_152, 48, 4096
ERRORS: Mapping[str, int] = {
    "API_NOT_FOUND": 404,
    "AUTHENTICATION_ERROR": 401,
    "AUTHORIZATION_ERROR:denied": 403,
    "BAD_ARGUMENTS: return_attributes": 400,
    "CONCURRENCY_LIMIT_EXCEEDED": 403,
    "IMAGE_ERROR_UNSUPPORTED_FORMAT: image_file": 400,
    "IMAGE_FILE_TOO_LARGE: image_file": 400,
    "INTERNAL_ERROR": 500,
    "INVALID_IMAGE_SIZE: image_file": 400,
    "MISSING_ARGUMENTS: api_key": 400,
    "MISSING_ARGUMENTS: image_url, image_file, image_base64": 400,
}
ATTRIBUTES = frozenset({"emotion", "headpose", "smiling", "eyestatus", "mouthstatus"})
#: Its left is the viewer's.
POINTS = {
    "contour_chin": (8,),
    "left_eye_center": range(36, 42),
    "right_eye_center": range(42, 48),
    "left_eyebrow_left_corner": (17,),
    "left_eyebrow_right_corner": (21,),
    "right_eyebrow_left_corner": (22,),
    "right_eyebrow_right_corner": (26,),
    "left_eye_left_corner": (36,),
    "left_eye_top": (37, 38),
    "left_eye_right_corner": (39,),
    "left_eye_bottom": (40, 41),
    "right_eye_left_corner": (42,),
    "right_eye_top": (43, 44),
    "right_eye_right_corner": (45,),
    "right_eye_bottom": (46, 47),
    "nose_tip": (30,),
    "nose_left": (31,),
    "nose_right": (35,),
    "mouth_left_corner": (48,),
    "mouth_right_corner": (54,),
    "mouth_upper_lip_top": (51,),
    "mouth_lower_lip_bottom": (57,),
}


@dataclass
class FaceppFake(FaceApiFake):
    """One account; the first five faces get attributes."""

    emotions: Mapping[str, Any] | None = field(
        default_factory=lambda: (
            dict.fromkeys(("disgust", "anger", "surprise", "fear"), 0.0)
            | {"sadness": 0.01, "neutral": 24.09, "happiness": 75.9}
        )
    )

    def error(self, name: str) -> FakeAnswer:
        return FakeAnswer(ERRORS[name], {"time_used": 3, "error_message": name})

    def answer(self, request: FakeRequest) -> FakeAnswer:
        if (request.method, request.target) != ("POST", "/facepp/v3/detect"):
            raise self.refuse("API_NOT_FOUND")
        fields = _form(request)
        self._check(fields)
        picture = opened(fields["image_file"])
        if picture is None:
            raise self.refuse("IMAGE_ERROR_UNSUPPORTED_FORMAT: image_file")
        fits = min(picture.size) >= LEAST_SIDE_PX, max(picture.size) <= LARGEST_SIDE_PX
        if not all(fits):
            raise self.refuse("INVALID_IMAGE_SIZE: image_file")
        wanted = fields.get("return_attributes", b"").decode().split(",")
        with_points = fields.get("return_landmark") in {b"1", b"2"}
        faces = [
            self._face(face, set(wanted) if rank < 5 else set(), with_points)
            for rank, face in enumerate(self.faces(picture))
        ]
        return FakeAnswer(200, {"time_used": -1, "faces": faces, "face_num": 0})

    def _check(self, fields: Mapping[str, bytes]) -> None:
        if not fields.get("api_key"):
            raise self.refuse("MISSING_ARGUMENTS: api_key")
        if (fields["api_key"], fields.get("api_secret")) != (
            KEY.encode(),
            SECRET.encode(),
        ):
            raise self.refuse("AUTHENTICATION_ERROR")
        if "image_file" not in fields:
            raise self.refuse("MISSING_ARGUMENTS: image_url, image_file, image_base64")
        if len(fields["image_file"]) > MAX_BYTES:
            raise self.refuse("IMAGE_FILE_TOO_LARGE: image_file")
        wanted = fields.get("return_attributes", b"").decode().split(",")
        if not set(filter(None, wanted)) <= ATTRIBUTES:
            raise self.refuse("BAD_ARGUMENTS: return_attributes")

    def _face(
        self, face: SeenFace, wanted: set[str], with_points: bool
    ) -> dict[str, Any]:
        reported: dict[str, Any] = {
            "face_token": "0" * 32,
            "face_rectangle": face.rectangle,
        }
        if with_points and self.reports_points:
            reported["landmark"] = {
                name: {"x": round(x), "y": round(y)}
                for name, (x, y) in face.points(POINTS).items()
            }
        attributes: dict[str, Any] = {}
        if "emotion" in wanted and self.emotions is not None:
            attributes["emotion"] = self.emotions
        if "headpose" in wanted:
            attributes["headpose"] = {"roll_angle": -self.roll_degrees}
        return reported | ({"attributes": attributes} if attributes else {})


def _form(request: FakeRequest) -> dict[str, bytes]:
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    fields: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        fields[str(name)] = bytes(part.get_payload(decode=True))
    return fields
