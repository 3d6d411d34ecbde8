"""The fake Slack refuses what Slack refuses: tokens, scopes, arguments, channels."""

import pytest
import requests
from slack_sdk.errors import SlackApiError

from tests.contract.fake_slack.scene import kinds, post
from tests.fakes.slack import SlackApp, SlackServer, sample_workspace


class TestTokens:
    def test_knows_its_own(self, client, acme, slack):
        answer = client.auth_test()

        assert answer["team_id"] == acme.workspace.team_id
        assert answer["user_id"] == acme.workspace.bot_user_id
        assert answer["bot_id"] == acme.workspace.bot_id
        assert slack.calls[-1].token == acme.token
        assert slack.calls[-1].team_id == acme.workspace.team_id
        assert not slack.problems

    def test_reads_it_from_header_and_form(self, slack, acme):
        address, token = f"{slack.api_url}auth.test", acme.token
        header = {"Authorization": f"Bearer {token}"}
        ways = [
            ("POST", {"headers": header}),
            ("GET", {"headers": header}),
            ("POST", {"data": {"token": token}}),
        ]
        answers = [
            requests.request(verb, address, timeout=30, **more) for verb, more in ways
        ]

        assert [one.json()["ok"] for one in answers] == [True] * 3
        assert not slack.problems

    @pytest.mark.parametrize(("verb", "where"), [("GET", "params"), ("POST", "json")])
    def test_reads_it_nowhere_else(self, slack, acme, verb, where):
        more = {where: {"token": acme.token}}
        answer = requests.request(
            verb, f"{slack.api_url}auth.test", timeout=30, **more
        ).json()

        assert answer["error"] == "not_authed"
        assert kinds(slack) == ["token_leak", "no_token"]

    @pytest.mark.parametrize(
        ("token", "code", "kind"),
        [
            ("", "not_authed", "no_token"),
            ("xoxb-other", "invalid_auth", "wrong_token"),
            ("xapp-other", "not_allowed_token_type", "wrong_token"),
        ],
    )
    def test_refuses_a_foreign_one(self, slack, token, code, kind):
        assert post(slack, "auth.test", token)["error"] == code
        assert kinds(slack) == [kind]

    @pytest.mark.parametrize("code", ["token_revoked", "account_inactive"])
    def test_refuses_a_dead_one(self, slack, acme, code):
        acme.grant.dead = code

        assert post(slack, "auth.test", acme.token)["error"] == code
        assert not slack.problems

    def test_refuses_an_expired_one(self):
        times = [1000.0]
        app = SlackApp(token_rotation=True, token_seconds=60)
        with SlackServer(app, clock=lambda: times[0]) as slack:
            acme = sample_workspace(slack)
            before = post(slack, "auth.test", acme.token)
            times[0] += 60
            after = post(slack, "auth.test", acme.token)

        assert (before["ok"], before["expires_in"]) == (True, 60)
        assert after["error"] == "token_expired"


