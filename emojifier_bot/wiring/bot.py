"""The Slack bot's objects: stores, queue, Slack on both sides, web and worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from emojifier_bot.errors import DeliveryError
from emojifier_bot.wiring.pictures import SystemClock, make_analyzer, make_decoder

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.domain import Installation
    from emojifier_bot.jobs.parts import PipelineForTheme, WorkerParts
    from emojifier_bot.jobs.queue import DbosJobQueue
    from emojifier_bot.pipeline import Pipeline
    from emojifier_bot.ports import BotTokens, JobAdmin
    from emojifier_bot.slack.app_client import AppClient
    from emojifier_bot.slack.client import SlackClient
    from emojifier_bot.slack.inbound import Inbound
    from emojifier_bot.slack.install import InstallFlow
    from emojifier_bot.slack.post import SlackReplySink
    from emojifier_bot.slack.receive import BoltApp
    from emojifier_bot.store.database import Database
    from emojifier_bot.store.installations import SqlInstallationStore
    from emojifier_bot.store.keys import Rotation
    from emojifier_bot.store.oauth_states import SqlOAuthStates
    from emojifier_bot.store.posts import SqlPostLog
    from emojifier_bot.store.vault import FernetVault
    from emojifier_bot.web.app import WebParts
    from emojifier_bot.web.server import WebServer

logger = logging.getLogger(__name__)

CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Stores:
    """What the bot remembers."""

    database: Database
    vault: FernetVault
    installations: SqlInstallationStore
    states: SqlOAuthStates
    posts: SqlPostLog


def open_stores(settings: Settings) -> Stores:
    """Open the database and bring its tables up to date.

    Raises:
        StoreError: It does not answer, or refuses.
        ConfigError: The keys are missing or wrong.
    """
    from emojifier_bot.store.database import open_database
    from emojifier_bot.store.installations import SqlInstallationStore
    from emojifier_bot.store.migrate import upgrade
    from emojifier_bot.store.oauth_states import SqlOAuthStates
    from emojifier_bot.store.posts import SqlPostLog

    vault = open_keys(settings)
    upgrade(settings.database_url)
    database = open_database(settings.database_url)
    return Stores(
        database=database,
        vault=vault,
        installations=SqlInstallationStore(database, vault, CLOCK),
        states=SqlOAuthStates(database, CLOCK),
        posts=SqlPostLog(database, CLOCK),
    )


def open_keys(settings: Settings) -> FernetVault:
    """Open the vault with the keys of the settings, or of the file that stands in."""
    from emojifier_bot.store.vault import open_vault

    keys = settings.encryption_keys.get_secret_value()
    return open_vault(keys, settings.database_url)


def make_encryption_key() -> str:
    """Return a new key for ENCRYPTION_KEYS."""
    from emojifier_bot.store.vault import generate_key

    return generate_key()


def rotate_encryption(settings: Settings) -> Rotation:
    """Seal everything that is stored anew with the first key.

    Raises:
        StoreError: The database does not answer.
        ConfigError: The keys are missing or wrong.
    """
    from emojifier_bot.store.keys import rotate

    stores = open_stores(settings)
    try:
        return rotate(stores.database, stores.vault)
    finally:
        stores.database.close()


def make_queue(settings: Settings) -> DbosJobQueue:
    """Open the queue without becoming a worker.

    Raises:
        QueueError: The database does not answer.
    """
    from emojifier_bot.jobs.queue import DbosJobQueue

    return DbosJobQueue(settings.database_url, settings.queue_limit, CLOCK)


def make_job_admin(settings: Settings) -> JobAdmin:
    """Open the operators' view of the queue."""
    return make_queue(settings)


def make_client(settings: Settings) -> AppClient:
    """Build a client of Slack's Web API without a token of its own."""
    from emojifier_bot.slack.app_client import AppClient

    return AppClient(settings.slack_api_url)


def make_tokens(settings: Settings, stores: Stores) -> BotTokens:
    """Build what knows each workspace's token."""
    from emojifier_bot.slack.tokens import RotatingBotTokens

    return RotatingBotTokens(
        store=stores.installations,
        clock=CLOCK,
        client=make_client(settings),
        client_id=settings.slack_client_id,
        client_secret=settings.slack_client_secret.get_secret_value(),
    )


