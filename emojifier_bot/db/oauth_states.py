"""One-time states of installations under way."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.db.engine import Database
from emojifier_bot.db.tables import OAUTH_STATES

__all__ = ["OAuthStates"]

#: How long somebody may look at Slack's page before pressing *Allow*.
VALID_FOR = timedelta(seconds=600)
#: 256 bits: nobody guesses one.
STATE_BYTES = 32


@dataclass(frozen=True, slots=True)
class OAuthStates:
    """One-time states in a database, which keeps a hash of each state only."""

    database: Database
    clock: Clock

    def issue(self) -> str:
        """Return a new state, good for ten minutes; forget those that went stale."""
        state = secrets.token_urlsafe(STATE_BYTES)
        now = self.clock.now()
        row = {"state_digest": _digest(state), "expires_at": now + VALID_FOR}
        stale = sa.delete(OAUTH_STATES).where(OAUTH_STATES.c.expires_at <= now)
        with self.database.writing() as connection:
            connection.execute(stale)
            connection.execute(sa.insert(OAUTH_STATES).values(row))
        return state

    def consume(self, state: str) -> bool:
        """Return whether it was issued, is fresh and was not used; it is used now.

        One statement finds and removes it, so that of several who come with the same
        state one gets True.
        """
        taken = (
            sa.delete(OAUTH_STATES)
            .where(OAUTH_STATES.c.state_digest == _digest(state))
            .where(OAUTH_STATES.c.expires_at > self.clock.now())
        )
        with self.database.writing() as connection:
            return connection.execute(taken).rowcount == 1


def _digest(state: str) -> str:
    # Anybody may send anything as a state, halves of surrogate pairs too.
    return hashlib.sha256(state.encode("utf-8", "backslashreplace")).hexdigest()
