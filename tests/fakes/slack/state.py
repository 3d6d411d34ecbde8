"""What Slack remembers, how it behaves, and what it saw."""

from __future__ import annotations

import io
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image, UnidentifiedImageError

#: An organisation's grant has no workspace of its own.
NO_TEAM = ""
TWELVE_HOURS_SECONDS = 12 * 60 * 60
BOT_SCOPES = (
    "commands",
    "app_mentions:read",
    "chat:write",
    "files:read",
    "files:write",
    "im:history",
)
OPTIONAL_SCOPES = (
    "channels:join",
    "im:write",
    "reactions:read",
    "reactions:write",
    "emoji:read",
    "users:read",
)


@dataclass
class SlackApp:
    """The app as its settings page has it."""

    app_id: str = "A0EMOJIFY01"
    client_id: str = "1111111111.2222222222"
    client_secret: str = field(default="fake-client-secret", repr=False)
    signing_secret: str = field(default="fake-signing-secret", repr=False)
    #: Long out of use, still sent.
    verification_token: str = "fake-verification-token"
    #: What the manifest asks for.
    scopes: tuple[str, ...] = BOT_SCOPES + OPTIONAL_SCOPES
    #: Addresses that may be returned to, with everything below them.
    redirect_urls: list[str] = field(default_factory=list)
    token_rotation: bool = False
    token_seconds: float = TWELVE_HOURS_SECONDS
    messages_tab: bool = True
    home_tab: bool = True


@dataclass
class Switches:
    """How Slack behaves today. Every other switch starts at its friendliest."""

    #: How long it waits for an acknowledgement, and lets a window be opened after a
    #: press. Where bots are processes, a busy machine may take longer.
    patience_seconds: float = 3.0
    #: Looks by `files.info` that a completed file needs until it is shown.
    share_after_polls: int = 0
    #: Seconds that a completed file needs until it is shown.
    share_after_seconds: float = 0.0
    #: A file may be completed again, and is then shown again.
    second_complete: bool = False
    #: What public channels show is hidden from a bot that is not in them.
    public_hidden: bool = False
    #: What `files.info` says of a deleted file: this, or ``file_not_found``.
    deleted_code: str = "file_deleted"
    #: Whoever is asked to install says no.
    consent_denied: bool = False
    #: The workspace that is picked when installing; empty for the first.
    consent_team_id: str = ""
    #: Whoever installs does so for the whole organisation.
    consent_org_wide: bool = False


@dataclass
class Workspace:
    """One workspace, with the bot user that the app would have in it."""

    team_id: str
    name: str
    domain: str
    bot_user_id: str
    bot_id: str
    enterprise_id: str = ""
    enterprise_name: str = ""
    #: What may be uploaded.
    uploads: Literal["all", "images", "none"] = "all"
    max_upload_bytes: int = 1_000_000_000
    storage_full: bool = False


@dataclass
class Grant:
    """A token and what it may do."""

    token: str
    #: `NO_TEAM` for an organisation's.
    team_id: str
    enterprise_id: str
    scopes: set[str]
    bot_user_id: str
    refresh_token: str = ""
    #: Seconds since the epoch; None for never.
    expires_at: float | None = None
    #: Code that it is refused with once it is of no use.
    dead: str = ""

    @property
    def is_org(self) -> bool:
        return self.team_id == NO_TEAM

    def covers(self, workspace: Workspace) -> bool:
        if self.is_org:
            return workspace.enterprise_id == self.enterprise_id
        return workspace.team_id == self.team_id


@dataclass
class User:
    user_id: str
    team_id: str
    name: str
    is_bot: bool = False
    deleted: bool = False
    is_admin: bool = False
    #: A guest, who sees some channels only.
    is_restricted: bool = False


@dataclass
class Channel:
    """A channel, or a direct message between two (``im``) or among several."""

    channel_id: str
    team_id: str
    name: str
    kind: Literal["public", "private", "im", "mpim"] = "public"
    members: set[str] = field(default_factory=set)
    is_archived: bool = False
    #: Only some may post.
    is_read_only: bool = False
    created: int = 0


@dataclass
class Message:
    """A message; one that is for one person alone names that person."""

    channel_id: str
    ts: str
    user_id: str
    text: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str = ""
    file_ids: list[str] = field(default_factory=list)
    #: Previews of links, and the messages that it forwards.
    attachments: list[dict[str, Any]] = field(default_factory=list)
    #: ``"thread_broadcast"``, ``"me_message"``; empty for Slack's own choice.
    subtype: str = ""
    #: When its writer changed it; empty for never.
    edited_ts: str = ""
    #: Name of the emoji to who reacted, in order.
    reactions: dict[str, list[str]] = field(default_factory=dict)
    bot_id: str = ""
    #: Who alone sees it; empty for everybody in the channel.
    only_for: str = ""
    deleted: bool = False
    edits: int = 0

    @property
    def is_reply(self) -> bool:
        return bool(self.thread_ts) and self.thread_ts != self.ts

    @property
    def everything(self) -> str:
        """Return every text a reader sees in it, blocks included."""
        return "\n".join([self.text, *_texts(self.blocks)]).strip()


