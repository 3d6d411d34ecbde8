"""Finding and fetching pictures in a Slack that hides some and moves others."""

from __future__ import annotations

import itertools
from contextlib import closing
from dataclasses import replace

import pytest

from emojifier_bot.db.engine import open_database
from emojifier_bot.domain import EmojifyRequest, Entrypoint, ImageReference
from emojifier_bot.errors import DeliveryError, FetchError, RemoteError, VaultError
from tests.fakes.slack import BOT_SCOPES, Reply, SlackServer, posting, sample_workspace
from tests.fakes.slack.methods_files import delete_file
from tests.fakes.slack.posting import forward, post_files, share_file
from tests.fakes.slack.shapes import file_json, message_permalink
from tests.slack_bot import MAX_BYTES, Bot, picture


@pytest.fixture
def slack():
    seconds = itertools.count(1_790_000_000)
    with SlackServer(clock=lambda: float(next(seconds))) as server:
        yield server
        assert server.problems == []


@pytest.fixture
def make_bot(slack, sqlite_url):
    with closing(open_database(sqlite_url)) as database:

        def make(*scopes, **acme) -> Bot:
            acme = sample_workspace(slack, *scopes, **acme)
            return Bot(slack, acme, database=database)

        yield make


@pytest.fixture
def bot(make_bot):
    return make_bot()


def posted(bot, *names, who=None, room=None, data=None, **more):
    """Let somebody post pictures in one message; return it."""
    room = room or bot.acme.general
    files = [(name, picture() if data is None else data) for name in names]
    user = who or bot.acme.ada
    thread_ts = more.pop("thread_ts", "")
    where = (user.user_id, room.channel_id)
    return post_files(bot.slack.world, *where, files, thread_ts=thread_ts, more=more)


def write(bot, text, *, who=None, thread_ts=""):
    """Let somebody write in #general."""
    user, room = who or bot.acme.ada, bot.acme.general.channel_id
    return posting.write(bot.slack.world, user.user_id, room, text, thread_ts)


def link(bot, message) -> str:
    """Return what Slack copies as the link of a message."""
    return message_permalink(bot.slack.world, message)


def typed(bot, address: str) -> ImageReference:
    return ImageReference(sealed_address=bot.vault.seal(address))


def refused(call, *arguments, **more) -> RemoteError:
    with pytest.raises((FetchError, DeliveryError)) as caught:
        call(*arguments, **more)
    return caught.value


def resolved(bot: Bot, request: EmojifyRequest) -> list[str]:
    return [one.file_id for one in bot.source.resolve(request)]


def fetch(bot: Bot, file_id: str):
    return bot.source.fetch(bot.workspace, ImageReference(file_id=file_id))


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


