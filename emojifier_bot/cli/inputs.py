"""From what was typed to the pictures that are meant."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.formats import format_for

STDIN = "-"
#: Second-last suffixes of pictures that we made.
OUR_SUFFIXES = frozenset({".emojified", ".debug"})
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
    """Tell whether there is a folder of this name."""
    return os.path.isdir(name)  # noqa: PTH112 - see above


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - see above


def is_pattern(given: str) -> bool:
    """Tell whether a name is a pattern that the shell left alone."""
    return glob.has_magic(given) and not os.path.lexists(given)


def _is_batch(given: str) -> bool:
    return given != STDIN and (is_folder(given) or is_pattern(given))


def _expand(given: str, *, recursive: bool) -> tuple[list[Source], int]:
    if given == STDIN:
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
    """Tell whether a folder's file is a picture by its name, and not one we made."""
    named = format_for(path.suffix) is not None
    return named and not is_ours(path) and _is_file(path)


def is_ours(path: Path) -> bool:
    """Tell whether a name is one that we give to results."""
    return Path(path.stem).suffix.lower() in OUR_SUFFIXES
