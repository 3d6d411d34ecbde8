"""Slack as the bot calls it: clients, tokens, replies."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from emojifier_bot.errors import DeliveryError
from emojifier_bot.wiring.stores import CLOCK, Stores

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.domain import Installation
    from emojifier_bot.observers import SlackObserver
    from emojifier_bot.slack.app_client import AppClient
    from emojifier_bot.slack.client import BotTokens, SlackClient
    from emojifier_bot.slack.post import SlackReplySink

logger = logging.getLogger(__name__)


def make_client(settings: Settings) -> AppClient:
    """Build a client of Slack's Web API without a token of its own."""
    from emojifier_bot.slack.app_client import AppClient

    return AppClient(settings.slack_api_url)


def make_tokens(settings: Settings, stores: Stores) -> BotTokens:
    """Build what knows each workspace's token."""
    from emojifier_bot.slack.tokens import RotatingBotTokens

    return RotatingBotTokens(
        store=stores.installations,
        clock=CLOCK,
        client=make_client(settings),
        client_id=settings.slack_client_id,
        client_secret=settings.slack_client_secret.get_secret_value(),
    )


def make_slack(
    settings: Settings, stores: Stores, observer: SlackObserver
) -> SlackClient:
    """Build what speaks to Slack for the workspaces; one for a process."""
    from emojifier_bot.slack.client import SlackClient

    tokens = make_tokens(settings, stores)
    return SlackClient(settings.slack_api_url, tokens, observer=observer)


def make_sink(
    settings: Settings, stores: Stores, client: SlackClient
) -> SlackReplySink:
    """Build what delivers to Slack."""
    from emojifier_bot.http.hosts import read_hosts
    from emojifier_bot.slack.post import SlackReplySink

    return SlackReplySink(client, stores.vault, read_hosts(settings.slack_file_hosts))


def adopt_token(settings: Settings, stores: Stores) -> Installation | None:
    """Ask Slack whose SLACK_BOT_TOKEN is and remember that workspace, if one is set.

    Where Slack does not answer, what is remembered from an earlier start will do.

    Raises:
        ConfigError: Slack refuses the token.
        DeliveryError: Slack does not answer, and never did.
    """
    from emojifier_bot.slack.install import installation_of_token

    token = settings.slack_bot_token.get_secret_value()
    if not token:
        return None
    try:
        found = installation_of_token(make_client(settings), token, CLOCK)
    except DeliveryError as error:
        known = [one for one in stores.installations.all() if one.bot_token == token]
        if not known:
            raise
        facts = {"action": "adopt_token", "error": error.kind}
        logger.warning("Slack does not answer; the token is known", extra=facts)
        return known[0]
    stores.installations.save(found)
    return found
