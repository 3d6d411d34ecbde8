"""What the support page says: ways to ask, and what to do when it does not work.

Sentences may hold `code` and *strong*, as in Markdown, and nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["OPTIONS", "PROBLEMS", "WAYS", "Problem", "Way"]


class Way(NamedTuple):
    """One way to ask."""

    do: str
    gets: str


class Problem(NamedTuple):
    """Something that goes wrong now and then."""

    seen: str
    why: str
    to_do: str


WAYS = (
    Way("Type `/emojify`", "The newest picture in this channel."),
    Way(
        "Type `/emojify https://…`",
        "The picture at that address. It must be the picture's own address, not that "
        "of a page around it.",
    ),
    Way(
        "Choose *Emojify faces* in a message's “More actions” menu",
        "The pictures of that message. It works in threads too.",
    ),
    Way(
        "Mention the bot with a picture, or below one",
        "That picture; in a thread, the one on top of it.",
    ),
    Way("Send the bot a direct message with a picture", "That picture, between us."),
)

#: Words after the command, and what they do.
OPTIONS = (
    ("`surprise`", "a bolder choice of emoji"),
    ("`private`", "the result comes to your direct messages with the bot"),
    ("a theme, like `classic`", "another set of emoji; `/emojify help` lists them"),
)

PROBLEMS = (
    Problem(
        "It finds no picture, or cannot see the conversation",
        "The bot only sees private channels that it is a member of.",
        "Type `/invite @emojifier` there, then ask again.",
    ),
    Problem(
        "It works elsewhere, but not in this direct message or group",
        "Apps cannot be invited into direct messages between people.",
        "Add `private` to the command with an address, or send the picture to the bot.",
    ),
    Problem(
        "It says that it lacks a permission",
        "It was added before it needed that permission, or an admin took it out.",
        "An admin adds it to the workspace once more; nothing is lost.",
    ),
    Problem(
        "It answers, but no result comes",
        "Many pictures may be waiting, or Slack may be slow.",
        "Wait a few minutes. If something fails, the bot tells you, and only you.",
    ),
    Problem(
        "It found no face",
        "Faces below some 20 pixels, or turned far away, are often missed.",
        "Try a larger or sharper picture.",
    ),
    Problem(
        "It put an emoji over something that is no face",
        "A hand or a helmet is now and then taken for one.",
        "Press *Try another* for other emoji, or *Delete*.",
    ),
    Problem(
        "It cannot read the file",
        "It reads JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP, TIFF and MPO.",
        "Save the picture as a JPEG or PNG.",
    ),
    Problem(
        "The picture is too large",
        "Up to 30 MB and 60 megapixels are read, unless the bot is set up otherwise.",
        "Scale it down; 4000 pixels on its longer side are plenty.",
    ),
    Problem(
        "The address shows a page, not a picture",
        "The address of a page was given.",
        "Right-click the picture, choose “Copy image address”, and give that.",
    ),
)
