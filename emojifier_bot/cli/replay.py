"""``replay``: an emoji over every face of saved pictures."""

from __future__ import annotations

import atexit
import gc
import secrets
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emojifier_bot.cli.console import (
    FAILED,
    Number,
    Reporter,
    WrongUsage,
    accept_remote_option,
    agree_to_send,
    backend_option,
    counted,
    recursive_option,
    setting_option,
    shown,
    theme_option,
)
from emojifier_bot.cli.file_emojifier import FileEmojifier
from emojifier_bot.cli.inputs import STANDARD_STREAM, find_inputs
from emojifier_bot.cli.outputs import (
    STANDARD_OUTPUTS,
    OutputFiles,
    is_stream,
    plan_targets,
)
from emojifier_bot.cli.picking import Picking, picking_options
from emojifier_bot.emotion_models import EmotionModel, ReadingMode
from emojifier_bot.vision.formats import (
    MOVING_EXTENSIONS,
    WRITTEN_EXTENSIONS,
)

if TYPE_CHECKING:
    pass

#: Seeds that --surprise draws for itself, below this.
_SEEDS = 2**32


@click.command
@click.argument(
    "inputs",
    metavar="IN...",
    nargs=-1,
    required=True,
    type=click.Path(),
    help="Pictures, folders of pictures, patterns, web addresses, or '-' for standard "
    "input.",
)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(),
    show_default="photo.emojified.jpg beside photo.jpg",
    help="A file for one picture; a folder if it is one, ends in '/', or there are "
    "several pictures; '-' for standard output.",
)
@recursive_option
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@click.option(
    "--skip-existing", is_flag=True, help="Leave out pictures whose result exists."
)
@click.option(
    "--include-faceless",
    is_flag=True,
    help="Write pictures without a face too, without metadata, so that a folder of "
    "results has no gaps. Standard output and pipes always get the picture.",
)
@click.option(
    "--exif-date",
    is_flag=True,
    help="Keep the date at which the photo was taken, and no other metadata.",
)
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
@picking_options
@click.option(
    "--why",
    is_flag=True,
    help="Say why each face got its emoji, and write photo.why.png with a card for "
    "each, without the photo.",
)
@theme_option
@backend_option
@accept_remote_option
@setting_option(
    "--emotion-model",
    "emotion_model",
    type=click.Choice([str(one) for one in EmotionModel]),
    help="What the expression is read from: landmarks only, or the picture too.",
)
@setting_option(
    "--reading",
    "reading",
    type=click.Choice([str(one) for one in ReadingMode]),
    help="What is read of faces: expressions; shapes, where texts only name what is "
    "visible; or off, where no emotion model is loaded and every face gets the same "
    "emoji, or any with --surprise.",
)
@setting_option(
    "--min-confidence",
    "min_confidence",
    type=Number(0.01, 1.0),
    help="Lowest detection confidence that counts as a face.",
)
@click.option(
    "--quality",
    type=Number(1, 100),
    show_default="about that of the input",
    help="Quality of JPEG, WebP and AVIF.",
)
@click.option(
    "--surprise", is_flag=True, help="Pick at random among the nearest emoji."
)
@click.option(
    "--seed",
    metavar="NUMBER",
    type=int,
    show_default="another one each time",
    help="For --surprise: the same seed picks the same emoji.",
)
@click.option(
    "--frame",
    type=click.Choice(["all", "first"]),
    default="all",
    show_default=True,
    help="Of an animation: all frames, which stay an animation, or the first as a "
    "picture. Where the first shows no face, it is the one that shows most.",
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
    skip_existing: bool,
    include_faceless: bool,
    exif_date: bool,
    as_json: bool,
    debug: bool,
    why: bool,
    theme: str | None,
    backend: str | None,
    accept_remote: bool,
    emotion_model: str | None,
    reading: str | None,
    min_confidence: float | None,
    quality: int | None,
    surprise: bool,
    seed: int | None,
    picking: Picking,
    frame: str,
    quiet: bool,
    verbose: bool,
) -> None:
    """Put an emoji over every face of saved pictures.

    In a folder, only the pictures directly in it are read; with -r those in its
    subfolders too, and -o gets the same subfolders. Hidden files, *.emojified.*,
    *.numbered.*, *.debug.* and *.why.* are skipped. A picture that fails does not stop
    the others. A picture without faces is not a failure: nothing is written for it.
    Results have the date of their input's file, and each has a name of its own: that of
    photo.heic in the folder of a photo.jpg is photo.heic.emojified.jpg.

    Exit codes: 0 success, 1 a picture failed, 2 wrong usage, 130 interrupted.
    """
    if output in STANDARD_OUTPUTS:
        output = STANDARD_STREAM
    found = find_inputs(inputs, recursive=recursive)
    stdin, stdout = STANDARD_STREAM in inputs, output == STANDARD_STREAM
    checks = {
        "--json and -o - both want standard output. Give -o a file.": stdout
        and as_json,
        "-o - takes one picture, not several or a folder.": stdout and found.many,
        "Standard output is closed.": stdout and sys.stdout is None,
        "Standard output is a terminal, which cannot show a picture. Direct it to a "
        "file or a program.": stdout and sys.stdout is not None and sys.stdout.isatty(),
        "A picture from standard input needs -o: a file, a folder, or - for "
        "standard output.": stdin and output is None,
        "- can be given only once.": inputs.count(STANDARD_STREAM) > 1,
        "--debug, --number and --why write a second file, which needs a place: give a "
        "file as IN or as -o.": (debug or why or picking.numbered)
        and ((stdin and stdout) or is_stream(Path(output or ""))),
        "-o needs a name.": output == "",
        "IN needs a name.": "" in inputs,
        "--seed only works with --surprise.": seed is not None and not surprise,
        "--surprise chooses emoji, and --plan has chosen them.": surprise
        and picking.plan is not None,
        "Numbers, places and plans are those of one picture, not of several or a "
        "folder.": found.many and picking.for_one_picture,
        "--force and --skip-existing contradict each other.": force and skip_existing,
        "-q and -v contradict each other.": quiet and verbose,
    }
    for message, is_wrong in checks.items():
        if is_wrong:
            raise WrongUsage(message)
    targets = plan_targets(found, output)

    from emojifier_bot.app import make_pipeline, make_web_client
    from emojifier_bot.config import load_picture_settings
    from emojifier_bot.logs import configure_logging

    settings = load_picture_settings(
        theme=theme or picking.theme,
        face_backend=backend,
        emotion_model=emotion_model,
        reading=reading,
        min_confidence=min_confidence,
    )
    louder = verbose and settings.log_level != "DEBUG"
    configure_logging("INFO" if louder else settings.log_level, settings.log_format)
    for extension in filter(None, (one.extension for one in targets)):
        if extension.lower() not in {*WRITTEN_EXTENSIONS, *MOVING_EXTENSIONS}:
            raise WrongUsage(
                f"Nothing can be written as {shown(extension)!r}. For pictures these "
                f"work: {', '.join(WRITTEN_EXTENSIONS)}. For animations and videos: "
                f"{', '.join(MOVING_EXTENSIONS)}."
            )
    sent = 0 if picking.plan else len(found.sources)
    agree_to_send(settings, sent, accepted=accept_remote)
    if surprise and seed is None:
        seed = secrets.randbelow(_SEEDS)
    reporter = Reporter(quiet=quiet)
    if verbose and found.skipped:
        reporter.note(f"{counted(found.skipped, 'file')} left out.")
    pipeline = make_pipeline(settings, expressions=picking.reads_expressions)
    picking.check_names(pipeline.emoji.theme)
    emojifier = FileEmojifier(
        pipeline,
        OutputFiles(found.identities, force),
        reporter,
        max_bytes=settings.max_bytes,
        make_client=partial(make_web_client, settings),
        json=as_json,
        debug=debug,
        why=why,
        to_stdout=stdout,
        skip_existing=skip_existing,
        include_faceless=include_faceless,
        exif_date=exif_date,
        quality=quality,
        surprise_seed=seed,
        picking=picking.with_covers(pipeline),
        one_frame=frame == "first",
    )
    # At the end models and pictures go with the process; collecting them takes 20 ms.
    atexit.register(gc.freeze)
    if not emojifier.run(found, targets):
        raise SystemExit(FAILED)
