"""``replay``: an emoji over every face of saved pictures."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from emojifier_bot.cli.inputs import STDIN, find_inputs
from emojifier_bot.cli.outputs import STDOUT, Target, plan_targets
from emojifier_bot.cli.remote import AcceptRemote, agree_to_send
from emojifier_bot.cli.report import Reporter, WrongUsage, counted, shown
from emojifier_bot.emotion_models import EmotionModel

if TYPE_CHECKING:
    from emojifier_bot.config import Settings

#: Seeds that --surprise draws for itself, below this.
_SEEDS = 2**32

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="IN",
        help="Pictures, folders of pictures, patterns, or '-' for standard input.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT",
        help="A file for one picture; a folder if it is one, ends in '/', or there "
        "are several pictures; '-' for standard output. Default: "
        "photo.emojified.jpg beside photo.jpg.",
    ),
]
Recursive = Annotated[
    bool, typer.Option("-r", "--recursive", help="Go into the folders of a folder.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a picture, a line each.")
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug", help="Also write photo.debug.jpg with boxes, points and scores."
    ),
]
Theme = Annotated[
    str | None,
    typer.Option("--theme", help="The set of emoji: a name, or a theme's folder."),
]
Backend = Annotated[
    str | None, typer.Option("--backend", help="What finds and reads the faces.")
]
EmotionModelName = Annotated[
    EmotionModel | None,
    typer.Option(
        "--emotion-model",
        help="What reads the expression: landmarks alone, or the picture too.",
    ),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        "--min-confidence",
        min=0.01,
        max=1,
        help="How sure the detector must be that something is a face.",
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(
        "--quality",
        min=1,
        max=100,
        help="Of JPEG, WebP and AVIF. Default: as fine as the input.",
    ),
]
Surprise = Annotated[
    bool, typer.Option("--surprise", help="Draw among the emoji that come near.")
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", help="With --surprise: the same seed, the same emoji."),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Tell only what failed.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Tell more, and log each picture.")
]


def replay(
    inputs: Inputs,
    *,
    output: Output = None,
    recursive: Recursive = False,
    force: Force = False,
    json: Json = False,
    debug: Debug = False,
    theme: Theme = None,
    backend: Backend = None,
    accept_remote: AcceptRemote = False,
    emotion_model: EmotionModelName = None,
    min_confidence: MinConfidence = None,
    quality: Quality = None,
    surprise: Surprise = False,
    seed: Seed = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Put an emoji over every face of saved pictures.

    Of a folder, the pictures right in it are taken; -r takes those of its folders too,
    and keeps its shape below -o. Hidden files, *.emojified.* and *.debug.* are left
    out. A bad picture does not stop the others. A picture without faces is no failure:
    nothing is written for it.

    Exit codes: 0 done, 1 some picture failed, 2 wrong usage, 130 interrupted.
    """
    _check_options(inputs, output, json=json, debug=debug)
    _check_flags(surprise=surprise, seed=seed, quiet=quiet, verbose=verbose)
    found = find_inputs(inputs, recursive=recursive)
    targets = plan_targets(found, output)
    settings = _settings(
        verbose=verbose,
        theme=theme,
        face_backend=backend,
        emotion_model=emotion_model,
        min_confidence=min_confidence,
    )
    _check_extensions(targets)
    agree_to_send(settings, len(found.sources), accepted=accept_remote)
    if surprise and seed is None:
        seed = secrets.randbelow(_SEEDS)

    from emojifier_bot.cli.emojify_files import FileEmojifier, Wishes

    wishes = Wishes(
        force=force,
        json=json,
        debug=debug,
        to_stdout=output == STDOUT,
        quality=quality,
        surprise_seed=seed,
    )
    reporter = Reporter(quiet=quiet)
    if verbose and found.skipped:
        reporter.note(f"{counted(found.skipped, 'file')} left out.")
    if not FileEmojifier.load(settings, wishes, reporter).run_all(found, targets):
        raise typer.Exit(1)


def _settings(*, verbose: bool, **options: object) -> Settings:
    """Read the settings and have the log written as they say."""
    from emojifier_bot.config import load_settings
    from emojifier_bot.logs import configure_logging

    settings = load_settings(**options)
    louder = verbose and settings.log_level != "DEBUG"
    configure_logging("INFO" if louder else settings.log_level, settings.log_format)
    return settings


def _check_options(
    inputs: list[str], output: str | None, *, json: bool, debug: bool
) -> None:
    stdin, stdout = STDIN in inputs, output == STDOUT
    wrong = {
        "--json and -o - both want standard output. Give -o a file.": stdout and json,
        "-o - takes one picture.": stdout and len(inputs) > 1,
        "Standard output is a terminal, which cannot show a picture. Send it to a file "
        "or a program.": stdout and sys.stdout.isatty(),
        "A picture from standard input needs -o: a file, a folder, or - for standard "
        "output.": stdin and output is None,
        "- can be given only once.": inputs.count(STDIN) > 1,
        "--debug writes a second file, which needs a place: give a file as IN or as "
        "-o.": debug and stdin and stdout,
        "-o needs a name.": output == "",
        "IN needs a name.": "" in inputs,
    }
    _refuse(wrong)


def _check_flags(
    *, surprise: bool, seed: int | None, quiet: bool, verbose: bool
) -> None:
    _refuse(
        {
            "--seed only works with --surprise.": seed is not None and not surprise,
            "-q and -v contradict each other.": quiet and verbose,
        }
    )


def _refuse(wrong: dict[str, bool]) -> None:
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise WrongUsage(message)


def _check_extensions(targets: list[Target]) -> None:
    from emojifier_bot.vision.formats import WRITTEN_EXTENSIONS

    for target in targets:
        extension = target.extension
        if extension is not None and extension.lower() not in WRITTEN_EXTENSIONS:
            raise WrongUsage(
                f"Pictures cannot be written as {shown(extension)!r}. "
                f"These work: {', '.join(WRITTEN_EXTENSIONS)}."
            )
