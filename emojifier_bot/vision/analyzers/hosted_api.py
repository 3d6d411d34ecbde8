"""What the file of a hosted back end is made of: one vendor's API in our words.

A vendor's file turns a picture into a request and its answer into faces. Here are the
types on both sides, the units, and what becomes of an answer that holds no faces.
Messages name the service and its own code for what happened, never a key, an address
or a picture.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import numpy as np

from emojifier_bot.errors import ConfigError, ErrorKind, FetchError, HostedApiError
from emojifier_bot.http import (
    DIRECT,
    Route,
    ServiceAnswer,
    ServiceCall,
    is_safe_for_keys,
    post_to_service,
)
from emojifier_bot.vision.copies import MAX_FACES
from emojifier_bot.vision.shared_points import SharedPoint
from emojifier_bot.vision.types import (
    EMOTIONS,
    BoundingBox,
    Emotion,
    EmotionScores,
    FloatArray,
)

Point = tuple[float, float]

#: Of the longer side: what lies farther away is of no face in the picture.
FARTHEST_SIDES = 10
#: Of a face's box, in the picture, either way.
LEAST_SHOWN_PX = 1

#: A code that is shown must look like one: letters, digits and few signs.
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,60}")
_KEY = re.compile(r"[!-~]*")
_CREDENTIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})
#: Something else answers there than the service; redirects too.
_ELSEWHERE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
#: What reading a malformed answer raises.
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)
_SENTENCES: Mapping[ErrorKind, str] = {
    ErrorKind.FACE_API_DOWN: "does not answer ({code}). Try again in a minute.",
    ErrorKind.FACE_API_BUSY: "takes no more calls at the moment ({code}). Try again in "
    "a minute, or raise the quota.",
    ErrorKind.FACE_API_CREDENTIALS: "refuses the key ({code}). Check the keys of the "
    "settings, and what they are allowed to do.",
    ErrorKind.FACE_API_REFUSED: "refuses this picture ({code}). Try another one.",
    ErrorKind.FACE_API_ANSWER: "answered something that cannot be understood. Try "
    "again later; if that does not help, choose another back end.",
}
#: Like a wrong key, only another setting mends it.
_WRONG_ADDRESS = "does not answer there ({code}). Check FACE_API_URL."
_RETRYABLE = frozenset({ErrorKind.FACE_API_DOWN, ErrorKind.FACE_API_BUSY})


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What an API takes."""

    #: Of the encoded picture.
    max_bytes: int
    #: Of either side; smaller pictures get a border on the right and below.
    min_side_px: int
    max_side_px: int


@dataclass(frozen=True, slots=True)
class SentPicture:
    """The copy of a picture that leaves this machine: upright, without metadata."""

    #: A JPEG file.
    data: bytes = field(repr=False)
    #: With its border.
    size_wh: tuple[int, int]
    #: Its pixels per pixel of the picture.
    scale: float
    #: Whether the service is asked for emotions.
    expressions: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class HostedFace:
    """One face as an API reports it, in pixels of the sent picture."""

    box: BoundingBox
    #: 0 to 1 on the API's own scale; 1 where it reports none.
    confidence: float = 1.0
    #: The shared points that it reports; left and right are the person's own.
    points: Mapping[SharedPoint, Point] = field(default_factory=dict)
    #: ``(5, 2)`` right eye, left eye, nose, mouth corners, where it reports them.
    five_xy: FloatArray | None = None
    #: Counter-clockwise on screen positive; None where it reports none.
    roll_degrees: float | None = None
    #: None where it reports no emotion, or only that it does not know.
    scores: EmotionScores | None = None


