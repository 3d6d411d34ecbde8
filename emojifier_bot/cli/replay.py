"""``replay``: an emoji over every face of saved pictures."""

from __future__ import annotations

import atexit
import gc
import json
import logging
import secrets
import sys
from collections import Counter
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import click

from emojifier_bot.cli.console import (
    FAILED,
    Reporter,
    WrongUsage,
    accept_remote_option,
    agree_to_send,
    backend_option,
    counted,
    recursive_option,
    shown,
    theme_option,
)
from emojifier_bot.cli.files import (
    STANDARD_STREAM,
    Inputs,
    Source,
    Target,
    find_inputs,
    plan_targets,
    refuse_existing,
    write_file,
)
from emojifier_bot.emotion_models import EmotionModel
from emojifier_bot.errors import EmojifierError, ErrorKind
from emojifier_bot.vision.formats import WRITTEN_EXTENSIONS

if TYPE_CHECKING:
    from emojifier_bot.vision.pipeline import Pipeline
    from emojifier_bot.vision.types import Result

logger = logging.getLogger(__name__)

#: Seeds that --surprise draws for itself, below this.
_SEEDS = 2**32
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


@click.command
@click.argument(
    "inputs",
    metavar="IN...",
    nargs=-1,
    required=True,
    help="Pictures, folders of pictures, patterns, or '-' for standard input.",
)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="A file for one picture; a folder if it is one, ends in '/', or there are "
    "several pictures; '-' for standard output. Default: photo.emojified.jpg beside "
    "photo.jpg.",
)
@recursive_option
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object for each picture, one per line.",
)
@click.option(
    "--debug",
    is_flag=True,
    help="Also write photo.debug.jpg with boxes, points and scores.",
)
@theme_option
@backend_option
@accept_remote_option
@click.option(
    "--emotion-model",
    type=click.Choice([str(one) for one in EmotionModel]),
    help="What the expression is read from: landmarks only, or the picture too.",
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0.01, 1),
    help="Lowest detection confidence that counts as a face.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    help="Quality of JPEG, WebP and AVIF. Default: about that of the input.",
)
@click.option(
    "--surprise", is_flag=True, help="Pick at random among the nearest emoji."
)
@click.option(
    "--seed", type=int, help="For --surprise: the same seed picks the same emoji."
)
@click.option("-q", "--quiet", is_flag=True, help="Report failures only.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Report more, and log each picture."
)
def replay(
    inputs: tuple[str, ...],
    *,
    output: str | None,
    recursive: bool,
    force: bool,
    as_json: bool,
    debug: bool,
    theme: str | None,
    backend: str | None,
    accept_remote: bool,
    emotion_model: str | None,
    min_confidence: float | None,
    quality: int | None,
    surprise: bool,
    seed: int | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Put an emoji over every face of saved pictures.

    In a folder, only the pictures directly in it are read; with -r those in its
    subfolders too, and -o gets the same subfolders. Hidden files, *.emojified.* and
    *.debug.* are skipped. A picture that fails does not stop the others. A picture
    without faces is not a failure: nothing is written for it.

    Exit codes: 0 success, 1 a picture failed, 2 wrong usage, 130 interrupted.
    """
    stdin, stdout = STANDARD_STREAM in inputs, output == STANDARD_STREAM
    checks = {
        "--json and -o - both want standard output. Give -o a file.": stdout
        and as_json,
        "-o - takes one picture.": stdout and len(inputs) > 1,
        "Standard output is a terminal, which cannot show a picture. Send it to a "
        "file or a program.": stdout and sys.stdout.isatty(),
        "A picture from standard input needs -o: a file, a folder, or - for "
        "standard output.": stdin and output is None,
        "- can be given only once.": inputs.count(STANDARD_STREAM) > 1,
        "--debug writes a second file, which needs a place: give a file as IN or "
        "as -o.": debug and stdin and stdout,
        "-o needs a name.": output == "",
        "IN needs a name.": "" in inputs,
        "--seed only works with --surprise.": seed is not None and not surprise,
        "-q and -v contradict each other.": quiet and verbose,
    }
    for message, is_wrong in checks.items():
        if is_wrong:
            raise WrongUsage(message)
    found = find_inputs(inputs, recursive=recursive)
    targets = plan_targets(found, output)

    from emojifier_bot.app import make_pipeline
    from emojifier_bot.config import load_picture_settings
    from emojifier_bot.logs import configure_logging

    settings = load_picture_settings(
        theme=theme,
        face_backend=backend,
        emotion_model=emotion_model,
        min_confidence=min_confidence,
    )
    louder = verbose and settings.log_level != "DEBUG"
    configure_logging("INFO" if louder else settings.log_level, settings.log_format)
    for extension in filter(None, (one.extension for one in targets)):
        if extension.lower() not in WRITTEN_EXTENSIONS:
            raise WrongUsage(
                f"Pictures cannot be written as {shown(extension)!r}. "
                f"These work: {', '.join(WRITTEN_EXTENSIONS)}."
            )
    agree_to_send(settings, len(found.sources), accepted=accept_remote)
    if surprise and seed is None:
        seed = secrets.randbelow(_SEEDS)
    reporter = Reporter(quiet=quiet)
    if verbose and found.skipped:
        reporter.note(f"{counted(found.skipped, 'file')} left out.")
    emojifier = FileEmojifier(
        make_pipeline(settings),
        settings.max_bytes,
        reporter,
        force=force,
        json=as_json,
        debug=debug,
        to_stdout=stdout,
        quality=quality,
        surprise_seed=seed,
    )
    # At the end models and pictures go with the process; collecting them takes 20 ms.
    atexit.register(gc.freeze)
    if not emojifier.run(found, targets):
        raise SystemExit(FAILED)


@dataclass(frozen=True, slots=True, eq=False)
class PictureOutcome:
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

    def to_dict(self, source: Source) -> dict[str, object]:
        """Return the object that ``--json`` prints."""
        if self.result is not None:
            return self.result.to_dict(source.given, self.output)
        error = self.error and {"kind": self.error.kind, "message": self.error.message}
        return {"input": source.given, **_UNKNOWN, "error": error}


@dataclass(frozen=True, slots=True)
class FileEmojifier:
    """Emojifies files one after the other; a bad one does not stop the others."""

    pipeline: Pipeline
    max_bytes: int
    reporter: Reporter
    _: KW_ONLY
    force: bool = False
    json: bool = False
    debug: bool = False
    to_stdout: bool = False
    quality: int | None = None
    surprise_seed: int | None = None

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
                for kind in ("emojified", "without faces", "failed")
                if counts[kind]
            )
            self.reporter.note(f"{counted(total, 'picture')}: {', '.join(parts)}.")
        return not counts["failed"]

    def _outcome(self, source: Source, target: Target) -> PictureOutcome:
        try:
            return self._emojify(source, target)
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
        from emojifier_bot.vision.pipeline import EmojifyOptions

        data = source.read(self.max_bytes)
        if not self.to_stdout:
            refuse_existing(target.expected, force=self.force)
        options = EmojifyOptions(target.extension, self.quality, self.surprise_seed)
        result = self.pipeline.run(data, options)
        if not result.faces:
            return PictureOutcome(result)
        files = {}
        if not self.to_stdout:
            files[target.result(result.extensions)] = result.encoded
        if self.debug:
            from emojifier_bot.vision.debug import draw_debug
            from emojifier_bot.vision.encode import encode

            # Decoded once more: the emoji are painted over the first.
            picture = self.pipeline.decoder.decode(data)
            drawn = draw_debug(picture.image, result.faces)
            debug = encode(picture, drawn, result.format, self.quality)
            files[target.debug(result.extensions)] = debug
        for path in files:
            refuse_existing(path, force=self.force)
        for path, content in files.items():
            write_file(path, content, force=self.force)
        output = STANDARD_STREAM if self.to_stdout else str(next(iter(files)))
        return PictureOutcome(result, output)

    def _report(self, source: Source, outcome: PictureOutcome, *, every: bool) -> None:
        name, result = shown(source.given), outcome.result
        facts: dict[str, object] = {"input": name, "outcome": outcome.kind}
        if outcome.error is not None:
            self.reporter.problem(f"{name}: {outcome.error.message}")
        elif result is not None:
            for note in result.notes:
                self.reporter.note(f"{name}: {note}")
            if not result.faces:
                self.reporter.note(f"{name}: No face found, so nothing was written.")
            elif every:
                place = "to standard output" if self.to_stdout else outcome.output or ""
                faces = counted(len(result.faces), "face")
                self.reporter.note(f"{name}: {faces}, {shown(place)}")
            facts |= {
                "faces": len(result.faces),
                "backend": result.backend,
                "milliseconds": {
                    stage: round(one) for stage, one in result.milliseconds.items()
                },
            }
        logger.info("Picture done", extra={"action": "picture_done", **facts})
        # Outside of what is caught: a closed pipe ends the run.
        if self.json:
            print(json.dumps(outcome.to_dict(source)), flush=True)
        if result is not None and outcome.output == STANDARD_STREAM:
            sys.stdout.buffer.write(result.encoded)
            sys.stdout.buffer.flush()