class TestFile:
    def test_a_named_file_needs_no_search(self, bot, slack):
        request = bot.request(source=ImageReference(file_id="F0"))
        assert resolved(bot, request) == ["F0"]
        assert slack.calls == []

    def test_a_file_is_downloaded_with_the_token(self, bot, slack):
        message = posted(bot, "Party Time.png")
        fetched = fetch(bot, message.file_ids[0])
        assert (fetched.data, fetched.name) == (picture(), "Party Time.png")
        (call,) = slack.calls_of("download")
        assert call.token == bot.acme.token

    def test_a_stub_of_another_organisation_is_asked_for(self, bot):
        message = posted(bot, "a.png", stub="messages")
        assert fetch(bot, message.file_ids[0]).data == picture()

    @pytest.mark.parametrize(
        ("more", "kind"),
        [
            ({"stub": "always"}, "connect_file"),
            ({"mode": "external", "address": "https://far.example/"}, "external_file"),
            ({"deleted": True}, "source_gone"),
            ({"mode": "hidden_by_limit"}, "hidden_by_limit"),
            ({"data": b"just words"}, "not_an_image"),
        ],
    )
    def test_files_that_are_refused(self, bot, slack, more, kind):
        name = "a.txt" if "data" in more else "a.png"
        message = posted(bot, name, **more)
        error = refused(fetch, bot, message.file_ids[0])
        assert (error.kind, error.retryable) == (kind, False)
        assert slack.calls_of("download") == []

    def test_a_file_that_is_too_large(self, bot, slack):
        message = posted(bot, "a.png", data=picture() + bytes(MAX_BYTES))
        assert refused(fetch, bot, message.file_ids[0]).kind == "too_large"
        assert slack.calls_of("download") == []

    @pytest.mark.parametrize("told_type", ["", "application/octet-stream"])
    def test_of_a_file_without_a_type_the_bytes_are_looked_at(self, bot, told_type):
        message = posted(bot, "IMG_1.HEIC", told_type=told_type)
        assert fetch(bot, *message.file_ids).data == picture()
        words = posted(bot, "tool.bin", data=b"just words", told_type=told_type)
        assert refused(fetch, bot, *words.file_ids).kind == "not_an_image"

    def test_a_result_of_the_bots_stands_for_what_it_was_made_from(self, bot):
        source = ImageReference(file_id="F7", posted_by="U7")
        result = bot.uploaded(source=source)
        bot.source.posts.record(result)
        me = bot.acme.workspace.bot_user_id
        shown = ImageReference(file_id=result.file_id, posted_by=me)
        assert bot.source.resolve(bot.request(source=shown)) == [source]

    def test_an_unknown_file(self, bot):
        assert refused(fetch, bot, "F0UNKNOWN").kind == "source_not_seen"

    @pytest.mark.parametrize("room", ["secret", "random"])
    def test_in_a_channel_that_the_bot_may_not_look_into(self, bot, slack, room):
        slack.switches.public_hidden = True
        message = posted(bot, "a.png", room=getattr(bot.acme, room))
        assert refused(fetch, bot, message.file_ids[0]).kind == "source_not_seen"

    def test_the_token_never_leaves_slack(self, bot, slack):
        elsewhere = slack.website.add_picture("/x.png", picture())
        message = posted(bot, "a.png", address=elsewhere)
        assert refused(fetch, bot, message.file_ids[0]).kind == "hidden_file"
        assert slack.calls_of("website") == []

    @pytest.mark.parametrize(
        ("fault", "kind", "retryable"),
        [
            ({"html": True}, "login_page", False),
            ({"status": 404}, "source_gone", False),
            ({"status": 403}, "hidden_file", False),
            ({"status": 503}, "slack_unreachable", True),
            ({"status": 429, "retry_after": 3}, "slack_unreachable", True),
            ({"drop": True}, "slack_unreachable", True),
        ],
    )
    def test_failures_of_slacks_file_hosts(self, bot, slack, fault, kind, retryable):
        message = posted(bot, "a.png")
        slack.faults.add("download", **fault)
        error = refused(fetch, bot, message.file_ids[0])
        assert (error.kind, error.retryable) == (kind, retryable)
        assert error.retry_after_seconds == fault.get("retry_after")

    def test_a_login_page_because_a_scope_is_missing(self, bot, slack):
        message = posted(bot, "a.png")
        slack.faults.add("download", html=True)
        team_id = bot.workspace.team_id
        known = bot.tokens.installations[team_id]
        bot.tokens.installations[team_id] = replace(known, scopes=("commands",))
        assert refused(fetch, bot, message.file_ids[0]).kind == "missing_scope"

    def test_files_info_is_refused(self, bot, slack):
        slack.faults.add("files.info", error="missing_scope")
        assert refused(fetch, bot, "F0").kind == "missing_scope"


