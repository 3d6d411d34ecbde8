"""The Python interface: `emojify` for one picture, `Emojifier` for many."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from emojifier_bot.app import make_pipeline
from emojifier_bot.config import load_picture_settings
from emojifier_bot.errors import ConfigError, ErrorKind, ImageError, reason_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from emojifier_bot.vision.decode import DecodedImage
    from emojifier_bot.vision.plan import Plan
    from emojifier_bot.vision.result import Result

    PictureSource: TypeAlias = (
        bytes
        | bytearray
        | memoryview
        | os.PathLike[str]
        | str
        | BinaryIO
        | Image.Image
        | NDArray[np.uint8]
    )

__all__ = ["Emojifier", "emojify"]

#: Of lossy formats.
QUALITIES = range(1, 101)
SOURCES = (
    "Pass bytes, a path, a file opened for reading bytes, a Pillow image, or a numpy "
    "array."
)
#: Channels of an array of three axes.
RGB, RGBA = 3, 4


class Emojifier:
    """Loads the models and a theme once, then emojifies any number of pictures."""

    def __init__(
        self,
        *,
        theme: str | os.PathLike[str] | None = None,
        emotion_model: str | None = None,
        backend: str | None = None,
        min_confidence: float | None = None,
        threads: int | None = None,
        reading: str | None = None,
    ) -> None:
        """Load the models and the theme.

        An argument that is None takes its value from the environment variable or its
        default (docs/settings.md).

        Args:
            theme: A theme's name, or the path of its folder: a `Path`, or a text with
                a slash.
            emotion_model: The emotion classifier: ``"fused"``, ``"landmarks"`` or
                ``"shared_points"``.
            backend: The back end that finds and analyses faces, ``"local"`` or the name
                of a hosted API. A hosted API gets a copy of every picture; there is no
                further question.
            min_confidence: Minimum confidence of a detected face, 0.01 to 1.
            threads: Threads for the models, 4 at most; 0 means one per core.
            reading: What is read of faces: ``"expressions"``; ``"shapes"``, where texts
                only name what is visible; or ``"off"``, where no emotion model is
                loaded, and every face gets the same emoji.

        Raises:
            ConfigError: An argument or a setting is wrong.
            ModelFileError: A model file is missing, or its hash differs.
            ThemeError: The theme's table or art is missing or wrong.
        """
        self._pipeline = make_pipeline(
            load_picture_settings(
                env_file=False,
                theme=_path_or_name(theme),
                emotion_model=emotion_model,
                face_backend=backend,
                min_confidence=min_confidence,
                threads=threads,
                reading=reading,
            )
        )

    def emojify(
        self,
        source: PictureSource,
        *,
        extension: str | None = None,
        quality: int | None = None,
        surprise_seed: int | None = None,
        plan: Plan | None = None,
        edits: str = "",
        covers: Mapping[str, PictureSource] | None = None,
    ) -> Result:
        """Put an emoji over every face, or paint a plan.

        Args:
            source: The bytes of an encoded picture, its path, a file that is open for
                reading bytes, a Pillow image, or a uint8 array: ``(H, W)`` grey,
                ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA with straight alpha. It is not
                changed.
            extension: File extension that chooses the output's format, for example
                ``".png"`` or ``"png"``. None keeps the format; images and arrays
                become PNG.
            quality: 1 to 100, for lossy formats; None matches the input's quality.
            surprise_seed: Chooses at random among the nearest emoji; the same seed
                chooses the same ones. None chooses the nearest.
            plan: What `plan` returned for this picture; None makes one.
            edits: What is to be different, as in ``"skip 2, 3=grin"``; docs/picking.md
                has the words.
            covers: The pictures that the plan covers faces with, by the names it has
                for them.

        Returns:
            The encoded picture with its faces and alt text. A picture without faces is
            not an error: ``faces`` is empty.

        Raises:
            ConfigError: An argument is wrong.
            ImageError: The picture cannot be read or decoded, exceeds a limit, or
                cannot be written in the requested format.
            BackendError: A local model failed.
            HostedApiError: The hosted back end failed, and there is no fallback.
            PlanError: The plan does not fit the picture or the theme, or ``edits`` asks
                for something that is not there.
        """
        from emojifier_bot.vision.edits import parse_edits
        from emojifier_bot.vision.options import EmojifyOptions

        options = EmojifyOptions(
            *_checked(extension, quality, surprise_seed, edits, plan),
            edits=parse_edits(edits),
            covers={name: self._cover(one) for name, one in (covers or {}).items()},
        )
        picture = _opened(source)
        if plan is None:
            return self._pipeline.run(picture, options)
        return self._pipeline.render(picture, plan, options)

    def _cover(self, source: PictureSource) -> NDArray[np.uint8]:
        from emojifier_bot.vision.covers import cover_picture

        picture = _opened(source)
        if isinstance(picture, bytes):
            picture = self._pipeline.decoder.decode(picture)
        return cover_picture(picture)

    def plan(
        self,
        source: PictureSource,
        *,
        surprise_seed: int | None = None,
        edits: str = "",
    ) -> Plan:
        """Return what `emojify` would paint, one decision a face.

        Args:
            source: As for `emojify`, and so are the others.
            surprise_seed: Chooses at random among the nearest emoji.
            edits: What is to be different, as in ``"skip 2, 3=grin"``.

        Raises:
            EmojifierError: As for `emojify`.
        """
        from emojifier_bot.vision.edits import parse_edits
        from emojifier_bot.vision.options import EmojifyOptions

        options = EmojifyOptions(
            *_checked(None, None, surprise_seed, edits), edits=parse_edits(edits)
        )
        return self._pipeline.read(_opened(source), options)


def emojify(
    source: PictureSource, *, theme: str | os.PathLike[str] | None = None
) -> Result:
    """Put an emoji over every face of one picture.

    This loads the models at each call; use `Emojifier` for several pictures.

    Args:
        source: As for `Emojifier.emojify`.
        theme: A theme's name, or the path of its folder; None uses the setting.

    Raises:
        EmojifierError: One of the errors of `Emojifier` and `Emojifier.emojify`.
    """
    return Emojifier(theme=theme).emojify(source)


def _opened(source: Any) -> bytes | DecodedImage:
    if isinstance(source, str | os.PathLike):
        source = _read(Path(source))
    elif hasattr(source, "read"):
        source = _read_open(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    return _decoded(source)


def _path_or_name(theme: str | os.PathLike[str] | None) -> str | None:
    """Return a path as a text that no name of a theme can be taken for."""
    if isinstance(theme, os.PathLike):
        return os.path.join(os.curdir, theme)  # noqa: PTH118 - a Path drops the dot
    return theme


def _checked(
    extension: Any, quality: Any, surprise_seed: Any, edits: Any, plan: Any = None
) -> tuple[Any, Any, Any]:
    """Return the first three options, with Python's numbers in place of numpy's."""
    from emojifier_bot.vision.plan import Plan

    quality, seed = (
        int(one) if isinstance(one, Integral) and not isinstance(one, bool) else one
        for one in (quality, surprise_seed)
    )
    checks = {
        f'extension is {extension!r}, but must be a text, such as "png".': isinstance(
            extension, str | None
        ),
        f"quality is {quality!r}, but must be a whole number from {QUALITIES[0]} to "
        f"{QUALITIES[-1]}.": quality is None
        or (type(quality) is int and quality in QUALITIES),
        f"surprise_seed is {seed!r}, but must be a whole number.": seed is None
        or type(seed) is int,
        f'edits is {edits!r}, but must be a text, such as "skip 2".': isinstance(
            edits, str
        ),
        f"plan is of type {type(plan).__name__}, but must be a Plan: see "
        "`Plan.from_json`.": isinstance(plan, Plan | None),
    }
    problems = [problem for problem, is_right in checks.items() if not is_right]
    if problems:
        raise ConfigError(problems)
    return extension, quality, seed


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(
            f"{path} cannot be read: {reason_of(error)}. Check the path and its "
            "permissions.",
            kind=ErrorKind.UNREADABLE,
        ) from error


def _read_open(file: Any) -> Any:
    try:
        return file.read()
    except (OSError, ValueError) as error:
        # A closed file, or text that is none: both are `ValueError`.
        raise ImageError(
            f"The open file cannot be read: {error}. Open it with mode 'rb'.",
            kind=ErrorKind.UNREADABLE,
        ) from error


def _decoded(source: Any) -> DecodedImage:
    from PIL import Image

    from emojifier_bot.vision.decode import from_image

    if isinstance(source, Image.Image):
        return from_image(source)
    if not hasattr(source, "__array_interface__"):
        raise ImageError(
            f"A picture cannot be made of {type(source).__name__}. {SOURCES}",
            kind=ErrorKind.NOT_AN_IMAGE,
        )
    import numpy as np

    array = np.asarray(source)
    is_picture = array.ndim == RGB - 1 or array.shape[2:] in {(RGB,), (RGBA,)}
    if array.dtype != np.uint8 or not is_picture:
        raise ImageError(
            f"The array has shape {array.shape} and dtype {array.dtype}. A picture is "
            "uint8 and (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA: scale its values "
            "to 0-255, convert them with `astype`, and transpose its axes.",
            kind=ErrorKind.NOT_AN_IMAGE,
        )
    return from_image(Image.fromarray(array))
