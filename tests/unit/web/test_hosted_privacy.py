"""What the pages of an installation with a hosted back end say."""

from __future__ import annotations

import pytest

from emojifier_bot.vision.analyzers.hosted_calls import REMEMBERED_SECONDS
from emojifier_bot.vision.analyzers.hosted_picture import SENT_PX
from emojifier_bot.web import replays
from emojifier_bot.web.facts import SiteFacts
from emojifier_bot.web.privacy import privacy_markdown, privacy_sections


def faces_section(facts):
    (section,) = [one for one in privacy_sections(facts, ()) if one.anchor == "faces"]
    return " ".join(section.paragraphs)


def test_the_service_and_what_it_gets_are_named():
    told = faces_section(SiteFacts(face_backend="Amazon Rekognition"))

    assert "“Amazon Rekognition”" in told
    assert "without the camera's notes on place and time" in told
    assert "after a crash a picture may be sent again" in told
    assert f"at most {SENT_PX:,} pixels long" in told
    assert REMEMBERED_SECONDS == 10 * 60
    assert "used again for at most ten minutes" in told


@pytest.mark.parametrize(
    ("backend", "told"), [("local", False), ("Amazon Rekognition", True)]
)
def test_in_short_it_is_said_that_a_copy_leaves(backend, told):
    short = privacy_sections(SiteFacts(face_backend=backend), ())[0]
    sentence = f"A copy of each picture goes to “{backend}”."

    assert any(one.startswith(sentence) for one in short.items) is told


def test_what_the_web_process_remembers_is_told():
    (kept,) = [one for one in privacy_sections(SiteFacts(), ()) if one.anchor == "kept"]
    rows = {row[0]: row[1] for row in kept.rows}

    assert rows["Answers to Slack"].startswith("Ten minutes")
    assert replays.REMEMBERED_SECONDS == 10 * 60
    assert rows["Network addresses of those who open these pages"].startswith(
        "About two minutes"
    )


def test_here_nothing_of_that_is_said():
    told = faces_section(SiteFacts())

    assert "service" not in told
    assert "crash" not in told


def test_the_docs_tell_both():
    text = privacy_markdown(SiteFacts(), ())

    assert "by models of the project's own" in text
    assert "## With a hosted back end" in text
    assert "after a crash a picture may be sent again" in text
