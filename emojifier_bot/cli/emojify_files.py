"""One run of ``replay``: each picture read, emojified, written and told about."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from dataclasses import dataclass

from emojifier_bot.cli.inputs import Inputs, Source
from emojifier_bot.cli.outputs import Target, refuse_existing, write_file
from emojifier_bot.cli.report import Reporter, counted, shown
from emojifier_bot.config import Settings
from emojifier_bot.errors import EmojifierError, ErrorKind
from emojifier_bot.vision.pipeline import EmojifyOptions, Pipeline
from emojifier_bot.vision.types import Result

logger = logging.getLogger(__name__)

UNEXPECTED = (
    "Something went wrong that should not have: {error}. The log says more; please "
    "report it with the picture, if you may."
)
#: What is printed of a picture that failed before anything was known of it.
_UNKNOWN: dict[str, object] = {
    "output": None,
    "width": None,
    "height": None,
    "faces": [],
    "alt_text": "",
    "notes": [],
    "backend": None,
    "milliseconds": {},
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options ask for, the same for each picture."""

    force: bool = False
    json: bool = False
    debug: bool = False
    to_stdout: bool = False
    quality: int | None = None
    surprise_seed: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of one picture."""

    result: Result | None = None
    #: Where it was written, as it would be typed.
    output: str | None = None
    error: EmojifierError | None = None

    @property
    def kind(self) -> str:
        """Return what the summary counts it as."""
        if self.error is not None or self.result is None:
            return "failed"
        return "emojified" if self.result.faces else "without faces"


@dataclass(frozen=True, slots=True)
class FileEmojifier:
    """Emojifies files one after the other; a bad one does not stop the others."""

    pipeline: Pipeline
    max_bytes: int
    wishes: Wishes
    reporter: Reporter

    @classmethod
    def load(
        cls, settings: Settings, wishes: Wishes, reporter: Reporter
    ) -> FileEmojifier:
        """Load models and theme.

        Raises:
            EmojifierError: See `app.make_pipeline`.
        """
        from emojifier_bot.app import make_pipeline

        return cls(make_pipeline(settings), settings.max_bytes, wishes, reporter)

    def run_all(self, inputs: Inputs, targets: list[Target]) -> bool:
        """Emojify every picture; tell whether all went well."""
        if not inputs.sources:
            self.reporter.note("There are no pictures there.")
        counts: Counter[str] = Counter()
        with self.reporter.progress(len(targets) if inputs.many else 0):
            for source, target in zip(inputs.sources, targets, strict=True):
                outcome = self._run(source, target)
                counts[outcome.kind] += 1
                self._tell(source, outcome, every=not inputs.many)
                self.reporter.advance()
        if inputs.many and counts:
            self.reporter.note(_summary(counts))
        return not counts["failed"]

    def _run(self, source: Source, target: Target) -> Outcome:
        try:
            return self._emojify(source, target)
        except EmojifierError as error:
            return Outcome(error=error)
        except Exception as error:
            # The outermost loop: whatever one picture does, the others go on.
            logger.exception(
                "Picture failed",
                extra={"action": "picture_failed", "input": shown(source.given)},
            )
            message = UNEXPECTED.format(error=shown(str(error)) or type(error).__name__)
            return Outcome(error=EmojifierError(message, kind=ErrorKind.UNEXPECTED))

    def _emojify(self, source: Source, target: Target) -> Outcome:
        wishes = self.wishes
        data = source.read(self.max_bytes)
        if not wishes.to_stdout:
            refuse_existing(target.expected, force=wishes.force)
        options = EmojifyOptions(target.extension, wishes.quality, wishes.surprise_seed)
        result = self.pipeline.run(data, options)
        if not result.faces:
            return Outcome(result)
        files = {} if wishes.to_stdout else {target.result: result.encoded}
        if wishes.debug:
            files[target.debug] = self._draw_debug(data, result)
        paths = [name(result.extensions) for name in files]
        for path in paths:
            refuse_existing(path, force=wishes.force)
        for path, content in zip(paths, files.values(), strict=True):
            write_file(path, content, force=wishes.force)
        return Outcome(result, "-" if wishes.to_stdout else str(paths[0]))

    def _draw_debug(self, data: bytes, result: Result) -> bytes:
        from emojifier_bot.vision.debug import draw_debug
        from emojifier_bot.vision.encode import encode

        picture = self.pipeline.decoder.decode(data)
        drawn = draw_debug(picture.image, result.faces)
        return encode(picture, drawn, result.format, self.wishes.quality)

    def _tell(self, source: Source, outcome: Outcome, *, every: bool) -> None:
        name = shown(source.given)
        result = outcome.result
        if outcome.error is not None:
            self.reporter.problem(f"{name}: {outcome.error.message}")
        elif result is not None:
            for note in result.notes:
                self.reporter.note(f"{name}: {note}")
            if not result.faces:
                self.reporter.note(f"{name}: No face found, so nothing was written.")
            elif every:
                faces = counted(len(result.faces), "face")
                self.reporter.note(f"{name}: {faces}, {_place(outcome.output)}")
        self._log(source, outcome)
        # Outside of what is caught: a closed pipe ends the run.
        if self.wishes.json:
            print(json.dumps(as_json(source, outcome)), flush=True)
        if outcome.output == "-" and result is not None:
            sys.stdout.buffer.write(result.encoded)
            sys.stdout.buffer.flush()

    def _log(self, source: Source, outcome: Outcome) -> None:
        facts: dict[str, object] = {
            "action": "picture_done",
            "input": shown(source.given),
            "outcome": outcome.kind,
        }
        if outcome.result is not None:
            facts["faces"] = len(outcome.result.faces)
            facts["backend"] = outcome.result.backend
            facts["milliseconds"] = {
                stage: round(one) for stage, one in outcome.result.milliseconds.items()
            }
        logger.info("Picture done", extra=facts)


def as_json(source: Source, outcome: Outcome) -> dict[str, object]:
    """Return the object that ``--json`` prints for a picture."""
    if outcome.result is not None:
        return outcome.result.to_dict(source.given, outcome.output)
    error = outcome.error
    told = error and {"kind": error.kind, "message": error.message}
    return {"input": source.given, **_UNKNOWN, "error": told}


def _place(output: str | None) -> str:
    return "to standard output" if output == "-" else shown(output or "")


def _summary(counts: Counter[str]) -> str:
    parts = [
        f"{counts[kind]} {kind}"
        for kind in ("emojified", "without faces", "failed")
        if counts[kind]
    ]
    return f"{counted(counts.total(), 'picture')}: {', '.join(parts)}."
