"""The Python face: `emojify` for one picture, `Emojifier` for many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from emojifier_bot.app import make_pipeline
from emojifier_bot.config import load_settings
from emojifier_bot.errors import ErrorKind, ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from emojifier_bot.vision.decode import DecodedImage
    from emojifier_bot.vision.types import Result

    PictureSource: TypeAlias = bytes | Path | str | Image.Image | NDArray[np.uint8]

__all__ = ["Emojifier", "emojify"]


class Emojifier:
    """Loads models and theme once; then emojifies any number of pictures."""

    def __init__(
        self,
        *,
        theme: str | None = None,
        emotion_model: str | None = None,
        backend: str | None = None,
        min_confidence: float | None = None,
        threads: int | None = None,
    ) -> None:
        """Load what is needed. None takes the setting from the environment.

        Args:
            theme: A theme's name, or the path of its folder.
            emotion_model: What reads the expression, one of `EmotionModel`.
            backend: What finds and reads the faces. A hosted one is sent every picture;
                whoever names it here has agreed to that.
            min_confidence: How sure the detector must be, 0.01 to 1.
            threads: Threads for the models; 0 is one for each core.

        Raises:
            ConfigError: An argument or a setting is wrong.
            ModelFileError: A model is missing or differs.
            ThemeError: The theme is wrong.
        """
        self._pipeline = make_pipeline(
            load_settings(
                theme=theme,
                emotion_model=emotion_model,
                face_backend=backend,
                min_confidence=min_confidence,
                threads=threads,
            )
        )

    def emojify(
        self,
        source: PictureSource,
        *,
        extension: str | None = None,
        quality: int | None = None,
        surprise_seed: int | None = None,
    ) -> Result:
        """Put an emoji over every face.

        Args:
            source: An encoded picture, the path of one, a Pillow image, or an
                ``(H, W, 3)`` or ``(H, W, 4)`` uint8 RGB(A) array; it is left as it is.
            extension: Of the output, ``".png"``; None keeps the input's format, PNG
                for images and arrays.
            quality: 1 to 100 for lossy formats; None keeps the input's.
            surprise_seed: Draw among near emoji with this seed; None picks the nearest.

        Raises:
            ImageError: The picture or the requested format cannot be used.
            BackendError: The faces could not be read.
            HostedApiError: The hosted back end failed, and nothing stands in.
        """
        from emojifier_bot.vision.pipeline import EmojifyOptions

        options = EmojifyOptions(extension, quality, surprise_seed)
        if isinstance(source, str | Path):
            source = _read(Path(source))
        if isinstance(source, bytes):
            return self._pipeline.run(source, options)
        return self._pipeline.run_decoded(_decoded(source), options)


def emojify(source: PictureSource, *, theme: str | None = None) -> Result:
    """Put an emoji over every face of one picture.

    Loads the models each time; use `Emojifier` for several pictures.

    Raises:
        EmojifierError: See `Emojifier` and `Emojifier.emojify`.
    """
    return Emojifier(theme=theme).emojify(source)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ImageError(
            f"{path} cannot be read: {reason}. Check the path and its permissions.",
            kind=ErrorKind.UNREADABLE,
        ) from error


def _decoded(source: Any) -> DecodedImage:
    from PIL import Image

    from emojifier_bot.vision.decode import from_image

    if isinstance(source, Image.Image):
        return from_image(source)
    try:
        image = Image.fromarray(source)
    except (AttributeError, TypeError, ValueError) as error:
        raise ImageError(
            f"A picture cannot be made of {type(source).__name__}. Pass bytes, a path, "
            "a Pillow image, or an (H, W, 3) or (H, W, 4) uint8 array.",
            kind=ErrorKind.NOT_AN_IMAGE,
        ) from error
    return from_image(image)
