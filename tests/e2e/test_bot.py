"""The whole bot as people run it: `serve` as a process, Slack over HTTP.

From *Add to Slack* to the picture in the channel, every way in, on SQLite; `test_fleet`
has PostgreSQL.
"""

from __future__ import annotations

import io
from functools import partial

import pytest
import requests
from PIL import Image

from tests.fakes.slack import Reply, SlackUser
from tests.fakes.slack.posting import post_files
from tests.fakes.slack.shapes import message_permalink
from tests.running_bot import (
    PATIENCE_SECONDS,
    SAMPLE,
    assert_emojified,
    install,
    served,
)

#: Long enough that a wrong second result would have come.
QUIET_SECONDS = 3.0


@pytest.fixture(scope="module")
def bot(tmp_path_factory):
    with served(tmp_path_factory.mktemp("bot")) as bot:
        yield bot


def test_from_install_to_delete(bot):
    assert bot.installed.ok
    assert "Acme" in bot.installed.text
    channel = bot.channel()

    bot.ada.command(channel, bot.address())
    message, file = bot.result(channel)
    assert_emojified(file)
    assert file.alt_txt
    assert file.title == "astronaut, emojified"
    assert f"<@{bot.ada.user_id}>" in message.everything

    bot.ada.press(message, "try_another")
    bot.slack.wait_until(lambda: file.deleted, PATIENCE_SECONDS)
    one_message(bot, channel)
    for _ in range(2):
        [(another, second)] = bot.results(channel)
        assert_emojified(second)
        bot.ada.press(another, "try_another")
        bot.slack.wait_until(partial(is_deleted, second), PATIENCE_SECONDS)
        one_message(bot, channel)

    [(another, third)] = bot.results(channel)
    bot.ada.press(another, "delete_post")
    bot.slack.wait_until(lambda: third.deleted, PATIENCE_SECONDS)
    bot.told(bot.ada, "deleted")
    assert bot.slack.bot_messages(channel) == []


def is_deleted(file) -> bool:
    return file.deleted


def one_message(bot, channel: str) -> None:
    """Wait until one message of the bot's is left in a channel."""
    bot.slack.wait_until(
        lambda: len(bot.slack.bot_messages(channel)) == 1, PATIENCE_SECONDS
    )


def test_the_newest_image_in_a_channel_that_the_bot_is_not_in(bot):
    channel = bot.channel(with_bot=False)
    bot.bob.post_image(channel, SAMPLE)

    bot.ada.command(channel)

    assert_emojified(bot.result(channel)[1])


def test_it_joins_a_channel_only_to_post_there(bot):
    channel = bot.channel(with_bot=False)
    room, me = bot.slack.world.channels[channel], bot.home.bot_user_id

    bot.ada.command(channel)
    bot.told(bot.ada, "I cannot see an uploaded picture")
    bot.bob.post_image(channel, blank())
    bot.ada.command(channel)
    bot.told(bot.ada, "no face")
    bot.ada.command(channel, f"{bot.address()} private")
    own = bot.slack.world.direct_message(bot.home, bot.ada.user_id).channel_id
    bot.result(own)
    assert me not in room.members

    bot.bob.post_image(channel, SAMPLE)
    bot.ada.command(channel)
    bot.result(channel)
    assert me in room.members

    room.members.discard(me)  # it is kicked
    bot.ada.command(channel, "private")
    bot.results(own, count=2)
    assert me not in room.members


def test_of_five_pictures_the_missing_are_named_in_one_message(bot):
    channel = bot.channel()
    names = ("1.png", "2.png", "3.png", "4.png", "5.png")
    data = (blank(), SAMPLE, blank(), SAMPLE, blank())
    files = zip(names, data, strict=True)
    message = post_files(bot.slack.world, bot.bob.user_id, channel, files)
    someone = bot.sit("iris")
    bot.slack.world.channels[channel].members.add(someone.user_id)

    someone.shortcut(message)

    said = bot.told(someone, "I posted 2 of 5 pictures")
    assert "“1.png”, “3.png” and “5.png”, each: I looked closely" in said
    assert sum("Got it" in one for one in someone.told) == 1
    assert len(someone.told) == 2
    titles = [file.title for _, file in bot.results(channel, count=2)]
    assert titles == ["2, emojified", "4, emojified"]
    urls = bot.slack.world.response_urls.values()
    assert max(one.uses for one in urls) <= 2


