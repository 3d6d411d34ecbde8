"""Results and words on their way to a Slack that says no."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emojifier_bot.domain import (
    Entrypoint,
    ImageReference,
    NotPosted,
    Outcome,
    ResultPicture,
    Share,
    ShareState,
)
from emojifier_bot.errors import DeliveryError
from emojifier_bot.slack.messages import render_message
from tests.fakes.slack import BOT_SCOPES, Message, SlackServer, sample_workspace
from tests.fakes.slack.methods_files import delete_file
from tests.fakes.slack.responses import new_response_url
from tests.slack_bot import Bot, picture, write


@pytest.fixture
def slack():
    with SlackServer() as server:
        yield server
        assert server.problems == []


@pytest.fixture
def bot(slack):
    return Bot(slack, sample_workspace(slack))


@pytest.fixture
def bare_bot(slack):
    """Return a bot that was granted nothing optional."""
    return Bot(slack, sample_workspace(slack, BOT_SCOPES))


def refusal(call, *arguments) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        call(*arguments)
    return caught.value


class TestUpload:
    def test_a_file_that_nobody_sees_yet(self, bot, slack):
        post = bot.uploaded()

        assert slack.world.files[post.file_id].data == picture()
        assert slack.world.files[post.file_id].alt_txt == "1 face: grinning"
        assert bot.sink.share(post) == Share(ShareState.UNKNOWN)
        assert slack.messages() == []

    @pytest.mark.parametrize(
        ("workspace", "kind"),
        [
            ({"uploads": "none"}, "file_uploads_disabled"),
            ({"max_upload_bytes": 10}, "file_upload_size_restricted"),
            ({"storage_full": True}, "storage_limit_reached"),
        ],
    )
    def test_an_upload_that_the_workspace_refuses(self, slack, workspace, kind):
        bot = Bot(slack, sample_workspace(slack, **workspace))
        error = refusal(bot.uploaded)
        assert (error.kind, error.retryable) == (kind, False)

    @pytest.mark.parametrize(("times", "sent"), [(1, 250), (2, 0)])
    def test_alt_text_that_is_too_long_is_cut(self, bot, slack, times, sent):
        slack.faults.add(
            "files.getUploadURLExternal", error="alt_txt_too_large", times=times
        )
        post = bot.uploaded(alt_text="x" * 1200)
        assert len(slack.world.files[post.file_id].alt_txt) == sent

    @pytest.mark.parametrize(
        ("fault", "kind", "retryable"),
        [
            ({"status": 503}, "slack_unavailable", True),
            ({"drop": True}, "slack_unavailable", True),
            ({"status": 404}, "upload_failed", False),
        ],
    )
    def test_an_upload_that_fails(self, bot, slack, fault, kind, retryable):
        slack.faults.add("upload", **fault)
        error = refusal(bot.uploaded)
        assert (error.kind, error.retryable) == (kind, retryable)
        assert bot.uploaded().file_id


class TestComplete:
    def test_the_result_with_comment_words_and_buttons(self, bot, slack):
        post = bot.uploaded()

        bot.sink.complete(post)

        ((message, file),) = slack.results(post.channel_id)
        assert file.title == "party, emojified"
        assert f"<@{post.asker_id}> asked for this. 1 face: 😆" in message.everything
        assert "1 face: grinning" in message.everything
        assert [one["value"] for one in message.blocks[-1]["elements"]] == ["job-1"] * 3
        share = bot.sink.share(post)
        assert share == Share(ShareState.SHARED, message.ts)
        bot.sink.ensure_buttons(post, share)
        assert len(slack.bot_messages()) == 1

    def test_a_result_in_a_thread(self, bot, slack):
        parent = slack.world.new_ts()
        bot.slack.world.add_message(_message(bot, parent))
        post = bot.uploaded(thread_ts=parent)

        bot.sink.complete(post)

        ((message, _),) = slack.results(post.channel_id)
        assert bot.sink.share(post) == Share(ShareState.SHARED, message.ts, parent)

    def test_blocks_that_slack_refuses_leave_the_buttons_to_the_thread(
        self, bot, slack
    ):
        slack.faults.add("files.completeUploadExternal", error="invalid_blocks")
        post = bot.uploaded()

        bot.sink.complete(post)
        share = bot.sink.share(post)
        bot.sink.ensure_buttons(post, share)

        result, buttons = slack.bot_messages(post.channel_id)
        assert "1 face: 😆\n1 face: grinning" in result.text
        assert result.blocks == []
        assert slack.world.files[post.file_id].title.startswith("party, emojified")
        assert buttons.thread_ts == result.ts
        assert len(buttons.blocks[-1]["elements"]) == 3

    def test_a_public_channel_is_joined(self, bot, slack):
        post = bot.uploaded(channel_id=bot.acme.random.channel_id)

        bot.sink.complete(post)

        assert len(slack.results(bot.acme.random.channel_id)) == 1
        assert len(slack.calls_of("conversations.join")) == 1

    @pytest.mark.parametrize("known", [True, False])
    def test_a_public_channel_that_may_not_be_joined(self, slack, known):
        bot = Bot(slack, sample_workspace(slack, BOT_SCOPES), knows_scopes=known)
        post = bot.uploaded(channel_id=bot.acme.random.channel_id)
        assert refusal(bot.sink.complete, post).kind == "not_in_channel"

    @pytest.mark.parametrize(
        ("room", "change", "kind"),
        [
            ("secret", {}, "channel_not_found"),
            ("general", {"is_archived": True}, "posting_to_channel_denied"),
            ("general", {"is_read_only": True}, "posting_to_channel_denied"),
            ("random", {"is_archived": True}, "is_archived"),
        ],
    )
    def test_channels_that_refuse_a_result(self, bot, slack, room, change, kind):
        channel = getattr(bot.acme, room)
        for name, value in change.items():
            setattr(channel, name, value)
        post = bot.uploaded(channel_id=channel.channel_id)
        error = refusal(bot.sink.complete, post)
        assert (error.kind, error.retryable) == (kind, False)
        assert slack.results() == []

    def test_a_second_one_is_refused_but_the_share_is_known(self, bot, slack):
        post = bot.uploaded()
        slack.faults.add("files.completeUploadExternal", drop=True, after=True)

        assert refusal(bot.sink.complete, post).retryable
        assert bot.sink.share(post).state is ShareState.SHARED
        assert refusal(bot.sink.complete, post).kind == "file_not_found"
        assert len(slack.results()) == 1


class TestShare:
    def test_a_share_may_come_late(self, bot, slack):
        slack.switches.share_after_polls = 2
        post = bot.uploaded()
        bot.sink.complete(post)
        states = [bot.sink.share(post).state for _ in range(3)]
        assert states == [ShareState.PENDING, ShareState.PENDING, ShareState.SHARED]

    @pytest.mark.parametrize(
        ("code", "state"),
        [("file_deleted", ShareState.DELETED), ("file_not_found", ShareState.UNKNOWN)],
    )
    def test_a_deleted_file(self, bot, slack, code, state):
        slack.switches.deleted_code = code
        post = bot.uploaded()
        bot.sink.complete(post)
        bot.sink.delete(post)
        assert bot.sink.share(post).state is state

    def test_an_error_does_not_say_whether_it_is_shared(self, bot, slack):
        slack.faults.add("files.info", status=429, retry_after=3)
        error = refusal(bot.sink.share, bot.uploaded())
        assert (error.kind, error.retry_after_seconds) == ("ratelimited", 3.0)


class TestDelete:
    def posted(self, bot, slack, **fields):
        post = bot.uploaded(**fields)
        bot.sink.complete(post)
        return post, slack.bot_messages(post.channel_id)[-1].ts

    @pytest.mark.parametrize("told", [True, False])
    def test_words_and_buttons_go_with_the_file(self, bot, slack, told):
        post, ts = self.posted(bot, slack)
        for _ in range(2):
            bot.sink.delete(post, ts if told else "")
        assert slack.bot_messages() == []
        assert slack.world.files[post.file_id].deleted

    def test_the_message_of_a_file_that_an_admin_deleted(self, bot, slack):
        post, ts = self.posted(bot, slack)
        delete_file(slack.world, slack.world.files[post.file_id])
        assert slack.bot_messages()
        bot.sink.delete(post, ts)
        assert slack.bot_messages() == []

    def test_buttons_in_the_thread_go_too(self, bot, slack):
        slack.faults.add("files.completeUploadExternal", error="invalid_blocks")
        post, _ = self.posted(bot, slack)
        bot.sink.ensure_buttons(post, bot.sink.share(post))
        _, buttons = slack.bot_messages(post.channel_id)
        bot.sink.delete(post, buttons.ts)
        assert slack.bot_messages() == []

    @pytest.mark.parametrize("code", ["cant_delete_message", "channel_not_found"])
    def test_the_picture_goes_where_its_message_must_stay(self, bot, slack, code):
        slack.faults.add("chat.delete", error=code)
        post, ts = self.posted(bot, slack)
        bot.sink.delete(post, ts)
        assert slack.results() == []

    def test_a_message_that_may_go_later_is_asked_for_again(self, bot, slack):
        slack.faults.add("chat.delete", status=429, retry_after=3)
        post, ts = self.posted(bot, slack)
        assert refusal(bot.sink.delete, post, ts).kind == "ratelimited"
        assert slack.results() == []
        bot.sink.delete(post, ts)
        assert slack.bot_messages() == []

    def test_deleting_is_refused(self, bot, slack):
        slack.faults.add("files.delete", error="file_deleting_disabled")
        assert refusal(bot.sink.delete, bot.uploaded()).kind == "file_deleting_disabled"


class TestReaction:
    def asked(self, bot, **fields):
        message = bot.slack.world.add_message(_message(bot, bot.slack.world.new_ts()))
        fields = {"entrypoint": Entrypoint.MENTION, "reaction_ts": message.ts} | fields
        return message, bot.request(**fields)

    def test_it_comes_and_goes_and_may_be_repeated(self, bot):
        message, request = self.asked(bot)
        for _ in range(2):
            bot.sink.add_reaction(request)
        assert message.reactions == {"eyes": [bot.acme.grant.bot_user_id]}
        for _ in range(2):
            bot.sink.remove_reaction(request)
        assert message.reactions == {}

    def test_no_message_or_no_permission(self, bot, bare_bot, slack):
        _, request = self.asked(bare_bot)
        for sink, one in ((bot.sink, bot.request()), (bare_bot.sink, request)):
            sink.add_reaction(one)
            sink.remove_reaction(one)
        assert slack.calls == []

    def test_only_a_removal_that_may_succeed_later_is_an_error(self, bot, slack):
        _, request = self.asked(bot)
        slack.faults.add("reactions.add", status=503)
        bot.sink.add_reaction(request)
        slack.faults.add("reactions.remove", status=503)
        assert refusal(bot.sink.remove_reaction, request).retryable
        slack.faults.add("reactions.remove", error="message_not_found")
        bot.sink.remove_reaction(request)


class TestProgress:
    @pytest.mark.parametrize("is_in_thread", [False, True])
    def test_one_line_changes_and_goes(self, bot, slack, is_in_thread):
        parent = write(bot, "look") if is_in_thread else None
        thread_ts = parent.ts if parent else ""
        request = bot.request(thread_ts=thread_ts)

        line_ts = bot.sink.show_progress(request, "", 12, 120)
        assert bot.sink.show_progress(request, line_ts, 60, 120) == line_ts

        (line,) = slack.bot_messages()
        assert line.text.startswith("Working on it: 60 of 120 frames.")
        assert (line.ts, line.thread_ts) == (line_ts, thread_ts)
        # Whoever took the job over may take away what is gone.
        for _ in range(2):
            bot.sink.remove_progress(request, line_ts)
        assert slack.bot_messages() == []

    def test_a_private_line_is_in_the_messages_with_the_bot(self, bot, slack):
        request = bot.request(private=True)

        line_ts = bot.sink.show_progress(request, "", 12, 120)

        own = bot.sink.target(request)
        assert [one.ts for one in slack.bot_messages(own)] == [line_ts]
        bot.sink.remove_progress(request, line_ts)
        assert slack.bot_messages() == []

    def test_where_the_bot_may_not_write_there_is_no_line(self, bot, slack):
        slack.faults.add("chat.postMessage", error="not_in_channel")

        assert not refusal(bot.sink.show_progress, bot.request(), "", 12, 120).retryable


class TestTarget:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"channel_id": "D0OWN", "entrypoint": Entrypoint.DIRECT_MESSAGE},
        ],
    )
    def test_where_it_was_asked(self, bot, slack, fields):
        request = bot.request(**fields)
        assert bot.sink.target(request) == request.channel_id
        assert slack.calls == []

    @pytest.mark.parametrize(
        "fields", [{"private": True}, {"channel_id": "D0OTHERS"}, {"in_group": True}]
    )
    def test_the_askers_direct_messages(self, bot, fields):
        own = bot.slack.world.direct_message(bot.acme.workspace, bot.acme.ada.user_id)
        assert bot.sink.target(bot.request(**fields)) == own.channel_id

    def test_without_the_permission_to_open_direct_messages(self, bare_bot):
        private = bare_bot.request(private=True)
        assert refusal(bare_bot.sink.target, private).kind == "missing_scope"
        others = bare_bot.request(channel_id="D0OTHERS")
        assert bare_bot.sink.target(others) == "D0OTHERS"

    @pytest.mark.parametrize("kind", ["im", "mpim"])
    def test_nobody_is_told_to_invite_it_between_people(self, bare_bot, slack, kind):
        people = [bare_bot.acme.ada, bare_bot.acme.bob]
        more = {"kind": kind, "with_bot": False}
        name = "mpdm-ada--bob-1"
        room = slack.add_channel(bare_bot.acme.workspace, name, people, **more)
        url = new_response_url(slack.world, room.channel_id, people[0].user_id)
        request = bare_bot.request(
            channel_id=room.channel_id,
            in_group=kind == "mpim",
            sealed_response_url=bare_bot.vault.seal(url),
        )
        post = bare_bot.uploaded(channel_id=bare_bot.sink.target(request))

        error = refusal(bare_bot.sink.complete, post)
        bare_bot.sink.notify(request, Outcome(error.kind))

        [said] = slack.told(people[0].user_id)
        assert "Send me the picture" in said or "send me the picture" in said
        assert "/invite" not in said

    @pytest.mark.parametrize("kind", ["channel_not_seen", "source_not_seen"])
    def test_what_it_says_in_direct_messages_with_it(self, bot, slack, kind):
        ada = bot.acme.ada.user_id
        own = slack.world.direct_message(bot.acme.workspace, ada).channel_id
        for channel_id in (own, "D0OTHERS"):
            bot.sink.notify(bot.request(channel_id=channel_id), Outcome(kind))

        at_home, between = (one.text for one in slack.bot_messages(own))

        assert "direct messages between people" in between
        assert "direct messages between people" not in at_home


class TestNotify:
    NO_FACE = Outcome("no_face")
    TEXT = render_message("no_face")

    def with_answer(self, bot, **fields):
        request = bot.request(**fields)
        url = new_response_url(bot.slack.world, request.channel_id, request.user_id)
        return replace(request, sealed_response_url=bot.vault.seal(url))

    def told(self, bot):
        return bot.slack.told(bot.acme.ada.user_id)

    @pytest.mark.parametrize("room", ["general", "secret"])
    def test_the_interaction_is_answered(self, bot, slack, room):
        channel_id = getattr(bot.acme, room).channel_id
        bot.sink.notify(self.with_answer(bot, channel_id=channel_id), self.NO_FACE)
        assert self.told(bot) == [self.TEXT]
        assert [call.method for call in slack.calls] == ["response"]
        assert slack.messages() == []

    def test_the_command_and_the_bot_are_called_as_they_are_there(self, bot):
        for kind in ("not_in_channel", "channel_not_seen"):
            request = self.with_answer(bot, command="/faces")
            bot.sink.notify(request, Outcome(kind))
        mentioned = f"`/invite` <@{bot.acme.grant.bot_user_id}>"
        assert all(mentioned in said for said in self.told(bot))
        assert "`/faces https://…`" in self.told(bot)[1]

    @pytest.mark.parametrize(
        "fault", [{"status": 404}, {"status": 500}, {"drop": True}]
    )
    def test_an_answer_that_fails_is_sent_in_another_way(self, bot, slack, fault):
        slack.faults.add("response", **fault)
        bot.sink.notify(self.with_answer(bot), self.NO_FACE)
        assert self.told(bot) == [self.TEXT]

    def test_a_response_url_is_not_used_again_and_again(self, bot, slack):
        slack.faults.add("response", status=500, after=True, times=None)
        slack.faults.add("chat.postEphemeral", status=503, times=6)
        request = self.with_answer(bot)
        for _ in range(6):
            assert refusal(bot.sink.notify, request, self.NO_FACE).retryable
        assert len(slack.calls_of("response")) == 2
        bot.sink.notify(request, self.NO_FACE)
        assert self.told(bot)[-1] == self.TEXT

    def test_a_response_url_that_cannot_be_decrypted(self, bot):
        request = bot.request(sealed_response_url="sealed with another key")
        bot.sink.notify(request, Outcome("not_a_url", {"word": "photo.jpg"}))
        assert "“photo.jpg”" in self.told(bot)[0]

    @pytest.mark.parametrize("begins_thread", [True, False])
    def test_only_a_thread_that_has_begun_is_used(self, bot, slack, begins_thread):
        parent = slack.world.add_message(_message(bot, slack.world.new_ts()))
        request = bot.request(thread_ts=parent.ts, begins_thread=begins_thread)
        bot.sink.notify(request, self.NO_FACE)
        (call,) = slack.calls_of("chat.postEphemeral")
        assert call.args.get("thread_ts") == (None if begins_thread else parent.ts)

    def test_a_direct_message_gets_a_plain_answer(self, bot, slack):
        ada = bot.acme.ada.user_id
        own = slack.world.direct_message(bot.acme.workspace, ada).channel_id
        request = bot.request(channel_id=own, entrypoint=Entrypoint.DIRECT_MESSAGE)
        bot.sink.notify(request, self.NO_FACE)
        assert [one.text for one in slack.messages(own)] == [self.TEXT]

    @pytest.mark.parametrize("room", ["secret", "random"])
    def test_where_the_bot_is_no_member_it_writes_directly(self, bot, slack, room):
        channel_id = getattr(bot.acme, room).channel_id
        bot.sink.notify(bot.request(channel_id=channel_id), self.NO_FACE)
        (message,) = slack.bot_messages()
        assert slack.world.channels[message.channel_id].kind == "im"
        assert message.text == self.TEXT

    def test_no_way_is_open(self, bare_bot, slack):
        request = bare_bot.request(channel_id=bare_bot.acme.secret.channel_id)
        error = refusal(bare_bot.sink.notify, request, self.NO_FACE)
        assert error.kind == "channel_not_found"
        assert slack.messages() == []

    def test_a_way_that_may_be_open_later_is_tried_again(self, bot, slack):
        slack.faults.add("chat.postEphemeral", status=429, retry_after=9)
        error = refusal(bot.sink.notify, bot.request(), self.NO_FACE)
        assert (error.retryable, error.retry_after_seconds) == (True, 9.0)
        assert slack.messages() == []

    def test_of_several_addresses_the_missing_are_named(self, bot):
        file = ImageReference(file_id="F1")
        addresses = (f"https://pictures.example/{number}" for number in (2, 3))
        seal = bot.vault.seal
        links = tuple(ImageReference(sealed_address=seal(one)) for one in addresses)
        missing = tuple(NotPosted("not_found", number) for number in (1, 2))
        facts = {"posted": "1", "pictures": "3"}
        request = self.with_answer(bot, source=file, further=links)

        bot.sink.notify(request, Outcome("several", facts, missing))
        # One stands for several: nobody knows which is which.
        facts = facts | {"pictures": "4"}
        bot.sink.notify(request, Outcome("several", facts, missing))

        named, numbered = self.told(bot)
        assert "• picture 1 and “https://pictures.example/2”, each: " in named
        assert "• picture 1 and picture 2, each: " in numbered

    def test_a_posted_result_needs_no_message(self, bot, slack):
        bot.sink.notify(self.with_answer(bot), Outcome("posted"))
        assert slack.calls == []


def test_a_private_result_goes_to_the_asker_alone(bot, slack):
    request = bot.request(private=True, channel_id=bot.acme.secret.channel_id)
    post = bot.uploaded(channel_id=bot.sink.target(request))

    bot.sink.complete(post)

    ((message, _),) = slack.results()
    assert slack.world.channels[message.channel_id].kind == "im"
    assert "Here you are. 1 face: 😆" in message.everything


def test_an_organisations_bot_posts_too(slack):
    bot = Bot(slack, sample_workspace(slack, org_wide=True, enterprise_id="E1"))
    post = bot.uploaded()
    bot.sink.complete(post)
    assert bot.sink.share(post).state is ShareState.SHARED
    bot.sink.delete(post)


def test_every_format_is_announced_by_its_type(bot, slack):
    for name in ("a.png", "a.jpg", "a.webp", "a.gif", "a.unheard-of"):
        bot.sink.upload(bot.workspace, ResultPicture(picture(), name, ""))
    kinds = [call.headers["content-type"] for call in slack.calls_of("upload")]
    images = [f"image/{kind}" for kind in ("png", "jpeg", "webp", "gif")]
    assert kinds == [*images, "application/octet-stream"]


def _message(bot, ts):
    channel_id, user_id = bot.acme.general.channel_id, bot.acme.ada.user_id
    return Message(channel_id, ts, user_id, text="@emojifier")
