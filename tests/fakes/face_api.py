"""What the stand-ins of the hosted face APIs share: a real server that looks.

Each is a real HTTP server on localhost. It checks what it is sent, finds the faces that
`picture_with_faces` draws, and answers as its vendor does. Scripted failures go first.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

from emojifier_bot.vision.types import BoundingBox, FloatArray
from tests.builders import make_landmarks
from tests.fakes.faces import EYE_SHARE, FakeDetector
from tests.threads import in_thread

#: Which of the 68 points a vendor's point is: one, or the middle of several.
PointTable = Mapping[str, Sequence[int]]
#: How many bytes of a request are read at all.
LONGEST_REQUEST_BYTES = 40_000_000
MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG"}
#: Markers of a JPEG's notes, comments and foreign segments.
METADATA = (b"Exif\0\0", b"http://ns.adobe.com/xap", b"ICC_PROFILE", b"\xff\xfe")


@dataclass(frozen=True)
class FakeRequest:
    """One request as it came."""

    method: str
    #: Path and query.
    target: str
    #: Names in lower case.
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class FakeAnswer:
    """An answer."""

    status: int
    contents: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        if isinstance(self.contents, bytes):
            return self.contents
        return json.dumps(self.contents).encode()


class RefusedRequest(Exception):  # noqa: N818 - what it holds is an answer
    """The server says no."""

    def __init__(self, answer: FakeAnswer) -> None:
        super().__init__(answer.contents)
        self.answer = answer


@dataclass(frozen=True)
class SeenFace:
    """A face in the picture that was sent, in its pixels."""

    box: BoundingBox
    #: ``(68, 2)``.
    points_xy: FloatArray

    @property
    def rectangle(self) -> dict[str, int]:
        """Return the box in whole pixels, as several vendors report it."""
        left, top = int(self.box.x_min), int(self.box.y_min)
        width, height = int(self.box.width), int(self.box.height)
        return {"top": top, "left": left, "width": width, "height": height}

    def points(self, table: PointTable) -> dict[str, tuple[float, float]]:
        """Return a vendor's points by name."""
        return {
            name: (float(x), float(y))
            for name, indices in table.items()
            for x, y in [self.points_xy[list(indices)].mean(axis=0)]
        }


@dataclass
class FaceApiFake(ABC):
    """A vendor's server."""

    #: By the vendor's names for emotions; None for none.
    emotions: Mapping[str, Any] | None = None
    #: How the faces are turned, counter-clockwise.
    roll_degrees: float = 0.0
    reports_points: bool = True
    #: Names of documented errors that the next requests get, or answers themselves.
    failures: list[str | FakeAnswer] = field(default_factory=list)
    #: Waits before each answer.
    delay_seconds: float = 0.0
    requests: list[FakeRequest] = field(default_factory=list)
    #: Sizes of the pictures that were read.
    seen_wh: list[tuple[int, int]] = field(default_factory=list)
    url: str = ""

    @abstractmethod
    def answer(self, request: FakeRequest) -> FakeAnswer:
        """Check a request and answer it."""

    @abstractmethod
    def error(self, name: str) -> FakeAnswer:
        """Return one of the documented errors."""

    def refuse(self, name: str) -> RefusedRequest:
        return RefusedRequest(self.error(name))

    def talk(self, request: FakeRequest) -> FakeAnswer:
        self.requests.append(request)
        time.sleep(self.delay_seconds)
        if self.failures:
            failure = self.failures.pop(0)
            return failure if isinstance(failure, FakeAnswer) else self.error(failure)
        try:
            return self.answer(request)
        except RefusedRequest as refused:
            return refused.answer

    def faces(self, picture: Image.Image) -> list[SeenFace]:
        """Find the faces in a picture."""
        self.seen_wh.append(picture.size)
        found = FakeDetector().detect(np.asarray(picture.convert("RGB")))
        return [SeenFace(one.box, self._points(one.box)) for one in found]

    def _points(self, box: BoundingBox) -> FloatArray:
        return make_landmarks(
            center_xy=box.center_xy,
            eye_distance_px=max(box.width * EYE_SHARE, 1.0),
            roll_degrees=self.roll_degrees,
        ).points_xy


def opened(data: bytes) -> Image.Image | None:
    """Return a JPEG or PNG, None for anything else or with metadata in it."""
    if not any(data.startswith(magic) for magic in MAGIC):
        return None
    if any(marker in data[:4096] for marker in METADATA):
        raise AssertionError("a picture was sent with metadata")
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except OSError:
        return None
    return picture


@contextlib.contextmanager
def serving(fake: FaceApiFake) -> Iterator[FaceApiFake]:
    """Run a server for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._answer("POST")

        def do_GET(self) -> None:
            self._answer("GET")

        def _answer(self, method: str) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(min(length, LONGEST_REQUEST_BYTES))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = fake.talk(FakeRequest(method, self.path, headers, body))
            # Whoever does not wait for the answer is no matter to the server.
            with contextlib.suppress(OSError):
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_port}"
        with in_thread(partial(server.serve_forever, 0.01), server.shutdown):
            yield fake
