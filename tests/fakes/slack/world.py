"""One Slack in memory: what exists, behind one lock."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Iterable
from typing import Any, Literal

from tests.fakes.slack.faults import Faults
from tests.fakes.slack.state import (
    NO_TEAM,
    Call,
    Channel,
    Consent,
    Grant,
    Message,
    PendingShare,
    Problem,
    ResponseUrl,
    SlackApp,
    SlackFile,
    Switches,
    Trigger,
    User,
    View,
    Workspace,
)


class World:
    """Everything the fake knows. Take `lock` for more than one look at it."""

    def __init__(self, app: SlackApp, clock: Callable[[], float]) -> None:
        self.app = app
        self.clock = clock
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.faults = Faults()
        self.switches = Switches()
        #: Base of every address that is given out; set once the port is known.
        self.url = ""
        self.calls: list[Call] = []
        self.problems: list[Problem] = []
        self.workspaces: dict[str, Workspace] = {}
        self.grants: dict[str, Grant] = {}
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: list[Message] = []
        self.files: dict[str, SlackFile] = {}
        #: Secret ends of upload addresses, to ids of files.
        self.tickets: dict[str, str] = {}
        self.pending_shares: list[PendingShare] = []
        #: By their codes.
        self.consents: dict[str, Consent] = {}
        self.views: dict[str, View] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self._numbers = itertools.count(1)
        self._last_ts = (0, 0)

    def new_id(self, prefix: str) -> str:
        """Return an id that nothing has yet: ``C0000000A7``."""
        with self.lock:
            return f"{prefix}{next(self._numbers):09X}"

    def new_ts(self) -> str:
        """Return a timestamp later than all others."""
        with self.lock:
            now = (int(self.clock()), 0)
            last, number = self._last_ts
            self._last_ts = max(now, (last, number + 100))
            return f"{self._last_ts[0]}.{self._last_ts[1]:06d}"

    def new_token(self, prefix: str) -> str:
        return f"{prefix}-{secrets.token_hex(16)}"

    def add_workspace(self, name: str = "Acme", **more: Any) -> Workspace:
        """Found a workspace; ``enterprise_id`` puts it into an organisation."""
        with self.lock:
            grid = more.get("enterprise_id")
            # One organisation, one bot user.
            sisters = [
                w for w in self.workspaces.values() if grid and w.enterprise_id == grid
            ]
            workspace = Workspace(
                team_id=more.pop("team_id", "") or self.new_id("T"),
                name=name,
                domain=name.lower().replace(" ", "-"),
                bot_user_id=sisters[0].bot_user_id if sisters else self.new_id("U"),
                bot_id=sisters[0].bot_id if sisters else self.new_id("B"),
                **more,
            )
            self.workspaces[workspace.team_id] = workspace
            bot = User(workspace.bot_user_id, workspace.team_id, "emojify", is_bot=True)
            self.users.setdefault(bot.user_id, bot)
            return workspace

    def add_user(
        self, workspace: Workspace, name: str, *, is_bot: bool = False
    ) -> User:
        """Let somebody join a workspace."""
        with self.lock:
            user = User(self.new_id("U"), workspace.team_id, name, is_bot)
            self.users[user.user_id] = user
            return user

    def add_channel(
        self,
        workspace: Workspace,
        name: str,
        members: Iterable[User] = (),
        *,
        kind: Literal["public", "private", "im", "mpim"] = "public",
        with_bot: bool = True,
    ) -> Channel:
        """Open a channel; the bot comes unless told not."""
        with self.lock:
            bot = {workspace.bot_user_id} if with_bot else set()
            channel = Channel(
                channel_id=self.new_id("D" if kind == "im" else "C"),
                team_id=workspace.team_id,
                name=name,
                kind=kind,
                members={user.user_id for user in members} | bot,
                created=int(self.clock()),
            )
            self.channels[channel.channel_id] = channel
            return channel

    def direct_message(self, workspace: Workspace, user_id: str) -> Channel:
        """Return somebody's direct messages with the bot, opened if need be."""
        with self.lock:
            pair = {user_id, workspace.bot_user_id}
            for channel in self.channels.values():
                if channel.kind == "im" and channel.members == pair:
                    return channel
            channel = self.add_channel(workspace, "", kind="im")
            channel.members.add(user_id)
            return channel

    def install(
        self,
        workspace: Workspace,
        scopes: Iterable[str] | None = None,
        *,
        org_wide: bool = False,
    ) -> Grant:
        """Give the app a token, as if somebody had pressed *Allow*."""
        with self.lock:
            rotates = self.app.token_rotation
            lasts = self.app.token_seconds
            grant = Grant(
                token=self.new_token("xoxe.xoxb" if rotates else "xoxb"),
                team_id=NO_TEAM if org_wide else workspace.team_id,
                enterprise_id=workspace.enterprise_id,
                scopes=set(self.app.scopes if scopes is None else scopes),
                bot_user_id=workspace.bot_user_id,
                refresh_token=self.new_token("xoxe-1") if rotates else "",
                expires_at=self.clock() + lasts if rotates else None,
            )
            self.grants[grant.token] = grant
            return grant

    def add_message(self, message: Message) -> Message:
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()
            return message

    def message(self, channel_id: str, ts: str) -> Message | None:
        """Return a message that everybody in a channel sees, deleted or not."""
        with self.lock:
            for one in self.messages:
                if (one.channel_id, one.ts) == (channel_id, ts) and not one.only_for:
                    return one
            return None

    def record(self, call: Call) -> None:
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()

    def take_calls(self) -> list[Call]:
        """Return the calls so far and forget them; for runs of many hours."""
        with self.lock:
            taken, self.calls = self.calls, []
            return taken

    def problem(self, kind: str, method: str, what: str) -> None:
        with self.changed:
            self.problems.append(Problem(kind, method, what))
            self.changed.notify_all()

    def broke(self, error: BaseException) -> None:
        """Note that the fake itself failed, so that no test overlooks it."""
        self.problem("fake_broke", "", repr(error))
