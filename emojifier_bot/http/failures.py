"""Why an address is refused or a transfer fails, in one sentence for a log.

People in Slack read other sentences, by the same kinds.
"""

from __future__ import annotations

from collections.abc import Mapping

from emojifier_bot.errors import ErrorKind, FetchError

_MESSAGES: Mapping[ErrorKind, str] = {
    # Addresses.
    ErrorKind.NOT_AN_ADDRESS: "This cannot be read as the address of one host.",
    ErrorKind.SCHEME: "Only https:// and http:// addresses are opened.",
    ErrorKind.PORT: "Only the ports 80 and 443 are opened.",
    ErrorKind.PRIVATE_ADDRESS: "This address leads into a private network.",
    ErrorKind.UNRESOLVABLE: "No server of this name is known.",
    # Connections.
    ErrorKind.TIMEOUT: "The server took too long to answer.",
    ErrorKind.UNREACHABLE: "The server cannot be reached, or broke off.",
    ErrorKind.TLS: "The server's certificate is not valid.",
    # Answers.
    ErrorKind.FORBIDDEN: "The server does not show this to everybody.",
    ErrorKind.HTTP_STATUS: "The server answered with an error.",
    ErrorKind.LOGIN_PAGE: "There is a page to log in instead of the file.",
    ErrorKind.NOT_AN_IMAGE: "The server sends this file compressed.",
    ErrorKind.NOT_FOUND: "There is nothing at this address.",
    ErrorKind.PAGE: "There is a web page at this address.",
    ErrorKind.TOO_LARGE: "The server sends more bytes than are read.",
    ErrorKind.TOO_MANY_REDIRECTS: "The server redirects too often.",
}
#: What may go well the next time.
_PASSING = frozenset({ErrorKind.TIMEOUT, ErrorKind.UNREACHABLE})


def fetch_error(
    kind: ErrorKind,
    *,
    retryable: bool | None = None,
    retry_after_seconds: float | None = None,
) -> FetchError:
    """Return the error of a kind; None takes whether that kind may pass."""
    return FetchError(
        _MESSAGES[kind],
        kind=kind,
        retryable=kind in _PASSING if retryable is None else retryable,
        retry_after_seconds=retry_after_seconds,
    )
