"""The plan of a picture: one decision a face, between reading and painting.

`Pipeline.read` makes a plan, `vision.edits` changes one, `Pipeline.render` paints one.
A plan holds no picture: as JSON it can wait in a file or between two jobs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from emojifier_bot.emotion_models import ReadingMode, lowest
from emojifier_bot.errors import PlanError
from emojifier_bot.vision.types import BoundingBox, EmojiTheme, Face, Placement

#: How much larger than an emoji's disc a cover's is; half as wide again takes in ears
#: and hair.
USUAL_MARGIN, MOST_MARGIN = 0.25, 3.0
#: No face lies farther from a picture, or is larger.
MOST_PX = 1e6
#: What values of a wrong kind or size raise.
_WRONG = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class CoverKind(StrEnum):
    """What a cover shows; none of it is made of the face's pixels."""

    #: The mean colour around the face.
    SOLID = "solid"
    #: Squares of the colours around it.
    MOSAIC = "mosaic"
    #: Those colours, flowing into each other.
    BLUR = "blur"
    #: A picture of the person's own, over the mean colour.
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Leave:
    """The face stays as it is."""


@dataclass(frozen=True, slots=True)
class DrawEmoji:
    """The face gets an emoji of the theme, named by its Slack short name."""

    name: str


@dataclass(frozen=True, slots=True)
class Cover:
    """The face disappears under a disc."""

    kind: CoverKind
    #: How much larger than an emoji's the disc is: 0.5 makes it half as wide again.
    margin: float = USUAL_MARGIN
    #: With `CoverKind.PICTURE`: the picture's name; whoever renders has the picture.
    picture: str = ""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a margin out of range."""
        if not 0 <= self.margin <= MOST_MARGIN:
            raise ValueError(f"expected a margin in 0..{MOST_MARGIN}: {self.margin}")


Decision = Leave | DrawEmoji | Cover


class ChosenBy(StrEnum):
    """Who made a decision."""

    READER = "reader"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class PlannedFace:
    """One face, and what becomes of it."""

    #: What people call it: its place in reading order, from 1; added ones come last.
    number: int
    box: BoundingBox
    #: Where the emoji goes, or the cover.
    placement: Placement
    decision: Decision
    chosen_by: ChosenBy = ChosenBy.READER
    #: Whether the expression justifies the reader's emoji.
    sure: bool = True
    #: Names of the emoji nearest to the face, best first: what a menu offers.
    nearest: tuple[str, ...] = ()
    #: What is visible, in words: "mouth open, brows raised"; empty for none.
    shapes: str = ""
    #: Where it was read, and where box and placement are: the frame or page from 0.
    frame: int = 0
    #: What was read, as long as the plan stays in memory. Not in its JSON.
    face: Face | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise `ValueError` for a number below 1 and a placement out of all bounds."""
        spot = self.placement
        numbers = (*spot.center_xy, spot.size_px, spot.roll_degrees)
        is_placed = all(abs(one) <= MOST_PX for one in numbers) and spot.size_px > 0
        if self.number < 1 or not is_placed:
            raise ValueError(f"expected a number from 1 and a place: {self}")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "number": self.number,
            "box": list(self.box.xyxy),
            "placement": asdict(self.placement),
            "decision": _decision_values(self.decision),
            "chosen_by": str(self.chosen_by),
            "sure": self.sure,
            "nearest": list(self.nearest),
            "shapes": self.shapes,
            "frame": self.frame,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PlannedFace:
        """Read what `to_dict` returned; what a newer version added is left out."""
        spot = values["placement"]
        x, y = map(float, spot["center_xy"])
        placement = Placement(
            (x, y), float(spot["size_px"]), float(spot["roll_degrees"])
        )
        return cls(
            number=int(values["number"]),
            box=BoundingBox(*map(float, values["box"])),
            placement=placement,
            decision=_decision(values["decision"]),
            chosen_by=ChosenBy(values["chosen_by"]),
            sure=bool(values["sure"]),
            nearest=tuple(map(str, values.get("nearest", ()))),
            shapes=str(values.get("shapes", "")),
            frame=int(values.get("frame", 0)),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of each face of one picture."""

    #: Size of the upright picture in pixels.
    width: int
    height: int
    #: Name of the theme that the emoji belong to.
    theme: str
    #: Name of the back end that read the faces.
    backend: str
    #: In the order of their numbers.
    faces: tuple[PlannedFace, ...] = ()
    #: Which frame or page of the picture was read, from 0.
    frame: int = 0
    #: How many frames were read together: of a clip all, of a picture one.
    frames: int = 1
    #: What was read of the faces; texts say no more than that.
    reading: ReadingMode = ReadingMode.EXPRESSIONS

    def __post_init__(self) -> None:
        """Raise `ValueError` for no size or frame, and unless the numbers rise."""
        numbers = [face.number for face in self.faces]
        if min(self.width, self.height, self.frames) < 1 or self.frame < 0:
            raise ValueError("expected a size, and a frame from 0")
        if numbers != sorted(set(numbers)):
            raise ValueError(f"expected numbers that rise, got {numbers}")

    @property
    def covers(self) -> bool:
        """Tell whether a face disappears under a cover."""
        return any(isinstance(face.decision, Cover) for face in self.faces)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "width": self.width,
            "height": self.height,
            "theme": self.theme,
            "backend": self.backend,
            "frame": self.frame,
            "frames": self.frames,
            "reading": str(self.reading),
            "faces": [face.to_dict() for face in self.faces],
        }

    @classmethod
    def from_dict(cls, values: Any) -> Plan:
        """Read what `to_dict` returned; what a newer version added is left out.

        Raises:
            PlanError: It is no plan.
        """
        try:
            return cls(
                width=int(values["width"]),
                height=int(values["height"]),
                theme=str(values["theme"]),
                backend=str(values["backend"]),
                faces=tuple(map(PlannedFace.from_dict, values["faces"])),
                frame=int(values.get("frame", 0)),
                frames=int(values.get("frames", 1)),
                reading=lowest(str(values.get("reading", ReadingMode.EXPRESSIONS))),
            )
        except _WRONG as error:
            raise PlanError(
                f"This is no plan of a picture: {error!r}. Make a new one."
            ) from error

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Read what `to_json` returned.

        Raises:
            PlanError: It is no plan.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PlanError(
                f"This is no plan of a picture: {error}. Make a new one."
            ) from error
        return cls.from_dict(values)


def check_fits(
    plan: Plan, size_wh: tuple[int, int], theme: EmojiTheme, frames: int = 1
) -> None:
    """Check that a plan can be painted onto a picture, or a clip.

    Args:
        plan: The plan.
        size_wh: Of the upright picture.
        theme: With the emoji that can be drawn.
        frames: Of the clip; 1 for a picture.

    Raises:
        PlanError: The picture has another size or other frames, or an emoji is unknown.
    """
    if (plan.width, plan.height) != size_wh:
        raise PlanError(
            f"The plan is for a picture of {plan.width} x {plan.height} pixels, and "
            f"this one has {size_wh[0]} x {size_wh[1]}. Make a new plan of it."
        )
    if plan.frames != frames:
        there, here = (
            "a picture" if count == 1 else f"a clip of {count} frames"
            for count in (plan.frames, frames)
        )
        raise PlanError(
            f"The plan is for {there}, and this is {here}, whose faces have other "
            "numbers and places. Make a new plan of it."
        )
    names = {one.name for one in theme.emoji}
    for face in plan.faces:
        decision = face.decision
        if isinstance(decision, DrawEmoji) and decision.name not in names:
            raise PlanError(
                f"Face {face.number} of the plan gets the emoji {decision.name!r}, "
                f"which the theme {theme.name!r} does not have. The plan was made with "
                f"the theme {plan.theme!r}."
            )


def _decision_values(decision: Decision) -> dict[str, Any]:
    if isinstance(decision, Leave):
        return {"do": "leave"}
    if isinstance(decision, DrawEmoji):
        return {"do": "emoji", "name": decision.name}
    return {"do": "cover", **asdict(decision)}


def _decision(values: Mapping[str, Any]) -> Decision:
    match values["do"]:
        case "leave":
            return Leave()
        case "emoji":
            return DrawEmoji(str(values["name"]))
        case "cover":
            return Cover(
                CoverKind(values["kind"]),
                float(values.get("margin", USUAL_MARGIN)),
                str(values.get("picture", "")),
            )
    raise ValueError(f"there is no decision {values['do']!r}")
