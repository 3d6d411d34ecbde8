"""A Slack for tests: a real HTTP server that speaks what the bot uses, and refuses.

A test in short::

    with SlackServer() as slack:
        acme = sample_workspace(slack)
        bot_url = start_the_bot(slack.environment | {"SLACK_BOT_TOKEN": acme.token})
        ada = SlackUser(slack, acme.workspace, acme.ada, bot_url)
        slack.faults.add("files.completeUploadExternal", status=429, retry_after=1)
        ada.command(acme.general.channel_id, slack.website.add_picture("/a.png", PNG))
        [(message, file)] = slack.wait_until(slack.results)
        ada.press(message, "delete_post")
        assert not slack.problems

`SlackServer.switches` and `Workspace`'s fields say how Slack behaves, `faults` what
goes wrong, `calls` and `told` what happened, `problems` what no correct bot would send.
"""

from tests.fakes.slack.exchange import Reply
from tests.fakes.slack.server import SlackServer
from tests.fakes.slack.state import BOT_SCOPES, Call, Message, SlackApp, Workspace
from tests.fakes.slack.user import SampleWorkspace, SlackUser, sample_workspace

__all__ = [
    "BOT_SCOPES",
    "Call",
    "Message",
    "Reply",
    "SampleWorkspace",
    "SlackApp",
    "SlackServer",
    "SlackUser",
    "Workspace",
    "sample_workspace",
]
