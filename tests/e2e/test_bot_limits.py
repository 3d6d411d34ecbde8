"""What people do not want, and too much of what they do: the running bot obeys.

`serve` and its worker as processes, Slack over HTTP, SQLite.
"""

import re
import time

import pytest

from tests.fakes.slack.posting import post_files
from tests.running_bot import PATIENCE_SECONDS, SAMPLE, served

PER_MINUTE = 4


@pytest.fixture(scope="module")
def bot(tmp_path_factory):
    limits = {
        "EMOJIFIER_USER_PER_MINUTE": str(PER_MINUTE),
        "EMOJIFIER_WORKSPACE_PER_HOUR": "1000",
    }
    with served(tmp_path_factory.mktemp("limits"), **limits) as bot:
        yield bot


@pytest.fixture
def people(bot):
    """Return somebody who asks, somebody who posts, and an admin, all new."""
    found = [bot.sit(name) for name in ("asker", "poster", "boss")]
    found[2].user.is_admin = True
    return found


@pytest.fixture
def shy(bot, people):
    """Return the one who posts, opted out."""
    poster = people[1]
    answer = poster.command(bot.channel(), "opt out")
    assert "leave the pictures that you post alone" in answer.json()["text"]
    return poster


def heard(bot, person):
    """Return what somebody was told: here alone, or in direct messages."""
    direct = bot.slack.world.direct_message(bot.home, person.user_id).channel_id
    written = [one.everything for one in bot.slack.bot_messages(direct)]
    return [*person.told, *written]


def hears(bot, person, words):
    """Wait until somebody was told some words."""
    bot.slack.wait_until(
        lambda: any(words in one for one in heard(bot, person)), PATIENCE_SECONDS
    )


def last_told(bot, person, count):
    """Wait until somebody was told so much; return the last of it."""
    told = bot.slack.wait_until(
        lambda: heard(bot, person)[count - 1 :], PATIENCE_SECONDS
    )
    return told[-1]


def until_refused(asker, channel, address):
    """Ask again and again; return what was said. On a slow machine some come back."""
    said = []
    while not said or "Got it" in said[-1]:
        said.append(asker.command(channel, address).json()["text"])
    return said


class TestLimits:
    def test_who_asks_too_often_is_told_when_to_ask_again(self, bot, people):
        asker, other, _ = people
        channel = bot.channel()
        address = bot.address()

        *taken, said = until_refused(asker, channel, address)

        assert len(taken) >= PER_MINUTE
        assert f"{PER_MINUTE} pictures a minute" in said
        assert re.search(r"ask again in \d+ seconds?\.", said)
        assert "Got it" in other.command(channel, address).json()["text"]
        many = len(taken) + 1
        assert len(bot.results(channel, many)) == many

    def test_every_way_in_counts(self, bot, people):
        asker, poster, _ = people
        channel = bot.channel()
        message = poster.post_image(channel, SAMPLE)
        asker.shortcut(message)
        [(result, _)] = bot.results(channel)
        asker.mention(channel, SAMPLE)
        asker.direct_message(SAMPLE)
        asker.press(result, "try_another")

        # The four took all that there was, but for what came back since.
        taken = until_refused(asker, channel, bot.address())[:-1]

        assert len(taken) < PER_MINUTE

    def test_a_press_too_many_is_told_alone(self, bot, people):
        asker = people[0]
        channel = bot.channel()
        asker.command(channel, bot.address())
        [(result, file)] = bot.results(channel)
        until_refused(asker, channel, bot.address())
        before = len(heard(bot, asker))

        asker.press(result, "try_another")

        assert "a minute" in last_told(bot, asker, before + 1)
        assert not file.deleted

    def test_of_too_many_pictures_at_once_some_come(self, bot, people):
        asker = people[0]
        channel = bot.channel()

        asker.mention(channel, *[SAMPLE] * 3 * PER_MINUTE)

        hears(bot, asker, "picture 12, which I left out")
        assert len(bot.results(channel, PER_MINUTE)) < 3 * PER_MINUTE

    def test_asking_again_gives_what_was_left_out(self, bot, people):
        asker, poster, _ = people
        channel = bot.channel()
        names = [f"{number}.png" for number in range(PER_MINUTE + 1)]
        files = [(name, SAMPLE) for name in names]
        message = post_files(bot.slack.world, poster.user_id, channel, files)
        asker.shortcut(message)
        hears(bot, asker, f"“{names[-1]}”, which I left out; the others are on their")
        bot.results(channel, PER_MINUTE)

        time.sleep(60 / PER_MINUTE + 1)
        asker.shortcut(message)

        found = bot.results(channel, PER_MINUTE + 1)
        titles = sorted(file.title for _, file in found)
        assert titles == [f"{number}, emojified" for number in range(PER_MINUTE + 1)]

    def test_slacks_retries_are_not_counted(self, bot, people):
        asker = people[0]
        channel = bot.channel()
        asker.mention(channel, SAMPLE)
        for retry in (1, 2, 3):
            asker.delivery.again(retry=retry)

        for _ in range(PER_MINUTE - 1):
            said = asker.command(channel, bot.address()).json()["text"]
            assert "Got it" in said


