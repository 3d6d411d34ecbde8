import socket

import pytest

from emojifier_bot.errors import FetchError
from emojifier_bot.http import Network, Timeouts
from emojifier_bot.http.addresses import read
from emojifier_bot.http.resolver import Deadline, resolve, system_resolver

TIMEOUTS = Timeouts(connect_seconds=20, read_seconds=20, total_seconds=20)
SPENT = Timeouts(connect_seconds=1, read_seconds=1, total_seconds=0)


def addresses(resolver, address="http://name.test/", timeouts=TIMEOUTS):
    network = Network(timeouts, resolver)
    return resolve(read(address), network, Deadline(timeouts), public=True).addresses


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
def test_a_failed_look_up_may_pass_only_if_the_server_was_busy(error, retryable):
    with pytest.raises(FetchError) as raised:
        addresses(raising(error))

    assert (raised.value.kind, raised.value.retryable) == ("unresolvable", retryable)


def test_an_ip_address_is_not_looked_up():
    found = addresses(raising(OSError()), "http://[2606:4700::1111]/")

    assert found == ("2606:4700::1111",)


def test_addresses_stay_in_their_order():
    order = ["93.184.216.35", "2606:4700::1111", "93.184.216.34"]

    assert addresses(lambda _host: order) == tuple(order)


def test_no_time_left_is_a_timeout():
    with pytest.raises(FetchError) as error:
        addresses(lambda _host: [], timeouts=SPENT)

    assert error.value.kind == "timeout"


def test_this_machine_knows_itself():
    found = system_resolver("localhost")

    assert found
    assert set(found) <= {"127.0.0.1", "::1"}
