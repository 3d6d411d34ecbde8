"""People in the fake Slack: what they send, a real Bolt app understands."""

import time

import pytest
import requests
from slack_bolt import App, BoltRequest
from slack_bolt.authorization import AuthorizeResult

from tests.contract.fake_slack.scene import PNG
from tests.fakes.slack import (
    Message,
    SlackServer,
    SlackUser,
    payloads,
    sample_workspace,
)
from tests.fakes.slack.exchange import Listener, Reply
from tests.threads import PATIENCE_SECONDS

BUTTONS = [
    {
        "type": "actions",
        "block_id": "buttons",
        "elements": [
            {
                "type": "button",
                "text": {"type": "plain_text", "text": "Delete"},
                "action_id": "delete_post",
                "value": "post-1",
            },
            {
                "type": "button",
                "text": {"type": "plain_text", "text": "Sure"},
                "action_id": "delete_post_confirmed",
                "confirm": {
                    name: {"type": "plain_text", "text": name}
                    for name in ("title", "text", "confirm", "deny")
                },
            },
        ],
    }
]
MODAL = {
    "type": "modal",
    "callback_id": "delete",
    "private_metadata": "post-1",
    "title": {"type": "plain_text", "text": "Delete?"},
    "submit": {"type": "plain_text", "text": "Delete"},
    "blocks": [],
}


class EchoBot:
    """A Bolt app behind a real server that keeps what it heard."""

    def __init__(self, slack, token):
        self.heard = []
        self.pause_seconds = 0.0
        self.app = app = App(
            signing_secret=slack.app.signing_secret,
            authorize=lambda enterprise_id, team_id: AuthorizeResult(
                enterprise_id=enterprise_id, team_id=team_id, bot_token=token
            ),
            process_before_response=True,
        )
        app.use(self._keep)
        app.command("/emojify")(lambda ack: ack("On it."))
        for name in ("delete_post", "delete_post_confirmed"):
            app.action(name)(lambda ack: ack())
        app.shortcut("emojify_message")(lambda ack: ack())
        app.view("delete")(lambda ack: ack())
        for event in ("app_mention", "message", "app_uninstalled", "tokens_revoked"):
            app.event(event)(lambda: None)
        self._listener = Listener(self._answer, slack.world.broke)
        self.url = self._listener.url
        self.start, self.stop = self._listener.start, self._listener.stop

    def _keep(self, context, body, next):  # noqa: A002 - Bolt's name
        self.heard.append((context, body))
        time.sleep(self.pause_seconds)
        next()

    def _answer(self, request):
        headers = {name: [value] for name, value in request.headers.items()}
        asked = BoltRequest(body=request.body.decode(), headers=headers)
        found = self.app.dispatch(asked)
        kind = (found.headers.get("content-type") or ["text/plain"])[0]
        return Reply(found.status, kind, found.body.encode())

    @property
    def last(self):
        return self.heard[-1][1]


@pytest.fixture(params=[False, True], ids=["workspace", "organisation"])
def org_wide(request):
    return request.param


@pytest.fixture
def slack():
    with SlackServer() as server:
        server.switches.patience_seconds = PATIENCE_SECONDS
        yield server


@pytest.fixture
def acme(slack, org_wide):
    more = {"enterprise_id": "E1", "enterprise_name": "Corp"} if org_wide else {}
    return sample_workspace(slack, org_wide=org_wide, **more)


@pytest.fixture
def bot(slack, acme):
    bot = EchoBot(slack, acme.token)
    bot.start()
    yield bot
    bot.stop()


@pytest.fixture
def ada(slack, acme, bot, org_wide):
    return SlackUser(slack, acme.workspace, acme.ada, bot.url, org_wide=org_wide)


def check_scene(bot, acme, org_wide, user_id):
    """Check what Bolt itself makes of a request."""
    context, _ = bot.heard[-1]
    assert context.is_enterprise_install is org_wide
    assert context.enterprise_id == ("E1" if org_wide else None)
    assert context.user_id == user_id
    # Events of an organisation's installation name no workspace to Bolt.
    assert context.team_id in {acme.workspace.team_id, None if org_wide else ""}


