"""What the bot remembers: its database, its keys, and the queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emojifier_bot.clock import SystemClock

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.db.crypto import Vault
    from emojifier_bot.db.engine import Database
    from emojifier_bot.db.installations import InstallationStore
    from emojifier_bot.db.oauth_states import OAuthStates
    from emojifier_bot.db.posts import PostLog
    from emojifier_bot.jobs.queue import DbosJobQueue

CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Stores:
    """What the bot remembers."""

    database: Database
    vault: Vault
    installations: InstallationStore
    states: OAuthStates
    posts: PostLog


def open_stores(settings: Settings, *, make: bool = True) -> Stores:
    """Open the database.

    Args:
        settings: Name it and its keys.
        make: Whether to bring its tables up to date, and to make the file of keys; who
            only looks does not.

    Raises:
        StoreError: It does not answer, or refuses.
        ConfigError: The keys are missing or wrong.
    """
    from emojifier_bot.db.engine import open_database
    from emojifier_bot.db.installations import InstallationStore
    from emojifier_bot.db.migrate import upgrade
    from emojifier_bot.db.oauth_states import OAuthStates
    from emojifier_bot.db.posts import PostLog

    vault = open_keys(settings, make_file=make)
    if make:
        upgrade(settings.database_url)
    database = open_database(settings.database_url)
    return Stores(
        database=database,
        vault=vault,
        installations=InstallationStore(database, vault, CLOCK),
        states=OAuthStates(database, CLOCK),
        posts=PostLog(database, CLOCK),
    )


def open_keys(settings: Settings, *, make_file: bool = True) -> Vault:
    """Open the vault with the keys of the settings, or of the file that stands in."""
    from emojifier_bot.db.crypto import open_vault

    keys = settings.encryption_keys.get_secret_value()
    return open_vault(keys, settings.database_url, make_file=make_file)


def open_hurried(settings: Settings) -> Database:
    """Open the database for listeners, who answer within seconds whatever it does."""
    from emojifier_bot.db.engine import open_in_a_hurry

    return open_in_a_hurry(settings.database_url)


def make_queue(settings: Settings, *, make_tables: bool = True) -> DbosJobQueue:
    """Open the queue without becoming a worker.

    Raises:
        QueueError: The database does not answer.
    """
    from emojifier_bot.jobs.queue import DbosJobQueue

    return DbosJobQueue(
        settings.database_url, settings.queue_limit, CLOCK, make_tables=make_tables
    )
