"""The fake Slack shows files only to whom Slack would: downloads, lists, stubs."""

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.contract.fake_slack.scene import PNG, get, kinds
from tests.fakes.slack import Reply, sample_workspace
from tests.fakes.slack.methods_files import delete_file
from tests.images import encoded, flat

OTHER_PNG = encoded(flat((30, 200, 30), (4, 6)), "PNG")


def posted(client, ada, channel, **more):
    """Let Ada post a picture; return what `files.info` tells of it."""
    [file_id] = ada.post_image(channel.channel_id, PNG, more=more).file_ids
    return client.files_info(file=file_id)["file"]


class TestDownload:
    def test_needs_the_token(self, client, acme, ada):
        file = posted(client, ada, acme.general)

        answer = get(file["url_private"], acme.token)
        assert (answer.content, answer.headers["Content-Type"]) == (PNG, "image/png")
        for token in ("xoxb-other", ""):
            answer = get(file["url_private_download"], token)
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].startswith("text/html")

    def test_needs_the_scope(self, slack, acme, ada):
        message = ada.post_image(acme.general.channel_id, PNG)
        file_id = message.file_ids[0]
        poor = slack.world.install(acme.workspace, ["commands"])
        key = f"{acme.workspace.team_id}-{file_id}"

        answer = get(f"{slack.url}/files-pri/{key}/party.png", poor.token)

        assert answer.status_code == 200
        assert "Sign in" in answer.text
        assert not slack.problems

    def test_is_only_of_what_the_bot_sees(self, client, slack, acme, ada):
        secret = ada.post_image(acme.secret.channel_id, PNG).file_ids[0]
        with pytest.raises(SlackApiError, match="file_not_found"):
            client.files_info(file=secret)
        message = ada.post_image(acme.random.channel_id, PNG)
        file_id = message.file_ids[0]

        assert client.files_info(file=file_id)["ok"]
        slack.switches.public_hidden = True
        with pytest.raises(SlackApiError, match="file_not_found"):
            client.files_info(file=file_id)
        client.conversations_join(channel=acme.random.channel_id)
        file = client.files_info(file=file_id)["file"]
        assert get(file["url_private"], acme.token).content == PNG

    def test_of_a_deleted_file(self, client, slack, acme, ada):
        file = posted(client, ada, acme.general)
        delete_file(slack.world, slack.world.files[file["id"]])

        assert get(file["url_private"], acme.token).status_code == 404

    def test_leads_elsewhere(self, client, slack, acme, ada):
        there = slack.website.add_picture("/cat.png", OTHER_PNG)
        file = posted(client, ada, acme.general, address=there)

        answer = get(file["url_private"], acme.token)

        assert (answer.status_code, answer.headers["Location"]) == (302, there)
        assert not slack.problems
        # A bot that follows with its token is found out.
        get(there, acme.token)
        assert kinds(slack) == ["token_leak"]

    def test_of_an_external_file(self, client, slack, acme, ada):
        there = slack.website.add("/cat", Reply.html("<p>cat</p>"))
        file = posted(client, ada, acme.general, mode="external", address=there)

        assert (file["mode"], file["url_private"]) == ("external", there)
        requests.get(f"{there}?t={acme.token}", timeout=30)
        assert kinds(slack) == ["token_leak"]


class TestList:
    def ids(self, client, **more):
        return {file["id"] for file in client.files_list(**more)["files"]}

    def test_is_empty(self, client):
        assert self.ids(client) == set()

    def test_is_of_a_channel_that_the_bot_is_in(self, client, slack, acme, ada):
        slack.switches.public_hidden = True
        here = ada.post_image(acme.general.channel_id, PNG, OTHER_PNG).file_ids
        there = ada.post_image(acme.random.channel_id, PNG).file_ids

        assert self.ids(client, channel=acme.general.channel_id) == set(here)
        assert self.ids(client, channel=acme.random.channel_id) == set()
        client.conversations_join(channel=acme.random.channel_id)
        assert self.ids(client, channel=acme.random.channel_id) == set(there)
        assert self.ids(client) == {*here, *there}

    def test_is_of_public_channels_too(self, client, acme, ada):
        there = ada.post_image(acme.random.channel_id, PNG).file_ids
        ada.post_image(acme.secret.channel_id, PNG)

        assert self.ids(client, channel=acme.random.channel_id) == set(there)
        assert self.ids(client, channel=acme.secret.channel_id) == set()

    def test_is_filtered(self, client, slack, acme, ada):
        picture = ada.post_image(acme.general.channel_id, PNG).file_ids[0]
        note = ada.post_image(acme.general.channel_id, b"a", name="a.txt").file_ids[0]
        created = slack.world.files[picture].created

        assert self.ids(client, types="images") == {picture}
        assert self.ids(client, user=acme.ada.user_id) == {picture, note}
        assert self.ids(client, user=acme.bob.user_id) == set()
        assert self.ids(client, ts_from=str(created + 60)) == set()
        assert self.ids(client, ts_to=str(created + 60)) == {picture, note}

    def test_has_pages_and_no_order_within_them(self, client, acme, ada):
        room = acme.general.channel_id
        posted = [ada.post_image(room, PNG).file_ids[0] for _ in range(3)]

        first = client.files_list(count=2, page=1)
        second = client.files_list(count=2, page=2)

        assert [file["id"] for file in first["files"]] == posted[1:]
        assert [file["id"] for file in second["files"]] == posted[:1]
        assert (first["paging"]["pages"], first["paging"]["total"]) == (2, 3)

    def test_needs_a_team_for_an_organisation(self, slack):
        acme = sample_workspace(slack, org_wide=True, enterprise_id="E1")
        client = WebClient(acme.token, base_url=slack.api_url)

        with pytest.raises(SlackApiError, match="missing_argument"):
            client.files_list()
        assert kinds(slack) == ["no_team_id"]
        assert client.files_list(team_id=acme.workspace.team_id)["ok"]


@pytest.mark.parametrize("stub", ["messages", "always"])
def test_connected_files_are_stubs(client, acme, ada, stub):
    file = posted(client, ada, acme.general, stub=stub)

    assert (file["mode"] == "file_access") == (stub == "always")


def test_only_the_owner_deletes_a_file(client, acme, ada):
    message = ada.post_image(acme.general.channel_id, PNG)

    with pytest.raises(SlackApiError, match="cant_delete_file"):
        client.files_delete(file=message.file_ids[0])
