"""The one place that calls Slack's Web API, and what its errors mean.

One call is one try: whether another one is worth it is for the job to decide, which
waits without holding a thread.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.request import Request

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from emojifier_bot import metrics
from emojifier_bot.domain import EmojifyRequest, Installation, Workspace
from emojifier_bot.errors import (
    DeliveryError,
    ErrorKind,
    FetchError,
    RemoteError,
    SlackCode,
)
from emojifier_bot.http import DIRECT, OWN_FAULTS, Route, ServiceCall, post_to_service
from emojifier_bot.slack.messages import is_retryable
from emojifier_bot.slack.payloads import encodable, may_be_between_people

logger = logging.getLogger(__name__)

#: Short, because a user waits and the job can try again.
TIMEOUT_SECONDS = 15
#: The SDK would log addresses and whole answers; it logs nothing.
sdk_logger = logging.getLogger("emojifier_bot.slack.sdk")
sdk_logger.setLevel(logging.CRITICAL + 1)
sdk_logger.propagate = False
#: So would this one, where response URLs are secrets.
logging.getLogger("urllib3.connectionpool").setLevel(logging.WARNING)

#: What the SDK raises; the last three where an answer is in no known encoding, or is
#: JSON but no object.
CLIENT_ERRORS = (
    SlackApiError,
    FetchError,
    OSError,
    HTTPException,
    UnicodeDecodeError,
    LookupError,
    AttributeError,
)
SERVER_ERROR = 500
#: Anything else in the place of a code is a page that was no answer of Slack's.
_CODE = re.compile(r"[a-z0-9_]+")

Answer = Mapping[str, Any]


class SlackWebClient(WebClient):
    """Slack's own client, over our HTTP client: it follows no redirect with a token."""

    def __init__(self, *args: Any, route: Route = DIRECT, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.route = route

    def _perform_urllib_http_request_internal(
        self, url: str, req: Request
    ) -> dict[str, Any]:
        body = req.data if isinstance(req.data, bytes) else b""
        call = ServiceCall(url, dict(req.header_items()), body)
        answer = post_to_service(call, self.timeout, route=self.route)
        return {
            "status": answer.status,
            "headers": answer.headers,
            "body": answer.body.decode(),
        }


def make_app_client(api_url: str, route: Route = DIRECT) -> SlackWebClient:
    """Build a client for the app itself, without a token: installations and tokens.

    It never retries: a code or a refresh token is good for one try only.
    """
    return SlackWebClient(
        route=route,
        base_url=api_url.rstrip("/") + "/",
        timeout=TIMEOUT_SECONDS,
        retry_handlers=[],
        logger=sdk_logger,
    )


@dataclass(frozen=True, slots=True)
class SlackClient:
    """Slack's Web API, with the token of the workspace that something is done for."""

    #: ``"https://slack.com/api/"``.
    base_url: str
    #: Returns a workspace's installation, its token good for two hours at least, or
    #: raises a `DeliveryError`: ``not_installed``, or the token could not be renewed.
    installation: Callable[[Workspace], Installation]
    timeout_seconds: int = TIMEOUT_SECONDS
    #: How Slack is reached.
    route: Route = DIRECT

    def has_scope(self, workspace: Workspace, scope: str) -> bool:
        """Return whether a scope is granted, or might be: not every store knows.

        Raises:
            DeliveryError: As `installation`.
        """
        scopes = self.installation(workspace).scopes
        return not scopes or scope in scopes

    def call(self, workspace: Workspace, method: str, **arguments: Any) -> Answer:
        """Call a method once and return its answer.

        Args:
            workspace: Whose token is used.
            method: As Slack names it, ``"files.info"``.
            arguments: Texts, numbers, and what is sent as JSON; empty ones are not
                sent.

        Raises:
            DeliveryError: Slack refused or did not answer; ``kind`` is its code.
        """
        installation = self.installation(workspace)
        is_org_install = installation.workspace.is_org_install
        params = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in arguments.items()
            if value not in ("", None)
        }
        client = SlackWebClient(
            route=self.route,
            token=installation.bot_token,
            base_url=self.base_url,
            timeout=self.timeout_seconds,
            # With an organisation's token, Slack must be told which workspace is meant.
            team_id=workspace.team_id or None if is_org_install else None,
            retry_handlers=[],
            logger=sdk_logger,
        )
        with self.timed(method):
            try:
                answer = client.api_call(method, params=params)
            except CLIENT_ERRORS as caught:
                error = delivery_error(caught)
                error.retryable = error.retryable or is_retryable(error.kind)
                facts = {"action": "call_slack", "method": method, "error": error.kind}
                logger.info("Slack refused a call", extra=facts)
                raise error from None
        return encodable(answer.data) if isinstance(answer.data, dict) else {}

    def direct_channel(self, workspace: Workspace, user_id: str) -> str:
        """Return the id of the direct messages between a user and the bot.

        Raises:
            DeliveryError: They cannot be opened.
        """
        answer = self.call(workspace, "conversations.open", users=user_id)
        return str(answer["channel"]["id"])

    def is_between_people(self, request: EmojifyRequest) -> bool:
        """Return whether a request comes from a direct message between people.

        Where Slack does not say so, it counts as one.
        """
        if not may_be_between_people(request):
            return False
        if request.in_group:
            return True
        with suppress(DeliveryError):
            own = self.direct_channel(request.workspace, request.user_id)
            return own != request.channel_id
        return True

    @contextmanager
    def timed(self, method: str) -> Iterator[None]:
        """Count a call in the metrics; what it raises goes on."""
        began, failed = time.perf_counter(), str(ErrorKind.UNEXPECTED)
        try:
            yield
            failed = ""
        except RemoteError as error:
            failed = error.kind
            raise
        finally:
            seconds = time.perf_counter() - began
            metrics.SLACK_CALL_SECONDS.labels(method).observe(seconds)
            if failed:
                metrics.SLACK_ERRORS.labels(method, metrics.label_of(failed)).inc()


def delivery_error(error: Exception) -> DeliveryError:
    """Return what one of `CLIENT_ERRORS` means."""
    if isinstance(error, FetchError):
        return no_answer_error(why=OWN_FAULTS.get(error.kind, ""))
    if not isinstance(error, SlackApiError):
        return no_answer_error()
    response = error.response
    waits = header(response, "Retry-After")
    after = float(waits) if waits.isdecimal() else None
    # Anything may stand where an answer was due.
    code = str(response.data.get("error")) if isinstance(response.data, dict) else ""
    if response.status_code >= SERVER_ERROR or not _CODE.fullmatch(code):
        return no_answer_error(after)
    return DeliveryError(
        f"Slack refused: {code}. Its documentation says what that means.",
        kind=SlackCode(code),
        retryable=after is not None or code == ErrorKind.RATELIMITED,
        retry_after_seconds=after,
    )


def no_answer_error(after: float | None = None, why: str = "") -> DeliveryError:
    """Return the error where Slack's answer is missing, or makes no sense."""
    return DeliveryError(
        why or "Slack did not answer. Try again in a minute.",
        kind=ErrorKind.SLACK_UNREACHABLE,
        retryable=True,
        retry_after_seconds=after,
    )


def header(response: SlackResponse, name: str) -> str:
    """Return a header, in whatever case it is spelled; empty for none."""
    headers = {key.casefold(): str(one) for key, one in response.headers.items()}
    return headers.get(name.casefold(), "")
