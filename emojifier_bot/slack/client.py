"""The one place that calls Slack's Web API.

One call is one try: what is worth another one is for the job to decide, which waits
without holding a thread.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.request import Request

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from emojifier_bot import metrics
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import DeliveryError, ErrorKind, RemoteError
from emojifier_bot.slack.refusals import CLIENT_ERRORS, refusal
from emojifier_bot.slack.replies import is_retryable

logger = logging.getLogger(__name__)

#: Somebody waits, and the job can try again.
TIMEOUT_SECONDS = 15
#: What the SDK would log are addresses and whole answers; it says nothing.
silent = logging.getLogger("emojifier_bot.slack.sdk")
silent.setLevel(logging.CRITICAL + 1)
silent.propagate = False

#: What the SDK raises; the last three where an answer is in no known encoding, or is
#: JSON but no object.
ODD_ERRORS = (*CLIENT_ERRORS, UnicodeError, LookupError, AttributeError)

Answer = Mapping[str, Any]


class CarefulClient(WebClient):
    """A client whose token stays with Slack, wherever an answer points."""

    def _perform_urllib_http_request_internal(
        self, url: str, req: Request
    ) -> dict[str, Any]:
        # A redirect would take the headers along to any host. Token and client secret
        # go in this one; it is kept for the first request alone.
        for name in [one for one in req.headers if one.lower() == "authorization"]:
            req.add_unredirected_header(name, req.headers.pop(name))
        return super()._perform_urllib_http_request_internal(url, req)


class BotTokens(Protocol):
    """Knows the token to speak to a workspace with, fresh where tokens rotate."""

    def installation(self, workspace: Workspace) -> Installation:
        """Return a workspace's installation, its token good for two hours at least.

        Raises:
            DeliveryError: ``not_installed``, or the refresh failed.
        """
        ...


@dataclass(frozen=True, slots=True)
class SlackClient:
    """Slack's Web API, in the name of the workspace that something is done for."""

    #: ``"https://slack.com/api/"``.
    base_url: str
    tokens: BotTokens
    timeout_seconds: int = TIMEOUT_SECONDS

    def installation(self, workspace: Workspace) -> Installation:
        """Return a workspace's installation.

        Raises:
            DeliveryError: ``not_installed``, or its token could not be renewed.
        """
        return self.tokens.installation(workspace)

    def may(self, workspace: Workspace, scope: str) -> bool:
        """Tell whether a scope is granted, or might be: not every store knows.

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
        with self.watched(method):
            try:
                answer = self._web_client(installation, workspace).api_call(
                    method, params=_encoded(arguments)
                )
            except ODD_ERRORS as error:
                raise _refused(method, error) from None
        return answer.data if isinstance(answer.data, dict) else {}

    @contextmanager
    def watched(self, method: str) -> Iterator[None]:
        """Tell the figures how a call went; what it raises goes on."""
        began, failed = time.perf_counter(), str(ErrorKind.UNEXPECTED)
        try:
            yield
            failed = ""
        except RemoteError as error:
            failed = error.kind
            raise
        finally:
            metrics.SLACK_CALL_SECONDS.labels(method).observe(
                time.perf_counter() - began
            )
            if failed:
                metrics.SLACK_ERRORS.labels(method, metrics.label_of(failed)).inc()

    def _web_client(self, installation: Installation, asked: Workspace) -> WebClient:
        whole = installation.workspace.is_org_install
        return CarefulClient(
            token=installation.bot_token,
            base_url=self.base_url,
            timeout=self.timeout_seconds,
            # An organisation's token must be told which workspace is meant.
            team_id=asked.team_id if whole and asked.team_id else None,
            retry_handlers=[],
            logger=silent,
        )


def _encoded(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in arguments.items()
        if value not in ("", None)
    }


def _refused(method: str, error: Exception) -> DeliveryError:
    if isinstance(error, SlackApiError) and not isinstance(error.response.data, dict):
        error = OSError("That was no answer of Slack's.")
    refused = refusal(error)
    refused.retryable = refused.retryable or is_retryable(refused.kind)
    facts = {"action": "call_slack", "method": method, "error": refused.kind}
    logger.info("Slack did not do what was asked", extra=facts)
    return refused
