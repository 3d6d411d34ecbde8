"""Files: announced, sent, completed, shown sooner or later, read, deleted."""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Iterable
from typing import Any

from tests.fakes.slack.access import Caller, live_grant, need_scope
from tests.fakes.slack.arguments import (
    MULTIPART,
    Refusal,
    invalid_arguments,
    read_json,
    read_multipart,
)
from tests.fakes.slack.exchange import Reply, Request
from tests.fakes.slack.faults import PAGE
from tests.fakes.slack.methods_chat import CUSTOM, read_blocks
from tests.fakes.slack.shapes import STUB, file_json
from tests.fakes.slack.state import Channel, Message, PendingShare, Share, SlackFile
from tests.fakes.slack.world import World

MAX_ALT_TEXT = 1000
MAX_CHANNELS = 100
MAX_PAGE = 1000
FILE_KEYS = frozenset({"id", "title", "highlight_type"})
TYPES = frozenset(
    {"all", "spaces", "snippets", "images", "gdocs", "zips", "pdfs", "videos"}
)
LOGIN_PAGE = PAGE.format("<form>Sign in to your workspace</form>")
GONE_PAGE = PAGE.format("This file was not found")


def get_upload_url(caller: Caller) -> dict[str, Any]:
    _check_upload(caller)
    file = SlackFile(
        file_id=caller.world.new_id("F"),
        team_id=caller.workspace.team_id,
        user_id=caller.grant.bot_user_id,
        name=caller.text("filename"),
        alt_txt=caller.text("alt_txt"),
        length=int(caller.text("length")),
        created=int(caller.world.clock()),
    )
    ticket = secrets.token_urlsafe(24)
    caller.world.files[file.file_id] = file
    caller.world.tickets[ticket] = file.file_id
    address = f"{caller.world.url}/upload/v1/{ticket}"
    return {"upload_url": address, "file_id": file.file_id}


def _check_upload(caller: Caller) -> None:
    length, workspace = int(caller.text("length")), caller.workspace
    guessed = mimetypes.guess_type(caller.text("filename"))[0] or ""
    if length < 1:
        caller.problem("empty_upload", "length is 0")
        raise Refusal("missing_argument")
    if len(caller.text("alt_txt")) > MAX_ALT_TEXT:
        caller.problem("alt_txt_too_large", f"over {MAX_ALT_TEXT} characters")
        raise Refusal("alt_txt_too_large")
    if workspace.uploads == "none":
        raise Refusal("file_uploads_disabled")
    if workspace.uploads == "images" and not guessed.startswith("image/"):
        raise Refusal("file_uploads_except_images_disabled")
    if length > workspace.max_upload_bytes:
        raise Refusal("file_upload_size_restricted")
    if workspace.storage_full:
        raise Refusal("storage_limit_reached")


def receive_bytes(world: World, request: Request, ticket: str) -> Reply:
    """Take the bytes that an upload address was given out for."""
    file = world.files.get(world.tickets.get(ticket, ""))
    if file is None or file.completed:
        world.problem("upload_order", "upload", "no such upload, or completed already")
        return Reply.html(PAGE.format("Upload not found"), 404)
    if request.verb != "POST":
        world.problem("wrong_verb", "upload", request.verb)
        return Reply.html(PAGE.format("Method not allowed"), 405)
    data = request.body
    if request.content_type == MULTIPART:
        data = b"".join(read_multipart(request).values())
    if len(data) != file.length:
        told = f"announced {file.length} bytes, sent {len(data)}"
        world.problem("upload_length", "upload", told)
        return Reply.html(PAGE.format("Bad request"), 400)
    file.data = data
    return Reply(200, "text/plain", f"OK - {len(data)}".encode())


