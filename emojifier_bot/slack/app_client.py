"""Slack's Web API for the app itself: installations and tokens, not posts."""

from __future__ import annotations

from emojifier_bot.slack.client import TIMEOUT_SECONDS, CarefulClient, silent


class AppClient(CarefulClient):
    """A client without a token. A code or a refresh token is good for one try only."""

    def __init__(self, api_url: str) -> None:
        """Keep the address: ``"https://slack.com/api/"``."""
        super().__init__(
            base_url=api_url.rstrip("/") + "/",
            timeout=TIMEOUT_SECONDS,
            retry_handlers=[],
            logger=silent,
        )
