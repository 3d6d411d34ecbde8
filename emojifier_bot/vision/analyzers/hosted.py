"""Joins a hosted face API with the local models into one `FaceAnalyzer`.

What the API does not report, the local models read: an expression from the API's
points, and where these are missing too, points and expression from the API's boxes. A
failed call is repeated within a budget, and not made at all while the service is down.
"""

from __future__ import annotations

import hashlib
import io
import logging
import math
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from emojifier_bot.circuit_breaker import CircuitBreaker, CircuitOpenError
from emojifier_bot.clock import Clock
from emojifier_bot.emotion_models import EmotionModel
from emojifier_bot.errors import ConfigError, ErrorKind, HostedApiError
from emojifier_bot.vision.analyzers import local
from emojifier_bot.vision.analyzers.hosted_api import (
    FaceApi,
    HostedFace,
    PictureLimits,
    SentPicture,
    check_keys,
)
from emojifier_bot.vision.analyzers.registry import BackendOptions, HostedOptions
from emojifier_bot.vision.crops import MEAN_FACE, reduced_copy
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.emotion import load_classifier
from emojifier_bot.vision.landmarks import five_points
from emojifier_bot.vision.models import pick_model_spec
from emojifier_bot.vision.ports import EmotionClassifier
from emojifier_bot.vision.shared_points import SHARED_POINTS, complete
from emojifier_bot.vision.types import (
    BoundingBox,
    Detection,
    Face,
    Landmarks,
    LandmarkScheme,
    Reading,
)

logger = logging.getLogger(__name__)

#: From this probability on an API's reading counts as sure. Their scores are not
#: calibrated, and were not measured here: the even bet, rounded up.
SURE_PROBABILITY = 0.6
#: Width of the mean face over the width of an API's box.
FACE_OVER_BOX = 0.8
#: Longer side of what is sent, even if more is allowed: three times what the local
#: detector looks at, so that small faces of a group are seen.
SENT_PX = 1920
#: JPEG qualities that are tried until the file is small enough,
QUALITIES = (92, 80, 65)
#: then the picture is made smaller by this factor, so many times.
SHRINK, SHRINKS = 0.7, 4
BORDER_RGB = (127, 127, 127)
#: First wait by kind; the following ones double. A service that is busy asks for more
#: patience than one that broke off.
FIRST_WAIT_SECONDS: Mapping[str, float] = {
    ErrorKind.FACE_API_DOWN: 0.5,
    ErrorKind.FACE_API_BUSY: 1.0,
}
#: A wait of our own choice is this part of its full length at least.
JITTER_FROM = 0.5
#: So many pictures in a row that the service failed on open the circuit,
FAILURES_TO_OPEN = 3
#: for this long; then one picture is a trial.
OPEN_SECONDS = 30.0
#: Kinds that are faults of the service, not of the picture or the key.
OUTAGES = frozenset(
    {ErrorKind.FACE_API_DOWN, ErrorKind.FACE_API_BUSY, ErrorKind.FACE_API_ANSWER}
)
#: Answers that are cached, and for how long: *Try another* comes soon.
CACHED_ANSWERS, CACHED_SECONDS = 64, 600.0

T = TypeVar("T")


