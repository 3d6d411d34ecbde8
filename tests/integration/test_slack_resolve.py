"""Finding out which pictures are meant, in a Slack that hides some of them."""

from __future__ import annotations

import pytest

from emojifier_bot.domain import Entrypoint, ImageReference
from tests.fakes.slack import posting
from tests.fakes.slack.posting import forward, post_files
from tests.fakes.slack.shapes import file_json
from tests.slack_bot import (
    link,
    picture,
    posted,
    refused,
    resolved,
    typed,
    write,
)


class TestNewest:
    @pytest.mark.parametrize(
        ("entrypoint", "kind"),
        [
            (Entrypoint.COMMAND, "channel_not_seen"),
            # Slack passes it on only from where the bot is.
            (Entrypoint.MENTION, "no_image_in_channel"),
        ],
    )
    def test_a_channel_without_pictures(self, bot, entrypoint, kind):
        request = bot.request(entrypoint=entrypoint)
        assert refused(bot.source.resolve, request).kind == kind

    def test_a_channel_of_which_nothing_can_be_used(self, bot, slack):
        other = slack.add_user(bot.acme.workspace, "other-bot", is_bot=True)
        more = {"mode": "external", "address": "https://far.example/x.png"}
        posted(bot, "far.png", **more)
        assert refused(bot.source.resolve, bot.request()).kind == "external_file"
        posted(bot, "theirs.png", who=other)
        assert refused(bot.source.resolve, bot.request()).kind == "only_bots"

    def test_a_picture_whose_type_slack_does_not_know(self, bot):
        more = {"told_type": "application/octet-stream"}
        heic = posted(bot, "IMG_1.HEIC", **more)
        posted(bot, "tool.exe", data=b"MZ", **more)
        assert resolved(bot, bot.request()) == heic.file_ids

    def test_the_newest_picture_of_a_person(self, bot, slack):
        posted(bot, "old.png")
        new = posted(bot, "new.png", who=bot.acme.bob)
        posted(bot, "notes.txt", data=b"no picture")
        posted(bot, "elsewhere.png", room=bot.acme.random)
        bot.sink.complete(bot.uploaded())  # its own
        assert resolved(bot, bot.request()) == new.file_ids
        assert len(slack.calls_of("files.list")) == 1

    def test_again_means_what_the_newest_result_was_made_from(self, bot):
        old, _ = posted(bot, "old.png"), posted(bot, "new.png")
        source = ImageReference(file_id=old.file_ids[0], posted_by="U7")
        result = bot.uploaded(source=source)
        bot.source.posts.record(result)
        bot.sink.complete(result)
        again = bot.request(source=ImageReference(newest=True, again=True))
        assert bot.source.resolve(again) == [source]

    def test_external_and_deleted_files_are_passed_over(self, bot):
        new = posted(bot, "new.png")
        posted(bot, "far.png", mode="external", address="https://far.example/x.png")
        gone = posted(bot, "gone.png")
        bot.slack.world.files[gone.file_ids[0]].deleted = True
        assert resolved(bot, bot.request()) == new.file_ids

    @pytest.mark.parametrize("known", [True, False])
    def test_other_bots_are_passed_over_where_that_can_be_known(
        self, slack, make_bot, known
    ):
        asked = set(slack.app.scopes)
        scopes = asked if known else asked - {"users:read"}
        bot = make_bot(scopes)
        mine = posted(bot, "mine.png")
        other = slack.add_user(bot.acme.workspace, "other-bot", is_bot=True)
        theirs = posted(bot, "theirs.png", who=other)
        expected = mine if known else theirs
        assert resolved(bot, bot.request()) == expected.file_ids

    def test_an_unknown_user_is_taken_for_a_person(self, bot):
        new = posted(bot, "new.png")
        bot.slack.faults.add("users.info", error="user_not_visible", times=1)
        assert resolved(bot, bot.request()) == new.file_ids

    def test_a_public_channel_is_not_joined_to_look(self, bot):
        request = bot.request(channel_id=bot.acme.random.channel_id)
        assert refused(bot.source.resolve, request).kind == "channel_not_seen"
        new = posted(bot, "new.png", room=bot.acme.random)
        assert resolved(bot, request) == new.file_ids
        assert bot.acme.grant.bot_user_id not in bot.acme.random.members

    def test_a_public_channel_that_hides_its_pictures(self, bot, slack):
        slack.switches.public_hidden = True
        posted(bot, "new.png", room=bot.acme.random)
        request = bot.request(channel_id=bot.acme.random.channel_id)
        assert refused(bot.source.resolve, request).kind == "channel_not_seen"
        assert slack.calls_of("conversations.join") == []

    def test_a_private_channel_with_and_without_the_bot(self, bot):
        new = posted(bot, "new.png", room=bot.acme.secret)
        request = bot.request(channel_id=bot.acme.secret.channel_id)
        assert refused(bot.source.resolve, request).kind == "channel_not_seen"
        bot.acme.secret.members.add(bot.acme.workspace.bot_user_id)
        assert resolved(bot, request) == new.file_ids

    def test_a_rate_limit_is_passed_on(self, bot, slack):
        slack.faults.add("files.list", status=429, retry_after=4)
        error = refused(bot.source.resolve, bot.request())
        assert (error.kind, error.retry_after_seconds) == ("ratelimited", 4.0)

    def test_behind_a_hundred_own_results(self, bot, slack):
        new = posted(bot, "new.png")
        world, me = slack.world, bot.acme.workspace.bot_user_id
        for number in range(150):
            channel_id = bot.acme.general.channel_id
            post_files(world, me, channel_id, [(f"{number}.png", picture(size_px=1))])
        assert resolved(bot, bot.request()) == new.file_ids
        assert len(slack.calls_of("files.list")) == 2

    def test_an_organisations_token(self, make_bot):
        bot = make_bot(org_wide=True, enterprise_id="E1")
        new = posted(bot, "new.png")
        assert resolved(bot, bot.request()) == new.file_ids


