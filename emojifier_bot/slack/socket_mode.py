"""Socket Mode: the bot opens a connection to Slack, and needs no public address."""

from __future__ import annotations

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from emojifier_bot.errors import ConfigError, DeliveryError, ErrorKind
from emojifier_bot.slack.client import CLIENT_ERRORS, delivery_error
from emojifier_bot.slack.oauth import WRONG_TOKEN

#: Requests that are answered at the same time, like the web server's threads.
CONCURRENCY = 16
#: Codes for a token of another type, or without the scope for Socket Mode.
NOT_APP_LEVEL = WRONG_TOKEN | {
    ErrorKind.NOT_ALLOWED_TOKEN_TYPE,
    ErrorKind.MISSING_SCOPE,
}


class SocketMode:
    """One open connection to Slack; it is opened again when it breaks."""

    def __init__(self, app: App, app_token: str) -> None:
        self._handler = SocketModeHandler(
            app, app_token, logger=app.logger, concurrency=CONCURRENCY
        )

    def open(self) -> None:
        """Connect; requests are answered from now on, in threads of their own.

        Raises:
            ConfigError: Slack refuses the token.
            DeliveryError: Slack does not answer.
        """
        try:
            self._handler.client.connect()
        except CLIENT_ERRORS as error:
            raise _refused(error) from error

    def close(self) -> None:
        """Close the connection."""
        self._handler.client.close()


def verify_app_token(client: WebClient, app_token: str) -> None:
    """Ask Slack for a connection without opening it, to check the token.

    Raises:
        ConfigError: Slack refuses the token.
        DeliveryError: Slack does not answer.
    """
    try:
        client.apps_connections_open(app_token=app_token)
    except CLIENT_ERRORS as error:
        raise _refused(error) from error


def _refused(error: Exception) -> ConfigError | DeliveryError:
    refused = delivery_error(error)
    if refused.kind not in NOT_APP_LEVEL:
        return refused
    problem = (
        f"SLACK_APP_TOKEN is refused by Slack ({refused.kind}); make one under Basic "
        "Information, App-Level Tokens: connections:write."
    )
    return ConfigError([problem])