def make_slack(settings: Settings, stores: Stores) -> SlackClient:
    """Build what speaks to Slack for the workspaces; one for a process."""
    from emojifier_bot.slack.client import SlackClient

    return SlackClient(settings.slack_api_url, make_tokens(settings, stores))


def make_sink(
    settings: Settings, stores: Stores, client: SlackClient
) -> SlackReplySink:
    """Build what delivers to Slack."""
    from emojifier_bot.slack.post import SlackReplySink

    return SlackReplySink(client, stores.vault, _hosts(settings.slack_file_hosts))


def _hosts(listed: str) -> frozenset[str]:
    names = (name.strip().lower() for name in listed.split(","))
    return frozenset(name for name in names if name)


@contextmanager
def open_web(settings: Settings) -> Iterator[WebServer]:
    """Listen for Slack and browsers; close what was opened at the end.

    Raises:
        ConfigError: The bot token is refused, or a key is missing.
        StoreError: The database does not answer.
        QueueError: The queue's database does not answer.
    """
    from emojifier_bot.web.app import create_app
    from emojifier_bot.web.server import WebServer

    stores = open_stores(settings)
    adopt_token(settings, stores)
    queue = make_queue(settings)
    inbound = _inbound(settings, stores, queue)
    bolt = _bolt_app(settings, stores, inbound)
    parts = _web_parts(settings, stores, queue, bolt)
    try:
        server = WebServer(
            create_app(parts),
            host=settings.host,
            port=settings.port,
            threads=settings.web_threads,
        )
        with _socket_mode(settings, bolt):
            yield server
    finally:
        inbound.close()
        queue.close()
        stores.database.close()


@contextmanager
def _socket_mode(settings: Settings, bolt: BoltApp) -> Iterator[None]:
    """Keep a line to Slack open, where the settings hold a token for one."""
    from emojifier_bot.slack.socket_mode import SocketMode

    if not settings.slack_app_token:
        yield
        return
    line = SocketMode(bolt, settings.slack_app_token.get_secret_value())
    line.open()
    try:
        yield
    finally:
        line.close()


def _inbound(settings: Settings, stores: Stores, queue: DbosJobQueue) -> Inbound:
    from emojifier_bot.net import check_address
    from emojifier_bot.resources import emojis_dir
    from emojifier_bot.slack.authorize import CachedAuthorize
    from emojifier_bot.slack.inbound import Inbound
    from emojifier_bot.themes import list_themes

    client = make_slack(settings, stores)
    return Inbound(
        queue=queue,
        posts=stores.posts,
        installations=stores.installations,
        authorize=CachedAuthorize(stores.installations, CLOCK),
        sink=make_sink(settings, stores, client),
        vault=stores.vault,
        clock=CLOCK,
        client=client,
        themes=tuple(list_themes(emojis_dir())),
        check_address=partial(
            check_address, allow_hosts=_hosts(settings.fetch_allow_hosts)
        ),
    )


def _bolt_app(settings: Settings, stores: Stores, inbound: Inbound) -> BoltApp:
    from emojifier_bot.slack.receive import make_bolt_app

    flow = _install_flow(settings, stores, inbound) if _installs(settings) else None
    secret = settings.slack_signing_secret.get_secret_value()
    return make_bolt_app(inbound, secret, flow)


def _web_parts(
    settings: Settings, stores: Stores, queue: DbosJobQueue, bolt: BoltApp
) -> WebParts:
    from emojifier_bot.slack.receive import flask_handler
    from emojifier_bot.web.app import WebParts
    from emojifier_bot.web.facts import SiteFacts
    from emojifier_bot.web.metrics import Metrics
    from emojifier_bot.web.pages import pages_blueprint

    facts = SiteFacts(
        public_url=settings.public_url,
        install_available=_installs(settings),
        support_contact=settings.support_contact,
        face_backend=settings.face_backend,
    )
    return WebParts(
        slack=flask_handler(bolt),
        clock=CLOCK,
        metrics=Metrics(
            queue_depth=lambda: queue.backlog().waiting,
            installations=lambda: len(stores.installations.all()),
        ),
        checks={
            "database": _answers(stores.database.ping),
            "queue": _answers(queue.backlog),
        },
        installs=_installs(settings),
        https=settings.public_url.startswith("https://"),
        pages=pages_blueprint(facts),
    )


def _answers(ask: Callable[[], object]) -> Callable[[], bool]:
    def check() -> bool:
        ask()
        return True

    return check


