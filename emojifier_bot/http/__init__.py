"""The only HTTP client for addresses that others give: people, servers, Slack."""

from emojifier_bot.http.addresses import Target, check_address, fetch_error, read
from emojifier_bot.http.connection import SMALL_BYTES, Room, any_room
from emojifier_bot.http.fetch import FETCH_NETWORK, Fetched, GuardedClient
from emojifier_bot.http.resolver import Network, Timeouts
from emojifier_bot.http.route import DIRECT, OWN_FAULTS, Route
from emojifier_bot.http.service import (
    ServiceAnswer,
    ServiceCall,
    is_safe_for_keys,
    multipart,
    post_to_service,
    reach,
)
from emojifier_bot.http.slack_files import (
    TRANSFER_NETWORK,
    get_with_token,
    post_bytes,
)

__all__ = [
    "DIRECT",
    "FETCH_NETWORK",
    "OWN_FAULTS",
    "SMALL_BYTES",
    "TRANSFER_NETWORK",
    "Fetched",
    "GuardedClient",
    "Network",
    "Room",
    "Route",
    "ServiceAnswer",
    "ServiceCall",
    "Target",
    "Timeouts",
    "any_room",
    "check_address",
    "fetch_error",
    "get_with_token",
    "is_safe_for_keys",
    "multipart",
    "post_bytes",
    "post_to_service",
    "reach",
    "read",
]
