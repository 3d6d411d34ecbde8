"""The stand-ins of the hosted face APIs refuse what the services refuse."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
import requests
from PIL import Image

from emojifier_bot.vision.analyzers.rekognition import signer
from tests.face_apis import VENDORS, options_for
from tests.fakes import face_azure, face_facepp, face_google
from tests.fakes.face_api import serving
from tests.fakes.faces import picture_with_faces


def encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


GOOD = encoded(picture_with_faces((320, 240), [(120, 60, 220, 190)]), quality=92)
SMALL = encoded(Image.new("RGB", (40, 300)))
GIF = encoded(Image.new("RGB", (300, 300)), "GIF")
NOISE = np.random.default_rng(1).integers(0, 256, (2400, 2400, 3), np.uint8)
LARGE = encoded(Image.fromarray(NOISE), quality=95)
NO_PICTURE = b"\xff\xd8\xff" + b"no picture" * 200


@pytest.fixture(scope="module")
def servers():
    fakes = {name: vendor.fake() for name, vendor in VENDORS.items()}
    with (
        serving(fakes["rekognition"]),
        serving(fakes["google"]),
        serving(fakes["azure"]),
        serving(fakes["facepp"]),
    ):
        yield {name: fake.url for name, fake in fakes.items()}


def posted(url, **request):
    answer = requests.post(url, timeout=30, **request)
    return answer.status_code, answer.json()


class TestRekognition:
    def ask(self, url, data=GOOD, body=None, target="DetectFaces", **changes):
        body = json.dumps(
            {"Image": {"Bytes": base64.b64encode(data).decode()}} | (body or {})
        ).encode()
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"RekognitionService.{target}",
        }
        sign = signer(options_for("rekognition", url).hosted)
        headers = dict(sign(f"{url}/", headers, body)) | changes
        return posted(f"{url}/", data=body, headers=headers)

    def test_a_good_request(self, servers):
        status, told = self.ask(servers["rekognition"])

        assert status == 200
        (face,) = told["FaceDetails"]
        assert "Emotions" not in face

    @pytest.mark.parametrize(
        ("request_", "error"),
        [
            ({"data": SMALL}, "InvalidParameterException"),
            ({"data": GIF}, "InvalidImageFormatException"),
            ({"data": NO_PICTURE}, "InvalidImageFormatException"),
            ({"data": LARGE}, "ImageTooLargeException"),
            ({"body": {"Image": {}}}, "InvalidParameterException"),
            ({"body": {"Attributes": ["MOOD"]}}, "InvalidParameterException"),
            ({"target": "Dream"}, "UnknownOperationException"),
            ({"Authorization": "Basic x"}, "IncompleteSignatureException"),
            ({"X-Amz-Date": "20200101T000000Z"}, "InvalidSignatureException"),
        ],
    )
    def test_bad_ones(self, servers, request_, error):
        status, told = self.ask(servers["rekognition"], **request_)

        assert (status, told["__type"]) == (400, error)

    def test_nobody_comes_in_without_a_signature(self, servers):
        status, told = posted(servers["rekognition"], data=b"{}")

        assert (status, told["__type"]) == (400, "MissingAuthenticationTokenException")


class TestGoogle:
    def ask(self, url, data=GOOD, kind="FACE_DETECTION", key=face_google.KEY):
        picture = {"content": base64.b64encode(data).decode()}
        body = {"requests": [{"image": picture, "features": [{"type": kind}]}]}
        return posted(f"{url}/v1/images:annotate?key={key}", json=body)

    def test_a_good_request(self, servers):
        status, told = self.ask(servers["google"])

        assert status == 200
        assert len(told["responses"][0]["faceAnnotations"]) == 1

    def test_no_face_is_an_empty_answer(self, servers):
        status, told = self.ask(servers["google"], SMALL)

        assert (status, told) == (200, {"responses": [{}]})

    def test_ten_faces_unless_asked(self, servers):
        boxes = [(x, 10, x + 30, 50) for x in range(10, 610, 50)]
        crowd = encoded(picture_with_faces((620, 60), boxes), quality=95)

        _, told = self.ask(servers["google"], crowd)

        assert len(told["responses"][0]["faceAnnotations"]) == 10

    def test_an_error_about_the_picture_comes_inside(self, servers):
        status, told = self.ask(servers["google"], NO_PICTURE)

        assert (status, told["responses"][0]["error"]["code"]) == (200, 3)

    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            ({"key": ""}, 403),
            ({"key": "other"}, 400),
            ({"kind": "MOOD"}, 400),
            ({"data": LARGE + bytes(8_000_000)}, 400),
        ],
    )
    def test_bad_ones(self, servers, request_, status):
        found, told = self.ask(servers["google"], **request_)

        assert (found, told["error"]["code"]) == (status, status)


class TestAzure:
    PATH = "/face/v1.2/detect?returnFaceId=false&detectionModel=detection_03"

    def ask(self, url, data=GOOD, path=PATH, key=face_azure.KEY, kind="octet-stream"):
        headers = {
            "Ocp-Apim-Subscription-Key": key,
            "Content-Type": f"application/{kind}",
        }
        return posted(url + path, data=data, headers=headers)

    def test_a_good_request(self, servers):
        status, told = self.ask(servers["azure"])

        assert status == 200
        assert "faceLandmarks" not in told[0]

    @pytest.mark.parametrize(
        ("request_", "status", "error"),
        [
            ({"key": "other"}, 401, "401"),
            ({"data": b"\xff\xd8\xff"}, 400, "InvalidImageSize"),
            ({"data": LARGE + bytes(7_000_000)}, 400, "InvalidImageSize"),
            ({"data": NO_PICTURE}, 400, "InvalidImage"),
            ({"kind": "json"}, 415, "UnsupportedMediaType"),
            ({"path": "/face/v1.2/detect"}, 403, "Unspecified"),
            ({"path": f"{PATH}&returnFaceAttributes=emotion"}, 400, "BadArgument"),
            ({"path": PATH.replace("03", "99")}, 400, "BadArgument"),
        ],
    )
    def test_bad_ones(self, servers, request_, status, error):
        found, told = self.ask(servers["azure"], **request_)

        assert (found, told["error"]["code"]) == (status, error)


class TestFacepp:
    def ask(self, url, data=GOOD, **changes):
        fields = {"api_key": face_facepp.KEY, "api_secret": face_facepp.SECRET}
        files = {} if data is None else {"image_file": ("a.jpg", data)}
        # Without a file it must be a form of parts all the same.
        parts = {name: (None, text) for name, text in (fields | changes).items()}
        return posted(f"{url}/facepp/v3/detect", files=parts | files)

    def test_a_good_request(self, servers):
        status, told = self.ask(servers["facepp"])

        assert status == 200
        assert "landmark" not in told["faces"][0]
        assert told["face_num"] == 0

    @pytest.mark.parametrize(
        ("request_", "status", "error"),
        [
            ({"api_key": ""}, 400, "MISSING_ARGUMENTS: api_key"),
            ({"api_secret": "other"}, 401, "AUTHENTICATION_ERROR"),
            (
                {"data": None},
                400,
                "MISSING_ARGUMENTS: image_url, image_file, image_base64",
            ),
            ({"data": GIF}, 400, "IMAGE_ERROR_UNSUPPORTED_FORMAT: image_file"),
            ({"data": SMALL}, 400, "INVALID_IMAGE_SIZE: image_file"),
            ({"data": LARGE}, 400, "IMAGE_FILE_TOO_LARGE: image_file"),
            (
                {"return_attributes": "mood"},
                400,
                "BAD_ARGUMENTS: return_attributes",
            ),
        ],
    )
    def test_bad_ones(self, servers, request_, status, error):
        found, told = self.ask(servers["facepp"], **request_)

        assert (found, told["error_message"]) == (status, error)
