"""The web process: what answers Slack and browsers. It runs no jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from emojifier_bot.wiring.figures import serve_metrics
from emojifier_bot.wiring.pictures import face_service
from emojifier_bot.wiring.rules import make_rules
from emojifier_bot.wiring.slack import adopt_token, make_client, make_sink, make_slack
from emojifier_bot.wiring.stores import (
    CLOCK,
    Stores,
    make_queue,
    open_hurried,
    open_stores,
)

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.db.engine import Database
    from emojifier_bot.jobs.queue import DbosJobQueue
    from emojifier_bot.observers import SlackObserver
    from emojifier_bot.slack.app import BoltApp
    from emojifier_bot.slack.inbound import Inbound
    from emojifier_bot.slack.install import InstallFlow
    from emojifier_bot.web.app import WebParts
    from emojifier_bot.web.metrics import WebMetrics
    from emojifier_bot.web.server import WebServer


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


def _inbound(
    settings: Settings,
    stores: Stores,
    hurried: Database,
    queue: DbosJobQueue,
    observer: SlackObserver,
) -> Inbound:
    from emojifier_bot.db.installations import InstallationStore
    from emojifier_bot.db.posts import PostLog
    from emojifier_bot.http import check_address
    from emojifier_bot.http.hosts import read_hosts
    from emojifier_bot.slack.authorize import CachedAuthorize
    from emojifier_bot.slack.inbound import Inbound
    from emojifier_bot.vision.resources import emojis_dir
    from emojifier_bot.vision.themes import list_themes

    known = InstallationStore(hurried, stores.vault, CLOCK)
    client = make_slack(settings, stores, observer)
    return Inbound(
        queue=queue,
        posts=PostLog(hurried, CLOCK),
        installations=stores.installations,
        authorize=CachedAuthorize(known, CLOCK),
        sink=make_sink(settings, stores, client),
        vault=stores.vault,
        clock=CLOCK,
        client=client,
        rules=make_rules(settings, hurried, CLOCK),
        themes=tuple(list_themes(emojis_dir())),
        check_address=partial(
            check_address, allow_hosts=read_hosts(settings.fetch_allow_hosts)
        ),
    )


def _bolt_app(settings: Settings, stores: Stores, inbound: Inbound) -> BoltApp:
    from emojifier_bot.slack.app import make_bolt_app

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
    from emojifier_bot.slack.app import flask_handler
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
