"""Jobs on real databases: how each kind of request and failure ends."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest
import sqlalchemy as sa

from emojifier_bot.domain import (
    RETENTION,
    Entrypoint,
    ImageReference,
    JobState,
    Workspace,
)
from emojifier_bot.errors import (
    DeliveryError,
    ErrorKind,
    FetchError,
    InferenceError,
    VaultError,
)
from emojifier_bot.jobs.places import ConcurrencyLimits, KeptResults
from emojifier_bot.jobs.system_db import child_job_id
from emojifier_bot.jobs.worker import JOBS_PER_PIPELINE, WORKSPACE_PART, Worker
from emojifier_bot.vision.types import Emotion
from tests.builders_store import stored_bytes
from tests.fakes.clock import AheadClock
from tests.fakes.relay import relaying
from tests.fakes.reply_sink import HELD, LOSE, SLOW, Fault
from tests.jobs_harness import (
    FAST,
    LONGER_LEASE,
    SHORT_LEASE,
    WORKSPACE,
    JobsHarness,
    make_dependencies,
    make_request,
)
from tests.threads import wait_until

#: Of one workspace, and what a worker with one pipeline has in flight of it.
FLOOD, PART = 60, JOBS_PER_PIPELINE // WORKSPACE_PART
OTHERS = [Workspace(f"T{number}") for number in range(2, 7)]


def test_a_picture_is_posted_once_and_remembered(harness):
    job = harness.run(reaction_ts="1700000000.000009")

    (post,) = harness.sink.shown()
    assert (job.state, job.outcome) == (JobState.SUCCEEDED, "posted")
    assert post["post_id"] == job.job_id
    assert post["title"] == "party, emojified"
    assert post["alt_text"]
    assert len(post["faces"]) == 1
    assert harness.posts.find(WORKSPACE, job.job_id).post.file_id == post["file_id"]
    assert not harness.queue.enqueue(make_request(), "key"), "it ran already"
    methods = [one["method"] for one in harness.sink.calls()]
    assert methods == [
        "add_reaction",
        "target",
        "upload",
        "complete",
        "share",
        "remove_reaction",
    ]


@pytest.mark.parametrize(
    ("file_id", "filename"),
    [
        ("F1", "party.emojified.png"),
        ("F2", "party.emojified.jpg"),
        ("F3", "party.emojified.jpg"),
    ],
)
def test_the_result_has_a_format_that_slack_shows(harness, file_id, filename):
    harness.run(file_id=file_id)

    (upload,) = harness.sink.calls("upload")
    assert upload["filename"] == filename
    data = (harness.folder / f"{upload['file_id']}.bin").read_bytes()
    assert data.startswith((b"\x89PNG", b"\xff\xd8"))


def test_a_private_result_goes_to_the_asker(harness):
    harness.run(private=True, thread_ts="1700000000.000001")

    (post,) = harness.sink.shown()
    assert (post["channel_id"], post["thread_ts"]) == ("DU1", "")


def test_several_pictures_are_posted_in_their_order_and_in_one_thread(harness):
    ts = "1700000000.000001"
    # The first takes longest.
    harness.sink.plan("upload", Fault(SLOW, seconds=1.0))

    job = harness.run(source=ImageReference(message_ts=ts), reaction_ts=ts)

    assert job.outcome == "posted"
    completed = [one["file_id"] for one in harness.sink.calls("complete")]
    posts = {post["file_id"]: post for post in harness.sink.shown()}
    made_from = [posts[one]["source"]["file_id"] for one in completed]
    assert made_from == ["F1", "F2", "F3"]
    ids = [job.job_id, *(child_job_id(job.job_id, number) for number in (1, 2))]
    assert [posts[one]["post_id"] for one in completed] == ids
    assert {post["thread_ts"] for post in posts.values()} == {ts}
    assert (
        len(harness.sink.calls("add_reaction"))
        == len(harness.sink.calls("remove_reaction"))
        == 1
    )
    assert harness.sink.told() == []


def further(*file_ids, name=str):
    """Return the fields of a request for pictures, the first of them too."""
    first, *rest = (ImageReference(file_id=one, name=name(one)) for one in file_ids)
    return {"source": first, "further": tuple(rest)}


def test_of_several_pictures_one_message_tells_which_are_missing(harness):
    job = harness.run(**further("FEMPTY", "F1", "FBROKEN", "F404", "F2"))

    assert (job.state, job.outcome) == (JobState.SUCCEEDED, "posted")
    assert len(harness.sink.shown()) == 2
    [told] = harness.sink.calls("notify")
    assert told["kind"] == "several"
    assert [(one["number"], one["name"], one["kind"]) for one in told["missing"]] == [
        (1, "FEMPTY", "no_face"),
        (3, "FBROKEN", "not_an_image"),
        (4, "F404", "gone"),
    ]


def test_a_name_that_several_have_is_not_used(harness):
    harness.run(**further("FEMPTY", "F1", name=lambda _: "party.png"))

    [told] = harness.sink.calls("notify")
    [missing] = told["missing"]
    assert (missing["number"], missing["name"]) == (1, "")


def test_of_several_a_picture_that_failed_is_run_again_and_no_other_posted_twice(
    harness,
):
    harness.source.plan(InferenceError("The model failed."))
    job_id = harness.ask(**further("F1", "F2"))
    with harness.working():
        assert harness.wait(job_id).state is JobState.FAILED
        assert len(harness.sink.shown()) == 1

        assert harness.queue.retry(job_id)
        assert harness.wait(job_id).outcome == "posted"
    assert len(harness.sink.shown()) == len(harness.sink.calls("upload")) == 2


@pytest.mark.parametrize(
    ("file_id", "outcome"),
    [("FEMPTY", "no_face"), ("FBROKEN", "not_an_image"), ("F404", "gone")],
)
def test_what_the_asker_can_change_is_told_and_is_no_error(harness, file_id, outcome):
    job = harness.run(file_id=file_id)

    assert (job.state, job.outcome) == (JobState.SUCCEEDED, outcome)
    assert harness.sink.told() == [outcome]
    assert harness.sink.shown() == []


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (InferenceError("The model failed."), "inference"),
        (VaultError("The key is missing."), "vault"),
        (ZeroDivisionError("a mistake"), "unexpected"),
    ],
)
def test_what_is_ours_ends_in_error_and_can_be_run_again(harness, error, outcome):
    harness.source.plan(error)
    job_id = harness.ask()
    with harness.working():
        job = harness.wait(job_id)
        assert (job.state, job.outcome) == (JobState.FAILED, outcome)
        assert harness.sink.told() == [outcome]

        assert harness.queue.retry(job_id)
        assert harness.wait(job_id).outcome == "posted"
    assert len(harness.sink.shown()) == 1


def test_a_fetch_that_may_go_well_is_tried_again(harness):
    harness.source.plan(FetchError("Slow.", kind="timeout", retryable=True))

    assert harness.run().outcome == "posted"
    assert harness.source.fetched == ["F1", "F1"]


def test_a_fetch_that_never_goes_well_ends_in_error(harness):
    harness.source.plan(*[FetchError("Slow.", kind="timeout", retryable=True)] * 20)

    job = harness.run()

    assert (job.state, job.outcome) == (JobState.FAILED, "timeout")
    assert len(harness.source.fetched) == 8


def test_a_result_that_is_given_up_is_kept_no_longer(harness, monkeypatch):
    harness.sink.plan("upload", *[Fault(kind="internal_error")] * 20)
    kept, keep = [], KeptResults.keep

    def noted(self, *what):
        kept.append(self)
        keep(self, *what)

    monkeypatch.setattr(KeptResults, "keep", noted)
    job = harness.run()

    assert (job.state, job.outcome) == (JobState.FAILED, "internal_error")
    assert len(kept) == len(harness.sink.calls("upload refused")) == 8
    assert kept[0].take(job.job_id) is None


@pytest.mark.parametrize("method", ["upload", "complete", "share"])
def test_slack_may_ask_to_wait(harness, method):
    harness.sink.plan(method, Fault(kind="ratelimited", retry_after_seconds=1.2))

    assert harness.run().outcome == "posted"

    (refused,) = harness.sink.calls(f"{method} refused")
    assert harness.sink.calls(method)[0]["at"] - refused["at"] >= 1.2
    assert len(harness.sink.shown()) == 1


def test_a_job_that_waits_keeps_no_other_waiting(harness):
    harness.sink.plan("complete", Fault(kind="ratelimited", retry_after_seconds=600))
    slow = harness.ask("slow")
    with harness.working(concurrency=1):
        wait_until(lambda: harness.sink.calls("complete refused"))
        assert harness.wait(harness.ask("quick")).outcome == "posted"

        assert harness.queue.show(slow).state is JobState.RUNNING


class TestCompleting:
    def test_what_may_no_longer_be_posted_is_not(self, harness):
        harness.source.refuse(FetchError("Off.", kind=ErrorKind.CHANNEL_OFF))

        job = harness.run()

        assert (job.state, job.outcome) == (JobState.SUCCEEDED, "channel_off")
        assert harness.sink.told() == ["channel_off"]
        assert harness.sink.calls("complete") == []
        [uploaded] = harness.sink.calls("upload")
        assert [one["file_id"] for one in harness.sink.calls("delete")] == [
            uploaded["file_id"]
        ]
        assert harness.posts.find(WORKSPACE, job.job_id) is None

    def test_where_nobody_answers_it_is_checked_again(self, harness):
        harness.source.refuse(
            FetchError("Away.", kind=ErrorKind.SLACK_UNREACHABLE, retryable=True)
        )

        assert harness.run().outcome == "posted"
        assert len(harness.sink.shown()) == len(harness.sink.calls("upload")) == 1

    def test_a_lost_answer_is_asked_after(self, harness):
        harness.sink.plan("complete", Fault(LOSE))

        assert harness.run().outcome == "posted"
        assert len(harness.sink.calls("complete")) == len(harness.sink.shown()) == 1

    def test_what_did_not_happen_is_done_again_with_the_same_file(self, harness):
        harness.sink.plan("complete", Fault())

        assert harness.run().outcome == "posted"
        assert len(harness.sink.calls("upload")) == len(harness.sink.shown()) == 1
        methods = [one["method"] for one in harness.sink.calls()]
        between = methods[methods.index("complete refused") : methods.index("complete")]
        assert between.count("share") == len(FAST.settle_waits_seconds)

    def test_a_refusal_is_told_at_once(self, harness):
        harness.sink.plan("complete", Fault(kind="not_in_channel", retryable=False))

        job = harness.run()

        assert (job.state, job.outcome) == (JobState.SUCCEEDED, "not_in_channel")
        assert harness.sink.told() == ["not_in_channel"]
        assert harness.sink.calls("share") == []

    def test_a_refusal_after_a_lost_answer_is_asked_after(self, harness):
        lost, refused = Fault(LOSE), Fault(kind="already", retryable=False)
        harness.sink.plan("complete", lost, refused)

        assert harness.run().outcome == "posted"
        assert len(harness.sink.shown()) == 1

    def test_a_deleted_file_is_not_shown_again(self, harness):
        harness.sink.plan("complete", Fault(LOSE))
        harness.sink.plan("share", Fault(HELD))
        job_id = harness.ask()
        with harness.working():
            wait_until(lambda: harness.sink.calls("held"))
            harness.sink.remove(harness.sink.shown()[0]["file_id"])
            harness.sink.let_go()
            job = harness.wait(job_id)

        assert (job.state, job.outcome) == (JobState.SUCCEEDED, "removed")
        assert harness.sink.shown() == []


class TestShares:
    @pytest.mark.parametrize(
        ("shown_after", "ended"),
        [
            (2, (JobState.SUCCEEDED, "posted", 1)),
            # Never shown, it is completed once more.
            (1000, (JobState.FAILED, "not_shown", 2)),
        ],
    )
    def test_a_late_share_is_waited_for(
        self, database_url, tmp_path, shown_after, ended
    ):
        slow = JobsHarness(database_url, tmp_path / "slack", shown_after=shown_after)
        with closing(slow) as harness:
            job = harness.run()

            completions = len(harness.sink.calls("complete"))
            assert (job.state, job.outcome, completions) == ended

    def test_where_nobody_says_whether_it_is_shown_the_job_fails(self, harness):
        harness.sink.plan("complete", Fault(LOSE))
        harness.sink.plan("share", *[Fault(kind="slack_unreachable")] * 8)
        job_id = harness.ask()
        with harness.working():
            job = harness.wait(job_id)
            assert (job.state, job.outcome) == (JobState.FAILED, "slack_unreachable")

            assert harness.queue.retry(job_id)
            assert harness.wait(job_id).outcome == "posted"
        assert len(harness.sink.calls("complete")) == 1


@pytest.mark.parametrize(
    "method", ["add_reaction", "ensure_buttons", "notify", "remove_reaction"]
)
def test_courtesies_do_not_fail_a_job(harness, method):
    harness.sink.plan(method, Fault(kind="no_permission", retryable=False))

    job = harness.run(reaction_ts="1700000000.000009")

    assert (job.state, job.outcome) == (JobState.SUCCEEDED, "posted")


class TestTryAnother:
    def press(self, harness, old_id, number=1):
        return harness.run(
            f"{old_id}/{number}",
            entrypoint=Entrypoint.TRY_ANOTHER,
            replaces_post_id=old_id,
            press=number,
            button_ts="1700000000.000100",
        )

    def test_the_old_one_goes_once_the_new_one_is_there(self, harness):
        old = harness.run()

        new = self.press(harness, old.job_id)

        (post,) = harness.sink.shown()
        assert post["post_id"] == new.job_id
        assert harness.posts.find(WORKSPACE, old.job_id).deleted_by == new.job_id
        methods = [one["method"] for one in harness.sink.calls()]
        assert methods.index("delete") > methods.index("complete", 4)
        [deleted] = harness.sink.calls("delete")
        assert deleted["button_ts"] == "1700000000.000100"

    def test_what_somebody_deleted_meanwhile_is_not_shown_again(self, harness):
        old = harness.run()
        harness.posts.mark_deleted(WORKSPACE, old.job_id, "U2")

        job = self.press(harness, old.job_id)

        assert (job.state, job.outcome) == (JobState.SUCCEEDED, "post_gone")
        assert harness.sink.told()[-1] == "post_gone"
        assert len(harness.sink.calls("complete")) == 1
        assert harness.sink.calls("delete") == []

    def test_a_deletion_while_the_new_one_is_shown_takes_it_away(self, harness):
        old = harness.run()
        harness.sink.plan("share", Fault(HELD))
        key = f"{old.job_id}/1"
        job_id = harness.ask(
            key, entrypoint=Entrypoint.TRY_ANOTHER, replaces_post_id=old.job_id
        )
        with harness.working():
            wait_until(lambda: harness.sink.calls("held"))
            assert len(harness.sink.calls("complete")) == 2
            harness.sink.remove(harness.posts.find(WORKSPACE, old.job_id).post.file_id)
            harness.posts.mark_deleted(WORKSPACE, old.job_id, "U2")
            harness.sink.let_go()
            harness.wait(job_id)

        assert harness.sink.shown() == []
        assert harness.posts.find(WORKSPACE, job_id).deleted_by == "U2"

    def test_an_old_one_that_is_forgotten_is_fine(self, harness):
        assert self.press(harness, "long ago").outcome == "posted"
        assert harness.sink.calls("delete") == []

    def test_the_old_one_stays_where_the_source_is_gone(self, harness):
        old = harness.run()
        harness.source.plan(FetchError("It is gone.", kind="gone"))

        assert self.press(harness, old.job_id).outcome == "gone"
        assert [post["post_id"] for post in harness.sink.shown()] == [old.job_id]


def test_a_cancelled_job_stops_and_can_be_run_again(harness):
    harness.sink.plan("upload", Fault(HELD))
    job_id = harness.ask()
    with harness.working() as worker:
        wait_until(lambda: harness.sink.calls("held"))
        assert harness.queue.cancel(job_id)
        harness.sink.let_go()
        wait_until(lambda: not worker._running.ids())
        assert harness.wait(job_id).state is JobState.CANCELLED
        assert len(harness.sink.calls("upload")) == 1
        assert harness.sink.shown() == []

        assert harness.queue.retry(job_id)
        assert harness.wait(job_id, JobState.SUCCEEDED).outcome == "posted"
    assert len(harness.sink.shown()) == 1


def test_only_json_without_secrets_is_stored(harness, tmp_path):
    harness.run(sealed_response_url="sealed:abc")

    job = harness.queue.list(JobState.SUCCEEDED, 1)[0]
    steps = harness.queue.show(job.job_id).steps
    assert "share: shared" in steps
    if harness.url.startswith("sqlite"):
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("bot.db*"))
        # A pickle in base64 begins so; a PNG and its base64 so.
        for forbidden in (b"gASV", b"\x89PNG", b"iVBOR", b"py_pickle"):
            assert forbidden not in stored
        assert b"portable_json" in stored


def test_no_expression_is_stored_beside_a_person(harness):
    harness.sink.plan("complete", Fault(kind="ratelimited", retry_after_seconds=600))
    waiting = harness.ask("waiting")
    with harness.working():
        wait_until(lambda: harness.sink.calls("complete refused"))
        done = harness.wait(harness.ask("done"))

        said = harness.sink.shown()[0]
        assert said["post_id"] == done.job_id
        assert said["alt_text"] == "1 face: happiness"
        assert len(said["faces"]) == 1
        for kept, faces in ((waiting, 1), (done.job_id, 0)):
            assert len(harness.posts.find(WORKSPACE, kept).post.faces) == faces
        stored = stored_bytes(harness.url)
    assert b"U1" in stored
    # "surprise" is an option of every request.
    words = set(Emotion) - {Emotion.SURPRISE}
    assert [one for one in words if one.encode() in stored] == []
    assert b"emojified" not in stored


def test_nothing_is_left_of_a_workspace_that_went_while_its_job_ran(harness):
    gone = Fault(kind="not_installed", retryable=False)
    harness.sink.plan("complete", gone)
    harness.sink.plan("notify", gone)
    job_id = harness.ask()
    with harness.working():
        wait_until(lambda: harness.sink.calls("notify refused"))
        wait_until(lambda: harness.queue.show(job_id) is None)

    assert harness.posts.find(WORKSPACE, job_id) is None


def test_a_job_gives_up_the_preview_that_it_could_not_show(harness):
    def refuse():
        raise DeliveryError("No.", kind=ErrorKind.CHANNEL_NOT_FOUND)

    previews = harness.deps.previews
    previews.sink.meanwhile["send"] = refuse

    job = harness.run(preview=True)

    assert (job.state, job.outcome) == (JobState.SUCCEEDED, "channel_not_found")
    assert len(previews.sink.deleted) == 1
    assert (previews.sink.files, previews.sink.shown) == (set(), {})
    assert previews.drafts.find(WORKSPACE, job.job_id) is None


def test_a_worker_ends_although_its_database_says_nothing_any_more(
    postgres_url, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("emojifier_bot.jobs.worker.END_SECONDS", 0.5)
    server = sa.make_url(postgres_url)
    deps = make_dependencies(postgres_url, tmp_path)
    with relaying(server.port) as relay:
        url = server.set(port=relay.port).render_as_string(hide_password=False)
        worker = Worker(url, deps, 1, LONGER_LEASE)
        worker.start()
        relay.flowing.clear()

        worker.stop(drain_seconds=0)

        ending = [one for one in threading.enumerate() if one.name == "end"]
        relay.flowing.set()
        for thread in ending:  # before another worker of these tests starts
            thread.join()
    deps.posts.database.close()
    deps.previews.drafts.database.close()
    assert len(ending) == 1
    errors = [one.__dict__ for one in caplog.records if one.levelname == "ERROR"]
    kinds = [one["kind"] for one in errors if one.get("action") == "stop"]
    assert kinds == ["database"]


def test_jobs_that_ended_long_ago_are_forgotten(harness):
    job_id = harness.run().job_id
    with harness.working():
        time.sleep(3 * SHORT_LEASE.heartbeat_seconds)
        assert harness.queue.show(job_id)

    harness.clock = AheadClock()
    harness.clock.ahead_seconds = (RETENTION + timedelta(days=1)).total_seconds()
    with harness.working():
        wait_until(lambda: harness.queue.show(job_id) is None)


def test_a_flood_has_its_part_of_a_worker_and_others_overtake_it(harness):
    share = ConcurrencyLimits(1).pictures._share
    harness.sink.plan("upload", *[Fault(HELD)] * share)
    for number in range(FLOOD):
        harness.ask(f"flood {number}")

    def of_flood(state):
        return [
            one
            for one in harness.queue.list(state, 2 * FLOOD)
            if one.request.workspace == WORKSPACE
        ]

    with harness.working(concurrency=1):
        wait_until(lambda: len(harness.sink.calls("held")) == share)
        wait_until(lambda: len(of_flood(JobState.RUNNING)) == PART)
        asked = [harness.ask(one.team_id, workspace=one) for one in OTHERS]
        ended = [harness.wait(job_id) for job_id in asked]

        # Behind the flood they would be the last, and all of it waits.
        assert {job.outcome for job in ended} == {"posted"}
        assert len(of_flood(JobState.RUNNING)) == PART
        assert len(of_flood(JobState.QUEUED)) == FLOOD - PART

        most = 0

        def look() -> bool:
            nonlocal most
            most = max(most, len(of_flood(JobState.RUNNING)))
            return len(harness.sink.calls("upload")) > 3 * PART

        harness.sink.let_go()
        wait_until(look)
        for one in of_flood(JobState.QUEUED):
            harness.queue.cancel(one.job_id)

    assert most <= PART
