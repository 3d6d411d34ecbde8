"""The Slack bot's objects: stores, queue, Slack on both sides, web and worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from emojifier_bot.errors import DeliveryError
from emojifier_bot.wiring.pictures import (
    SystemClock,
    face_service,
    make_analyzer,
    make_isolated_decoder,
)
from emojifier_bot.wiring.rules import make_rules

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.domain import Installation
    from emojifier_bot.jobs.parts import PipelineForTheme, WorkerParts
    from emojifier_bot.jobs.queue import DbosJobQueue
    from emojifier_bot.pipeline import Pipeline
    from emojifier_bot.ports import BotTokens, Decoder, SlackObserver
    from emojifier_bot.slack.app_client import AppClient
    from emojifier_bot.slack.client import SlackClient
    from emojifier_bot.slack.inbound import Inbound
    from emojifier_bot.slack.install import InstallFlow
    from emojifier_bot.slack.post import SlackReplySink
    from emojifier_bot.slack.receive import BoltApp
    from emojifier_bot.store.database import Database
    from emojifier_bot.store.installations import SqlInstallationStore
    from emojifier_bot.store.oauth_states import SqlOAuthStates
    from emojifier_bot.store.posts import SqlPostLog
    from emojifier_bot.store.vault import FernetVault
    from emojifier_bot.web.app import WebParts
    from emojifier_bot.web.metrics import Metrics, WebMetrics, WorkerMetrics
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
    from emojifier_bot.store.database import open_database
    from emojifier_bot.store.installations import SqlInstallationStore
    from emojifier_bot.store.migrate import upgrade
    from emojifier_bot.store.oauth_states import SqlOAuthStates
    from emojifier_bot.store.posts import SqlPostLog

    vault = open_keys(settings, make_file=make)
    if make:
        upgrade(settings.database_url)
    database = open_database(settings.database_url)
    return Stores(
        database=database,
        vault=vault,
        installations=SqlInstallationStore(database, vault, CLOCK),
        states=SqlOAuthStates(database, CLOCK),
        posts=SqlPostLog(database, CLOCK),
    )


def open_keys(settings: Settings, *, make_file: bool = True) -> FernetVault:
    """Open the vault with the keys of the settings, or of the file that stands in."""
    from emojifier_bot.store.vault import open_vault

    keys = settings.encryption_keys.get_secret_value()
    return open_vault(keys, settings.database_url, make_file=make_file)


def make_queue(settings: Settings, *, make_tables: bool = True) -> DbosJobQueue:
    """Open the queue without becoming a worker.

    Raises:
        QueueError: The database does not answer.
    """
    from emojifier_bot.jobs.queue import DbosJobQueue

    return DbosJobQueue(
        settings.database_url, settings.queue_limit, CLOCK, make_tables=make_tables
    )


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


def make_slack(
    settings: Settings, stores: Stores, observer: SlackObserver
) -> SlackClient:
    """Build what speaks to Slack for the workspaces; one for a process."""
    from emojifier_bot.slack.client import SlackClient

    tokens = make_tokens(settings, stores)
    return SlackClient(settings.slack_api_url, tokens, observer=observer)


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
    metrics = _web_metrics(stores, queue)
    hurried = open_hurried(settings)
    inbound = _inbound(settings, stores, hurried, queue, metrics)
    bolt = _bolt_app(settings, stores, inbound)
    parts = _web_parts(settings, stores, queue, metrics, bolt)
    try:
        server = WebServer(
            create_app(parts),
            host=settings.host,
            port=settings.port,
            threads=settings.web_threads,
        )
        with serve_metrics(settings, metrics), _socket_mode(settings, bolt):
            yield server
    finally:
        inbound.close()
        hurried.close()
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


def serve_metrics(settings: Settings, metrics: Metrics) -> AbstractContextManager[int]:
    """Serve a process's figures to Prometheus while the block runs."""
    from emojifier_bot.web.figures import serve_figures

    host, port = settings.metrics_host, settings.metrics_port
    return serve_figures(metrics.registry, host, port)


def open_hurried(settings: Settings) -> Database:
    """Open the database for listeners, who answer within seconds whatever it does."""
    from emojifier_bot.store.database import open_in_a_hurry

    return open_in_a_hurry(settings.database_url)


