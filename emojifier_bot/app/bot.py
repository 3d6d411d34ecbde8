"""The bot: what it remembers, how it speaks to Slack, its web process and its worker.

What only one of the two processes needs is imported by the function that runs it. What
opens or runs something raises `ConfigError` where a setting is wrong, and `StoreError`
or `QueueError` where the database does not answer or refuses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from emojifier_bot import metrics
from emojifier_bot.app import face_service, make_route
from emojifier_bot.clock import Clock, SystemClock
from emojifier_bot.config import Settings
from emojifier_bot.db.crypto import Vault, open_vault
from emojifier_bot.db.drafts import DraftStore
from emojifier_bot.db.engine import Database, open_database
from emojifier_bot.db.installations import InstallationStore, OAuthStates
from emojifier_bot.db.migrate import upgrade
from emojifier_bot.db.policy import RateLimiter, WorkspaceSettings
from emojifier_bot.db.posts import PostLog
from emojifier_bot.db.preferences import Preferences
from emojifier_bot.db.previews import Previews
from emojifier_bot.domain import Installation, Limit
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.errors import DeliveryError, ErrorKind
from emojifier_bot.http import FETCH_NETWORK, GuardedClient, check_address
from emojifier_bot.jobs.queue import DbosJobQueue
from emojifier_bot.slack.client import SlackClient, SlackWebClient, make_app_client
from emojifier_bot.slack.files import SlackImageSource
from emojifier_bot.slack.installations import RotatingBotTokens
from emojifier_bot.slack.post import SlackReplySink
from emojifier_bot.slack.reader import SlackReader, check_picture

if TYPE_CHECKING:
    from emojifier_bot.app.picture_process import PictureProcesses
    from emojifier_bot.jobs.steps import Dependencies
    from emojifier_bot.slack.context import ListenerContext
    from emojifier_bot.slack.oauth import InstallFlow
    from emojifier_bot.slack.socket_mode import SocketMode
    from emojifier_bot.vision.types import EmojiTheme
    from emojifier_bot.web.app import WebDependencies
    from emojifier_bot.web.server import WebServer

logger = logging.getLogger(__name__)

CLOCK = SystemClock()
MINUTE_SECONDS, HOUR_SECONDS, DAY_SECONDS = 60, 3600, 24 * 3600


@dataclass(frozen=True, slots=True)
class Stores:
    """What the bot remembers."""

    database: Database
    vault: Vault
    installations: InstallationStore
    states: OAuthStates
    posts: PostLog

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def open_stores(settings: Settings, *, make: bool = True) -> Stores:
    """Open the database.

    Args:
        settings: Name it and its keys.
        make: Whether to bring its tables up to date, and to make the file of keys.
    """
    keys = settings.encryption_keys.get_secret_value()
    vault = open_vault(keys, settings.database_url, make_file=make)
    if make:
        upgrade(settings.database_url)
    database = open_database(settings.database_url)
    return Stores(
        database=database,
        vault=vault,
        installations=InstallationStore(database, vault, CLOCK),
        states=OAuthStates(database, CLOCK),
        posts=PostLog(database, vault, CLOCK),
    )


def make_queue(settings: Settings, *, make_tables: bool = True) -> DbosJobQueue:
    """Open the queue without becoming a worker."""
    return DbosJobQueue(
        settings.database_url, settings.queue_limit, CLOCK, make_tables=make_tables
    )


def make_slack(settings: Settings, stores: Stores) -> SlackClient:
    """Build the client that calls Slack for the workspaces; one for a process."""
    tokens = RotatingBotTokens(
        store=stores.installations,
        clock=CLOCK,
        client=make_app(settings),
        client_id=settings.slack_client_id,
        client_secret=settings.slack_client_secret.get_secret_value(),
    )
    route = make_route(settings)
    return SlackClient(settings.slack_api_url, tokens.installation, route=route)


def make_app(settings: Settings) -> SlackWebClient:
    """Build the client for the app itself: without a token, or one of the settings."""
    return make_app_client(settings.slack_api_url, make_route(settings))


def make_sink(
    settings: Settings, stores: Stores, client: SlackClient
) -> SlackReplySink:
    """Build what delivers to Slack."""
    return SlackReplySink(
        client, stores.vault, settings.slack_file_hosts, settings.slack_command
    )


def theme_reader(settings: Settings) -> Callable[[str], EmojiTheme]:
    """Return what reads themes by their names; an empty one is the settings' own."""
    from emojifier_bot.vision.themes import open_theme

    @cache
    def read(name: str) -> EmojiTheme:
        return open_theme(name or settings.theme).theme

    return read


def make_previews(
    settings: Settings, vault: Vault, database: Database, client: SlackClient
) -> Previews:
    """Build the previews that people have before them."""
    from emojifier_bot.slack.previews import SlackPreviews
    from emojifier_bot.vision import emojis_dir
    from emojifier_bot.vision.themes import list_themes

    themes = list_themes(emojis_dir())
    return Previews(
        DraftStore(database, vault, CLOCK),
        SlackPreviews(client, theme_reader(settings), themes, vault.seal),
    )


