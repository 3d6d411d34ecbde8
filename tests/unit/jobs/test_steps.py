from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from threading import Event, Lock, Thread

import pytest

from emojifier_bot.clock import SystemClock
from emojifier_bot.db.crypto import Vault, generate_key
from emojifier_bot.db.drafts import REMOVAL_TIME, DraftStore
from emojifier_bot.db.previews import Previews
from emojifier_bot.domain import (
    Entrypoint,
    FaceSummary,
    ImageReference,
    NotPosted,
    Outcome,
    Post,
    Share,
    ShareState,
    Workspace,
    summarized,
)
from emojifier_bot.errors import (
    DeliveryError,
    ErrorKind,
    ImageError,
    QueueError,
    StoreError,
    VaultError,
)
from emojifier_bot.http import SMALL_BYTES
from emojifier_bot.jobs import leases
from emojifier_bot.jobs.leases import LeaseTimes
from emojifier_bot.jobs.places import (
    FETCHES,
    MOST_KEPT_BYTES,
    ConcurrencyLimits,
    Hand,
)
from emojifier_bot.jobs.places import (
    PICTURES as PLACES,
)
from emojifier_bot.jobs.previews import PreviewSteps
from emojifier_bot.jobs.steps import (
    Dependencies,
    JobSteps,
    _surprise_seed,
    request_for,
)
from emojifier_bot.slack.blocks import doubts, found
from emojifier_bot.vision.alt_text import MAX_ALT_TEXT_CHARACTERS
from tests.builders_store import sql_stores
from tests.fakes.clock import FakeClock, ManualClock
from tests.fakes.image_source import FakeImageSource
from tests.fakes.pipeline import FakeEmojify
from tests.fakes.previews import MemoryPreviews
from tests.fakes.reply_sink import FakeReplySink, Fault
from tests.jobs_harness import PICTURES, WORKSPACE, make_request

F1 = ImageReference(file_id="F1")
CLIP = ImageReference(file_id="FCLIP")


class Note:
    """What is noted of the line of a job."""

    def __init__(self, line_ts=""):
        self.line_ts = line_ts

    def read(self):
        return self.line_ts

    def write(self, line_ts):
        self.line_ts = line_ts


class NotedEmojify:
    """Emojifies, and remembers what was asked for."""

    def __init__(self) -> None:
        self.seeds = []

    def __call__(self, data, theme, options, **more):
        self.seeds.append(options.surprise_seed)
        return FakeEmojify()(data, theme, options, **more)


@pytest.fixture
def posts(sqlite_url):
    with sql_stores(sqlite_url, FakeClock()) as (stores, _):
        yield stores.posts


def claim_lease(database):
    leases.create_table(database.engine)
    return leases.claim(database.engine, SystemClock(), LeaseTimes())


def make_steps(tmp_path, posts, emojify=None, name="party.png"):
    deps = Dependencies(
        FakeImageSource(PICTURES, name=name),
        FakeReplySink(tmp_path),
        posts,
        emojify or FakeEmojify(),
        FakeClock(),
        Previews(
            DraftStore(posts.database, Vault([generate_key()]), FakeClock()),
            MemoryPreviews(),
        ),
    )
    lease = claim_lease(posts.database)
    return JobSteps(deps, lease, ConcurrencyLimits(1), line=Note())


def prepared(steps, job_id, request, reference):
    """Take a picture in hand and prepare its post, as a job does."""
    with Hand() as hand:
        asked = hand, job_id, request, reference
        return steps.take(*asked) or steps.prepare(*asked)


def drawn(previews, draft_id, request, reference):
    """Take a picture in hand and draw its preview, as a job does."""
    with Hand() as hand:
        asked = hand, draft_id, request, reference
        done = previews.take(*asked)
        return previews.draw(*asked) if done is None else done


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
        ("x" * 300 + ".png", "x" * 76),
        ("half \ud83d of one.png", "half of one"),
        ("gnp.\u202etxt\u200b.png", "gnp. txt"),
    ],
)
def test_the_result_is_called_like_its_source(tmp_path, posts, name, expected):
    steps = make_steps(tmp_path, posts, name=name)

    prepared(steps, "job", make_request(), F1)

    (upload,) = steps.deps.sink.calls("upload")
    assert upload["filename"] == f"{expected}.emojified.png"
    assert posts.find(WORKSPACE, "job").post.title == f"{expected}, emojified"


