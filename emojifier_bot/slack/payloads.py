"""Reads what Slack sends and answers: workspaces, messages, files. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from slack_bolt import BoltContext

from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    Share,
    ShareState,
    Workspace,
)
from emojifier_bot.errors import ErrorKind
from emojifier_bot.vision.formats import VIDEOS, format_for

Payload = Mapping[str, Any]

#: Halves of surrogate pairs: JSON may hold one alone, no encoded text can.
_HALVES = re.compile("[\ud800-\udfff]")
#: Modes of files that are no longer there.
TOMBSTONE, HIDDEN_BY_LIMIT = "tombstone", "hidden_by_limit"
GONE_MODES = (TOMBSTONE, HIDDEN_BY_LIMIT)
#: What Slack says of another organisation's file in place of its type.
STUB = "check_file_info"
#: What a file has in place of a type where Slack does not know it, or not yet.
UNKNOWN_TYPES = ("", "application/octet-stream")
#: Subtypes of messages that Slack or an app writes, or that tell of another message;
#: all others, those to come too, are what people write.
NOTICES = frozenset(
    {
        "assistant_app_thread",
        "bot_add",
        "bot_message",
        "bot_remove",
        "channel_archive",
        "channel_canvas_updated",
        "channel_convert_to_private",
        "channel_convert_to_public",
        "channel_join",
        "channel_leave",
        "channel_name",
        "channel_posting_permissions",
        "channel_purpose",
        "channel_topic",
        "channel_unarchive",
        "ekm_access_denied",
        "file_comment",
        "file_mention",
        "group_archive",
        "group_join",
        "group_leave",
        "group_name",
        "group_purpose",
        "group_topic",
        "group_unarchive",
        "huddle_thread",
        "joiner_notification",
        "joiner_notification_for_inviter",
        "message_changed",
        "message_deleted",
        "message_replied",
        "pinned_item",
        "reminder_add",
        "reply_broadcast",
        "sh_room_created",
        "sh_room_shared",
        "slackbot_response",
        "tombstone",
        "unpinned_item",
    }
)
#: What a message must have to be answered.
REQUIRED_FIELDS = ("user", "channel", "ts")
#: Ids of direct messages between two begin so, names of those among several.
DIRECT, GROUP = "D", "mpdm-"
#: What Slack says in place of a name.
UNNAMED = frozenset({"directmessage", "privategroup"})
#: Entrypoints that work in direct messages of which the bot is not a member.
ANYWHERE = frozenset({Entrypoint.COMMAND, Entrypoint.SHORTCUT})

#: Number of the delivery that is no repeat.
FIRST_DELIVERY = "0"
#: Reasons to deliver again what the bot has not read to its end.
NOT_RECEIVED = frozenset({"connection_failed", "http_error", "ssl_error"})

#: The older lists of the conversations that show a file, by their kinds.
_CHANNEL_LISTS = ("channels", "groups", "ims")

#: Hosts on which every workspace has its own name, those that show files to all, and
#: those that keep avatars and copies of pictures from elsewhere.
SLACK_HOSTS = (
    "slack.com",
    "slack-gov.com",
    "slack-files.com",
    "slack-edge.com",
    "slack-imgs.com",
    "slack-redir.net",
)
#: Where people's own pictures lie, under names that say of nobody whose they are.
AVATAR_HOST = "avatars.slack-edge.com"
#: ``/files/U1/F1/party.png``, ``/files-pri/T1-F1/party.png``, ``/T1-F1-0123456789``.
_FILE_ID = re.compile(r"[/-](F[A-Z0-9]{7,})(?=[/-]|$)")
#: ``/files-pri/T1-F1/party.png``, ``/T1-F1-0123456789``.
_TEAM_ID = re.compile(r"/(T[A-Z0-9]{7,})-F[A-Z0-9]{7,}(?=[/-]|$)")
#: A workspace's own host; those of organisations have one more part.
_HOME = re.compile(r"(?!(?:app|files|api|hooks|www)\.)[a-z0-9-]+\.slack(?:-gov)?\.com")
#: A person in any place of an address: ``/files/U1/…``, ``/T1-U1-0123456789-512``.
_USER_ID = re.compile(r"(?<![A-Za-z0-9])[UW][A-Z0-9]{7,}(?![A-Za-z0-9])")
#: ``/archives/C1/p1700000001000100``.
_MESSAGE = re.compile(r"/archives/([CDG][A-Z0-9]+)/p(\d{10})(\d{6})(?=/|$)")
_THREAD_TS = re.compile(r"\d{10}\.\d{6}")
#: An address may be percent-encoded inside another one, and that again.
MAX_ENCODINGS = 3

#: Messages and blocks that may stand inside each other, and parts that are looked at.
MAX_DEPTH, MAX_PARTS = 6, 500


def encodable(values: dict[str, Any]) -> dict[str, Any]:
    """Return what Slack's JSON says with a sign for each half of a surrogate pair.

    Everything that comes from Slack passes through here, so that all else may seal,
    store and send its texts.
    """
    text = json.dumps(values, ensure_ascii=False)
    if _HALVES.search(text) is None:
        return values
    mended: dict[str, Any] = json.loads(_HALVES.sub("\ufffd", text))
    return mended


def workspace_of(context: BoltContext, body: Payload) -> Workspace:
    """Return the workspace that a request comes from, and whose installation it uses.

    An event of an organisation's installation may name the workspace only at its top.
    """
    return Workspace(
        team_id=context.team_id or str(body.get("team_id") or ""),
        enterprise_id=context.enterprise_id or "",
        is_org_install=bool(context.is_enterprise_install),
    )


def is_direct(channel_id: str) -> bool:
    """Return whether a conversation is a direct message between two."""
    return channel_id.startswith(DIRECT)


def channel_name_of(told: str) -> str:
    """Return a channel's name; empty for a private one's, which Slack does not say."""
    return "" if told in UNNAMED or is_group(told) else told


def is_group(channel_name: str) -> bool:
    """Return whether a conversation is a direct message among several people."""
    return channel_name.startswith(GROUP)


def may_be_between_people(request: EmojifyRequest) -> bool:
    """Return whether a request may come from a direct message between people.

    The bot cannot post there, and nobody can invite it. One between two has an id like
    that of the asker's direct messages with the bot.
    """
    may_be = request.in_group or is_direct(request.channel_id)
    return may_be and request.entrypoint in ANYWHERE


def is_from_person(event: Payload) -> bool:
    """Return whether a person wrote a message: no bot, no notice."""
    if event.get("bot_id") or event.get("bot_profile"):
        return False
    complete = all(event.get(name) for name in REQUIRED_FIELDS)
    return complete and event.get("subtype") not in NOTICES and not event.get("hidden")


def as_edited(event: Payload) -> Payload:
    """Return the message that somebody has edited, as if it were new.

    Any other event is returned as it is: Slack itself changes a message, too, when it
    adds the preview of a link.
    """
    new, old = event.get("message") or {}, event.get("previous_message") or {}
    if event.get("subtype") != "message_changed" or not new.get("edited"):
        return event
    if new.get("text") == old.get("text"):
        return event
    where = {name: event.get(name) for name in ("channel", "channel_type")}
    return {**new, **where}


def is_repeat(headers: Mapping[str, Any]) -> bool:
    """Return whether an event is delivered again that may have been answered before.

    An event that the bot never received, as while it starts, is no repeat. Over HTTP
    the first delivery has no number; in Socket Mode its number is 0.

    Args:
        headers: As Bolt gives them, each name in lower case with a list of values.
    """
    [number, *_] = headers.get("x-slack-retry-num") or (FIRST_DELIVERY,)
    [reason, *_] = headers.get("x-slack-retry-reason") or ("",)
    return number != FIRST_DELIVERY and reason not in NOT_RECEIVED


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture that a message shows: a file in Slack, or an address."""

    file_id: str = ""
    address: str = field(default="", repr=False)
    #: What the file is called, where the message says that.
    name: str = ""
    #: Who wrote the messages around it, and who uploaded it, as far as that is known.
    posted_by: tuple[str, ...] = ()


