"""What the pages of an installation with a hosted back end say."""

from __future__ import annotations

from emojifier_bot.web.facts import SiteFacts
from emojifier_bot.web.privacy import privacy_markdown, privacy_sections


def faces_section(facts):
    (section,) = [one for one in privacy_sections(facts, ()) if one.anchor == "faces"]
    return " ".join(section.paragraphs)


def test_the_service_and_what_it_gets_are_named():
    told = faces_section(SiteFacts(face_backend="Amazon Rekognition"))

    assert "“Amazon Rekognition”" in told
    assert "without the camera's notes on place and time" in told
    assert "after a crash it may be sent again" in told


def test_here_nothing_of_that_is_said():
    told = faces_section(SiteFacts())

    assert "service" not in told
    assert "crash" not in told


def test_the_docs_tell_both():
    text = privacy_markdown(SiteFacts(), ())

    assert "by models of the project's own" in text
    assert "## With a hosted back end" in text
    assert "after a crash it may be sent again" in text
