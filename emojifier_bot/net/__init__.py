"""The only HTTP client for addresses that others give: people, servers, Slack."""

from emojifier_bot.net.addresses import check_address
from emojifier_bot.net.client import GuardedClient
from emojifier_bot.net.deadline import Timeouts
from emojifier_bot.net.pictures import Fetched
from emojifier_bot.net.resolve import Resolver, system_resolver
from emojifier_bot.net.transfer import get_with_token, post_bytes

__all__ = [
    "Fetched",
    "GuardedClient",
    "Resolver",
    "Timeouts",
    "check_address",
    "get_with_token",
    "post_bytes",
    "system_resolver",
]