def pictures_of(message: Payload) -> tuple[ShownPicture, ...]:
    """Return the pictures that people see in a message, in order, each once.

    They are its files, those of the messages that it forwards, image blocks, and the
    previews of links. Smaller ones count only where there is nothing larger: those
    beside a text, then the icons of a context block.
    """
    return _shown_in(message)[0]


def addresses_beside(
    message: Payload, pictures: Collection[ShownPicture], addresses: Iterable[str]
) -> list[str]:
    """Return those addresses in a message that do not name the pictures it shows.

    Whoever writes the link of a message, or of a file, shows its picture too.
    """
    shown = {one.file_id for one in pictures} - {""}
    unfurled = {
        str(one.get("from_url"))
        for one in _list_in(message, "attachments")
        if isinstance(one, Mapping) and _list_in(one, "files")
    }

    def is_shown(address: str) -> bool:
        link = parse_slack_link(address, ())
        return address in unfurled or (link is not None and link.file_id in shown)

    return [one for one in addresses if not is_shown(one)]


def no_picture_kind(message: Payload) -> ErrorKind:
    """Return why a message shows no picture."""
    modes = {file.get("mode") for file in _shown_in(message)[1]}
    if HIDDEN_BY_LIMIT in modes:
        return ErrorKind.HIDDEN_BY_LIMIT
    if TOMBSTONE in modes:
        return ErrorKind.SOURCE_GONE
    return ErrorKind.NO_IMAGE_FILE if modes else ErrorKind.NO_IMAGE


