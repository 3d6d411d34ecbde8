"""What the errors of Slack's client mean."""

from __future__ import annotations

from http.client import RemoteDisconnected
from urllib.error import URLError

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from emojifier_bot.slack.client import delivery_error
from tests.fakes.servers import said, serving

JSON = "application/json"


def raised(answer: bytes) -> Exception:
    with serving({"/api/auth.test": answer}) as slack:
        client = WebClient(base_url=slack.url("/api/"), retry_handlers=[])
        with pytest.raises((SlackApiError, OSError)) as caught:
            client.auth_test()
    return caught.value


@pytest.mark.parametrize(
    "error", [URLError("x"), TimeoutError(), RemoteDisconnected(), OSError()]
)
def test_no_answer_at_all(error):
    refused = delivery_error(error)

    assert (refused.kind, refused.retryable) == ("slack_unreachable", True)


@pytest.mark.parametrize(
    ("answer", "kind", "retryable", "after"),
    [
        (
            said(200, b'{"ok": false, "error": "not_in_channel"}', content_type=JSON),
            "not_in_channel",
            False,
            None,
        ),
        (
            said(
                429,
                b'{"ok": false, "error": "ratelimited"}',
                content_type=JSON,
                retry_after=7,
            ),
            "ratelimited",
            True,
            7.0,
        ),
        (
            said(
                429,
                b'{"ok": false, "error": "ratelimited"}',
                content_type=JSON,
                retry_after="soon",
            ),
            "ratelimited",
            True,
            None,
        ),
        (
            said(200, b'{"ok": false}', content_type=JSON),
            "slack_unreachable",
            True,
            None,
        ),
        (
            said(200, b"<html>sign in</html>", content_type="text/html"),
            "slack_unreachable",
            True,
            None,
        ),
        (
            said(503, b"<html>", content_type="text/html", retry_after=3),
            "slack_unreachable",
            True,
            3.0,
        ),
        (b"", "slack_unreachable", True, None),
    ],
    ids=["code", "often", "odd wait", "no code", "page", "broken", "cut off"],
)
def test_what_an_answer_means(answer, kind, retryable, after):
    refused = delivery_error(raised(answer))

    assert (refused.kind, refused.retryable) == (kind, retryable)
    assert refused.retry_after_seconds == after