def _installs(settings: Settings) -> bool:
    return bool(settings.slack_client_id and not settings.slack_bot_token)


def _install_flow(settings: Settings, stores: Stores, inbound: Inbound) -> InstallFlow:
    from emojifier_bot.slack.install import (
        OAuthApp,
        StoredInstallations,
        make_install_flow,
    )
    from emojifier_bot.web.install_pages import RenderedInstallPages

    return make_install_flow(
        OAuthApp(
            client_id=settings.slack_client_id,
            client_secret=settings.slack_client_secret.get_secret_value(),
            public_url=settings.public_url,
            authorize_url=settings.slack_authorize_url,
        ),
        installations=StoredInstallations(
            stores.installations, CLOCK, inbound.authorize.forget
        ),
        states=stores.states,
        pages=RenderedInstallPages(),
        client=make_client(settings),
    )


def adopt_token(settings: Settings, stores: Stores) -> Installation | None:
    """Ask Slack whose SLACK_BOT_TOKEN is and remember that workspace, if one is set.

    Where Slack does not answer, what is remembered from an earlier start will do.

    Raises:
        ConfigError: Slack refuses the token.
        DeliveryError: Slack does not answer, and never did.
    """
    from emojifier_bot.slack.install import installation_of_token

    token = settings.slack_bot_token.get_secret_value()
    if not token:
        return None
    try:
        found = installation_of_token(make_client(settings), token, CLOCK)
    except DeliveryError as error:
        known = [one for one in stores.installations.all() if one.bot_token == token]
        if not known:
            raise
        facts = {"action": "adopt_token", "error": error.kind}
        logger.warning("Slack does not answer; the token is known", extra=facts)
        return known[0]
    stores.installations.save(found)
    return found


def run_job_worker(settings: Settings) -> int:
    """Do jobs until SIGTERM or Ctrl-C; return the exit code.

    Raises:
        ConfigError: A setting is wrong.
        StoreError: The database does not answer.
        QueueError: The queue's database does not answer.
    """
    from emojifier_bot.jobs.worker import run_worker

    stores = open_stores(settings)
    adopt_token(settings, stores)
    parts = _worker_parts(settings, stores)
    return run_worker(settings.database_url, parts, settings.worker_concurrency)


def _worker_parts(settings: Settings, stores: Stores) -> WorkerParts:
    from emojifier_bot.jobs.parts import WorkerParts
    from emojifier_bot.net import GuardedClient
    from emojifier_bot.slack.fetch import SlackImageSource

    client = make_slack(settings, stores)
    return WorkerParts(
        source=SlackImageSource(
            client=client,
            vault=stores.vault,
            web=GuardedClient(
                allow_hosts=_hosts(settings.fetch_allow_hosts),
                max_bytes=settings.max_bytes,
            ),
            file_hosts=_hosts(settings.slack_file_hosts),
            max_bytes=settings.max_bytes,
        ),
        sink=make_sink(settings, stores, client),
        posts=stores.posts,
        pipeline_for_theme=_pipelines(settings),
        clock=CLOCK,
    )


def _pipelines(settings: Settings) -> PipelineForTheme:
    """Load the models once, and each theme when it is first asked for."""
    from emojifier_bot.pipeline import Pipeline
    from emojifier_bot.themes import open_theme

    decoder, analyzer = make_decoder(settings), make_analyzer(settings)

    @cache
    def for_theme(theme: str) -> Pipeline:
        return Pipeline(
            decoder=decoder,
            analyzer=analyzer,
            emoji=open_theme(theme or settings.theme),
            clock=CLOCK,
        )

    return for_theme


def check_database(settings: Settings) -> str:
    """Open the database and the queue; return what stands there, in words."""
    stores = open_stores(settings)
    queue = make_queue(settings)
    try:
        waiting = queue.backlog().waiting
        installed = len(stores.installations.all())
    finally:
        queue.close()
        stores.database.close()
    kind = settings.database_url.partition(":")[0].partition("+")[0]
    return f"{kind}, {installed} installed, {waiting} jobs waiting"


def check_token(settings: Settings) -> str:
    """Ask Slack whose bot token it is; return that in words."""
    from emojifier_bot.slack.install import installation_of_token

    token = settings.slack_bot_token.get_secret_value()
    found = installation_of_token(make_client(settings), token, CLOCK)
    return f"bot of {found.team_name or found.workspace.team_id}"