def complete_upload(caller: Caller) -> dict[str, Any]:
    files = [_announced(caller, one) for one in _wanted(caller)]
    channels = [caller.joined_channel(one) for one in _channel_ids(caller)]
    if any(one.is_archived or one.is_read_only for one in channels):
        raise Refusal("posting_to_channel_denied")
    if any(caller.text(name) for name in CUSTOM):
        caller.needs("chat:write.customize")
    shares = [_pending(caller, files, channel) for channel in channels]
    for one, file in zip(_wanted(caller), files, strict=True):
        file.title = one.get("title") or file.name
        file.completed = True
        file.processed = file.processed or not shares
    answer = {"files": [file_json(caller.world, file) for file in files]}
    caller.world.pending_shares += shares
    settle(caller.world)
    return answer


def _wanted(caller: Caller) -> list[dict[str, Any]]:
    try:
        wanted = read_json(caller.args["files"])
    except ValueError:
        wanted = None
    rows = wanted if isinstance(wanted, list) else []
    if not rows or not all(
        isinstance(one, dict) and set(one) <= FILE_KEYS and one.get("id")
        for one in rows
    ):
        caller.problem("wrong_type", "files must be [{id, title}, ...]")
        raise invalid_arguments("must be an array of files: files")
    return rows


def _announced(caller: Caller, wanted: dict[str, Any]) -> SlackFile:
    file = caller.world.files.get(str(wanted["id"]))
    own = file is not None and file.user_id == caller.grant.bot_user_id
    if file is None or not own or file.deleted:
        raise Refusal("file_not_found")
    if file.data is None:
        caller.problem("upload_order", "completed before its bytes were sent")
        raise Refusal("file_not_found")
    if file.completed and not caller.world.switches.second_complete:
        # The upload ticket is used up.
        raise Refusal("file_not_found")
    return file


def _channel_ids(caller: Caller) -> list[str]:
    many = [one.strip() for one in caller.text("channels").split(",") if one.strip()]
    wanted = [caller.text("channel_id")] if caller.text("channel_id") else many
    if len(wanted) > MAX_CHANNELS:
        raise Refusal("channels_limit_exceeded")
    return wanted


def _pending(caller: Caller, files: list[SlackFile], channel: Channel) -> PendingShare:
    world, comment = caller.world, caller.text("initial_comment")
    blocks = read_blocks(caller, no_json="invalid_blocks")
    if comment and blocks:
        caller.problem("ignored_blocks", "initial_comment wins over blocks")
        blocks = []
    thread_ts = caller.check_thread(
        channel,
        wrong=invalid_arguments("invalid thread_ts"),
        gone=Refusal("posting_to_channel_denied"),
    )
    return PendingShare(
        file_ids=[file.file_id for file in files],
        channel_id=channel.channel_id,
        thread_ts=thread_ts,
        comment=comment,
        blocks=blocks,
        polls_left=world.switches.share_after_polls,
        due_at=world.clock() + world.switches.share_after_seconds,
    )


def settle(world: World) -> None:
    """Show every completed file whose time has come."""
    with world.changed:
        now = world.clock()
        for pending in list(world.pending_shares):
            if pending.polls_left <= 0 and pending.due_at <= now:
                world.pending_shares.remove(pending)
                _show(world, pending)


def _show(world: World, pending: PendingShare) -> None:
    files = [world.files[file_id] for file_id in pending.file_ids]
    standing = [file for file in files if not file.deleted]
    if standing:
        workspace = world.workspaces[world.channels[pending.channel_id].team_id]
        message = Message(
            channel_id=pending.channel_id,
            ts=world.new_ts(),
            user_id=standing[0].user_id,
            bot_id=workspace.bot_id,
            text=pending.comment,
            blocks=pending.blocks,
            thread_ts=pending.thread_ts,
        )
        show_files(world, message, standing)


def show_files(world: World, message: Message, files: Iterable[SlackFile]) -> Message:
    for file in files:
        message.file_ids.append(file.file_id)
        where = (message.channel_id, message.ts, message.thread_ts)
        file.shares.append(Share(*where, message.user_id))
        file.processed = True
    return world.add_message(message)


