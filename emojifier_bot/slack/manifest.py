"""What Slack knows of the app: permissions, and the manifest for one address.

The manifest is pasted at https://api.slack.com/apps.

In Socket Mode there are no addresses, and the token is the one that the app's page
shows: it must not rotate, because nothing would put the next one into the settings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

EVENTS_PATH = "/slack/events"
INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"

#: What the app, its command and its bot user are called unless renamed.
APP_NAME, COMMAND, BOT_NAME = "Emojifier Bot", "/emojify", "emojifier"
#: How long an app's name may be in Slack.
MAX_APP_NAME = 35
_NOT_IN_BOT_NAME = re.compile(r"[^a-z0-9._-]+")
#: Behind the app's icon in Slack's directory: the ink of the bot's pages.
BACKGROUND_COLOR = "#2b1d0e"
LONG_DESCRIPTION = """\
{name} finds every face in a picture and covers it with the emoji that matches its \
expression, turned and sized like the face.

*How to ask*
• `{command}` takes the newest picture in the channel; with an address, the picture \
there.
• *Emojify faces*, in the “More actions” menu of a message, takes the pictures of \
that message.
• Mention the bot with a picture, or send it one in a direct message.

Below each result, *Try another* draws it again for the person who asked, and \
everybody can *Delete* it. Faces are found, not recognised, and no picture is kept. \
After `{command} opt out` the bot leaves your pictures alone."""
SHORTCUT = "emojify_message"
EVENTS = (
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "message.im",
    "reaction_added",
    "tokens_revoked",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """One permission of the bot, for the manifest and the install page."""

    name: str
    #: What it is for; follows "so that it can".
    why: str
    #: The bot works without it, with less comfort.
    optional: bool = False


SCOPES = (
    Scope("app_mentions:read", "see that somebody mentions it"),
    Scope("chat:write", "say what it found, and tell you alone when something failed"),
    Scope("commands", "offer its command and the message shortcut"),
    Scope("files:read", "read the picture that you point at"),
    Scope("files:write", "post the result, and delete it when you ask"),
    Scope("im:history", "see the pictures that you send it in a direct message"),
    Scope(
        "channels:join",
        "join a public channel to post the result that you asked for there",
        optional=True,
    ),
    Scope("im:write", "send you a private result", optional=True),
    Scope(
        "reactions:read",
        "draw your result again, or delete it, when you react to it with an emoji",
        optional=True,
    ),
    Scope("reactions:write", "mark your message as seen while it works", optional=True),
    Scope(
        "users:read",
        "ask whether somebody who switches it off in a channel is an admin, and "
        "whether a picture was posted by another bot",
        optional=True,
    ),
)
REQUIRED_SCOPES = tuple(scope.name for scope in SCOPES if not scope.optional)
OPTIONAL_SCOPES = tuple(scope.name for scope in SCOPES if scope.optional)


def manifest(
    public_url: str,
    *,
    socket_mode: bool = False,
    one_workspace: bool = False,
    command: str = COMMAND,
    name: str = APP_NAME,
) -> dict[str, Any]:
    """Return the manifest as JSON types.

    Args:
        public_url: The bot's public address; not used in Socket Mode.
        socket_mode: Whether it runs without a public address, for one workspace.
        one_workspace: Whether the settings name the token of the one workspace.
        command: The slash command's name.
        name: The app's name; the bot user's name follows from it.
    """
    base, alone = public_url.rstrip("/"), socket_mode or one_workspace
    answers = {} if socket_mode else {"request_url": base + EVENTS_PATH}
    return {
        "_metadata": {"major_version": 2},
        "display_information": {
            "name": name,
            "description": "Puts an emoji over every face in a picture, "
            "matched to its expression",
            "long_description": LONG_DESCRIPTION.format(name=name, command=command),
            "background_color": BACKGROUND_COLOR,
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": _bot_name(name), "always_online": True},
            "shortcuts": [
                {
                    "name": "Emojify faces",
                    "type": "message",
                    "callback_id": SHORTCUT,
                    "description": "Puts an emoji over every face in this message's "
                    "images",
                }
            ],
            "slash_commands": [
                {
                    "command": command,
                    **({} if socket_mode else {"url": base + EVENTS_PATH}),
                    "description": "Put an emoji over every face in a picture",
                    "usage_hint": "[image url] [theme] [surprise] [private] | again "
                    "| help | opt out",
                    "should_escape": False,
                }
            ],
        },
        "oauth_config": {
            **({} if alone else {"redirect_urls": [base + REDIRECT_PATH]}),
            "scopes": {
                "bot": list(REQUIRED_SCOPES),
                "bot_optional": list(OPTIONAL_SCOPES),
            },
        },
        "settings": {
            "event_subscriptions": {**answers, "bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True, **answers},
            "org_deploy_enabled": not alone,
            "socket_mode_enabled": socket_mode,
            "token_rotation_enabled": not alone,
        },
    }


def _bot_name(app_name: str) -> str:
    """Return what the bot user of an app is called, in the characters that may be."""
    if app_name == APP_NAME:
        return BOT_NAME
    return _NOT_IN_BOT_NAME.sub("-", app_name.lower()).strip("-.") or BOT_NAME
