"""The outbound half of the bot, put together against the fake Slack."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from emojifier_bot.clock import SystemClock
from emojifier_bot.db.crypto import Vault, generate_key
from emojifier_bot.db.engine import Database
from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.db.policy import RateLimiter, WorkspaceSettings
from emojifier_bot.db.posts import PostLog
from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    FaceSummary,
    ImageReference,
    Installation,
    Post,
    ResultPicture,
    Workspace,
)
from emojifier_bot.errors import DeliveryError, FetchError, RemoteError
from emojifier_bot.http import GuardedClient
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.files import SlackImageSource
from emojifier_bot.slack.post import SlackReplySink
from emojifier_bot.slack.reader import SlackReader, check_picture
from tests.fakes.slack import SampleWorkspace, SlackServer, posting
from tests.fakes.slack.posting import post_files
from tests.fakes.slack.shapes import message_permalink

MAX_BYTES = 200_000
#: How long Slack may take to answer, seconds: a machine may be busy.
TIMEOUT_SECONDS = 30


def picture(shade: int = 90, size_px: int = 32) -> bytes:
    """Return a PNG."""
    out = io.BytesIO()
    Image.new("RGB", (size_px, size_px), (shade, 80, 60)).save(out, "PNG")
    return out.getvalue()


@dataclass
class FixedTokens:
    """Installations of workspaces whose tokens never change."""

    installations: dict[str, Installation] = field(default_factory=dict)

    def installation(self, workspace: Workspace) -> Installation:
        if workspace.team_id not in self.installations:
            raise DeliveryError("Not installed.", kind="not_installed")
        return self.installations[workspace.team_id]


@dataclass
class Bot:
    """The bot in one workspace."""

    slack: SlackServer
    acme: SampleWorkspace
    #: Whether the store knows what was granted.
    knows_scopes: bool = True
    #: What the source asks; only who fetches pictures needs it.
    database: Database | None = None
    vault: Vault = field(default_factory=lambda: Vault([generate_key()]))

    def __post_init__(self) -> None:
        self.tokens = FixedTokens({self.workspace.team_id: self._installation()})
        if self.database is not None:  # people want things only where it is installed
            store = InstallationStore(self.database, self.vault, SystemClock())
            store.save(self._installation())
        self.client = SlackClient(
            self.slack.api_url, self.tokens.installation, TIMEOUT_SECONDS
        )
        hosts = frozenset({self.slack.environment["SLACK_FILE_HOSTS"]})
        self.sink = SlackReplySink(self.client, self.vault, hosts)
        self.settings = WorkspaceSettings(self.database, SystemClock())
        self.source = SlackImageSource(
            SlackReader(self.client, hosts, MAX_BYTES),
            vault=self.vault,
            web=GuardedClient(
                allow_hosts=frozenset({self.slack.website.host}),
                max_bytes=MAX_BYTES,
                check_body=check_picture,
            ),
            settings=self.settings,
            limiter=RateLimiter(self.database, SystemClock(), ()),
            posts=PostLog(self.database, self.vault, SystemClock()),
        )

    @property
    def workspace(self) -> Workspace:
        grant = self.acme.grant
        return Workspace(
            self.acme.workspace.team_id,
            grant.enterprise_id,
            is_org_install=grant.is_org,
        )

    def _installation(self) -> Installation:
        grant = self.acme.grant
        return Installation(
            Workspace(grant.team_id, grant.enterprise_id, is_org_install=grant.is_org),
            bot_token=grant.token,
            bot_user_id=grant.bot_user_id,
            scopes=tuple(sorted(grant.scopes)) if self.knows_scopes else (),
        )

    def request(self, **fields: Any) -> EmojifyRequest:
        """Return Ada's command in #general, with some fields changed."""
        usual: dict[str, Any] = {
            "workspace": self.workspace,
            "entrypoint": Entrypoint.COMMAND,
            "user_id": self.acme.ada.user_id,
            "channel_id": self.acme.general.channel_id,
            "source": ImageReference(newest=True),
        }
        return EmojifyRequest(**usual | fields)

    def uploaded(self, alt_text: str = "1 face: grinning", **fields: Any) -> Post:
        """Return a post to be, its bytes uploaded, with some fields changed."""
        result = ResultPicture(picture(), "party.emojified.png", alt_text)
        usual: dict[str, Any] = {
            "post_id": "job-1",
            "workspace": self.workspace,
            "asker_id": self.acme.ada.user_id,
            "file_id": self.sink.upload(self.workspace, result),
            "channel_id": self.acme.general.channel_id,
            "title": "party, emojified",
            "alt_text": alt_text,
            "faces": (FaceSummary("😆", "grinning", sure=True),),
            "source": ImageReference(file_id="F0"),
        }
        return Post(**usual | fields)


def posted(bot, *names, who=None, room=None, data=None, **more):
    """Let somebody post pictures in one message; return it."""
    room = room or bot.acme.general
    files = [(name, picture() if data is None else data) for name in names]
    user = who or bot.acme.ada
    thread_ts = more.pop("thread_ts", "")
    where = (user.user_id, room.channel_id)
    return post_files(bot.slack.world, *where, files, thread_ts=thread_ts, more=more)


def write(bot, text, *, who=None, thread_ts=""):
    """Let somebody write in #general."""
    user, room = who or bot.acme.ada, bot.acme.general.channel_id
    return posting.write(bot.slack.world, user.user_id, room, text, thread_ts)


def link(bot, message) -> str:
    """Return what Slack copies as the link of a message."""
    return message_permalink(bot.slack.world, message)


def typed(bot, address: str) -> ImageReference:
    return ImageReference(sealed_address=bot.vault.seal(address))


def refused(call, *arguments, **more) -> RemoteError:
    with pytest.raises((FetchError, DeliveryError)) as caught:
        call(*arguments, **more)
    return caught.value


def resolved(bot: Bot, request: EmojifyRequest) -> list[str]:
    return [one.file_id for one in bot.source.resolve(request)]


def fetch(bot: Bot, file_id: str):
    return bot.source.fetch(bot.workspace, ImageReference(file_id=file_id))