#: Changes of previews, of one person and of a workspace. Their rows are told from those
#: of other limits by the periods.
CHANGES = (
    Limit(ErrorKind.PREVIEW_LIMIT, 100, 5 * MINUTE_SECONDS, is_personal=True),
    Limit(ErrorKind.PREVIEW_LIMIT, 6000, 2 * HOUR_SECONDS),
)


def make_limiter(settings: Settings, database: Database, clock: Clock) -> RateLimiter:
    """Build what counts the requests of people and workspaces."""
    limits = (
        Limit(
            ErrorKind.USER_LIMIT,
            settings.user_per_minute,
            MINUTE_SECONDS,
            is_personal=True,
        ),
        Limit(
            ErrorKind.WORKSPACE_HOUR_LIMIT, settings.workspace_per_hour, HOUR_SECONDS
        ),
        Limit(ErrorKind.WORKSPACE_DAY_LIMIT, settings.workspace_per_day, DAY_SECONDS),
    )
    used = tuple(limit for limit in limits if limit.pictures)
    return RateLimiter(database, clock, used)


def adopt_token(settings: Settings, stores: Stores) -> Installation | None:
    """Ask Slack whose SLACK_BOT_TOKEN is and remember that workspace, if one is set.

    Where Slack does not answer, what is remembered from an earlier start will do.

    Raises:
        ConfigError: Slack refuses the token.
        DeliveryError: Slack does not answer, and never did.
    """
    from emojifier_bot.slack.oauth import installation_of_token

    token = settings.slack_bot_token.get_secret_value()
    if not token:
        return None
    try:
        found = installation_of_token(make_app(settings), token, CLOCK)
    except DeliveryError as error:
        known = [one for one in stores.installations.all() if one.bot_token == token]
        if not known:
            raise
        facts = {"action": "adopt_token", "error": error.kind}
        logger.warning("Slack does not answer; the token is known", extra=facts)
        return known[0]
    stores.installations.save(found)
    return found


# The web process: what answers Slack and browsers. It runs no jobs.


@contextmanager
def open_web(settings: Settings) -> Iterator[WebServer]:
    """Listen for Slack and browsers; close what was opened at the end.

    Raises:
        ConfigError: Also at the end, where Slack has refused SLACK_APP_TOKEN meanwhile.
    """
    from emojifier_bot.slack.app import flask_handler, make_bolt_app
    from emojifier_bot.slack.socket_mode import SocketMode
    from emojifier_bot.web.app import create_app
    from emojifier_bot.web.server import WebServer

    make_route(settings).check()
    with ExitStack() as opened:
        stores = open_stores(settings)
        opened.callback(stores.close)
        adopt_token(settings, stores)
        queue = make_queue(settings)
        opened.callback(queue.close)
        # Listeners answer within seconds, whatever the database does.
        hurried = open_database(settings.database_url, hurried=True)
        opened.callback(hurried.close)
        context = _listener_context(settings, stores, hurried, queue)
        opened.callback(context.close)
        bolt = make_bolt_app(context, settings.slack_signing_secret.get_secret_value())
        installs = _installs(settings)
        flow = _install_flow(settings, stores, context) if installs else None
        slack = flask_handler(bolt, flow)
        app_token = settings.slack_app_token.get_secret_value()
        connection = None
        if app_token:
            connection = SocketMode(bolt, app_token, make_route(settings))
        registry = metrics.web_registry(
            lambda: asdict(queue.stats()),
            lambda: len(stores.installations.all()),
            connection.is_connected if connection else None,
        )
        server = WebServer(
            create_app(_web_dependencies(settings, stores, queue, slack, connection)),
            host=settings.host,
            port=settings.port,
            threads=settings.web_threads,
        )
        opened.enter_context(
            metrics.serve_metrics(
                registry, settings.metrics_host, settings.metrics_port
            )
        )
        if connection is not None:
            opened.callback(connection.close)
            connection.open(on_refusal=server.stop)
        yield server
        if connection is not None and connection.refusal is not None:
            raise connection.refusal


def _listener_context(
    settings: Settings,
    stores: Stores,
    hurried: Database,
    queue: DbosJobQueue,
) -> ListenerContext:
    from emojifier_bot.slack.context import ListenerContext, Site
    from emojifier_bot.slack.installations import CachedAuthorize
    from emojifier_bot.vision import emojis_dir
    from emojifier_bot.vision.themes import list_themes

    known = InstallationStore(hurried, stores.vault, CLOCK)
    client = make_slack(settings, stores)
    return ListenerContext(
        queue=queue,
        posts=PostLog(hurried, stores.vault, CLOCK),
        installations=stores.installations,
        authorize=CachedAuthorize(known, CLOCK),
        sink=make_sink(settings, stores, client),
        vault=stores.vault,
        client=client,
        settings=WorkspaceSettings(hurried, CLOCK),
        limiter=make_limiter(settings, hurried, CLOCK),
        changes=RateLimiter(hurried, CLOCK, CHANGES),
        themes=tuple(list_themes(emojis_dir())),
        theme=theme_reader(settings),
        previews=make_previews(settings, stores.vault, hurried, client),
        preferences=Preferences(hurried),
        site=Site(
            settings.public_url, ReadingMode(settings.reading), settings.source_url
        ),
        command=settings.slack_command,
        check_address=partial(_check_address, settings),
    )