def test_who_could_not_upload_does_not_fetch_and_emojify_again(tmp_path, posts):
    emojify = NotedEmojify()
    steps = make_steps(tmp_path, posts, emojify)
    busy = Fault(kind="ratelimited", retry_after_seconds=1)
    steps.deps.sink.plan("upload", busy, busy)
    for _ in range(2):
        with pytest.raises(DeliveryError):
            prepared(steps, "job", make_request(), F1)

    post = prepared(steps, "job", make_request(), F1)

    assert (steps.deps.source.fetched, emojify.seeds) == (["F1"], [None])
    assert post["file_id"] == posts.find(WORKSPACE, "job").post.file_id
    assert steps.kept.take("job") is None


@pytest.mark.parametrize("places", ["pictures", "pipelines"])
def test_a_picture_is_in_hand_once_it_has_its_places(tmp_path, posts, places):
    steps, in_hand = make_steps(tmp_path, posts), Event()

    def take():
        with Hand() as hand:
            steps.take(hand, "job", make_request(), F1)
            in_hand.set()

    with ExitStack() as taken:
        held = getattr(steps.limits, places)
        for _ in range(held._share):
            taken.enter_context(held.taken(WORKSPACE.id))
        thread = Thread(target=take, daemon=True)
        thread.start()
        assert not in_hand.wait(0.3)
    assert in_hand.wait(30)
    thread.join()
    assert not steps.limits.pipelines._taken


class Weighed:
    """Files and results of the largest kind, which are only counted, not made."""

    def __init__(self, most):
        self.most, self.now, self.peak, self.lock = most, Counter(), Counter(), Lock()
        #: Nothing is emojified or sent before all who can hold something do.
        self.full = {"source": Event(), "result": Event()}

    def hold(self, kind):
        with self.lock:
            self.now[kind] += 1
            self.peak[kind] = max(self.peak[kind], self.now[kind])
            if self.now[kind] == self.most[kind]:
                self.full[kind].set()
        assert self.full[kind].wait(120)

    def let_go(self, kind):
        with self.lock:
            self.now[kind] -= 1


class WeighedSource(FakeImageSource):
    """Fetches files of 30 MB."""

    def __init__(self, weighed):
        super().__init__(PICTURES)
        self.weighed = weighed

    def fetch(self, workspace, reference, room):
        room(30_000_000)
        self.weighed.hold("source")
        return super().fetch(workspace, reference)


class WeighedEmojify(FakeEmojify):
    """Makes results of 100 MB."""

    def __init__(self, weighed):
        self.weighed = weighed

    def __call__(self, data, theme, options, *, room, **_):
        room(100_000_000)
        self.weighed.let_go("source")
        self.weighed.hold("result")
        return super().__call__(data, theme, options)


class WeighedSink(FakeReplySink):
    """Sends them."""

    weighed = None

    def upload(self, workspace, picture):
        file_id = super().upload(workspace, picture)
        self.weighed.let_go("result")
        return file_id


def test_several_workspaces_together_hold_no_more_than_fits(tmp_path, posts):
    concurrency = 2
    weighed = Weighed({"source": 4, "result": 2})
    sink = WeighedSink(tmp_path)
    sink.weighed = weighed
    steps = make_steps(tmp_path, posts)
    deps = replace(
        steps.deps,
        sink=sink,
        source=WeighedSource(weighed),
        emojify=WeighedEmojify(weighed),
    )
    steps = replace(steps, deps=deps, limits=ConcurrencyLimits(concurrency))

    def ask(number):
        request = make_request(workspace=Workspace(f"T{number % 4}"))
        return prepared(steps, f"job {number}", request, F1)

    with ThreadPoolExecutor(16) as people:
        done = list(people.map(ask, range(16)))

    assert all(done)
    assert weighed.peak == weighed.most
    # Beside these: 150 MB of the process, results that are tried again, and what is
    # small enough to be held without room.
    small = concurrency * (FETCHES + PLACES) * SMALL_BYTES
    held = 4 * 30_000_000 + 2 * 100_000_000 + MOST_KEPT_BYTES + small
    assert 150_000_000 + held <= 600_000_000


