"""The listeners behind the real web server: signed requests over HTTP, a fake Slack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import requests

from emojifier_bot.app.bot import CHANGES
from emojifier_bot.clock import SystemClock
from emojifier_bot.db.crypto import Vault, generate_key
from emojifier_bot.db.drafts import DraftStore
from emojifier_bot.db.engine import Database
from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.db.policy import RateLimiter, WorkspaceSettings
from emojifier_bot.db.posts import PostLog
from emojifier_bot.db.preferences import Preferences
from emojifier_bot.db.previews import Previews
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.slack.app import flask_handler, make_bolt_app
from emojifier_bot.slack.client import SlackClient, make_app_client
from emojifier_bot.slack.context import Background, ListenerContext, Site
from emojifier_bot.slack.installations import CachedAuthorize, RotatingBotTokens
from emojifier_bot.web.app import WebDependencies, create_app
from emojifier_bot.web.server import WebServer
from tests.builders import make_theme
from tests.fakes.clock import ManualClock
from tests.fakes.inbound import MemoryQueue, PlainVault, TalkingSink
from tests.fakes.previews import MemoryPreviews
from tests.fakes.slack.server import SlackServer
from tests.slack_payloads import BOT, TEAM, Sent, signed
from tests.threads import in_thread, wait_until

HERE = Workspace(TEAM)


def make_context(database: Database, api_url: str) -> ListenerContext:
    """Build what the listeners work with, on a real database; it is installed HERE."""
    clock = ManualClock()
    store = InstallationStore(database, Vault([generate_key()]), clock)
    store.save(Installation(HERE, "xoxb-1", BOT, "BBOT"))
    tokens = RotatingBotTokens(store, clock, make_app_client(api_url), "", "")
    return ListenerContext(
        queue=MemoryQueue(),
        posts=PostLog(database, Vault([generate_key()]), clock),
        installations=store,
        authorize=CachedAuthorize(store, clock),
        sink=TalkingSink(),
        vault=PlainVault(),
        client=SlackClient(api_url, tokens.installation),
        settings=WorkspaceSettings(database, clock),
        limiter=RateLimiter(database, clock, ()),
        changes=RateLimiter(database, clock, CHANGES),
        themes=("classic", "party"),
        theme=lambda _: make_theme(),
        previews=Previews(DraftStore(database, PlainVault(), clock), MemoryPreviews()),
        preferences=Preferences(database),
        site=Site(),
        background=Background(threads=1, waiting=0),
    )


@dataclass
class ListenerHarness:
    """A web server with listeners, and what stands behind them."""

    slack: SlackServer
    context: ListenerContext
    url: str = ""

    def __post_init__(self) -> None:
        self.queue, self.sink = self.context.queue, self.context.sink
        self.posts, self.installations = self.context.posts, self.context.installations
        self.settings = self.context.settings

    def make_server(self) -> WebServer:
        bolt = make_bolt_app(self.context, self.slack.app.signing_secret)
        parts = WebDependencies(
            flask_handler(bolt), self.slack.app.signing_secret, SystemClock()
        )
        server = WebServer(create_app(parts), host="127.0.0.1", port=0, threads=8)
        self.url = f"http://127.0.0.1:{server.port}"
        return server

    def send(self, sent: Sent, **headers: str) -> requests.Response:
        """Send a request as Slack would."""
        own = signed(sent, self.slack.app.signing_secret)
        return self.send_raw(sent.body, own | headers)

    def send_raw(self, body: bytes, headers: dict[str, str]) -> requests.Response:
        address = f"{self.url}/slack/events"
        return requests.post(address, data=body, headers=headers, timeout=30)

    def reply_to(self, command: Sent) -> str:
        """Send a command; return what only its sender is shown."""
        answer = self.send(command)
        assert answer.status_code == 200
        assert answer.json()["response_type"] == "ephemeral"
        return answer.json()["text"]

    def notified(self, number: int = 1) -> list[str]:
        """Wait for notifications; return their kinds."""
        wait_until(lambda: len(self.sink.told) >= number)
        return self.sink.kinds

    def await_background(self) -> None:
        """Wait until the task after an acknowledgement has ended."""
        wait_until(lambda: not self.context.background._taken)


@contextmanager
def running_listeners(
    slack: SlackServer, database: Database
) -> Iterator[ListenerHarness]:
    """Run the web server for a workspace that has installed the bot."""
    grant = slack.world.install(slack.add_workspace(team_id=TEAM))
    context = make_context(database, slack.api_url)
    harness = ListenerHarness(slack, context)
    [installed] = harness.installations.all()
    harness.installations.save(replace(installed, bot_token=grant.token))
    server = harness.make_server()
    with closing(context), in_thread(server.run, server.stop):
        yield harness
