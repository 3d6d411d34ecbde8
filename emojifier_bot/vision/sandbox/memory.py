"""Memory that two processes share: without a name, gone when both are gone."""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets

# What `multiprocessing.shared_memory` stands on: that one always leaves a name.
from _posixshmem import shm_open, shm_unlink  # type: ignore[import-not-found] # C, without types
from collections.abc import Callable

_OWNER_ONLY = 0o600


def open_sealed(size_bytes: int) -> int:
    """Return a descriptor of memory that no one can make shorter or longer.

    Memory that the other side cut off would kill who reads it.
    """
    descriptor = os.memfd_create("picture", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size_bytes)
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def open_unlinked(size_bytes: int) -> int:
    """Return a descriptor of shared memory whose name is gone already.

    For systems without sealed memory: macOS lets nobody change its length twice.
    """
    name = f"/{secrets.token_hex(8)}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    descriptor = int(shm_open(name, flags, mode=_OWNER_ONLY))
    shm_unlink(name)
    os.ftruncate(descriptor, size_bytes)
    return descriptor


OpenMemory = Callable[[int], int]
#: What this system offers.
open_memory: OpenMemory = open_sealed if hasattr(os, "memfd_create") else open_unlinked


def map_memory(descriptor: int, size_bytes: int) -> mmap.mmap:
    """Return the bytes that a descriptor stands for; it is not needed any more."""
    try:
        return mmap.mmap(descriptor, size_bytes)
    finally:
        os.close(descriptor)
