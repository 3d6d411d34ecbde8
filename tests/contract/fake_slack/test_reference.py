"""The fake Slack keeps to Slack's own reference, where that lies at hand."""

import json

import pytest
from slack_sdk import WebClient

from tests.contract.fake_slack.scene import PNG
from tests.fakes.slack import Message, SlackUser, api, payloads, sample_workspace
from tests.fakes.slack.catalogue import METHODS, NOT_IN_REFERENCE

KNOWN = sorted(METHODS.keys() - NOT_IN_REFERENCE)
SHORTCUT = "app-backend/MessageShortcutPayload"
#: What Slack says of a forwarded message beyond the shapes at hand.
FORWARDED = {"is_share", "message_blocks", "attachments"}
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


@pytest.mark.parametrize("method", KNOWN)
def test_each_is_slacks(reference, method):
    mine = METHODS[method]
    found = read(reference / "docs", method)

    assert mine.codes == read(reference / "methods", method)["errors"].keys()
    assert mine.arguments.keys() == found["args"]["properties"].keys() - {"token"}
    assert mine.required == set(found["args"].get("required", [])) - {"token"}
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
    return sample_workspace(slack, enterprise_id="E1")


def test_answers_have_slacks_shapes(slack, acme, shapes):
    client = WebClient(acme.token, base_url=slack.api_url)
    room, ada = acme.general.channel_id, acme.ada.user_id
    person = SlackUser(slack, acme.workspace, acme.ada, slack.url)
    file_id = person.post_image(room, PNG).file_ids[0]
    answers = {
        "auth.test": client.auth_test(),
        "conversations.join": client.conversations_join(channel=room),
        "chat.postEphemeral": client.chat_postEphemeral(
            channel=room, user=ada, text="a"
        ),
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


def test_forwarded_messages_have_slacks_shape(slack, acme, shapes):
    person = SlackUser(slack, acme.workspace, acme.ada, slack.url)
    original = person.post_image(acme.general.channel_id, PNG)
    nested = person.forward(acme.random.channel_id, original)
    message = person.forward(acme.general.channel_id, nested)
    scene = payloads.Scene(slack.world, acme.workspace, acme.ada)

    sent = payloads.shortcut(scene, message, "a")

    unknown = unknown_keys(sent["message"], shapes(SHORTCUT)["message"])
    assert {path.rpartition("/")[2] for path in unknown} <= FORWARDED


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
        "events/AppUninstalledPayload": payloads.app_gone(
            scene, {"type": "app_uninstalled"}
        ),
    }
    # A direct message without files has a shape of its own.
    for name in ("team", "bot_id", "app_id"):
        sent["events/MessageFileSharePayload"]["event"].pop(name, None)

    unknown = {name: unknown_keys(body, shapes(name)) for name, body in sent.items()}

    assert {name: keys for name, keys in unknown.items() if keys} == {}