class TestMessage:
    def request(self, bot, message, **more):
        source = ImageReference(message_ts=message.ts, posted_by=message.user_id)
        return bot.request(entrypoint=Entrypoint.MENTION, source=source, **more)

    def test_all_of_its_pictures_in_order(self, bot):
        posted(bot, "before.png")
        message = posted(bot, "a.png", "b.png", "c.png")
        posted(bot, "after.png")
        posted(bot, "bob.png", who=bot.acme.bob)
        assert resolved(bot, self.request(bot, message)) == message.file_ids

    def test_a_message_without_pictures(self, bot):
        posted(bot, "before.png")
        message = posted(bot, "notes.txt", data=b"no picture")
        error = refused(bot.source.resolve, self.request(bot, message))
        assert error.kind == "no_image_file"

    def test_a_mention_among_words_that_say_nothing(self, bot):
        posted(bot, "before.png")
        message = write(bot, "hello")
        request = self.request(bot, message, reaction_ts=message.ts)
        assert refused(bot.source.resolve, request).kind == "unclear"

    def test_a_picture_whose_type_slack_does_not_know(self, bot):
        message = posted(bot, "a.heic", told_type="application/octet-stream")
        assert resolved(bot, self.request(bot, message)) == message.file_ids

    def test_the_author_need_not_be_known(self, bot):
        message = posted(bot, "a.png")
        source = ImageReference(message_ts=message.ts)
        assert resolved(bot, bot.request(source=source)) == message.file_ids


class TestThread:
    def request(self, bot, top, *, again=False, **more):
        source = ImageReference(message_ts=top.ts, in_thread=True, again=again)
        return bot.request(entrypoint=Entrypoint.MENTION, source=source, **more)

    def test_the_newest_picture_of_the_thread_counts(self, bot):
        top = posted(bot, "top.png")
        posted(bot, "first.png", thread_ts=top.ts)
        reply = posted(bot, "a.png", "b.png", who=bot.acme.bob, thread_ts=top.ts)
        posted(bot, "elsewhere.png")
        mention = write(bot, "this one please", thread_ts=top.ts)
        posted(bot, "later.png", thread_ts=top.ts)
        request = self.request(bot, top, reaction_ts=mention.ts)
        assert resolved(bot, request) == reply.file_ids

    def test_the_message_on_top(self, bot):
        top = posted(bot, "a.png", "b.png")
        assert resolved(bot, self.request(bot, top)) == top.file_ids

    def test_the_mention_itself(self, bot):
        top = posted(bot, "top.png")
        mention = posted(bot, "own.png", thread_ts=top.ts)
        request = self.request(bot, top, reaction_ts=mention.ts)
        assert resolved(bot, request) == mention.file_ids

    def test_a_thread_without_pictures(self, bot):
        posted(bot, "before.png")
        top = write(bot, "look")
        error = refused(bot.source.resolve, self.request(bot, top))
        assert error.kind == "no_image_in_thread"

    def test_under_a_result_what_it_was_made_from_counts(self, bot, slack):
        original = ImageReference(sealed_address="sealed", posted_by="U7")
        result = bot.uploaded(source=original)
        bot.source.posts.record(result)
        bot.sink.complete(result)
        [top] = slack.bot_messages(bot.acme.general.channel_id)
        assert bot.source.resolve(self.request(bot, top)) == [original]

        mine = posted(bot, "mine.png", thread_ts=top.ts)
        assert resolved(bot, self.request(bot, top)) == mine.file_ids
        found = bot.source.resolve(self.request(bot, top, again=True))
        assert found == [original]

    def test_a_result_that_is_forgotten(self, bot, slack):
        bot.sink.complete(bot.uploaded())
        [top] = slack.bot_messages(bot.acme.general.channel_id)
        error = refused(bot.source.resolve, self.request(bot, top))
        assert error.kind == "only_bots"

    def test_in_direct_messages_forwarded_pictures_are_seen(self, bot, slack):
        world, bob = slack.world, bot.acme.bob
        dm = world.direct_message(bot.acme.workspace, bob.user_id)
        original = posted(bot, "hers.png")
        top = forward(world, bob.user_id, dm.channel_id, original)
        found = bot.source.resolve(self.request(bot, top, channel_id=dm.channel_id))
        assert [one.file_id for one in found] == original.file_ids
        assert found[0].posters == {bob.user_id, bot.acme.ada.user_id}
        assert slack.calls_of("files.list") == []

    def test_in_direct_messages_without_that_permission(self, bot, slack):
        world, bob = slack.world, bot.acme.bob
        dm = world.direct_message(bot.acme.workspace, bob.user_id)
        top = posted(bot, "mine.png", who=bob, room=dm)
        slack.faults.add("conversations.replies", error="missing_scope")
        request = self.request(bot, top, channel_id=dm.channel_id)
        assert resolved(bot, request) == top.file_ids

    def test_a_long_thread_is_read_page_by_page(self, bot, slack):
        world, bob = slack.world, bot.acme.bob
        dm = world.direct_message(bot.acme.workspace, bob.user_id)
        top = posting.write(world, bob.user_id, dm.channel_id, "look")
        for _ in range(120):
            posting.write(world, bob.user_id, dm.channel_id, "more", top.ts)
        last = posted(bot, "last.png", who=bob, room=dm, thread_ts=top.ts)
        request = self.request(bot, top, channel_id=dm.channel_id)
        assert resolved(bot, request) == last.file_ids
        assert len(slack.calls_of("conversations.replies")) == 2


