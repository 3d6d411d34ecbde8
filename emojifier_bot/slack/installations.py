"""Finds installations: in a cache for requests, with a fresh token for calls.

Another process learns of an uninstallation when its cache expires. Until then it queues
at most a minute's jobs, which fail because there is no token.

A refresh token works once. Where two processes use the same one, Slack refuses the
second; it then waits a moment for the first to store the new token, and takes that.
A new token that could not be stored is kept in memory: there is no other copy of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from slack_bolt import BoltContext
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.authorize import Authorize
from slack_sdk import WebClient

from emojifier_bot.clock import Clock
from emojifier_bot.db.installations import InstallationStore, not_installed_error
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import DeliveryError, QueueError, StoreError
from emojifier_bot.slack.client import CLIENT_ERRORS, delivery_error, no_answer_error
from emojifier_bot.slack.payloads import workspace_of

logger = logging.getLogger(__name__)

#: How long an installation is not looked up again.
CACHE_SECONDS = 60.0
#: About 1 kB each.
CACHE_SIZE = 10_000
#: Seconds before each further try to store something, while somebody waits for a page.
SHORT_WAITS = (0.5, 2.0)
#: And where nobody waits: a database that restarts is back by then.
LONG_WAITS = (0.5, 2.0, 5.0, 10.0, 15.0)
#: A token is renewed when less than this remains of its twelve hours; Slack's own
#: libraries take the same.
RENEW_BEFORE = timedelta(minutes=120)
#: While more than this remains, a token whose renewal failed is still used.
USABLE_BEFORE = timedelta(minutes=5)
#: How often, and after how long, another process's new token is looked for.
POLLS, POLL_SECONDS = 5, 0.2
#: Locks that all workspaces share; two that meet only wait for one call.
LOCKS = 32
Stored = TypeVar("Stored")


def retry_until_stored(
    store: Callable[[], Stored],
    waits_seconds: Sequence[float],
    sleep: Callable[[float], None] = time.sleep,
) -> Stored:
    """Store what Slack gives once, again after each wait while no database answers.

    Raises:
        StoreError: The database never answered.
        QueueError: That of the queue.
    """
    for wait_seconds in waits_seconds:
        try:
            return store()
        except (StoreError, QueueError) as error:
            facts = {"action": "retry_until_stored", "error": error.kind}
            logger.warning("What Slack gave is not stored yet", extra=facts)
            sleep(wait_seconds)
    return store()


class CachedAuthorize(Authorize):
    """Bolt's authorize function. That there is no installation is never cached."""

    def __init__(self, store: InstallationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        #: Expiry and installation by workspace, the least recently used first.
        self._cached: OrderedDict[Workspace, tuple[float, Installation]] = OrderedDict()
        #: Counts invalidations, so that a search begun before one is not cached.
        self._invalidations = 0

    def __call__(
        self,
        *,
        context: BoltContext,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None,
        **_: str | None,  # who acts in a shared channel
    ) -> AuthorizeResult | None:
        """Return the installation's ids for Bolt; the token stays in the store."""
        installation = self.installation(workspace_of(context, {}))
        if installation is None:
            return None
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_user_id=installation.bot_user_id,
            bot_id=installation.bot_id or None,
            user_id=user_id,
        )

    def installation(self, workspace: Workspace) -> Installation | None:
        """Return a workspace's installation as it was a minute ago at most."""
        with self._lock:
            expires, installation = self._cached.get(workspace, (0.0, None))
            if installation and self._clock.monotonic() < expires:
                self._cached.move_to_end(workspace)
                return installation
            invalidations = self._invalidations
        installation = self._store.find(workspace)
        expires = self._clock.monotonic() + CACHE_SECONDS
        with self._lock:
            if installation and invalidations == self._invalidations:
                self._cached[workspace] = (expires, installation)
                self._cached.move_to_end(workspace)
                if len(self._cached) > CACHE_SIZE:
                    self._cached.popitem(last=False)
        return installation

    def invalidate(self, workspace: Workspace) -> None:
        """Ask the store again from now on, for it and all of its organisation."""
        with self._lock:
            self._invalidations += 1
            for cached in list(self._cached):
                if _is_affected(cached, workspace):
                    del self._cached[cached]


