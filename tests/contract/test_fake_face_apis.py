"""The stand-ins of the hosted face APIs refuse what the services refuse."""

from __future__ import annotations

import base64
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
from tests.images import encoded

GOOD = encoded(
    picture_with_faces((320, 240), [(120, 60, 220, 190)]), "JPEG", quality=92
)
SMALL = encoded(Image.new("RGB", (40, 300)), "JPEG")
GIF = encoded(Image.new("RGB", (300, 300)), "GIF")
NOISE = np.random.default_rng(1).integers(0, 256, (2400, 2400, 3), np.uint8)
LARGE = encoded(Image.fromarray(NOISE), "JPEG", quality=95)
NO_PICTURE = b"\xff\xd8\xff" + b"no picture" * 200
CROWD = encoded(
    picture_with_faces((620, 60), [(x, 10, x + 30, 50) for x in range(10, 610, 50)]),
    "JPEG",
    quality=95,
)
AZURE_PATH = "/face/v1.2/detect?returnFaceId=false&detectionModel=detection_03"


@pytest.fixture
def url(request):
    """Return a vendor's name and where its stand-in answers."""
    with serving(VENDORS[request.param].fake()) as fake:
        yield request.param, fake.url


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


ASK = {
    "rekognition": ask_rekognition,
    "google": ask_google,
    "azure": ask_azure,
    "facepp": ask_facepp,
}
#: Where each says what went wrong.
ERROR = {
    "rekognition": lambda contents: contents["__type"],
    "google": lambda contents: contents["error"]["code"],
    "azure": lambda contents: contents["error"]["code"],
    "facepp": lambda contents: contents["error_message"],
}


@pytest.mark.parametrize(
    ("url", "changes", "status", "error"),
    [
        ("rekognition", {"data": SMALL}, 400, "InvalidParameterException"),
        ("rekognition", {"data": GIF}, 400, "InvalidImageFormatException"),
        ("rekognition", {"data": NO_PICTURE}, 400, "InvalidImageFormatException"),
        ("rekognition", {"data": LARGE}, 400, "ImageTooLargeException"),
        (
            "rekognition",
            {"Authorization": "Basic x"},
            400,
            "IncompleteSignatureException",
        ),
        (
            "rekognition",
            {"X-Amz-Date": "20200101T000000Z"},
            400,
            "InvalidSignatureException",
        ),
        ("google", {"key": ""}, 403, 403),
        ("google", {"key": "other"}, 400, 400),
        ("google", {"data": LARGE + bytes(8_000_000)}, 400, 400),
        ("azure", {"key": "other"}, 401, "401"),
        ("azure", {"data": b"\xff\xd8\xff"}, 400, "InvalidImageSize"),
        ("azure", {"data": LARGE + bytes(7_000_000)}, 400, "InvalidImageSize"),
        ("azure", {"data": NO_PICTURE}, 400, "InvalidImage"),
        (
            "azure",
            {"path": f"{AZURE_PATH}&returnFaceAttributes=emotion"},
            400,
            "BadArgument",
        ),
        ("facepp", {"api_key": ""}, 400, "MISSING_ARGUMENTS: api_key"),
        ("facepp", {"api_secret": "other"}, 401, "AUTHENTICATION_ERROR"),
        (
            "facepp",
            {"data": GIF},
            400,
            "IMAGE_ERROR_UNSUPPORTED_FORMAT: image_file",
        ),
        ("facepp", {"data": SMALL}, 400, "INVALID_IMAGE_SIZE: image_file"),
        ("facepp", {"data": LARGE}, 400, "IMAGE_FILE_TOO_LARGE: image_file"),
    ],
    indirect=["url"],
)
def test_bad_requests(url, changes, status, error):
    name, address = url

    found, contents = ASK[name](address, **changes)

    assert (found, ERROR[name](contents)) == (status, error)


@pytest.mark.parametrize("url", ["rekognition"], indirect=True)
def test_rekognition_wants_a_signature_and_tells_no_emotions_unless_asked(url):
    status, contents = ask_rekognition(url[1])

    assert status == 200
    assert "Emotions" not in contents["FaceDetails"][0]
    unsigned = posted(url[1], data=b"{}")[1]
    assert unsigned["__type"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("url", ["google"], indirect=True)
@pytest.mark.parametrize(("data", "faces"), [(GOOD, 1), (SMALL, 0), (CROWD, 10)])
def test_google_finds_ten_faces_unless_asked(url, data, faces):
    status, contents = ask_google(url[1], data)

    assert status == 200
    assert len(contents["responses"][0].get("faceAnnotations", ())) == faces


@pytest.mark.parametrize("url", ["google"], indirect=True)
def test_googles_error_about_the_picture_comes_inside(url):
    status, contents = ask_google(url[1], NO_PICTURE)

    assert (status, contents["responses"][0]["error"]["code"]) == (200, 3)


@pytest.mark.parametrize("url", ["azure", "facepp"], indirect=True)
def test_no_points_unless_asked(url):
    name, address = url

    status, contents = ASK[name](address)

    assert status == 200
    if name == "azure":
        assert "faceLandmarks" not in contents[0]
    else:
        assert "landmark" not in contents["faces"][0]
        assert contents["face_num"] == 0
