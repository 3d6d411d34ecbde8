"""The only HTTP client for addresses that others give: people, servers, Slack."""

from emojifier_bot.http.addresses import check_address, fetch_error
from emojifier_bot.http.connection import Network, Timeouts
from emojifier_bot.http.fetch import Fetched, GuardedClient
from emojifier_bot.http.service import (
    ServiceAnswer,
    ServiceCall,
    is_safe_for_keys,
    multipart,
    post_to_service,
)
from emojifier_bot.http.slack_files import get_with_token, post_bytes

__all__ = [
    "Fetched",
    "GuardedClient",
    "Network",
    "ServiceAnswer",
    "ServiceCall",
    "Timeouts",
    "check_address",
    "fetch_error",
    "get_with_token",
    "is_safe_for_keys",
    "multipart",
    "post_bytes",
    "post_to_service",
]
