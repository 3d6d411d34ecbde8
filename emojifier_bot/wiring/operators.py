"""What operators ask and do: look without changing anything, keys, jobs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from emojifier_bot.domain import OutcomeKind
from emojifier_bot.errors import StoreError
from emojifier_bot.wiring.slack import make_client, make_sink, make_slack
from emojifier_bot.wiring.stores import CLOCK, make_queue, open_keys, open_stores

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.db.crypto import Rotation
    from emojifier_bot.domain import EmojifyRequest
    from emojifier_bot.jobs.queue import DbosJobQueue


def make_encryption_key() -> str:
    """Return a new key for ENCRYPTION_KEYS."""
    from emojifier_bot.db.crypto import generate_key

    return generate_key()


def rotate_encryption(settings: Settings) -> Rotation:
    """Seal everything that is stored anew with the first key.

    Raises:
        StoreError: The database does not answer.
        ConfigError: The keys are missing or wrong.
    """
    from emojifier_bot.db.crypto import rotate

    stores = open_stores(settings)
    try:
        return rotate(stores.database, stores.vault)
    finally:
        stores.database.close()


def make_job_admin(settings: Settings) -> DbosJobQueue:
    """Open the operators' view of the queue; nothing is made for it.

    Raises:
        StoreError: The database is not there, has no tables, or refuses.
        QueueError: The database does not answer.
    """
    from emojifier_bot.db.migrate import Standing, standing

    if standing(settings.database_url) in {Standing.MISSING, Standing.EMPTY}:
        raise StoreError(
            f"{_database_name(settings)} holds no jobs: no bot has run with it. Look "
            "at DATABASE_URL; a file without a folder is looked for where you are."
        )
    return make_queue(settings, make_tables=False)


def move_tables(settings: Settings, shape: str) -> str:
    """Bring the tables to the newest shape, or back to an older one; return which.

    Raises:
        StoreError: The database does not answer or refuses, or has no such shape.
    """
    from emojifier_bot.db.migrate import downgrade, shape_of, upgrade

    if shape:
        downgrade(settings.database_url, shape)
    else:
        upgrade(settings.database_url)
    return shape_of(settings.database_url)


def tell_cancelled(settings: Settings, request: EmojifyRequest) -> None:
    """Tell whoever asked that an operator cancelled it.

    Raises:
        EmojifierError: They could not be told; the message says why.
    """
    from emojifier_bot.domain import Outcome
    from emojifier_bot.observers import NoSlackObserver

    stores = open_stores(settings, make=False)
    try:
        sink = make_sink(
            settings, stores, make_slack(settings, stores, NoSlackObserver())
        )
        sink.tell(request, Outcome(OutcomeKind.CANCELLED))
        sink.remove_reaction(request)
    finally:
        stores.database.close()


def check_database(settings: Settings) -> str:
    """Look at database, keys and queue; return what stands there, in words.

    Nothing is made or changed.

    Raises:
        ConfigError: The keys are wrong.
        StoreError: The database does not answer or refuses, or its keys are missing.
        QueueError: The queue's tables do not answer.
    """
    from emojifier_bot.db.migrate import Standing, standing

    if settings.encryption_keys:
        open_keys(settings)
    name, stands = _database_name(settings), standing(settings.database_url)
    if stands is Standing.MISSING:
        _check_folder(settings)
        return f"{name}, made at the first start"
    if stands is Standing.EMPTY:
        return f"{name}, empty; the first start makes its tables"
    if stands is Standing.OLD:
        return f"{name}, of an older version; the next start brings it up to date"
    stores = open_stores(settings, make=False)
    queue = make_queue(settings, make_tables=False)
    try:
        jobs = queue.standing()
        installed = len(stores.installations.all())
    finally:
        queue.close()
        stores.database.close()
    said = f"{name}, {installed} installed, {jobs.waiting} jobs waiting"
    if not jobs.stranded:
        return said
    return f"{said}, {jobs.stranded} of a version that no worker runs"


def check_token(settings: Settings) -> str:
    """Ask Slack whose bot token it is; return that in words."""
    from emojifier_bot.slack.install import installation_of_token

    token = settings.slack_bot_token.get_secret_value()
    found = installation_of_token(make_client(settings), token, CLOCK)
    return f"bot of {found.team_name or found.workspace.team_id}"


def check_app_token(settings: Settings) -> str:
    """Ask Slack for a line, as Socket Mode does, and do not open it."""
    from emojifier_bot.slack.socket_mode import ask_for_line

    ask_for_line(make_client(settings), settings.slack_app_token.get_secret_value())
    return "Slack gives a line for Socket Mode"


def _database_name(settings: Settings) -> str:
    """Return what DATABASE_URL names, without a password."""
    from emojifier_bot.db.engine import read_url, sqlite_file

    file = sqlite_file(settings.database_url)
    if file is not None:
        return str(file)
    url = read_url(settings.database_url)
    return f"{url.database} at {url.host or 'localhost'}"


def _check_folder(settings: Settings) -> None:
    from emojifier_bot.db.engine import sqlite_file

    file = sqlite_file(settings.database_url)
    if file is not None and not os.access(file.parent, os.W_OK | os.X_OK):
        raise StoreError(
            f"The database {file} cannot be made. Make its folder and let the bot "
            "write there, or set DATABASE_URL to another place."
        )