@dataclass
class Share:
    """A message that shows a file."""

    channel_id: str
    ts: str
    thread_ts: str = ""
    #: Who wrote the message.
    user_id: str = ""


@dataclass
class PendingShare:
    """A message that will show files, or never will."""

    file_ids: list[str]
    channel_id: str
    thread_ts: str
    comment: str
    blocks: list[dict[str, Any]]
    polls_left: int
    #: Seconds since the epoch.
    due_at: float


@dataclass
class SlackFile:
    """A file, from the moment its upload address was given out."""

    file_id: str
    team_id: str
    user_id: str
    name: str
    title: str = ""
    alt_txt: str = ""
    #: As announced.
    length: int = 0
    data: bytes | None = field(default=None, repr=False)
    created: int = 0
    #: Shown or at least kept; before that only its upload ticket exists.
    completed: bool = False
    processed: bool = False
    deleted: bool = False
    mode: Literal["hosted", "external", "hidden_by_limit"] = "hosted"
    #: What Slack says in place of the type that its bytes have; None for that type.
    told_type: str | None = None
    #: Where an external file, or one that redirects, really lies.
    address: str = ""
    #: Messages show only a stub; ``"always"``: `files.info` too.
    stub: Literal["", "messages", "always"] = ""
    shares: list[Share] = field(default_factory=list)

    @property
    def mimetype(self) -> str:
        """Return what Slack takes the bytes for; empty until it looked."""
        if self.told_type is not None:
            return self.told_type
        if not self.processed:
            return ""
        guessed = mimetypes.guess_type(self.name)[0]
        return self._image_facts()[0] or guessed or "application/octet-stream"

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Return the picture's size; None where it is none, or not looked at yet."""
        return self._image_facts()[1] if self.processed else None

    def _image_facts(self) -> tuple[str, tuple[int, int] | None]:
        try:
            with Image.open(io.BytesIO(self.data or b"")) as image:
                return Image.MIME.get(image.format or "", ""), image.size
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError):
            return "", None


@dataclass
class View:
    """A modal that is open, or somebody's home tab."""

    view_id: str
    user_id: str
    team_id: str
    body: dict[str, Any]
    #: Counts its changes.
    edits: int = 0

    @property
    def hash(self) -> str:
        """Return what stands for its state."""
        return f"{self.edits}.{self.view_id.lower()}"


@dataclass
class Consent:
    """A code that the app may exchange for a token, once."""

    workspace: Workspace
    org_wide: bool
    scopes: list[str]
    redirect_uri: str
    user_id: str
    made_at: float


@dataclass
class Trigger:
    """What lets an app open a modal once, for three seconds."""

    user_id: str
    team_id: str
    made_at: float
    used: bool = False


@dataclass
class ResponseUrl:
    """An address that answers one interaction."""

    channel_id: str
    user_id: str
    team_id: str
    made_at: float
    #: The bot's own message that the interaction came from; empty for none.
    message_ts: str = ""
    uses: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One request and what was answered."""

    #: A method of the Web API, or ``upload``, ``download``, ``response``,
    #: ``authorize``, ``website``.
    method: str
    args: Mapping[str, Any]
    token: str
    #: Whose token it is; empty for an organisation's, or where it is not known.
    team_id: str
    #: Seconds since the epoch by the server's clock.
    when: float
    #: 0 where the connection was dropped.
    status: int
    #: The JSON object, else the first characters of the page.
    answer: Any
    #: The headers that came, names in small letters.
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Tell whether it was done, as far as the caller could see."""
        if isinstance(self.answer, Mapping) and "ok" in self.answer:
            return bool(self.answer["ok"])
        return 200 <= self.status < 400

    @property
    def error(self) -> str:
        known = isinstance(self.answer, Mapping)
        return str(self.answer.get("error", "")) if known else ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a correct bot would never send."""

    #: ``unknown_argument``, ``token_leak``, ``upload_order`` and the like.
    kind: str
    method: str
    what: str


def _texts(blocks: Any) -> list[str]:
    """Return the texts anywhere in blocks, in order."""
    if isinstance(blocks, list):
        return [text for part in blocks for text in _texts(part)]
    if not isinstance(blocks, dict):
        return []
    return [
        text
        for name, value in blocks.items()
        for text in ([value] if _is_text(name, value) else _texts(value))
    ]


def _is_text(name: str, value: Any) -> bool:
    return name in {"text", "alt_text"} and isinstance(value, str)