def _shown_in(message: Payload) -> tuple[tuple[ShownPicture, ...], list[Payload]]:
    """Return a message's pictures, and all its files."""
    parts = list(islice(_parts_of(message, (), 0), MAX_PARTS))
    all_files = [part for part, _, kind in parts if kind is _Part.FILE]
    named = set(image_ids(all_files))
    if named:  # what Slack hides beside them may be a picture too: its job says so
        hidden = (one for one in all_files if one.get("mode") == HIDDEN_BY_LIMIT)
        named |= {str(one["id"]) for one in hidden if one.get("id")}
    found: list[list[ShownPicture]] = [[], [], []]
    for part, posters, kind in parts:
        if kind is _Part.FILE:
            owner = (*posters, str(part.get("user") or ""))
            name = str(part.get("name") or "")
            file_id = str(part.get("id") or "")
            picture = ShownPicture(file_id, name=name, posted_by=owner)
            found[0] += [picture] if picture.file_id in named else []
        elif shown_there := _picture_at(part, posters):
            found[kind].append(shown_there)
    shown = next((one for one in found if one), [])
    once: dict[tuple[str, str], ShownPicture] = {}
    for one in shown:
        place = (one.file_id, one.address)
        before = once[place].posted_by if place in once else ()
        everybody = dict.fromkeys(filter(None, (*before, *one.posted_by)))
        once[place] = replace(one, posted_by=tuple(everybody))
    return tuple(once.values()), all_files


class _Part(IntEnum):
    """What may show a picture; the numbers are the order in which they count."""

    IMAGE = 0
    ACCESSORY = 1
    ICON = 2
    FILE = 3


def _parts_of(
    part: Any, posters: tuple[str, ...], depth: int, kind: _Part = _Part.IMAGE
) -> Iterator[tuple[Payload, tuple[str, ...], _Part]]:
    """Yield files, images and attachments in the order in which people see them."""
    if not isinstance(part, Mapping) or depth > MAX_DEPTH:
        return
    author = part.get("author_id") or ("" if "type" not in part else part.get("user"))
    posters = (*posters, str(author)) if author else posters
    files = [*_list_in(part, "files"), part.get("file")]
    files = [file for file in files if isinstance(file, Mapping)]
    yield from ((file, posters, _Part.FILE) for file in files)
    if part.get("type") == "image" or (part.get("image_url") and not files):
        yield part, posters, kind
    elif part.get("thumb_url") and not files:
        yield part, posters, _Part.ACCESSORY
    inner = _Part.ICON if part.get("type") == "context" else kind
    for name in ("blocks", "attachments", "message_blocks", "elements", "child_blocks"):
        for one in _list_in(part, name):
            yield from _parts_of(one, posters, depth + 1, inner)
    for name in ("message", "hero_image"):
        yield from _parts_of(part.get(name), posters, depth + 1, inner)
    yield from _parts_of(part.get("accessory"), posters, depth + 1, _Part.ACCESSORY)
    yield from _parts_of(part.get("icon"), posters, depth + 1, _Part.ICON)


def _list_in(part: Payload, name: str) -> list[Any]:
    found = part.get(name)
    return found if isinstance(found, list) else []


def _picture_at(part: Payload, posters: tuple[str, ...]) -> ShownPicture | None:
    """Return the picture of an image block or of an attachment."""
    file = part.get("slack_file")
    if isinstance(file, Mapping):
        if file.get("id"):
            return ShownPicture(str(file["id"]), posted_by=posters)
        address = file.get("url")
    else:
        address = part.get("image_url") or part.get("thumb_url")
    if not isinstance(address, str) or not is_address(address):
        return None
    link = parse_slack_link(address, ())
    if link and link.file_id and not link.is_public:
        return ShownPicture(link.file_id, posted_by=posters)
    return ShownPicture(address=address, posted_by=posters)


def is_address(word: str) -> bool:
    """Return whether a word is a whole http address."""
    try:
        parts = urlsplit(word)
        web = parts.scheme in ("http", "https")
        return web and bool(parts.hostname) and parts.port != 0
    except ValueError:  # as for "http://[::" and "http://host:port"
        return False


def image_ids(files: Iterable[Payload]) -> tuple[str, ...]:
    """Return the ids of the files that are images or videos, in order, each once.

    A file of another organisation comes without a type, and so does one that Slack has
    not looked at yet: it may be an image. One whose type Slack does not know counts by
    its name, and without one only where nothing else does.
    """
    files = [
        file for file in files if file.get("id") and file.get("mode") not in GONE_MODES
    ]
    found = [file for file in files if _is_image(file)]
    found = found or [file for file in files if _type_of(file) in UNKNOWN_TYPES]
    return tuple(dict.fromkeys(str(file["id"]) for file in found))