def _inbound(
    settings: Settings,
    stores: Stores,
    hurried: Database,
    queue: DbosJobQueue,
    observer: SlackObserver,
) -> Inbound:
    from emojifier_bot.net import check_address
    from emojifier_bot.resources import emojis_dir
    from emojifier_bot.slack.authorize import CachedAuthorize
    from emojifier_bot.slack.inbound import Inbound
    from emojifier_bot.store.installations import SqlInstallationStore
    from emojifier_bot.store.posts import SqlPostLog
    from emojifier_bot.themes import list_themes

    known = SqlInstallationStore(hurried, stores.vault, CLOCK)
    client = make_slack(settings, stores, observer)
    return Inbound(
        queue=queue,
        posts=SqlPostLog(hurried, CLOCK),
        installations=stores.installations,
        authorize=CachedAuthorize(known, CLOCK),
        sink=make_sink(settings, stores, client),
        vault=stores.vault,
        clock=CLOCK,
        client=client,
        rules=make_rules(settings, hurried, CLOCK),
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


def _web_metrics(stores: Stores, queue: DbosJobQueue) -> WebMetrics:
    from emojifier_bot.web.metrics import WebMetrics

    return WebMetrics(queue.standing, lambda: len(stores.installations.all()))


def _web_parts(
    settings: Settings,
    stores: Stores,
    queue: DbosJobQueue,
    metrics: WebMetrics,
    bolt: BoltApp,
) -> WebParts:
    from emojifier_bot.slack.receive import flask_handler
    from emojifier_bot.web.app import WebParts
    from emojifier_bot.web.facts import SiteFacts
    from emojifier_bot.web.pages import pages_blueprint
    from emojifier_bot.web.rates import make_limits

    service = face_service(settings)
    facts = SiteFacts(
        public_url=settings.public_url,
        install_available=_installs(settings),
        support_contact=settings.support_contact,
        face_backend=service.title if service else settings.face_backend,
    )
    return WebParts(
        slack=flask_handler(bolt),
        clock=CLOCK,
        metrics=metrics,
        checks={
            "database": _answers(stores.database.ping),
            "queue": _answers(queue.standing),
        },
        # Without one, requests are taken all the same and wait.
        told={"worker": lambda: queue.standing().workers > 0},
        installs=_installs(settings),
        https=settings.public_url.startswith("https://"),
        pages=pages_blueprint(facts),
        limits=make_limits(CLOCK, settings.client_address_header),
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
    metrics = _worker_metrics()
    with make_isolated_decoder(settings) as decoder, serve_metrics(settings, metrics):
        decoder.warm_up()
        parts = _worker_parts(settings, stores, metrics, decoder)
        return run_worker(settings.database_url, parts, settings.worker_concurrency)


def _worker_metrics() -> WorkerMetrics:
    from emojifier_bot.web.metrics import WorkerMetrics

    return WorkerMetrics()


def _worker_parts(
    settings: Settings, stores: Stores, metrics: WorkerMetrics, decoder: Decoder
) -> WorkerParts:
    from emojifier_bot.jobs.parts import WorkerParts
    from emojifier_bot.net import GuardedClient
    from emojifier_bot.slack.fetch import SlackImageSource

    client = make_slack(settings, stores, metrics)
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
            rules=make_rules(settings, stores.database, CLOCK),
        ),
        sink=make_sink(settings, stores, client),
        posts=stores.posts,
        pipeline_for_theme=_pipelines(settings, decoder),
        clock=CLOCK,
        observer=metrics,
    )


def _pipelines(settings: Settings, decoder: Decoder) -> PipelineForTheme:
    """Load the models once, and each theme when it is first asked for."""
    from emojifier_bot.pipeline import Pipeline
    from emojifier_bot.themes import open_theme

    analyzer = make_analyzer(settings)

    @cache
    def for_theme(theme: str) -> Pipeline:
        return Pipeline(
            decoder=decoder,
            analyzer=analyzer,
            emoji=open_theme(theme or settings.theme),
            clock=CLOCK,
        )

    return for_theme
