"""From a host's name to the addresses that a connection may go to.

A name is looked up once for every connection. All of the answers are checked, and the
connection goes to one of exactly these: a name that answers differently the next time
changes nothing.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence

from emojifier_bot.errors import ErrorKind, FetchError
from emojifier_bot.http.addresses import Target, is_public, private_address
from emojifier_bot.http.deadline import Deadline, timed_out

#: From a host's name to its IP addresses, the best first. Raises `socket.gaierror` for
#: an unknown one.
Resolver = Callable[[str], Sequence[str]]

#: What a look-up brings; what it raises is carried to who waits.
_Answer = Sequence[str] | OSError | ValueError


def system_resolver(host: str) -> list[str]:
    """Ask as this machine is set up to ask."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def public_addresses(
    target: Target, resolver: Resolver, deadline: Deadline
) -> tuple[str, ...]:
    """Return a target's IP addresses, all of them open to everybody.

    Raises:
        FetchError: ``private_address``: one of them is not; or as `all_addresses`.
    """
    addresses = all_addresses(target, resolver, deadline)
    if not all(map(is_public, addresses)):
        raise private_address()
    return addresses


def all_addresses(
    target: Target, resolver: Resolver, deadline: Deadline
) -> tuple[str, ...]:
    """Return a target's IP addresses, wherever they lead.

    Raises:
        FetchError: ``unresolvable`` or ``timeout``.
    """
    if target.literal:
        return (target.literal,)
    answer = _look_up(target, resolver, deadline)
    if isinstance(answer, Exception) or not answer:
        # Asking again helps where the name server had a bad moment.
        code = answer.errno if isinstance(answer, socket.gaierror) else None
        raise _unresolvable(retryable=code == socket.EAI_AGAIN)
    return tuple(answer)


def _look_up(target: Target, resolver: Resolver, deadline: Deadline) -> _Answer:
    """Ask in a thread, because the system's own look-up knows no time limit."""
    answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolver(target.host))
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="net-resolve", daemon=True).start()
    try:
        return answers.get(timeout=deadline.remaining_seconds())
    except queue.Empty:
        raise timed_out() from None


def _unresolvable(*, retryable: bool) -> FetchError:
    return FetchError(
        "No server of this name is known. Check the address for a typing mistake.",
        kind=ErrorKind.UNRESOLVABLE,
        retryable=retryable,
    )