class HostedAnalyzer:
    """A `FaceAnalyzer` that sends pictures to a vendor. Threads may share it.

    Args:
        name: Its name in the result.
        api: The vendor's.
        options: How it is called, and whether the local models stand in where it fails.
        models: Read what the API does not report.
        by_points: Reads the points that the API reports; None: no expression is read.
    """

    def __init__(
        self,
        name: str,
        api: FaceApi,
        options: HostedOptions,
        models: local.LocalAnalyzer,
        by_points: EmotionClassifier | None,
    ) -> None:
        self.local, self.by_points = models, by_points
        self._name, self._api, self._falls_back = name, api, options.falls_back
        self._calls, self._cache = Calls(name, options), AnswerCache(options.clock)

    @property
    def classifiers(self) -> tuple[EmotionClassifier, ...]:
        """Return what reads expressions that the API does not report."""
        own = () if self.by_points is None else (self.by_points,)
        return (*own, *self.local.classifiers)

    def analyze(self, picture: DecodedImage, *, expressions: bool = True) -> Reading:
        """Find every face and read it fully.

        An API whose answers always hold emotions (Google's) is not heard on them where
        none is to be read.

        Raises:
            HostedApiError: The API failed and nothing stands in for it; wrong keys and
                addresses always raise, so that they are noticed.
        """
        expressions = expressions and self.by_points is not None
        try:
            sent = picture_to_send(picture, self._api.limits)
            sent = replace(sent, expressions=expressions)
            key = f"{hashlib.sha256(sent.data).hexdigest()} {expressions}"
            found = self._cache.find(key)
            if found is None:
                found = self._calls.run(lambda seconds: self._api.ask(sent, seconds))
                self._cache.keep(key, found)
        except HostedApiError as error:
            if not self._falls_back or error.kind == ErrorKind.FACE_API_CREDENTIALS:
                raise
            facts = {
                "action": "face_api_fallback",
                "backend": self._name,
                "error": error.kind,
            }
            logger.warning("Face service failed; the local models read", extra=facts)
            return self.local.analyze(picture, expressions=expressions)
        faces = [in_picture(face, sent.scale) for face in found]
        read = self._read(picture, faces, expressions=expressions)
        return Reading(read, self._name)

    def read_at(
        self,
        picture: DecodedImage,
        boxes: Sequence[BoundingBox],
        *,
        expressions: bool = True,
    ) -> list[Face | None]:
        """Read the face in each box with the local models; nothing is sent."""
        return self.local.read_at(picture, boxes, expressions=expressions)

    def _read(
        self, picture: DecodedImage, faces: Sequence[HostedFace], *, expressions: bool
    ) -> tuple[Face, ...]:
        """Take what the API reports of each face, and read the rest here."""
        detections = [as_detection(face) for face in faces]
        boxes_only = [
            i for i, face in enumerate(faces) if len(face.points) < len(SHARED_POINTS)
        ]
        located = self.local.landmarker.locate(
            picture, [detections[i] for i in boxes_only]
        )
        own = dict(zip(boxes_only, located, strict=True))
        landmarks = [
            own[i] if i in own else complete(face.points)
            for i, face in enumerate(faces)
        ]
        scores = {
            i: (face.scores, face.scores.top_probability >= SURE_PROBABILITY)
            for i, face in enumerate(faces)
            if face.scores is not None and expressions
        }
        unscored = [i for i in range(len(faces)) if i not in scores]
        for classifier, indices in (
            (self.by_points, [i for i in unscored if i not in own]),
            (self.local.classifier, [i for i in unscored if i in own]),
        ):
            if classifier is None or not expressions:
                continue
            read = classifier.classify(picture, [landmarks[i] for i in indices])
            for i, one in zip(indices, read, strict=True):
                scores[i] = (one, one.top_probability >= classifier.sure_threshold)
        return tuple(
            Face(detection, points, *scores.get(i, ()))
            for i, (detection, points) in enumerate(
                zip(detections, landmarks, strict=True)
            )
        )


def build(
    name: str,
    make_api: Callable[[HostedOptions], FaceApi],
    options: BackendOptions,
) -> HostedAnalyzer:
    """Build an API's back end; missing settings are reported before models load.

    A vendor's file binds the first two arguments; the registry names the result.

    Raises:
        ConfigError: A key is missing or cannot be one, or the address would show it.
        ModelFileError: A model is missing or differs.
    """
    if options.hosted is None:
        raise ConfigError(["A hosted back end needs its keys; see docs/backends.md."])
    check_keys(options.hosted.keys)
    api = make_api(options.hosted)
    if options.hosted.route is not None:
        api = replace(api, route=options.hosted.route)
    by_points = None
    if options.expressions:
        spec = pick_model_spec(options.models, "emotion", EmotionModel.SHARED_POINTS)
        by_points = load_classifier(spec)
    return HostedAnalyzer(name, api, options.hosted, local.build(options), by_points)


class AnswerCache:
    """The latest answers by the hash of the picture, in memory only."""

    def __init__(
        self,
        clock: Clock,
        size: int = CACHED_ANSWERS,
        seconds: float = CACHED_SECONDS,
    ) -> None:
        self._clock, self._size, self._seconds = clock, size, seconds
        self._lock = threading.Lock()
        #: The oldest first.
        self._answers: dict[str, tuple[float, list[HostedFace]]] = {}

    def find(self, key: str) -> list[HostedFace] | None:
        """Return what was answered, None where that is unknown or too old."""
        with self._lock:
            self._drop_old()
            return self._answers[key][1] if key in self._answers else None

    def keep(self, key: str, faces: list[HostedFace]) -> None:
        """Cache an answer in place of the oldest one."""
        with self._lock:
            self._drop_old()
            self._answers.pop(key, None)
            self._answers[key] = (self._clock.monotonic(), faces)
            if len(self._answers) > self._size:
                del self._answers[next(iter(self._answers))]

    def _drop_old(self) -> None:
        oldest = self._clock.monotonic() - self._seconds
        fresh = {key: one for key, one in self._answers.items() if one[0] >= oldest}
        self._answers = fresh


