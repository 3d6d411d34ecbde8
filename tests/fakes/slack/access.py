"""Who calls, and what that token may see and do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.fakes.slack.arguments import Arguments, Refusal
from tests.fakes.slack.catalogue import METHODS, OPEN_METHODS
from tests.fakes.slack.state import Channel, Grant, SlackFile, User, Workspace
from tests.fakes.slack.world import World


@dataclass
class Caller:
    """One call of one method, its token checked."""

    world: World
    method: str
    args: dict[str, Any]
    #: None for methods without a token.
    granted: Grant | None
    #: Client id and secret, by basic authentication.
    basic: tuple[str, str] | None = None

    @property
    def grant(self) -> Grant:
        if self.granted is None:
            raise Refusal("not_authed")
        return self.granted

    @property
    def workspace(self) -> Workspace:
        """Return the grant's workspace; one of them for an organisation's grant."""
        named = self.world.workspaces.get(str(self.args.get("team_id", "")))
        if named is not None and self.grant.covers(named):
            return named
        return next(w for w in self.world.workspaces.values() if self.grant.covers(w))

    def text(self, name: str) -> str:
        return str(self.args.get(name, ""))

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in {"1", "true"}

    def needs(self, *any_of: str) -> None:
        need_scope(self.grant, any_of)

    def known_channel(self, channel_id: str) -> Channel:
        """Return a channel of which the token may know."""
        channel = self.world.channels.get(channel_id)
        if channel is None or not self._covers(channel.team_id):
            raise Refusal("channel_not_found")
        if channel.kind != "public" and not self.is_in(channel):
            raise Refusal("channel_not_found")
        return channel

    def known_user(self, user_id: str) -> User:
        user = self.world.users.get(user_id)
        if user is None or not self._covers(user.team_id):
            raise Refusal("user_not_found")
        return user

    def joined_channel(self, channel_id: str) -> Channel:
        channel = self.known_channel(channel_id)
        if not self.is_in(channel):
            raise Refusal("not_in_channel")
        return channel

    def is_in(self, channel: Channel) -> bool:
        return self.grant.bot_user_id in channel.members

    def looks_into(self, channel: Channel) -> bool:
        """Tell whether the bot may see what a channel shows: from inside, or public."""
        is_open = channel.kind == "public" and not self.world.switches.public_hidden
        return self.is_in(channel) or (is_open and self._covers(channel.team_id))

    def sees(self, file: SlackFile) -> bool:
        """Tell whether the bot may see a file: its own, or one shown where it looks."""
        if not (file.completed and self._covers(file.team_id)):
            return False
        if file.user_id == self.grant.bot_user_id:
            return True
        rooms = (self.world.channels[share.channel_id] for share in file.shares)
        return any(map(self.looks_into, rooms))

    def _covers(self, team_id: str) -> bool:
        return self.grant.covers(self.world.workspaces[team_id])

    def check_thread(self, channel: Channel, wrong: Refusal, gone: Refusal) -> str:
        """Return the ``thread_ts`` to answer under; empty for none.

        ``wrong`` is raised where there never was such a parent, ``gone`` where it was
        deleted.
        """
        ts = self.text("thread_ts")
        if not ts:
            return ""
        parent = self.world.message(channel.channel_id, ts)
        if parent is None or parent.is_reply:
            whose = "a reply's" if parent else "no message's"
            self.problem("bad_thread", f"thread_ts is {whose}")
            raise wrong
        if parent.deleted:
            raise gone
        return ts

    def problem(self, kind: str, what: str) -> None:
        self.world.problem(kind, self.method, what)


def find_grant(world: World, method: str, arguments: Arguments) -> Grant | None:
    """Return the grant of a call's token; None for a method without one."""
    if method in OPEN_METHODS:
        return None
    grant = live_grant(world, method, arguments.token)
    if METHODS[method].scopes:
        need_scope(grant, METHODS[method].scopes)
    return grant


def live_grant(world: World, method: str, token: str) -> Grant:
    """Return the grant of a token that is good today."""
    if not token:
        world.problem("no_token", method, "called without a token")
        raise Refusal("not_authed")
    if token.startswith("xapp-"):
        world.problem("wrong_token", method, "an app-level token")
        raise Refusal("not_allowed_token_type")
    grant = world.grants.get(token)
    if grant is None:
        world.problem("wrong_token", method, "a token that was never given out")
        raise Refusal("invalid_auth")
    if grant.dead:
        raise Refusal(grant.dead)
    if grant.expires_at is not None and world.clock() >= grant.expires_at:
        raise Refusal("token_expired")
    return grant


def need_scope(grant: Grant, any_of: Iterable[str]) -> None:
    """Refuse where a token has none of some scopes."""
    needed = sorted(any_of)
    if not grant.scopes.intersection(needed):
        provided = ",".join(sorted(grant.scopes))
        raise Refusal("missing_scope", needed=",".join(needed), provided=provided)
