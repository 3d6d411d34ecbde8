"""Finds the installation that a request belongs to, in a cache over our own store.

Another process learns of an uninstallation when its cache expires. Until then it queues
at most a minute's jobs, which fail because there is no token.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from slack_bolt import BoltContext
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.authorize import Authorize

from emojifier_bot.clock import Clock
from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.slack.payloads import workspace_of

#: How long an installation is not looked up again.
CACHE_SECONDS = 60.0
#: About 1 kB each.
CACHE_SIZE = 10_000


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
        actor_enterprise_id: str | None = None,  # noqa: ARG002 - Bolt passes them
        actor_team_id: str | None = None,  # noqa: ARG002 - see above
        actor_user_id: str | None = None,  # noqa: ARG002 - see above
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
        if installation:
            self._cache(workspace, installation, invalidations)
        return installation

    def invalidate(self, workspace: Workspace) -> None:
        """Ask the store again from now on, for it and all of its organisation."""
        with self._lock:
            self._invalidations += 1
            for cached in list(self._cached):
                if _is_affected(cached, workspace):
                    del self._cached[cached]

    def _cache(
        self, workspace: Workspace, installation: Installation, invalidations: int
    ) -> None:
        expires = self._clock.monotonic() + CACHE_SECONDS
        with self._lock:
            if invalidations == self._invalidations:
                self._cached[workspace] = (expires, installation)
                self._cached.move_to_end(workspace)
            while len(self._cached) > CACHE_SIZE:
                self._cached.popitem(last=False)


def _is_affected(cached: Workspace, changed: Workspace) -> bool:
    same_team = bool(changed.team_id) and changed.team_id == cached.team_id
    of_organisation = not changed.team_id or changed.is_org_install
    same_organisation = changed.enterprise_id == cached.enterprise_id != ""
    return same_team or (of_organisation and same_organisation)
