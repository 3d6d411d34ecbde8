import os
from pathlib import Path

import pytest

from emojifier_bot.vision.sandbox.memory import map_memory, open_sealed, open_unlinked


def names() -> set[str]:
    folder = Path("/dev/shm")  # noqa: S108 - only looked at
    return {one.name for one in folder.glob("*") if len(one.name) == 16}


@pytest.mark.parametrize("open_memory", [open_sealed, open_unlinked])
def test_two_see_the_same_bytes_and_no_name_is_left(open_memory):
    before = names()
    descriptor = open_memory(5000)

    ours, theirs = (map_memory(os.dup(descriptor), 5000) for _ in range(2))
    os.close(descriptor)
    ours[4990:] = b"0123456789"

    assert theirs[4990:] == b"0123456789"
    assert names() == before
    ours.close()
    theirs.close()


def test_nobody_can_change_the_length_of_sealed_memory():
    descriptor = open_sealed(5000)

    for length in (0, 4999, 5001):
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, length)
    os.close(descriptor)


def test_a_descriptor_is_closed_when_it_cannot_be_mapped():
    descriptor = open_sealed(5000)

    with pytest.raises(ValueError, match="size"):
        map_memory(descriptor, 50_000)

    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)
