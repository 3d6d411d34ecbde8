"""The Bolt app: every listener in one place, answering in the web server's threads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.flask import SlackRequestHandler
from slack_bolt.oauth import OAuthFlow

from emojifier_bot.slack.buttons import Buttons
from emojifier_bot.slack.client import CarefulClient
from emojifier_bot.slack.inbound import Inbound
from emojifier_bot.slack.receive import Listeners
from emojifier_bot.slack.uninstall import Uninstallations

#: Bolt's own words hold whole requests; only its errors are let through.
BOLT_LOGGER = "emojifier_bot.slack.bolt"
#: What `make_bolt_app` makes, for those who must not know Bolt.
BoltApp = App


def make_bolt_app(
    inbound: Inbound, signing_secret: str, flow: OAuthFlow | None = None
) -> App:
    """Build the Bolt app: listeners run in the web server's own threads.

    Args:
        inbound: What the listeners need.
        signing_secret: Proves that a request comes from Slack.
        flow: *Add to Slack*; None for one workspace with a token of its own.
    """
    bolt_logger = logging.getLogger(BOLT_LOGGER)
    bolt_logger.setLevel(logging.ERROR)
    buttons = Buttons(inbound)
    listeners = Listeners(inbound, buttons)
    app = App(
        name="emojifier-bot",
        logger=bolt_logger,
        process_before_response=True,
        raise_error_for_unhandled_request=True,
        signing_secret=signing_secret,
        client=CarefulClient(base_url=inbound.client.base_url, logger=bolt_logger),
        # Annotated too narrowly: Bolt looks whether it returned None.
        authorize=inbound.authorize,  # type: ignore[arg-type] # see above
        before_authorize=listeners.refuse_strangers,
        oauth_flow=flow,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )
    app.error(listeners.failed)
    listeners.register(app)
    buttons.register(app)
    Uninstallations(inbound).register(app)
    return app


def flask_handler(app: App) -> Callable[..., Any]:
    """Return the function that answers a Flask request."""
    handle: Callable[..., Any] = SlackRequestHandler(app).handle
    return handle
