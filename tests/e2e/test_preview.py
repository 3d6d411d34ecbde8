"""Previews on the started bot, on both databases: first for one alone, then posted."""

from __future__ import annotations

import hashlib
import io
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from PIL import Image

from emojifier_bot.db.engine import open_database
from emojifier_bot.db.tables import DRAFTS
from emojifier_bot.slack import preview_blocks as ids
from tests.fakes.slack import SlackServer
from tests.running_bot import SAMPLE, process, serving

#: A machine may be busy.
PATIENCE_SECONDS = 120.0
#: Long enough that a wrong second message would have come.
QUIET_SECONDS = 2.0


@pytest.fixture(scope="module")
def bot(parts):
    """Serve the bot, with a worker whose waits are short."""
    with (
        SlackServer() as slack,
        serving(slack, "--no-worker", **parts) as bot,
        process("worker", fast=True, slack=slack, **parts),
    ):
        yield bot


def own(bot, person) -> str:
    return bot.slack.world.direct_message(bot.home, person.user_id).channel_id


def preview(bot, person, shown=lambda _: True):
    """Wait for somebody's one preview that shows something; return its message."""

    def found():
        messages = [
            one
            for one in bot.slack.bot_messages(own(bot, person))
            if any(block["type"] == "image" for block in one.blocks) and shown(one)
        ]
        assert len(messages) <= 1
        return messages[0] if messages else None

    return bot.slack.wait_until(found, PATIENCE_SECONDS)


def picture_of(bot, message):
    [block] = [one for one in message.blocks if one["type"] == "image"]
    return bot.slack.world.files[block["slack_file"]["id"]]


def rows_of(message) -> list[str]:
    return rows_in(message.blocks)


def rows_in(blocks) -> list[str]:
    return [
        block["text"]["text"]
        for block in blocks
        if block["type"] == "section" and "accessory" in block
    ]


def preview_files(bot) -> list:
    """Return the copies with numbers that Slack holds."""
    return [
        one
        for one in bot.slack.world.files.values()
        if one.name == "preview.jpg" and one.completed and not one.deleted
    ]


def gone(bot, person) -> bool:
    return not bot.slack.bot_messages(own(bot, person)) and not preview_files(bot)


