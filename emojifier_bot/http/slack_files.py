"""Files from and to Slack: hosts that are known by name, and nobody else.

The bot's token goes to exactly the hosts that the settings name, over TLS. Bytes for
an upload go where Slack says, as long as that is Slack.
"""

from __future__ import annotations

import io
from http import HTTPStatus

from emojifier_bot.errors import DeliveryError, ErrorKind, FetchError
from emojifier_bot.http.addresses import DEFAULT_PORTS, Target, fetch_error, read
from emojifier_bot.http.connection import BodyCheck, PinnedConnection, Room, any_room
from emojifier_bot.http.fetch import Fetched, fetch, is_passing, retry_after_seconds
from emojifier_bot.http.resolver import (
    Deadline,
    Network,
    ResolvedTarget,
    Timeouts,
    resolve,
)

SLACK_DOMAIN = ".slack.com"
#: Before a file is fetched again for which all time ran out.
AFTER_TIMEOUT_SECONDS = 30.0
#: A large picture on a slow connection.
TRANSFER_NETWORK = Network(
    Timeouts(connect_seconds=5.0, read_seconds=15.0, total_seconds=120.0)
)


def get_with_token(
    address: str,
    *,
    token: str,
    hosts: frozenset[str],
    max_bytes: int,
    check_body: BodyCheck,
    network: Network = TRANSFER_NETWORK,
    room: Room = any_room,
) -> Fetched:
    """Fetch a file that Slack holds.

    Args:
        address: As Slack names it.
        token: Sent to ``hosts`` alone.
        hosts: ``host`` (port 443) or ``host:port``. Without TLS only where an entry
            with a port names this machine.
        max_bytes: Largest file that is read.
        check_body: Called with the first bytes, then with all; raises `FetchError`.
        network: How servers are reached.
        room: Waits for room for a large file.

    Raises:
        FetchError: ``login_page``: Slack shows the file to others, not to this
            token; ``forbidden``: the file is not on ``hosts``; or as
            `GuardedClient.get` says.
    """

    def admit(address: str, deadline: Deadline) -> ResolvedTarget:
        target = read(address)
        if _may_receive_token(target, hosts):
            return resolve(target, network, deadline, public=False)
        if _is_slack(target) or target.host == SLACK_DOMAIN.lstrip("."):
            # Where Slack sends those whose token does not do.
            raise fetch_error(ErrorKind.LOGIN_PAGE)
        raise fetch_error(ErrorKind.FORBIDDEN)

    try:
        return fetch(
            address,
            admit=admit,
            check_body=check_body,
            max_bytes=max_bytes,
            network=network,
            page_kind=ErrorKind.LOGIN_PAGE,
            headers={"Authorization": f"Bearer {token}"},
            room=room,
        )
    except FetchError as error:
        if error.kind == ErrorKind.TIMEOUT:
            error.retry_after_seconds = AFTER_TIMEOUT_SECONDS
        raise


def post_bytes(
    address: str,
    data: bytes,
    *,
    content_type: str,
    hosts: frozenset[str] = frozenset(),
    network: Network = TRANSFER_NETWORK,
) -> None:
    """Send an upload's bytes to the address that Slack named for it.

    Args:
        address: As Slack names it; a secret.
        data: The whole file.
        content_type: Its media type.
        hosts: Beside Slack's own; as for `get_with_token`.
        network: How servers are reached.

    Raises:
        DeliveryError: ``slack_unavailable``, which may pass, or ``upload_failed``.
    """
    try:
        target = read(address)
        if not (_is_slack(target) or _may_receive_token(target, hosts)):
            raise _upload_error(may_pass=False)
        deadline = Deadline(network.timeouts)
        resolved = resolve(target, network, deadline, public=False)
        # Slack answers with a few words; they are not read.
        connection = PinnedConnection(resolved, deadline, 0, network.route)
        # As a file, it is sent in pieces, each with a time limit of its own.
        body, headers = io.BytesIO(data), {"Content-Type": content_type}
        with connection.send("POST", headers, body) as response:
            if response.status_code != HTTPStatus.OK:
                may_pass = is_passing(response.status_code)
                wait_seconds = retry_after_seconds(response) if may_pass else None
                raise _upload_error(may_pass=may_pass, wait_seconds=wait_seconds)
    except FetchError as error:
        raise _upload_error(may_pass=error.retryable) from error


def _may_receive_token(target: Target, hosts: frozenset[str]) -> bool:
    if target.is_listed_with_port(hosts):
        return target.scheme == "https" or target.is_loopback()
    return _has_usual_port(target) and target.is_listed(hosts)


def _is_slack(target: Target) -> bool:
    return _has_usual_port(target) and target.host.endswith(SLACK_DOMAIN)


def _has_usual_port(target: Target) -> bool:
    return target.scheme == "https" and target.port == DEFAULT_PORTS["https"]


def _upload_error(
    *, may_pass: bool, wait_seconds: float | None = None
) -> DeliveryError:
    return DeliveryError(
        "Slack did not take the bytes of the upload.",
        kind=ErrorKind.SLACK_UNAVAILABLE if may_pass else ErrorKind.UPLOAD_FAILED,
        retryable=may_pass,
        retry_after_seconds=wait_seconds,
    )