class TestAddress:
    def fetch(self, bot, address):
        sealed = ImageReference(sealed_address=bot.vault.seal(address))
        assert bot.source.resolve(bot.request(source=sealed)) == [sealed]
        return bot.source.fetch(bot.workspace, sealed)

    def test_a_picture_without_any_token(self, bot, slack):
        address = slack.website.add_picture("/pictures/me.png", picture())
        fetched = self.fetch(bot, address)
        assert (fetched.data, fetched.name) == (picture(), "me.png")
        (call,) = slack.calls
        assert (call.method, call.token) == ("website", "")

    def test_a_web_page_is_no_picture(self, bot, slack):
        address = slack.website.add("/page", Reply.html("<html>Look!</html>"))
        assert refused(self.fetch, bot, address).kind == "page"

    @pytest.mark.parametrize(
        "tag",
        [
            "<meta property='og:image' content='/me.png?a=1&amp;b=2'>",
            '<meta content="/me.png?a=1&amp;b=2" property="og:image" />',
            '<META NAME="twitter:image" CONTENT="me.png?a=1&#38;b=2">',
            "<meta property=og:image content=/me.png?a=1&b=2>",
        ],
    )
    def test_the_picture_that_a_page_is_about(self, bot, slack, tag):
        slack.website.add_picture("/me.png", picture())
        page = f"<!doctype html><html><head><title>x</title>{tag}</head>"
        address = slack.website.add("/page", Reply.html(page))
        assert self.fetch(bot, address).data == picture()
        assert slack.calls[-1].args["b"] == "2"

    @pytest.mark.parametrize(
        ("named", "kind"),
        [
            ("http://127.0.0.1:1/x.png", "page_picture"),
            ("http://169.254.169.254/x.png", "page_picture"),
            ("/other", "page_picture"),  # only one page is followed
            ("/nowhere.png", "page_picture"),
            ("/onward", "page_picture"),
            # What is said of these is about no address.
            ("/huge.png", "too_large"),
            ("/empty.png", "empty"),
        ],
    )
    def test_what_a_page_names_is_checked_like_any_address(
        self, bot, slack, named, kind
    ):
        tag = '<meta property="og:image" content="{}">'
        slack.website.add("/other", Reply.html(tag.format("/me.png")))
        slack.website.add("/onward", Reply.redirect("http://192.168.0.1/"))
        slack.website.add_picture("/huge.png", picture() + bytes(MAX_BYTES))
        slack.website.add_picture("/empty.png", b"")
        address = slack.website.add("/page", Reply.html(tag.format(named)))
        assert refused(self.fetch, bot, address).kind == kind

    @pytest.mark.parametrize("named", ["/down.png", "http://{}/nothing.png"])
    def test_a_picture_of_a_page_that_may_come_later(self, bot, slack, named):
        slack.website.add("/down.png", Reply(503, "text/plain", b""))
        tag = f'<meta property="og:image" content="{named}">'
        address = slack.website.add("/page", Reply.html(tag))
        error = refused(self.fetch, bot, address)
        is_down = named == "/down.png"
        assert (error.kind, error.retryable) == ("page_picture", is_down)

    @pytest.mark.parametrize(
        ("onward", "kind"),
        [
            ("http://192.168.0.1/", "redirected"),
            ("ftp://pictures.example/x.png", "redirected"),
            ("/nowhere.png", "not_found"),
        ],
    )
    def test_what_an_address_leads_on_to_is_not_it(self, bot, slack, onward, kind):
        address = slack.website.add("/onward", Reply.redirect(onward))
        assert refused(self.fetch, bot, address).kind == kind

    @pytest.mark.parametrize(
        ("address", "kind"),
        [
            ("", "not_an_address"),
            ("http://127.0.0.1:1/x.png", "port"),
            ("http://127.0.0.1/x.png", "private_address"),
            ("ftp://pictures.example/x.png", "scheme"),
        ],
    )
    def test_addresses_that_are_refused(self, bot, address, kind):
        assert refused(self.fetch, bot, address).kind == kind

    def test_an_address_that_cannot_be_decrypted(self, bot):
        reference = ImageReference(sealed_address="sealed with another key")
        with pytest.raises(VaultError):
            bot.source.fetch(bot.workspace, reference)


