"""Socket Mode: the bot opens a line to Slack, and needs no public address."""

from __future__ import annotations

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from emojifier_bot.errors import ConfigError, DeliveryError, ErrorKind
from emojifier_bot.slack.install import WRONG_TOKEN
from emojifier_bot.slack.refusals import CLIENT_ERRORS, refusal

#: Requests that are answered at the same time, like the web server's threads.
CONCURRENCY = 16
#: Codes for a token that is good for something else.
NOT_APP_LEVEL = WRONG_TOKEN | {
    ErrorKind.NOT_ALLOWED_TOKEN_TYPE,
    ErrorKind.MISSING_SCOPE,
}


class SocketMode:
    """One open line to Slack; it mends itself when it breaks."""

    def __init__(self, app: App, app_token: str) -> None:
        """Prepare; nothing is open yet."""
        self._handler = SocketModeHandler(
            app, app_token, logger=app.logger, concurrency=CONCURRENCY
        )

    def open(self) -> None:
        """Open the line; requests are answered from now on, in threads of their own.

        Raises:
            ConfigError: Slack refuses the token.
            DeliveryError: Slack does not answer.
        """
        try:
            self._handler.client.connect()
        except CLIENT_ERRORS as error:
            raise _refused(error) from error

    def close(self) -> None:
        """Close the line."""
        self._handler.client.close()


def ask_for_line(client: WebClient, app_token: str) -> None:
    """Ask Slack for a line without opening it: whether the token is good for one.

    Raises:
        ConfigError: Slack refuses the token.
        DeliveryError: Slack does not answer.
    """
    try:
        client.apps_connections_open(app_token=app_token)
    except CLIENT_ERRORS as error:
        raise _refused(error) from error


def _refused(error: Exception) -> ConfigError | DeliveryError:
    refused = refusal(error)
    if refused.kind not in NOT_APP_LEVEL:
        return refused
    said = f"SLACK_APP_TOKEN is refused by Slack ({refused.kind}); make one "
    return ConfigError(
        [said + "under Basic Information, App-Level Tokens: connections:write."]
    )