class TestScopes:
    @pytest.mark.parametrize(
        ("method", "arguments", "needed"),
        [
            ("conversations.join", {"channel": "C1"}, "channels:join"),
            ("conversations.open", {"users": "U1"}, "im:write"),
            ("files.list", {}, "files:read"),
            ("files.info", {"file": "F1"}, "files:read"),
            ("files.delete", {"file": "F1"}, "files:write"),
            ("files.getUploadURLExternal", {"filename": "a", "length": 1}, "files:w"),
            ("files.completeUploadExternal", {"files": "[]"}, "files:write"),
            ("chat.postMessage", {"channel": "C1", "text": "a"}, "chat:write"),
            ("chat.postEphemeral", {"channel": "C1", "user": "U1"}, "chat:write"),
            ("reactions.add", {}, "reactions:write"),
            ("reactions.remove", {}, "reactions:write"),
            ("users.info", {"user": "U1"}, "users:read"),
        ],
    )
    def test_are_needed(self, slack, method, arguments, needed):
        acme = sample_workspace(slack, ["commands"])

        answer = post(slack, method, acme.token, data=arguments)

        assert answer["error"] == "missing_scope"
        assert needed in answer["needed"]
        assert answer["provided"] == "commands"
        # A bot cannot know what it was not granted.
        assert not slack.problems


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "kind", "message"),
        [
            ({}, "missing_argument", "missing required field: channel"),
            ({"channel": ""}, "missing_argument", "missing required field: channel"),
            ({"channel": "C1", "chanel": "C"}, "unknown_argument", "unknown argument"),
            ({"channel": "C1", "mrkdwn": "maybe"}, "wrong_type", "must provide bool"),
        ],
    )
    def test_must_be_right(self, slack, acme, arguments, kind, message):
        answer = post(slack, "chat.postMessage", acme.token, data=arguments)

        assert answer["error"] == "invalid_arguments"
        assert message in answer["response_metadata"]["messages"][0]
        assert kinds(slack) == [kind]

    def test_of_an_unknown_method(self, slack, acme):
        assert post(slack, "files.upload", acme.token)["error"] == "unknown_method"
        assert kinds(slack) == ["unknown_method"]

    @pytest.mark.parametrize(
        ("kind", "body", "code"),
        [
            ("", b"channel=C1", "missing_post_type"),
            ("image/png", b"channel=C1", "invalid_post_type"),
            ("application/json; charset=utf-7", b"{}", "invalid_charset"),
            ("application/json", b"{", "invalid_form_data"),
            ("application/json", b"[1]", "invalid_form_data"),
            ("multipart/form-data", b"nothing", "invalid_form_data"),
            ("text/plain", b"channel=C1", "invalid_arguments"),
        ],
    )
    def test_must_be_readable(self, slack, acme, kind, body, code):
        headers = {"Authorization": f"Bearer {acme.token}"}
        headers |= {"Content-Type": kind} if kind else {}
        address = f"{slack.api_url}chat.postMessage"

        answer = requests.post(address, data=body, headers=headers, timeout=30)

        assert answer.json()["error"] == code
        assert slack.problems

    def test_come_as_json_only_where_slack_reads_it(self, slack, acme):
        ask = {"channel": acme.general.channel_id}

        assert post(slack, "conversations.join", acme.token, json=ask)["ok"]
        assert not slack.problems
        ask = {"user": acme.ada.user_id}
        answer = post(slack, "users.info", acme.token, json=ask)

        assert answer["error"] == "invalid_arguments"
        assert kinds(slack) == ["content_type", "missing_argument"]

    def test_come_as_parts_too(self, slack, acme):
        ask = {"channel": (None, acme.general.channel_id), "text": (None, "hé")}

        answer = post(slack, "chat.postMessage", acme.token, files=ask)

        assert answer["message"]["text"] == "hé"


class TestChannels:
    def test_are_joined_where_public(self, scene, client, slack, acme):
        room = acme.random.channel_id

        assert client.conversations_join(channel=room)["channel"]["is_member"]
        assert scene.write(channel=room)["ok"]
        assert client.conversations_join(channel=room)["warning"]
        assert not slack.problems

    def test_are_posted_to_unjoined_with_the_scope(self, slack):
        acme = sample_workspace(slack, ["chat:write", "chat:write.public"])
        ask = {"channel": acme.random.channel_id, "text": "a"}

        assert post(slack, "chat.postMessage", acme.token, data=ask)["ok"]

    def test_open_to_a_person(self, client, acme):
        opened = client.conversations_open(users=acme.ada.user_id, return_im=True)
        again = client.conversations_open(users=[acme.ada.user_id])

        assert opened["channel"]["user"] == acme.ada.user_id
        assert again["channel"] == {"id": opened["channel"]["id"]}


def test_tells_of_people(client, acme):
    assert client.users_info(user=acme.ada.user_id)["user"]["name"] == "ada"
    with pytest.raises(SlackApiError, match="user_not_found"):
        client.users_info(user="U404")