def _is_affected(cached: Workspace, changed: Workspace) -> bool:
    same_team = bool(changed.team_id) and changed.team_id == cached.team_id
    of_organisation = not changed.team_id or changed.is_org_install
    same_organisation = changed.enterprise_id == cached.enterprise_id != ""
    return same_team or (of_organisation and same_organisation)


@dataclass(frozen=True, slots=True)
class RotatingBotTokens:
    """Finds a workspace's token, and renews it where tokens rotate."""

    store: InstallationStore
    clock: Clock
    #: Without a token of its own.
    client: WebClient
    client_id: str
    client_secret: str = field(repr=False)
    sleep: Callable[[float], None] = time.sleep
    locks: tuple[threading.Lock, ...] = field(
        default_factory=lambda: tuple(threading.Lock() for _ in range(LOCKS)),
        repr=False,
    )
    #: Renewed and not stored yet, by the refresh token that was used.
    unsaved: dict[str, Installation] = field(default_factory=dict, repr=False)

    def installation(self, workspace: Workspace) -> Installation:
        """Return a workspace's installation, its token good for two hours at least.

        Where a renewal fails, a token that has some minutes left is good enough.

        Raises:
            DeliveryError: ``not_installed``, or the renewal failed.
        """
        found = self._find(workspace)
        if not self._is_due(found):
            return found
        with self.locks[hash(found.workspace) % LOCKS]:
            found = self._find(workspace)
            return self._renewed(found) if self._is_due(found) else found

    def _find(self, workspace: Workspace) -> Installation:
        found = self.store.find(workspace)
        if found is None:
            raise not_installed_error()
        return found

    def _is_due(self, found: Installation, before: timedelta = RENEW_BEFORE) -> bool:
        expires = found.expires_at
        return expires is not None and self.clock.now() >= expires - before

    def _renewed(self, old: Installation) -> Installation:
        """Store what an earlier call got in vain, else get a new token and store it."""
        new = self.unsaved.get(old.refresh_token)
        if new is None:
            try:
                new = self._exchange(old)
            except DeliveryError as error:
                return self._without_exchange(old, error)
            self.unsaved[old.refresh_token] = new
        spent = old.refresh_token
        stored = retry_until_stored(
            lambda: self.store.replace_tokens(new, spent_refresh=spent),
            LONG_WAITS,
            self.sleep,
        )
        del self.unsaved[spent]
        return new if stored else self._find(old.workspace)

    def _exchange(self, old: Installation) -> Installation:
        try:
            answer = self.client.oauth_v2_access(
                client_id=self.client_id,
                client_secret=self.client_secret,
                grant_type="refresh_token",
                refresh_token=old.refresh_token,
            )
        except CLIENT_ERRORS as error:
            raise delivery_error(error) from None
        token, refresh = answer.get("access_token"), answer.get("refresh_token")
        try:
            lasts = timedelta(seconds=float(answer.get("expires_in") or "none"))
        except (TypeError, ValueError, OverflowError):
            raise no_answer_error() from None
        if not (token and refresh):
            raise no_answer_error()
        return replace(
            old,
            bot_token=token,
            refresh_token=refresh,
            expires_at=self.clock.now() + lasts,
        )

    def _without_exchange(
        self, old: Installation, refused: DeliveryError
    ) -> Installation:
        """Take what another process stored, else the old token while it lasts."""
        for _ in range(0 if refused.retryable else POLLS):
            found = self._find(old.workspace)
            if found.refresh_token != old.refresh_token:
                return found
            self.sleep(POLL_SECONDS)
        facts = {"action": "renew_token", "error": refused.kind}
        logger.warning("A token could not be renewed", extra=facts)
        if not self._is_due(old, USABLE_BEFORE):
            return old
        if refused.retryable:
            raise refused
        raise not_installed_error() from refused
