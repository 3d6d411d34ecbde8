"""A workspace with people and channels, so that not every test has to make one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.fakes.slack.server import SlackServer
from tests.fakes.slack.state import Channel, Grant, User, Workspace


@dataclass(frozen=True)
class SampleWorkspace:
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


def sample_workspace(
    slack: SlackServer,
    scopes: Iterable[str] | None = None,
    *,
    org_wide: bool = False,
    **workspace: Any,
) -> SampleWorkspace:
    """Add a workspace with people and channels, and install the app.

    Args:
        slack: Where.
        scopes: What the token may do; None for all that the app asks for.
        org_wide: The token is an organisation's.
        workspace: Fields of `Workspace` that differ.
    """
    home = slack.add_workspace(**{"name": "Acme"} | workspace)
    ada, bob = (slack.add_user(home, name) for name in ("ada", "bob"))
    return SampleWorkspace(
        workspace=home,
        grant=slack.world.install(home, scopes, org_wide=org_wide),
        ada=ada,
        bob=bob,
        general=slack.add_channel(home, "general", [ada, bob]),
        random=slack.add_channel(home, "random", [ada, bob], with_bot=False),
        secret=slack.add_channel(home, "secret", [ada], kind="private", with_bot=False),
    )
