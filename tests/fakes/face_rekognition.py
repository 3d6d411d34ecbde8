"""Amazon Rekognition's DetectFaces on localhost.

The shape of answers and errors is that of Amazon's own examples; its documented codes
with their statuses are in `ERRORS`. The texts are ours.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from PIL import Image

from tests.fakes.face_api import FaceApiFake, FakeAnswer, FakeRequest, SeenFace, opened

KEY_ID, SECRET = "AKIDOFTHETESTS", "secret/of+the+tests"
REGION = "eu-central-1"
MAX_BYTES, LEAST_SIDE_PX = 5_242_880, 80
ATTRIBUTES = frozenset({"DEFAULT", "ALL", "EMOTIONS", "EYES_OPEN", "GENDER", "SMILE"})
#: Statuses of its errors; of all others it is 400.
ERRORS: Mapping[str, int] = {
    "InternalServerError": 500,
    "ServiceUnavailableException": 503,
}
#: Its left is the viewer's.
POINTS = {
    "leftEyeBrowLeft": (17,),
    "leftEyeBrowUp": (19,),
    "leftEyeBrowRight": (21,),
    "rightEyeBrowLeft": (22,),
    "rightEyeBrowUp": (24,),
    "rightEyeBrowRight": (26,),
    "leftEyeLeft": (36,),
    "leftEyeRight": (39,),
    "leftEyeUp": (37, 38),
    "leftEyeDown": (40, 41),
    "rightEyeLeft": (42,),
    "rightEyeRight": (45,),
    "rightEyeUp": (43, 44),
    "rightEyeDown": (46, 47),
    "noseLeft": (31,),
    "noseRight": (35,),
    "mouthUp": (51,),
    "mouthDown": (57,),
    "upperJawlineLeft": (0,),
    "chinBottom": (8,),
    "upperJawlineRight": (16,),
}
FIVE = {
    "eyeLeft": range(36, 42),
    "eyeRight": range(42, 48),
    "nose": (30,),
    "mouthLeft": (48,),
    "mouthRight": (54,),
}

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,]+)/[^,]+, ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
#: How far a request's time may be off.
LARGEST_SKEW = timedelta(minutes=5)


def signature_error(request: FakeRequest) -> str | None:
    """Return the name of Amazon's error for a bad signature, None for a good one.

    The request is signed once more, with botocore and the keys of the tests: a request
    whose headers, body, service or region are not those that were signed differs.
    """
    given = request.headers.get("authorization")
    if given is None:
        return "MissingAuthenticationTokenException"
    parts = _AUTHORIZATION.fullmatch(given)
    if not parts:
        return "IncompleteSignatureException"
    if parts["key"] != KEY_ID:
        return "UnrecognizedClientException"
    names = parts["headers"].split(";")
    if not {"host", "x-amz-date"} <= set(names) <= set(request.headers):
        return "InvalidSignatureException"
    stamp = request.headers["x-amz-date"]
    moment = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    again = AWSRequest(
        request.method,
        f"http://{request.headers['host']}{request.target}",
        {name: request.headers[name] for name in names},
        request.body,
    )
    again.context["timestamp"] = stamp
    signer = SigV4Auth(Credentials(KEY_ID, SECRET), "rekognition", REGION)
    text = signer.string_to_sign(again, signer.canonical_request(again))
    is_late = abs(datetime.now(UTC) - moment) > LARGEST_SKEW
    if is_late or signer.signature(text, again) != parts["signature"]:
        return "InvalidSignatureException"
    return None


@dataclass
class RekognitionFake(FaceApiFake):
    """Knows one key; finds at most a hundred faces."""

    emotions: Mapping[str, Any] | None = field(
        default_factory=lambda: {
            "CALM": 60.5,
            "HAPPY": 31.25,
            "CONFUSED": 5.0,
            "SURPRISED": 6.4,
            "FEAR": 5.9,
            "SAD": 2.2,
            "ANGRY": 0.9,
            "DISGUSTED": 0.5,
        }
    )
    #: Needed beside the key, where it is a temporary one.
    session_token: str = ""

    def error(self, name: str) -> FakeAnswer:
        contents = {"__type": name, "Code": name, "Message": f"{name} it is."}
        return FakeAnswer(
            ERRORS.get(name, 400),
            contents,
            {"Content-Type": "application/x-amz-json-1.1"},
        )

    def answer(self, request: FakeRequest) -> FakeAnswer:
        self._check_head(request)
        body = self._body(request.body)
        picture = self._picture(body)
        wanted = body.get("Attributes", ["DEFAULT"])
        if not set(wanted) <= ATTRIBUTES:
            raise self.refuse("InvalidParameterException")
        details = [
            self._detail(face, picture.size, emotions={"ALL", "EMOTIONS"} & set(wanted))
            for face in self.faces(picture)[:100]
        ]
        return FakeAnswer(200, {"FaceDetails": details})

    def _check_head(self, request: FakeRequest) -> None:
        wrong = signature_error(request)
        if wrong is not None:
            raise self.refuse(wrong)
        if request.headers.get("x-amz-security-token", "") != self.session_token:
            raise self.refuse("UnrecognizedClientException")
        target = "RekognitionService.DetectFaces"
        right = request.method == "POST" and request.target == "/"
        if not right or request.headers.get("x-amz-target") != target:
            raise self.refuse("UnknownOperationException")
        if request.headers.get("content-type") != "application/x-amz-json-1.1":
            raise self.refuse("UnknownOperationException")

    def _body(self, body: bytes) -> dict[str, Any]:
        try:
            return dict(json.loads(body))
        except ValueError:
            raise self.refuse("SerializationException") from None

    def _picture(self, body: dict[str, Any]) -> Image.Image:
        try:
            data = base64.b64decode(body["Image"]["Bytes"], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise self.refuse("InvalidParameterException") from None
        if len(data) > MAX_BYTES:
            raise self.refuse("ImageTooLargeException")
        picture = opened(data)
        if picture is None:
            raise self.refuse("InvalidImageFormatException")
        if min(picture.size) < LEAST_SIDE_PX:
            raise self.refuse("InvalidParameterException")
        return picture

    def _detail(
        self, face: SeenFace, size_wh: tuple[int, int], *, emotions: object
    ) -> dict[str, Any]:
        width, height = size_wh
        table = POINTS | FIVE if self.reports_points else FIVE
        detail: dict[str, Any] = {
            "BoundingBox": {
                "Width": face.box.width / width,
                "Height": face.box.height / height,
                "Left": face.box.x_min / width,
                "Top": face.box.y_min / height,
            },
            "Landmarks": [
                {"Type": name, "X": x / width, "Y": y / height}
                for name, (x, y) in face.points(table).items()
            ],
            "Pose": {"Roll": -self.roll_degrees, "Yaw": 0.5, "Pitch": -1.5},
            "Quality": {"Brightness": 80.1, "Sharpness": 92.3},
            "Confidence": 99.98,
        }
        if emotions and self.emotions is not None:
            detail["Emotions"] = [
                {"Type": name, "Confidence": score}
                for name, score in self.emotions.items()
            ]
        return detail