def test_what_cannot_be_sent_is_not_kept(tmp_path, posts):
    steps = make_steps(tmp_path, posts)
    steps.deps.sink.plan("upload", Fault(kind="file_uploads_disabled", retryable=False))
    with pytest.raises(DeliveryError):
        prepared(steps, "job", make_request(), F1)

    assert steps.kept.take("job") is None


def test_thousands_of_faces_are_a_short_row(tmp_path, posts):
    shown = [
        FaceSummary("😀" if n % 3 else "😐", "grinning", sure=n % 7 > 0)
        for n in range(2510)
    ]

    def crowd(*asked, **more):
        return replace(FakeEmojify()(*asked, **more), faces=summarized(shown))

    steps = make_steps(tmp_path, posts, crowd)
    post = prepared(steps, "job", make_request(), F1)

    assert len(json.dumps(post)) < 2_000
    faces = posts.find(WORKSPACE, "job").post.faces
    assert found(faces) == "2510 faces: 😀 × 1673, 😐 × 837"
    assert doubts(faces) == "I am not sure about 359 of them."


@pytest.fixture
def previews(tmp_path, posts):
    """Return the steps of previews, and one that is drawn."""
    steps = PreviewSteps(make_steps(tmp_path, posts))
    assert drawn(steps, "d1", make_request(preview=True), F1)
    return steps


def test_a_drawing_notes_which_changes_it_has(previews):
    drafts = previews.steps.deps.previews.drafts
    assert drafts.find(WORKSPACE, "d1").begun == 0
    request = make_request(preview=True, draft_id="d1")
    assert drawn(previews, "d1", request, F1)
    assert len(previews.steps.deps.sink.calls("upload")) == 1
    drafts.change(WORKSPACE, "d1", lambda one: replace(one, version=7))

    assert drawn(previews, "d1", request, F1)

    draft = drafts.find(WORKSPACE, "d1")
    assert (draft.begun, draft.upcoming.version) == (7, 7)
    assert len(previews.steps.deps.sink.calls("upload")) == 2


def test_a_preview_has_so_many_faces_and_no_more(previews, monkeypatch):
    monkeypatch.setattr("emojifier_bot.jobs.previews.MOST_FACES", 0)

    with pytest.raises(ImageError) as caught:
        drawn(previews, "d2", make_request(preview=True), F1)

    assert caught.value.kind == ErrorKind.PREVIEW_FACES
    assert previews.steps.deps.previews.drafts.find(WORKSPACE, "d2") is None
    assert len(previews.steps.deps.sink.calls("upload")) == 1


def test_a_picture_without_faces_is_not_uploaded(tmp_path, posts):
    steps = make_steps(tmp_path, posts)

    post = prepared(steps, "job", make_request(), ImageReference(file_id="FEMPTY"))

    assert post is None
    assert steps.deps.sink.calls() == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"surprise": True}, _surprise_seed("job", 0)),
        ({"entrypoint": Entrypoint.TRY_ANOTHER, "press": 2}, _surprise_seed("job", 2)),
    ],
)
def test_a_surprise_has_a_seed(tmp_path, posts, fields, expected):
    emojify = NotedEmojify()

    prepared(make_steps(tmp_path, posts, emojify), "job", make_request(**fields), F1)

    assert emojify.seeds == [expected]


def test_alt_text_is_as_long_as_slack_takes(tmp_path, posts):
    record = prepared(make_steps(tmp_path, posts), "job", make_request(), F1)

    post = posts.find(WORKSPACE, "job").post
    assert 0 < len(post.alt_text) <= MAX_ALT_TEXT_CHARACTERS
    assert (record["title"], record["alt_text"], record["faces"]) == ("", "", ())