class TestSwitchedOff:
    def test_only_by_those_who_decide_and_only_there(self, bot, people):
        asker, _, boss = people
        channel = bot.channel()

        assert asker.command(channel, "off").text == ""
        hears(bot, asker, "Only an admin")
        assert "Got it" in asker.command(channel, bot.address()).json()["text"]

        boss.command(channel, "off")
        hears(bot, boss, "in this channel, for everybody")
        assert "switched off" in asker.command(channel, bot.address()).json()["text"]
        assert "Got it" in asker.command(bot.channel(), bot.address()).json()["text"]

        boss.command(channel, "on")
        hears(bot, boss, "switched on")
        assert "Got it" in asker.command(channel, bot.address()).json()["text"]

        boss.direct_message(text="off")
        hears(bot, boss, "only in a channel")

    def test_nothing_comes_there_whatever_way_it_is_asked(self, bot, people):
        asker, poster, boss = people
        channel = bot.channel()
        message = poster.post_image(channel, SAMPLE)
        asker.command(channel, bot.address())
        [(result, file)] = bot.results(channel)
        boss.command(channel, "off")
        hears(bot, boss, "in this channel, for everybody")
        before = len(heard(bot, asker))

        asker.shortcut(message)
        asker.mention(channel, SAMPLE)
        asker.press(result, "try_another")

        last_told(bot, asker, before + 3)
        assert all("switched off" in one for one in heard(bot, asker)[before:])
        for words in ("help", "opt in"):
            assert "switched off" not in asker.command(channel, words).json()["text"]
        # People in a picture still have a say.
        asker.press(result, "delete_post")
        bot.slack.wait_until(lambda: file.deleted, PATIENCE_SECONDS)
        assert bot.slack.results(channel) == []


class TestOptedOut:
    def test_in_no_way(self, bot, people, shy):
        asker = people[0]
        channel = bot.channel()
        message = shy.post_image(channel, SAMPLE)
        [file_id] = message.file_ids
        forwarded = bot.bob.share_file(channel, file_id)
        bobs = bot.bob.post_image(bot.channel(), SAMPLE)
        reposted = shy.share_file(channel, *bobs.file_ids)

        ways = [
            lambda: asker.shortcut(message),
            lambda: asker.shortcut(forwarded),
            lambda: bot.bob.shortcut(reposted),
            lambda: bot.bob.mention(channel, thread_ts=message.ts),
        ]
        for way in ways:
            before = refusals(bot, asker)
            way()
            bot.slack.wait_until(
                lambda before=before: refusals(bot, asker) > before, PATIENCE_SECONDS
            )
        assert bot.slack.bot_messages(channel) == []

    def test_not_by_trying_another(self, bot, people):
        asker, poster, _ = people
        channel = bot.channel()
        asker.shortcut(poster.post_image(channel, SAMPLE))
        [(result, file)] = bot.results(channel)
        poster.command(channel, "opt out")
        before = len(heard(bot, asker))

        asker.press(result, "try_another")

        assert "does not want emoji on it" in last_told(bot, asker, before + 1)
        assert not file.deleted

    def test_nor_in_another_workspace(self, bot, people, shy):
        # A channel that both share: the same person, met by the bot elsewhere.
        asker = people[0]
        channel = bot.channel()
        message = shy.post_image(channel, SAMPLE)
        bot.slack.world.files[message.file_ids[0]].stub = "messages"

        asker.shortcut(message)

        hears(bot, asker, "does not want emoji on it")

    def test_until_they_opt_in(self, bot, people, shy):
        asker = people[0]
        channel = bot.channel()
        message = shy.post_image(channel, SAMPLE)

        shy.mention(channel, text="opt in")
        hears(bot, shy, "emoji on your pictures")
        asker.shortcut(message)

        bot.result(channel)


def refusals(bot, asker):
    """Return how often somebody was told that a picture is to be left alone."""
    told = heard(bot, asker) + heard(bot, bot.bob)
    return sum("does not want emoji on it" in one for one in told)
