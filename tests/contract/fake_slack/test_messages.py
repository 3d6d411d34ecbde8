"""The fake Slack's messages: threads, blocks, reactions, modals, response URLs."""

import json

import pytest
import requests
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from tests.contract.fake_slack.scene import PNG, kinds, post
from tests.fakes.slack import SlackUser, sample_workspace
from tests.fakes.slack.blocks import wrong_blocks, wrong_view
from tests.fakes.slack.posting import new_trigger
from tests.fakes.slack.responses import new_response_url
from tests.fakes.slack.shapes import message_json, message_permalink

SLACK_FILE = {"type": "image", "slack_file": {"id": "F1"}, "alt_text": "a"}


def plain(text):
    return {"type": "plain_text", "text": text}


def section(text, **more):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(text="Delete", **more):
    return {"type": "button", "text": plain(text), "action_id": "a", **more}


def actions(*elements, **more):
    return {"type": "actions", "elements": list(elements), **more}


def confirm(**more):
    parts = {"title": "Sure?", "text": "It goes.", "confirm": "Yes", "deny": "No"}
    return {name: plain(text) for name, text in (parts | more).items()}


class TestMessages:
    def test_are_written_and_deleted(self, client, slack, acme):
        room = acme.general.channel_id
        sent = client.chat_postMessage(channel=room, text="a", blocks=[section("b")])
        [shown] = slack.messages(room)

        assert sent["message"]["bot_id"] == acme.workspace.bot_id
        assert (shown.text, shown.blocks) == ("a", [section("b")])
        client.chat_delete(channel=room, ts=sent["ts"])
        assert slack.messages(room) == []

    def test_say_something(self, scene):
        with (
            pytest.raises(SlackApiError, match="no_text"),
            pytest.warns(UserWarning, match="text"),
        ):
            scene.write(text="")

    def test_go_to_a_person(self, scene, acme):
        assert scene.write(channel=acme.ada.user_id)["channel"].startswith("D")

    def test_are_for_one_alone(self, scene, slack, acme):
        scene.whisper()

        assert slack.told(acme.ada.user_id) == ["psst"]
        assert slack.told(acme.bob.user_id) == slack.messages() == []


class TestBlocks:
    @pytest.mark.parametrize(
        "blocks",
        [
            [],
            [section("a" * 3000)],
            [section("a")] * 50,
            [section("a", accessory=button())],
            [section("a", block_id="b"), {"type": "divider"}],
            [{"type": "section", "fields": [plain("a")] * 10}],
            [{"type": "header", "text": plain("a" * 150)}],
            [{"type": "context", "elements": [plain("a"), section("b")["text"]]}],
            [actions(button("a" * 75, value="v" * 2000, style="danger"))],
            [actions(button(confirm=confirm()), button(action_id="b"))],
            [{"type": "image", "image_url": "https://a.example/a", "alt_text": "a"}],
        ],
    )
    def test_are_fine(self, blocks):
        assert wrong_blocks(blocks) == []

    @pytest.mark.parametrize(
        "blocks",
        [
            None,
            {},
            ["a"],
            [{}],
            [{"type": "button"}],
            [{"type": "section"}],
            [section("")],
            [section("a" * 3001)],
            [section("a")] * 51,
            [section("a", color="red")],
            [section("a", block_id="b"), section("c", block_id="b")],
            [section("a", block_id="b" * 256)],
            [{"type": "section", "text": "a"}],
            [{"type": "section", "text": {"type": "html", "text": "a"}}],
            [{"type": "section", "fields": [plain("a")] * 11}],
            [{"type": "header", "text": section("a")["text"]}],
            [{"type": "context", "elements": []}],
            [{"type": "context", "elements": [plain("a")] * 11}],
            [actions()],
            [actions(*[button(action_id=str(n)) for n in range(26)])],
            [actions(button(), button())],
            [actions(button("a" * 76))],
            [actions(button(value="v" * 2001))],
            [actions(button(url="u" * 3001))],
            [actions(button(action_id="a" * 256))],
            [actions(button(style="green"))],
            [actions(button(colour="green"))],
            [actions({"type": "slider"})],
            [actions(button(confirm={}))],
            [actions(button(confirm=confirm(title="t" * 101)))],
            [actions(button(confirm=confirm(text="t" * 301)))],
            [actions(button(confirm=confirm(deny="t" * 31)))],
            [{"type": "image", "alt_text": "a"}],
            [{"type": "image", "image_url": "https://a.example/a"}],
            [{"type": "image", "image_url": "u" * 3001, "alt_text": "a"}],
            [{"type": "image", "image_url": "u", "alt_text": "a" * 2001}],
            [SLACK_FILE],
        ],
    )
    def test_break_a_rule(self, blocks):
        assert wrong_blocks(blocks)

    @pytest.mark.parametrize(
        ("blocks", "code"),
        [("{", "invalid_blocks_format"), ('[{"type": "a"}]', "invalid_blocks")],
    )
    def test_are_refused(self, slack, acme, blocks, code):
        ask = {"channel": acme.general.channel_id, "blocks": blocks}

        answer = post(slack, "chat.postMessage", acme.token, data=ask)

        assert answer["error"] == code
        assert kinds(slack) == ["invalid_blocks"]