class TestOptedOut:
    @pytest.fixture(autouse=True)
    def _ada_opts_out(self, bot):
        bot.settings.opt(bot.workspace, bot.acme.ada.user_id, out=True)

    def test_a_file_of_theirs_is_not_even_fetched(self, bot, slack):
        hers = posted(bot, "hers.png")
        assert refused(fetch, bot, *hers.file_ids).kind == "opted_out"
        assert slack.calls_of("download") == []

    def test_a_file_that_they_only_forwarded(self, bot):
        bobs = posted(bot, "bobs.png", who=bot.acme.bob)
        reference = ImageReference(
            file_id=bobs.file_ids[0], posted_by=bot.acme.ada.user_id
        )
        assert refused(bot.source.fetch, bot.workspace, reference).kind == "opted_out"
        assert fetch(bot, *bobs.file_ids).name == "bobs.png"

    def test_the_newest_picture_of_somebody_else_is_taken(self, bot):
        bobs = posted(bot, "bobs.png", who=bot.acme.bob)
        posted(bot, "hers.png")
        assert resolved(bot, bot.request()) == bobs.file_ids

    def test_what_only_they_forwarded_is_not_the_newest(self, bot, slack):
        bobs = posted(bot, "bobs.png", who=bot.acme.bob)
        elsewhere = posted(bot, "x.png", who=bot.acme.bob, room=bot.acme.random)
        room = bot.acme.general.channel_id
        share_file(slack.world, bot.acme.ada.user_id, room, *elsewhere.file_ids)
        assert resolved(bot, bot.request()) == bobs.file_ids

        share_file(slack.world, bot.acme.bob.user_id, room, *elsewhere.file_ids)
        assert resolved(bot, bot.request()) == elsewhere.file_ids

    def test_no_other_picture_is_an_error_of_its_own(self, bot):
        posted(bot, "hers.png")
        assert refused(bot.source.resolve, bot.request()).kind == "opted_out"

    def test_pictures_of_a_message_know_who_wrote_it(self, bot):
        message = posted(bot, "hers.png")
        source = ImageReference(message_ts=message.ts, posted_by=message.user_id)
        [found] = bot.source.resolve(bot.request(source=source))
        assert found.posted_by == bot.acme.ada.user_id

    @pytest.mark.parametrize(
        "path",
        [
            "files/{ada}/{file}/hers.png",
            "files-pri/T1-{file}/hers.png",
            "files/{ada}/F0000000FF/hers.png",  # says who, although nobody knows it
            "T0123ABCD-{ada}-0a1b2c3d4e5f-512",
            "x%2FT0123ABCD%252D{ada}-0a1b2c3d4e5f",
        ],
    )
    @pytest.mark.parametrize("host", ["", "https://ca.slack-edge.com"])
    def test_an_address_of_their_file(self, bot, slack, path, host):
        [file_id] = posted(bot, "hers.png").file_ids
        path = path.format(ada=bot.acme.ada.user_id, file=file_id)
        sealed = bot.vault.seal(f"{host or slack.url}/{path}")
        reference = ImageReference(sealed_address=sealed)
        assert refused(bot.source.fetch, bot.workspace, reference).kind == "opted_out"

    def test_a_redirect_to_their_file(self, bot, slack):
        [file_id] = posted(bot, "hers.png").file_ids
        onward = Reply.redirect(f"{slack.url}/files-pri/T1-{file_id}/hers.png")
        sealed = bot.vault.seal(slack.website.add("/onward", onward))
        reference = ImageReference(sealed_address=sealed)
        assert refused(bot.source.fetch, bot.workspace, reference).kind == "opted_out"

    def test_an_avatar_is_looked_at_again_right_before_it_is_posted(self, bot):
        ada = bot.acme.ada.user_id
        avatar = typed(bot, f"https://ca.slack-edge.com/T0123ABCD-{ada}-0a1b-512")
        error = refused(bot.source.check_again, bot.request(), avatar)
        assert error.kind == "opted_out"

    def test_a_page_that_names_their_file(self, bot, slack):
        [file_id] = posted(bot, "hers.png").file_ids
        named = f"{slack.url}/files-pri/T1-{file_id}/hers.png"
        page = Reply.html(f'<meta property="og:image" content="{named}">')
        sealed = bot.vault.seal(slack.website.add("/page", page))
        reference = ImageReference(sealed_address=sealed)
        assert refused(bot.source.fetch, bot.workspace, reference).kind == "opted_out"

    def test_a_profile_picture_that_does_not_say_whose_it_is(self, bot):
        address = "https://avatars.slack-edge.com/2026-01-01/12345_0a1b_512.png"
        reference = ImageReference(sealed_address=bot.vault.seal(address))
        assert refused(bot.source.fetch, bot.workspace, reference).kind == "avatar"

    def test_a_thread(self, bot):
        top = write(bot, "look", who=bot.acme.bob)
        bobs = posted(bot, "bobs.png", who=bot.acme.bob, thread_ts=top.ts)
        posted(bot, "hers.png", thread_ts=top.ts)
        source = ImageReference(message_ts=top.ts, in_thread=True)
        assert resolved(bot, bot.request(source=source)) == bobs.file_ids

    def test_a_thread_without_anybody_elses(self, bot):
        top = posted(bot, "hers.png")
        source = ImageReference(message_ts=top.ts, in_thread=True)
        error = refused(bot.source.resolve, bot.request(source=source))
        assert error.kind == "opted_out"

    def test_a_link_to_their_message_and_what_they_forward(self, bot):
        address = link(bot, posted(bot, "hers.png"))
        [found] = bot.source.resolve(bot.request(source=typed(bot, address)))
        assert refused(bot.source.fetch, bot.workspace, found).kind == "opted_out"

    def test_what_somebody_forwards_of_them(self, bot, slack):
        dm = slack.world.direct_message(bot.acme.workspace, bot.acme.bob.user_id)
        hers = posted(bot, "hers.png")
        top = forward(slack.world, bot.acme.bob.user_id, dm.channel_id, hers)
        source = ImageReference(message_ts=top.ts, in_thread=True)
        request = bot.request(source=source, channel_id=dm.channel_id)
        assert refused(bot.source.resolve, request).kind == "opted_out"

    def test_an_opt_out_concerns_only_ones_own_pictures(self, bot):
        bobs = posted(bot, "bobs.png", who=bot.acme.bob)
        assert fetch(bot, *bobs.file_ids).name == "bobs.png"
        bot.settings.opt(bot.workspace, bot.acme.ada.user_id, out=False)
        assert fetch(bot, *posted(bot, "hers.png").file_ids).name == "hers.png"


