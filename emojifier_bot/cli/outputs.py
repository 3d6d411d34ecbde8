"""From the pictures that are read to the files of their results."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from emojifier_bot.cli.console import WrongUsage, shown
from emojifier_bot.cli.inputs import (
    DEBUG_SUFFIX,
    NUMBERS_SUFFIX,
    RESULT_SUFFIX,
    STANDARD_STREAM,
    WHY_SUFFIX,
    Identity,
    Inputs,
    Source,
    identity,
    is_folder,
)
from emojifier_bot.errors import ErrorKind, OutputError, reason_of
from emojifier_bot.vision.formats import format_for, format_named

#: Other names of standard output.
STANDARD_OUTPUTS = frozenset({"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
#: Folders of what a process has open: a process substitution has its name there.
_OPEN_FILES = ("/dev/fd/", "/proc/self/fd/")


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
    #: The input's whole name.
    name: str = ""
    #: Extensions of results, in lower case, for which the stem is another picture's.
    others: frozenset[str] = frozenset()

    @property
    def is_stream(self) -> bool:
        """Tell whether the result is written through to a FIFO or a device."""
        return self.file is not None and is_stream(self.file)

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
        return self.folder / "{}{}{}".format(*self._named(RESULT_SUFFIX, extensions))

    def debug(self, extensions: Sequence[str]) -> Path:
        """Return the file for the picture that shows boxes and points."""
        return self._beside(DEBUG_SUFFIX, extensions)

    def numbered(self, extensions: Sequence[str]) -> Path:
        """Return the file for the result that shows the faces' numbers."""
        return self._beside(NUMBERS_SUFFIX, extensions)

    def why(self) -> Path:
        """Return the file for the cards that say why."""
        return self._beside(WHY_SUFFIX, (".png",))

    def _beside(self, mark: str, extensions: Sequence[str]) -> Path:
        stem, *rest = self._named(mark, extensions)
        return self.folder / "{}{}{}".format(stem.removesuffix(RESULT_SUFFIX), *rest)

    def _named(self, mark: str, extensions: Sequence[str]) -> tuple[str, str, str]:
        suffix = self.suffix if self.suffix.lower() in extensions else extensions[0]
        is_others = suffix.lower() in self.others and not self.name.endswith(suffix)
        return self.name if is_others else self.stem, mark, suffix

    def variants(self) -> Iterator[Target]:
        """Yield this target, then others for the result of the same picture."""
        yield self
        yield replace(self, stem=self.name)
        for number in count(2):
            yield replace(self, stem=f"{self.stem}-{number}", others=frozenset())


def plan_targets(inputs: Inputs, output: str | None) -> list[Target]:
    """Return a target for each source; each has a file of its own.

    Raises:
        WrongUsage: The file that was asked for is one of the inputs.
    """
    targets = [_target(one, inputs, output) for one in inputs.sources]
    if output == STANDARD_STREAM:
        return targets
    targets = _with_others(targets, inputs)
    for target in targets:
        if target.file is not None and identity(target.file) in inputs.identities:
            raise WrongUsage(
                f"{shown(str(target.file))} is an input. Choose another output: an "
                "input is never overwritten."
            )
    taken: set[str] = set()
    # Of photo.heic and photo.jpg, whose results are both JPEG, the JPEG keeps its name.
    for index in sorted(range(len(targets)), key=lambda at: _is_renamed(inputs, at)):
        names = targets[index].variants()
        free = (one for one in names if os.path.realpath(one.expected) not in taken)
        targets[index] = next(free)
        taken.add(os.path.realpath(targets[index].expected))
    return targets


def _with_others(targets: list[Target], inputs: Inputs) -> list[Target]:
    """Return targets that leave the pictures beside their inputs their names.

    Whether those are inputs too does not matter: another run may have had them.
    """
    pictures: dict[Path, dict[str, list[str]]] = {}
    found = []
    for target, source in zip(targets, inputs.sources, strict=True):
        if source.path is not None and target.file is None:
            folder = source.path.parent
            if folder not in pictures:
                pictures[folder] = _extensions_by_stem(folder)
            stem, own = _split(source.name)
            beside = [*pictures[folder].get(stem, ())]
            if own in beside:
                beside.remove(own)
            others = frozenset(_result_suffix(one).lower() for one in beside)
            target = replace(target, others=others)  # noqa: PLW2901 - the same one
        found.append(target)
    return found