def test_reactions_come_and_go(scene, client, slack):
    what = scene.reaction()

    client.reactions_add(**what)
    assert list(slack.messages()[0].reactions) == ["eyes"]
    client.reactions_remove(**what)
    assert slack.messages()[0].reactions == {}


class TestViews:
    modal = {"type": "modal", "title": plain("Delete?"), "blocks": [section("a")]}  # noqa: RUF012 - nobody changes it

    def test_open_for_whoever_pressed(self, client, slack, acme):
        trigger = new_trigger(slack.world, acme.ada.user_id)

        view = client.views_open(trigger_id=trigger, view=self.modal)["view"]

        assert slack.world.views[view["id"]].user_id == acme.ada.user_id

    @pytest.mark.parametrize(
        "wrong",
        [
            {"type": "home"},
            {"title": plain("t" * 25)},
            {"title": None},
            {"submit": plain("t" * 25)},
            {"private_metadata": "m" * 3001},
            {"callback_id": "c" * 256},
            {"blocks": [section("a")] * 101},
            {"blocks": "a"},
            {"colour": "red"},
            {"blocks": [{"type": "input", "label": plain("a"), "element": button()}]},
        ],
    )
    def test_break_a_rule(self, client, slack, acme, wrong):
        trigger = new_trigger(slack.world, acme.ada.user_id)
        assert wrong_view(self.modal, "modal") == []

        with pytest.raises(SlackApiError, match="invalid_arguments"):
            client.views_open(trigger_id=trigger, view=self.modal | wrong)
        assert kinds(slack) == ["invalid_view"]

    def test_change_while_they_are_open(self, client, slack, acme):
        trigger = new_trigger(slack.world, acme.ada.user_id)
        opened = client.views_open(trigger_id=trigger, view=self.modal)["view"]
        changed = self.modal | {"blocks": [section("b")]}

        client.views_update(view_id=opened["id"], view=changed)
        assert slack.world.views[opened["id"]].body == changed
        shown = {"type": "image", "alt_text": "a", "slack_file": {"id": "F0"}}
        unknown = self.modal | {"blocks": [shown]}
        with pytest.raises(SlackApiError, match="invalid_arguments"):
            client.views_update(view_id=opened["id"], view=unknown)
        slack.world.views.pop(opened["id"])
        with pytest.raises(SlackApiError, match="not_found"):
            client.views_update(view_id=opened["id"], view=changed)

    def test_change_only_from_the_state_that_is_named(self, client, slack, acme):
        trigger = new_trigger(slack.world, acme.ada.user_id)
        opened = client.views_open(trigger_id=trigger, view=self.modal)["view"]
        named = {"view_id": opened["id"], "hash": opened["hash"]}

        changed = client.views_update(view=self.modal, **named)["view"]
        with pytest.raises(SlackApiError, match="hash_conflict"):
            client.views_update(view=self.modal, **named)
        client.views_update(view=self.modal, **named | {"hash": changed["hash"]})

    def test_have_250_kb_at_most(self, client, slack, acme):
        trigger = new_trigger(slack.world, acme.ada.user_id)
        large = self.modal | {"blocks": [section("a" * 2900)] * 90}

        with pytest.raises(SlackApiError, match="view_too_large"):
            client.views_open(trigger_id=trigger, view=large)
        fits = self.modal | {"blocks": large["blocks"][:80]}
        client.views_open(trigger_id=trigger, view=fits)

    def test_fill_a_home(self, client, slack, acme):
        home = {"type": "home", "blocks": [section("Hello")]}
        client.views_publish(user_id=acme.ada.user_id, view=home)
        assert slack.world.views[f"home-{acme.ada.user_id}"].body == home