def crowd(faces: int) -> bytes:
    """Return one picture with many copies of one face."""
    face = Image.open(io.BytesIO(SAMPLE)).convert("RGB").resize((160, 160))
    columns = 6
    image = Image.new("RGB", (columns * 160, -(-faces // columns) * 160), "white")
    for number in range(faces):
        image.paste(face, (number % columns * 160, number // columns * 160))
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    return encoded.getvalue()


def test_nothing_is_in_the_channel_before_post_and_then_what_was_previewed(bot):
    channel, someone = bot.channel(), bot.sit("iris")
    bot.slack.world.channels[channel].members.add(someone.user_id)

    answer = someone.command(channel, f"{bot.address()} preview 1=sunglasses")
    assert "Nothing is posted before you press *Post*" in answer.json()["text"]
    message = preview(bot, someone)
    assert bot.slack.bot_messages(channel) == []
    assert rows_of(message) == ["*Face 1:* 😎 cool in sunglasses"]
    shown = picture_of(bot, message)
    assert shown.shares == []
    assert "drawn as" in message.blocks[1]["alt_text"]

    someone.press(message, ids.POST)

    posted, file = bot.result(channel)
    assert f"<@{someone.user_id}> asked for this. 1 face, drawn as 😎" in (
        posted.everything
    )
    assert "drawn as cool in sunglasses" in file.alt_txt
    bot.slack.wait_until(lambda: gone(bot, someone), PATIENCE_SECONDS)
    # The numbers were on the preview only.
    assert (
        hashlib.sha256(file.data).digest() != hashlib.sha256(shown.data or b"").digest()
    )
    bot.ada.command(channel, f"{bot.address()} 1=sunglasses")
    _, again = bot.results(channel, count=2)[-1]
    assert again.data == file.data


@pytest.fixture
def someone(bot, request):
    return bot.sit(request.node.name[:20])


@pytest.fixture
def message(bot, someone):
    """Ask for a preview of one face; return its message."""
    channel = bot.channel()
    someone.command(channel, f"{bot.address()} preview")
    return preview(bot, someone)


def discard(bot, person, message):
    person.press(message, ids.DISCARD)
    bot.slack.wait_until(lambda: message.deleted, PATIENCE_SECONDS)


def test_each_change_redraws_in_place_and_one_picture_stays(bot, someone, message):
    seen = [picture_of(bot, message)]

    def change(action, value, says):
        someone.press(message, action, value)
        bot.slack.wait_until(lambda: says(rows_of(message)), PATIENCE_SECONDS)
        seen.append(picture_of(bot, message))
        bot.slack.wait_until(lambda: seen[-2].deleted, PATIENCE_SECONDS)

    change(ids.FACE, "1/leave", lambda rows: rows == ["*Face 1:* left as it is"])
    change(ids.FACE, "1/cover", lambda rows: rows == ["*Face 1:* covered"])
    mosaic = "*Face 1:* covered with a mosaic"
    change(ids.FACE, "1/mosaic", lambda rows: rows == [mosaic])
    someone.press(message, ids.FACE, "1/all")
    view = bot.slack.wait_until(someone.open_view, PATIENCE_SECONDS)
    someone.submit(view, ids.ALL_EMOJI, ":sunglasses")
    bot.slack.wait_until(
        lambda: rows_of(message) == ["*Face 1:* 😎 cool in sunglasses"],
        PATIENCE_SECONDS,
    )

    assert preview(bot, someone) is message
    digests = {one.file_id for one in seen}
    assert len(digests) == len(seen)
    discard(bot, someone, message)
    bot.slack.wait_until(lambda: gone(bot, someone), PATIENCE_SECONDS)


def test_a_window_shows_the_same_and_posts_it(bot, someone):
    channel = bot.channel()
    someone.command(channel, f"{bot.address()} preview")
    message = preview(bot, someone)
    someone.press(message, ids.OPEN)
    window = bot.slack.wait_until(someone.open_view, PATIENCE_SECONDS)
    assert window.body["blocks"][1]["slack_file"] == message.blocks[1]["slack_file"]

    def both_say(row):
        bot.slack.wait_until(
            lambda: [row] == rows_of(message) == rows_in(window.body["blocks"]),
            PATIENCE_SECONDS,
        )

    someone.press_in_view(window, ids.FACE, "1/leave")
    both_say("*Face 1:* left as it is")
    # No emoji of sorrow is among the nearest to a smile.
    someone.press_in_view(window, ids.FACE, "1/:sob")
    both_say("*Face 1:* 😭 sobbing")
    someone.press(message, ids.FACE, "1/mosaic")
    both_say("*Face 1:* covered with a mosaic")
    assert window.body["blocks"][1]["slack_file"] == message.blocks[1]["slack_file"]
    someone.submit(window)

    posted, file = bot.result(channel)
    assert "1 face covered" in posted.everything
    assert not picture_is_sample(file)
    bot.slack.wait_until(lambda: gone(bot, someone), PATIENCE_SECONDS)


def test_what_slack_shows_in_no_window_stays_in_its_message(bot, someone, message):
    bot.slack.faults.add("views.open", error="invalid_arguments")
    someone.press(message, ids.OPEN)
    bot.told(someone, "Slack does not show this preview in a window")

    someone.press(message, ids.OPEN)
    window = bot.slack.wait_until(someone.open_view, PATIENCE_SECONDS)
    bot.slack.world.views.pop(window.view_id)  # closed, which nobody hears of
    someone.press(message, ids.FACE, "1/cover")
    bot.slack.wait_until(
        lambda: rows_of(message) == ["*Face 1:* covered"], PATIENCE_SECONDS
    )
    discard(bot, someone, message)


def test_shuffle_changes_what_the_reader_chose(bot, someone, message):
    before = rows_of(message)

    someone.press(message, ids.SHUFFLE)

    bot.slack.wait_until(lambda: rows_of(message) != before, PATIENCE_SECONDS)
    discard(bot, someone, message)


def test_many_presses_in_a_row_end_with_the_last(bot, someone, message):
    for value in ("1/leave", "1/cover", "1/mosaic", "1/blur"):
        someone.press(message, ids.FACE, value)

    bot.slack.wait_until(
        lambda: rows_of(message) == ["*Face 1:* covered with a blur"], PATIENCE_SECONDS
    )
    time.sleep(QUIET_SECONDS)
    assert rows_of(message) == ["*Face 1:* covered with a blur"]
    bot.slack.wait_until(lambda: len(preview_files(bot)) == 1, PATIENCE_SECONDS)
    discard(bot, someone, message)


def test_discard_leaves_nothing(bot, someone, message):
    someone.press(message, ids.DISCARD)

    bot.slack.wait_until(lambda: gone(bot, someone), PATIENCE_SECONDS)
    someone.press(message, ids.POST)
    bot.told(someone, "This preview is gone")


def test_an_hour_without_a_change_leaves_nothing(bot, someone, message, parts):
    over = datetime.now(UTC) - timedelta(seconds=1)
    ended = sa.update(DRAFTS).values(expires_at=over, removable_at=over)

    def drafts():
        # Each time: the worker may still be noting that the message was sent.
        with database.writing() as connection:
            connection.execute(ended)
            return connection.execute(sa.select(DRAFTS.c.draft_id)).all()

    with closing(open_database(parts["database"])) as database:
        assert drafts()
        bot.slack.wait_until(lambda: not drafts(), PATIENCE_SECONDS)
    assert message.deleted
    bot.slack.wait_until(lambda: gone(bot, someone), PATIENCE_SECONDS)


def test_nobody_else_uses_it(bot, someone, message):
    other = bot.sit("other")
    for action, value in ((ids.POST, ""), (ids.FACE, "1/leave"), (ids.DISCARD, "")):
        other.press(message, action, value)

    bot.slack.wait_until(lambda: len(other.told) == 3, PATIENCE_SECONDS)
    assert all("This preview is gone" in one for one in other.told)
    assert not message.deleted
    discard(bot, someone, message)


def test_two_people_on_one_picture_do_not_disturb_each_other(bot):
    channel, address = bot.channel(), bot.address()
    people = [bot.sit("kim"), bot.sit("lou")]
    for one in people:
        one.command(channel, f"{address} preview")
    first, second = (preview(bot, one) for one in people)

    people[0].press(first, ids.FACE, "1/leave")
    bot.slack.wait_until(
        lambda: rows_of(first) == ["*Face 1:* left as it is"], PATIENCE_SECONDS
    )
    people[0].press(first, ids.DISCARD)
    bot.slack.wait_until(lambda: first.deleted, PATIENCE_SECONDS)
    people[1].press(second, ids.POST)

    posted, file = bot.result(channel)
    assert f"<@{people[1].user_id}>" in posted.everything
    assert not picture_is_sample(file)
    bot.slack.wait_until(lambda: gone(bot, people[1]), PATIENCE_SECONDS)


def picture_is_sample(file) -> bool:
    before = Image.open(io.BytesIO(SAMPLE)).convert("RGB")
    return Image.open(io.BytesIO(file.data)).convert("RGB").tobytes() == (
        before.tobytes()
    )


def test_thirty_faces_are_paged_within_slacks_limits(bot, someone):
    channel = bot.channel()
    address = bot.slack.website.add_picture("/crowd", crowd(30))
    someone.command(channel, f"{address} preview")
    message = preview(bot, someone)
    assert len(rows_of(message)) == ids.FACES_A_PAGE
    assert len(message.blocks) <= 50

    for first in (11, 21):
        someone.press(message, ids.NEXT, str(first // 10))
        bot.slack.wait_until(
            lambda first=first: rows_of(message)[0].startswith(f"*Face {first}:*"),
            PATIENCE_SECONDS,
        )
    someone.press(message, ids.FACE, "30/leave")
    bot.slack.wait_until(
        lambda: rows_of(message)[-1] == "*Face 30:* left as it is", PATIENCE_SECONDS
    )
    discard(bot, someone, message)


def test_what_changed_at_its_address_is_not_posted(bot, someone):
    channel = bot.channel()
    address = bot.slack.website.add_picture("/mine", SAMPLE)
    someone.command(channel, f"{address} preview")
    message = preview(bot, someone)
    bot.slack.website.add_picture("/mine", crowd(1))

    someone.press(message, ids.POST)

    bot.told(someone, "The picture has changed since the preview")
    assert bot.slack.bot_messages(channel) == []
    assert not message.deleted
    discard(bot, someone, message)


def test_opt_outs_and_off_are_checked_again_before_posting(bot, someone):
    channel = bot.channel()
    picture = bot.bob.post_image(channel, SAMPLE)
    someone.command(channel, "preview")
    message = preview(bot, someone)
    bot.bob.command(channel, "opt out")

    someone.press(message, ids.POST)

    bot.told(someone, "does not want emoji on it")
    bot.bob.command(channel, "opt in")
    assert [one.ts for one in bot.slack.messages(channel)] == [picture.ts]
    discard(bot, someone, message)


def test_a_mention_and_the_thread_it_stands_in(bot, someone):
    channel = bot.channel()
    bot.slack.world.channels[channel].members.add(someone.user_id)
    top = bot.bob.write(channel, "look")
    bot.bob.post_image(channel, SAMPLE, thread_ts=top.ts)
    someone.mention(channel, text="preview", thread_ts=top.ts)
    message = preview(bot, someone)
    button = find(message, ids.POST)
    assert button["text"]["text"] == "Post to the thread"

    someone.press(message, ids.POST)

    posted, _ = bot.result(channel)
    assert posted.thread_ts == top.ts
    bot.slack.wait_until(lambda: gone(bot, someone), PATIENCE_SECONDS)


def find(message, action_id):
    for block in message.blocks:
        for element in [*block.get("elements", []), block.get("accessory") or {}]:
            if element.get("action_id") == action_id:
                return element
    raise LookupError(action_id)


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("chat.postMessage", {"drop": True, "after": True}),
        ("chat.postMessage", {"status": 503}),
        ("files.completeUploadExternal", {"drop": True, "after": True}),
        ("files.info", {"error": "internal_error", "times": 2}),
        ("files.delete", {"status": 503}),
        ("chat.update", {"drop": True, "after": True}),
    ],
)
def test_faults_of_slacks_leave_one_preview_and_then_none(bot, someone, method, fault):
    someone.command(bot.channel(), f"{bot.address()} preview")
    bot.slack.faults.add(method, **fault) if "update" not in method else None
    message = preview(bot, someone)
    if "update" in method or "delete" in method:
        bot.slack.faults.add(method, **fault) if "update" in method else None
        someone.press(message, ids.FACE, "1/leave")
        bot.slack.wait_until(
            lambda: rows_of(message) == ["*Face 1:* left as it is"], PATIENCE_SECONDS
        )
    bot.slack.wait_until(lambda: len(preview_files(bot)) == 1, PATIENCE_SECONDS)
    assert preview(bot, someone) is message
    discard(bot, someone, message)
    bot.slack.wait_until(lambda: gone(bot, someone), PATIENCE_SECONDS)


# The home tab.


def menu_of(person, action_id):
    for block in person.home.body["blocks"]:
        if block.get("accessory", {}).get("action_id") == action_id:
            return block["accessory"]
    return None


def chosen(bot, person, action_id, value):
    """Choose in the home tab, and wait until it shows that."""
    person.press_in_view(person.home, action_id, value)
    bot.slack.wait_until(
        lambda: menu_of(person, action_id)["initial_option"]["value"] == value,
        PATIENCE_SECONDS,
    )


def test_what_is_chosen_at_home_holds_for_what_is_asked(bot, someone):
    someone.open_home()
    bot.slack.wait_until(lambda: someone.home, PATIENCE_SECONDS)
    assert menu_of(someone, "home_all_reading") is None
    chosen(bot, someone, "home_mine_preview", "on")
    chosen(bot, someone, "home_mine_reading", "shapes")

    channel = bot.channel()
    answer = someone.command(channel, bot.address())
    assert "first for you alone" in answer.json()["text"]
    message = preview(bot, someone)
    assert bot.slack.bot_messages(channel) == []
    someone.press(message, ids.POST)
    posted, file = bot.result(channel)
    assert file.alt_txt
    bot.slack.wait_until(lambda: gone(bot, someone), PATIENCE_SECONDS)

    someone.command(channel, f"{bot.address()} now")
    bot.results(channel, count=2)
    assert bot.slack.bot_messages(own(bot, someone)) == []
    someone.open_home()
    link = f"/{file.file_id}/"
    bot.slack.wait_until(lambda: link in str(someone.home.body), PATIENCE_SECONDS)
    assert posted.ts


def test_the_opt_out_is_a_switch(bot, someone):
    someone.open_home()
    bot.slack.wait_until(lambda: someone.home, PATIENCE_SECONDS)
    for action, words in (("home_opt_out", "left alone"), ("home_opt_in", "may get")):
        someone.press_in_view(someone.home, action)
        bot.slack.wait_until(
            lambda words=words: words in str(someone.home.body), PATIENCE_SECONDS
        )

    someone.press_in_view(someone.home, "home_try")
    view = bot.slack.wait_until(someone.open_view, PATIENCE_SECONDS)
    assert "Three steps" in str(view.body)


def test_an_admin_chooses_for_the_workspace_and_nobody_else(bot, someone):
    channel = bot.channel()
    someone.user.is_admin = True
    someone.command(channel, "off")
    bot.told(someone, "switched off in this channel")
    someone.open_home()
    bot.slack.wait_until(
        lambda: someone.home and f"<#{channel}>" in str(someone.home.body),
        PATIENCE_SECONDS,
    )
    other = bot.sit("nobody")
    other.press_in_view(someone.home, "home_all_preview", "on")
    own_channel = own(bot, other)
    bot.slack.wait_until(
        lambda: "Only an admin" in str(bot.slack.bot_messages(own_channel)),
        PATIENCE_SECONDS,
    )
    assert menu_of(someone, "home_all_preview")["initial_option"]["value"] == "-"

    someone.press_in_view(someone.home, "home_switch_on", channel)
    bot.slack.wait_until(
        lambda: f"<#{channel}>" not in str(someone.home.body), PATIENCE_SECONDS
    )
    chosen(bot, someone, "home_all_preview", "on")
    answer = other.command(channel, bot.address())
    assert "first for you alone" in answer.json()["text"]
    discard(bot, other, preview(bot, other))
    chosen(bot, someone, "home_all_preview", "-")


# Why, and reactions.


def test_whoever_presses_why_is_told_alone(bot, someone):
    channel = bot.channel()
    bot.ada.command(channel, bot.address())
    posted, _ = bot.result(channel)

    someone.press(posted, "why")

    def cards():
        found = bot.slack.results(own(bot, someone))
        return found[0] if found else None

    message, file = bot.slack.wait_until(cards, PATIENCE_SECONDS)
    assert "face 1:" in message.everything
    assert file.alt_txt
    assert Image.open(io.BytesIO(file.data)).format == "PNG"
    assert len(bot.slack.bot_messages(channel)) == 1
    someone.press(message, ids.DISCARD)
    bot.slack.wait_until(lambda: file.deleted and message.deleted, PATIENCE_SECONDS)


def test_reactions_of_the_asker_do_something_and_others_nothing(bot, someone):
    channel = bot.channel()
    bot.slack.world.channels[channel].members.add(someone.user_id)
    someone.command(channel, bot.address())
    posted, first = bot.result(channel)
    bot.bob.react(posted, "x")
    someone.react(posted, "thumbsup")

    someone.react(posted, "sunglasses")
    bot.slack.wait_until(lambda: first.deleted, PATIENCE_SECONDS)
    [(again, second)] = bot.results(channel)
    assert "drawn as 😎" in again.everything
    someone.react(again, "repeat")
    bot.slack.wait_until(lambda: second.deleted, PATIENCE_SECONDS)
    [(third_message, third)] = bot.results(channel)
    someone.react(third_message, "x")

    bot.slack.wait_until(lambda: not bot.slack.bot_messages(channel), PATIENCE_SECONDS)
    assert third.deleted
