"""System calls that a decoder process gives up for good (seccomp).

A list of what is refused, not of what is allowed: no version of a library can break
it, since none of these has a place in decoding. Limits and Landlock hold the rest.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from dataclasses import dataclass

# <linux/prctl.h>, <linux/seccomp.h>
_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_KILL, _ALLOW, _FAIL = 0x80000000, 0x7FFF0000, 0x00050000
_REFUSE, _UNKNOWN = _FAIL | errno.EPERM, _FAIL | errno.ENOSYS
# Instructions of the filter: <linux/bpf_common.h>. They see the number of the call in
# the first word, the kind of processor in the second, and from the fifth on arguments
# of two words each, the lower one first.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _PROCESSOR_AT, _FIRST_AT, _SECOND_AT = 0, 4, 16, 24
_INSTRUCTION = struct.Struct("=HBBI")
#: <linux/sched.h>: a thread is to be made, not a process.
_CLONE_THREAD = 0x10000
#: F_SETOWN and F_SETOWN_EX: <asm-generic/fcntl.h>. FIOSETOWN and SIOCSPGRP:
#: <asm-generic/sockios.h>. They name who gets a signal when something can be read.
_OWNERS = (8, 15, 0x8901, 0x8902)

_Step = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Processor:
    #: As the filter sees it: <linux/audit.h>.
    kind: int
    #: socket, execve, execveat, ptrace, process_vm_readv, process_vm_writev,
    #: userfaultfd, bpf, io_uring_setup; setpriority, sched_setscheduler,
    #: sched_setparam, sched_setattr, ioprio_set; tkill, rt_sigqueueinfo,
    #: rt_tgsigqueueinfo, pidfd_open, pidfd_send_signal; unshare, add_key, request_key,
    #: keyctl, perf_event_open; fork and vfork where there are such calls. Landlock does
    #: not know what changes a file by its name, or knows it late: truncate, chmod,
    #: fchmod, fchmodat; chown, fchown, lchown, fchownat; utime, utimes, futimesat,
    #: utimensat; setxattr, lsetxattr, fsetxattr, removexattr, lremovexattr,
    #: fremovexattr, each where there is such a call.
    refused: tuple[int, ...]
    clone: int
    #: prlimit64, sched_setaffinity: of this process only.
    about_itself: tuple[int, ...]
    #: kill, tgkill: to this process only.
    signals: tuple[int, ...]
    #: fcntl, ioctl: not to have the kernel send signals.
    descriptors: tuple[int, ...]


_PROCESSORS = {
    "x86_64": _Processor(
        kind=0xC000003E,
        refused=(
            *(41, 59, 322, 101, 310, 311, 323, 321, 425),
            *(141, 144, 142, 314, 251),
            *(200, 129, 297, 434, 424),
            *(272, 248, 249, 250, 298),
            *(57, 58),
            *(76, 90, 91, 268),
            *(92, 93, 94, 260),
            *(132, 235, 261, 280),
            *(188, 189, 190, 197, 198, 199),
        ),
        clone=56,
        about_itself=(302, 203),
        signals=(62, 234),
        descriptors=(72, 16),
    ),
    "aarch64": _Processor(
        kind=0xC00000B7,
        refused=(
            *(198, 221, 281, 117, 270, 271, 282, 280, 425),
            *(140, 119, 118, 274, 30),
            *(130, 138, 240, 434, 424),
            *(97, 217, 218, 219, 241),
            *(45, 52, 53),
            *(55, 54),
            *(88,),
            *(5, 6, 7, 14, 15, 16),
        ),
        clone=220,
        about_itself=(261, 122),
        signals=(129, 131),
        descriptors=(25, 29),
    ),
}
#: On every processor. Its flags lie where no filter can look, so it is not there:
#: `clone` is what libraries take then.
_CLONE3 = 435
#: On every processor: fchmodat2, setxattrat, removexattrat, file_setattr.
_CHANGES_OF_FILES = (452, 463, 466, 469)
#: From here on, 64-bit processors of one kind count calls a second time.
_SECOND_COUNT = 0x40000000
#: A 32-bit Python on a 64-bit kernel calls by other numbers.
_IS_64_BIT = sys.maxsize > 2**32


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_system_calls(libc: ctypes.CDLL) -> bool:
    """Let this thread, and those that it starts, do without some system calls.

    They fail as if this user were not allowed to. On a processor that is not in the
    list, or where the kernel has no filters, nothing happens.

    Returns:
        Whether the filter stands.
    """
    processor = _PROCESSORS.get(platform.machine())
    if processor is None or not _IS_64_BIT:
        return False
    code = _filter(processor, os.getpid())
    program = _Program(len(code) // _INSTRUCTION.size, code)
    failed = libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program), 0, 0)
    return not failed


def _filter(processor: _Processor, pid: int) -> bytes:
    # Jumps count the instructions that they pass over, for "yes" and for "no".
    steps: list[_Step] = [
        (_LOAD, 0, 0, _PROCESSOR_AT),
        (_IF_EQUAL, 1, 0, processor.kind),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, 0, 1, _SECOND_COUNT),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in (*processor.refused, *_CHANGES_OF_FILES):
        steps += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    steps += [(_IF_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _UNKNOWN)]
    steps += _only_if(processor.clone, _IF_BITS, _CLONE_THREAD)
    for number in processor.about_itself:
        steps += _only_if(number, _IF_EQUAL, 0)
    for number in processor.signals:
        steps += _only_if(number, _IF_EQUAL, pid)
    for number in processor.descriptors:
        steps += _without_owner(number)
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(_INSTRUCTION.pack(*step) for step in steps)


def _only_if(number: int, test: int, value: int) -> list[_Step]:
    """Return what allows a call only if its first argument passes a test."""
    return [
        (_IF_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _FIRST_AT),
        (test, 0, 1, value),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]


def _without_owner(number: int) -> list[_Step]:
    """Return what refuses a call whose second argument says who gets signals."""
    return [
        (_IF_EQUAL, 0, 2 + 2 * len(_OWNERS), number),
        (_LOAD, 0, 0, _SECOND_AT),
        *(
            step
            for owner in _OWNERS
            for step in ((_IF_EQUAL, 0, 1, owner), (_RETURN, 0, 0, _REFUSE))
        ),
        (_RETURN, 0, 0, _ALLOW),
    ]