def test_the_shortcut_in_a_thread_answers_there(bot):
    channel = bot.channel()
    parent = bot.bob.write(channel, "look")
    message = bot.bob.post_image(channel, SAMPLE, thread_ts=parent.ts)

    bot.ada.shortcut(message)

    answer, file = bot.result(channel)
    assert answer.thread_ts == parent.ts
    assert_emojified(file)


def test_a_mention_with_two_images_answers_in_one_thread(bot):
    channel = bot.channel()

    bot.ada.mention(channel, SAMPLE, SAMPLE)

    found = bot.results(channel, count=2)
    threads = {message.thread_ts for message, _ in found}
    assert len(threads) == 1
    assert threads != {""}
    bot.slack.wait_until(
        lambda: not any(one.reactions for one in bot.slack.messages(channel)),
        PATIENCE_SECONDS,
    )


def test_a_mention_that_comes_without_its_files(bot):
    channel = bot.channel()

    bot.ada.mention(channel, SAMPLE, with_files=False)

    assert_emojified(bot.result(channel)[1])


def test_a_picture_that_somebody_forwarded(bot):
    original = bot.bob.post_image(bot.channel(), SAMPLE)
    channel = bot.channel()
    message = bot.bob.forward(channel, original, "look")

    bot.ada.shortcut(message)

    assert_emojified(bot.result(channel)[1])


def test_asking_in_words_below_a_picture_then_again_then_thanks(bot):
    channel = bot.channel()
    top = bot.bob.write(channel, "our holidays")
    bot.bob.post_image(channel, SAMPLE, thread_ts=top.ts)

    bot.ada.mention(channel, text="can you do this one please?", thread_ts=top.ts)
    first, file = bot.result(channel)
    assert first.thread_ts == top.ts
    assert_emojified(file)

    bot.ada.mention(channel, text="redo", thread_ts=top.ts)
    results = bot.results(channel, count=2)
    assert_emojified(results[-1][1])

    bot.ada.mention(channel, text="thanks!", thread_ts=top.ts)
    bot.slack.wait_until(
        lambda: any("blush" in one.reactions for one in bot.slack.messages(channel)),
        PATIENCE_SECONDS,
    )


def test_the_link_of_a_message_in_another_channel(bot):
    elsewhere, channel = bot.channel(), bot.channel()
    message = bot.bob.post_image(elsewhere, SAMPLE)

    bot.ada.command(channel, message_permalink(bot.slack.world, message))

    assert_emojified(bot.result(channel)[1])


def test_a_page_that_names_its_picture(bot):
    page = f'<meta property="og:image" content="{bot.address("/cover.png")}">'
    channel = bot.channel()

    bot.ada.command(channel, bot.slack.website.add("/article", Reply.html(page)))

    assert_emojified(bot.result(channel)[1])


def test_an_image_in_a_direct_message(bot):
    someone = bot.sit("cleo")
    someone.direct_message(SAMPLE)

    own = bot.slack.world.direct_message(bot.home, someone.user_id)
    assert_emojified(bot.result(own.channel_id)[1])


def test_a_private_result_goes_to_the_asker_alone(bot):
    someone = bot.sit("dora")
    channel = bot.channel()

    someone.command(channel, f"{bot.address()} private")

    own = bot.slack.world.direct_message(bot.home, someone.user_id)
    assert_emojified(bot.result(own.channel_id)[1])
    assert bot.slack.results(channel) == []


def test_slacks_retries_post_once(bot):
    channel = bot.channel()
    bot.ada.mention(channel, SAMPLE)
    for retry in (1, 2):
        bot.ada.delivery.again(retry=retry)

    bot.result(channel)

    with pytest.raises(AssertionError):
        bot.slack.wait_until(lambda: len(bot.slack.results(channel)) > 1, QUIET_SECONDS)


def test_somebody_else_deletes_after_a_dialog(bot):
    channel = bot.channel()
    bot.ada.command(channel, bot.address())
    message, file = bot.result(channel)

    bot.bob.press(message, "delete_post")
    view = bot.slack.wait_until(bot.bob.open_view, PATIENCE_SECONDS)
    assert not file.deleted
    bot.bob.submit(view)

    bot.told(bot.bob, "deleted")
    assert file.deleted
    bot.ada.press(message, "delete_post")
    bot.told(bot.ada, "gone")


