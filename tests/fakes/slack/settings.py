"""What a test sets: the app's configuration, and how Slack behaves today."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    #: What the manifest asks for, and what a user may decline of it.
    scopes: tuple[str, ...] = BOT_SCOPES + OPTIONAL_SCOPES
    optional_scopes: tuple[str, ...] = OPTIONAL_SCOPES
    #: Addresses that may be returned to, with everything below them.
    redirect_urls: list[str] = field(default_factory=list)
    token_rotation: bool = False
    token_seconds: float = TWELVE_HOURS_SECONDS
    messages_tab: bool = True
    home_tab: bool = True


@dataclass
class Switches:
    """How Slack behaves today. Every switch starts at its friendliest."""

    #: Looks by `files.info` that a completed file needs until it is shown.
    share_after_polls: int = 0
    #: Seconds that a completed file needs until it is shown.
    share_after_seconds: float = 0.0
    #: So many completed files are never shown; -1 for all.
    never_share: int = 0
    #: A file with alt text is never shown.
    never_share_alt_text: bool = False
    #: Shares come without the blocks that were sent.
    drop_share_blocks: bool = False
    #: A file may be completed again, and is then shown again.
    second_complete: bool = False
    #: What `files.info` says of a deleted file: this, or ``file_not_found``.
    deleted_code: str = "file_deleted"
    #: Whoever is asked to install says no.
    consent_denied: bool = False
    #: Optional scopes that whoever installs declines.
    declined_scopes: set[str] = field(default_factory=set)
    #: The workspace that is picked when installing; empty for the first.
    consent_team_id: str = ""
    #: Whoever installs does so for the whole organisation.
    consent_org_wide: bool = False
