"""A job that an operator cancels: whoever asked for it is told."""

from contextlib import closing

import pytest

from emojifier_bot.app.bot import adopt_token, make_queue, open_stores
from emojifier_bot.config import load_settings
from emojifier_bot.domain import Entrypoint, JobState
from emojifier_bot.jobs.system_db import job_id_for
from tests.fakes.slack import Message, SlackServer, sample_workspace
from tests.fakes.slack.responses import new_response_url
from tests.slack_bot import Bot

KEY = "B3nI1zPvjUTHEhHVo4zLFAFwvMPU4ZgQ0qYjvIZkx8E="


@pytest.fixture
def bot():
    with SlackServer() as slack:
        yield Bot(slack, sample_workspace(slack))
        assert not slack.problems


@pytest.fixture
def environment(bot, tmp_path, monkeypatch):
    variables = {
        **bot.slack.environment,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}",
        "ENCRYPTION_KEYS": KEY,
        "SLACK_BOT_TOKEN": bot.acme.token,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def queued(bot, **fields):
    """Queue a command of Ada's that no worker takes; return its job's id."""
    settings = load_settings()
    stores = open_stores(settings)
    adopt_token(settings, stores)
    url = new_response_url(
        bot.slack.world, bot.acme.general.channel_id, bot.acme.ada.user_id
    )
    sealed = stores.vault.seal(url)
    stores.database.close()
    with closing(make_queue(settings)) as queue:
        queue.enqueue(bot.request(sealed_response_url=sealed, **fields), "key")
    return job_id_for("key")


def state_of(job_id):
    with closing(make_queue(load_settings())) as queue:
        return queue.show(job_id).state


def test_who_asked_is_told(run, bot, environment):
    job_id = queued(bot)

    done = run("jobs", "cancel", job_id, **environment)

    assert done.returncode == 0, done.stderr
    assert b"is cancelled" in done.stderr
    assert b"was notified" in done.stderr
    assert state_of(job_id) is JobState.CANCELLED
    (told,) = bot.slack.told(bot.acme.ada.user_id)
    assert "stopped my work" in told
    # What has ended is told to nobody.
    assert run("jobs", "cancel", job_id, **environment).returncode == 1
    assert bot.slack.told(bot.acme.ada.user_id) == [told]


def test_the_reaction_goes_too(run, bot, environment):
    person, general = bot.acme.ada.user_id, bot.acme.general.channel_id
    message = bot.slack.world.add_message(
        Message(general, bot.slack.world.new_ts(), person, "look")
    )
    job_id = queued(bot, entrypoint=Entrypoint.MENTION, reaction_ts=message.ts)
    message.reactions["eyes"] = [bot.acme.workspace.bot_user_id]

    run("jobs", "cancel", job_id, **environment)

    assert not message.reactions.get("eyes")


def test_where_nobody_can_be_told_the_operator_hears_it(run, bot, environment):
    job_id = queued(bot)
    bot.slack.faults.add("response", status=500, times=None)
    bot.slack.faults.add("chat.postEphemeral", error="account_inactive", times=None)
    bot.slack.faults.add("conversations.open", error="account_inactive", times=None)

    done = run("jobs", "cancel", job_id, **environment)

    assert done.returncode == 0, done.stderr
    assert b"was not notified" in done.stderr
    assert state_of(job_id) is JobState.CANCELLED