@dataclass(frozen=True, slots=True)
class VendorService:
    """Calls one vendor's service, and sorts what it answers in place of faces."""

    #: As people know it.
    name: str
    #: Finds the service's own code in an answer's JSON; empty for none.
    code_of: Callable[[Any], str]
    #: Codes that are more precise than the HTTP status; details may follow a colon.
    credentials: frozenset[str] = frozenset()
    busy: frozenset[str] = frozenset()

    def post(
        self, call: ServiceCall, timeout_seconds: float, route: Route = DIRECT
    ) -> Any:
        """Send a request and return the JSON of a good answer.

        Raises:
            HostedApiError: There was none.
        """
        try:
            answer = post_to_service(call, timeout_seconds, route=route)
        except FetchError as error:
            down = self.error(ErrorKind.FACE_API_DOWN, error.kind)
            down.retryable = error.retryable
            # Not "from error": its message may hold more than users should see.
            raise down from None
        contents = _json(answer.body)
        if answer.status != HTTPStatus.OK:
            raise self._refusal(answer, contents)
        if contents is None:
            raise self.error(ErrorKind.FACE_API_ANSWER)
        return contents

    def error(
        self,
        kind: ErrorKind,
        code: str = "",
        wait_seconds: float | None = None,
        sentence: str = "",
    ) -> HostedApiError:
        """Return an error of a kind, with the service's own code in its message."""
        return HostedApiError(
            f"{self.name} {(sentence or _SENTENCES[kind]).format(code=code)}",
            kind=kind,
            retryable=kind in _RETRYABLE,
            retry_after_seconds=wait_seconds,
        )

    def _refusal(self, answer: ServiceAnswer, contents: Any) -> HostedApiError:
        try:
            code = self.code_of(contents)
            code = code if _CODE.fullmatch(code) else ""
        except (KeyError, TypeError, AttributeError, IndexError):
            code = ""
        status, wait = answer.status, answer.retry_after_seconds
        known, shown = code.partition(":")[0], code or str(status)
        if known in self.busy or status == HTTPStatus.TOO_MANY_REQUESTS:
            return self.error(ErrorKind.FACE_API_BUSY, shown, wait)
        if known in self.credentials or status in _CREDENTIALS:
            return self.error(ErrorKind.FACE_API_CREDENTIALS, shown)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
            return self.error(ErrorKind.FACE_API_DOWN, shown, wait)
        if status in _ELSEWHERE or status < HTTPStatus.BAD_REQUEST:
            kind = ErrorKind.FACE_API_CREDENTIALS
            return self.error(kind, shown, sentence=_WRONG_ADDRESS)
        return self.error(ErrorKind.FACE_API_REFUSED, shown)


@dataclass(frozen=True, slots=True)
class FaceApi:
    """One vendor's API: how a picture is sent, and how the answer is read."""

    service: VendorService
    limits: PictureLimits
    #: Returns the request for a picture; keys are in its headers or its body.
    request: Callable[[SentPicture], ServiceCall] = field(repr=False)
    #: Returns the faces in the JSON of a good answer.
    read_faces: Callable[[Any, SentPicture], list[HostedFace]]
    #: How the service is reached.
    route: Route = DIRECT

    def ask(self, sent: SentPicture, timeout_seconds: float) -> list[HostedFace]:
        """Send a picture and return its faces.

        Raises:
            HostedApiError: ``face_api_down``, ``face_api_busy``, ``face_api_answer``,
                ``face_api_refused`` or ``face_api_credentials``.
        """
        contents = self.service.post(self.request(sent), timeout_seconds, self.route)
        try:
            return _shown(self.read_faces(contents, sent), sent.size_wh)
        except _MALFORMED as error:
            raise self.service.error(ErrorKind.FACE_API_ANSWER) from error


def _shown(faces: Sequence[HostedFace], size_wh: tuple[int, int]) -> list[HostedFace]:
    """Return the faces that show in a picture, as many as are read in any.

    Raises:
        ValueError: A number is of no picture.
    """
    farthest = FARTHEST_SIDES * max(size_wh)
    for face in faces:
        points = [
            *face.points.values(),
            *(() if face.five_xy is None else face.five_xy),
        ]
        numbers = [*face.box.xyxy, face.roll_degrees or 0.0, *itertools.chain(*points)]
        if not all(abs(one) <= farthest for one in numbers):
            raise ValueError(f"{max(numbers, key=abs)} in a picture of {size_wh}")
    shown = [face for face in faces if _is_shown(face.box, size_wh)]
    return shown[:MAX_FACES]


