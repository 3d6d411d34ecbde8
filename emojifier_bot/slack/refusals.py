"""What a client of Slack raises, as errors of ours."""

from __future__ import annotations

import re
from http.client import HTTPException

from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from emojifier_bot.errors import DeliveryError, ErrorKind, SlackCode

#: What the client raises, with an answer and without one.
CLIENT_ERRORS = (SlackApiError, OSError, HTTPException)
#: Kind of an error where Slack, or the way to it, is broken.
UNREACHABLE = ErrorKind.SLACK_UNREACHABLE
SERVER_ERROR = 500
#: Anything else in the place of a code is a page that was no answer of Slack's.
_CODE = re.compile(r"[a-z0-9_]+")


def not_installed() -> DeliveryError:
    """Return the error that says that nobody installed the bot."""
    return DeliveryError(
        "The bot is not installed in that workspace, or no longer. Install it again.",
        kind=ErrorKind.NOT_INSTALLED,
    )


def refusal(error: Exception) -> DeliveryError:
    """Return what one of `CLIENT_ERRORS` means."""
    if not isinstance(error, SlackApiError):
        return no_answer()
    response = error.response
    waits = header(response, "Retry-After")
    after = float(waits) if waits.isdecimal() else None
    # Anything may stand where an answer was due.
    code = str(response.data.get("error")) if isinstance(response.data, dict) else ""
    if response.status_code >= SERVER_ERROR or not _CODE.fullmatch(code):
        return no_answer(after)
    return DeliveryError(
        f"Slack refused: {code}. Its documentation says what that means.",
        kind=SlackCode(code),
        retryable=after is not None or code == ErrorKind.RATELIMITED,
        retry_after_seconds=after,
    )


def header(response: SlackResponse, name: str) -> str:
    """Return a header, however it is spelled; empty for none."""
    found = (str(value) for key, value in response.headers.items() if _same(key, name))
    return next(found, "")


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def no_answer(after: float | None = None) -> DeliveryError:
    """Return the error where Slack said nothing, or nothing that makes sense."""
    return DeliveryError(
        "Slack did not answer. Try again in a minute.",
        kind=UNREACHABLE,
        retryable=True,
        retry_after_seconds=after,
    )
