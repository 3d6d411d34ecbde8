"""From the names that were typed to the pictures that are read and written."""

from __future__ import annotations

import glob
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emojifier_bot.cli.console import WrongUsage, shown
from emojifier_bot.errors import ErrorKind, ImageError, OutputError
from emojifier_bot.vision.formats import format_for, format_named

#: Stands for standard input and for standard output.
STANDARD_STREAM = "-"
RESULT_SUFFIX, DEBUG_SUFFIX = ".emojified", ".debug"
#: Name of results of standard input that go into a folder.
STREAM_STEM = "stdin"
_HIDDEN = "."


@dataclass(frozen=True, slots=True)
class Source:
    """One picture to work on."""

    #: As it was typed; a folder's pictures have its name before theirs.
    given: str
    #: None is standard input.
    path: Path | None
    #: Where a folder's picture lies below it.
    subfolder: Path = Path()
    #: Why there is no picture: a folder that cannot be listed.
    problem: str | None = None

    def read(self, max_bytes: int) -> bytes:
        """Return the picture's bytes.

        Raises:
            ImageError: It cannot be read, or has more bytes than are allowed.
        """
        try:
            data = self._read(max_bytes + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError(
                f"It cannot be read: {reason}. Check the path and its permissions.",
                kind=ErrorKind.UNREADABLE,
            ) from error
        if len(data) > max_bytes:
            raise ImageError(
                f"This file has more than {max_bytes / 1e6:g} MB, which is the most "
                "that is read. Take a smaller one.",
                kind=ErrorKind.TOO_LARGE,
            )
        return data

    def _read(self, count: int) -> bytes:
        if self.problem is not None:
            raise OSError(self.problem)
        if self.path is None:
            return sys.stdin.buffer.read(count)
        with self.path.open("rb") as file:
            return file.read(count)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All pictures of one run, in the order they were given."""

    sources: tuple[Source, ...]
    #: Whether they are a batch: several, a folder or a pattern.
    many: bool
    #: Files in folders that are no pictures, or are our own.
    skipped: int


def find_inputs(given: Iterable[str], *, recursive: bool) -> Inputs:
    """Return the pictures that files, folders, patterns and ``-`` stand for.

    Args:
        given: As typed. What is missing becomes a source that cannot be read.
        recursive: Go into the folders of a folder.
    """
    given = list(given)
    found: list[Source] = []
    skipped = 0
    for one in given:
        sources, passed = _expand(one, recursive=recursive)
        found += sources
        skipped += passed
    many = len(given) > 1 or any(map(_is_batch, given))
    return Inputs(tuple(found), many, skipped)


# `Path.is_dir` and `Path.is_file` raise for some names, such as too long ones.
def is_folder(name: str) -> bool:
    """Return whether there is a folder of this name."""
    return os.path.isdir(name)  # noqa: PTH112 - see above


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - see above


def is_pattern(given: str) -> bool:
    """Return whether a name is a pattern that the shell left alone."""
    return glob.has_magic(given) and not os.path.lexists(given)


def _is_batch(given: str) -> bool:
    return given != STANDARD_STREAM and (is_folder(given) or is_pattern(given))


def _expand(given: str, *, recursive: bool) -> tuple[list[Source], int]:
    if given == STANDARD_STREAM:
        return [Source(given, None)], 0
    if is_folder(given):
        return _folder(given, recursive=recursive)
    if not is_pattern(given):
        return [Source(given, Path(given))], 0
    # `Path.glob` knows no patterns that begin at the root.
    matches = sorted(map(Path, glob.glob(given, recursive=True)))  # noqa: PTH207 - see above
    taken = [one for one in matches if _is_file(one) and not is_ours(one)]
    if not matches:
        return [Source(given, Path(given), problem="Nothing has such a name")], 0
    return [Source(str(one), one) for one in taken], len(matches) - len(taken)


def _folder(given: str, *, recursive: bool) -> tuple[list[Source], int]:
    problems: list[Source] = []

    def refused(error: OSError) -> None:
        name = os.fsdecode(error.filename)
        problems.append(Source(name, Path(name), problem=error.strerror))

    sources, skipped = [], 0
    for path in _files(given, refused, recursive=recursive):
        if not is_picture(path):
            skipped += 1
            continue
        below = path.parent.relative_to(given)
        sources.append(Source(str(path), path, below))
    return sources + problems, skipped


def _files(
    folder: str, refused: Callable[[OSError], None], *, recursive: bool
) -> Iterator[Path]:
    for parent, subfolders, names in os.walk(folder, onerror=refused):
        subfolders.sort()
        if not recursive:
            subfolders.clear()
        subfolders[:] = [one for one in subfolders if not one.startswith(_HIDDEN)]
        for name in sorted(names):
            if not name.startswith(_HIDDEN):
                yield Path(parent, name)


def is_picture(path: Path) -> bool:
    """Return whether a folder's file is a picture by its name, and not one we made."""
    named = format_for(path.suffix) is not None
    return named and not is_ours(path) and _is_file(path)


def is_ours(path: Path) -> bool:
    """Return whether a name is one that we give to results."""
    return Path(path.stem).suffix.lower() in {RESULT_SUFFIX, DEBUG_SUFFIX}


@dataclass(frozen=True, slots=True)
class Target:
    """Where the result of one picture goes."""

    folder: Path
    #: The input's name without its extension.
    stem: str
    #: The extension that is kept if the result's format fits it.
    suffix: str
    #: The very file that was asked for.
    file: Path | None = None

    @property
    def expected(self) -> Path:
        """Return the file as far as the input's name tells its format."""
        return self.result((self.suffix,))

    @property
    def extension(self) -> str | None:
        """Return the extension that the result must suit, if one was asked for."""
        return (self.file and self.file.suffix) or None

    def result(self, extensions: Sequence[str]) -> Path:
        """Return the file for a result whose format has these extensions."""
        if self.file is not None:
            return self.file
        return self.folder / f"{self.stem}{RESULT_SUFFIX}{self._fitting(extensions)}"

    def debug(self, extensions: Sequence[str]) -> Path:
        """Return the file for the picture that shows boxes and points."""
        stem = self.stem.removesuffix(RESULT_SUFFIX)
        return self.folder / f"{stem}{DEBUG_SUFFIX}{self._fitting(extensions)}"

    def _fitting(self, extensions: Sequence[str]) -> str:
        return self.suffix if self.suffix.lower() in extensions else extensions[0]


def plan_targets(inputs: Inputs, output: str | None) -> list[Target]:
    """Return a target for each source.

    Raises:
        WrongUsage: Two results would be one file, or one of the inputs.
    """
    targets = [_target(one, inputs, output) for one in inputs.sources]
    if output != STANDARD_STREAM:
        _refuse_clashes(inputs.sources, targets)
        _refuse_inputs(inputs.sources, targets)
    return targets


def names_folder(output: str, inputs: Inputs) -> bool:
    """Return whether ``-o`` names a folder.

    Raises:
        WrongUsage: It must be one and is a file.
    """
    separators = (os.sep, os.altsep or os.sep)
    if inputs.many and os.path.lexists(output) and not is_folder(output):
        raise WrongUsage(f"{shown(output)} is a file. Several pictures need a folder.")
    return inputs.many or output.endswith(separators) or is_folder(output)


def _target(source: Source, inputs: Inputs, output: str | None) -> Target:
    name = source.path.name if source.path else STREAM_STEM
    stem, suffix = _split(name)
    if output is None or output == STANDARD_STREAM:
        folder = source.path.parent if source.path else Path()
    elif names_folder(output, inputs):
        folder = Path(output, source.subfolder)
    else:
        file = Path(output)
        return Target(file.parent, *_split(file.name), file=file)
    return Target(folder, stem, _written_as(suffix))


def _split(name: str) -> tuple[str, str]:
    """Return a file's name and extension; only a picture's extension is one."""
    suffix = Path(name).suffix
    if format_for(suffix) is None:
        return name, ""
    return name.removesuffix(suffix), suffix


def _written_as(suffix: str) -> str:
    """Return the extension of results: the input's own if they are written in it."""
    source = format_for(suffix)
    if source is None or source.is_written:
        return suffix
    return format_named(source.becomes[0]).extensions[0]


def _refuse_clashes(sources: Iterable[Source], targets: Iterable[Target]) -> None:
    taken: dict[str, Source] = {}
    for source, target in zip(sources, targets, strict=True):
        place = os.path.realpath(target.expected)
        if place in taken:
            raise WrongUsage(
                f"{shown(taken[place].given)} and {shown(source.given)} would both "
                f"become {shown(str(target.expected))}. Emojify them one at a time, "
                "each with its own -o."
            )
        taken[place] = source


def _refuse_inputs(sources: Iterable[Source], targets: Iterable[Target]) -> None:
    read = {_identity(one.path) for one in sources if one.path} - {None}
    for target in targets:
        if _identity(target.expected) in read:
            raise WrongUsage(
                f"{shown(str(target.expected))} is an input. Choose another output: "
                "an input is never overwritten."
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def refuse_existing(path: Path, *, force: bool) -> None:
    """Check that a file may be written.

    Raises:
        OutputError: It is there already and ``force`` is not given, or it is a folder
            or a device.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OutputError(
            f"{shown(str(path))} is a folder or a device. Choose another name.",
            kind=ErrorKind.NOT_A_FILE,
        )
    if not force:
        raise OutputError(
            f"{shown(str(path))} is there already. Use --force to overwrite it, or -o "
            "to write elsewhere.",
            kind=ErrorKind.EXISTS,
        )


def write_file(path: Path, content: bytes, *, force: bool) -> None:
    """Write a whole file or nothing, making the folders above it if need be.

    Raises:
        OutputError: It exists and ``force`` is not given, or the place refuses it.
    """
    refuse_existing(path, force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content, force=force)
    except FileExistsError as error:
        refuse_existing(path, force=force)
        raise _refused(path, error) from error
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error


def _replace(path: Path, content: bytes, *, force: bool) -> None:
    temporary = path.with_name(f".emojifier-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        if not force:
            # Takes the name if nobody else did so since it was checked.
            path.touch(exist_ok=False)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _refused(path: Path, error: Exception) -> OutputError:
    reason = getattr(error, "strerror", None) or str(error)
    return OutputError(
        f"{shown(str(path))} cannot be written: {reason}. Use -o to write elsewhere.",
        kind=ErrorKind.NOT_WRITABLE,
    )
