"""A first workspace, so that not every test has to found one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.fakes.slack.server import SlackServer
from tests.fakes.slack.state import Channel, Grant, User, Workspace


@dataclass(frozen=True)
class Town:
    """A workspace with two people, three channels and the app installed."""

    workspace: Workspace
    grant: Grant
    ada: User
    bob: User
    #: Public, with everybody and the bot.
    general: Channel
    #: Public, with everybody but the bot.
    random: Channel
    #: Private, of Ada alone.
    secret: Channel

    @property
    def token(self) -> str:
        """Return the bot's token."""
        return self.grant.token

    @property
    def facts(self) -> dict[str, Any]:
        """Return ids and token as JSON types, for another process."""
        rooms = (self.general, self.random, self.secret)
        return {
            "team_id": self.workspace.team_id,
            "bot_user_id": self.workspace.bot_user_id,
            "token": self.token,
            "users": {one.name: one.user_id for one in (self.ada, self.bob)},
            "channels": {one.name: one.channel_id for one in rooms},
        }


def found_town(
    slack: SlackServer,
    scopes: Iterable[str] | None = None,
    *,
    org_wide: bool = False,
    **workspace: Any,
) -> Town:
    """Found a workspace with people and channels, and install the app.

    Args:
        slack: Where.
        scopes: What the token may do; None for all that the app asks for.
        org_wide: The token is an organisation's.
        workspace: Fields of `Workspace` that differ.
    """
    home = slack.add_workspace(**{"name": "Acme"} | workspace)
    ada, bob = (slack.add_user(home, name) for name in ("ada", "bob"))
    return Town(
        workspace=home,
        grant=slack.world.install(home, scopes, org_wide=org_wide),
        ada=ada,
        bob=bob,
        general=slack.add_channel(home, "general", [ada, bob]),
        random=slack.add_channel(home, "random", [ada, bob], with_bot=False),
        secret=slack.add_channel(home, "secret", [ada], kind="private", with_bot=False),
    )
