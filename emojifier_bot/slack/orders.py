"""Words that ask for no picture: switch the bot off in a channel, leave mine alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emojifier_bot.domain import EmojifyRequest, Workspace
from emojifier_bot.errors import DeliveryError, ErrorKind
from emojifier_bot.slack.comments import is_direct
from emojifier_bot.slack.inbound import Inbound
from emojifier_bot.slack.options import Order

#: What Slack says of somebody who may decide for a workspace.
ADMINS = ("is_admin", "is_owner", "is_primary_owner")
#: What it refuses with where the bot may not ask.
NOT_ALLOWED = frozenset({ErrorKind.MISSING_SCOPE, ErrorKind.NO_PERMISSION})


@dataclass(frozen=True, slots=True)
class Orders:
    """Obeys them, or says why not."""

    inbound: Inbound

    def obey(self, asker: EmojifyRequest, order: Order) -> str:
        """Do what somebody said, or begin to.

        Returns:
            Kind of the answer; empty where Slack must be asked before: who asked is
            told afterwards.
        """
        if order in {Order.OPT_OUT, Order.OPT_IN}:
            return self._opted(asker, out=order is Order.OPT_OUT)
        if is_direct(asker.channel_id):
            return ErrorKind.CHANNEL_ONLY
        self.inbound.after_answer(asker, "switch", lambda: self._switch(asker, order))
        return ""

    def _opted(self, asker: EmojifyRequest, *, out: bool) -> str:
        settings = self.inbound.rules.settings
        settings.opt(asker.workspace, asker.user_id, out=out)
        if out:
            return "opted_out_now"
        still = settings.opted_out([asker.user_id])
        return "opted_out_elsewhere" if still else "opted_in_now"

    def _switch(self, asker: EmojifyRequest, order: Order) -> None:
        """Switch the bot off or on in a channel, for those who may decide that."""
        self.inbound.tell(asker, self._refusal(asker) or self._switched(asker, order))

    def _switched(self, asker: EmojifyRequest, order: Order) -> str:
        settings, off = self.inbound.rules.settings, order is Order.OFF
        settings.switch(asker.workspace, asker.channel_id, asker.user_id, off=off)
        if off:
            return "channel_switched_off"
        still = settings.is_off(asker.channel_id)
        return "channel_off_elsewhere" if still else "channel_switched_on"

    def _refusal(self, asker: EmojifyRequest) -> str:
        """Return why somebody may not decide for the workspace; empty if they may."""
        client, workspace = self.inbound.client, asker.workspace
        if asker.user_id == client.installation(workspace).installed_by != "":
            return ""
        if not client.may(workspace, "users:read"):
            return ErrorKind.ADMIN_UNKNOWN
        try:
            answer = client.call(workspace, "users.info", user=asker.user_id)
        except DeliveryError as error:
            if error.kind in NOT_ALLOWED:
                return ErrorKind.ADMIN_UNKNOWN
            raise
        return (
            "" if is_admin(answer.get("user") or {}, workspace) else ErrorKind.NOT_ADMIN
        )


def is_admin(user: Mapping[str, Any], workspace: Workspace) -> bool:
    """Tell whether somebody decides for a workspace or its organisation.

    A guest from elsewhere in a shared channel may be an admin, but at home.
    """
    grid = user.get("enterprise_user") or {}
    of_organisation = grid.get("enterprise_id") == workspace.enterprise_id != ""
    if of_organisation and any(grid.get(name) for name in ADMINS):
        return True
    belongs = user.get("team_id") == workspace.team_id or of_organisation
    return belongs and any(user.get(name) for name in ADMINS)