@pytest.mark.parametrize("state", list(ShareState))
def test_a_share_comes_back_from_its_record(state):
    share = Share(state, "1.5", lacks_buttons=True)

    assert Share.from_dict(json.loads(json.dumps(asdict(share)))) == share


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


def test_a_post_that_this_job_replaced_before_is_no_refusal(tmp_path, posts):
    steps = make_steps(tmp_path, posts)
    request = make_request(replaces_post_id="old")
    old = Post.from_dict(prepared(steps, "old", make_request(), F1) | {"added": 1})
    new = Post.from_dict(prepared(steps, "new", request, F1))

    posts.mark_deleted(WORKSPACE, "old", "new")
    steps.complete(request, new)

    posts.record(replace(old, post_id="other"))
    posts.mark_deleted(WORKSPACE, "other", "U7")
    with pytest.raises(DeliveryError):
        steps.complete(make_request(replaces_post_id="other"), new)


class SlowEmojify:
    """Takes some seconds by a clock for each frame of a clip."""

    def __init__(self, clock, seconds, frames=40):
        self._clock, self._seconds, self._frames = clock, seconds, frames

    def __call__(self, data, theme, options, *, progress, **_):
        for done in range(1, self._frames + 1):
            self._clock.advance(self._seconds)
            progress(done, self._frames)
        result = FakeEmojify()(data, theme, options)
        return replace(result, frames=self._frames)


@pytest.mark.parametrize(
    ("seconds", "lines"),
    [(0.1, []), (0.2, [25]), (1.0, [5, 10, 15, 20, 25, 30, 35, 40])],
)
def test_a_clip_that_takes_long_has_one_line_that_goes_again(
    tmp_path, posts, seconds, lines
):
    steps, clock = make_steps(tmp_path, posts), ManualClock()
    slow = SlowEmojify(clock, seconds)
    steps = replace(steps, deps=replace(steps.deps, clock=clock, emojify=slow))

    post = prepared(steps, "job", make_request(), CLIP)

    assert post["frames"] == 40
    shown = steps.deps.sink.calls("show_progress")
    assert [(one["done"], one["total"]) for one in shown] == [(n, 40) for n in lines]
    assert [one["line"] for one in shown][:2] == ["", "line of U1"][: len(shown)]
    removed = [one["line"] for one in steps.deps.sink.calls("remove_progress")]
    assert removed == ["line of U1"] * bool(lines)


def test_a_line_of_a_worker_that_died_goes_on(tmp_path, posts):
    clock = ManualClock()
    steps = make_steps(tmp_path, posts, SlowEmojify(clock, 1.0))
    deps, note = replace(steps.deps, clock=clock), Note("line of the dead")
    steps = replace(steps, deps=deps, line=note)

    prepared(steps, "job", make_request(), CLIP)

    shown = steps.deps.sink.calls("show_progress")
    assert {one["line"] for one in shown} == {"line of the dead"}
    (removed,) = steps.deps.sink.calls("remove_progress")
    assert (removed["line"], note.line_ts) == ("line of the dead", "")


@pytest.mark.parametrize(
    ("outcome", "goes"),
    [
        (Outcome("unexpected"), True),
        (Outcome("several", missing=(NotPosted("unexpected", 2),)), True),
        (Outcome("no_face"), False),
    ],
)
def test_the_line_of_a_clip_that_is_given_up_goes(tmp_path, posts, outcome, goes):
    steps = replace(make_steps(tmp_path, posts), line=Note("line of the dead"))

    steps.notify(make_request(), outcome)

    assert len(steps.deps.sink.calls("remove_progress")) == goes


def test_a_line_that_slack_does_not_take_does_not_matter(tmp_path, posts):
    steps = make_steps(tmp_path, posts)
    steps.deps.sink.plan("show_progress", Fault(), Fault(retryable=False))
    clock = ManualClock()
    deps = replace(steps.deps, clock=clock, emojify=SlowEmojify(clock, 1.0))
    steps = replace(steps, deps=deps)

    assert prepared(steps, "job", make_request(), CLIP) is not None


