"""Commands, shortcuts, mentions and direct messages over real HTTP become jobs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from emojifier_bot.db.preferences import Preference
from emojifier_bot.domain import Entrypoint, ImageReference, Installation, Workspace
from emojifier_bot.errors import DeliveryError, QueueError, QueueFullError
from emojifier_bot.slack.messages import render_message
from tests.builders_store import make_installation
from tests.slack_listeners import HERE
from tests.slack_payloads import (
    ASKER,
    BOT,
    CHANNEL,
    DIRECT,
    OTHER,
    RESPONSE_URL,
    TEAM,
    TOP_TS,
    TS,
    Sent,
    command,
    direct_message,
    event,
    image,
    interaction,
    mention,
    shortcut,
)

ADDRESS = "https://pictures.example/party.jpg"
SEALED = f"sealed({ADDRESS})"
NEWEST = ImageReference(newest=True)
TEXT_FILE = image("F9", mimetype="text/plain")
#: A message of somebody else's, forwarded, and the preview of a link.
FORWARDED = {
    "is_share": True,
    "is_msg_unfurl": True,
    "author_id": OTHER,
    "files": [image("F5", user="U5")],
}
PREVIEW = {"from_url": "https://pictures.example/page", "image_url": ADDRESS}


def repeat(number: int = 1, reason: str = "http_timeout") -> dict[str, str]:
    return {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}


# Commands.


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        (command(), {"source": NEWEST}),
        (command(command="/emojify-staging"), {"source": NEWEST}),
        (command(ADDRESS), {"source": ImageReference(sealed_address=SEALED)}),
        (
            command(f"<{ADDRESS}|party>"),
            {"source": ImageReference(sealed_address=SEALED)},
        ),
        (command("surprise"), {"source": NEWEST, "surprise": True}),
        (command("PARTY"), {"source": NEWEST, "theme": "party"}),
        (
            command(f"private {ADDRESS}"),
            {"source": ImageReference(sealed_address=SEALED), "private": True},
        ),
    ],
)
def test_a_command_is_queued(listeners, sent, fields):
    reply = listeners.reply_to(sent)

    [request] = listeners.queue.requests
    assert (request.workspace, request.entrypoint) == (HERE, Entrypoint.COMMAND)
    assert (request.user_id, request.channel_id) == (ASKER, CHANNEL)
    assert request.sealed_response_url == f"sealed({RESPONSE_URL})"
    assert {name: getattr(request, name) for name in fields} == fields
    kind = "accepted_private" if request.private else "accepted"
    assert reply == render_message(kind)


@pytest.mark.parametrize(
    ("text", "kind", "facts"),
    [
        ("help", "help", {"themes": "`classic`, `party`"}),
        ("suprise", "unknown_option", {"word": "suprise", "guess": "surprise"}),
        ("photo.jpg", "not_a_url", {"word": "photo.jpg"}),
        ("https://127.0.0.1/a.jpg", "private_address", {}),
        (
            " ".join(f"{ADDRESS}{number}" for number in range(11)),
            "several_addresses",
            {"addresses": "10"},
        ),
        (f"{ADDRESS} https://127.0.0.1/a.jpg", "private_address", {}),
        ("how do I use this?", "help", {"themes": "`classic`, `party`"}),
        ("thanks!", "thanks", {}),
        ("privacy", "privacy", {}),
        ("please stop", "against", {}),
    ],
)
def test_a_command_that_asks_for_no_job(listeners, text, kind, facts):
    assert listeners.reply_to(command(text)) == render_message(kind, **facts)
    assert listeners.queue.requests == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (QueueFullError("Full."), "queue_full"),
        (QueueError("Away."), "queue"),
        (ZeroDivisionError(), "error"),
    ],
)
def test_a_command_that_cannot_be_queued(listeners, error, kind, caplog):
    listeners.queue.error = error

    assert listeners.reply_to(command("surprise")) == render_message(kind)
    assert "surprise" not in caplog.text


def test_a_command_from_where_it_is_not_installed(listeners):
    assert listeners.reply_to(command(team_id="T9")) == render_message("not_installed")
    assert listeners.queue.requests == []


def test_a_command_of_an_organisations_installation(listeners):
    whole = Workspace("", "E1", is_org_install=True)
    listeners.installations.save(Installation(whole, "xoxb-org", BOT))

    listeners.reply_to(
        command(team_id="T7", enterprise_id="E1", is_enterprise_install="true")
    )

    [request] = listeners.queue.requests
    assert request.workspace == Workspace("T7", "E1", is_org_install=True)


def test_every_answer_names_the_command_as_it_was_typed(listeners):
    for text in ("help", "hlep", "off now", "opt out"):
        said = listeners.reply_to(command(text, command="/faces"))
        assert "/faces" in said
        assert "/emojify" not in said
    listeners.reply_to(command("", command="/faces"))
    assert listeners.queue.requests[-1].command == "/faces"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"channel_id": DIRECT, "channel_name": "directmessage"}, "accepted_direct"),
        ({"channel_name": "mpdm-ada--bob--cleo-1"}, "accepted_direct"),
        ({"channel_name": "privategroup"}, "accepted"),
    ],
)
def test_a_command_is_told_where_its_result_will_be(listeners, fields, kind):
    assert listeners.reply_to(command(ADDRESS, **fields)) == render_message(kind)
    assert "in this conversation" not in render_message("accepted_direct")


# Shortcuts.


def test_a_shortcut_on_an_image(listeners):
    assert listeners.send(shortcut([image()])).text == ""

    [request] = listeners.queue.requests
    assert (request.entrypoint, request.source) == (
        Entrypoint.SHORTCUT,
        ImageReference(file_id="F1", posted_by=OTHER),
    )
    assert request.thread_ts == ""
    assert request.sealed_response_url == f"sealed({RESPONSE_URL})"
    assert listeners.notified() == ["accepted"]


@pytest.mark.parametrize("name", ["directmessage", "mpdm-ada--bob--cleo-1"])
def test_a_shortcut_between_people_is_told_where_its_result_will_be(listeners, name):
    room = {"id": DIRECT if name == "directmessage" else CHANNEL, "name": name}

    listeners.send(shortcut([image()], channel=room))

    assert listeners.notified() == ["accepted_direct"]


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (None, "no_image"),
        ([], "no_image"),
        ([TEXT_FILE], "no_image_file"),
        ([{"id": "F1", "mode": "hidden_by_limit"}], "hidden_by_limit"),
        ([{"id": "F1", "mode": "tombstone"}], "source_gone"),
    ],
)
def test_a_shortcut_without_an_image(listeners, files, kind):
    listeners.send(shortcut(files))

    assert listeners.notified() == [kind]
    assert listeners.queue.requests == []
    asker = listeners.sink.told[0][0]
    assert asker.sealed_response_url == f"sealed({RESPONSE_URL})"


# Mentions.


@pytest.mark.parametrize(
    ("sent", "source"),
    [
        (mention(files=[image()]), ImageReference(file_id="F1", posted_by=ASKER)),
        (mention(), NEWEST),
        (mention(f"<@{BOT}> surprise"), NEWEST),
        (
            mention(f"<@{BOT}> <{ADDRESS}>"),
            ImageReference(sealed_address=SEALED, posted_by=ASKER),
        ),
        (
            mention(thread_ts=TOP_TS, parent_user_id=OTHER),
            ImageReference(message_ts=TOP_TS, in_thread=True),
        ),
        (
            mention(f"<@{BOT}> please", thread_ts=TOP_TS, parent_user_id=OTHER),
            ImageReference(message_ts=TOP_TS, in_thread=True),
        ),
        (
            mention(f"<@{BOT}> surprise", thread_ts=TOP_TS, parent_user_id=BOT),
            ImageReference(message_ts=TOP_TS, in_thread=True),
        ),
        (
            mention(f"<@{BOT}> redo", thread_ts=TOP_TS, parent_user_id=BOT),
            ImageReference(message_ts=TOP_TS, in_thread=True, again=True),
        ),
        (mention(f"<@{BOT}> can you do this one please?"), NEWEST),
        (mention(f"<@{BOT}> again"), replace(NEWEST, again=True)),
        (mention(f"great, thanks! one more? <@{BOT}>"), replace(NEWEST, again=True)),
        (
            mention(f"hello <@{BOT}>"),
            ImageReference(message_ts=TS, posted_by=ASKER),
        ),
        (
            mention(subtype="thread_broadcast", thread_ts=TOP_TS),
            ImageReference(message_ts=TOP_TS, in_thread=True),
        ),
        (mention(edited={"user": ASKER, "ts": "1700000009.000000"}), NEWEST),
        # What it forwards, and what a link shows.
        (
            mention(attachments=[FORWARDED]),
            ImageReference(file_id="F5", posted_by=f"{ASKER} {OTHER} U5"),
        ),
        (
            mention(attachments=[PREVIEW]),
            ImageReference(sealed_address=SEALED, posted_by=ASKER),
        ),
        (
            mention(f"<@{BOT}> <{ADDRESS}>", attachments=[PREVIEW]),
            ImageReference(sealed_address=SEALED, posted_by=ASKER),
        ),
    ],
)
def test_what_a_mention_means(listeners, sent, source):
    assert listeners.send(sent).status_code == 200

    [request] = listeners.queue.requests
    assert (request.entrypoint, request.source) == (Entrypoint.MENTION, source)
    assert request.reaction_ts == TS
    assert request.sealed_response_url == ""


def test_a_mention_with_options(listeners):
    listeners.send(mention(f"<@{BOT}> party, private!", files=[image()]))

    [request] = listeners.queue.requests
    assert (request.theme, request.private) == ("party", True)


# Direct messages.


@pytest.mark.parametrize(
    ("sent", "source"),
    [
        (
            direct_message(subtype="file_share", files=[image()]),
            ImageReference(file_id="F1", posted_by=ASKER),
        ),
        (
            direct_message(f"look: <{ADDRESS}>"),
            ImageReference(sealed_address=SEALED, posted_by=ASKER),
        ),
        (
            direct_message(attachments=[FORWARDED]),
            ImageReference(file_id="F5", posted_by=f"{ASKER} {OTHER} U5"),
        ),
        (
            direct_message(files=[image(mimetype="")]),
            ImageReference(file_id="F1", posted_by=ASKER),
        ),
        (direct_message("this one please"), NEWEST),
        (direct_message("surprise"), NEWEST),
        (direct_message("again"), replace(NEWEST, again=True)),
    ],
)
def test_a_direct_message_is_queued(listeners, sent, source):
    listeners.send(sent)

    [request] = listeners.queue.requests
    assert (request.entrypoint, request.channel_id, request.source) == (
        Entrypoint.DIRECT_MESSAGE,
        DIRECT,
        source,
    )
    assert (request.thread_ts, request.reaction_ts) == ("", TS)


@pytest.mark.parametrize(
    ("sent", "kinds"),
    [
        (direct_message("hello"), ["help"]),
        (direct_message("help"), ["help"]),
        (direct_message("hello", thread_ts=TOP_TS), ["help"]),
        (direct_message(""), ["help"]),
        (direct_message(files=[TEXT_FILE]), ["no_image_file"]),
        # In words, where there can be no reaction.
        (direct_message("thanks", thread_ts=TOP_TS), ["thanks"]),
        (mention(f"thanks <@{BOT}>"), ["thanks"]),
        (mention(f"<@{BOT}> help"), ["help"]),
        (mention(f"<@{BOT}> how does this work?"), ["help"]),
        (mention(f"<@{BOT}> are my photos stored?"), ["privacy"]),
        (mention(f"how does this work, <@{BOT}>?", thread_ts=TOP_TS), ["help"]),
        (mention(f"<@{BOT}> off please"), ["order_alone"]),
        (mention(files=[TEXT_FILE]), ["no_image_file"]),
        (mention(files=[{"id": "F1", "mode": "hidden_by_limit"}]), ["hidden_by_limit"]),
    ],
)
def test_a_message_that_asks_for_no_job(listeners, sent, kinds):
    listeners.send(sent)
    listeners.context.close()

    assert listeners.sink.kinds == kinds
    assert listeners.queue.requests == []


# Threads.

THREE = [image("F1", name="a.png"), TEXT_FILE, image("F2"), image("F3")]


@pytest.mark.parametrize(
    ("sent", "reaction"),
    [
        (shortcut(THREE), ""),
        (mention(files=THREE), TS),
        (direct_message("private", subtype="file_share", files=THREE), TS),
    ],
    ids=["shortcut", "mention", "direct message"],
)
def test_several_images_are_answered_in_one_thread(listeners, sent, reaction):
    listeners.send(sent)

    [request] = listeners.queue.requests
    asked = [(one.file_id, one.name) for one in request.sources]
    assert asked == [("F1", "a.png"), ("F2", ""), ("F3", "")]
    assert (request.thread_ts, request.begins_thread) == (TS, True)
    assert (request.reaction_ts, request.private) == (reaction, False)


@pytest.mark.parametrize(
    "sent",
    [
        shortcut([image()], message={"thread_ts": TOP_TS}),
        mention(files=[image()], thread_ts=TOP_TS),
    ],
)
def test_a_request_in_a_thread_is_answered_there(listeners, sent):
    listeners.send(sent)

    [request] = listeners.queue.requests
    assert (request.thread_ts, request.begins_thread) == (TOP_TS, False)


# Events that mean nothing, and requests that come again.


@pytest.mark.parametrize(
    "sent",
    [
        direct_message(files=[image()], user=BOT),
        direct_message(files=[image()], bot_id="B7", user="U7"),
        direct_message(subtype="message_changed", hidden=True),
        direct_message(files=[image()], channel=CHANNEL, channel_type="channel"),
        mention(files=[image()], user=BOT),
        mention(files=[image()], channel=DIRECT),
        event({"type": "reaction_added", "user": ASKER}),
        event({"type": "app_home_opened", "user": ASKER, "tab": "messages"}),
        event({"type": "unknown"}),
        interaction(
            {
                "type": "block_actions",
                "team": {"id": TEAM},
                "actions": [{"type": "button", "action_id": "open_a_link"}],
            }
        ),
        event({"type": "app_mention", "user": ASKER}, team_id="T9", authorizations=[]),
    ],
)
def test_what_is_not_for_the_bot_is_ignored(listeners, sent):
    assert listeners.send(sent).status_code == 200
    listeners.context.close()

    assert listeners.queue.requests == []
    assert listeners.sink.told == []


@pytest.mark.parametrize(
    "sent",
    [
        command(),
        shortcut([image("F1"), image("F2")]),
        direct_message(files=[image("F1"), image("F2")]),
        mention(files=[image("F1"), image("F2")]),
    ],
)
def test_a_request_that_comes_again_queues_nothing(listeners, sent):
    first = listeners.send(sent)
    for number in range(1, 4):
        again = listeners.send(sent, **repeat(number))
        assert (again.status_code, again.text) == (200, first.text)

    assert len(listeners.queue.jobs) == 1


@pytest.mark.parametrize("make", [command, lambda: shortcut([image()])])
def test_the_same_may_be_asked_for_twice(listeners, make):
    listeners.send(make())
    listeners.send(make())

    assert len(listeners.queue.jobs) == 2


def test_a_repeated_event_is_answered_once(listeners):
    sent = direct_message("hello")

    listeners.send(sent)
    listeners.send(sent, **repeat())
    listeners.context.close()

    assert listeners.sink.kinds == ["help"]


def test_a_repeat_of_what_was_lost_is_answered(listeners):
    listeners.send(direct_message("hello"), **repeat())

    assert listeners.notified() == ["help"]


def test_an_event_that_was_not_received_the_first_time_is_answered(listeners):
    listeners.send(direct_message("hello"), **repeat(reason="connection_failed"))

    assert listeners.notified() == ["help"]


def test_a_full_queue_ends_the_event(listeners):
    listeners.queue.error = QueueFullError("Full.")

    answer = listeners.send(direct_message(files=[image("F1"), image("F2")]))

    assert answer.status_code == 200
    assert listeners.queue.jobs == {}
    assert listeners.notified() == ["queue_full"]


def test_without_a_database_slack_sends_the_event_again(listeners):
    listeners.queue.error, sent = QueueError("Away."), mention(files=[image()])

    assert listeners.send(sent).status_code == 500
    listeners.queue.error = None
    assert listeners.send(sent, **repeat()).status_code == 200

    assert len(listeners.queue.jobs) == 1


def test_a_notification_that_cannot_be_delivered_is_logged(listeners, caplog):
    listeners.sink.refuse_tell = DeliveryError("No.", kind="channel_not_found")

    listeners.send(direct_message("hello"))
    listeners.context.close()

    [record] = [one for one in caplog.records if "not delivered" in one.message]
    assert (record.outcome, record.error) == ("help", "channel_not_found")


# Messages that are edited.


def edited(text: str, ts: str = TS) -> Sent:
    """Return the mention that Slack sends when a message was changed."""
    more = {"user": ASKER, "ts": f"{float(ts) + 5:.6f}"}
    return mention(f"<@{BOT}> {text}", ts=ts, edited=more)


def test_an_edit_asks_again_only_if_it_asks_for_more(listeners):
    listeners.send(mention())
    listeners.send(edited("please"))
    listeners.send(edited("pleese, this one"))
    assert len(listeners.queue.jobs) == 1

    listeners.send(edited("surprise"))
    listeners.send(edited("surprise, please"))
    listeners.send(edited(f"<{ADDRESS}>"))
    listeners.send(edited(f"<{ADDRESS}> !"))

    assert len(listeners.queue.jobs) == 3
    assert listeners.queue.requests[-1].source.sealed_address == SEALED


def test_an_edit_may_ask_for_what_was_unclear(listeners):
    listeners.send(mention(f"hello <@{BOT}>"))
    listeners.send(edited("this one please"))

    assert [one.source for one in listeners.queue.requests] == [
        ImageReference(message_ts=TS, posted_by=ASKER),
        NEWEST,
    ]


def test_a_direct_message_that_is_edited(listeners):
    written = {"type": "message", "user": ASKER, "ts": TS}
    new = written | {"text": f"<{ADDRESS}>", "edited": {"user": ASKER, "ts": "1.2"}}
    more = {"subtype": "message_changed", "hidden": True, "ts": TOP_TS}

    listeners.send(
        direct_message(**more, message=new, previous_message=written | {"text": "hm"})
    )

    [request] = listeners.queue.requests
    assert request.source == ImageReference(sealed_address=SEALED, posted_by=ASKER)
    assert (request.channel_id, request.reaction_ts) == (DIRECT, TS)


# Several addresses.


@pytest.mark.parametrize(
    ("sent", "thread_ts", "poster"),
    [
        (command(f"{ADDRESS} {ADDRESS}?2 {ADDRESS}"), "", ""),
        (mention(f"<@{BOT}> <{ADDRESS}> and <{ADDRESS}?2>"), TS, ASKER),
        (direct_message(f"<{ADDRESS}|a> <{ADDRESS}?2|b>"), TS, ASKER),
    ],
)
def test_each_of_several_addresses_counts(listeners, sent, thread_ts, poster):
    listeners.send(sent)
    listeners.send(sent, **repeat())

    [request] = listeners.queue.requests
    assert list(request.sources) == [
        ImageReference(sealed_address=f"sealed({address})", posted_by=poster)
        for address in (ADDRESS, f"{ADDRESS}?2")
    ]
    assert request.thread_ts == thread_ts


LINK = "https://acme.slack.com/archives/C0123ABCD/p1700000001000100"


@pytest.mark.parametrize("kind", [mention, direct_message])
def test_an_address_beside_a_picture_counts_too(listeners, kind):
    listeners.send(kind(f"<@{BOT}> <{ADDRESS}>", files=[image(name="a.png")]))

    [request] = listeners.queue.requests
    assert list(request.sources) == [
        ImageReference(file_id="F1", posted_by=ASKER, name="a.png"),
        ImageReference(sealed_address=SEALED, posted_by=ASKER),
    ]
    assert request.thread_ts == TS


@pytest.mark.parametrize(
    ("text", "more"),
    [
        # The link of a message, which shows its picture; the link of the file itself.
        (LINK, {"attachments": [FORWARDED | {"from_url": LINK}]}),
        ("https://acme.slack.com/files/U5/F0123ABCD/a.png", {}),
    ],
)
def test_a_link_to_the_picture_beside_it_is_no_second_one(listeners, text, more):
    files = {} if more else {"files": [image("F0123ABCD")]}

    listeners.send(mention(f"<@{BOT}> <{text}>", **more, **files))

    [request] = listeners.queue.requests
    assert request.further == ()
    assert request.source.file_id


def test_a_file_that_slack_hides_beside_a_picture_is_asked_for_too(listeners):
    hidden = {"id": "F2", "mode": "hidden_by_limit"}

    listeners.send(shortcut([image("F1"), hidden]))

    [request] = listeners.queue.requests
    assert [one.file_id for one in request.sources] == ["F1", "F2"]


# Switched off and opted out.

MESSAGES = (
    pytest.param(shortcut([image()]), id="shortcut"),
    pytest.param(mention(files=[image()]), id="mention"),
    pytest.param(mention(), id="mention alone"),
    pytest.param(
        mention(thread_ts=TOP_TS, parent_user_id=OTHER), id="mention in a thread"
    ),
)


@pytest.mark.parametrize("sent", MESSAGES)
def test_a_message_in_a_channel_that_is_off(listeners, sent):
    listeners.settings.switch(HERE, CHANNEL, OTHER, off=True)

    listeners.send(sent)

    assert listeners.notified() == ["channel_off"]
    assert listeners.queue.requests == []


@pytest.mark.parametrize("sent", MESSAGES)
def test_pictures_of_people_who_opted_out(listeners, sent):
    for person in (ASKER, OTHER):
        listeners.settings.opt(HERE, person, out=True)

    listeners.send(sent)

    if b"files" not in sent.body:
        assert len(listeners.queue.requests) == 1  # the worker looks whose it is
    else:
        assert listeners.notified() == ["opted_out"]
        assert listeners.queue.requests == []


HALF = "https://pictures.example/party-\ud83d.png"


@pytest.mark.parametrize(
    "sent",
    [
        mention(f"<@{BOT}> {HALF} \ud83d"),
        direct_message(f"{HALF} \ud83d"),
        shortcut(message={"blocks": [{"type": "image", "image_url": HALF}]}),
        shortcut([image(name="\ud83d.png")], channel={"id": CHANNEL, "name": "\ude06"}),
        command(HALF.encode("utf-8", "surrogatepass")),
    ],
    ids=["mention", "direct message", "shortcut", "names", "command"],
)
def test_half_of_a_surrogate_pair_becomes_a_sign(listeners, sent):
    assert listeners.send(sent).status_code == 200

    [asked] = listeners.queue.requests
    text = json.dumps(asked.to_dict(), ensure_ascii=False)
    text.encode()
    assert "\ufffd" in text


@pytest.mark.parametrize(
    ("text", "elsewhere", "kind", "out"),
    [
        ("opt out", False, "opted_out_now", True),
        ("opt in", False, "opted_in_now", False),
        ("opt in", True, "opted_out_elsewhere", True),
    ],
)
def test_opting_by_a_command(listeners, text, elsewhere, kind, out):
    listeners.settings.opt(HERE, ASKER, out=text == "opt in")
    there = Workspace("T9")
    listeners.installations.save(make_installation(there))
    listeners.settings.opt(there, ASKER, out=elsewhere)

    assert listeners.reply_to(command(text)) == render_message(kind)
    assert (listeners.settings.opted_out([ASKER]) == {ASKER}) is out


@pytest.mark.parametrize(
    "sent",
    [
        mention(f"<@{BOT}> opt out", files=[image()]),
        direct_message("opt out", files=[image()]),
    ],
)
def test_a_settings_command_comes_before_the_pictures_beside_it(listeners, sent):
    listeners.send(sent)

    assert listeners.notified() == ["opted_out_now"]
    assert listeners.settings.opted_out([ASKER]) == {ASKER}
    assert listeners.queue.requests == []


@pytest.mark.parametrize(
    ("text", "kind", "out"),
    [("opt out", "opted_out_now", True), ("opt in", "late_order", False)],
)
def test_a_repeat_of_an_order_that_was_lost_is_answered(listeners, text, kind, out):
    listeners.send(mention(f"<@{BOT}> {text}"), **repeat(2))

    assert listeners.notified() == [kind]
    assert (listeners.settings.opted_out([ASKER]) == {ASKER}) is out


@pytest.mark.parametrize(
    "sent",
    [
        mention(f"<@{BOT}> please opt out"),
        mention(f"<@{BOT}> opt out", subtype="thread_broadcast", thread_ts=TOP_TS),
        mention(f"<@{BOT}> opt out", edited={"user": ASKER, "ts": TS}),
        direct_message("\u200bopt\u00a0out!"),
        direct_message("I want to opt out", thread_ts=TOP_TS),
    ],
)
def test_an_opt_out_is_stored_and_answered_however_it_is_said(listeners, sent):
    listeners.send(sent)

    assert listeners.notified() == ["opted_out_now"]
    assert listeners.settings.opted_out([ASKER]) == {ASKER}


@pytest.mark.parametrize(
    "sent",
    [
        shortcut([], message={"attachments": [FORWARDED]}),
        mention(attachments=[FORWARDED]),
        direct_message(attachments=[FORWARDED]),
        shortcut([], message={"attachments": [PREVIEW | {"author_id": "U5"}]}),
    ],
)
@pytest.mark.parametrize("person", [OTHER, "U5"])
def test_a_picture_of_somebody_who_opted_out_stays_so_when_forwarded(
    listeners, sent, person
):
    listeners.settings.opt(HERE, person, out=True)

    listeners.send(sent)

    is_hers = person.encode() in sent.body
    assert listeners.notified() == (["opted_out"] if is_hers else ["accepted"])


def test_a_settings_command_that_is_repeated_late_undoes_nothing(listeners):
    out = direct_message("opt out")
    listeners.send(out)
    listeners.send(direct_message("opt in", ts="1700000009.000001"))
    again = replace(out, body=out.body.replace(b'"opt out"', b'"opt  out"'))

    assert listeners.send(again, **repeat()).status_code == 200

    assert listeners.notified(2) == ["opted_out_now", "opted_in_now"]
    assert listeners.settings.opted_out([ASKER]) == frozenset()


def test_who_installed_the_bot_switches_it_off_and_on(listeners):
    [found] = listeners.installations.all()
    listeners.installations.save(replace(found, installed_by=ASKER))

    for number, state in enumerate(("off", "on"), start=1):
        assert listeners.send(command(state)).text == ""
        assert listeners.notified(number)[-1] == f"channel_switched_{state}"
        assert listeners.settings.is_off(CHANNEL) is (state == "off")
    assert listeners.slack.calls_of("users.info") == []


def test_a_direct_message_cannot_be_switched_off(listeners):
    reply = listeners.reply_to(command("off", channel_id=DIRECT))

    assert reply == render_message("channel_only")


def test_switching_off_where_the_bot_may_not_ask_who_is_an_admin(listeners):
    listeners.slack.faults.add("users.info", error="missing_scope")

    assert listeners.send(command("off")).text == ""

    assert listeners.notified() == ["admin_unknown"]
    assert not listeners.settings.is_off(CHANNEL)


def test_a_challenge_is_answered(listeners):
    sent = Sent(b'{"type": "url_verification", "challenge": "abc"}', "application/json")

    assert listeners.send(sent).json() == {"challenge": "abc"}


@pytest.mark.parametrize(
    ("text", "before", "kind", "after"),
    [
        ("plain", "", "plain_now", "shapes"),
        ("plain", "expressions", "plain_now", "shapes"),
        ("plain", "off", "plain_now", "off"),
        ("plain off", "shapes", "plain_off_now", ""),
        ("plain off", "off", "plain_off_now", ""),
    ],
)
def test_nobody_has_more_read_by_asking_for_plain_words(
    listeners, text, before, kind, after
):
    wishes = listeners.context.preferences
    wishes.choose(HERE, ASKER, Preference.READING, before)

    assert listeners.reply_to(command(text)) == render_message(kind)

    assert wishes.reading(HERE, ASKER) == after
    listeners.send(command(ADDRESS))
    assert listeners.queue.requests[-1].reading == after


# Slack Connect: somebody of another organisation, in a channel that it shares.

FAR, THEIR_TEAM = "U0OFANOTHER", "T0ANOTHER"
OF_THEIRS = {"team": THEIR_TEAM, "user_team": THEIR_TEAM, "source_team": THEIR_TEAM}
STUB = {"id": "F8", "mode": "file_access", "file_access": "check_file_info"}


def from_afar(text: str = f"<@{BOT}>", installed: str = TEAM, **more) -> Sent:
    """Return a mention by them, which names their workspace everywhere but where it
    says whose installation it comes to."""
    written = {"type": "app_mention", "user": FAR, "channel": CHANNEL, "ts": TS}
    return event(
        written | OF_THEIRS | {"text": text} | more,
        team_id=THEIR_TEAM,
        context_team_id=THEIR_TEAM,
        authorizations=[{"team_id": installed, "user_id": BOT, "is_bot": True}],
        is_ext_shared_channel=True,
    )


def test_what_another_organisation_asks_uses_the_installation_that_heard_it(listeners):
    listeners.send(from_afar(files=[STUB]))
    listeners.send(from_afar(installed="T9", files=[STUB], ts="1700000001.000001"))

    [request] = listeners.queue.requests
    assert (request.workspace, request.user_id) == (HERE, FAR)
    assert request.source == ImageReference(file_id="F8", posted_by=FAR)


def test_whoever_of_another_organisation_opts_out_is_left_alone_here(listeners):
    listeners.send(from_afar(f"<@{BOT}> opt out"))
    assert listeners.notified() == ["opted_out_now"]

    listeners.send(shortcut([STUB], message={"user": FAR}))
    listeners.send(shortcut([image("F8", user=FAR)]))

    assert listeners.notified(3)[1:] == ["opted_out", "opted_out"]
    assert listeners.queue.requests == []
