"""What is wanted of one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.vision.edits import NO_EDITS, Edits
from emojifier_bot.vision.types import ImageArray


@dataclass(frozen=True, slots=True)
class EmojifyOptions:
    """Options of the user for one picture."""

    #: File extension of the output, for example ``".png"``; None keeps the format.
    extension: str | None = None
    #: 1 to 100, for lossy formats; None matches the input's quality.
    quality: int | None = None
    #: Chooses at random among the nearest emoji; None chooses the nearest.
    surprise_seed: int | None = None
    #: The date that the result says it was taken at, as EXIF writes it; None for none.
    exif_date: str | None = None
    #: Write one format that a channel shows, and nothing for a picture without faces.
    for_channel: bool = False
    #: What is to be different from what the reader chooses, or from the plan.
    edits: Edits = NO_EDITS
    #: Write each face's number on the result.
    numbered: bool = False
    #: The pictures that `plan.CoverKind.PICTURE` names: ``(h, w, 4)`` uint8 RGBA.
    covers: Mapping[str, ImageArray] = field(default_factory=dict)
    #: What may be read of the faces; the pipeline's own mode may allow less.
    reading: ReadingMode = ReadingMode.EXPRESSIONS
    #: Of an animation, emojify one frame as a picture.
    one_frame: bool = False