def may_be_image(file: Payload) -> bool:
    """Return whether a file's bytes are worth a look, by what Slack says of it."""
    return _is_image(file) or _type_of(file) in UNKNOWN_TYPES


def _is_image(file: Payload) -> bool:
    kind = _type_of(file)
    suffix = PurePosixPath(str(file.get("name") or "")).suffix
    by_name = format_for(suffix) is not None
    is_stub = file.get("file_access") == STUB
    is_video = any(kind == one.mime_type for one in VIDEOS)
    return is_stub or kind == "" or by_name or is_video or kind.startswith("image/")


def _type_of(file: Payload) -> str:
    return str(file.get("mimetype") or "").lower()


def share_of(file: Payload, channel_id: str) -> Share:
    """Return how a file is shown in a channel."""
    if file.get("mode") in GONE_MODES:
        return Share(ShareState.DELETED)
    if shares := shares_in(file, channel_id):
        first = shares[0]
        return Share(
            ShareState.SHARED,
            str(first.get("ts") or ""),
            str(first.get("thread_ts") or ""),
        )
    listed = any(channel_id in (file.get(name) or ()) for name in _CHANNEL_LISTS)
    return Share(ShareState.SHARED if listed else ShareState.PENDING)


def shares_in(file: Payload, channel_id: str) -> list[Payload]:
    """Return every message that shows a file in a channel, the oldest first."""
    kinds = (file.get("shares") or {}).values()
    found = (one for channels in kinds for one in channels.get(channel_id) or ())
    return sorted(found, key=lambda one: str(one.get("ts")))


def sharers_in(file: Payload, channel_id: str) -> set[str]:
    """Return who showed a file in a channel, as far as Slack says."""
    shares = shares_in(file, channel_id)
    return {str(one["share_user_id"]) for one in shares if one.get("share_user_id")}


def is_listed_in(file: Payload, channel_id: str) -> bool:
    """Return whether Slack says, in one way or another, that a channel shows a file."""
    listed = any(channel_id in (file.get(name) or ()) for name in _CHANNEL_LISTS)
    return listed or bool(shares_in(file, channel_id))


def public_teams(file: Payload) -> set[str]:
    """Return the workspaces in whose public channels a file is shown."""
    public = ((file.get("shares") or {}).get("public") or {}).values()
    found = {str(one.get("team_id") or "") for shares in public for one in shares}
    if file.get("is_public") and not found:
        found = {str(file.get("user_team") or "")}
    return found - {""}


@dataclass(frozen=True, slots=True)
class SlackLink:
    """What an address in Slack says: of a file, of a message, or of nothing of both."""

    file_id: str = ""
    #: The workspace, by its id or by its host, where the address names it.
    team_id: str = ""
    home: str = ""
    #: Of a message: where it is, and the thread that it is in.
    channel_id: str = ""
    message_ts: str = ""
    thread_ts: str = ""
    #: Everybody and every file that is named anywhere in it.
    named_users: frozenset[str] = frozenset()
    named_files: frozenset[str] = frozenset()
    #: A person's own picture that does not say whose it is.
    is_avatar: bool = False
    #: Anybody may open it, without a token: it leads to a file that was made public,
    #: to an avatar or to a copy of a picture from elsewhere.
    is_public: bool = False


def parse_slack_link(address: str, hosts: Collection[str]) -> SlackLink | None:
    """Return what an address in Slack names; None for any other address.

    Args:
        address: As a user typed it.
        hosts: Further hosts (``host`` or ``host:port``) that keep Slack's files.
    """
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
        query = parse_qs(parts.query)
    except ValueError:
        return None
    names = {host, parts.netloc.rpartition("@")[2].lower()}
    of_slack = [one for one in SLACK_HOSTS if f".{host}".endswith(f".{one}")]
    if not (of_slack or names.intersection(hosts)):
        return None
    path, whole = unquote(parts.path), f"{parts.path}?{parts.query}"
    for _ in range(MAX_ENCODINGS):
        whole = unquote(whole)
    message, file = _MESSAGE.search(path), _FILE_ID.search(path)
    threads = filter(_THREAD_TS.fullmatch, query.get("thread_ts", ()))
    team = _TEAM_ID.search(path)
    return SlackLink(
        file_id=file[1] if file and not message else "",
        team_id=team[1] if team else "",
        home=host if _HOME.fullmatch(host) else "",
        channel_id=message[1] if message else "",
        message_ts=f"{message[2]}.{message[3]}" if message else "",
        thread_ts=next(threads, "") if message else "",
        named_users=frozenset(_USER_ID.findall(whole)),
        named_files=frozenset(_FILE_ID.findall(whole)),
        is_avatar=host == AVATAR_HOST,
        is_public="pub_secret" in query
        or not {"slack.com", "slack-gov.com"}.issuperset(of_slack),
    )