def _check_address(settings: Settings, address: str) -> None:
    """Refuse what no job could fetch; a link into Slack is no address to fetch."""
    from emojifier_bot.slack.payloads import parse_slack_link

    if parse_slack_link(address, settings.slack_file_hosts) is None:
        check_address(address, allow_hosts=settings.fetch_allow_hosts)


def _installs(settings: Settings) -> bool:
    return bool(settings.slack_client_id and not settings.slack_bot_token)


def _install_flow(
    settings: Settings, stores: Stores, context: ListenerContext
) -> InstallFlow:
    from emojifier_bot.slack.oauth import InstallFlow, OAuthApp
    from emojifier_bot.web.pages import installed_page, refused_page

    return InstallFlow(
        app=OAuthApp(
            client_id=settings.slack_client_id,
            client_secret=settings.slack_client_secret.get_secret_value(),
            public_url=settings.public_url,
            authorize_url=settings.slack_authorize_url,
        ),
        store=stores.installations,
        states=stores.states,
        clock=CLOCK,
        client=make_app(settings),
        changed=context.authorize.invalidate,
        installed_page=installed_page,
        refused_page=refused_page,
    )


def _web_dependencies(
    settings: Settings,
    stores: Stores,
    queue: DbosJobQueue,
    slack: Callable[..., Any],
    connection: SocketMode | None,
) -> WebDependencies:
    from emojifier_bot.web.app import WebDependencies
    from emojifier_bot.web.pages import SiteFacts, pages_blueprint
    from emojifier_bot.web.rate_limits import RateLimits

    service = face_service(settings)
    facts = SiteFacts(
        public_url=settings.public_url,
        install_available=_installs(settings),
        support_contact=settings.support_contact,
        command=settings.slack_command,
        face_backend=service.title if service else settings.face_backend,
        reading=ReadingMode(settings.reading),
    )
    return WebDependencies(
        slack=slack,
        signing_secret=settings.slack_signing_secret.get_secret_value(),
        clock=CLOCK,
        checks={
            "database": stores.database.ping,
            "queue": queue.stats,
            **({"socket_mode": connection.is_connected} if connection else {}),
        },
        # Without one, requests are taken all the same and wait.
        reports={"worker": lambda: queue.stats().workers > 0},
        installs=_installs(settings),
        https=settings.public_url.startswith("https://"),
        pages=pages_blueprint(facts),
        limits=RateLimits(CLOCK, settings.client_address_header),
    )


# The worker process: what does the jobs.


def run_job_worker(settings: Settings) -> int:
    """Do jobs until SIGTERM or Ctrl-C; return the exit code."""
    from emojifier_bot.app.picture_process import PictureProcesses
    from emojifier_bot.jobs.worker import run_worker
    from emojifier_bot.vision.sandbox.lockdown import return_large_blocks

    # Many threads have a file each.
    return_large_blocks()
    make_route(settings).check()
    stores = open_stores(settings)
    adopt_token(settings, stores)
    serving = metrics.serve_metrics(
        metrics.worker_registry(), settings.metrics_host, settings.metrics_port
    )
    with PictureProcesses(settings) as pictures, serving:
        pictures.warm_up()
        parts = make_worker_dependencies(settings, stores, pictures)
        return run_worker(settings.database_url, parts, settings.worker_concurrency)


def make_worker_dependencies(
    settings: Settings, stores: Stores, pictures: PictureProcesses
) -> Dependencies:
    """Build what a worker does its jobs with."""
    from emojifier_bot.jobs.steps import Dependencies

    client = make_slack(settings, stores)
    return Dependencies(
        source=SlackImageSource(
            SlackReader(client, settings.slack_file_hosts, settings.max_bytes),
            vault=stores.vault,
            web=GuardedClient(
                allow_hosts=settings.fetch_allow_hosts,
                max_bytes=settings.max_bytes,
                check_body=check_picture,
                network=replace(FETCH_NETWORK, route=client.route),
            ),
            settings=WorkspaceSettings(stores.database, CLOCK),
            limiter=make_limiter(settings, stores.database, CLOCK),
            posts=stores.posts,
        ),
        sink=make_sink(settings, stores, client),
        posts=stores.posts,
        emojify=pictures,
        previews=make_previews(settings, stores.vault, stores.database, client),
        clock=CLOCK,
    )
