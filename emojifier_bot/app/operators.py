"""What operators do: check an installation, look after keys, jobs and workspaces.

Everything raises `StoreError` or `QueueError` where the database does not answer,
refuses, or is one that no bot has run with, and `ConfigError` where keys are missing or
wrong.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from emojifier_bot.app import make_route
from emojifier_bot.app.bot import (
    CLOCK,
    make_app,
    make_queue,
    make_sink,
    make_slack,
    open_stores,
)
from emojifier_bot.config import Settings
from emojifier_bot.db.copy import check_source, copy_tables
from emojifier_bot.db.crypto import Rotation, Vault, open_vault, rotate
from emojifier_bot.db.engine import empty_log, read_url, sqlite_file
from emojifier_bot.db.migrate import (
    SchemaState,
    downgrade,
    revision_of,
    schema_state,
    upgrade,
)
from emojifier_bot.domain import EmojifyRequest, Outcome, OutcomeKind, Workspace
from emojifier_bot.errors import ConfigError, FetchError, StoreError, VaultError
from emojifier_bot.http import OWN_FAULTS, Route, reach, read
from emojifier_bot.jobs.queue import DbosJobQueue
from emojifier_bot.jobs.records import delete_jobs, export_jobs, has_queue
from emojifier_bot.slack.oauth import installation_of_token
from emojifier_bot.slack.socket_mode import verify_app_token

#: Keys to a workspace or a conversation, and what compares them: nobody's data.
LEFT_OUT = frozenset(
    {"bot_token", "refresh_token", "refresh_digest", "sealed_response_url"}
)
#: What somebody typed and what is said of a post, by the names that it is sealed under.
TEXTS = frozenset({"sealed_address", "source_address", "sealed_words"})
#: A preview, under the name that it is sealed under.
DRAFT = "content"
#: In the place of an address whose key is lost.
UNREADABLE = "cannot be read: its key is missing"


# Keys and tables.


def rotate_encryption(settings: Settings) -> Rotation:
    """Seal everything that is stored anew with the first key."""
    with closing(open_stores(settings)) as stores:
        return rotate(stores.database, stores.vault)


def move_tables(settings: Settings, schema: str) -> str:
    """Bring the tables to the newest schema, or back to an older one; return which.

    Raises:
        StoreError: Also where there are no tables to take back, or that schema is
            newer than theirs.
    """
    state = schema_state(settings.database_url)
    if schema:
        if state in {SchemaState.MISSING, SchemaState.EMPTY}:
            raise StoreError(
                f"{_database_name(settings)} has no tables to take back. Look at "
                "DATABASE_URL."
            )
        downgrade(settings.database_url, schema)
    elif state is SchemaState.MISSING:
        # Its keys are made first.
        open_stores(settings).close()
    else:
        upgrade(settings.database_url)
    return revision_of(settings.database_url)


def copy_database(settings: Settings, source_url: str) -> Mapping[str, int]:
    """Copy what the bot remembers into the database of the settings; count the rows.

    Raises:
        StoreError: Also where jobs of the other database have not ended: they stay
            there.
    """
    source = replace(settings, database_url=source_url)
    check_source(source_url)
    if has_queue(source_url):
        with closing(make_queue(source, make_tables=False)) as queue:
            jobs = queue.stats()
        if jobs.waiting or jobs.running:
            raise StoreError(
                f"{jobs.waiting + jobs.running} jobs of the database to copy from have "
                "not ended, and jobs are not copied. Stop `serve`, let a worker end "
                "them or cancel them (`emojifier-bot jobs list`), stop the worker and "
                "try again."
            )
    keys = settings.encryption_keys.get_secret_value()
    vault = open_vault(keys, settings.database_url)
    copied = copy_tables(source_url, settings.database_url, vault)
    # With those of its queue, so that it may be copied on before a bot has run with it.
    make_queue(settings).close()
    return copied


# Jobs.


def make_job_admin(settings: Settings) -> DbosJobQueue:
    """Open the operators' view of the queue; nothing is made for it."""
    if schema_state(settings.database_url) in {SchemaState.MISSING, SchemaState.EMPTY}:
        raise StoreError(
            f"{_database_name(settings)} holds no jobs: no bot has run with it. Look "
            "at DATABASE_URL; a file without a folder is looked for where you are."
        )
    if not has_queue(settings.database_url):
        raise StoreError(
            f"{_database_name(settings)} holds no jobs: the bot has not started with "
            "it yet. `emojifier-bot check` says what is missing."
        )
    return make_queue(settings, make_tables=False)


