"""The stand-ins of the hosted face APIs refuse what the services refuse."""

from __future__ import annotations

import base64
import io
import json
from functools import partial

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
CROWD = encoded(
    picture_with_faces((620, 60), [(x, 10, x + 30, 50) for x in range(10, 610, 50)]),
    quality=95,
)
AZURE_PATH = "/face/v1.2/detect?returnFaceId=false&detectionModel=detection_03"


@pytest.fixture(scope="module", params=VENDORS)
def url(request):
    with serving(VENDORS[request.param].fake()) as fake:
        yield fake.url


def on(name):
    return pytest.mark.parametrize("url", [name], indirect=True, scope="module")


def posted(url, **request):
    answer = requests.post(url, timeout=30, **request)
    return answer.status_code, answer.json()


def ask_rekognition(url, data=GOOD, **changes):
    image = {"Image": {"Bytes": base64.b64encode(data).decode()}}
    content = json.dumps(image).encode()
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "RekognitionService.DetectFaces",
    }
    sign = signer(options_for("rekognition", url).hosted)
    signed = dict(sign(f"{url}/", headers, content)) | changes
    return posted(f"{url}/", data=content, headers=signed)


def ask_google(url, data=GOOD, key=face_google.KEY):
    picture = {"content": base64.b64encode(data).decode()}
    feature = {"type": "FACE_DETECTION"}
    body = {"requests": [{"image": picture, "features": [feature]}]}
    return posted(f"{url}/v1/images:annotate?key={key}", json=body)


def ask_azure(url, data=GOOD, path=AZURE_PATH, key=face_azure.KEY, kind="octet-stream"):
    kind = f"application/{kind}"
    headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": kind}
    return posted(url + path, data=data, headers=headers)


def ask_facepp(url, data=GOOD, **changes):
    fields = {"api_key": face_facepp.KEY, "api_secret": face_facepp.SECRET}
    parts = {name: (None, text) for name, text in (fields | changes).items()}
    files = parts | {"image_file": ("a.jpg", data)}
    return posted(f"{url}/facepp/v3/detect", files=files)


@on("rekognition")
class TestRekognition:
    def test_a_good_request(self, url):
        status, contents = ask_rekognition(url)

        assert status == 200
        (face,) = contents["FaceDetails"]
        assert "Emotions" not in face

    @pytest.mark.parametrize(
        ("ask", "error"),
        [
            (
                lambda url: posted(url, data=b"{}"),
                "MissingAuthenticationTokenException",
            ),
            (partial(ask_rekognition, data=SMALL), "InvalidParameterException"),
            (partial(ask_rekognition, data=GIF), "InvalidImageFormatException"),
            (partial(ask_rekognition, data=NO_PICTURE), "InvalidImageFormatException"),
            (partial(ask_rekognition, data=LARGE), "ImageTooLargeException"),
            (
                partial(ask_rekognition, Authorization="Basic x"),
                "IncompleteSignatureException",
            ),
            (
                partial(ask_rekognition, **{"X-Amz-Date": "20200101T000000Z"}),
                "InvalidSignatureException",
            ),
        ],
    )
    def test_bad_ones(self, url, ask, error):
        status, contents = ask(url)

        assert (status, contents["__type"]) == (400, error)


@on("google")
class TestGoogle:
    @pytest.mark.parametrize(("data", "faces"), [(GOOD, 1), (SMALL, 0), (CROWD, 10)])
    def test_a_good_request_finds_ten_faces_unless_asked(self, url, data, faces):
        status, contents = ask_google(url, data)

        assert status == 200
        assert len(contents["responses"][0].get("faceAnnotations", ())) == faces

    def test_an_error_about_the_picture_comes_inside(self, url):
        status, contents = ask_google(url, NO_PICTURE)

        assert (status, contents["responses"][0]["error"]["code"]) == (200, 3)

    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            ({"key": ""}, 403),
            ({"key": "other"}, 400),
            ({"data": LARGE + bytes(8_000_000)}, 400),
        ],
    )
    def test_bad_ones(self, url, request_, status):
        found, contents = ask_google(url, **request_)

        assert (found, contents["error"]["code"]) == (status, status)


@on("azure")
class TestAzure:
    def test_a_good_request(self, url):
        status, contents = ask_azure(url)

        assert status == 200
        assert "faceLandmarks" not in contents[0]

    @pytest.mark.parametrize(
        ("request_", "status", "error"),
        [
            ({"key": "other"}, 401, "401"),
            ({"data": b"\xff\xd8\xff"}, 400, "InvalidImageSize"),
            ({"data": LARGE + bytes(7_000_000)}, 400, "InvalidImageSize"),
            ({"data": NO_PICTURE}, 400, "InvalidImage"),
            (
                {"path": f"{AZURE_PATH}&returnFaceAttributes=emotion"},
                400,
                "BadArgument",
            ),
        ],
    )
    def test_bad_ones(self, url, request_, status, error):
        found, contents = ask_azure(url, **request_)

        assert (found, contents["error"]["code"]) == (status, error)


@on("facepp")
class TestFacepp:
    def test_a_good_request(self, url):
        status, contents = ask_facepp(url)

        assert status == 200
        assert "landmark" not in contents["faces"][0]
        assert contents["face_num"] == 0

    @pytest.mark.parametrize(
        ("request_", "status", "error"),
        [
            ({"api_key": ""}, 400, "MISSING_ARGUMENTS: api_key"),
            ({"api_secret": "other"}, 401, "AUTHENTICATION_ERROR"),
            ({"data": GIF}, 400, "IMAGE_ERROR_UNSUPPORTED_FORMAT: image_file"),
            ({"data": SMALL}, 400, "INVALID_IMAGE_SIZE: image_file"),
            ({"data": LARGE}, 400, "IMAGE_FILE_TOO_LARGE: image_file"),
        ],
    )
    def test_bad_ones(self, url, request_, status, error):
        found, contents = ask_facepp(url, **request_)

        assert (found, contents["error_message"]) == (status, error)