class TestSlackLinks:
    def resolve(self, bot, address, **more):
        return bot.source.resolve(bot.request(source=typed(bot, address), **more))

    def kind(self, bot, address, **more):
        return refused(self.resolve, bot, address, **more).kind

    def addresses(self, bot, file_id):
        file = file_json(bot.slack.world, bot.slack.world.files[file_id])
        names = ("permalink", "url_private", "url_private_download")
        return [file[name] for name in names]

    def test_a_file_by_each_of_its_addresses(self, bot):
        [file_id] = posted(bot, "a.png").file_ids
        for address in self.addresses(bot, file_id):
            [found] = self.resolve(bot, address)
            assert found == ImageReference(file_id=file_id, name="a.png")
            assert bot.source.fetch(bot.workspace, found).data == picture()

    def test_of_a_result_what_it_was_made_from(self, bot, slack):
        source = ImageReference(file_id="F7", posted_by="U7")
        result = bot.uploaded(source=source)
        bot.source.posts.record(result)
        bot.sink.complete(result)
        [shown] = slack.bot_messages(bot.acme.general.channel_id)
        for address in [*self.addresses(bot, result.file_id), link(bot, shown)]:
            assert self.resolve(bot, address) == [source]

    def test_a_message(self, bot):
        message = posted(bot, "a.png", "b.png", who=bot.acme.bob)
        posted(bot, "c.png")
        found = self.resolve(bot, link(bot, message))
        assert [one.file_id for one in found] == message.file_ids

    def test_a_reply(self, bot):
        top = posted(bot, "top.png")
        reply = posted(bot, "reply.png", thread_ts=top.ts)
        found = self.resolve(bot, link(bot, reply))
        assert [one.file_id for one in found] == reply.file_ids

    def test_a_message_without_pictures(self, bot):
        words = link(bot, write(bot, "hi"))
        assert self.kind(bot, words) == "link_not_seen"
        posted(bot, "other.png")  # now it is known that the bot sees the channel
        assert self.kind(bot, words) == "message_not_seen"
        notes = posted(bot, "notes.txt", data=b"no picture")
        assert self.kind(bot, link(bot, notes)) == "no_image_file"
        old = posted(bot, "old.png", mode="hidden_by_limit")
        assert self.kind(bot, link(bot, old)) == "hidden_by_limit"

    def test_in_direct_messages_a_message_is_read(self, bot, slack):
        world, bob = slack.world, bot.acme.bob
        dm = world.direct_message(bot.acme.workspace, bob.user_id)
        shown = forward(world, bob.user_id, dm.channel_id, posted(bot, "a.png"))
        words = posting.write(world, bob.user_id, dm.channel_id, "hi")
        more = {"channel_id": dm.channel_id, "user_id": bob.user_id}
        assert len(self.resolve(bot, link(bot, shown), **more)) == 1
        assert self.kind(bot, link(bot, words), **more) == "no_image"

    @pytest.mark.parametrize(
        "address",
        [
            "https://acme.slack.com/archives/C0123ABCD",
            "https://acme.slack.com/team/U0123ABCD",
            "https://app.slack.com/client/T0123ABCD/C0123ABCD",
        ],
    )
    def test_what_is_neither(self, bot, address):
        assert self.kind(bot, address) == "slack_link"

    def test_a_picture_of_another_public_channel_is_for_members(self, bot, slack):
        random = bot.acme.random
        random.members.add(bot.acme.workspace.bot_user_id)
        message = posted(bot, "a.png", who=bot.acme.bob, room=random)
        [address, *_] = self.addresses(bot, message.file_ids[0])
        for one in (address, link(bot, message)):
            assert len(self.resolve(bot, one)) == 1

        bot.acme.ada.is_restricted = True
        for one in (address, link(bot, message)):
            assert self.kind(bot, one) == "may_not_see"
        bot.acme.ada.is_restricted = False
        slack.faults.add("users.info", error="user_not_visible")
        assert self.kind(bot, address) == "may_not_see"

    def test_whether_somebody_is_a_member_must_be_known(self, slack, make_bot):
        bot = make_bot(set(slack.app.scopes) - {"users:read"})
        random = bot.acme.random
        random.members.add(bot.acme.workspace.bot_user_id)
        message = posted(bot, "a.png", who=bot.acme.bob, room=random)
        assert self.kind(bot, link(bot, message)) == "may_not_see"
        own = posted(bot, "mine.png", room=random)
        assert len(self.resolve(bot, link(bot, own))) == 1

    def test_a_picture_of_a_private_channel_is_for_those_who_ask_there(self, bot):
        secret, bob = bot.acme.secret, bot.acme.bob.user_id
        secret.members.add(bot.acme.workspace.bot_user_id)
        message = posted(bot, "a.png", room=secret)
        [address, *_] = self.addresses(bot, message.file_ids[0])
        for one in (address, link(bot, message)):
            assert self.kind(bot, one, user_id=bob) == "may_not_see"
            there = {"user_id": bob, "channel_id": secret.channel_id}
            assert len(self.resolve(bot, one, **there)) == 1

    def test_a_file_that_the_bot_cannot_see(self, bot):
        [file_id] = posted(bot, "a.png", room=bot.acme.secret).file_ids
        [address, *_] = self.addresses(bot, file_id)
        assert self.kind(bot, address) == "link_not_seen"
        public = f"https://slack-files.com/T0123ABCD-{file_id}-0a1b"
        source = typed(bot, public)
        assert bot.source.resolve(bot.request(source=source)) == [source]

    def test_a_message_of_a_channel_that_the_bot_is_not_in(self, bot):
        address = link(bot, posted(bot, "a.png", room=bot.acme.secret))
        assert self.kind(bot, address) == "link_not_seen"

    @pytest.mark.parametrize(
        "path", ["archives/C0123ABCD/p1700000001000100", "files/U0123ABCD/F0123ABCD/a"]
    )
    def test_another_workspace(self, bot, path):
        other = f"https://umbrella.slack.com/{path}"
        assert self.kind(bot, other) == "other_workspace"
        home = f"https://{bot.acme.workspace.domain}.slack.com/{path}"
        assert self.kind(bot, home) == "link_not_seen"

    def test_a_file_of_another_workspace_by_its_private_address(self, bot, slack):
        other = f"{slack.url}/files-pri/T0123ABCD-F0123ABCD/a.png"
        assert self.kind(bot, other) == "other_workspace"
        assert slack.calls_of("auth.test") == []

    def test_workspaces_of_one_organisation_are_not_others(self, make_bot):
        bot = make_bot(org_wide=True, enterprise_id="E1")
        other = "https://umbrella.slack.com/files/U0123ABCD/F0123ABCD/a"
        assert self.kind(bot, other) == "link_not_seen"


class TestDirectMessages:
    def test_a_command_in_those_with_the_bot(self, bot, slack):
        dm = slack.world.direct_message(bot.acme.workspace, bot.acme.ada.user_id)
        request = bot.request(channel_id=dm.channel_id)
        assert refused(bot.source.resolve, request).kind == "no_image_in_channel"
        mine = posted(bot, "mine.png", room=dm)
        assert resolved(bot, request) == mine.file_ids

    @pytest.mark.parametrize("kind", ["im", "mpim"])
    def test_a_command_in_those_of_people(self, bot, slack, kind):
        people = [bot.acme.ada, bot.acme.bob]
        more = {"kind": kind, "with_bot": False}
        room = slack.add_channel(bot.acme.workspace, "mpdm-1", people, **more)
        posted(bot, "a.png", room=room)
        request = bot.request(channel_id=room.channel_id, in_group=kind == "mpim")
        assert refused(bot.source.resolve, request).kind == "channel_not_seen"