def notify_cancelled(settings: Settings, request: EmojifyRequest) -> None:
    """Notify the person who asked that an operator cancelled the job.

    Raises:
        EmojifierError: They could not be notified; the message says why.
    """
    with closing(open_stores(settings, make=False)) as stores:
        sink = make_sink(settings, stores, make_slack(settings, stores))
        sink.notify(request, Outcome(OutcomeKind.CANCELLED))
        sink.remove_reaction(request)


# Checks; nothing is made or changed.


def check_database(settings: Settings) -> str:
    """Look at database, keys and queue; return what stands there, in words."""
    if settings.encryption_keys:
        open_vault(settings.encryption_keys.get_secret_value(), settings.database_url)
    name, state = _database_name(settings), schema_state(settings.database_url)
    if state is SchemaState.MISSING:
        file = sqlite_file(settings.database_url)
        if file is not None and not os.access(file.parent, os.W_OK | os.X_OK):
            raise StoreError(
                f"The database {file} cannot be made. Make its folder and let the bot "
                "write there, or set DATABASE_URL to another place."
            )
        return f"{name}, made at the first start"
    if state is SchemaState.EMPTY:
        return f"{name}, empty; the first start makes its tables"
    if state is SchemaState.OLD:
        return f"{name}, of an older version; the next start brings it up to date"
    if not has_queue(settings.database_url):
        return f"{name}, without a queue; the first start makes it"
    with (
        closing(open_stores(settings, make=False)) as stores,
        closing(make_queue(settings, make_tables=False)) as queue,
    ):
        jobs = queue.stats()
        installed = len(stores.installations.all())
    found = f"{name}, {installed} installed, {jobs.waiting} jobs waiting"
    if not jobs.orphaned:
        return found
    return f"{found}, {jobs.orphaned} of a version that no worker runs"


def check_token(settings: Settings) -> str:
    """Ask Slack whose bot token it is; return that in words."""
    token = settings.slack_bot_token.get_secret_value()
    found = installation_of_token(make_app(settings), token, CLOCK)
    return f"bot of {found.team_name or found.workspace.team_id}"


def check_app_token(settings: Settings) -> str:
    """Ask Slack for a line, as Socket Mode does, and do not open it."""
    token = settings.slack_app_token.get_secret_value()
    server = verify_app_token(make_app(settings), token)
    problems = _unreached("Socket Mode", server, make_route(settings))
    if problems:
        raise ConfigError(problems)
    return "Slack gives a connection for Socket Mode"


def check_network(settings: Settings) -> str:
    """Try each kind of call but Socket Mode's; return how it goes out, in words.

    Raises:
        ConfigError: A sentence for each kind that does not get through.
    """
    route = make_route(settings)
    route.check()
    api = read(settings.slack_api_url)
    website = replace(api, path="/").url
    kinds = [("Slack's API", settings.slack_api_url, False)]
    for host in sorted(settings.slack_file_hosts):
        scheme = "http" if read(f"http://{host}/").is_loopback() else "https"
        kinds.append(("Files in Slack", f"{scheme}://{host}/", False))
    # As for addresses that people give, with the check of where its name leads.
    kinds.append(("Websites", website, not api.is_loopback()))
    problems = [
        problem
        for kind, address, public in kinds
        for problem in _unreached(kind, address, route, public=public)
    ]
    if problems:
        raise ConfigError(problems)
    through = "through a proxy" if route.proxy_address(api) else "directly"
    trusted = f", certificates of {route.ca_file}" if route.ca_file else ""
    return f"Slack, its files and websites are reached {through}{trusted}"


