"""The buttons under a result and a preview, and the home tab, over real HTTP."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from emojifier_bot.app.bot import CHANGES
from emojifier_bot.db.drafts import Draft, Drawing
from emojifier_bot.db.preferences import Preference
from emojifier_bot.domain import EmojifyRequest, Entrypoint, Installation, Workspace
from emojifier_bot.errors import DeliveryError, QueueFullError
from emojifier_bot.slack.context import MAX_TRIES
from emojifier_bot.slack.preview_blocks import ALL_EMOJI, FACE, WINDOW, PreviewId
from emojifier_bot.slack.preview_blocks import POST as PREVIEW_POST
from emojifier_bot.vision.plan import DrawEmoji, Plan, PlannedFace
from emojifier_bot.vision.types import BoundingBox, Placement
from tests.fakes.slack.posting import new_trigger
from tests.slack_listeners import HERE
from tests.slack_payloads import (
    ASKER,
    BOT,
    CHANNEL,
    OTHER,
    RESPONSE_URL,
    TEAM,
    TOP_TS,
    TS,
    command,
    event,
    image,
    interaction,
    mention,
    press,
    shortcut,
    submission,
)
from tests.slack_posts import make_post
from tests.threads import PATIENCE_SECONDS

POST = make_post(
    post_id="job-1",
    workspace=HERE,
    asker_id=ASKER,
    channel_id=CHANNEL,
    thread_ts=TOP_TS,
    theme="classic",
)


@pytest.fixture
def posted(listeners):
    """Return the listeners of a workspace in which a result is posted."""
    listeners.posts.record(POST)
    return listeners


def deleted_by(listeners, post_id: str = "job-1") -> str:
    return listeners.posts.find(HERE, post_id).deleted_by


def test_the_asker_deletes_at_once(posted):
    assert posted.send(press("delete_post", "job-1")).status_code == 200

    assert posted.notified() == ["post_deleted"]
    assert (posted.sink.deleted, posted.sink.button_ts) == ([POST], [TS])
    assert deleted_by(posted) == ASKER


def test_anybody_else_is_asked_first(posted):
    slack = posted.slack
    somebody = slack.add_user(slack.world.workspaces[TEAM], "somebody").user_id
    trigger_id = new_trigger(slack.world, somebody)

    posted.send(press("delete_post", "job-1", somebody, trigger_id=trigger_id))
    call = slack.wait_until(lambda: slack.calls_of("views.open"))[0]
    assert call.answer["ok"], call.answer
    posted.await_background()
    assert posted.sink.deleted == []
    [view] = slack.world.views.values()
    metadata = view.body["private_metadata"]
    answer = posted.send(submission("delete_post_confirmed", metadata, somebody))

    assert (answer.status_code, answer.text) == (200, "")
    assert posted.notified() == ["post_deleted"]
    assert deleted_by(posted) == somebody
    request = posted.sink.told[0][0]
    assert (request.user_id, request.channel_id) == (somebody, CHANNEL)
    assert request.sealed_response_url == f"sealed({RESPONSE_URL})"
    assert slack.problems == []


#: Somebody of another workspace of an organisation, as its app is told.
SISTER = {
    "team": None,
    "enterprise": {"id": "E1"},
    "is_enterprise_install": True,
    "user": {"id": OTHER, "team_id": "T2"},
}


@pytest.fixture
def org_wide(listeners):
    """Return the listeners of an organisation; a result is in one of its workspaces."""
    slack, there = listeners.slack, Workspace(TEAM, "E1", is_org_install=True)
    slack.world.workspaces[TEAM].enterprise_id = "E1"
    grant = slack.world.install(slack.world.workspaces[TEAM], org_wide=True)
    slack.add_workspace("Sister", team_id="T2", enterprise_id="E1")
    whole = Workspace("", "E1", is_org_install=True)
    listeners.installations.save(Installation(whole, grant.token, BOT))
    listeners.posts.record(replace(POST, workspace=there))
    listeners.there = there
    return listeners


def test_somebody_of_a_sister_workspace_deletes(org_wide):
    slack = org_wide.slack
    sister = slack.add_user(slack.world.workspaces["T2"], "sister").user_id
    who = SISTER | {"user": {"id": sister, "team_id": "T2"}}
    trigger_id = new_trigger(slack.world, sister)

    org_wide.send(press("delete_post", "job-1", trigger_id=trigger_id, **who))
    view = slack.wait_until(lambda: [*slack.world.views.values()])[0]
    org_wide.await_background()
    metadata = view.body["private_metadata"]
    shown = {"id": "V1", "type": "modal", "callback_id": "delete_post_confirmed"}
    shown |= {"private_metadata": metadata, "app_installed_team_id": "E1", "state": {}}
    org_wide.send(interaction(who | {"type": "view_submission", "view": shown}))

    assert org_wide.notified() == ["post_deleted"]
    assert org_wide.sink.deleted[0].workspace == org_wide.there
    assert org_wide.posts.find(org_wide.there, "job-1").deleted_by == sister
    assert slack.problems == []


def test_the_asker_tries_another_from_a_sister_workspace(org_wide):
    who = SISTER | {"user": {"id": ASKER, "team_id": "T2"}}

    org_wide.send(press("try_another", "job-1", **who))

    assert org_wide.notified() == ["accepted"]
    [request] = org_wide.queue.requests
    assert (request.workspace, request.press) == (org_wide.there, 1)


def test_an_organisation_of_its_own_finds_nothing(org_wide):
    other = Workspace("", "E2", is_org_install=True)
    org_wide.installations.save(Installation(other, "xoxb-other", BOT))

    org_wide.send(
        press("delete_post", "job-1", **SISTER | {"enterprise": {"id": "E2"}})
    )

    assert org_wide.notified() == ["post_forgotten"]
    assert org_wide.sink.deleted == []


def test_two_workspaces_of_an_organisation_that_installed_it_apart(listeners):
    listeners.posts.record(replace(POST, workspace=Workspace(TEAM, "E1")))
    listeners.installations.save(Installation(Workspace("T2", "E1"), "xoxb-2", BOT))

    listeners.send(
        press("delete_post", "job-1", team={"id": "T2"}, enterprise={"id": "E1"})
    )

    assert listeners.notified() == ["post_deleted"]
    assert listeners.sink.deleted[0].workspace == Workspace(TEAM, "E1")


@pytest.mark.parametrize("forged", ["", "{}", '{"post_id": "job-1", "asker": {}}'])
def test_a_window_with_words_that_are_not_the_bots(posted, forged):
    posted.send(submission("delete_post_confirmed", forged))

    assert posted.notified() == ["error"]
    assert posted.sink.deleted == []


def test_a_window_that_cannot_be_opened(posted):
    posted.send(press("delete_post", "job-1", OTHER))

    refused = posted.notified()
    assert refused == [posted.slack.calls_of("views.open")[0].answer["error"]]


@pytest.mark.parametrize("action", ["delete_post", "try_another"])
def test_a_button_of_a_deleted_post(posted, action):
    posted.posts.mark_deleted(HERE, "job-1", OTHER)

    posted.send(press(action, "job-1"))

    assert posted.notified() == ["post_gone"]
    # What is left of its message goes.
    [gone] = posted.sink.deleted
    assert (gone.file_id, posted.sink.button_ts) == (POST.file_id, [TS])
    assert posted.queue.requests == []


@pytest.mark.parametrize("action", ["delete_post", "try_another"])
@pytest.mark.parametrize("post_id", ["unknown", "job-of-T2"])
def test_a_button_of_a_post_that_this_workspace_does_not_have(
    listeners, action, post_id
):
    there = Workspace("T2")
    listeners.posts.record(replace(POST, workspace=there, post_id="job-of-T2"))

    listeners.send(press(action, post_id))

    assert listeners.notified() == ["post_forgotten"]
    assert listeners.sink.deleted == []


def test_a_deletion_that_slack_refuses_is_not_recorded(posted):
    posted.sink.refuse_delete = DeliveryError("No.", kind="cant_delete_file")

    posted.send(press("delete_post", "job-1"))

    assert posted.notified() == ["cant_delete_file"]
    assert deleted_by(posted) == ""


def test_a_press_while_too_many_tasks_wait(posted):
    go_on = threading.Event()
    assert posted.context.background.submit("test", "T1", go_on.wait)

    answer = posted.send(press("delete_post", "job-1"))

    assert answer.status_code == 200
    assert posted.notified() == ["busy"]
    go_on.set()


def test_another_is_tried_from_the_same_source(posted):
    posted.send(press("try_another", "job-1"))
    posted.queue.ended.add("job-1:1")
    posted.send(press("try_another", "job-1"))

    assert list(posted.queue.jobs) == ["job-1:1", "job-1:2"]
    request = posted.queue.requests[1]
    assert (request.entrypoint, request.source) == (Entrypoint.TRY_ANOTHER, POST.source)
    assert (request.replaces_post_id, request.press) == ("job-1", 2)
    assert (request.channel_id, request.thread_ts) == (CHANNEL, TOP_TS)
    assert request.button_ts == TS
    assert (request.theme, request.surprise) == ("classic", True)
    assert posted.notified(2) == ["accepted", "accepted"]


def test_two_quick_presses_queue_one_job(posted):
    posted.send(press("try_another", "job-1"))
    posted.send(press("try_another", "job-1"))

    posted.context.close()
    assert list(posted.queue.jobs) == ["job-1:1"]
    assert posted.sink.kinds == ["accepted"]


def test_one_post_is_not_tried_for_ever(posted):
    posted.queue.ended.update(f"job-1:{number + 1}" for number in range(MAX_TRIES))

    posted.send(press("try_another", "job-1"))

    assert posted.notified() == ["busy"]
    assert posted.queue.requests == []


@pytest.mark.parametrize("action", ["delete_post", "try_another"])
def test_a_button_of_a_post_that_was_replaced_means_its_successor(posted, action):
    successor = replace(POST, post_id="job-2", file_id="F2")
    posted.posts.record(successor)
    posted.posts.mark_deleted(HERE, "job-1", "job-2")

    posted.send(press(action, "job-1"))

    if action == "delete_post":
        assert posted.notified() == ["post_deleted"]
        assert posted.sink.deleted == [successor]
    else:
        assert posted.notified() == ["accepted"]
        assert posted.queue.requests[0].replaces_post_id == "job-2"


def test_a_deletion_follows_to_the_post_that_replaced_it_meanwhile(posted):
    posted.posts.record(replace(POST, post_id="job-2", file_id="F2"))
    delete = posted.sink.delete

    def delete_while_it_is_replaced(post, button_ts):
        delete(post, button_ts)
        posted.posts.mark_deleted(HERE, "job-1", "job-2")

    posted.sink.delete = delete_while_it_is_replaced
    posted.send(press("delete_post", "job-1"))

    assert posted.notified() == ["post_deleted"]
    assert [post.post_id for post in posted.sink.deleted] == ["job-1", "job-2"]
    assert posted.sink.button_ts == [TS, ""]
    assert deleted_by(posted, "job-2") == ASKER


@pytest.mark.parametrize(
    ("user", "error", "kind"),
    [(OTHER, None, "not_asker"), (ASKER, QueueFullError("Full."), "queue_full")],
)
def test_another_that_cannot_be_tried(posted, user, error, kind):
    posted.queue.error = error

    posted.send(press("try_another", "job-1", user))

    assert posted.notified() == [kind]
    assert posted.queue.requests == []


def test_the_home_tab_is_shown(listeners):
    slack = listeners.slack
    somebody = slack.add_user(slack.world.workspaces[TEAM], "somebody").user_id
    opened = {"type": "app_home_opened", "tab": "home", "user": somebody}

    listeners.send(event(opened))

    [call] = slack.wait_until(lambda: slack.calls_of("views.publish"))
    assert call.answer["ok"], call.answer
    assert slack.problems == []


def test_no_acknowledgement_waits_for_slack(posted):
    held = posted.slack.faults.add("*", held=threading.Event(), times=None)

    for sent in (
        event({"type": "app_home_opened", "tab": "home", "user": ASKER}),
        press("delete_post", "job-1", OTHER),
        command(),
        mention(files=[image()]),
        shortcut([image()]),
    ):
        assert posted.send(sent).status_code == 200

    # Slack was called, and had answered nobody.
    assert held.met.wait(PATIENCE_SECONDS)
    held.held.set()


@pytest.mark.parametrize(
    ("askers", "pressers", "counts"),
    [
        ("", "", ""),
        ("shapes", "", "shapes"),
        ("", "shapes", "shapes"),
        ("off", "shapes", "off"),
        ("expressions", "off", "off"),
    ],
)
def test_reasons_say_no_more_than_the_asker_and_the_presser_want(
    posted, askers, pressers, counts
):
    wishes = posted.context.preferences
    for person, mode in ((ASKER, askers), (OTHER, pressers)):
        wishes.choose(HERE, person, Preference.READING, mode)

    posted.send(press("why", "job-1", OTHER))

    [request] = posted.queue.requests
    assert (request.entrypoint, request.reading) == (Entrypoint.WHY, counts)
    assert request.user_id == OTHER


def plan_of(faces: int) -> Plan:
    box, spot = BoundingBox(0, 0, 9, 9), Placement((5, 5), 9, 0)
    drawn = (PlannedFace(n + 1, box, spot, DrawEmoji("grin")) for n in range(faces))
    return Plan(99, 99, "classic", "local", tuple(drawn))


@pytest.fixture
def previewed(listeners):
    """Return the listeners of a workspace in which ASKER has a preview."""
    request = EmojifyRequest(HERE, Entrypoint.COMMAND, ASKER, CHANNEL, POST.source)
    draft = Draft("d1", request, plan=plan_of(2).to_dict())
    listeners.context.previews.drafts.begin(draft)
    return listeners


def change(choice: str, user: str = ASKER):
    block = PreviewId(TEAM, "d1").block_id("face", 1, 1)
    action = {"action_id": FACE, "value": choice, "block_id": block}
    return press(FACE, "", user, actions=[action])


def test_only_a_window_of_the_bots_own_changes_a_preview(previewed):
    drafts, wanted = previewed.context.previews.drafts, {"value": ":sunglasses"}

    def use_it(metadata: str):
        values = {"emoji": {ALL_EMOJI: {"selected_option": wanted}}}
        view = {"id": "V1", "type": "modal", "callback_id": ALL_EMOJI}
        view |= {"private_metadata": metadata, "state": {"values": values}}
        who = {"team": {"id": TEAM}, "user": {"id": ASKER}}
        return interaction(who | {"type": "view_submission", "view": view})

    before, face = drafts.find(HERE, "d1"), PreviewId(TEAM, "d1").block_id(2)
    previewed.send(use_it(face))
    assert previewed.notified() == ["error"]
    assert drafts.find(HERE, "d1") == before

    previewed.send(use_it(f"sealed({face})"))
    assert Plan.from_dict(drafts.find(HERE, "d1").plan).faces[1].decision == DrawEmoji(
        "sunglasses"
    )

    # What goes wrong with it is told all the same.
    previewed.send(use_it(f"sealed({face}/none)"))
    assert previewed.notified(2) == ["error", "error"]


def test_many_changes_of_a_preview_wait_for_one_job(previewed):
    drafts = previewed.context.previews.drafts
    for choice in ("1/leave", "1/cover", "2/blur"):
        previewed.send(change(choice))
    assert list(previewed.queue.jobs) == ["d1:draw:0:1"]
    assert drafts.find(HERE, "d1").version == 4

    # A worker begins with it: what comes now is not drawn by that job.
    drafts.change(HERE, "d1", lambda one: replace(one, begun=one.version))
    for choice in ("1/mosaic", "2/leave"):
        previewed.send(change(choice))
    assert list(previewed.queue.jobs) == ["d1:draw:0:1", "d1:draw:4:1"]

    # It could not even find the picture.
    previewed.queue.ended.add("d1:draw:4:1")
    previewed.send(change("2/blur"))
    assert list(previewed.queue.jobs)[2:] == ["d1:draw:4:2"]


def posted_after(previewed, seen: int, **fields) -> list[str]:
    """Press *Post* below what shows a version; return the jobs that wait then."""
    drafts = previewed.context.previews.drafts
    drafts.change(HERE, "d1", lambda one: replace(one, **fields))
    block = PreviewId(TEAM, "d1").block_id("controls", seen)
    action = {"action_id": PREVIEW_POST, "value": "d1", "block_id": block}
    assert previewed.send(press(PREVIEW_POST, "", actions=[action])).status_code == 200
    return [*previewed.queue.jobs]


FIRST, SECOND = (
    Drawing(version, plan_of(2).to_dict(), str(version) * 64, f"F{version}", "")
    for version in (1, 2)
)


@pytest.mark.parametrize("noted", [True, False])
def test_what_was_seen_is_posted_also_before_it_is_noted(previewed, noted):
    drawings = {"drawing": SECOND} if noted else {"drawing": FIRST, "upcoming": SECOND}

    assert posted_after(previewed, seen=2, version=2, **drawings) == ["d1:post:1"]

    [request] = previewed.queue.requests
    assert request.digest == SECOND.digest
    previews = previewed.context.previews
    assert previews.drawing(HERE, "d1", request.digest).file_id == "F2"
    assert previewed.notified() == ["posting"]


@pytest.mark.parametrize(
    ("fields", "jobs"),
    [
        # It waits to be drawn, or could not be: another job tries.
        ({"version": 2, "drawing": FIRST}, ["d1:draw:0:1"]),
        ({"version": 2, "drawing": FIRST, "begun": 2}, ["d1:draw:2:1"]),
        # It is drawn, and was shown after the press at the latest.
        ({"version": 2, "drawing": FIRST, "upcoming": SECOND}, []),
        ({"version": 2, "drawing": SECOND}, []),
    ],
)
def test_what_lacks_the_last_change_is_not_posted(previewed, fields, jobs):
    assert posted_after(previewed, seen=1, **fields) == jobs
    assert previewed.notified() == ["preview_changed"]


def test_the_window_posts_what_it_shows(previewed):
    drafts = previewed.context.previews.drafts
    both = {"drawing": FIRST, "upcoming": SECOND, "version": 2}
    drafts.change(HERE, "d1", lambda one: replace(one, **both))

    for metadata in (1, "", 2):
        named = PreviewId(TEAM, "d1").block_id(metadata)
        previewed.send(submission(WINDOW, f"sealed({named})", ASKER))

    assert previewed.notified(2) == ["preview_changed"] * 2
    [request] = previewed.queue.requests
    assert request.digest == SECOND.digest


def test_a_flood_of_changes_costs_no_transaction_each(previewed):
    [personal, _] = CHANGES
    changes = previewed.context.changes
    for _ in range(personal.pictures):
        assert changes.take(HERE, ASKER) is None
    previewed.send(change("1/leave"))
    assert previewed.notified(1) == ["preview_limit"]
    # Whoever asked the database from here on would be let in.
    changes.charge(HERE, ASKER, -personal.pictures)

    previewed.send(change("1/leave"))
    assert previewed.queue.requests == []

    changes.clock.advance(personal.period_seconds / personal.pictures)
    previewed.send(change("1/leave"))
    assert len(previewed.queue.requests) == 1
    assert previewed.sink.kinds == ["preview_limit"]


def test_a_flood_of_changes_by_one_person_is_stopped(previewed):
    [personal, _] = CHANGES
    for number in range(personal.pictures):
        previewed.send(change("1/leave" if number % 2 else "1/cover"))
    drafts = previewed.context.previews.drafts
    before = drafts.find(HERE, "d1")
    assert previewed.sink.kinds == []

    previewed.send(change("2/blur"))
    previewed.send(change("2/blur", OTHER))

    assert sorted(previewed.notified(2)) == ["preview_gone", "preview_limit"]
    assert drafts.find(HERE, "d1") == before
