"""Options of ``replay`` that say what becomes of single faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emojifier_bot.cli.console import Number, WrongUsage, shown
from emojifier_bot.errors import EmojifierError, PlanError, reason_of

if TYPE_CHECKING:
    from emojifier_bot.vision.edits import Edits
    from emojifier_bot.vision.options import EmojifyOptions
    from emojifier_bot.vision.pipeline import Pipeline
    from emojifier_bot.vision.plan import Plan
    from emojifier_bot.vision.result import Result
    from emojifier_bot.vision.types import EmojiTheme, ImageArray

_COVERS = ("solid", "mosaic", "blur")


class _Parsed(click.ParamType[Any]):
    """A value that a function of `vision.edits` reads."""

    def __init__(self, name: str, function: str) -> None:
        #: What help shows in place of the value.
        self.name = name
        self._function = function

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Read it; a fault is wrong usage."""
        from emojifier_bot.vision import edits

        try:
            return getattr(edits, self._function)(value)
        except PlanError as error:
            self.fail(error.message, param, ctx)


_OPTIONS = (
    click.option(
        "--skip",
        metavar="NUMBERS",
        type=_Parsed("numbers", "parse_numbers"),
        show_default="none",
        help="Leave these faces as they are: 2,5 or last. Numbers go row by row from "
        "the left; --number shows them.",
    ),
    click.option(
        "--only",
        metavar="NUMBERS",
        type=_Parsed("numbers", "parse_numbers"),
        show_default="all",
        help="Leave all other faces as they are: 1-3, or last:2 for the last two.",
    ),
    click.option(
        "--also",
        metavar="PLACE",
        type=_Parsed("place", "parse_box"),
        multiple=True,
        show_default="none",
        help="Also a face that was missed, in this box: left, top and size in pixels, "
        "120,80,60x60. Its number follows the others.",
    ),
    click.option(
        "--as",
        "uses",
        metavar="NUMBERS=EMOJI",
        type=_Parsed("number and emoji", "parse_use"),
        multiple=True,
        show_default="what is nearest",
        help="What some faces get: 3=grin, 3=😎, 1-2=:sunglasses:, last=mosaic.",
    ),
    click.option(
        "--everyone",
        metavar="EMOJI",
        default="",
        show_default="what is nearest to each face",
        help="One emoji for every face.",
    ),
    click.option(
        "--swap",
        "swaps",
        metavar="NUMBERS",
        type=_Parsed("two numbers", "parse_swap"),
        multiple=True,
        show_default="none",
        help="Exchange the emoji of two faces: 1,4.",
    ),
    click.option(
        "--opposite",
        is_flag=True,
        help="Give every face the emoji that is most unlike it.",
    ),
    click.option(
        "--cover",
        metavar="solid|mosaic|blur|FILE",
        show_default="emoji",
        help="Cover every face with the colours around it, or with a picture, so that "
        "nobody can restore it. No emotion model is loaded.",
    ),
    click.option(
        "--margin",
        type=Number(0.0, 3.0),
        show_default="0.25",
        help="With --cover: how much larger than an emoji it is; 0.5 takes in ears and "
        "hair.",
    ),
    click.option(
        "--number",
        "numbered",
        is_flag=True,
        help="Also write photo.numbered.jpg, the result with each face's number.",
    ),
    click.option(
        "--plan",
        "plan_file",
        metavar="FILE",
        type=click.Path(),
        show_default="none",
        help="Draw what --save-plan wrote for this picture, changed by the other "
        "options; faces are not searched again.",
    ),
    click.option(
        "--save-plan",
        metavar="FILE",
        type=click.Path(),
        show_default="none",
        help="Also write what becomes of each face, as JSON; no picture is in it.",
    ),
)
_NAMES = (
    *("skip", "only", "also", "uses", "everyone", "swaps", "opposite", "cover"),
    *("margin", "numbered", "plan_file", "save_plan"),
)


