"""Calls of the kernel that a decoder's process gives up for good (seccomp).

A list of what is refused, not of what is allowed: no version of a library can break
it, since none of these has a place in decoding. Limits and Landlock hold the rest.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

# <linux/prctl.h>, <linux/seccomp.h>
_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_KILL, _ALLOW = 0x80000000, 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
# Instructions of the filter: <linux/bpf_common.h>. They see the number of the call in
# the first word and the kind of processor in the second.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _PROCESSOR_AT = 0, 4
_INSTRUCTION = struct.Struct("=HBBI")


@dataclass(frozen=True, slots=True)
class _Processor:
    #: As the filter sees it: <linux/audit.h>.
    kind: int
    #: socket, execve, execveat, ptrace, process_vm_readv, process_vm_writev,
    #: userfaultfd, bpf, io_uring_setup; fork and vfork where there are such calls.
    refused: tuple[int, ...]


_PROCESSORS = {
    "x86_64": _Processor(
        0xC000003E, (41, 59, 322, 101, 310, 311, 323, 321, 425, 57, 58)
    ),
    "aarch64": _Processor(0xC00000B7, (198, 221, 281, 117, 270, 271, 282, 280, 425)),
}
#: From here on, 64-bit processors of one kind count calls a second time.
_SECOND_COUNT = 0x40000000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_system_calls(libc: ctypes.CDLL) -> None:
    """Let this thread, and those that it starts, do without some system calls.

    They fail as if this user were not allowed to. On a processor that is not in the
    table nothing happens.
    """
    processor = _PROCESSORS.get(platform.machine())
    if processor is None:
        return
    code = _filter(processor)
    program = _Program(len(code) // _INSTRUCTION.size, code)
    libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program), 0, 0)


def _filter(processor: _Processor) -> bytes:
    # Jumps count the instructions that they pass over, for "yes" and for "no".
    steps = [
        (_LOAD, 0, 0, _PROCESSOR_AT),
        (_IF_EQUAL, 1, 0, processor.kind),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, 0, 1, _SECOND_COUNT),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in processor.refused:
        steps += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(_INSTRUCTION.pack(*step) for step in steps)
