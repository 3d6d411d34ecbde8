"""Files from and to Slack: hosts that are known by name, and nobody else.

The bot's token goes to exactly the hosts that the settings name, over TLS. Bytes for
an upload go where Slack says, as long as that is Slack.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from http import HTTPStatus

import requests

from emojifier_bot.errors import DeliveryError, ErrorKind, FetchError
from emojifier_bot.http.addresses import (
    DEFAULT_PORTS,
    Target,
    is_loopback,
    is_named,
    names_port,
    read,
)
from emojifier_bot.http.answers import is_passing, retry_after_seconds
from emojifier_bot.http.client import USER_AGENT, Errand, Hop
from emojifier_bot.http.deadline import Deadline, Timeouts
from emojifier_bot.http.line import Line, answer
from emojifier_bot.http.pictures import Fetched, web_page
from emojifier_bot.http.resolve import Resolver, all_addresses, system_resolver

SLACK_DOMAIN = ".slack.com"
#: A large picture on a slow connection.
TRANSFER_TIMEOUTS = Timeouts(
    connect_seconds=5.0, read_seconds=15.0, total_seconds=120.0
)
#: Slack answers an upload with a few words; they are not read.
_ANSWER_BYTES = 0


def get_with_token(
    address: str,
    *,
    token: str,
    hosts: frozenset[str],
    max_bytes: int,
    check_body: Callable[[bytes], None],
    timeouts: Timeouts = TRANSFER_TIMEOUTS,
    resolver: Resolver = system_resolver,
    ca_file: str | None = None,
) -> Fetched:
    """Fetch a picture that Slack holds.

    Args:
        address: As Slack names it.
        token: Sent to ``hosts`` alone.
        hosts: ``host`` (port 443) or ``host:port``. Without TLS only where an entry
            with a port names this machine.
        max_bytes: Largest picture that is read.
        check_body: Called with the first bytes, then with all; raises `FetchError`.
        timeouts: When to stop waiting.
        resolver: Looks names up.
        ca_file: Certificates to trust in place of the usual ones.

    Raises:
        FetchError: ``login_page``: Slack shows the picture to others, not to this
            token; ``forbidden``: the file is not on ``hosts``; or as
            `GuardedClient.get` says.
    """

    def admit(place: str, deadline: Deadline) -> Hop:
        target = read(place)
        if not _may_have_token(target, hosts):
            raise _refusal(target)
        return Hop(target, all_addresses(target, resolver, deadline))

    errand = Errand(
        admit=admit,
        check_body=check_body,
        max_bytes=max_bytes,
        timeouts=timeouts,
        page_kind=ErrorKind.LOGIN_PAGE,
        headers={"Authorization": f"Bearer {token}"},
        ca_file=ca_file,
    )
    return errand.run(address)


def post_bytes(
    address: str,
    data: bytes,
    *,
    content_type: str,
    hosts: frozenset[str] | None = None,
    timeouts: Timeouts = TRANSFER_TIMEOUTS,
    resolver: Resolver = system_resolver,
    ca_file: str | None = None,
) -> None:
    """Send an upload's bytes to the address that Slack named for it.

    Args:
        address: As Slack names it; a secret.
        data: The whole file.
        content_type: Its media type.
        hosts: Beside Slack's own: ``host`` (port 443) or ``host:port``. Without TLS
            only where an entry with a port names this machine.
        timeouts: When to stop waiting.
        resolver: Looks names up.
        ca_file: Certificates to trust in place of the usual ones.

    Raises:
        DeliveryError: ``slack_unavailable``, which may pass, or ``upload_failed``.
    """
    try:
        target = read(address)
        if not (_is_slack(target) or _may_have_token(target, hosts or frozenset())):
            raise _upload_failed()
        deadline = Deadline(timeouts)
        addresses = all_addresses(target, resolver, deadline)
        line = Line(addresses, target.port, deadline, _ANSWER_BYTES)
        with answer(_upload(target, data, content_type), line, ca_file) as response:
            _check_taken(response)
    except FetchError as error:
        if error.retryable:
            raise _unavailable() from error
        raise _upload_failed() from error


def _upload(target: Target, data: bytes, content_type: str) -> requests.Request:
    headers = {
        "User-Agent": USER_AGENT,
        "Content-Type": content_type,
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    # As a file, it is sent in pieces, each with a time limit of its own.
    return requests.Request("POST", target.url, headers, data=io.BytesIO(data))


def _check_taken(response: requests.Response) -> None:
    if is_passing(response.status_code):
        raise _unavailable(retry_after_seconds(response))
    if response.status_code != HTTPStatus.OK:
        raise _upload_failed()


def _may_have_token(target: Target, hosts: frozenset[str]) -> bool:
    if names_port(target, hosts):
        return target.scheme == "https" or is_loopback(target.host)
    return _is_usual(target) and is_named(target, hosts)


def _is_slack(target: Target) -> bool:
    return _is_usual(target) and target.host.endswith(SLACK_DOMAIN)


def _is_usual(target: Target) -> bool:
    return target.scheme == "https" and target.port == DEFAULT_PORTS["https"]


def _refusal(target: Target) -> FetchError:
    if _is_slack(target) or target.host == SLACK_DOMAIN.lstrip("."):
        # Where Slack sends those whose token does not do.
        return web_page(ErrorKind.LOGIN_PAGE)
    return FetchError(
        "This file is not kept by Slack itself, so I do not open it. Upload the "
        "picture, and try again.",
        kind=ErrorKind.FORBIDDEN,
    )


def _upload_failed() -> DeliveryError:
    return DeliveryError(
        "Slack did not take the picture. Try again; if that does not help, tell who "
        "runs the bot.",
        kind=ErrorKind.UPLOAD_FAILED,
    )


def _unavailable(wait_seconds: float | None = None) -> DeliveryError:
    return DeliveryError(
        "Slack could not take the picture just now. Try again in a minute.",
        kind=ErrorKind.SLACK_UNAVAILABLE,
        retryable=True,
        retry_after_seconds=wait_seconds,
    )
