"""The table of messages: complete, distinct, helpful, in step with Slack's codes."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path

import pytest

import emojifier_bot
from emojifier_bot import slack
from emojifier_bot.domain import NotPosted, Outcome, OutcomeKind
from emojifier_bot.errors import ErrorKind
from emojifier_bot.slack.messages import (
    MESSAGES,
    PATH,
    UNKNOWN,
    is_retryable,
    render_message,
    render_outcome,
)
from tests.fakes.slack.catalogue import METHODS, NOT_IN_REFERENCE, codes

#: Every method that the bot calls.
USED = (
    "auth.test",
    "chat.delete",
    "chat.postEphemeral",
    "chat.postMessage",
    "chat.update",
    "conversations.history",
    "conversations.join",
    "conversations.open",
    "conversations.replies",
    "files.completeUploadExternal",
    "files.delete",
    "files.getUploadURLExternal",
    "files.info",
    "files.list",
    "oauth.v2.access",
    "reactions.add",
    "reactions.remove",
    "users.info",
    "views.open",
    "views.publish",
    "views.update",
)
#: Calls whose refusal nobody hears of: a line that says how far a clip is.
UNHEARD = ("chat.update",)
#: Kinds of errors that nobody in Slack can meet: files on an operator's machine.
ELSEWHERE = {"exists", "not_a_file", "not_writable", "unwritable"}
MAX_TEXT = 3000
#: What `chat.postEphemeral` takes.
MAX_EPHEMERAL = 4000
GROUPS = tomllib.loads(PATH.read_text())
ENTRIES = {
    kind: MESSAGES[kind] for entries in GROUPS.values() for kind in sorted(entries)
}


#: The tables whose messages are about errors and outcomes of the bot's own.
OWN = ("conversation", "policy", "faces", "pictures", "addresses", "slack_files")


def nodes(package: str) -> list[ast.AST]:
    """Return the syntax of all code of a package."""
    files = Path(package).rglob("*.py")
    return [one for file in files for one in ast.walk(ast.parse(file.read_text()))]


def constants() -> set[str]:
    """Return every text that stands in the code of `emojifier_bot.slack`."""
    found = (one for one in nodes(slack.__path__[0]) if isinstance(one, ast.Constant))
    return {one.value for one in found if isinstance(one.value, str)}


@pytest.mark.parametrize("method", USED)
def test_every_code_of_every_method_in_use_has_a_message(method):
    assert codes(method) - set(MESSAGES) == set()


@pytest.mark.parametrize("method", USED)
def test_every_code_in_slacks_own_reference_has_a_message(method, shared_data):
    if method in NOT_IN_REFERENCE:
        pytest.skip("the reference at hand leaves this method out")
    lists = shared_data / "contracts" / "slack" / "slack-api-ref" / "methods"
    listed = json.loads((lists / f"{method}.json").read_text())["errors"]
    assert set(listed) - set(MESSAGES) == set()


def test_the_methods_in_use_are_those_that_the_code_names():
    assert constants() & set(METHODS) <= {*USED, *UNHEARD}


def test_every_kind_of_error_and_outcome_has_a_message():
    assert {*ErrorKind, *OutcomeKind} - set(MESSAGES) == ELSEWHERE


def test_every_message_of_the_bots_own_is_used():
    entries = [entry for group in OWN for entry in GROUPS[group].items()]
    own = {one for kind, more in entries for one in (kind, *more.get("aliases", ()))}
    code = nodes(emojifier_bot.__path__[0])
    attributes = {one.attr for one in code if isinstance(one, ast.Attribute)}
    kinds = {one for one in (*ErrorKind, *OutcomeKind) if one.name in attributes}
    assert own - constants() - kinds == set()


def test_no_kind_has_two_messages():
    kinds = [
        one
        for entries in GROUPS.values()
        for kind, entry in entries.items()
        for one in (kind, *entry.get("aliases", ()))
    ]
    assert len(kinds) == len(set(kinds)) == len(MESSAGES)


def test_messages_differ():
    sentences = [one.sentence for one in ENTRIES.values()]
    twice = {one for one in sentences if sentences.count(one) > 1}
    # A guess changes only what to do.
    assert twice == {MESSAGES["unknown_option"].sentence}
    assert len({render_message(kind) for kind in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize("kind", ENTRIES)
def test_each_says_what_happened_and_what_to_do_without_gaps(kind):
    message = MESSAGES[kind]
    for part in filter(None, (message.sentence, message.next_step, message.elsewhere)):
        assert part[0].isupper() or part[0] in "“*"
        assert part[-1] in ".!?👀*"
        assert part == part.strip()
    text = render_message(kind)
    assert len(text) <= MAX_TEXT
    assert not {"{", "}"} & set(text)
    assert "None" not in text


def test_an_alias_has_the_message_of_its_entry():
    for kind, message in ENTRIES.items():
        for alias in message.aliases:
            assert render_message(alias) == render_message(kind)


def test_which_requests_may_succeed_later_by_themselves():
    assert {kind for kind in MESSAGES if is_retryable(kind)} == {
        "fatal_error",
        "file_update_failed",
        "http_status",
        "internal_error",
        "proxy",
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "service_unavailable",
        "slack_unavailable",
        "slack_unreachable",
        "team_added_to_org",
        "timeout",
        "unreachable",
        "update_failed",
    }


@pytest.mark.parametrize(
    ("kind", "facts", "part"),
    [
        ("brand_new_code", {}, "`brand_new_code`"),
        ("<!channel> {x}\n`", {}, "`channelx`"),
        ("", {}, "``"),
        ("not_a_url", {"word": "photo.jpg"}, "“photo.jpg”"),
        ("unknown_option", {"word": "hlep", "guess": ""}, "everything that I"),
        ("unknown_option", {"word": "hlep", "guess": "help"}, "mean `help`?"),
        ("help", {"themes": "`classic`"}, "(`classic`)"),
        ("not_a_url", {"word": "{code}"}, "“{code}”"),
        ("confirm_delete", {}, "30 days"),
        # The usual refusals name the way out.
        ("channel_not_found", {}, "`/invite` @emojifier"),
        ("not_in_channel", {"bot": "<@UBOT>"}, "`/invite` <@UBOT>"),
        ("channel_off", {"command": "/faces"}, "`/faces on`"),
        ("file_uploads_disabled", {}, "allow uploads"),
        ("missing_scope", {}, "reinstall"),
        ("connect_file", {}, "another organisation"),
        ("external_file", {}, "another service"),
        ("page", {}, "web page"),
        ("private_address", {}, "private network"),
        ("source_gone", {}, "deleted"),
        ("source_not_seen", {}, "`/invite` @emojifier"),
        ("accepted", {}, "the result in this conversation"),
        ("accepted", {"place": "a thread", "results": "both"}, "both in a thread"),
        ("no_image_file", {}, "BMP or ICO"),
        ("too_long", {}, "8,000 characters"),
    ],
)
def test_a_message_holds_facts_and_the_way_out(kind, facts, part):
    assert part in render_message(kind, **facts)


@pytest.mark.parametrize("name", ["/emojify", "emojifier", "Emojifier"])
def test_no_text_names_what_a_workspace_may_call_otherwise(name):
    texts = PATH.read_text().replace("emojifier-bot check", "")
    assert name not in texts


@pytest.mark.parametrize("kind", ENTRIES)
def test_nobody_is_told_to_invite_where_nobody_can(kind):
    said = render_outcome(Outcome(kind), {}, elsewhere=True)
    assert "/invite" not in said
    assert (said == render_message(kind)) == (not MESSAGES[kind].elsewhere)


def test_an_unknown_kind_is_generic_and_never_tried_again():
    generic = render_message(UNKNOWN).replace(UNKNOWN, "brand_new_code")
    assert render_message("brand_new_code") == generic
    assert not is_retryable("brand_new_code")


def test_of_several_pictures_each_reason_is_said_once_with_its_pictures():
    missing = (
        NotPosted("no_face", 1, "a.png"),
        NotPosted("too_large", 2, "`*b*`.png"),
        NotPosted("no_face", 4, "<!channel>.png"),
        NotPosted("no_face", 5),
    )
    facts = {"posted": "1", "pictures": "5"}

    said = render_outcome(Outcome("several", facts, missing), {}, elsewhere=False)

    head, no_face, too_large = said.split("\n")
    assert head.startswith("I posted 1 of 5 pictures.")
    assert no_face == (
        "• “a.png”, “&lt;!channel&gt;.png” and picture 5, each: "
        + render_message("no_face")
    )
    assert too_large == "• “b.png”: " + render_message("too_large")


def test_of_several_pictures_none_is_no_number():
    missing = (NotPosted("no_face", 1), NotPosted("no_face", 2))
    facts = {"posted": "0", "pictures": "2"}

    said = render_outcome(Outcome("several", facts, missing), {}, elsewhere=False)

    assert said.startswith("I could post none of the 2 pictures.")
    assert "picture 1 and picture 2, each: " in said


def test_what_is_said_of_many_pictures_fits_into_one_message():
    kinds = sorted(MESSAGES, key=lambda kind: len(render_message(kind)))[-20:]
    missing = tuple(NotPosted(k, n, "x" * 200) for n, k in enumerate(kinds, start=1))

    said = render_outcome(Outcome("several", {}, missing), {}, elsewhere=False)

    assert len(said) <= MAX_EPHEMERAL
