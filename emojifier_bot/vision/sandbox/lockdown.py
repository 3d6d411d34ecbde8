"""What a decoder's process gives up before it sees a stranger's bytes.

Limits work wherever Python does. The rest is Linux: what its kernel does not know is
skipped, since each is a second line of defence, not the first.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import sys
from pathlib import Path

from emojifier_bot.vision.sandbox.protocol import (
    PICTURES_PER_CHILD,
    ChildLimits,
    IsolationStatus,
)
from emojifier_bot.vision.sandbox.seccomp import refuse_system_calls

#: Address space beyond the memory: for threads' stacks and the allocator's reserves.
_MORE_ADDRESS_BYTES = 2**30
_PAGE_BYTES = resource.getpagesize()
#: The highest score is ended first: proc(5).
_OOM_SCORE = Path("/proc/self/oom_score_adj")
_FIRST_TO_DIE, _AMONG_THE_FIRST = "1000", "500"

# <malloc.h>
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 2**20
# <linux/prctl.h>
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
# <linux/landlock.h>: system calls have these numbers on every processor.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_ASK_VERSION = 1
#: Rights over files, ports and other processes that each version knows, as bits: all
#: are given up.
_FILE_BITS = {1: 13, 2: 14, 3: 15, 5: 16}
_PORT_BITS = {4: 2}
_SCOPE_BITS = {6: 2}


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("ports", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


def lock_down(limits: ChildLimits, taken_bytes: int = 0) -> IsolationStatus:
    """Set the limits of this process, and give up what decoding does not need.

    Args:
        limits: What a picture may take.
        taken_bytes: What is taken of its memory already.
    """
    if sys.platform != "linux":
        _limit_resources(limits, taken_bytes)
        return IsolationStatus()
    # The system ends this process, not its parent, when memory runs out.
    with contextlib.suppress(OSError):
        _OOM_SCORE.write_text(_FIRST_TO_DIE)
    _limit_resources(limits, taken_bytes)
    libc = ctypes.CDLL(None, use_errno=True)
    # No core file ever holds a picture, no process of this user looks inside.
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return IsolationStatus(_give_up_files(libc), refuse_system_calls(libc))


def processor_seconds(process: int) -> float:
    """Return what a process and those that it started have used; 0 where unknown."""
    folder = Path("/proc", str(process))
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        started = " ".join(one.read_text() for one in folder.glob("task/*/children"))
    except OSError:
        return 0.0
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds + sum(processor_seconds(int(one)) for one in started.split())


def give_way(leader: int, niceness: int) -> None:
    """Let others have the processor before a session and whom it starts.

    A session may be one group among others, which has a value of its own: sched(7).

    Args:
        leader: The process that leads the session.
        niceness: 5 gets a third of what others get, 15 a thirtieth, where all want it.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PGRP, leader, niceness)
        Path("/proc", str(leader), "autogroup").write_text(str(niceness))


def limit_memory(limits: ChildLimits) -> None:
    """Let this process take so much more memory than it has, and die before its parent.

    Processes that it starts may raise that limit for themselves.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            _OOM_SCORE.write_text(_AMONG_THE_FIRST)
    _, data_bytes = memory_in_use()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    with contextlib.suppress(ValueError, OSError):
        limit = data_bytes + limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def return_large_blocks() -> None:
    """Give large blocks of memory back to the system as soon as they are free.

    glibc would keep up to 64 MB of them for each of many threads, once they had some.
    """
    with contextlib.suppress(AttributeError):  # another library of C
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def allow_one_picture(limits: ChildLimits) -> None:
    """Let this process compute for one picture's time more than it did so far."""
    _allow_seconds(limits.cpu_seconds)


def allow_one_clip(limits: ChildLimits) -> None:
    """Let this process compute for one clip's time, with every core it has."""
    _allow_seconds(math.ceil(limits.clip_seconds) * (os.cpu_count() or 1))


def _allow_seconds(more: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime) + more
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (min(seconds, most), most))


def _limit_resources(limits: ChildLimits, taken_bytes: int) -> None:
    # One second more for each: they are counted whole.
    clip_seconds = math.ceil(limits.clip_seconds) * (os.cpu_count() or 1)
    most_seconds = max(limits.cpu_seconds, clip_seconds)
    cpu_seconds = (PICTURES_PER_CHILD + 1) * (most_seconds + 1)
    open_descriptors = max(int(one.name) for one in Path("/dev/fd").iterdir())
    address_bytes, data_bytes = memory_in_use()
    most_memory = limits.memory_bytes + _MORE_ADDRESS_BYTES
    for what, value in (
        (resource.RLIMIT_AS, address_bytes + most_memory),
        (resource.RLIMIT_DATA, data_bytes + limits.memory_bytes - taken_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        # Landlock opens one, and closes it again.
        (resource.RLIMIT_NOFILE, open_descriptors + 1),
    ):
        # macOS refuses some; what stands lower already cannot be raised.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (value, value))


def memory_in_use(process: int | str = "self") -> tuple[int, int]:
    """Return the bytes of address space and of data; zeros where they are unknown."""
    try:
        statm = Path("/proc", str(process), "statm").read_text()
    except OSError:
        return 0, 0
    pages = [int(number) for number in statm.split()]
    return pages[0] * _PAGE_BYTES, pages[5] * _PAGE_BYTES


def resident_bytes(process: int | str = "self") -> int:
    """Return the bytes of a process that are in memory; 0 where that is unknown."""
    with contextlib.suppress(OSError):
        statm = Path("/proc", str(process), "statm").read_text()
        return int(statm.split()[1]) * _PAGE_BYTES
    return 0


def _give_up_files(libc: ctypes.CDLL) -> int:
    """Open no file and no port any more, and reach no process, by Landlock.

    Returns:
        Its version; 0 where the kernel has none.
    """
    version = libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
    if version < 1:
        return 0
    rules = _Ruleset(*(_rights(bits, version) for bits in (_FILE_BITS, _PORT_BITS)))
    rules.scopes = _rights(_SCOPE_BITS, version)
    # A kernel takes longer tables than it knows, if the rest is zero.
    ruleset = libc.syscall(
        _CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0
    )
    if ruleset < 0:
        return 0
    failed = libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return 0 if failed else int(version)


def _rights(bits: dict[int, int], version: int) -> int:
    known = [count for since, count in bits.items() if since <= version]
    return (1 << max(known, default=0)) - 1