def picking_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which gets a `Picking`."""

    @wraps(command)
    def wrapped(*args: Any, **values: Any) -> None:
        asked = {name: values.pop(name) for name in _NAMES}
        command(*args, picking=_picking(**asked), **values)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


@dataclass(frozen=True, slots=True)
class Picking:
    """What is wanted for single faces; by default nothing."""

    edits: Edits | None = None
    #: What to draw; None reads the picture.
    plan: Plan | None = None
    #: Where the plan is written; None for nowhere.
    save_plan: Path | None = None
    #: Whether a copy with numbers is written.
    numbered: bool = False
    #: The pictures that cover faces, by their paths.
    covers: Mapping[str, ImageArray] = field(default_factory=dict)

    @property
    def for_one_picture(self) -> bool:
        """Tell whether it names faces, places or files of one picture."""
        named = self.edits is not None and (self.edits.numbers or self.edits.also)
        return bool(named or self.plan or self.save_plan)

    @property
    def theme(self) -> str | None:
        """Return the theme of the plan, if there is one."""
        return None if self.plan is None else self.plan.theme

    @property
    def reads_expressions(self) -> bool:
        """Tell whether the expression of any face chooses its emoji."""
        if self.edits is None:
            return True
        # The faces of a clip are read in each frame.
        reads = self.plan is None or self.plan.frames > 1 or self.edits.also
        return bool(reads) and not self.edits.decide_all

    def check_names(self, theme: EmojiTheme) -> None:
        """Check that the emoji that are named are there.

        Raises:
            WrongUsage: One is not.
        """
        from emojifier_bot.vision.edits import emoji_named

        try:
            for name in [] if self.edits is None else self.edits.names():
                emoji_named(theme, name)
        except PlanError as error:
            raise WrongUsage(error.message) from error

    def with_covers(self, pipeline: Pipeline) -> Picking:
        """Return the same with the pictures that faces are covered with.

        Raises:
            WrongUsage: One cannot be read.
        """
        from emojifier_bot.vision.covers import cover_picture
        from emojifier_bot.vision.plan import Cover

        wanted = [] if self.plan is None else [one.decision for one in self.plan.faces]
        wanted += [self.edits.cover] if self.edits and self.edits.cover else []
        names = {one.picture for one in wanted if isinstance(one, Cover)} - {""}
        covers: dict[str, ImageArray] = {}
        for name in sorted(names):
            try:
                picture = pipeline.decoder.decode(Path(name).read_bytes())
            except (OSError, ValueError) as error:
                raise WrongUsage(
                    f"A cover is {', '.join(_COVERS)} or a picture, and "
                    f"{shown(name)!r} cannot be read: {reason_of(error)}."
                ) from error
            except EmojifierError as error:
                raise WrongUsage(f"{shown(name)}: {error.message}") from error
            covers[name] = cover_picture(picture)
        return replace(self, covers=covers)

    def emojify(
        self,
        pipeline: Pipeline,
        data: bytes,
        options: EmojifyOptions,
        progress: Callable[[int, int], None],
    ) -> Result:
        """Emojify a picture as it is wanted.

        Raises:
            WrongUsage: A face is named that is not there, or the plan does not fit.
        """
        if self.edits is not None:
            options = replace(options, edits=self.edits, covers=self.covers)
        try:
            if self.plan is None:
                return pipeline.run(data, options, progress)
            return pipeline.render(data, self.plan, options, progress)
        except PlanError as error:
            raise WrongUsage(error.message) from error


def _picking(
    *,
    skip: frozenset[int] | None,
    only: frozenset[int] | None,
    also: tuple[Any, ...],
    uses: tuple[tuple[frozenset[int], str], ...],
    everyone: str,
    swaps: tuple[tuple[int, int], ...],
    opposite: bool,
    cover: str | None,
    margin: float | None,
    numbered: bool,
    plan_file: str | None,
    save_plan: str | None,
) -> Picking:
    """Return what the options ask for."""
    checks = {
        "--skip and --only contradict each other.": skip and only,
        "--everyone and --cover contradict each other.": everyone and cover,
        "--opposite and --cover contradict each other.": opposite and cover,
        "--margin only works with --cover.": margin is not None and not cover,
    }
    for message, is_wrong in checks.items():
        if is_wrong:
            raise WrongUsage(message)
    asked = (skip, only, also, uses, everyone, swaps, opposite, cover, plan_file)
    where = Path(save_plan) if save_plan else None
    if not any(asked):
        return Picking(save_plan=where, numbered=numbered)

    from emojifier_bot.vision.edits import Edits

    edits = Edits(
        also=also,
        everyone=everyone,
        cover=_cover(cover, margin) if cover else None,
        opposite=opposite,
        swaps=swaps,
        uses=uses,
        skip=skip or frozenset(),
        only=only,
    )
    plan = _read_plan(Path(plan_file)) if plan_file else None
    return Picking(edits, plan, where, numbered)


def _cover(text: str, margin: float | None) -> Any:
    from emojifier_bot.vision.plan import USUAL_MARGIN, Cover, CoverKind

    wide = USUAL_MARGIN if margin is None else margin
    if text in _COVERS:
        return Cover(CoverKind(text), wide)
    return Cover(CoverKind.PICTURE, wide, text)


def _read_plan(path: Path) -> Plan:
    from emojifier_bot.vision.plan import Plan

    try:
        return Plan.from_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise WrongUsage(
            f"{shown(str(path))} cannot be read: {reason_of(error)}."
        ) from error
    except PlanError as error:
        raise WrongUsage(f"{shown(str(path))}: {error.message}") from error
