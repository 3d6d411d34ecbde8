"""The filter of system calls, run as the kernel would; of processors not here too."""

import struct

import pytest

from emojifier_bot.vision.sandbox import seccomp
from emojifier_bot.vision.sandbox.seccomp import (
    _ALLOW,
    _CHANGES_OF_FILES,
    _INSTRUCTION,
    _KILL,
    _OWNERS,
    _PROCESSORS,
    _REFUSE,
    _UNKNOWN,
)

PID = 4711
THREAD, VFORK = 0x3D0F00, 0x4111
#: read; of the numbers' first count.
HARMLESS = {"x86_64": 0, "aarch64": 63}


@pytest.fixture(params=_PROCESSORS)
def processor(request):
    return _PROCESSORS[request.param]


def verdict(processor, number, first=0, second=0, kind=None):
    """Return what the filter of a processor says of a call."""
    kind = processor.kind if kind is None else kind
    data = struct.pack("<IIQQQ", number, kind, 0, first, second)
    steps = list(_INSTRUCTION.iter_unpack(seccomp._filter(processor, PID)))
    at = loaded = 0
    while True:
        code, yes, no, value = steps[at]
        if code == 0x06:
            return value
        if code == 0x20:
            loaded = struct.unpack_from("<I", data, value)[0]
            at += 1
            continue
        passed = {
            0x15: loaded == value,
            0x35: loaded >= value,
            0x45: bool(loaded & value),
        }[code]
        at += 1 + (yes if passed else no)


@pytest.mark.parametrize("name", _PROCESSORS)
def test_what_decoding_needs_is_allowed(name):
    assert verdict(_PROCESSORS[name], HARMLESS[name]) == _ALLOW


def test_calls_of_another_processor_end_it(processor):
    assert verdict(processor, 0, kind=0x40000003) == _KILL
    assert verdict(processor, 0x40000000) == _KILL


def test_threads_may_start_and_processes_may_not(processor):
    assert verdict(processor, processor.clone, THREAD) == _ALLOW
    assert verdict(processor, processor.clone, VFORK) == _REFUSE
    assert verdict(processor, 435) == _UNKNOWN


def test_nobody_else_is_limited_or_signalled(processor):
    for number in processor.about_itself:
        assert verdict(processor, number, 0) == _ALLOW
        assert verdict(processor, number, PID + 1) == _REFUSE
    for number in processor.signals:
        assert verdict(processor, number, PID) == _ALLOW
        assert verdict(processor, number, PID + 1) == _REFUSE
        assert verdict(processor, number, 2**64 - 1) == _REFUSE
    for number in processor.descriptors:
        assert verdict(processor, number, 0, 1) == _ALLOW
        assert all(verdict(processor, number, 0, one) == _REFUSE for one in _OWNERS)


def test_the_rest_is_refused(processor):
    refused = (*processor.refused, *_CHANGES_OF_FILES)

    assert {verdict(processor, one) for one in refused} == {_REFUSE}


def test_a_32_bit_python_calls_by_other_numbers(monkeypatch):
    monkeypatch.setattr(seccomp, "_IS_64_BIT", False)

    assert seccomp.refuse_system_calls(None) is False
