"""Fetching pictures from a Slack that hides some and moves others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emojifier_bot.domain import ImageReference
from emojifier_bot.errors import VaultError
from tests.fakes.slack import BOT_SCOPES, Reply
from tests.fakes.slack.methods_files import delete_file
from tests.fakes.slack.posting import forward, share_file
from tests.slack_bot import (
    MAX_BYTES,
    fetch,
    link,
    picture,
    posted,
    refused,
    resolved,
    typed,
    write,
)


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
