"""The same bot on several machines: two web processes, four workers, one database.

Each process has a port, a home and a folder of its own. What people do goes to the web
processes in turn, so that everything that one begins another goes on with.
"""

from __future__ import annotations

import pytest

from tests.e2e.test_bot import test_slacks_retries_post_once
from tests.fakes.slack import SlackServer, SlackUser
from tests.running_bot import (
    PATIENCE_SECONDS,
    SAMPLE,
    Bot,
    assert_emojified,
    install,
    running_fleet,
)

WEBS, WORKERS = 2, 4
PICTURES = 12


@pytest.fixture(scope="module")
def bot(postgres_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    with (
        postgres_server.database() as database,
        SlackServer() as slack,
        running_fleet(slack, database, folder, webs=WEBS, workers=WORKERS) as urls,
    ):
        yield Bot(slack, *urls)
        assert not slack.problems


def at(bot, number):
    """Return Ada, whose requests go to one of the web processes."""
    return SlackUser(bot.slack, bot.home, bot.ada.user, bot.urls[number])


def test_an_installation_begun_at_one_web_ends_at_another(bot):
    asked = {reply.url.partition("/slack")[0] for reply in bot.installed.history}

    assert bot.installed.ok
    assert bot.urls[0] in asked
    assert bot.installed.url.startswith(bot.urls[1])


def test_a_button_works_at_a_web_that_did_not_take_the_request(bot):
    channel = bot.channel()
    at(bot, 0).command(channel, bot.address())
    message, file = bot.result(channel)

    at(bot, 1).press(message, "try_another")
    bot.slack.wait_until(lambda: file.deleted, PATIENCE_SECONDS)
    [(another, second)] = bot.results(channel)
    at(bot, 0).press(another, "delete_post")

    bot.slack.wait_until(lambda: second.deleted, PATIENCE_SECONDS)


def test_many_pictures_are_posted_once_each_whoever_does_them(bot):
    channel = bot.channel()
    for number in range(PICTURES):
        bot.ada.command(channel, bot.address(f"/{number}.png"))

    found = bot.results(channel, count=PICTURES)

    titles = {file.title for _, file in found}
    assert len(found) == len(titles) == PICTURES
    for _, file in found:
        assert_emojified(file)


def test_no_web_answers_after_an_uninstall(bot):
    home = bot.slack.add_workspace("Gone")
    bot.slack.switches.consent_team_id = home.team_id
    try:
        install(bot.url)
    finally:
        bot.slack.switches.consent_team_id = ""
    user = bot.slack.add_user(home, "hans")
    # The second web has not remembered the installation, as it does for a minute.
    first, second = (SlackUser(bot.slack, home, user, url) for url in bot.urls)
    channel = bot.slack.add_channel(home, "yard", [user]).channel_id
    assert "every face" in first.command(channel, "help").json()["text"]

    first.uninstall()

    for person in (first, second):

        def refused(person=person) -> bool:
            person.command(channel, "help")
            return "not installed" in person.told[-1]

        bot.slack.wait_until(refused, PATIENCE_SECONDS)
