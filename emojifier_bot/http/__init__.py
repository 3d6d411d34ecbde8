"""The only HTTP client for addresses that others give: people, servers, Slack."""

from emojifier_bot.http.addresses import check_address
from emojifier_bot.http.client import GuardedClient
from emojifier_bot.http.deadline import Timeouts
from emojifier_bot.http.pictures import Fetched, web_page
from emojifier_bot.http.resolve import Resolver, system_resolver
from emojifier_bot.http.service import (
    ServiceAnswer,
    ServiceCall,
    is_safe_for_keys,
    multipart,
    post_to_service,
)
from emojifier_bot.http.transfer import get_with_token, post_bytes

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
    "web_page",
]