@pytest.mark.parametrize("error", [StoreError, VaultError, QueueError])
def test_a_line_that_no_token_is_found_for_does_not_matter(tmp_path, posts, error):
    class WithoutToken(FakeReplySink):
        def show_progress(self, *_):
            raise error("The database does not answer.")

    steps, clock = make_steps(tmp_path, posts), ManualClock()
    sink = WithoutToken(steps.deps.sink.folder)
    slow = SlowEmojify(clock, 1.0)
    steps = replace(
        steps, deps=replace(steps.deps, clock=clock, sink=sink, emojify=slow)
    )

    assert prepared(steps, "job", make_request(), CLIP)["frames"] == 40


class Preview:
    """One preview, whose drawings several jobs show at the same time."""

    def __init__(self, steps):
        self.steps = steps
        self.previews = steps.steps.deps.previews
        self.sink = self.previews.sink

    @property
    def draft(self):
        return self.previews.drafts.find(WORKSPACE, "d1")

    def change(self, **values):
        change = partial(replace, **values)
        return self.previews.drafts.change(WORKSPACE, "d1", change)

    def draw(self):
        """Change it, and draw that; return the file, which Slack does not show yet."""
        self.change(version=self.draft.version + 1)
        drawn(self.steps, "d1", make_request(preview=True, draft_id="d1"), F1)
        return self.draft.upcoming.file_id

    def make_ready(self):
        ready_id = self.steps.make_ready(WORKSPACE, "d1")
        assert ready_id
        return ready_id

    def show(self, ready_id=""):
        self.steps.show(WORKSPACE, "d1", ready_id or self.make_ready())

    def assert_only(self, file_id):
        """One message shows a drawing, the draft's page, and Slack holds no other."""
        [shown] = self.sink.shown.values()
        assert self.sink.files == {shown.file_id} == {file_id}
        assert [*self.sink.pages.values()] == [self.draft.page]
        assert self.draft.drawing == shown
        assert self.draft.upcoming is None


@pytest.fixture
def preview(previews):
    """Return a preview that is shown."""
    preview = Preview(previews)
    preview.show()
    preview.assert_only(preview.draft.drawing.file_id)
    return preview


def test_a_drawing_that_is_replaced_while_slack_takes_it_does_not_stay(preview):
    preview.draw()
    newer = []

    def others():
        newer.append(preview.draw())
        preview.show()

    preview.sink.meanwhile["make_ready"] = others
    preview.show()

    preview.assert_only(*newer)


def test_a_drawing_that_is_deleted_while_slack_takes_it_is_no_failure(preview):
    older, newer = preview.draw(), []
    preview.make_ready()

    def others():
        newer.append(preview.draw())
        preview.show()
        assert older in preview.sink.deleted

    preview.sink.meanwhile["make_ready"] = others
    preview.show()

    preview.assert_only(*newer)


def test_a_drawing_that_another_job_has_just_made_is_left_to_it(preview):
    preview.draw()
    ready_id = preview.make_ready()
    newer = preview.draw()

    preview.show(ready_id)  # Slack does not have the newer one yet

    assert newer not in preview.sink.files
    preview.show()
    preview.assert_only(newer)


def test_who_gives_up_a_drawing_leaves_what_is_shown_and_may_try_again(preview):
    shown, refused = preview.draft.drawing.file_id, preview.draw()
    preview.make_ready()

    preview.steps.give_up(WORKSPACE, "d1", refused)

    preview.assert_only(shown)
    assert preview.draft.file_ids == (shown,)
    assert not preview.draft.drawn_id


def test_who_gives_up_a_drawing_leaves_that_of_a_newer_job(preview):
    older = preview.draw()
    preview.make_ready()
    newer = preview.draw()

    preview.steps.give_up(WORKSPACE, "d1", older)

    assert older in preview.sink.deleted
    preview.show()
    preview.assert_only(newer)


