import socket

import pytest

from emojifier_bot.errors import FetchError
from emojifier_bot.http import Timeouts, system_resolver
from emojifier_bot.http.addresses import read
from emojifier_bot.http.deadline import Deadline
from emojifier_bot.http.resolve import all_addresses, public_addresses

TIMEOUTS = Timeouts(connect_seconds=1, read_seconds=1, total_seconds=5)
NAMED = read("http://name.test/")


def raising(error: Exception):
    def resolver(_host: str) -> list[str]:
        raise error

    return resolver


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), False),
        (socket.gaierror(socket.EAI_AGAIN, "busy"), True),
        (socket.gaierror(socket.EAI_FAIL, "broken"), False),
        (OSError(), False),
        (UnicodeError("label too long"), False),
    ],
)
def test_a_failed_look_up_is_told(error, retryable):
    with pytest.raises(FetchError) as told:
        all_addresses(NAMED, raising(error), Deadline(TIMEOUTS))

    assert (told.value.kind, told.value.retryable) == ("unresolvable", retryable)


def test_an_ip_address_is_not_looked_up():
    target = read("http://[2606:4700::1111]/")

    found = public_addresses(target, raising(OSError()), Deadline(TIMEOUTS))

    assert found == ("2606:4700::1111",)


def test_addresses_stay_in_their_order():
    addresses = ["93.184.216.35", "2606:4700::1111", "93.184.216.34"]

    found = public_addresses(NAMED, lambda _host: addresses, Deadline(TIMEOUTS))

    assert found == tuple(addresses)


def test_no_time_left_is_a_timeout():
    spent = Deadline(Timeouts(connect_seconds=1, read_seconds=1, total_seconds=0))

    with pytest.raises(FetchError) as error:
        all_addresses(NAMED, lambda _host: [], spent)

    assert error.value.kind == "timeout"


def test_this_machine_knows_itself():
    found = system_resolver("localhost")

    assert found
    assert set(found) <= {"127.0.0.1", "::1"}
