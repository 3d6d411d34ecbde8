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

from tests.fakes.slack.catalogue import METHODS, all_codes, codes
from tests.fakes.slack.delivery import Delivery
from tests.fakes.slack.exchange import Reply
from tests.fakes.slack.faults import Fault
from tests.fakes.slack.records import Call, Problem
from tests.fakes.slack.sample import SampleWorkspace, sample_workspace
from tests.fakes.slack.server import SlackServer
from tests.fakes.slack.settings import BOT_SCOPES, OPTIONAL_SCOPES, SlackApp, Switches
from tests.fakes.slack.state import (
    Channel,
    Grant,
    Message,
    SlackFile,
    User,
    View,
    Workspace,
)
from tests.fakes.slack.user import SlackUser

__all__ = [
    "BOT_SCOPES",
    "METHODS",
    "OPTIONAL_SCOPES",
    "Call",
    "Channel",
    "Delivery",
    "Fault",
    "Grant",
    "Message",
    "Problem",
    "Reply",
    "SampleWorkspace",
    "SlackApp",
    "SlackFile",
    "SlackServer",
    "SlackUser",
    "Switches",
    "User",
    "View",
    "Workspace",
    "all_codes",
    "codes",
    "sample_workspace",
]
