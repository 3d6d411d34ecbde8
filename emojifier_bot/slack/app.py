"""The Bolt app: registers every listener, and answers over HTTP or in Socket Mode.

Over HTTP it answers in the web server's threads. In Socket Mode the bot opens a
connection to Slack, and needs no public address.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.flask.handler import to_bolt_request, to_flask_response
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from werkzeug.wrappers import Response

from emojifier_bot.errors import ConfigError, DeliveryError, ErrorKind
from emojifier_bot.slack.actions import Actions
from emojifier_bot.slack.client import CLIENT_ERRORS, SlackWebClient, delivery_error
from emojifier_bot.slack.context import ListenerContext
from emojifier_bot.slack.listeners import Listeners
from emojifier_bot.slack.manifest import INSTALL_PATH, REDIRECT_PATH
from emojifier_bot.slack.oauth import WRONG_TOKEN, InstallFlow
from emojifier_bot.slack.uninstall import Uninstallations

#: Bolt logs whole requests; only its errors are let through.
BOLT_LOGGER = "emojifier_bot.slack.bolt"
#: Requests that Socket Mode answers at the same time, like the web server's threads.
CONCURRENCY = 16
#: Codes for a token of another type, or without the scope for Socket Mode.
NOT_APP_LEVEL = WRONG_TOKEN | {
    ErrorKind.NOT_ALLOWED_TOKEN_TYPE,
    ErrorKind.MISSING_SCOPE,
}


def make_bolt_app(context: ListenerContext, signing_secret: str) -> App:
    """Build the Bolt app: listeners run in the web server's own threads.

    Args:
        context: What the listeners work with.
        signing_secret: Proves that a request comes from Slack.
    """
    bolt_logger = logging.getLogger(BOLT_LOGGER)
    bolt_logger.setLevel(logging.ERROR)
    actions = Actions(context)
    listeners = Listeners(context, actions)
    app = App(
        name="emojifier-bot",
        logger=bolt_logger,
        process_before_response=True,
        raise_error_for_unhandled_request=True,
        signing_secret=signing_secret,
        client=SlackWebClient(base_url=context.client.base_url, logger=bolt_logger),
        # Annotated too narrowly: Bolt looks whether it returned None.
        authorize=context.authorize,  # type: ignore[arg-type] # see above
        before_authorize=listeners.require_installation,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )
    app.error(listeners.failed)
    listeners.register(app)
    actions.register(app)
    Uninstallations(context).register(app)
    return app


def flask_handler(
    app: App, install_flow: InstallFlow | None = None
) -> Callable[..., Response]:
    """Return the function that answers a Flask request.

    Args:
        app: Answers Slack.
        install_flow: *Add to Slack*; None for one workspace with a token of its own.
    """

    def handle(request: Any) -> Response:
        if request.method == "POST":
            return to_flask_response(app.dispatch(to_bolt_request(request)))
        # Where SLACK_CLIENT_ID is in the environment Bolt has made a flow of its own;
        # no request reaches it.
        if install_flow and request.method == "GET":
            if request.path == INSTALL_PATH:
                return install_flow.begin(request)
            if request.path == REDIRECT_PATH:
                return install_flow.finish(request)
        return Response(status=HTTPStatus.NOT_FOUND)

    return handle


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
