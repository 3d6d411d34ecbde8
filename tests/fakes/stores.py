"""The stores without a database: quick, and they refuse what the real ones refuse."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from emojifier_bot.clock import Clock
from emojifier_bot.domain import (
    Exhausted,
    Installation,
    Limit,
    Post,
    PostRecord,
    Workspace,
)
from emojifier_bot.errors import VaultError
from tests.fakes.clock import FakeClock

STATE_VALID_FOR = timedelta(seconds=600)


class FakeVault:
    """A `Vault` that remembers what it sealed."""

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}

    def seal(self, plain: str) -> str:
        sealed = f"sealed-{secrets.token_hex(8)}"
        self._secrets[sealed] = plain
        return sealed

    def unseal(self, sealed: str) -> str:
        if sealed not in self._secrets:
            raise VaultError("That was not sealed here.")
        return self._secrets[sealed]


@dataclass
class FakeOAuthStates:
    """An `OAuthStates` in memory."""

    clock: Clock = field(default_factory=FakeClock)
    _expiry: dict[str, datetime] = field(default_factory=dict)

    def issue(self) -> str:
        state = secrets.token_urlsafe(32)
        self._expiry[state] = self.clock.now() + STATE_VALID_FOR
        return state

    def consume(self, state: str) -> bool:
        # One step, as far as threads see.
        expiry = self._expiry.pop(state, None)
        return expiry is not None and self.clock.now() < expiry


class FakePostLog:
    """A `PostLog` in memory."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or FakeClock()
        self._lock = threading.Lock()
        self._records: dict[tuple[str, str], PostRecord] = {}

    def record(self, post: Post) -> None:
        fresh = PostRecord(post, self._clock.now())
        self._records.setdefault(_key(post.workspace, post.post_id), fresh)

    def find(self, workspace: Workspace, post_id: str) -> PostRecord | None:
        return self._records.get(_key(workspace, post_id))

    def count_press(self, workspace: Workspace, post_id: str) -> int:
        key = _key(workspace, post_id)
        with self._lock:
            found = self._records.get(key)
            if found is None:
                return 0
            self._records[key] = replace(found, presses=found.presses + 1)
            return found.presses + 1

    def mark_deleted(self, workspace: Workspace, post_id: str, user_id: str) -> bool:
        key = _key(workspace, post_id)
        with self._lock:
            found = self._records.get(key)
            if found is None or found.deleted_at is not None:
                return False
            now = self._clock.now()
            self._records[key] = replace(found, deleted_by=user_id, deleted_at=now)
            return True

    def forget(self, workspace: Workspace, post_id: str) -> None:
        self._records.pop(_key(workspace, post_id), None)

    def forget_before(self, moment: datetime) -> int:
        before = _utc(moment) or moment
        old = [
            key
            for key, one in self._records.items()
            if (one.posted_at if one.deleted_at is None else one.deleted_at) < before
        ]
        for key in old:
            del self._records[key]
        return len(old)

    def forget_all(self, holder: str, others: set[str]) -> None:
        """Forget all of a workspace, or of an organisation but for some workspaces."""
        for key, one in list(self._records.items()):
            if _is_of(one.post.workspace, holder, others):
                del self._records[key]


class FakeWorkspaceSettings:
    """A `WorkspaceSettings` in memory."""

    def __init__(self) -> None:
        #: Workspace, channel or person.
        self._off: set[tuple[Workspace, str]] = set()
        self._out: set[tuple[Workspace, str]] = set()

    def switch(
        self, workspace: Workspace, channel_id: str, user_id: str, *, off: bool
    ) -> None:
        del user_id
        here = {one for one in self._off if _key(*one) == _key(workspace, channel_id)}
        self._off = self._off | {(workspace, channel_id)} if off else self._off - here

    def is_off(self, channel_id: str) -> bool:
        return any(channel == channel_id for _, channel in self._off)

    def opt(self, workspace: Workspace, user_id: str, *, out: bool) -> None:
        grid = workspace.enterprise_id
        here = {
            (place, user)
            for place, user in self._out
            if _key(place, user) == _key(workspace, user_id)
            or (user == user_id and place.enterprise_id == grid != "")
        }
        self._out = self._out | {(workspace, user_id)} if out else self._out - here

    def opted_out(self, user_ids: Collection[str]) -> frozenset[str]:
        return frozenset(user for _, user in self._out if user in user_ids)

    def forget_all(self, holder: str, others: set[str]) -> None:
        """Forget all of a workspace, or of an organisation but for some workspaces."""
        for rows in (self._off, self._out):
            for one in list(rows):
                if _is_of(one[0], holder, others):
                    rows.remove(one)