def blank() -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (320, 200), "teal").save(encoded, "PNG")
    return encoded.getvalue()


@pytest.mark.parametrize(
    ("name", "kind", "data", "words"),
    [
        ("blank", "image/png", blank(), "no face"),
        ("page", "text/html", b"<!doctype html><p>Hello", "page"),
        ("text", "image/png", b"This is no picture at all.", "not a picture"),
        ("broken", "image/png", SAMPLE[:40], "damaged"),
        ("empty", "image/png", b"", "empty"),
    ],
)
def test_what_cannot_be_emojified_is_told_to_the_asker_alone(
    bot, name, kind, data, words
):
    someone = bot.sit(name)
    channel = bot.channel()
    address = bot.slack.website.add_picture(f"/{name}", data, kind)

    someone.command(channel, address)

    bot.slack.wait_until(lambda: len(someone.told) > 1, PATIENCE_SECONDS)
    assert words in someone.told[-1].lower(), someone.told
    assert bot.slack.bot_messages(channel) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("help", "every face"),
        ("not-an-address.png", "web address"),
        ("http://127.0.0.1/secret.png", "private"),
        ("http://169.254.169.254/latest/meta-data", "private"),
        ("astronaut", "help"),
    ],
)
def test_what_is_seen_at_once_is_answered_at_once(bot, text, words):
    channel = bot.channel()
    before = len(bot.slack.calls)

    answer = bot.ada.command(channel, text)

    assert words in answer.json()["text"]
    # The worker may still be telling how what was asked before this ended.
    asked = [one.method for one in bot.slack.calls[before:]]
    assert [one for one in asked if one != "response"] == []


@pytest.mark.parametrize(
    ("method", "fault", "times"),
    [
        ("files.getUploadURLExternal", {"status": 429, "retry_after": 1}, 2),
        ("files.completeUploadExternal", {"status": 503}, 1),
        ("files.completeUploadExternal", {"drop": "after"}, 1),
        ("files.info", {"error": "internal_error"}, 2),
    ],
)
def test_faults_of_slacks_are_outlived(bot, method, fault, times):
    channel = bot.channel()
    bot.slack.faults.add(method, times=times, **fault)

    bot.ada.command(channel, bot.address())

    bot.result(channel)
    with pytest.raises(AssertionError):
        bot.slack.wait_until(lambda: len(bot.slack.results(channel)) > 1, QUIET_SECONDS)


def test_what_slack_refuses_for_good_is_told(bot):
    someone = bot.sit("frida")
    channel = bot.channel()
    bot.slack.faults.add(
        "files.getUploadURLExternal", error="file_uploads_disabled", times=1
    )

    someone.command(channel, bot.address())

    told = bot.slack.wait_until(
        lambda: someone.told[1:] and someone.told[-1], PATIENCE_SECONDS
    )
    assert "upload" in told
    assert bot.slack.bot_messages(channel) == []


def test_uninstalling_forgets_the_workspace(bot):
    home = bot.slack.add_workspace("Brief")
    bot.slack.switches.consent_team_id = home.team_id
    try:
        assert "Brief" in install(bot.url).text
    finally:
        bot.slack.switches.consent_team_id = ""
    person = SlackUser(bot.slack, home, bot.slack.add_user(home, "gina"), bot.url)
    channel = bot.slack.add_channel(home, "hall", [person.user]).channel_id
    person.command(channel, bot.address())
    bot.result(channel)

    person.uninstall()

    def refused() -> bool:
        person.command(channel, bot.address())
        return "not installed" in person.told[-1]

    bot.slack.wait_until(refused, PATIENCE_SECONDS)


def test_health_and_figures(bot):
    assert requests.get(f"{bot.url}/healthz", timeout=60).ok
    bot.slack.wait_until(lambda: ready(bot)["worker"], PATIENCE_SECONDS)
    assert ready(bot) == {"database": True, "queue": True, "worker": True}
    assert requests.get(f"{bot.url}/metrics", timeout=60).status_code == 404


def ready(bot):
    return requests.get(f"{bot.url}/readyz", timeout=60).json()
