"""Everything that is kept about one workspace: to hand it out, and to delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emojifier_bot.domain import Workspace
from emojifier_bot.errors import StoreError, VaultError
from emojifier_bot.wiring.stores import open_stores

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.db.crypto import Vault

#: Keys to a workspace or a conversation, and what compares them: nobody's data.
LEFT_OUT = frozenset(
    {"bot_token", "refresh_token", "refresh_digest", "sealed_response_url"}
)
#: What somebody typed, under the names that it is sealed under.
ADDRESSES = frozenset({"sealed_address", "source_address"})
#: In the place of an address whose key is lost.
UNREADABLE = "cannot be read: its key is missing"


def export_workspace(settings: Settings, holder_id: str) -> dict[str, Any]:
    """Return everything that is kept about a workspace, as JSON types, but its tokens.

    Addresses that people typed are opened.

    Args:
        settings: Name the database and its keys.
        holder_id: Slack's id of a workspace, ``"T…"``, or organisation, ``"E…"``.

    Raises:
        StoreError: The database does not answer, or no bot has run with it.
        QueueError: The queue's database does not answer.
        ConfigError: The keys are missing or wrong.
    """
    from emojifier_bot.db.workspace_rows import workspace_rows
    from emojifier_bot.jobs.workspace_jobs import WorkspaceJobs

    _check(settings)
    workspace = _workspace(holder_id)
    stores = open_stores(settings, make=False)
    try:
        kept: dict[str, Any] = dict(workspace_rows(stores.database, workspace))
        spared = stores.installations.holders()
    finally:
        stores.database.close()
    kept["jobs"] = WorkspaceJobs(settings.database_url).records(workspace, spared)
    told: dict[str, Any] = _opened(kept, stores.vault)
    return told


def delete_workspace(settings: Settings, holder_id: str) -> None:
    """Delete everything that is kept about a workspace; Slack is told nothing.

    Raises:
        StoreError: The database does not answer, or no bot has run with it.
        QueueError: The queue's database does not answer.
        ConfigError: The keys are missing or wrong.
    """
    from emojifier_bot.jobs.workspace_jobs import WorkspaceJobs

    _check(settings)
    workspace = _workspace(holder_id)
    stores = open_stores(settings, make=False)
    jobs = WorkspaceJobs(settings.database_url)
    try:
        # Without a token no job does anything more; then what the last ones noted.
        stores.installations.delete(workspace)
        jobs.delete(workspace, stores.installations.holders())
        stores.installations.delete(workspace)
    finally:
        stores.database.close()


def _check(settings: Settings) -> None:
    """Refuse a database with other tables than those of this version."""
    from emojifier_bot.db.migrate import Standing, standing

    if standing(settings.database_url) is not Standing.CURRENT:
        raise StoreError(
            "The database has not been used by this version of the bot. Look at "
            "DATABASE_URL, or start the bot once."
        )


def _workspace(holder_id: str) -> Workspace:
    if holder_id.startswith("E"):
        return Workspace("", holder_id, is_org_install=True)
    return Workspace(holder_id)


def _opened(value: Any, vault: Vault) -> Any:
    """Return a value without tokens, and with addresses as they were typed."""
    if isinstance(value, dict):
        return {
            name: _address(one, vault) if name in ADDRESSES else _opened(one, vault)
            for name, one in value.items()
            if name not in LEFT_OUT
        }
    if isinstance(value, list | tuple):
        return [_opened(one, vault) for one in value]
    return value


def _address(sealed: str, vault: Vault) -> str:
    try:
        return vault.unseal(sealed) if sealed else ""
    except VaultError:
        return UNREADABLE
