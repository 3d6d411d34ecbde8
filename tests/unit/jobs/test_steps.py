from __future__ import annotations

from dataclasses import replace

import pytest

from emojifier_bot.domain import Entrypoint, ImageReference, Post, Share, ShareState
from emojifier_bot.errors import DeliveryError
from emojifier_bot.jobs.names import surprise_seed
from emojifier_bot.jobs.parts import WorkerParts
from emojifier_bot.jobs.steps import (
    JobSteps,
    Places,
    request_for,
    share_from_dict,
)
from emojifier_bot.vision.alt_text import MAX_ALT_TEXT_CHARACTERS
from tests.fakes.clock import FakeClock
from tests.fakes.image_source import FakeImageSource
from tests.fakes.pipeline import fake_pipeline
from tests.fakes.reply_sink import FakeReplySink
from tests.fakes.stores import FakePostLog
from tests.jobs_rig import PICTURES, WORKSPACE, make_request

F1 = ImageReference(file_id="F1")


class OpenFence:
    """A `Fence` that nobody is kept out by."""

    def check(self) -> None:
        pass

    def confirm(self) -> None:
        pass


class NotedPipeline:
    """A pipeline that remembers what was wished for."""

    def __init__(self) -> None:
        self.options = []

    def run(self, data, options):
        self.options.append(options)
        return fake_pipeline().run(data, options)


def make_steps(tmp_path, pipeline=None, name="party.png"):
    parts = WorkerParts(
        FakeImageSource(PICTURES, name=name),
        FakeReplySink(tmp_path),
        FakePostLog(),
        lambda _: pipeline or fake_pipeline(),
        FakeClock(),
    )
    return JobSteps(parts, OpenFence(), Places(1))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "picture"),
        (".", "picture"),
        ("party.jpg", "party"),
        ("my.party.jpeg", "my.party"),
        ("Grüße aus Köln.heic", "Grüße aus Köln"),
        ("../../etc/passwd", "passwd"),
        ("a\nb\x00c<d>.png", "a b c d"),
        ("x" * 300 + ".png", "x" * 80),
    ],
)
def test_the_result_is_called_like_its_source(tmp_path, name, expected):
    steps = make_steps(tmp_path, name=name)

    post = steps.prepare("job", make_request(), F1)

    (upload,) = steps.parts.sink.calls("upload")
    assert upload["filename"] == f"{expected}.emojified.png"
    assert post["title"] == f"{expected}, emojified"


def test_a_picture_without_faces_is_not_uploaded(tmp_path):
    steps = make_steps(tmp_path)

    prepared = steps.prepare("job", make_request(), ImageReference(file_id="FEMPTY"))

    assert prepared is None
    assert steps.parts.sink.calls() == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"surprise": True}, surprise_seed("job", 0)),
        ({"entrypoint": Entrypoint.TRY_ANOTHER, "press": 2}, surprise_seed("job", 2)),
    ],
)
def test_a_surprise_has_a_seed(tmp_path, fields, expected):
    pipeline = NotedPipeline()

    make_steps(tmp_path, pipeline).prepare("job", make_request(**fields), F1)

    assert [one.surprise_seed for one in pipeline.options] == [expected]


def test_alt_text_is_as_long_as_slack_takes(tmp_path):
    post = make_steps(tmp_path).prepare("job", make_request(), F1)

    assert 0 < len(post["alt_text"]) <= MAX_ALT_TEXT_CHARACTERS


@pytest.mark.parametrize("state", list(ShareState))
def test_a_share_comes_back_from_its_record(state):
    recorded = {"state": state.value, "message_ts": "1.5", "thread_ts": ""}

    assert share_from_dict(recorded) == Share(state, "1.5", "")


@pytest.mark.parametrize(
    ("thread_ts", "several", "expected", "begins"),
    [
        ("", False, "", False),
        ("1.1", False, "1.1", False),
        ("", True, "2.2", True),
        ("1.1", True, "1.1", False),
    ],
)
def test_several_results_share_a_thread(thread_ts, several, expected, begins):
    source = ImageReference(message_ts="2.2")
    request = make_request(source=source, thread_ts=thread_ts)

    one = request_for(request, F1, several=several)

    assert (one.thread_ts, one.begins_thread) == (expected, begins)


def test_a_post_that_this_job_replaced_before_is_no_refusal(tmp_path):
    steps = make_steps(tmp_path)
    posts, request = steps.parts.posts, make_request(replaces_post_id="old")
    old = Post.from_dict(steps.prepare("old", make_request(), F1) | {"added": 1})
    new = Post.from_dict(steps.prepare("new", request, F1))
    posts.record(old)

    posts.mark_deleted(WORKSPACE, "old", "new")
    steps.complete(request, new)

    posts.record(replace(old, post_id="other"))
    posts.mark_deleted(WORKSPACE, "other", "U7")
    with pytest.raises(DeliveryError):
        steps.complete(make_request(replaces_post_id="other"), new)
