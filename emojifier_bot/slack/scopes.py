"""What the bot asks to be allowed, and why: one table for manifest and install page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """One permission of the bot."""

    name: str
    #: What it is for; follows "so that it can".
    why: str
    #: The bot works without it, with less comfort.
    optional: bool = False


SCOPES = (
    Scope("app_mentions:read", "see that somebody mentions it"),
    Scope("chat:write", "say what it found, and tell you alone when something failed"),
    Scope("commands", "offer /emojify and the message shortcut"),
    Scope("files:read", "read the picture that you point at"),
    Scope("files:write", "post the result, and delete it when you ask"),
    Scope("im:history", "see the pictures that you send it in a direct message"),
    Scope(
        "channels:join",
        "join a public channel to post the result that you asked for there",
        optional=True,
    ),
    Scope("im:write", "send you a private result", optional=True),
    Scope("reactions:write", "mark your message as seen while it works", optional=True),
    Scope(
        "users:read",
        "ask whether somebody who switches it off in a channel is an admin, and "
        "whether a picture was posted by another bot",
        optional=True,
    ),
)
REQUIRED = tuple(scope.name for scope in SCOPES if not scope.optional)
OPTIONAL = tuple(scope.name for scope in SCOPES if scope.optional)
