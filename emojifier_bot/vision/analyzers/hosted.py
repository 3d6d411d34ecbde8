"""Joins a hosted face API with the local models into one `FaceAnalyzer`.

What the API does not report, the local models read: an expression from the API's
points, and where these are missing too, points and expression from the API's boxes.
"""

from __future__ import annotations

import hashlib
import io
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageOps

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
from emojifier_bot.vision.analyzers.hosted_calls import AnswerCache, Calls
from emojifier_bot.vision.analyzers.registry import BackendOptions, HostedOptions
from emojifier_bot.vision.crops import MEAN_FACE, reduced_copy
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.emotion import load_classifier
from emojifier_bot.vision.landmarks import five_points
from emojifier_bot.vision.models import pick_model_spec
from emojifier_bot.vision.ports import EmotionClassifier
from emojifier_bot.vision.shared_points import complete
from emojifier_bot.vision.types import (
    BoundingBox,
    Detection,
    Face,
    FloatArray,
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


@dataclass(frozen=True, slots=True)
class HostedAnalyzer:
    """A `FaceAnalyzer` that sends pictures to a vendor."""

    name: str
    api: FaceApi
    calls: Calls
    cache: AnswerCache
    #: Reads what the API does not report.
    local: local.LocalAnalyzer
    #: Reads the points that the API reports.
    by_points: EmotionClassifier
    #: Whether the local models stand in where the API fails.
    falls_back: bool

    def analyze(self, picture: DecodedImage) -> Reading:
        """Find every face and read it fully.

        Raises:
            HostedApiError: The API failed and nothing stands in for it; wrong keys and
                addresses always raise, so that they are noticed.
        """
        try:
            sent = picture_to_send(picture, self.api.limits)
            found = self._ask(sent)
        except HostedApiError as error:
            if not self.falls_back or error.kind == ErrorKind.FACE_API_CREDENTIALS:
                raise
            facts = {
                "action": "face_api_fallback",
                "backend": self.name,
                "error": error.kind,
            }
            logger.warning("Face service failed; the local models read", extra=facts)
            return self.local.analyze(picture)
        faces = [in_picture(face, sent.scale) for face in found]
        return Reading(self._read(picture, faces), self.name)

    def _ask(self, sent: SentPicture) -> list[HostedFace]:
        key = hashlib.sha256(sent.data).hexdigest()
        found = self.cache.find(key)
        if found is None:
            found = self.calls.run(lambda seconds: self.api.ask(sent, seconds))
            self.cache.keep(key, found)
        return found

    def _read(
        self, picture: DecodedImage, faces: Sequence[HostedFace]
    ) -> tuple[Face, ...]:
        """Take what the API reports of each face, and read the rest here."""
        detections = [as_detection(face) for face in faces]
        boxes_only = [i for i, face in enumerate(faces) if not face.has_shared_points]
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
            if face.scores is not None
        }
        unscored = [i for i in range(len(faces)) if i not in scores]
        for classifier, indices in (
            (self.by_points, [i for i in unscored if i not in own]),
            (self.local.classifier, [i for i in unscored if i in own]),
        ):
            read = classifier.classify(picture, [landmarks[i] for i in indices])
            for i, one in zip(indices, read, strict=True):
                scores[i] = (one, one.top_probability >= classifier.sure_threshold)
        return tuple(
            Face(detection, points, *scores[i])
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
    spec = pick_model_spec(options.models, "emotion", EmotionModel.SHARED_POINTS)
    by_points = load_classifier(spec, options.threads)
    return join(name, api, options.hosted, local.build(options), by_points)


def join(
    name: str,
    api: FaceApi,
    hosted: HostedOptions,
    models: local.LocalAnalyzer,
    by_points: EmotionClassifier,
) -> HostedAnalyzer:
    """Put an API, how it is called and the local models together."""
    return HostedAnalyzer(
        name=name,
        api=api,
        calls=Calls(name, hosted),
        cache=AnswerCache(hosted.clock),
        local=models,
        by_points=by_points,
        falls_back=hosted.falls_back,
    )


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
        five_xy = _usual_five(face.box, face.roll_degrees)
    points = None if five_xy is None else Landmarks(five_xy, LandmarkScheme.FIVE_POINT)
    return Detection(face.box, min(max(face.confidence, 0.0), 1.0), points)


def _usual_five(box: BoundingBox, roll_degrees: float) -> FloatArray:
    """Return the mean face's five points, turned, in the middle of a box."""
    five = five_points(MEAN_FACE) - MEAN_FACE.mean(axis=0)
    turn = math.radians(roll_degrees)
    cos, sin = math.cos(turn), math.sin(turn)
    turned = five @ np.array([[cos, -sin], [sin, cos]])
    size = FACE_OVER_BOX * box.width / float(np.ptp(MEAN_FACE[:, 0]))
    return np.asarray(turned * size + np.array(box.center_xy), np.float32)
