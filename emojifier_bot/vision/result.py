"""A picture whose faces were dealt with, and what is known of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.errors import ErrorKind, OutputError, reason_of
from emojifier_bot.vision.plan import Plan, PlannedFace
from emojifier_bot.vision.types import BoundingBox, Emoji, Face, Placement

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True, eq=False)
class EmojifiedFace:
    """A face of a result."""

    #: The decision, and what the plan knows of the face.
    planned: PlannedFace
    #: The emoji that was drawn; None for a face that was left or covered.
    emoji: Emoji | None

    @property
    def face(self) -> Face | None:
        """Return what was read; None if the plan came from JSON, or names a place."""
        return self.planned.face

    @property
    def box(self) -> BoundingBox:
        """Return the face's box."""
        return self.planned.box

    @property
    def placement(self) -> Placement:
        """Return where the emoji lies, or would."""
        return self.planned.placement

    @property
    def sure(self) -> bool:
        """Return whether the expression justifies the emoji; else it is *perhaps*."""
        return self.planned.sure

    def to_dict(
        self, reading: ReadingMode = ReadingMode.EXPRESSIONS
    ) -> dict[str, object]:
        """Return one entry of ``faces`` in the object of ``replay --json``.

        Args:
            reading: What may be said of the face.
        """
        plan, face, emoji = self.planned.to_dict(), self.face, self.emoji
        known = emoji and {"name": emoji.name, "character": emoji.character}
        points_xy = face and face.landmarks.points_xy.astype(float).round(2).tolist()
        scores = face and face.is_read and face.scores.as_dict().items()
        decision = plan["decision"]
        if reading != ReadingMode.EXPRESSIONS:
            scores = None
        if reading == ReadingMode.SHAPES:
            # The emoji's name would say what the words must not.
            known = None
            decision = {k: v for k, v in decision.items() if k != "name"}
        return {
            "number": plan["number"],
            "frame": plan["frame"],
            "box": [round(edge, 2) for edge in self.box.xyxy],
            "confidence": face and round(face.detection.confidence, 4),
            "landmarks": points_xy,
            "roll_degrees": round(self.placement.roll_degrees, 2),
            "emotions": {k: round(v, 5) for k, v in scores} if scores else None,
            "emoji": known,
            "shapes": self.planned.shapes,
            "sure": self.sure,
            "decision": decision,
            "chosen_by": plan["chosen_by"],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One emojified picture, already encoded. It can be pickled."""

    #: Size of the upright picture in pixels.
    width: int
    height: int
    #: In the order of their numbers; empty if there is no face.
    faces: tuple[EmojifiedFace, ...]
    #: What was painted; `Pipeline.render` paints it again, as it is or changed.
    plan: Plan
    alt_text: str
    #: The encoded picture; without faces it is the input, encoded again.
    encoded: bytes = field(repr=False)
    #: Pillow's name of the format of `encoded`, for example ``"JPEG"``.
    format: str
    #: Encodes the picture for another file extension, for example ``".png"``.
    encode_for: Callable[[str], bytes] = field(repr=False)
    #: File extensions of the format of `encoded`, for example ``".jpg"``.
    extensions: tuple[str, ...] = ()
    #: Notes for the user about the picture: "30 % of its rows are missing".
    notes: tuple[str, ...] = ()
    #: Which frame or page of the input this is, from 0; of a result that moves the one
    #: that shows most faces, and those faces, where it shows them.
    frame: int = 0
    shown: tuple[PlannedFace, ...] = ()
    #: Frames of a result that moves, whose faces are those of people, each once, and
    #: how long it lasts; 1 and 0 for a picture.
    frames: int = 1
    seconds: float = 0.0
    #: Name of the back end that analysed the faces.
    backend: str = "local"
    #: Duration of each stage (``decode``, ``analyze`` …) in milliseconds.
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def image(self) -> Image.Image:
        """Return the encoded picture as a Pillow image, a new one each time.

        Pillow opens no video.
        """
        from PIL import Image  # noqa: PLC0415 - the types need numpy only

        return Image.open(io.BytesIO(self.encoded))

    def to_bytes(self) -> bytes:
        """Return the encoded picture."""
        return self.encoded

    def save(self, path: str | Path) -> None:
        """Write the picture in the format of the path's extension.

        Without an extension it is the format of `encoded`.

        Raises:
            ImageError: The extension belongs to no format that can be written.
            OutputError: The file cannot be written.
        """
        path = Path(path)
        same = not path.suffix or path.suffix.lower() in self.extensions
        encoded = self.encoded if same else self.encode_for(path.suffix)
        try:
            path.write_bytes(encoded)
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written: {reason_of(error)}. Choose another place.",
                kind=ErrorKind.NOT_WRITABLE,
            ) from error

    def to_dict(
        self,
        input: str | None = None,  # noqa: A002 - the key's name in the object
        output: str | None = None,
    ) -> dict[str, object]:
        """Return the object that ``replay --json`` prints.

        Args:
            input: The picture's path, as the user gave it; None for none.
            output: The path of the written result; None for none.
        """
        return {
            "input": input,
            "output": output,
            "width": self.width,
            "height": self.height,
            "faces": [face.to_dict(self.plan.reading) for face in self.faces],
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "alt_text": self.alt_text,
            "reading": str(self.plan.reading),
            "notes": list(self.notes),
            "backend": self.backend,
            "milliseconds": {k: round(v, 2) for k, v in self.milliseconds.items()},
        }
