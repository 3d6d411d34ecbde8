"""Whose request it is, from our own store: bounded, briefly remembered, no Slack call.

Another process learns of an uninstallation when what it remembers expires. Until then
it queues at most a minute's jobs, which fail for want of a token.
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

#: How long an installation is taken for granted.
REMEMBERED_SECONDS = 60.0
#: About 1 kB each.
REMEMBERED_INSTALLATIONS = 10_000


class CachedAuthorize(Authorize):
    """Bolt's authorize function. That there is no installation is never remembered."""

    def __init__(self, store: InstallationStore, clock: Clock) -> None:
        """Begin with nothing remembered."""
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        #: Expiry and installation by workspace, the longest unasked first.
        self._known: OrderedDict[Workspace, tuple[float, Installation]] = OrderedDict()
        #: Counts what was forgotten, so that a search begun before is not remembered.
        self._forgotten = 0

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
        """Return whose request it is; the token stays in the store."""
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
            expires, installation = self._known.get(workspace, (0.0, None))
            if installation and self._clock.monotonic() < expires:
                self._known.move_to_end(workspace)
                return installation
            forgotten = self._forgotten
        installation = self._store.find(workspace)
        if installation:
            self._remember(workspace, installation, forgotten)
        return installation

    def forget(self, workspace: Workspace) -> None:
        """Ask the store again from now on, for it and all of its organisation."""
        with self._lock:
            self._forgotten += 1
            for known in list(self._known):
                if _touches(workspace, known):
                    del self._known[known]

    def _remember(
        self, workspace: Workspace, installation: Installation, forgotten: int
    ) -> None:
        expires = self._clock.monotonic() + REMEMBERED_SECONDS
        with self._lock:
            if forgotten == self._forgotten:
                self._known[workspace] = (expires, installation)
                self._known.move_to_end(workspace)
            while len(self._known) > REMEMBERED_INSTALLATIONS:
                self._known.popitem(last=False)


def _touches(changed: Workspace, known: Workspace) -> bool:
    same_team = bool(changed.team_id) and changed.team_id == known.team_id
    of_organisation = not changed.team_id or changed.is_org_install
    same_organisation = changed.enterprise_id == known.enterprise_id != ""
    return same_team or (of_organisation and same_organisation)
