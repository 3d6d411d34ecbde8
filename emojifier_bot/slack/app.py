"""The Bolt app: registers every listener, and answers over HTTP.

It answers in the web server's threads; `socket_mode` is the other way to Slack.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.flask.handler import to_bolt_request, to_flask_response
from werkzeug.wrappers import Response

from emojifier_bot.slack.actions import Actions
from emojifier_bot.slack.client import SlackWebClient
from emojifier_bot.slack.context import ListenerContext
from emojifier_bot.slack.home import Home
from emojifier_bot.slack.listeners import Listeners
from emojifier_bot.slack.manifest import INSTALL_PATH, REDIRECT_PATH
from emojifier_bot.slack.oauth import InstallFlow
from emojifier_bot.slack.preview_actions import PreviewActions
from emojifier_bot.slack.reactions import Reactions
from emojifier_bot.slack.uninstall import Uninstallations

#: Bolt logs whole requests; only its errors are let through.
BOLT_LOGGER = "emojifier_bot.slack.bolt"


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
        client=SlackWebClient(
            route=context.client.route,
            base_url=context.client.base_url,
            logger=bolt_logger,
        ),
        # Annotated too narrowly: Bolt looks whether it returned None.
        authorize=context.authorize,  # type: ignore[arg-type] # see above
        before_authorize=listeners.require_installation,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )
    app.error(listeners.failed)
    listeners.register(app)
    actions.register(app)
    PreviewActions(context).register(app)
    Home(context).register(app)
    Reactions(context, actions).register(app)
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
