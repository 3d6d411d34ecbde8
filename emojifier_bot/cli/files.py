"""From the names that were typed to the pictures that are read and written."""

from __future__ import annotations

import glob
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Sequence
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
            raise ImageError(
                f"It cannot be read: {reason_of(error)}. Check the path and its "
                "permissions.",
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
    many = len(given) > 1 or any(_is_folder(one) or is_pattern(one) for one in given)
    return Inputs(tuple(found), many, skipped)


# `Path.is_dir` and `Path.is_file` raise for some names, such as too long ones.
def _is_folder(name: str) -> bool:
    return name != STANDARD_STREAM and os.path.isdir(name)  # noqa: PTH112 - see above


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - see above


def is_pattern(given: str) -> bool:
    """Return whether a name is a pattern that the shell left alone."""
    return glob.has_magic(given) and not os.path.lexists(given)


def _expand(given: str, *, recursive: bool) -> tuple[list[Source], int]:
    if given == STANDARD_STREAM:
        return [Source(given, None)], 0
    if _is_folder(given):
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
    sources: list[Source] = []
    problems: list[Source] = []
    skipped = 0

    def refused(error: OSError) -> None:
        name = os.fsdecode(error.filename)
        problems.append(Source(name, Path(name), problem=error.strerror))

    for parent, subfolders, names in os.walk(given, onerror=refused):
        visible = sorted(one for one in subfolders if not one.startswith(_HIDDEN))
        subfolders[:] = visible if recursive else []
        below = Path(parent).relative_to(given)
        for name in sorted(one for one in names if not one.startswith(_HIDDEN)):
            path = Path(parent, name)
            if is_picture(path):
                sources.append(Source(str(path), path, below))
            else:
                skipped += 1
    return sources + problems, skipped


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
    if output == STANDARD_STREAM:
        return targets
    taken: dict[str, Source] = {}
    read = {_identity(one.path) for one in inputs.sources if one.path} - {None}
    for source, target in zip(inputs.sources, targets, strict=True):
        expected = shown(str(target.expected))
        place = os.path.realpath(target.expected)
        if place in taken:
            raise WrongUsage(
                f"{shown(taken[place].given)} and {shown(source.given)} would both "
                f"become {expected}. Emojify them one at a time, each with its own -o."
            )
        taken[place] = source
        if _identity(target.expected) in read:
            raise WrongUsage(
                f"{expected} is an input. Choose another output: an input is never "
                "overwritten."
            )
    return targets


def _target(source: Source, inputs: Inputs, output: str | None) -> Target:
    name = source.path.name if source.path else STREAM_STEM
    stem, suffix = _split(name)
    if output is None or output == STANDARD_STREAM:
        folder = source.path.parent if source.path else Path()
    elif _names_folder(output, inputs):
        folder = Path(output, source.subfolder)
    else:
        file = Path(output)
        return Target(file.parent, *_split(file.name), file=file)
    written = format_for(suffix)
    if written is not None and not written.is_written:
        suffix = format_named(written.becomes[0]).extensions[0]
    return Target(folder, stem, suffix)


def _names_folder(output: str, inputs: Inputs) -> bool:
    if inputs.many and os.path.lexists(output) and not _is_folder(output):
        raise WrongUsage(f"{shown(output)} is a file. Several pictures need a folder.")
    separators = (os.sep, os.altsep or os.sep)
    return inputs.many or output.endswith(separators) or _is_folder(output)


def _split(name: str) -> tuple[str, str]:
    """Return a file's name and extension; only a picture's extension is one."""
    suffix = Path(name).suffix
    if format_for(suffix) is None:
        return name, ""
    return name.removesuffix(suffix), suffix


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def reason_of(error: Exception) -> str:
    """Return the system's words for why a file cannot be read or written."""
    return getattr(error, "strerror", None) or str(error)


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
    temporary = path.with_name(f".emojifier-{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            if not force:
                # Takes the name if nobody else did so since it was checked.
                path.touch(exist_ok=False)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        if isinstance(error, FileExistsError):
            refuse_existing(path, force=force)
        raise OutputError(
            f"{shown(str(path))} cannot be written: {reason_of(error)}. Use -o to "
            "write elsewhere.",
            kind=ErrorKind.NOT_WRITABLE,
        ) from error