def _is_shown(box: BoundingBox, size_wh: tuple[int, int]) -> bool:
    lengths = (
        min(box.x_max, size_wh[0]) - max(box.x_min, 0),
        min(box.y_max, size_wh[1]) - max(box.y_min, 0),
    )
    return min(lengths) >= LEAST_SHOWN_PX


def named_points(
    reported: Mapping[str, Point], names: Mapping[str, SharedPoint]
) -> dict[SharedPoint, Point]:
    """Return the shared points among an API's, by the API's names for them."""
    return {names[name]: xy for name, xy in reported.items() if name in names}


def points_by_name(reported: Mapping[str, Mapping[str, float]]) -> dict[str, Point]:
    """Return the points of an API that reports ``{"x": …, "y": …}`` by name."""
    return {name: (float(xy["x"]), float(xy["y"])) for name, xy in reported.items()}


def box_from(frame: Mapping[str, float]) -> BoundingBox:
    """Return the box of an API that reports left, top, width and height."""
    left, top = float(frame["left"]), float(frame["top"])
    return BoundingBox(left, top, left + frame["width"], top + frame["height"])


def counter_clockwise(clockwise_degrees: float | None) -> float | None:
    """Return the roll, in our sense, of an API that counts clockwise; None for none."""
    return None if clockwise_degrees is None else -clockwise_degrees


def scores_from(
    reported: Mapping[str, float], names: Mapping[str, Emotion]
) -> EmotionScores | None:
    """Turn an API's scores, on any scale, into probabilities.

    A share for what we have no name for (confused, unknown) is doubt: it is spread over
    all eight emotions.

    Args:
        reported: By the API's names, 0 and up.
        names: The API's names for our emotions.

    Returns:
        None where there is no score above 0 for any of our emotions.
    """
    scores = {name: max(score, 0.0) for name, score in reported.items()}
    known = {names[name]: score for name, score in scores.items() if name in names}
    if not any(known.values()):
        return None
    shares = np.array([known.get(one, 0.0) for one in EMOTIONS], np.float64)
    doubt = max(sum(scores.values()) - shares.sum(), 0.0) / len(EMOTIONS)
    shares = (shares + doubt) / (shares + doubt).sum()
    return EmotionScores(shares.astype(np.float32))


def base_address(url: str, vendors_own: str = "") -> str:
    """Return where a service answers, without a slash at the end.

    Raises:
        ConfigError: Pictures and keys would travel in the open.
    """
    address = (url or vendors_own).rstrip("/")
    if not is_safe_for_keys(address):
        problem = (
            "FACE_API_URL must begin with https://, or lead to this machine: "
            "pictures and keys would travel in the open."
        )
        raise ConfigError([problem])
    return address


def check_keys(keys: Mapping[str, str]) -> None:
    """Check that keys can be sent.

    Args:
        keys: Variables and their values; empty ones are not set.

    Raises:
        ConfigError: Some cannot be keys; it names all of them.
    """
    wrong = [
        f"{name} holds a space, a line break or a letter that no key has: copy it anew."
        for name, key in keys.items()
        if not _KEY.fullmatch(key)
    ]
    if wrong:
        raise ConfigError(wrong)


def needed_keys(
    backend: str, settings: Mapping[str, str], *names: str
) -> tuple[str, ...]:
    """Return the values of settings that a back end cannot do without.

    Args:
        backend: Its name.
        settings: Variables and their values.
        names: The variables that it needs.

    Raises:
        ConfigError: Some are empty; it names all of them.
    """
    missing = [
        f"{name} is missing: FACE_BACKEND={backend} needs it; docs/backends.md says "
        "where to get it."
        for name in names
        if not settings.get(name)
    ]
    if missing:
        raise ConfigError(missing)
    return tuple(settings[name] for name in names)


def _json(body: bytes) -> Any:
    """Read JSON; None for what is none, or holds NaN or a number beyond all bounds."""
    try:
        return json.loads(
            body, parse_constant=_finite, parse_float=_finite, parse_int=_whole
        )
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)
