"""The composition root: settings to objects. Each adapter is imported on first use."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.pipeline import Pipeline
    from emojifier_bot.ports import Decoder, EmojiSource, FaceAnalyzer


class SystemClock:
    """A `Clock` that asks the system."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.perf_counter()

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        return datetime.now(UTC)


def make_pipeline(settings: Settings) -> Pipeline:
    """Build everything that emojifies one picture.

    Raises:
        ConfigError: A back end or theme of that name does not exist.
        ModelFileError: A model is missing or differs.
        ThemeError: The theme's table is wrong.
    """
    from emojifier_bot.pipeline import Pipeline

    return Pipeline(
        # The theme first: a wrong name is told before models are loaded.
        emoji=make_emoji_source(settings),
        decoder=make_decoder(settings),
        analyzer=make_analyzer(settings),
        clock=SystemClock(),
    )


def make_decoder(settings: Settings) -> Decoder:
    """Build the decoder with the limits that the settings name."""
    from emojifier_bot.core.decode import DecodeLimits
    from emojifier_bot.sandbox import InProcessDecoder

    return InProcessDecoder(DecodeLimits(settings.max_bytes, settings.max_pixels))


def make_analyzer(settings: Settings) -> FaceAnalyzer:
    """Build the face back end that the settings name."""
    from emojifier_bot.backends.registry import BackendOptions, build_analyzer
    from emojifier_bot.resources import models_dir

    options = BackendOptions(
        models=models_dir(),
        min_confidence=settings.min_confidence,
        emotion_model=settings.emotion_model,
        threads=settings.threads,
        detector=settings.detector_model,
        landmarks=settings.landmarks_model,
        emotion=settings.emotion_model_dir,
    )
    return build_analyzer(settings.face_backend, options)


def make_emoji_source(settings: Settings) -> EmojiSource:
    """Open the theme that the settings name."""
    from emojifier_bot.themes import open_theme

    return open_theme(settings.theme)