class FakeAllowances:
    """An `RateLimiter` in memory; without limits unless some are given."""

    def __init__(self, clock: Clock | None = None, *limits: Limit) -> None:
        self._clock = clock or FakeClock()
        self._limits = limits
        self._lock = threading.Lock()
        #: Until when a limit of a workspace, or of a person in it, is not full again.
        self._until: dict[tuple[str, str, Limit], float] = {}
        self._places: dict[str, Workspace] = {}

    def take(self, workspace: Workspace, user_id: str) -> Exhausted | None:
        with self._lock:
            now = self._clock.now().timestamp()
            after = self._after(workspace, user_id, 1)
            for key, until in after.items():
                wait = until - now - key[2].period_seconds
                if wait > 1e-3:
                    return Exhausted(key[2], wait)
            self._until |= after
            return None

    def charge(self, workspace: Workspace, user_id: str, pictures: int) -> None:
        with self._lock:
            self._until |= self._after(workspace, user_id, pictures)

    def _after(
        self, workspace: Workspace, user_id: str, pictures: int
    ) -> dict[tuple[str, str, Limit], float]:
        now, found = self._clock.now().timestamp(), {}
        place, _ = _key(workspace, "")
        self._places.setdefault(place, workspace)
        for limit in self._limits:
            key = (place, user_id if limit.is_personal else "", limit)
            seconds = pictures * limit.period_seconds / limit.pictures
            found[key] = max(now, self._until.get(key, now)) + seconds
        return found

    def forget_all(self, holder: str, others: set[str]) -> None:
        """Forget all of a workspace, or of an organisation but for some workspaces."""
        for key in list(self._until):
            if _is_of(self._places[key[0]], holder, others):
                del self._until[key]


class FakeInstallationStore:
    """An `InstallationStore` in memory."""

    def __init__(
        self,
        *installations: Installation,
        posts: FakePostLog | None = None,
        settings: FakeWorkspaceSettings | None = None,
        allowances: FakeAllowances | None = None,
    ) -> None:
        """Begin with some installations; forget the rows of the others with them."""
        self._others = [one for one in (posts, settings, allowances) if one]
        self._lock = threading.Lock()
        self._by_holder: dict[str, Installation] = {}
        for one in installations:
            self.save(one)

    def save(self, installation: Installation) -> None:
        holder = _holder(installation.workspace)
        if not holder:
            raise ValueError("An installation names a workspace or an organisation.")
        workspace = installation.workspace
        if holder == workspace.enterprise_id:
            workspace = Workspace("", holder, is_org_install=True)
        kept = replace(
            installation,
            workspace=workspace,
            expires_at=_utc(installation.expires_at),
            installed_at=_utc(installation.installed_at) or FakeClock().now(),
        )
        with self._lock:
            self._by_holder[holder] = kept

    def find(self, workspace: Workspace) -> Installation | None:
        own = self._by_holder.get(_holder(workspace))
        return own or self._by_holder.get(workspace.enterprise_id)

    def replace_tokens(self, installation: Installation, spent_refresh: str) -> bool:
        holder = _holder(installation.workspace)
        with self._lock:
            known = self._by_holder.get(holder)
            if not known or not spent_refresh or known.refresh_token != spent_refresh:
                return False
            self._by_holder[holder] = replace(
                known,
                bot_token=installation.bot_token,
                refresh_token=installation.refresh_token,
                expires_at=_utc(installation.expires_at),
            )
            return True

    def delete(self, workspace: Workspace) -> bool:
        holder = _holder(workspace)
        gone = self._by_holder.pop(holder, None)
        if holder:
            for one in self._others:
                one.forget_all(holder, set(self._by_holder))
        return gone is not None

    def all(self) -> list[Installation]:
        found = list(self._by_holder.items())
        return [
            one for _, one in sorted(found, key=lambda i: (i[1].installed_at, i[0]))
        ]

    def holders(self) -> frozenset[str]:
        return frozenset(self._by_holder)


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError("A stored time is aware.")
    return moment.astimezone(UTC)


def _holder(workspace: Workspace) -> str:
    whole = workspace.is_org_install or not workspace.team_id
    return workspace.enterprise_id if whole else workspace.team_id


def _key(workspace: Workspace, name: str) -> tuple[str, str]:
    return workspace.team_id or workspace.enterprise_id, name


def _is_of(workspace: Workspace, holder: str, others: set[str]) -> bool:
    """Tell whether a row goes with an installation."""
    place, _ = _key(workspace, "")
    of_its = workspace.enterprise_id == holder
    return place == holder or (of_its and place not in others)