def info(caller: Caller) -> dict[str, Any]:
    settle(caller.world)
    file = _known(caller)
    for pending in caller.world.pending_shares:
        if file.file_id in pending.file_ids:
            pending.polls_left -= 1
    found = file_json(caller.world, file)
    return {"file": found | (STUB if file.stub == "always" else {})}


def _known(caller: Caller) -> SlackFile:
    file = caller.world.files.get(caller.text("file"))
    if file is None or not caller.sees(file):
        raise Refusal("file_not_found")
    if file.deleted:
        raise Refusal(caller.world.switches.deleted_code)
    return file


def list_files(caller: Caller) -> dict[str, Any]:
    settle(caller.world)
    if caller.grant.is_org and not caller.text("team_id"):
        caller.problem("no_team_id", "an organisation's token needs a team_id")
        raise Refusal("missing_argument")
    if not set((caller.text("types") or "all").split(",")) <= TYPES:
        raise Refusal("unknown_type")
    if caller.text("user") and caller.text("user") not in caller.world.users:
        raise Refusal("user_not_found")
    found = [file for file in caller.world.files.values() if _is_listed(caller, file)]
    found.sort(key=lambda file: (file.created, file.file_id), reverse=True)
    count = min(int(caller.text("count") or 100), MAX_PAGE)
    page = int(caller.text("page") or 1)
    shown = found[(page - 1) * count : page * count]
    return {
        # Nobody promised an order within a page.
        "files": [file_json(caller.world, file) for file in reversed(shown)],
        "paging": {
            "count": count,
            "total": len(found),
            "page": page,
            "pages": -(-len(found) // count),
        },
    }


def _is_listed(caller: Caller, file: SlackFile) -> bool:
    kinds = set((caller.text("types") or "all").split(","))
    since, until = caller.text("ts_from") or "0", caller.text("ts_to") or "inf"
    rooms = {share.channel_id for share in file.shares}
    # A bot gets nothing of a private channel that it is not in.
    room = caller.world.channels.get(caller.text("channel"))
    return (
        not file.deleted
        and caller.sees(file)
        and (room is None or caller.looks_into(room))
        and caller.text("channel") in {"", *rooms}
        and caller.text("user") in {"", file.user_id}
        and float(since) <= file.created <= float(until)
        and ("all" in kinds or _kind(file) in kinds)
    )


def _kind(file: SlackFile) -> str:
    kind = file.mimetype.partition("/")[0]
    return {"image": "images", "video": "videos"}.get(kind, "snippets")


def delete(caller: Caller) -> dict[str, Any]:
    file = _known(caller)
    if file.user_id != caller.grant.bot_user_id:
        raise Refusal("cant_delete_file")
    delete_file(caller.world, file)
    return {}


def delete_file(world: World, file: SlackFile) -> None:
    """Delete a file; messages that held nothing else go with it."""
    with world.changed:
        file.deleted = True
        file.data = None
        for share in file.shares:
            message = world.message(share.channel_id, share.ts)
            if message and not (message.text or message.blocks):
                others = [world.files[one] for one in message.file_ids]
                message.deleted = all(one.deleted for one in others)
        file.shares = []
        world.changed.notify_all()


def download(world: World, request: Request, key: str) -> Reply:
    """Give a file's bytes to whoever may have them; a login page to all others."""
    file = world.files.get(key.partition("-")[2])
    try:
        grant = live_grant(world, "download", request.bearer)
        need_scope(grant, ["files:read"])
    except Refusal:
        return Reply.html(LOGIN_PAGE)
    if file is None or file.deleted or file.data is None:
        return Reply.html(GONE_PAGE, 404)
    if not Caller(world, "download", {}, grant).sees(file):
        return Reply.html(LOGIN_PAGE)
    if file.address:
        return Reply.redirect(file.address)
    return Reply(200, file.mimetype, file.data)
