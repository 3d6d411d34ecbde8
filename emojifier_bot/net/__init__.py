"""The only HTTP client for addresses that others give: people, servers, Slack."""

from emojifier_bot.net.addresses import check_address
from emojifier_bot.net.client import GuardedClient
from emojifier_bot.net.deadline import Timeouts
from emojifier_bot.net.pictures import Fetched
from emojifier_bot.net.resolve import Resolver, system_resolver
from emojifier_bot.net.service import (
    ServiceAnswer,
    ServiceCall,
    is_safe_for_keys,
    multipart,
    post_to_service,
)
from emojifier_bot.net.transfer import get_with_token, post_bytes

__all__ = [
    "Fetched",
    "GuardedClient",
    "Resolver",
    "ServiceAnswer",
    "ServiceCall",
    "Timeouts",
    "check_address",
    "get_with_token",
    "is_safe_for_keys",
    "multipart",
    "post_bytes",
    "post_to_service",
    "system_resolver",
]