class Calls:
    """Calls one service, with retries at first and not at all while it is down.

    Args:
        backend: Its name, for the log.
        options: How many tries and seconds one picture is worth.
        rng: Draws the jitter of waits.
    """

    def __init__(
        self, backend: str, options: HostedOptions, rng: random.Random | None = None
    ) -> None:
        self._backend, self._options = backend, options
        self._monotonic = options.clock.monotonic
        self._random = rng or random.Random()  # noqa: S311 - only spreads the waits
        self._breaker = CircuitBreaker(
            self._monotonic, failures=FAILURES_TO_OPEN, open_seconds=OPEN_SECONDS
        )

    def run(self, attempt: Callable[[float], T]) -> T:
        """Return what an attempt returns.

        Args:
            attempt: Takes how many seconds it may last.

        Raises:
            HostedApiError: That of the last attempt; ``face_api_down`` at once while
                the circuit is open.
        """
        try:
            with self._breaker.guard(
                lambda error: (
                    isinstance(error, HostedApiError) and error.kind in OUTAGES
                )
            ):
                return self._retry(attempt)
        except CircuitOpenError as error:
            raise HostedApiError(
                "The face service failed several times, so it is left alone for a "
                "while. Try again in a minute.",
                kind=ErrorKind.FACE_API_DOWN,
                retryable=True,
                retry_after_seconds=error.seconds_left,
            ) from None

    def _retry(self, attempt: Callable[[float], T]) -> T:
        end = self._monotonic() + self._options.budget_seconds
        tried = 0
        while True:
            tried += 1
            left = end - self._monotonic()
            try:
                return attempt(min(self._options.timeout_seconds, left))
            except HostedApiError as error:
                wait = error.retry_after_seconds
                if wait is None:
                    full = FIRST_WAIT_SECONDS.get(error.kind, 0.0) * 2 ** (tried - 1)
                    wait = full * self._random.uniform(JITTER_FROM, 1.0)
                is_last = tried >= self._options.tries or not error.retryable
                if is_last or self._monotonic() + wait >= end:
                    raise
                facts = {
                    "action": "face_api_retry",
                    "backend": self._backend,
                    "error": error.kind,
                    "tried": tried,
                    "wait_seconds": round(wait, 2),
                }
                logger.info("Face service failed, trying again", extra=facts)
            self._options.sleep(wait)


def picture_to_send(picture: DecodedImage, limits: PictureLimits) -> SentPicture:
    """Return an upright sRGB JPEG without metadata that keeps an API's limits.

    Raises:
        HostedApiError: ``face_api_refused``: no size keeps them.
    """
    longer = max(picture.image.size)
    side_px = float(min(longer, limits.max_side_px, SENT_PX))
    for _ in range(1 + SHRINKS):
        copy = Image.fromarray(reduced_copy(picture, max(round(side_px), 1)))
        right, below = (max(limits.min_side_px - side, 0) for side in copy.size)
        bordered = ImageOps.expand(copy, (0, 0, right, below), BORDER_RGB)
        for quality in QUALITIES:
            file = io.BytesIO()
            bordered.save(file, "JPEG", quality=quality)
            if file.tell() <= limits.max_bytes:
                scale = copy.width / picture.image.width
                return SentPicture(file.getvalue(), bordered.size, scale)
        side_px *= SHRINK
    raise HostedApiError(
        "The picture cannot be made small enough for the face service.",
        kind=ErrorKind.FACE_API_REFUSED,
    )


def in_picture(face: HostedFace, scale: float) -> HostedFace:
    """Return a face of the sent picture in pixels of the picture itself."""
    five = face.five_xy
    return replace(
        face,
        box=BoundingBox(*(edge / scale for edge in face.box.xyxy)),
        points={name: (x / scale, y / scale) for name, (x, y) in face.points.items()},
        five_xy=None if five is None else (five / scale).astype(np.float32),
    )


def as_detection(face: HostedFace) -> Detection:
    """Return a face as our landmark model wants it: its five points show the roll."""
    five_xy = face.five_xy
    if five_xy is None and face.roll_degrees is not None:
        # Those of the mean face, turned, in the middle of the box.
        turn = math.radians(face.roll_degrees)
        cos, sin = math.cos(turn), math.sin(turn)
        five = five_points(MEAN_FACE) - MEAN_FACE.mean(axis=0)
        turned = five @ np.array([[cos, -sin], [sin, cos]])
        size = FACE_OVER_BOX * face.box.width / float(np.ptp(MEAN_FACE[:, 0]))
        five_xy = (turned * size + np.array(face.box.center_xy)).astype(np.float32)
    points = None if five_xy is None else Landmarks(five_xy, LandmarkScheme.FIVE_POINT)
    return Detection(face.box, min(max(face.confidence, 0.0), 1.0), points)