class TestResponseUrls:
    @pytest.fixture
    def url(self, slack, acme):
        return new_response_url(slack.world, acme.general.channel_id, acme.ada.user_id)

    def test_answer_five_times(self, slack, acme, url):
        hook = WebhookClient(url)
        answers = [hook.send(text=str(number)) for number in range(6)]

        assert [one.status_code for one in answers] == [200] * 5 + [404]
        assert json.loads(answers[-1].body)["error"] == "used_url"
        assert slack.told(acme.ada.user_id) == list("01234")
        assert kinds(slack) == ["response_url"]

    def test_answer_for_half_an_hour(self, slack, url, times):
        times[0] += 30 * 60
        assert WebhookClient(url).send(text="a").status_code == 200
        times[0] += 1
        late = WebhookClient(url).send(text="a")

        error = json.loads(late.body)["error"]
        assert (late.status_code, error) == (404, "expired_url")
        assert not slack.problems

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({}, "no_text"),
            ({"text": "a", "files": []}, "invalid_payload"),
            ({"text": "a", "response_type": "secret"}, "invalid_payload"),
            ({"blocks": [{"type": "a"}]}, "invalid_blocks"),
            ({"blocks": [SLACK_FILE]}, "invalid_blocks"),
        ],
    )
    def test_take_messages_only(self, slack, url, body, error):
        answer = requests.post(url, json=body, timeout=30)

        assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert kinds(slack) == ["response_url"]

    def test_take_no_bytes(self, url):
        answer = requests.post(url, data=b"\x89PNG", timeout=30)
        assert answer.json()["error"] == "invalid_payload"

    def test_write_to_everybody(self, slack, url):
        WebhookClient(url).send(text="a", response_type="in_channel")
        assert [one.text for one in slack.bot_messages()] == ["a"]

    def test_replace_the_message_they_came_from(self, client, slack, acme):
        room = acme.general.channel_id
        ts = client.chat_postMessage(channel=room, text="a")["ts"]
        url = new_response_url(slack.world, room, acme.ada.user_id, ts)

        WebhookClient(url).send(text="b", replace_original=True)
        assert [one.text for one in slack.messages()] == ["b"]
        WebhookClient(url).send(delete_original=True)
        assert slack.messages() == []
        assert not slack.problems


class TestReplies:
    def read(self, slack, token, **ask):
        return post(slack, "conversations.replies", token, data=ask)

    @pytest.fixture
    def acme(self, slack):
        return sample_workspace(slack, ["im:history"])

    @pytest.fixture
    def direct(self, slack, acme):
        return slack.world.direct_message(acme.workspace, acme.ada.user_id).channel_id

    @pytest.fixture
    def ada(self, slack, acme):
        return SlackUser(slack, acme.workspace, acme.ada, slack.url)

    def test_come_in_pages_the_first_message_always(self, slack, acme, ada, direct):
        top = ada.write(direct, "top")
        stamps = [ada.write(direct, "reply", top.ts).ts for _ in range(3)]
        ada.write(direct, "elsewhere")

        whole = self.read(slack, acme.token, channel=direct, ts=top.ts)
        assert [one["ts"] for one in whole["messages"]] == [top.ts, *stamps]
        one = self.read(
            slack,
            acme.token,
            channel=direct,
            ts=top.ts,
            oldest=stamps[1],
            latest=stamps[1],
            inclusive="true",
        )
        assert [said["ts"] for said in one["messages"]] == [top.ts, stamps[1]]
        page = self.read(slack, acme.token, channel=direct, ts=top.ts, limit=3)
        assert (len(page["messages"]), page["has_more"]) == (3, True)
        cursor = page["response_metadata"]["next_cursor"]
        rest = self.read(slack, acme.token, channel=direct, ts=top.ts, cursor=cursor)
        assert [one["ts"] for one in rest["messages"]] == stamps[-1:]
        assert not slack.problems

    def test_are_refused_by_kind_of_conversation(self, slack, acme, ada, direct):
        room = acme.general.channel_id
        message = ada.write(room, "hi")

        errors = [
            self.read(slack, acme.token, channel=room, ts=message.ts)["error"],
            self.read(slack, acme.token, channel="D404", ts=message.ts)["error"],
            self.read(slack, acme.token, channel=direct, ts="1.2")["error"],
        ]

        wanted = ["missing_scope", "channel_not_found", "thread_not_found"]
        assert errors == wanted


class TestWhatPeopleDo:
    def test_a_forwarded_message_shows_files_that_stay_where_they_are(
        self, slack, acme
    ):
        ada = SlackUser(slack, acme.workspace, acme.ada, slack.url)
        original = ada.post_image(acme.general.channel_id, PNG, text="look")

        message = ada.forward(acme.random.channel_id, original)

        [forwarded] = message_json(slack.world, message)["attachments"]
        assert forwarded["author_id"] == acme.ada.user_id
        assert [one["id"] for one in forwarded["files"]] == original.file_ids
        assert forwarded["from_url"] == message_permalink(slack.world, original)
        file = slack.world.files[original.file_ids[0]]
        rooms = [share.channel_id for share in file.shares]
        assert rooms == [acme.general.channel_id]

    def test_a_file_that_is_hidden_by_the_limit(self, slack, acme, client):
        ada = SlackUser(slack, acme.workspace, acme.ada, slack.url)
        more = {"mode": "hidden_by_limit"}
        message = ada.post_image(acme.general.channel_id, PNG, more=more)

        [file] = message_json(slack.world, message)["files"]
        assert file == {"id": message.file_ids[0], "mode": "hidden_by_limit"}
        assert client.files_info(file=file["id"])["file"]["mode"] == "hidden_by_limit"