def _extensions_by_stem(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with suppress(OSError, ValueError):
        for stem, suffix in map(_split, os.listdir(folder)):  # noqa: PTH208 - a thousand names
            if suffix:
                found.setdefault(stem, []).append(suffix)
    return found


def _is_renamed(inputs: Inputs, index: int) -> bool:
    named = format_for(_split(inputs.sources[index].name)[1])
    return named is None or not named.is_written


def _target(source: Source, inputs: Inputs, output: str | None) -> Target:
    stem, suffix = _split(source.name)
    if output is None or output == STANDARD_STREAM:
        folder = source.path.parent if source.path else Path()
    elif _names_folder(output, inputs):
        folder = Path(output, source.subfolder)
    else:
        file = Path(output)
        return Target(file.parent, *_split(file.name), file=file, name=source.name)
    return Target(folder, stem, _result_suffix(suffix), name=source.name)


def _result_suffix(suffix: str) -> str:
    """Return a result's extension, as far as the input's tells."""
    read = format_for(suffix)
    if read is None or read.is_written:
        return suffix
    return format_named(read.becomes[0]).extensions[0]


def _names_folder(output: str, inputs: Inputs) -> bool:
    if inputs.many and os.path.lexists(output) and not is_folder(output):
        raise WrongUsage(f"{shown(output)} is a file. Several pictures need a folder.")
    if output.endswith((os.sep, os.altsep or os.sep)) or is_folder(output):
        return True
    if inputs.many and format_for(Path(output).suffix) is not None:
        raise WrongUsage(
            f"{shown(output)} is the name of one picture, and several need a folder. "
            f"For a folder of that name write {shown(output)}{os.sep}"
        )
    return inputs.many


def _split(name: str) -> tuple[str, str]:
    """Return a file's name and extension; only a picture's extension is one."""
    suffix = Path(name).suffix
    if format_for(suffix) is None:
        return name, ""
    return name.removesuffix(suffix), suffix


def is_stream(path: Path) -> bool:
    """Return whether writing there replaces no file: a FIFO, a device, a descriptor."""
    if str(path).startswith(_OPEN_FILES):
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def refuse_existing(path: Path, *, force: bool) -> None:
    """Check that a file may be written.

    Raises:
        OutputError: It is there already and ``force`` is not given, or it is a folder
            or a disk.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if is_stream(path):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        what = "a folder" if stat.S_ISDIR(mode) else "neither a file nor a pipe"
        raise OutputError(
            f"{shown(str(path))} is {what}. Choose another name, or -o - for standard "
            "output.",
            kind=ErrorKind.NOT_A_FILE,
        )
    if not force:
        raise OutputError(
            f"{shown(str(path))} is there already. Use --force to overwrite it, or -o "
            "to write elsewhere.",
            kind=ErrorKind.EXISTS,
        )


def write_file(
    path: Path,
    content: bytes,
    *,
    force: bool,
    modified_ns: int | None = None,
    mode: int = 0o666,
) -> None:
    """Write a whole file or nothing, making the folders above it if need be.

    A FIFO or a device is written to; a link stays, and the file behind it is replaced.

    Args:
        path: Where to.
        content: All of it.
        force: Whether an existing file is overwritten.
        modified_ns: The file's date; None is now.
        mode: Who may use the file, as far as the umask allows it.

    Raises:
        OutputError: It exists and ``force`` is not given, or the place refuses it.
    """
    refuse_existing(path, force=force)
    try:
        if is_stream(path):
            with path.open("wb") as stream:
                stream.write(content)
        else:
            _replace(Path(os.path.realpath(path)), content, force, modified_ns, mode)
    except (OSError, ValueError) as error:
        if isinstance(error, FileExistsError):
            refuse_existing(path, force=force)
        raise OutputError(
            f"{shown(str(path))} cannot be written: {reason_of(error)}. Use -o to "
            "write elsewhere.",
            kind=ErrorKind.NOT_WRITABLE,
        ) from error


def _replace(
    path: Path, content: bytes, force: bool, modified_ns: int | None, mode: int
) -> None:
    temporary = path.with_name(f".emojifier-{secrets.token_hex(8)}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        new = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        with os.fdopen(os.open(temporary, new, mode), "wb") as file:
            file.write(content)
        if modified_ns is not None:
            os.utime(temporary, ns=(modified_ns, modified_ns))
        if not force:
            # Takes the name if nobody else did so since it was checked.
            path.touch(exist_ok=False)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class OutputFiles:
    """What one run writes: never over an input, and no file twice."""

    #: The files that are read.
    inputs: frozenset[Identity]
    force: bool
    written: set[Identity] = field(default_factory=set)

    def check(self, path: Path) -> None:
        """Check that a file may be written.

        Raises:
            OutputError: It is an input, or `refuse_existing` refuses it.
        """
        if identity(path) in self.inputs:
            raise OutputError(
                f"{shown(str(path))} is an input, which is never overwritten. Use -o "
                "to write elsewhere.",
                kind=ErrorKind.EXISTS,
            )
        refuse_existing(path, force=self.force)

    def free(self, target: Target, extensions: Sequence[str]) -> Target:
        """Return a target whose file this run has not written yet.

        Names were chosen before the formats were known: that of ``photo.jpg`` may be
        PNG, as that of ``photo.png``.

        Args:
            target: As planned.
            extensions: Of the result's format.
        """
        return next(
            one
            for one in target.variants()
            if identity(one.result(extensions)) not in self.written
        )

    def write(self, files: Mapping[Path, bytes], modified_ns: int | None) -> None:
        """Write files, all of which are checked before the first is written.

        Raises:
            OutputError: One is there already, or its place refuses it.
        """
        for path in files:
            self.check(path)
        for path, content in files.items():
            write_file(path, content, force=self.force, modified_ns=modified_ns)
            if (written := identity(path)) is not None:
                self.written.add(written)
