"""Uninstallation: deletes the token, every row and every job of the workspace."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from slack_bolt import App, BoltContext

from emojifier_bot.db.engine import empty_log
from emojifier_bot.db.tables import holder_of
from emojifier_bot.domain import Workspace
from emojifier_bot.errors import QueueError
from emojifier_bot.slack.context import ListenerContext
from emojifier_bot.slack.installations import LONG_WAITS, retry_until_stored
from emojifier_bot.slack.payloads import Payload, workspace_of

logger = logging.getLogger(__name__)

#: How much Slack's clock and ours may differ.
CLOCKS_DIFFER = timedelta(seconds=10)


class Uninstallations:
    """Listeners for the two events of an uninstallation; either may come first."""

    def __init__(self, context: ListenerContext) -> None:
        self._context = context

    def register(self, app: App) -> None:
        """Register the listeners with Bolt."""
        app.event("app_uninstalled")(self.forget)
        app.event("tokens_revoked")(self.revoked)

    def revoked(self, event: Payload, body: Payload, context: BoltContext) -> None:
        """Forget a workspace whose bot token was revoked; we hold no users' tokens."""
        if (event.get("tokens") or {}).get("bot"):
            self.forget(body, context)

    def forget(self, body: Payload, context: BoltContext) -> None:
        """Forget the workspace that removed the bot."""
        workspace = workspace_of(context, body)
        if workspace.is_org_install or not workspace.team_id:
            # The end of an organisation's installation names no workspace.
            workspace = Workspace("", workspace.enterprise_id, is_org_install=True)
        installations, time = self._context.installations, body.get("event_time")
        ended = datetime.fromtimestamp(time, UTC) + CLOCKS_DIFFER if time else None
        installations.delete(workspace, until=ended)
        if holder_of(workspace) in {"", *installations.holders()}:
            return  # nobody's, or installed again before this late event came
        # From now on nothing more of theirs is queued.
        self._context.authorize.invalidate(workspace)
        taken = self._context.background.submit(
            "forget_jobs", workspace.id, lambda: self._forget_jobs(workspace)
        )
        if not taken:
            # Slack sends the event again.
            raise QueueError("Too much waits to forget a workspace's jobs just now.")
        logger.info("An installation ended", extra={"action": "uninstall"})

    def _forget_jobs(self, workspace: Workspace) -> None:
        """Forget its jobs, and the rows that one of them may have written meanwhile."""
        queue, installations = self._context.queue, self._context.installations

        def forget() -> None:
            queue.forget(workspace, installations.holders())
            installations.delete_rows(workspace)
            empty_log(installations.database.engine)

        retry_until_stored(forget, LONG_WAITS)
