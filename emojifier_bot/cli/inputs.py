"""From the names that were typed to the pictures that are read."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from emojifier_bot.errors import ErrorKind, FetchError, ImageError, reason_of
from emojifier_bot.vision.formats import format_for

if TYPE_CHECKING:
    from emojifier_bot.http import GuardedClient

#: Stands for standard input and for standard output.
STANDARD_STREAM = "-"
RESULT_SUFFIX, DEBUG_SUFFIX, NUMBERS_SUFFIX = ".emojified", ".debug", ".numbered"
WHY_SUFFIX = ".why"
#: Names of results of standard input, and of addresses that name no file.
STREAM_STEM, ADDRESS_STEM = "stdin", "picture"
#: File systems of memory cards keep dates to two seconds.
DATE_STEP_NS = 2 * 10**9
_HIDDEN = "."
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
#: A file whatever its name: device and inode.
Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """One picture to work on."""

    #: As it was typed; a folder's pictures have its name before theirs.
    given: str
    #: None is standard input, or an address.
    path: Path | None
    #: Where a folder's picture lies below it.
    subfolder: Path = Path()
    #: Why there is no picture: a folder that cannot be listed.
    problem: str | None = None

    @property
    def name(self) -> str:
        """Return the file name that results are named after."""
        if self.path is not None:
            return self.path.name
        if is_address(self.given):
            return Path(unquote(urlsplit(self.given).path)).name or ADDRESS_STEM
        return STREAM_STEM

    @property
    def modified_ns(self) -> int | None:
        """Return when the file was changed, if it is one."""
        try:
            return self.path.stat().st_mtime_ns if self.path else None
        except (OSError, ValueError):
            return None

    def has_date_of(self, path: Path) -> bool:
        """Tell whether a result has this file's date, as ours have; else True."""
        other_ns = Source(str(path), path).modified_ns
        if self.modified_ns is None or other_ns is None:
            return True
        return abs(other_ns - self.modified_ns) <= DATE_STEP_NS

    def read(self, max_bytes: int, make_client: Callable[[], GuardedClient]) -> bytes:
        """Return the picture's bytes.

        Args:
            max_bytes: The most that are read.
            make_client: Builds what fetches an address.

        Raises:
            FetchError: The address leads to no file.
            ImageError: It cannot be read, or has more bytes than are allowed.
        """
        if self.path is None and is_address(self.given):
            return _fetch(self.given, make_client())
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
                "that is read. Take a smaller one, or raise EMOJIFIER_MAX_BYTES.",
                kind=ErrorKind.TOO_LARGE,
            )
        return data

    def _read(self, count: int) -> bytes:
        if self.problem is not None:
            raise OSError(self.problem)
        if self.path is None:
            if sys.stdin is None:
                raise OSError("Standard input is closed")
            return sys.stdin.buffer.read(count)
        with self.path.open("rb") as file:
            return file.read(count)


def _fetch(address: str, client: GuardedClient) -> bytes:
    try:
        return client.get(address).data
    except FetchError as error:
        from emojifier_bot.http import OWN_FAULTS

        hint = OWN_FAULTS.get(
            error.kind,
            "Check the address, or download the picture and name the file.",
        )
        if error.kind == ErrorKind.PRIVATE_ADDRESS:
            hint = "FETCH_ALLOW_HOSTS allows private hosts."
        raise FetchError(
            f"It was not fetched: {error.kind.replace('_', ' ')}. {hint}",
            kind=error.kind,
            retryable=error.retryable,
        ) from error


def identity(path: Path) -> Identity | None:
    """Return which file a name leads to; None if it leads to none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


@dataclass(frozen=True, slots=True)
class Inputs:
    """All pictures of one run, in the order they were given."""

    sources: tuple[Source, ...]
    #: Whether they are a batch: several, a folder or a pattern.
    many: bool
    #: Files in folders that are no pictures, or are our own.
    skipped: int

    @property
    def identities(self) -> frozenset[Identity]:
        """Return the files that are read, which nothing may overwrite."""
        found = (identity(one.path) for one in self.sources if one.path)
        return frozenset(one for one in found if one is not None)


def find_inputs(given: Iterable[str], *, recursive: bool) -> Inputs:
    """Return the pictures that files, folders, patterns and ``-`` stand for, each once.

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
    many = len(given) > 1 or any(is_folder(one) or is_pattern(one) for one in given)
    unique: dict[str, Source] = {}
    for source in found:
        # No links are followed: two names are two pictures.
        place = os.path.abspath(source.path) if source.path else source.given  # noqa: PTH100 - it keeps links
        unique.setdefault(place, source)
    return Inputs(tuple(unique.values()), many, skipped)


# `Path.is_dir` and `Path.is_file` raise for some names, such as too long ones.
def is_folder(name: str) -> bool:
    """Return whether a name leads to a folder."""
    return name != STANDARD_STREAM and os.path.isdir(name)  # noqa: PTH112 - see above


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - see above


def is_pattern(given: str) -> bool:
    """Return whether a name is a pattern that the shell left alone."""
    return (
        glob.has_magic(given) and not is_address(given) and not os.path.lexists(given)
    )


def is_address(given: str) -> bool:
    """Return whether a name is a web address; a file of that name comes first."""
    return bool(_ADDRESS.match(given)) and not os.path.lexists(given)


def _expand(given: str, *, recursive: bool) -> tuple[list[Source], int]:
    if given == STANDARD_STREAM or is_address(given):
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
    ours = {RESULT_SUFFIX, DEBUG_SUFFIX, NUMBERS_SUFFIX, WHY_SUFFIX}
    return Path(path.stem).suffix.lower() in ours
