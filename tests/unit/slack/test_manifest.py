from __future__ import annotations

import json
import re
from unittest.mock import MagicMock

import jsonschema
import pytest
from click.testing import CliRunner
from referencing import Registry, Resource
from slack_bolt import App

from emojifier_bot.cli.main import app
from emojifier_bot.slack.listeners import Listeners
from emojifier_bot.slack.manifest import (
    OPTIONAL_SCOPES,
    REQUIRED_SCOPES,
    SCOPES,
    manifest,
)

URL = "https://bot.example.com"
#: What Slack asks for before it sends an event.
SCOPE_OF_EVENT = {
    "app_home_opened": None,
    "app_mention": "app_mentions:read",
    "app_uninstalled": None,
    "message.im": "im:history",
    "reaction_added": "reactions:read",
    "tokens_revoked": None,
}
#: The longest that Slack takes, in characters.
LONGEST = {"name": 35, "description": 140, "long_description": 4000}
#: The shortest long description that its directory takes.
SHORTEST = 175


@pytest.fixture
def validate(shared_data):
    folder = shared_data / "contracts" / "slack" / "manifest-schema"
    schemas = [json.loads(path.read_text()) for path in folder.glob("*schema*.json")]
    version_2 = next(one for one in schemas if "oneOf" not in one)
    registry = Registry().with_resources(
        [(one["$id"], Resource.from_contents(one)) for one in schemas if "$id" in one]
    )
    return jsonschema.Draft7Validator(version_2, registry=registry).validate


@pytest.mark.parametrize("socket_mode", [False, True])
def test_the_manifest_follows_slacks_schema(validate, socket_mode):
    validate(manifest(URL, socket_mode=socket_mode))


def test_the_schema_refuses_what_is_wrong(validate):
    wrong = manifest(URL)
    del wrong["display_information"]["name"]

    with pytest.raises(jsonschema.ValidationError):
        validate(wrong)


def test_every_address_of_the_manifest_is_ours():
    found = json.dumps(manifest(URL + "/"))

    assert found.count(URL) == found.count("https://") == 4
    assert "//slack" not in found


def test_over_socket_mode_nothing_has_an_address():
    found = manifest("", socket_mode=True)

    assert "http" not in json.dumps(found)
    assert found["settings"]["socket_mode_enabled"]
    assert not found["settings"]["token_rotation_enabled"]


def test_one_workspace_behind_https_has_a_token_that_stays():
    found = manifest(URL, one_workspace=True)

    assert not found["settings"]["token_rotation_enabled"]
    assert not found["settings"]["org_deploy_enabled"]
    assert not found["settings"]["socket_mode_enabled"]
    assert "redirect_urls" not in found["oauth_config"]
    assert json.dumps(found).count(URL) == 3


def test_a_deployment_for_everybody():
    settings = manifest(URL)["settings"]

    assert settings["org_deploy_enabled"]
    assert settings["token_rotation_enabled"]
    assert settings["interactivity"]["is_enabled"]
    assert not settings["socket_mode_enabled"]


def test_every_event_has_its_scope_and_no_channel_is_read():
    events = manifest(URL)["settings"]["event_subscriptions"]["bot_events"]

    assert set(events) == set(SCOPE_OF_EVENT)
    needed = {SCOPE_OF_EVENT[one] for one in events} - {None}
    # Without that scope Slack sends no reactions, and the bot does without.
    assert needed - {"reactions:read"} <= set(REQUIRED_SCOPES)
    assert "reactions:read" in OPTIONAL_SCOPES
    histories = {one.name for one in SCOPES if "history" in one.name}
    assert histories == {"im:history"}


def test_scopes_are_required_or_optional_never_both():
    assert len({one.name for one in SCOPES}) == len(SCOPES)
    assert not set(REQUIRED_SCOPES) & set(OPTIONAL_SCOPES)
    assert "commands" in REQUIRED_SCOPES
    assert "channels:join" in OPTIONAL_SCOPES


def test_texts_are_short_enough():
    found = manifest(URL)

    for name, most in LONGEST.items():
        assert len(found["display_information"][name]) <= most
    assert all(len(one["name"]) <= 24 for one in found["features"]["shortcuts"])


def test_what_slacks_directory_asks_for():
    shown = manifest(URL)["display_information"]

    assert len(shown["long_description"]) >= SHORTEST
    assert re.fullmatch(r"#[0-9a-f]{6}", shown["background_color"])


@pytest.mark.parametrize(
    ("name", "bot_name"),
    [
        ("Emojifier Bot", "emojifier"),
        ("Smile & Co.", "smile-co"),
        ("笑脸", "emojifier"),
    ],
)
def test_another_name_and_another_command(validate, name, bot_name):
    found = manifest(URL, command="/faces", name=name)

    validate(found)
    assert found["display_information"]["name"] == name
    assert found["features"]["bot_user"]["display_name"] == bot_name
    assert [one["command"] for one in found["features"]["slash_commands"]] == ["/faces"]
    assert "/faces" in found["display_information"]["long_description"]
    assert "/emojify" not in json.dumps(found)


def test_every_listener_of_a_shortcut_is_in_the_manifest():
    app = MagicMock(spec=App)
    Listeners(MagicMock(), MagicMock()).register(app)

    listened = [call.args[0] for call in app.message_shortcut.call_args_list]
    offered = [one["callback_id"] for one in manifest(URL)["features"]["shortcuts"]]
    assert listened == offered


def test_the_command_prints_it():
    done = CliRunner().invoke(app, ["manifest", "--url", URL])

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == manifest(URL)


def test_the_command_takes_the_address_of_the_settings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUBLIC_URL", URL)

    done = CliRunner().invoke(app, ["manifest"])

    assert json.loads(done.stdout) == manifest(URL)


def test_the_command_takes_names_and_its_own_from_the_settings(monkeypatch):
    monkeypatch.setenv("SLACK_COMMAND", "/faces")
    named = ["manifest", "--socket-mode", "--name", "Smile"]

    for more, command in ([], "/faces"), (["--command", "/grin"], "/grin"):
        done = CliRunner().invoke(app, [*named, *more])
        expected = manifest("", socket_mode=True, command=command, name="Smile")
        assert json.loads(done.stdout) == expected


@pytest.mark.parametrize(
    "wrong",
    [["--command", "faces"], ["--command", "/Fa ces"], ["--name", "x" * 36]],
)
def test_the_command_wants_names_that_slack_takes(wrong):
    done = CliRunner().invoke(app, ["manifest", "--socket-mode", *wrong])

    assert done.exit_code == 2
    assert wrong[0] in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--url", "http://bot.example.com"]])
def test_the_command_wants_an_https_address(arguments, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(app, ["manifest", *arguments])

    assert done.exit_code == 2
    assert "https://" in done.stderr
    assert "--socket-mode" in done.stderr


def test_the_command_needs_no_address_over_socket_mode(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(app, ["manifest", "--socket-mode"])

    assert json.loads(done.stdout) == manifest("", socket_mode=True)
