"""The composition root: from settings to the objects that do the work.

Here is what emojifies pictures; `app.bot` builds the bot's processes, `app.operators`
what looks after them. Implementations are imported on first use.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from emojifier_bot.clock import SystemClock
from emojifier_bot.emotion_models import ReadingMode

if TYPE_CHECKING:
    from emojifier_bot.config import PictureSettings, Settings
    from emojifier_bot.http import GuardedClient, Route
    from emojifier_bot.vision.analyzers.local import LocalAnalyzer
    from emojifier_bot.vision.analyzers.registry import HostedOptions, Service
    from emojifier_bot.vision.clips.limits import ClipLimits
    from emojifier_bot.vision.clips.opening import InProcessDecoder
    from emojifier_bot.vision.pipeline import Pipeline
    from emojifier_bot.vision.ports import EmojiSource, FaceAnalyzer
    from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder

#: Of the grey picture that a check has read.
CHECKED_SIZE_WH = (64, 64)


def make_pipeline(settings: PictureSettings, *, expressions: bool = True) -> Pipeline:
    """Build everything that emojifies one picture.

    Args:
        settings: Name its parts.
        expressions: Whether any will be read; if not, no model for them is opened.

    Raises:
        ConfigError: A back end or theme of that name does not exist.
        ModelFileError: A model is missing or differs.
        ThemeError: The theme's table is wrong.
    """
    from emojifier_bot.vision.pipeline import Pipeline

    return Pipeline(
        # The theme first: a wrong name is reported before models are loaded.
        emoji=make_emoji_source(settings),
        decoder=make_decoder(settings),
        analyzer=make_analyzer(settings, expressions=expressions),
        clock=SystemClock(),
        reading=ReadingMode(settings.reading),
        make_models=partial(make_local_models, settings),
    )


def make_local_models(settings: PictureSettings) -> LocalAnalyzer:
    """Load what follows the faces of clips, whatever reads those of pictures."""
    from emojifier_bot.vision.analyzers.registry import LOCAL

    analyzer = make_analyzer(replace(settings, face_backend=LOCAL))
    return cast("LocalAnalyzer", analyzer)


def make_decoder(settings: PictureSettings) -> InProcessDecoder:
    """Build the decoder with the limits that the settings name."""
    from emojifier_bot.vision.clips.opening import InProcessDecoder
    from emojifier_bot.vision.decode import DecodeLimits

    limits = DecodeLimits(settings.max_bytes, settings.max_pixels)
    return InProcessDecoder(limits, _clip_limits(settings))


def _clip_limits(settings: PictureSettings) -> ClipLimits:
    from emojifier_bot.vision.clips.limits import ClipLimits

    return ClipLimits(
        settings.max_seconds, settings.max_frames, settings.max_clip_pixels
    )


def make_isolated_decoder(settings: Settings) -> IsolatedDecoder:
    """Build the decoder for pictures of strangers; it has one process."""
    from emojifier_bot.vision.decode import DecodeLimits
    from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder
    from emojifier_bot.vision.sandbox.protocol import ChildLimits

    limits = ChildLimits(
        picture=DecodeLimits(settings.max_bytes, settings.max_pixels),
        memory_bytes=settings.decode_memory_mb * 1_000_000,
        cpu_seconds=settings.decode_cpu_seconds,
        wall_seconds=settings.decode_seconds,
        clip=_clip_limits(settings),
        clip_seconds=settings.clip_seconds,
    )
    return IsolatedDecoder(limits)


def make_analyzer(
    settings: PictureSettings,
    *,
    falls_back: bool | None = None,
    expressions: bool = True,
) -> FaceAnalyzer:
    """Build the face back end that the settings name.

    Args:
        settings: Name it, and hold its keys.
        falls_back: Whether local models stand in for a hosted one that is down; None
            takes the setting.
        expressions: As for `make_pipeline`.

    Raises:
        ConfigError: There is none of that name, or a key of it is missing.
        ModelFileError: A model is missing or differs.
    """
    from emojifier_bot.vision import models_dir
    from emojifier_bot.vision.analyzers.registry import BackendOptions, build_analyzer

    if falls_back is None:
        falls_back = settings.face_fallback == "local"
    options = BackendOptions(
        models=models_dir(),
        min_confidence=settings.min_confidence,
        emotion_model=settings.emotion_model,
        expressions=expressions and settings.reading != ReadingMode.OFF,
        threads=settings.threads,
        detector=settings.detector_model,
        rescorer=settings.rescorer_model,
        landmarks=settings.landmarks_model,
        emotion=settings.emotion_model_dir,
        hosted=_hosted_options(settings, falls_back=falls_back),
    )
    return build_analyzer(settings.face_backend, options)


def _hosted_options(settings: PictureSettings, *, falls_back: bool) -> HostedOptions:
    from emojifier_bot.vision.analyzers.registry import HostedOptions

    keys = {
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key,
        "AWS_SESSION_TOKEN": settings.aws_session_token,
        "GOOGLE_API_KEY": settings.google_api_key,
        "AZURE_FACE_KEY": settings.azure_face_key,
        "FACEPP_API_KEY": settings.facepp_api_key,
        "FACEPP_API_SECRET": settings.facepp_api_secret,
    }
    return HostedOptions(
        clock=SystemClock(),
        sleep=time.sleep,
        url=settings.face_api_url,
        keys={name: key.get_secret_value() for name, key in keys.items()},
        region=settings.aws_region,
        falls_back=falls_back,
        timeout_seconds=settings.face_timeout_seconds,
        budget_seconds=settings.face_budget_seconds,
        tries=settings.face_tries,
        # Local back ends need no network, nor what it loads.
        route=make_route(settings) if face_service(settings) else None,
    )


def face_service(settings: PictureSettings) -> Service | None:
    """Return the service that gets the pictures; None where they stay here."""
    from emojifier_bot.vision.analyzers.registry import service_of

    return service_of(settings.face_backend)


def check_faces(settings: PictureSettings) -> str:
    """Have a grey picture read; return what read it, in words.

    A hosted back end is asked for real, and nothing stands in for it: wrong keys and
    an outage are reported here.
    """
    from PIL import Image

    from emojifier_bot.vision.decode import from_image

    blank = from_image(Image.new("RGB", CHECKED_SIZE_WH, "grey"))
    make_analyzer(settings, falls_back=False).analyze(blank)
    service = face_service(settings)
    if service is None:
        model = settings.emotion_model
        if settings.reading == ReadingMode.OFF:
            model = "none, since EMOJIFIER_READING is off"
        return f"back end {settings.face_backend}, emotion model {model}"
    return (
        f"back end {settings.face_backend}: {service.title} answers and gets every "
        f"picture; while it is down: {settings.face_fallback}"
    )


def make_route(settings: PictureSettings) -> Route:
    """Return how other servers are reached; a fault in it shows in the first call."""
    from emojifier_bot.http import Route

    return Route(
        https_proxy=settings.https_proxy.get_secret_value(),
        http_proxy=settings.http_proxy.get_secret_value(),
        no_proxy=settings.no_proxy,
        ca_file=settings.ssl_cert_file,
    )


def make_web_client(settings: PictureSettings) -> GuardedClient:
    """Build what fetches pictures from addresses that people name."""
    from emojifier_bot.http import FETCH_NETWORK, GuardedClient

    return GuardedClient(
        allow_hosts=settings.fetch_allow_hosts,
        max_bytes=settings.max_bytes,
        check_body=lambda _: None,
        network=replace(FETCH_NETWORK, route=make_route(settings)),
    )


def make_emoji_source(settings: PictureSettings) -> EmojiSource:
    """Open the theme that the settings name."""
    from emojifier_bot.vision.themes import open_theme

    return open_theme(settings.theme)
