"""Signed requests over real HTTP to the real web server; Slack is the fake one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from slack_sdk import WebClient

from emojifier_bot.clock import SystemClock
from emojifier_bot.domain import (
    Entrypoint,
    FaceSummary,
    ImageReference,
    Installation,
    Post,
    Workspace,
)
from emojifier_bot.errors import DeliveryError, QueueError, QueueFullError
from emojifier_bot.slack.actions import MAX_TRIES, PendingDeletion
from emojifier_bot.slack.app import flask_handler, make_bolt_app
from emojifier_bot.slack.authorize import CachedAuthorize
from emojifier_bot.slack.background import Background
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.context import ListenerContext
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.oauth import (
    InstallFlow,
    OAuthApp,
)
from emojifier_bot.slack.policy import RequestPolicy
from emojifier_bot.slack.tokens import RotatingBotTokens
from emojifier_bot.web.app import WebDependencies, create_app
from emojifier_bot.web.pages import RenderedInstallPages
from emojifier_bot.web.server import WebServer
from tests.fakes.inbound import (
    MemoryQueue,
    PlainVault,
    SetClock,
    TalkingSink,
    WatchedInstallations,
)
from tests.fakes.slack.posting import new_trigger
from tests.fakes.slack.server import SlackServer
from tests.fakes.stores import (
    FakeAllowances,
    FakeOAuthStates,
    FakePostLog,
    FakeWorkspaceSettings,
)
from tests.jobs_rig import wait_until
from tests.slack_payloads import (
    ASKER,
    BOT,
    CHANNEL,
    DIRECT,
    EVENT_TIME,
    OTHER,
    RESPONSE_URL,
    TEAM,
    TOP_TS,
    TS,
    Sent,
    command,
    direct_message,
    event,
    image,
    interaction,
    mention,
    press,
    shortcut,
    signed,
    submission,
)

HERE = Workspace(TEAM)
ADDRESS = "https://pictures.example/party.jpg"
SEALED = f"sealed({ADDRESS})"
POST = Post(
    post_id="job-1",
    workspace=HERE,
    asker_id=ASKER,
    file_id="F9",
    channel_id=CHANNEL,
    title="party",
    alt_text="two faces",
    faces=(FaceSummary("😐", "neutral face", sure=True),),
    source=ImageReference(file_id="F1"),
    thread_ts=TOP_TS,
    theme="classic",
)


@dataclass
class Bench:
    """The web server, and everything around it."""

    slack: SlackServer
    installations: WatchedInstallations = field(default_factory=WatchedInstallations)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    posts: FakePostLog = field(default_factory=FakePostLog)
    sink: TalkingSink = field(default_factory=TalkingSink)
    clock: SetClock = field(default_factory=SetClock)
    settings: FakeWorkspaceSettings = field(default_factory=FakeWorkspaceSettings)
    allowances: FakeAllowances = field(default_factory=FakeAllowances)
    context: ListenerContext = None
    url: str = ""

    def build(self) -> WebServer:
        client = WebClient(base_url=self.slack.api_url, retry_handlers=[])
        clock = SystemClock()
        app = self.slack.app
        tokens = RotatingBotTokens(
            self.installations, clock, client, app.client_id, app.client_secret
        )
        authorize = CachedAuthorize(self.installations, clock)
        self.context = ListenerContext(
            queue=self.queue,
            posts=self.posts,
            installations=self.installations,
            authorize=authorize,
            sink=self.sink,
            vault=PlainVault(),
            client=SlackClient(self.slack.api_url, tokens.installation),
            policy=RequestPolicy(self.settings, self.allowances),
            themes=("classic", "party"),
            background=Background(threads=1, waiting=0),
        )
        pages = RenderedInstallPages()
        flow = InstallFlow(
            app=OAuthApp(
                app.client_id,
                app.client_secret,
                "https://bot.example",
                f"{self.slack.url}/oauth/v2/authorize",
            ),
            store=self.installations,
            states=FakeOAuthStates(self.clock),
            clock=clock,
            client=client,
            changed=authorize.invalidate,
            installed_page=pages.installed,
            refused_page=pages.refused,
        )
        bolt = make_bolt_app(self.context, app.signing_secret)
        parts = WebDependencies(
            slack=flask_handler(bolt, flow),
            clock=clock,
            checks={
                "database": lambda: True,
                "queue": lambda: self.queue.error is None,
            },
        )
        server = WebServer(create_app(parts), host="127.0.0.1", port=0, threads=8)
        self.url = f"http://127.0.0.1:{server.port}"
        return server

    def await_rest(self) -> None:
        """Wait until what went on after an acknowledgement has ended."""
        places = self.context.background._places
        assert places.acquire(timeout=10)
        places.release()

    def send(self, sent: Sent, **headers: str) -> requests.Response:
        """Send a request as Slack would."""
        own = signed(sent, self.slack.app.signing_secret)
        return self.send_raw(sent.body, own | headers)

    def send_raw(self, body: bytes, headers: dict[str, str]) -> requests.Response:
        address = f"{self.url}/slack/events"
        return requests.post(address, data=body, headers=headers, timeout=10)

    def reply_to(self, sent: Sent) -> str:
        """Send a command; return what its sender alone is shown."""
        answer = self.send(sent)
        assert answer.status_code == 200
        assert answer.json()["response_type"] == "ephemeral"
        return answer.json()["text"]

    def told(self, number: int = 1) -> list[str]:
        """Wait for answers; return their kinds."""
        until = time.monotonic() + 5
        while len(self.sink.told) < number and time.monotonic() < until:
            time.sleep(0.005)
        return self.sink.kinds

    def settle(self) -> None:
        """Wait until nothing is under way after an answer."""
        self.context.close()


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with SlackServer() as server:
        server.app.redirect_urls.append("https://bot.example")
        yield server


@pytest.fixture
def bench(slack) -> Iterator[Bench]:
    made = Bench(slack)
    workspace = slack.add_workspace(team_id=TEAM)
    grant = slack.world.install(workspace)
    made.installations.save(Installation(HERE, grant.token, BOT, "BBOT"))
    server = made.build()
    thread = threading.Thread(target=server.run)
    thread.start()
    yield made
    server.stop()
    thread.join()
    made.settle()


# Commands.


@pytest.mark.parametrize(
    ("text", "source", "more"),
    [
        ("", ImageReference(newest=True), {}),
        (ADDRESS, ImageReference(sealed_address=SEALED), {}),
        (f"<{ADDRESS}|party>", ImageReference(sealed_address=SEALED), {}),
        ("surprise", ImageReference(newest=True), {"surprise": True}),
        ("PARTY", ImageReference(newest=True), {"theme": "party"}),
        (
            f"private {ADDRESS}",
            ImageReference(sealed_address=SEALED),
            {"private": True},
        ),
    ],
)
def test_a_command_is_queued(bench, text, source, more):
    said = bench.reply_to(command(text))

    [request] = bench.queue.requests
    assert request.source == source
    assert (request.workspace, request.entrypoint) == (HERE, Entrypoint.COMMAND)
    assert (request.user_id, request.channel_id) == (ASKER, CHANNEL)
    assert request.sealed_response_url == f"sealed({RESPONSE_URL})"
    assert {name: getattr(request, name) for name in more} == more
    kind = "accepted_private" if more.get("private") else "accepted"
    assert said == render_message(kind)


@pytest.mark.parametrize(
    ("text", "kind", "facts"),
    [
        ("help", "help", {"themes": "`classic`, `party`"}),
        ("suprise", "unknown_option", {"word": "suprise", "guess": "surprise"}),
        ("photo.jpg", "not_a_url", {"word": "photo.jpg"}),
        (f"{ADDRESS} {ADDRESS}2", "several_addresses", {}),
    ],
)
def test_a_command_that_cannot_be_done_is_answered(bench, text, kind, facts):
    assert bench.reply_to(command(text)) == render_message(kind, **facts)
    assert bench.queue.requests == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [(QueueFullError("Full."), "queue_full"), (QueueError("Away."), "queue")],
)
def test_a_command_is_answered_when_the_queue_is_not(bench, error, kind):
    bench.queue.error = error

    assert bench.reply_to(command()) == render_message(kind)


def test_the_same_command_again_queues_nothing(bench):
    sent = command()

    assert bench.reply_to(sent) == bench.reply_to(sent)
    assert len(bench.queue.jobs) == 1


def test_two_commands_are_two_jobs(bench):
    bench.reply_to(command())
    bench.reply_to(command())

    assert len(bench.queue.jobs) == 2


def test_a_command_under_another_name_is_one(bench):
    bench.reply_to(command(command="/emojify-staging"))

    assert len(bench.queue.jobs) == 1


def test_a_command_from_where_it_is_not_installed(bench):
    said = bench.reply_to(command(team_id="T9"))

    assert said == render_message("not_installed")
    assert bench.queue.requests == []


def test_a_command_of_an_organisations_installation(bench):
    whole = Workspace("", "E1", is_org_install=True)
    bench.installations.save(Installation(whole, "xoxb-org", BOT))

    bench.reply_to(
        command(team_id="T7", enterprise_id="E1", is_enterprise_install="true")
    )

    [request] = bench.queue.requests
    assert request.workspace == Workspace("T7", "E1", is_org_install=True)


def test_a_failure_of_ours_is_said_and_not_retried(bench, caplog):
    bench.queue.error = ZeroDivisionError()

    assert bench.reply_to(command("surprise")) == render_message("error")
    assert "surprise" not in caplog.text


# Shortcuts.


def test_a_shortcut_on_an_image(bench):
    assert bench.send(shortcut([image()])).text == ""

    [request] = bench.queue.requests
    assert (request.entrypoint, request.source) == (
        Entrypoint.SHORTCUT,
        ImageReference(file_id="F1", posted_by=OTHER),
    )
    assert request.thread_ts == ""
    assert request.sealed_response_url == f"sealed({RESPONSE_URL})"
    assert bench.told() == ["accepted"]


def test_a_shortcut_in_a_thread_answers_there(bench):
    bench.send(shortcut([image()], message={"thread_ts": TOP_TS}))

    assert [one.thread_ts for one in bench.queue.requests] == [TOP_TS]


def test_a_shortcut_on_several_images_answers_in_one_thread(bench):
    bench.send(shortcut([image("F1"), image("F2"), image("F3")]))

    files = [one.source.file_id for one in bench.queue.requests]
    assert files == ["F1", "F2", "F3"]
    assert {one.thread_ts for one in bench.queue.requests} == {TS}
    assert bench.told() == ["accepted"]


@pytest.mark.parametrize("files", [None, [], [image(mimetype="application/pdf")]])
def test_a_shortcut_without_an_image_says_so(bench, files):
    bench.send(shortcut(files))

    assert bench.told() == ["no_image"]
    assert bench.queue.requests == []
    assert bench.sink.told[0][0].sealed_response_url == f"sealed({RESPONSE_URL})"


def test_the_same_shortcut_again_queues_nothing(bench):
    sent = shortcut([image("F1"), image("F2")])

    bench.send(sent)
    bench.send(sent)

    assert len(bench.queue.jobs) == 2


def test_a_shortcut_may_be_used_twice(bench):
    bench.send(shortcut([image()]))
    bench.send(shortcut([image()]))

    assert len(bench.queue.jobs) == 2


# Mentions.


@pytest.mark.parametrize(
    ("sent", "source"),
    [
        (mention(files=[image()]), ImageReference(file_id="F1", posted_by=ASKER)),
        (mention(), ImageReference(newest=True)),
        (mention(f"<@{BOT}> surprise"), ImageReference(newest=True)),
        (
            mention(f"<@{BOT}> <{ADDRESS}>"),
            ImageReference(sealed_address=SEALED, posted_by=ASKER),
        ),
        (
            mention(thread_ts=TOP_TS, parent_user_id=OTHER),
            ImageReference(message_ts=TOP_TS, posted_by=OTHER),
        ),
        (
            mention(f"<@{BOT}> please", thread_ts=TOP_TS, parent_user_id=OTHER),
            ImageReference(message_ts=TOP_TS, posted_by=OTHER),
        ),
        (
            mention(thread_ts=TOP_TS, parent_user_id=BOT),
            ImageReference(message_ts=TS, posted_by=ASKER),
        ),
        (
            mention(f"thanks <@{BOT}>"),
            ImageReference(message_ts=TS, posted_by=ASKER),
        ),
    ],
)
def test_what_a_mention_means(bench, sent, source):
    assert bench.send(sent).status_code == 200

    [request] = bench.queue.requests
    assert (request.entrypoint, request.source) == (Entrypoint.MENTION, source)
    assert request.reaction_ts == TS
    assert request.sealed_response_url == ""


def test_a_mention_in_a_thread_answers_there(bench):
    bench.send(mention(files=[image()], thread_ts=TOP_TS))

    assert [one.thread_ts for one in bench.queue.requests] == [TOP_TS]


def test_a_mention_with_wishes(bench):
    bench.send(mention(f"<@{BOT}> party, private!", files=[image()]))

    [request] = bench.queue.requests
    assert (request.theme, request.private) == ("party", True)


def test_a_mention_with_several_images(bench):
    bench.send(mention(files=[image("F1"), image("F2")]))

    assert {one.thread_ts for one in bench.queue.requests} == {TS}
    assert all(one.begins_thread for one in bench.queue.requests)
    assert [one.reaction_ts for one in bench.queue.requests] == [TS, ""]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (mention(f"<@{BOT}> help"), "help"),
        (mention(files=[image(mimetype="text/plain")]), "no_image"),
    ],
)
def test_a_mention_that_cannot_be_done_is_answered(bench, sent, kind):
    bench.send(sent)

    assert bench.told() == [kind]
    assert bench.queue.requests == []


# Direct messages.


def test_an_image_in_a_direct_message(bench):
    bench.send(direct_message(subtype="file_share", files=[image()]))

    [request] = bench.queue.requests
    assert (request.entrypoint, request.channel_id) == (
        Entrypoint.DIRECT_MESSAGE,
        DIRECT,
    )
    assert request.source == ImageReference(file_id="F1", posted_by=ASKER)
    assert (request.thread_ts, request.reaction_ts) == ("", TS)


def test_several_images_in_a_direct_message_answer_in_one_thread(bench):
    files = [image("F1"), image("F2", mimetype="text/plain"), image("F3")]

    bench.send(direct_message("private", subtype="file_share", files=files))

    assert [one.source.file_id for one in bench.queue.requests] == ["F1", "F3"]
    assert {one.thread_ts for one in bench.queue.requests} == {TS}
    assert not any(one.private for one in bench.queue.requests)


def test_an_address_in_a_direct_message(bench):
    bench.send(direct_message(f"look: <{ADDRESS}>"))

    [request] = bench.queue.requests
    assert request.source == ImageReference(sealed_address=SEALED, posted_by=ASKER)


@pytest.mark.parametrize(
    ("sent", "kinds"),
    [
        (direct_message("hello"), ["help"]),
        (direct_message("help"), ["help"]),
        (direct_message(files=[image(mimetype="text/plain")]), ["no_image"]),
        (direct_message("thanks", thread_ts=TOP_TS), []),
    ],
)
def test_other_direct_messages(bench, sent, kinds):
    bench.send(sent)
    bench.settle()

    assert bench.sink.kinds == kinds
    assert bench.queue.requests == []


# Events that mean nothing, and events that come again.


@pytest.mark.parametrize(
    "sent",
    [
        direct_message(files=[image()], user=BOT),
        direct_message(files=[image()], bot_id="BBOT"),
        direct_message(files=[image()], bot_id="B7", user="U7"),
        direct_message(subtype="bot_message", user=None),
        direct_message(subtype="message_changed", hidden=True),
        direct_message(subtype="message_deleted", hidden=True),
        direct_message("x", files=[image()], edited={"user": ASKER, "ts": "2.2"}),
        direct_message(files=[image()], channel=CHANNEL, channel_type="channel"),
        mention(files=[image()], bot_id="B7"),
        mention(files=[image()], user=BOT),
        mention(files=[image()], edited={"user": ASKER, "ts": "2.2"}),
        mention(files=[image()], channel=DIRECT),
        event({"type": "reaction_added", "user": ASKER}),
        event({"type": "app_home_opened", "user": ASKER, "tab": "messages"}),
        event({"type": "unknown"}),
        interaction(
            {
                "type": "block_actions",
                "team": {"id": TEAM},
                "actions": [{"type": "button", "action_id": "open_a_link"}],
            }
        ),
        event({"type": "app_mention", "user": ASKER}, team_id="T9", authorizations=[]),
    ],
)
def test_what_is_not_for_us_is_passed_over(bench, sent):
    assert bench.send(sent).status_code == 200
    bench.settle()

    assert bench.queue.requests == []
    assert bench.sink.told == []


@pytest.mark.parametrize(
    "sent",
    [
        direct_message(files=[image("F1"), image("F2")]),
        mention(files=[image("F1"), image("F2")]),
    ],
)
def test_an_event_that_comes_again_queues_nothing(bench, sent):
    bench.send(sent)
    for number in range(1, 4):
        again = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": "timeout"}
        assert bench.send(sent, **again).status_code == 200

    assert len(bench.queue.jobs) == 2


def test_an_event_that_comes_again_is_answered_once(bench):
    sent = direct_message("hello")

    bench.send(sent)
    bench.send(sent, **{"X-Slack-Retry-Num": "1"})
    bench.settle()

    assert bench.sink.kinds == ["help"]


def test_what_nobody_heard_the_first_time_is_answered(bench):
    again = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "connection_failed"}

    bench.send(direct_message("hello"), **again)

    assert bench.told() == ["help"]


def test_a_full_queue_is_told_and_the_event_is_done(bench):
    bench.queue.error, bench.queue.holds = QueueFullError("Full."), 1

    answer = bench.send(direct_message(files=[image("F1"), image("F2")]))

    assert answer.status_code == 200
    assert len(bench.queue.jobs) == 1
    assert bench.told() == ["queue_full"]


def test_without_a_database_slack_sends_the_event_again(bench):
    bench.queue.error, sent = QueueError("Away."), mention(files=[image()])

    assert bench.send(sent).status_code == 500
    bench.queue.error = None
    assert bench.send(sent, **{"X-Slack-Retry-Num": "1"}).status_code == 200

    assert len(bench.queue.jobs) == 1


def test_an_answer_that_cannot_be_delivered_is_logged(bench, caplog):
    bench.sink.refuse_tell = DeliveryError("No.", kind="channel_not_found")

    bench.send(direct_message("hello"))
    bench.settle()

    [record] = [one for one in caplog.records if "not delivered" in one.message]
    assert (record.outcome, record.error) == ("help", "channel_not_found")


# The buttons.


def test_the_asker_deletes_at_once(bench):
    bench.posts.record(POST)

    assert bench.send(press("delete_post", "job-1")).status_code == 200

    assert bench.told() == ["post_deleted"]
    assert bench.sink.deleted == [POST]
    assert bench.posts.find(HERE, "job-1").deleted_by == ASKER


def test_anybody_else_is_asked_first(bench):
    bench.posts.record(POST)
    slack = bench.slack
    workspace = slack.world.workspaces[TEAM]
    somebody = slack.add_user(workspace, "somebody").user_id
    opened = press(
        "delete_post", "job-1", somebody, trigger_id=new_trigger(slack.world, somebody)
    )

    bench.send(opened)
    call = slack.wait_until(lambda: slack.calls_of("views.open"))[0]
    assert call.answer["ok"], call.answer
    bench.await_rest()
    assert bench.sink.deleted == []
    [view] = slack.world.views.values()
    metadata = view.body["private_metadata"]
    answer = bench.send(submission("delete_post_confirmed", metadata, somebody))

    assert (answer.status_code, answer.text) == (200, "")
    assert bench.told() == ["post_deleted"]
    assert bench.posts.find(HERE, "job-1").deleted_by == somebody
    told = bench.sink.told[0][0]
    assert (told.user_id, told.channel_id) == (somebody, CHANNEL)
    assert told.sealed_response_url == f"sealed({RESPONSE_URL})"
    assert slack.problems == []


def test_the_window_of_an_organisations_app_knows_where_it_was_opened(bench):
    bench.installations.save(
        Installation(Workspace("", "E1", is_org_install=True), "xoxb-org", BOT)
    )
    bench.posts.record(POST)
    asked = PendingDeletion("job-1", CHANNEL, "", "", TEAM)
    view = {"type": "modal", "callback_id": "delete_post_confirmed", "state": {}}
    view["app_installed_team_id"] = "E1"
    payload = {
        "type": "view_submission",
        "team": None,
        "enterprise": {"id": "E1"},
        "is_enterprise_install": True,
        "user": {"id": OTHER, "team_id": TEAM},
        "view": view | {"id": "V1", "private_metadata": asked.to_metadata()},
    }

    bench.send(interaction(payload))

    assert bench.told() == ["post_deleted"]
    assert bench.posts.find(HERE, "job-1").deleted_by == OTHER


def test_a_window_that_cannot_be_opened_is_told(bench):
    bench.posts.record(POST)

    bench.send(press("delete_post", "job-1", OTHER))

    assert bench.told() == [bench.slack.calls_of("views.open")[0].answer["error"]]


@pytest.mark.parametrize("action", ["delete_post", "try_another"])
def test_a_second_press_is_told_that_it_is_gone(bench, action):
    bench.posts.record(POST)
    bench.posts.mark_deleted(HERE, "job-1", OTHER)

    bench.send(press(action, "job-1"))

    assert bench.told() == ["post_gone"]
    assert (bench.sink.deleted, bench.queue.requests) == ([], [])


@pytest.mark.parametrize("action", ["delete_post", "try_another"])
def test_a_post_that_nobody_remembers_is_told_of(bench, action):
    bench.send(press(action, "job-9"))

    assert bench.told() == ["post_forgotten"]


def test_a_post_of_another_workspace_is_out_of_reach(bench):
    bench.posts.record(replace(POST, workspace=Workspace("T2")))

    bench.send(press("delete_post", "job-1"))

    assert bench.told() == ["post_forgotten"]
    assert bench.sink.deleted == []


def test_a_deletion_that_slack_refuses_is_told_and_not_noted(bench):
    bench.posts.record(POST)
    bench.sink.refuse_delete = DeliveryError("No.", kind="cant_delete_file")

    bench.send(press("delete_post", "job-1"))

    assert bench.told() == ["cant_delete_file"]
    assert bench.posts.find(HERE, "job-1").deleted_by == ""


def test_pressed_while_too_much_waits(bench):
    bench.posts.record(POST)
    go_on = threading.Event()
    assert bench.context.background.submit("test", go_on.wait)

    answer = bench.send(press("delete_post", "job-1"))

    assert answer.status_code == 200
    assert bench.told() == ["busy"]
    go_on.set()


def test_another_is_tried_from_the_same_source(bench):
    bench.posts.record(POST)

    bench.send(press("try_another", "job-1"))
    bench.queue.ended.add("job-1:1")
    bench.send(press("try_another", "job-1"))

    assert list(bench.queue.jobs) == ["job-1:1", "job-1:2"]
    request = bench.queue.requests[1]
    assert (request.entrypoint, request.source) == (Entrypoint.TRY_ANOTHER, POST.source)
    assert (request.replaces_post_id, request.press) == ("job-1", 2)
    assert (request.channel_id, request.thread_ts) == (CHANNEL, TOP_TS)
    assert (request.theme, request.surprise) == ("classic", True)
    assert bench.told(2) == ["accepted", "accepted"]


def test_one_post_is_not_tried_for_ever(bench):
    bench.posts.record(POST)
    bench.queue.ended.update(f"job-1:{number + 1}" for number in range(MAX_TRIES))

    bench.send(press("try_another", "job-1"))

    assert bench.told() == ["busy"]
    assert bench.queue.requests == []


def test_of_two_quick_presses_one_counts(bench):
    bench.posts.record(POST)

    bench.send(press("try_another", "job-1"))
    bench.send(press("try_another", "job-1"))

    assert list(bench.queue.jobs) == ["job-1:1"]
    assert bench.told(2) == ["accepted", "accepted"]


def test_a_deletion_follows_to_what_took_the_place_meanwhile(bench):
    bench.posts.record(POST)
    newer = replace(POST, post_id="job-2", file_id="F2")
    bench.posts.record(newer)
    replaced = bench.sink.delete

    def deleted_while_it_is_replaced(post):
        replaced(post)
        bench.posts.mark_deleted(HERE, "job-1", "job-2")

    bench.sink.delete = deleted_while_it_is_replaced
    bench.send(press("delete_post", "job-1"))

    assert bench.told() == ["post_deleted"]
    assert [post.post_id for post in bench.sink.deleted] == ["job-1", "job-2"]
    assert bench.posts.find(HERE, "job-2").deleted_by == ASKER


def test_only_the_asker_tries_another(bench):
    bench.posts.record(POST)

    bench.send(press("try_another", "job-1", OTHER))

    assert bench.told() == ["not_asker"]
    assert bench.queue.requests == []


def test_another_is_tried_when_the_queue_is_full(bench):
    bench.posts.record(POST)
    bench.queue.error = QueueFullError("Full.")

    bench.send(press("try_another", "job-1"))

    assert bench.told() == ["queue_full"]


# The home tab.


def test_the_home_tab_is_shown(bench):
    slack = bench.slack
    somebody = slack.add_user(slack.world.workspaces[TEAM], "somebody").user_id
    opened = {"type": "app_home_opened", "tab": "home", "user": somebody}

    bench.send(event(opened))

    [call] = slack.wait_until(lambda: slack.calls_of("views.publish"))
    assert call.answer["ok"], call.answer
    assert slack.problems == []


def test_no_answer_waits_for_slack(bench):
    bench.slack.faults.add("*", slow_seconds=3)
    bench.posts.record(POST)
    began = time.monotonic()

    for sent in (
        event({"type": "app_home_opened", "tab": "home", "user": ASKER}),
        press("delete_post", "job-1", OTHER),
        command(),
        mention(files=[image()]),
        shortcut([image()]),
    ):
        assert bench.send(sent).status_code == 200

    assert time.monotonic() - began < 2


# The end of an installation.


@pytest.mark.parametrize(
    "ended",
    [
        {"type": "app_uninstalled"},
        {"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": [BOT]}},
    ],
)
def test_an_uninstallation_takes_effect_at_once(bench, ended):
    bench.reply_to(command())

    assert bench.send(event(ended, authorizations=[])).status_code == 200

    assert bench.installations.all() == []
    assert bench.reply_to(command()) == render_message("not_installed")
    wait_until(lambda: not bench.queue.jobs)


def test_the_jobs_of_an_installation_go_also_after_a_bad_moment(bench):
    bench.reply_to(command())
    bench.queue.refuse_forget.append(QueueError("Away."))

    bench.send(event({"type": "app_uninstalled"}, authorizations=[]))

    wait_until(lambda: not bench.queue.jobs)


def test_who_cannot_forget_now_is_told_again(bench):
    bench.reply_to(command())
    go_on = threading.Event()
    bench.context.background.submit("busy", go_on.wait)

    refused = bench.send(event({"type": "app_uninstalled"}, authorizations=[]))
    assert refused.status_code == 500
    go_on.set()

    def taken() -> bool:
        ended = event({"type": "app_uninstalled"}, authorizations=[])
        return bench.send(ended).status_code == 200

    wait_until(taken)
    wait_until(lambda: not bench.queue.jobs)


def test_an_uninstallation_of_nobody_ends_nothing(bench):
    bench.reply_to(command())

    bench.send(event({"type": "app_uninstalled"}, authorizations=[], team_id=None))

    assert len(bench.installations.all()) == 1
    assert len(bench.queue.jobs) == 1


def test_a_persons_own_token_is_not_ours(bench):
    revoked = {"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}}

    bench.send(event(revoked))

    assert len(bench.installations.all()) == 1


@pytest.mark.parametrize(("seconds", "remaining"), [(-60, 0), (5, 0), (60, 1)])
def test_a_late_event_does_not_end_a_new_installation(bench, seconds, remaining):
    [old] = bench.installations.all()
    uninstalled = event({"type": "app_uninstalled"})
    again = datetime.fromtimestamp(EVENT_TIME, UTC) + timedelta(seconds=seconds)
    bench.installations.save(replace(old, installed_at=again))

    bench.send(uninstalled)

    assert len(bench.installations.all()) == remaining


@pytest.mark.parametrize("team", [{"team_id": "T7"}, {"team_id": None}])
def test_an_organisations_installation_ends_as_a_whole(bench, team):
    whole = Workspace("", "E1", is_org_install=True)
    bench.installations.save(Installation(whole, "xoxb-org", BOT))
    named = team | {
        "enterprise_id": "E1",
        "is_enterprise_install": bool(team["team_id"]),
    }

    bench.send(event({"type": "app_uninstalled"}, authorizations=[], **named))

    assert bench.installations.find(Workspace("T7", "E1", is_org_install=True)) is None
    assert bench.installations.find(HERE) is not None


# Installation.


def begin(bench: Bench) -> tuple[str, dict[str, str]]:
    """Press the button and consent; return where Slack sends the browser to."""
    first = requests.get(
        f"{bench.url}/slack/install", allow_redirects=False, timeout=10
    )
    assert first.status_code == 302
    cookie = first.headers["Set-Cookie"]
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    asked = requests.get(first.headers["Location"], allow_redirects=False, timeout=10)
    assert asked.status_code == 302, asked.text
    query = urlsplit(asked.headers["Location"]).query
    return query, {"Cookie": cookie.partition(";")[0]}


def finish(bench: Bench, query: str, headers: dict[str, str]) -> requests.Response:
    address = f"{bench.url}/slack/oauth_redirect?{query}"
    return requests.get(address, headers=headers, timeout=10)


def test_somebody_adds_it_to_slack(bench):
    bench.slack.add_workspace("Initech", team_id="T3")
    bench.slack.switches.consent_team_id = "T3"

    done = finish(bench, *begin(bench))

    assert done.status_code == 200
    assert "Initech" in done.text
    assert "team=T3" in done.text
    found = bench.installations.find(Workspace("T3"))
    assert found.bot_token in bench.slack.world.grants
    assert found.scopes
    assert found.bot_user_id
    assert found.bot_id
    assert bench.reply_to(command(team_id="T3")) == render_message("accepted")
    assert bench.slack.problems == []


def test_somebody_adds_it_to_a_whole_organisation(bench):
    bench.slack.add_workspace(
        "Branch", team_id="T4", enterprise_id="E4", enterprise_name="Umbrella"
    )
    bench.slack.switches.consent_team_id = "T4"
    bench.slack.switches.consent_org_wide = True

    done = finish(bench, *begin(bench))

    assert "Umbrella" in done.text
    found = bench.installations.find(Workspace("T4", "E4", is_org_install=True))
    assert found.workspace == Workspace("", "E4", is_org_install=True)


def test_rotating_tokens_are_kept_with_their_end(bench):
    bench.slack.app.token_rotation = True
    bench.slack.add_workspace("Initech", team_id="T3")
    bench.slack.switches.consent_team_id = "T3"

    finish(bench, *begin(bench))

    found = bench.installations.find(Workspace("T3"))
    hours = (found.expires_at - found.installed_at).total_seconds() / 3600
    assert found.refresh_token
    assert 11.9 < hours < 12.1


def test_a_state_is_good_once(bench):
    query, cookie = begin(bench)

    assert finish(bench, query, cookie).status_code == 200
    again = finish(bench, query, cookie)

    assert again.status_code == 401
    assert "used before" in again.text


def test_a_state_is_good_for_ten_minutes(bench):
    query, cookie = begin(bench)
    bench.clock.advance(601)

    assert finish(bench, query, cookie).status_code == 401


@pytest.mark.parametrize(
    "headers", [{}, {"Cookie": "slack-app-oauth-state=other"}, {"Cookie": "a=b"}]
)
def test_another_browser_cannot_finish_it(bench, headers):
    query, _ = begin(bench)

    done = finish(bench, query, headers)

    assert done.status_code == 400
    assert "another browser" in done.text
    assert len(bench.installations.all()) == 1


def test_a_forged_state_is_refused(bench):
    cookie = {"Cookie": "slack-app-oauth-state=../../etc/passwd"}

    done = finish(bench, "code=1&state=../../etc/passwd", cookie)

    assert done.status_code == 401


def test_a_code_is_good_once(bench):
    query, _ = begin(bench)
    code = parse_qs(query)["code"][0]
    for number in range(2):
        again, cookie = begin(bench)
        state = parse_qs(again)["state"][0]
        done = finish(bench, f"code={code}&state={state}", cookie)
        assert done.status_code == (200, 400)[number]

    assert "Begin again" in done.text


def test_somebody_says_no(bench):
    bench.slack.switches.consent_denied = True

    done = finish(bench, *begin(bench))

    assert done.status_code == 200
    assert "cancelled" in done.text


@pytest.mark.parametrize("query", ["", "error=<script>alert(1)</script>", "state=1"])
def test_an_odd_return_gets_a_page(bench, query):
    done = finish(bench, query, {})

    assert done.status_code in {200, 400}
    assert "<h1>" in done.text
    assert "<script>" not in done.text


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"drop": True}], ids=["broken", "cut off"]
)
def test_slack_fails_at_the_last_step(bench, fault):
    bench.slack.faults.add("oauth.v2.access", **fault)

    done = finish(bench, *begin(bench))

    assert done.status_code == 502
    assert "Slack did not answer" in done.text


def test_our_database_fails_at_the_last_step(bench, caplog):
    query, cookie = begin(bench)

    def fail():
        raise ZeroDivisionError

    bench.installations.save = lambda _: fail()
    done = finish(bench, query, cookie)

    assert done.status_code == 500
    assert "Something went wrong" in done.text
    assert parse_qs(query)["code"][0] not in caplog.text


# What is refused.


def test_another_secret_is_refused_and_its_body_not_logged(bench, caplog):
    caplog.set_level("DEBUG")
    sent = command("swordfish")

    answer = bench.send_raw(sent.body, signed(sent, "another secret"))

    assert answer.status_code == 401
    assert "swordfish" not in caplog.text


def test_a_request_of_six_minutes_ago_is_refused(bench):
    sent = command()
    headers = signed(sent, bench.slack.app.signing_secret, time.time() - 360)

    assert bench.send_raw(sent.body, headers).status_code == 401
    assert bench.queue.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"authorizations": 5, "type": "event_callback"}',
        b'{"team": [], "type": "event_callback"}',
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("secret", ["fake-signing-secret", "another"])
def test_an_odd_body_never_breaks_it(bench, body, secret, caplog):
    sent = Sent(body, "application/json")

    answer = bench.send_raw(body, signed(sent, secret))

    assert answer.status_code in {200, 400, 401}
    assert "Traceback" not in caplog.text


def test_a_challenge_is_answered(bench):
    sent = Sent(b'{"type": "url_verification", "challenge": "abc"}', "application/json")

    assert bench.send(sent).json() == {"challenge": "abc"}


class TestRules:
    """What is refused before it is queued, whichever way it is asked."""

    WAYS = (
        pytest.param(shortcut([image()]), id="shortcut"),
        pytest.param(mention(files=[image()]), id="mention"),
        pytest.param(mention(), id="mention alone"),
        pytest.param(
            mention(thread_ts=TOP_TS, parent_user_id=OTHER), id="mention in a thread"
        ),
    )

    @pytest.mark.parametrize("sent", WAYS)
    def test_in_a_channel_that_is_off(self, bench, sent):
        bench.settings.switch(HERE, CHANNEL, OTHER, off=True)

        bench.send(sent)

        assert bench.told() == ["channel_off"]
        assert bench.queue.requests == []

    def test_a_command_in_a_channel_that_is_off(self, bench):
        bench.settings.switch(HERE, CHANNEL, OTHER, off=True)

        assert "switched off" in bench.reply_to(command())

    @pytest.mark.parametrize("sent", WAYS)
    def test_pictures_in_messages_of_who_opted_out(self, bench, sent):
        for person in (ASKER, OTHER):
            bench.settings.opt(HERE, person, out=True)

        bench.send(sent)

        if b"parent_user_id" not in sent.body and b"files" not in sent.body:
            assert len(bench.queue.requests) == 1  # the worker looks whose it is
        else:
            assert bench.told() == ["opted_out"]
            assert bench.queue.requests == []

    @pytest.mark.parametrize("text", ["opt out", "opt in"])
    def test_opting_is_answered_at_once(self, bench, text):
        bench.settings.opt(HERE, ASKER, out=text == "opt in")

        said = bench.reply_to(command(text))

        assert "Understood" in said
        out = bench.settings.opted_out([ASKER]) == {ASKER}
        assert out is (text == "opt out")

    def test_opting_by_a_mention_and_a_direct_message(self, bench):
        bench.send(mention(f"<@{BOT}> opt out"))
        bench.send(direct_message("opt in"))

        assert bench.told(2) == ["opted_out_now", "opted_in_now"]

    def test_an_opt_out_elsewhere_still_holds(self, bench):
        bench.settings.opt(Workspace("T9"), ASKER, out=True)

        assert bench.reply_to(command("opt in")) == render_message(
            "opted_out_elsewhere"
        )

    @pytest.mark.parametrize(
        "sent",
        [
            mention(f"<@{BOT}> opt out", files=[image()]),
            direct_message("opt out", files=[image()]),
        ],
    )
    def test_an_order_comes_before_the_pictures_beside_it(self, bench, sent):
        bench.send(sent)

        assert bench.told() == ["opted_out_now"]
        assert bench.queue.requests == []

    def test_an_order_that_comes_late_and_again_undoes_nothing(self, bench):
        out = direct_message("opt out")
        bench.send(out)
        bench.send(direct_message("opt in", ts="1700000009.000001"))
        late = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
        again = replace(out, body=out.body.replace(b'"opt out"', b'"opt  out"'))

        assert bench.send(again, **late).status_code == 200

        assert bench.settings.opted_out([ASKER]) == frozenset()

    def test_where_admins_are_unknown_it_is_told(self, bench):
        bench.slack.faults.add("users.info", error="missing_scope")

        assert bench.send(command("off")).text == ""

        assert bench.told() == ["admin_unknown"]
        assert not bench.settings.is_off(CHANNEL)