def test_who_gives_up_the_first_drawing_leaves_that_of_a_newer_job(previews):
    preview = Preview(previews)
    [older] = preview.draft.file_ids
    newer = preview.draw()

    preview.steps.give_up(WORKSPACE, "d1", older)

    preview.show()
    preview.assert_only(newer)


def test_a_preview_that_was_never_shown_is_given_up_as_a_whole(previews):
    preview = Preview(previews)
    preview.make_ready()

    preview.steps.give_up(WORKSPACE, "d1", preview.draft.upcoming.file_id)

    assert (preview.draft, preview.sink.files) == (None, set())


def test_a_drawing_that_is_replaced_while_it_is_shown_is_no_failure(preview):
    preview.draw()
    ready_id, newer = preview.make_ready(), []

    def others():
        newer.append(preview.draw())
        preview.show()

    preview.sink.meanwhile["update"] = others
    preview.show(ready_id)

    preview.assert_only(*newer)


def test_a_preview_that_is_discarded_while_slack_takes_a_drawing_leaves_nothing(
    preview,
):
    preview.draw()
    preview.sink.meanwhile["make_ready"] = lambda: preview.previews.discard(
        WORKSPACE, "d1"
    )
    preview.show()

    assert (preview.sink.files, preview.sink.shown, preview.draft) == (set(), {}, None)


def refuse():
    raise DeliveryError("503", kind=ErrorKind.SLACK_UNAVAILABLE, retryable=True)


def test_a_file_that_slack_took_too_late_and_did_not_delete_is_swept(preview):
    drafts = preview.previews.drafts
    late = preview.draw()

    def others():
        preview.previews.discard(WORKSPACE, "d1")
        preview.previews.sweep()  # nor does a sweeper that comes too early forget it
        preview.sink.meanwhile["delete_file"] = refuse

    preview.sink.meanwhile["make_ready"] = others
    with pytest.raises(DeliveryError):
        preview.make_ready()
    preview.show()  # the next try finds no draft
    assert (preview.draft, preview.sink.files) == (None, {late})

    drafts.clock.advance(REMOVAL_TIME.total_seconds())
    preview.previews.sweep()

    assert (preview.sink.files, preview.sink.shown) == (set(), {})
    drafts.clock.advance(REMOVAL_TIME.total_seconds())
    assert drafts.take_expired() == []


def test_a_file_that_slack_never_gets_is_not_looked_for_again_and_again(previews):
    drafts, others = previews.steps.deps.previews.drafts, previews.steps.deps.previews
    others.discard(WORKSPACE, "d1")

    drafts.clock.advance(REMOVAL_TIME.total_seconds())
    others.sweep()
    drafts.clock.advance(REMOVAL_TIME.total_seconds())

    assert drafts.take_expired() == []


def test_a_page_that_is_turned_while_a_drawing_is_shown_is_shown(preview):
    newer = preview.draw()

    def turn():
        preview.previews.redraw(preview.change(page=1))

    preview.sink.meanwhile["update"] = turn
    preview.show()

    preview.assert_only(newer)
    assert preview.draft.page == 1


def test_the_last_of_two_pages_is_shown(preview):
    def turn():
        preview.previews.redraw(preview.change(page=2))

    preview.sink.meanwhile["update"] = turn
    preview.previews.redraw(preview.change(page=1))

    preview.assert_only(preview.draft.drawing.file_id)
    assert preview.draft.page == 2


def test_a_page_that_is_turned_with_an_older_drawing_shows_the_newer_one(preview):
    newer = preview.draw()
    ready_id = preview.make_ready()
    preview.sink.meanwhile["update"] = lambda: preview.show(ready_id)

    preview.previews.redraw(preview.change(page=1))

    preview.assert_only(newer)


def test_a_page_of_a_preview_that_is_gone_is_no_failure(preview):
    turned = preview.change(page=1)
    preview.previews.discard(WORKSPACE, "d1")

    preview.previews.redraw(turned)

    assert preview.sink.shown == {}


def test_what_slack_refuses_to_redraw_is_told(preview):
    preview.sink.shown.clear()

    with pytest.raises(DeliveryError, match="No such message"):
        preview.previews.redraw(preview.draft)
