"""Finding and fetching pictures in a Slack that hides some and moves others."""

from __future__ import annotations

import itertools
from contextlib import closing
from dataclasses import replace

import pytest

from emojifier_bot.db.engine import open_database
from emojifier_bot.domain import EmojifyRequest, Entrypoint, ImageReference
from emojifier_bot.errors import DeliveryError, FetchError, RemoteError, VaultError
from tests.fakes.slack import BOT_SCOPES, Reply, SlackServer, sample_workspace
from tests.fakes.slack.posting import post_files, share_file
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
    return post_files(bot.slack.world, user.user_id, room.channel_id, files, more=more)


def refused(call, *arguments) -> RemoteError:
    with pytest.raises((FetchError, DeliveryError)) as caught:
        call(*arguments)
    return caught.value


def resolved(bot: Bot, request: EmojifyRequest) -> list[str]:
    return [one.file_id for one in bot.source.resolve(request)]


def fetch(bot: Bot, file_id: str):
    return bot.source.fetch(bot.workspace, ImageReference(file_id=file_id))


class TestNewest:
    def test_a_channel_without_pictures(self, bot):
        assert refused(bot.source.resolve, bot.request()).kind == "no_image"

    def test_the_newest_picture_of_a_person(self, bot, slack):
        posted(bot, "old.png")
        new = posted(bot, "new.png", who=bot.acme.bob)
        posted(bot, "notes.txt", data=b"no picture")
        posted(bot, "elsewhere.png", room=bot.acme.random)
        bot.sink.complete(bot.uploaded())  # its own
        assert resolved(bot, bot.request()) == new.file_ids
        assert len(slack.calls_of("files.list")) == 1

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

    def test_a_public_channel_is_joined_first(self, bot, slack):
        new = posted(bot, "new.png", room=bot.acme.random)
        request = bot.request(channel_id=bot.acme.random.channel_id)
        assert resolved(bot, request) == new.file_ids
        methods = [call.method for call in slack.calls]
        assert methods == ["conversations.join", "files.list", "users.info"]

    def test_a_public_channel_that_may_not_be_joined(self, make_bot):
        bot = make_bot(BOT_SCOPES)
        bot.slack.switches.public_hidden = True
        posted(bot, "new.png", room=bot.acme.random)
        request = bot.request(channel_id=bot.acme.random.channel_id)
        assert refused(bot.source.resolve, request).kind == "no_image"

    def test_a_private_channel_with_and_without_the_bot(self, bot):
        new = posted(bot, "new.png", room=bot.acme.secret)
        request = bot.request(channel_id=bot.acme.secret.channel_id)
        assert refused(bot.source.resolve, request).kind == "channel_not_found"
        bot.acme.secret.members.add(bot.acme.workspace.bot_user_id)
        assert resolved(bot, request) == new.file_ids

    def test_a_rate_limit_is_passed_on(self, bot, slack):
        slack.faults.add("conversations.join", status=429, retry_after=4)
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
        assert (
            refused(bot.source.resolve, self.request(bot, message)).kind == "no_image"
        )

    def test_the_author_need_not_be_known(self, bot):
        message = posted(bot, "a.png")
        source = ImageReference(message_ts=message.ts)
        assert resolved(bot, bot.request(source=source)) == message.file_ids


class TestFile:
    def test_a_named_file_needs_no_search(self, bot, slack):
        request = bot.request(source=ImageReference(file_id="F0"))
        assert resolved(bot, request) == ["F0"]
        assert [call.method for call in slack.calls] == ["conversations.join"]

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

    def test_an_unknown_file(self, bot):
        assert refused(fetch, bot, "F0UNKNOWN").kind == "source_gone"

    @pytest.mark.parametrize("room", ["secret", "random"])
    def test_in_a_channel_that_the_bot_may_not_look_into(self, bot, slack, room):
        slack.switches.public_hidden = True
        message = posted(bot, "a.png", room=getattr(bot.acme, room))
        assert refused(fetch, bot, message.file_ids[0]).kind == "source_gone"

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
        ],
    )
    def test_an_address_of_their_file(self, bot, slack, path):
        [file_id] = posted(bot, "hers.png").file_ids
        path = path.format(ada=bot.acme.ada.user_id, file=file_id)
        sealed = bot.vault.seal(f"{slack.url}/{path}")
        reference = ImageReference(sealed_address=sealed)
        assert refused(bot.source.fetch, bot.workspace, reference).kind == "opted_out"

    def test_a_redirect_to_their_file(self, bot, slack):
        [file_id] = posted(bot, "hers.png").file_ids
        onward = Reply.redirect(f"{slack.url}/files-pri/T1-{file_id}/hers.png")
        sealed = bot.vault.seal(slack.website.add("/onward", onward))
        reference = ImageReference(sealed_address=sealed)
        assert refused(bot.source.fetch, bot.workspace, reference).kind == "opted_out"

    def test_an_opt_out_concerns_only_ones_own_pictures(self, bot):
        bobs = posted(bot, "bobs.png", who=bot.acme.bob)
        assert fetch(bot, *bobs.file_ids).name == "bobs.png"
        bot.settings.opt(bot.workspace, bot.acme.ada.user_id, out=False)
        assert fetch(bot, *posted(bot, "hers.png").file_ids).name == "hers.png"