class TestCheckAgain:
    def check(self, bot, **fields):
        message = posted(bot, "a.png", who=bot.acme.bob)
        reference = ImageReference(file_id=message.file_ids[0])
        bot.source.check_again(bot.request(**fields), reference)
        return reference

    def test_nothing_has_changed(self, bot):
        self.check(bot)

    def test_switched_off_meanwhile(self, bot):
        channel_id = bot.acme.general.channel_id
        bot.settings.switch(bot.workspace, channel_id, "U9", off=True)
        assert refused(self.check, bot).kind == "channel_off"

    def test_opted_out_meanwhile(self, bot):
        bot.settings.opt(bot.workspace, bot.acme.bob.user_id, out=True)
        assert refused(self.check, bot).kind == "opted_out"
        named = ImageReference(
            sealed_address=bot.vault.seal("https://pictures.example/a.png"),
            posted_by=bot.acme.bob.user_id,
        )
        assert refused(bot.source.check_again, bot.request(), named).kind == "opted_out"

    @pytest.mark.parametrize(
        ("code", "kind"),
        [("file_deleted", "source_gone"), ("file_not_found", "source_not_seen")],
    )
    def test_deleted_meanwhile(self, bot, slack, code, kind):
        reference = self.check(bot)
        slack.faults.add("files.info", error=code)
        delete_file(slack.world, slack.world.files[reference.file_id])
        again = bot.source.check_again
        assert refused(again, bot.request(), reference).kind == kind

    @pytest.mark.parametrize("known", [True, False])
    def test_the_asker_was_deactivated_meanwhile(self, make_bot, known):
        bot = make_bot() if known else make_bot(BOT_SCOPES)
        bot.acme.ada.deleted = True
        if known:
            assert refused(self.check, bot).kind == "user_disabled"
        else:
            self.check(bot)
