"""The table of sentences: whole, distinct, helpful, and in step with Slack's codes."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from emojifier_bot import errors
from emojifier_bot.domain import OutcomeKind
from emojifier_bot.errors import ErrorKind
from emojifier_bot.slack import (
    replies,
    replies_pictures,
    replies_rules,
    replies_slack,
    replies_talk,
)
from emojifier_bot.slack.replies import REPLIES, is_retryable, reply, say
from emojifier_bot.slack.reply import Reply
from tests.fakes.slack.catalogue import METHODS, NOT_IN_REFERENCE, codes

PACKAGE = Path(errors.__file__).parent
#: Every method that the bot calls.
USED = (
    "auth.test",
    "chat.postEphemeral",
    "chat.postMessage",
    "conversations.info",
    "conversations.join",
    "conversations.open",
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
)
#: Kinds of errors that nobody in Slack can meet: files on an operator's machine.
ELSEWHERE = frozenset({"exists", "not_a_file", "not_writable", "unwritable"})
#: What the listeners say beside errors and outcomes.
TALKED_OF = (
    *OutcomeKind,
    "channel_off_elsewhere",
    "channel_switched_off",
    "channel_switched_on",
    "confirm_delete",
    "help",
    "opted_in_now",
    "opted_out_elsewhere",
    "opted_out_now",
    "post_deleted",
)
SLACK_TEXT = 3000
SPOKEN = sorted(kind for kind, row in REPLIES.items() if not row.same_as)


@pytest.mark.parametrize("method", USED)
def test_every_code_of_every_method_in_use_has_a_row(method):
    assert codes(method) - set(REPLIES) == set()


@pytest.mark.parametrize("method", USED)
def test_every_code_of_slacks_own_lists_has_a_row(method, shared_data):
    if method in NOT_IN_REFERENCE:
        pytest.skip("the reference at hand leaves this method out")
    lists = shared_data / "contracts" / "slack" / "slack-api-ref" / "methods"
    listed = json.loads((lists / f"{method}.json").read_text())["errors"]
    assert set(listed) - set(REPLIES) == set()


def test_methods_in_use_are_those_that_the_package_names():
    named = {
        node.value
        for path in (PACKAGE / "slack").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in METHODS
    }
    assert named <= set(USED)


def test_every_error_kind_of_the_package_has_a_row():
    assert set(ErrorKind) - set(REPLIES) - ELSEWHERE == set()


@pytest.mark.parametrize("kind", TALKED_OF)
def test_everything_that_listeners_and_jobs_tell_has_a_row(kind):
    assert kind in REPLIES


def test_no_kind_has_two_rows():
    tables = (
        replies_slack.PLACES,
        replies_slack.PEOPLE,
        replies_slack.FILES,
        replies_slack.INSTALLATION,
        replies_slack.WEATHER,
        replies_slack.WINDOWS,
        replies_slack.REACTIONS,
        replies_slack.OAUTH,
        replies_slack.MISTAKES,
        replies_slack.SAME,
        replies_pictures.ADDRESSES,
        replies_pictures.SLACK_FILES,
        replies_pictures.IMAGES,
        replies_pictures.FACES,
        replies_rules.RULES,
        replies_talk.TALK,
    )
    assert sum(map(len, tables)) == len(REPLIES)


def test_sentences_differ():
    sentences = [REPLIES[kind].sentence for kind in SPOKEN]
    twice = {one for one in sentences if sentences.count(one) > 1}
    # A guess changes only what to do.
    assert twice == {REPLIES["unknown_option"].sentence}
    assert len({say(kind) for kind in SPOKEN}) == len(SPOKEN)


@pytest.mark.parametrize("kind", SPOKEN)
def test_each_says_what_happened_and_what_to_do(kind):
    row = REPLIES[kind]
    for part in (row.sentence, row.next_step):
        assert part[0].isupper() or part[0] in "“*"
        assert part.rstrip()[-1] in ".!👀*"
        assert part == part.strip()


@pytest.mark.parametrize("kind", sorted(REPLIES))
def test_what_is_said_fits_and_has_no_gaps(kind):
    said = say(kind)
    assert 0 < len(said) <= SLACK_TEXT
    assert not {"{", "}"} & set(said)
    assert "None" not in said


@pytest.mark.parametrize(
    "kind", sorted(kind for kind, row in REPLIES.items() if row.same_as)
)
def test_same_as_names_a_row_with_words(kind):
    assert REPLIES[REPLIES[kind].same_as].sentence
    assert say(kind) == say(REPLIES[kind].same_as)


def test_what_may_pass_by_itself():
    assert {kind for kind in REPLIES if is_retryable(kind)} == {
        "fatal_error",
        "file_update_failed",
        "http_status",
        "internal_error",
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "service_unavailable",
        "slack_unavailable",
        "slack_unreachable",
        "team_added_to_org",
        "timeout",
        "unreachable",
    }


@pytest.mark.parametrize(
    ("kind", "facts", "told"),
    [
        ("brand_new_code", {}, "`brand_new_code`"),
        ("<!channel> {x}\n`", {}, "`channelx`"),
        ("", {}, "``"),
        ("not_a_url", {"word": "photo.jpg"}, "“photo.jpg”"),
        ("unknown_option", {"word": "hlep", "guess": ""}, "all that I understand"),
        ("unknown_option", {"word": "hlep", "guess": "help"}, "mean `help`?"),
        ("help", {"themes": "`classic`"}, "(`classic`)"),
        ("not_a_url", {"word": "{code}"}, "“{code}”"),
    ],
)
def test_facts_are_told(kind, facts, told):
    assert told in say(kind, **facts)


def test_an_unknown_kind_is_never_tried_again():
    assert not is_retryable("brand_new_code")
    assert reply("brand_new_code") is REPLIES[replies.UNKNOWN]


@pytest.mark.parametrize(
    "row",
    [{}, {"sentence": "A."}, {"sentence": "A.", "next_step": "B.", "same_as": "c"}],
)
def test_a_row_has_words_or_another_rows(row):
    with pytest.raises(ValueError, match="A reply has words"):
        Reply(**row)


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("channel_not_found", "/invite @emojifier"),
        ("not_in_channel", "/invite @emojifier"),
        ("file_uploads_disabled", "allow uploads"),
        ("missing_scope", "reinstall"),
        ("connect_file", "another organisation"),
        ("external_file", "another service"),
        ("page", "web page"),
        ("private_address", "private network"),
        ("source_gone", "gone"),
    ],
)
def test_the_usual_refusals_name_the_way_out(kind, part):
    assert part in say(kind)
