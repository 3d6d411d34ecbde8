"""What ``replay`` does with the pictures of one run, and what it says of them."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from emojifier_bot.cli.console import Reporter, WrongUsage, counted, shown
from emojifier_bot.cli.inputs import STANDARD_STREAM, Inputs, Source
from emojifier_bot.cli.outputs import OutputFiles, Target
from emojifier_bot.cli.picking import Picking
from emojifier_bot.errors import EmojifierError, ErrorKind
from emojifier_bot.vision.formats import format_named

if TYPE_CHECKING:
    from emojifier_bot.http import GuardedClient
    from emojifier_bot.vision.options import EmojifyOptions
    from emojifier_bot.vision.pipeline import Pipeline
    from emojifier_bot.vision.result import Result
    from emojifier_bot.vision.why import Why

logger = logging.getLogger(__name__)

UNEXPECTED = (
    "Something went wrong that should not have: {error}. The log says more; please "
    "report it with the picture, if you may."
)
OTHER_DATE = (
    "Its date is another one than this picture's, so it may show another picture, or "
    "this one as it was before. --force writes over it."
)
#: What is printed of a picture that failed before anything was known of it.
_UNKNOWN: dict[str, object] = {
    "output": None,
    "width": None,
    "height": None,
    "faces": [],
    "frames": None,
    "seconds": None,
    "alt_text": "",
    "reading": None,
    "notes": [],
    "backend": None,
    "milliseconds": {},
}


@dataclass(frozen=True, slots=True, eq=False)
class PictureOutcome:
    """What became of one picture."""

    #: None if it failed or was skipped.
    result: Result | None = None
    #: Where it was written, or was already, as it would be typed.
    output: str | None = None
    error: EmojifierError | None = None
    #: Why faces got their emoji, of the first ones.
    whys: tuple[Why, ...] = ()

    @property
    def kind(self) -> str:
        """Return what the summary counts it as."""
        if self.error is not None:
            return "failed"
        if self.result is None:
            return "skipped"
        return "emojified" if self.result.faces else "without faces"

    def to_dict(self, source: Source) -> dict[str, object]:
        """Return the object that ``--json`` prints."""
        if self.result is not None:
            reading = self.result.plan.reading
            done = self.result.to_dict(source.given, self.output)
            faces = cast("list[dict[str, object]]", done["faces"])
            for face, why in zip(faces, self.whys, strict=False):
                face["why"] = why.to_dict(reading)
            return done
        unknown = {"input": source.given, **_UNKNOWN, "output": self.output}
        if self.error is None:
            return unknown | {"skipped": True, "notes": _doubts(source, self.output)}
        return unknown | {
            "error": {"kind": self.error.kind, "message": self.error.message}
        }


@dataclass(frozen=True, slots=True)
class FileEmojifier:
    """Emojifies files one after the other; a bad one does not stop the others."""

    pipeline: Pipeline
    outputs: OutputFiles
    reporter: Reporter
    _: KW_ONLY
    max_bytes: int
    #: Builds what fetches addresses.
    make_client: Callable[[], GuardedClient]
    json: bool = False
    debug: bool = False
    why: bool = False
    to_stdout: bool = False
    skip_existing: bool = False
    include_faceless: bool = False
    exif_date: bool = False
    quality: int | None = None
    surprise_seed: int | None = None
    picking: Picking = field(default_factory=Picking)
    #: Of an animation, emojify one frame as a picture.
    one_frame: bool = False

    def run(self, inputs: Inputs, targets: list[Target]) -> bool:
        """Emojify every picture; return whether all went well."""
        if not inputs.sources:
            self.reporter.note("There are no pictures there.")
        counts: Counter[str] = Counter()
        total = len(targets)
        with self.reporter.progress("Pictures", total) as advance:
            pairs = zip(inputs.sources, targets, strict=True)
            for done, (source, target) in enumerate(pairs, start=1):
                outcome = self._outcome(source, target)
                counts[outcome.kind] += 1
                self._report(source, outcome, every=not inputs.many)
                advance(done, total)
        if inputs.many and counts:
            parts = (
                f"{counts[kind]} {kind}"
                for kind in ("emojified", "without faces", "skipped", "failed")
                if counts[kind]
            )
            self.reporter.note(f"{counted(total, 'picture')}: {', '.join(parts)}.")
        return not counts["failed"]

    def _outcome(self, source: Source, target: Target) -> PictureOutcome:
        try:
            return self._emojify(source, target)
        except WrongUsage:
            raise
        except EmojifierError as error:
            return PictureOutcome(error=error)
        except Exception as error:
            # The outermost loop: whatever one picture does, the others go on.
            logger.exception(
                "Picture failed",
                extra={"action": "picture_failed", "input": shown(source.given)},
            )
            message = UNEXPECTED.format(error=shown(str(error)) or type(error).__name__)
            return PictureOutcome(
                error=EmojifierError(message, kind=ErrorKind.UNEXPECTED)
            )

    def _emojify(self, source: Source, target: Target) -> PictureOutcome:
        # What is written through replaces no file.
        is_through = self.to_stdout or target.is_stream
        if not is_through:
            if self.skip_existing and target.expected.exists():
                return PictureOutcome(output=str(target.expected))
            self.outputs.check(target.expected)
        data = source.read(self.max_bytes, self.make_client)
        options = self._options(target, data)
        with self.reporter.part("Frames") as advance:
            result = self.picking.emojify(self.pipeline, data, options, advance)
        if not (result.faces or self.include_faceless or is_through):
            return PictureOutcome(result)
        if not is_through:
            # The format may be another one than the input's name told.
            target = self.outputs.free(target, result.extensions)
        path = target.result(result.extensions)
        if self.skip_existing and not is_through and path.exists():
            return PictureOutcome(output=str(path))
        files = {} if self.to_stdout else {path: result.encoded}
        if self.debug and result.faces:
            name, debug = self._debug_picture(data, result)
            files[target.debug(format_named(name).extensions)] = debug
        whys: tuple[Why, ...] = ()
        if self.why and result.faces:
            whys, files[target.why()] = self._why_cards(data, result, options)
        if self.picking.numbered and result.faces:
            options = replace(options, numbered=True, covers=self.picking.covers)
            numbers = self.pipeline.render(data, result.plan, options)
            files[target.numbered(numbers.extensions)] = numbers.encoded
        if self.picking.save_plan is not None:
            files[self.picking.save_plan] = f"{result.plan.to_json()}\n".encode()
        self.outputs.write(files, source.modified_ns)
        output = STANDARD_STREAM if self.to_stdout else str(path)
        return PictureOutcome(result, output, whys=whys)

    def _options(self, target: Target, data: bytes) -> EmojifyOptions:
        from emojifier_bot.vision.options import EmojifyOptions

        options = EmojifyOptions(
            target.extension,
            self.quality,
            self.surprise_seed,
            one_frame=self.one_frame,
        )
        if not self.exif_date:
            return options
        from emojifier_bot.vision.exif_date import read_exif_date

        return replace(options, exif_date=read_exif_date(data))

    def _debug_picture(self, data: bytes, result: Result) -> tuple[str, bytes]:
        """Return the name of a format, and the picture that shows what was found.

        Of a clip it is each frame in which faces were read best, one below the other.
        """
        from emojifier_bot.vision.debug import draw_debug, reduced, stacked
        from emojifier_bot.vision.encode import encode, output_format

        numbers = {one.planned.frame for one in result.faces}
        drawn = []
        # Decoded once more: the emoji are painted over the first.
        for picture in self.pipeline.frames(data, result, numbers):
            faces = [one for one in result.faces if one.planned.frame == picture.frame]
            whole = draw_debug(picture.image, faces, result.plan.reading)
            drawn.append(reduced(whole, len(numbers)))
        name = output_format(picture, None) if result.frames > 1 else result.format
        return name, encode(picture, stacked(drawn), name, self.quality)

    def _why_cards(
        self, data: bytes, result: Result, options: EmojifyOptions
    ) -> tuple[tuple[Why, ...], bytes]:
        """Return why faces got their emoji, and a PNG of their cards."""
        from emojifier_bot.vision.pipeline import frames_explained
        from emojifier_bot.vision.why_card import draw_cards

        numbers = frames_explained(result.plan)
        pictures = self.pipeline.frames(data, result, numbers)
        whys = self.pipeline.explain(pictures, result.plan, options)
        file = io.BytesIO()
        cards = draw_cards(whys, self.pipeline.emoji, result.plan.reading)
        cards.save(file, "PNG", optimize=True)
        return whys, file.getvalue()

    def _report(self, source: Source, outcome: PictureOutcome, *, every: bool) -> None:
        name, result = shown(source.given), outcome.result
        facts: dict[str, object] = {"input": name, "outcome": outcome.kind}
        if outcome.error is not None:
            self.reporter.problem(f"{name}: {outcome.error.message}")
        elif result is not None:
            for note in result.notes:
                self.reporter.note(f"{name}: {note}")
            if every or not result.faces:
                self.reporter.note(f"{name}: {self._words(result, outcome.output)}")
            for line in _why_lines(result, outcome.whys):
                self.reporter.note(f"{name}: {line}")
            facts |= {
                "faces": len(result.faces),
                "backend": result.backend,
                "milliseconds": {
                    stage: round(one) for stage, one in result.milliseconds.items()
                },
            }
        elif (doubts := _doubts(source, outcome.output)) or every:
            there = f"{name}: skipped, {shown(outcome.output or '')} exists"
            self.reporter.note(". ".join([there, *doubts]))
        logger.info("Picture done", extra={"action": "picture_done", **facts})
        # Outside of what is caught: a closed pipe ends the run.
        if self.json:
            print(json.dumps(outcome.to_dict(source)), flush=True)
        if result is not None and outcome.output == STANDARD_STREAM:
            sys.stdout.buffer.write(result.encoded)
            sys.stdout.buffer.flush()

    def _words(self, result: Result, output: str | None) -> str:
        """Return what was found in a picture, and where the result is."""
        place = "to standard output" if self.to_stdout else shown(output or "")
        if result.faces and result.frames > 1:
            people = counted(len(result.faces), "face")
            return f"{counted(result.frames, 'frame')}, {people}, {place}"
        if result.faces:
            return f"{counted(len(result.faces), 'face')}, {place}"
        if output is None:
            return "No face found, so nothing was written."
        return f"No face found; without its metadata, {place}"


def _why_lines(result: Result, whys: Sequence[Why]) -> Iterator[str]:
    if not whys:
        return
    from emojifier_bot.vision.why import sentence

    for why in whys:
        yield sentence(why, result.plan.reading)
    if left := len(result.faces) - len(whys):
        yield f"{counted(left, 'face')} more: the first {len(whys)} are explained."


def _doubts(source: Source, output: str | None) -> list[str]:
    """Return why what exists may not be the result of this picture."""
    return [] if source.has_date_of(Path(output or "")) else [OTHER_DATE]
