"""The fake Slack keeps to Slack's own reference, where that lies at hand."""

from __future__ import annotations

import json

import pytest
from slack_sdk import WebClient

from tests.contract.fake_slack.scene import PNG
from tests.fakes.slack import Message, SlackUser, api, payloads, sample_workspace
from tests.fakes.slack.catalogue import (
    EVERYWHERE_CODES,
    METHODS,
    NOT_IN_REFERENCE,
    all_codes,
    codes,
)

KNOWN = sorted(METHODS.keys() - NOT_IN_REFERENCE)
#: Fields of Slack's that the blanked shapes leave out.
BEYOND_SHAPES = {"files", "context_team_id", "context_enterprise_id"}


@pytest.fixture(scope="module")
def reference(shared_data):
    return shared_data / "contracts" / "slack" / "slack-api-ref"


@pytest.fixture(scope="module")
def shapes(shared_data):
    folder = shared_data / "contracts" / "slack" / "java-slack-sdk"

    def read(name):
        return json.loads((folder / f"{name}.json").read_text())

    return read


def read(folder, method):
    return json.loads((folder / f"{method}.json").read_text())


def test_every_method_is_served():
    assert api.HANDLERS.keys() == METHODS.keys()


def test_codes_are_asked_for_by_method():
    assert codes("auth.test") < all_codes() == all_codes(*METHODS)
    assert codes("auth.test") >= EVERYWHERE_CODES


@pytest.mark.parametrize("method", KNOWN)
def test_codes_are_slacks(reference, method):
    found = read(reference / "methods", method)
    assert METHODS[method].codes == found["errors"].keys()


@pytest.mark.parametrize("method", KNOWN)
def test_arguments_are_slacks(reference, method):
    found = read(reference / "docs", method)["args"]
    mine = METHODS[method]

    assert mine.arguments.keys() == found["properties"].keys() - {"token"}
    assert mine.required == set(found.get("required", [])) - {"token"}


@pytest.mark.parametrize("method", KNOWN)
def test_ways_in_are_slacks(reference, method):
    found = read(reference / "docs", method)
    mine = METHODS[method]

    assert mine.reads_json == found.get("json_input_supported", False)
    assert mine.scopes == set(found["scope"].get("bot", []))


def unknown_keys(mine, theirs, where=""):
    """Return the keys that a shape has not, by their paths."""
    if isinstance(mine, list) and isinstance(theirs, list):
        parts = [unknown_keys(one, theirs[0], where) for one in mine if theirs]
        return [path for found in parts for path in found]
    if not (isinstance(mine, dict) and isinstance(theirs, dict)):
        return []
    found = [f"{where}/{key}" for key in mine if key not in theirs]
    for key in mine.keys() & theirs.keys():
        # Keyed by channel, by name, or free in form.
        if key not in {"public", "private", "emoji", "blocks", "state", "message"}:
            found += unknown_keys(mine[key], theirs[key], f"{where}/{key}")
    return [path for path in found if path.rpartition("/")[2] not in BEYOND_SHAPES]


@pytest.fixture
def acme(slack):
    extra = ("channels:read", "users:read", "team:read")
    return sample_workspace(slack, slack.app.scopes + extra, enterprise_id="E1")


def test_answers_have_slacks_shapes(slack, acme, shapes):
    client = WebClient(acme.token, base_url=slack.api_url)
    room, ada = acme.general.channel_id, acme.ada.user_id
    person = SlackUser(slack, acme.workspace, acme.ada, slack.url)
    file_id = person.post_image(room, PNG).file_ids[0]
    answers = {
        "auth.test": client.auth_test(),
        "conversations.info": client.conversations_info(channel=room),
        "conversations.join": client.conversations_join(channel=room),
        "chat.postEphemeral": client.chat_postEphemeral(
            channel=room, user=ada, text="a"
        ),
        "emoji.list": client.emoji_list(),
        "files.getUploadURLExternal": client.files_getUploadURLExternal(
            filename="a.png", length=1
        ),
        "files.info": client.files_info(file=file_id),
        "users.info": client.users_info(user=ada),
    }

    unknown = {
        method: unknown_keys(answer.data, shapes(f"api/{method}"))
        for method, answer in answers.items()
    }

    assert {method: keys for method, keys in unknown.items() if keys} == {}


def test_requests_have_slacks_shapes(slack, acme, shapes):
    scene = payloads.Scene(slack.world, acme.workspace, acme.ada)
    room = acme.general.channel_id
    button = {
        "type": "button",
        "text": {"type": "plain_text", "text": "Delete"},
        "action_id": "a",
    }
    blocks = [{"type": "actions", "elements": [button]}]
    bot = acme.workspace.bot_user_id
    message = Message(room, slack.world.new_ts(), bot, text="a", blocks=blocks)
    sent = {
        "app-backend/SlashCommandPayload": payloads.command(scene, room, "/a", ""),
        "app-backend/MessageShortcutPayload": payloads.shortcut(scene, message, "a"),
        "app-backend/BlockActionPayload": payloads.press(scene, message, "a"),
        "events/AppMentionPayload": payloads.mention(scene, message, with_files=True),
        "events/MessageFileSharePayload": payloads.direct_message(scene, message),
        "events/AppHomeOpenedPayload": payloads.home_opened(scene, room, "home"),
        "events/AppUninstalledPayload": payloads.app_gone(
            scene, {"type": "app_uninstalled"}
        ),
    }
    # A direct message without files has a shape of its own.
    for name in ("team", "bot_id", "app_id"):
        sent["events/MessageFileSharePayload"]["event"].pop(name, None)

    unknown = {name: unknown_keys(body, shapes(name)) for name, body in sent.items()}

    assert {name: keys for name, keys in unknown.items() if keys} == {}