def _unreached(
    kind: str, address: str, route: Route, *, public: bool = False
) -> list[str]:
    try:
        reach(address, route, public=public)
    except FetchError as error:
        host = read(address).host
        why = OWN_FAULTS.get(error.kind, "Look at DNS, firewall and HTTPS_PROXY.")
        return [f"{kind}: {host} cannot be reached ({error.kind}). {why}"]
    return []


def _database_name(settings: Settings) -> str:
    """Return what DATABASE_URL names, without a password."""
    file = sqlite_file(settings.database_url)
    if file is not None:
        return str(file)
    url = read_url(settings.database_url)
    return f"{url.database} at {url.host or 'localhost'}"


# Everything that is kept about one workspace: to hand it out, and to delete it.


def export_workspace(settings: Settings, holder_id: str) -> dict[str, list[str]]:
    """Return everything that is kept about a workspace but its tokens, by table.

    Addresses that people typed are opened. Each row is JSON already: as text it takes a
    twentieth of the memory, and there may be a month of them.

    Args:
        settings: Name the database and its keys.
        holder_id: Slack's id of a workspace, ``"T…"``, or organisation, ``"E…"``.
    """
    _check_tables(settings)
    workspace = _workspace(holder_id)
    with closing(open_stores(settings, make=False)) as stores:
        tables = stores.installations.workspace_rows(workspace)
        kept = {name: _texts(rows, stores.vault) for name, rows in tables}
        spared = stores.installations.holders()
    kept["jobs"] = []
    if has_queue(settings.database_url):
        jobs = export_jobs(settings.database_url, workspace, spared)
        kept["jobs"] = _texts(jobs, stores.vault)
    return kept


def delete_workspace(settings: Settings, holder_id: str) -> None:
    """Delete everything that is kept about a workspace; Slack is not notified."""
    _check_tables(settings)
    workspace = _workspace(holder_id)
    with closing(open_stores(settings, make=False)) as stores:
        # Without a token no job does anything more; then what the last ones noted.
        stores.installations.delete(workspace)
        spared = stores.installations.holders()
        if has_queue(settings.database_url):
            delete_jobs(settings.database_url, workspace, spared)
        stores.installations.delete_rows(workspace)
        empty_log(stores.database.engine)


def _check_tables(settings: Settings) -> None:
    """Refuse a database with other tables than those of this version."""
    if schema_state(settings.database_url) is not SchemaState.CURRENT:
        raise StoreError(
            "The database has not been used by this version of the bot. Look at "
            "DATABASE_URL, or start the bot once."
        )


def _workspace(holder_id: str) -> Workspace:
    if holder_id.startswith("E"):
        return Workspace("", holder_id, is_org_install=True)
    return Workspace(holder_id)


def _texts(rows: Iterable[dict[str, Any]], vault: Vault) -> list[str]:
    return [json.dumps(_opened(row, vault), ensure_ascii=False) for row in rows]


def _opened(value: Any, vault: Vault) -> Any:
    """Return a value without tokens, and with addresses as they were typed."""
    if isinstance(value, dict):
        return {
            name: _text(one, vault) if name in TEXTS else _opened(one, vault)
            for name, one in value.items()
            if name not in LEFT_OUT
        } | ({DRAFT: _draft(value[DRAFT], vault)} if DRAFT in value else {})
    if isinstance(value, list | tuple):
        return [_opened(one, vault) for one in value]
    return value


def _draft(sealed: str, vault: Vault) -> Any:
    try:
        return _opened(json.loads(vault.unseal(sealed)), vault)
    except VaultError:
        return UNREADABLE


def _text(sealed: str, vault: Vault) -> str:
    try:
        return vault.unseal(sealed) if sealed else ""
    except VaultError:
        return UNREADABLE