class TestWaysIn:
    def test_command(self, slack, acme, bot, ada, org_wide):
        answer = ada.command(acme.general.channel_id, "https://a.example/a.png")
        body = bot.last

        assert answer.status_code == 200
        assert body["text"] == "https://a.example/a.png"
        assert body["channel_name"] == "general"
        assert body["response_url"].startswith(slack.url)
        assert ada.told == ["On it."]
        check_scene(bot, acme, org_wide, ada.user_id)
        requests.post(body["response_url"], json={"text": "Done"}, timeout=30)
        assert ada.told == ["On it.", "Done"]
        assert not slack.problems

    def test_shortcut_in_a_thread(self, slack, acme, bot, ada, org_wide):
        room = acme.general.channel_id
        parent = ada.write(room, "Look")
        message = ada.post_image(room, PNG, PNG, thread_ts=parent.ts)

        answer = ada.shortcut(message)
        body = bot.last

        assert answer.status_code == 200
        assert body["message"]["thread_ts"] == parent.ts
        assert len(body["message"]["files"]) == 2
        assert body["message_ts"] == message.ts
        check_scene(bot, acme, org_wide, ada.user_id)
        assert not slack.problems

    @pytest.mark.parametrize("with_files", [True, False])
    def test_mention(self, slack, acme, bot, ada, org_wide, *, with_files):
        ada.mention(acme.general.channel_id, PNG, text="hats", with_files=with_files)
        event = bot.last["event"]

        assert event["text"] == f"<@{acme.workspace.bot_user_id}> hats"
        assert ("files" in event) is with_files
        assert event["channel"] == acme.general.channel_id
        check_scene(bot, acme, org_wide, ada.user_id)
        assert not slack.problems

    def test_direct_message(self, slack, acme, bot, ada, org_wide):
        ada.direct_message(PNG, text="please")
        event = bot.last["event"]

        assert (event["subtype"], event["channel_type"]) == ("file_share", "im")
        assert event["files"][0]["mimetype"] == "image/png"
        assert event["channel"].startswith("D")
        check_scene(bot, acme, org_wide, ada.user_id)
        ada.direct_message(text="hello")
        assert "subtype" not in bot.last["event"]
        assert not slack.problems

    def test_own_message_comes_back(self, slack, acme, bot, ada):
        dm = slack.world.direct_message(acme.workspace, ada.user_id)
        bot_user = slack.world.users[acme.workspace.bot_user_id]
        own = SlackUser(slack, acme.workspace, bot_user, bot.url)
        message = own.post_image(dm.channel_id, PNG)
        ada.announce(payloads.direct_message, message)

        event = bot.last["event"]

        assert event["bot_id"] == acme.workspace.bot_id
        assert event["user"] == acme.workspace.bot_user_id
        assert not slack.problems

    def test_retries_carry_the_same_event(self, bot, acme, ada):
        ada.mention(acme.general.channel_id, PNG)
        ada.delivery.again(retry=1)
        first, second = (body["event_id"] for _, body in bot.heard)

        assert first == second


class TestButtons:
    @pytest.fixture
    def post(self, slack, acme):
        return slack.world.add_message(
            Message(
                acme.general.channel_id,
                slack.world.new_ts(),
                acme.workspace.bot_user_id,
                blocks=BUTTONS,
            )
        )

    def test_are_pressed(self, slack, bot, ada, post):
        answer = ada.press(post, "delete_post")
        body = bot.last
        [action] = body["actions"]

        assert answer.status_code == 200
        assert (action["value"], action["block_id"]) == ("post-1", "buttons")
        assert body["container"]["message_ts"] == post.ts
        assert body["message"]["blocks"] == BUTTONS
        assert not slack.problems

    def test_ask_back(self, bot, ada, post):
        assert ada.press(post, "delete_post_confirmed", sure=False) is None
        assert not bot.heard
        assert ada.press(post, "delete_post_confirmed").status_code == 200

    def test_are_there(self, ada, post):
        with pytest.raises(LookupError, match="try_another"):
            ada.press(post, "try_another")

    def test_open_modals_that_are_submitted(self, slack, bot, acme, ada, post):
        ada.press(post, "delete_post")
        trigger = bot.last["trigger_id"]
        opened = requests.post(
            f"{slack.api_url}views.open",
            json={"trigger_id": trigger, "view": MODAL},
            headers={"Authorization": f"Bearer {acme.token}"},
            timeout=30,
        )
        assert opened.json()["ok"]

        answer = ada.submit(ada.open_view())
        body = bot.last

        assert answer.status_code == 200
        assert body["view"]["private_metadata"] == "post-1"
        assert ada.open_view() is None
        assert not slack.problems


def test_slack_takes_the_app_away(bot, acme, ada):
    answers = ada.uninstall()
    types = [body["event"]["type"] for _, body in bot.heard]

    assert [one.status_code for one in answers] == [200, 200]
    assert types == ["app_uninstalled", "tokens_revoked"]
    assert acme.grant.dead == "account_inactive"


class TestAnswers:
    @pytest.mark.parametrize(
        "wrong", [{"signature": "v0=0"}, {"timestamp": "1"}, {"timestamp": "9" * 10}]
    )
    def test_to_forged_requests(self, slack, acme, ada, wrong):
        ada.delivery.any_answer = True
        form = payloads.command(ada.scene, acme.general.channel_id, "/emojify", "")

        assert ada.delivery.form(form, **wrong).status_code == 401
        assert not slack.problems

    def test_that_fail_are_noted(self, slack, acme, ada):
        ada.command(acme.general.channel_id, name="/other")

        assert [one.kind for one in slack.problems] == ["dispatch_failed"]

    def test_that_are_late_are_noted(self, slack, acme, ada, bot):
        bot.pause_seconds = 0.3
        slack.switches.patience_seconds = 0.1

        with pytest.raises(requests.Timeout):
            ada.command(acme.general.channel_id)
        assert [one.kind for one in slack.problems] == ["operation_timeout"]
