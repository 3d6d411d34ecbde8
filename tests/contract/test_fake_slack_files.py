"""The fake Slack's files: upload in order, shares late or never, private downloads."""

from __future__ import annotations

import json

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.fakes.slack import SlackServer, found_town
from tests.images import encoded, flat

PNG = encoded(flat((200, 30, 30)), "PNG")
BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "3 faces"}}]


@pytest.fixture
def slack():
    with SlackServer() as server:
        yield server


@pytest.fixture
def town(slack):
    return found_town(slack)


@pytest.fixture
def client(slack, town):
    return WebClient(town.token, base_url=slack.api_url)


def kinds(slack):
    return [problem.kind for problem in slack.problems]


def announce(client, data=PNG, name="result.png", **more):
    return client.files_getUploadURLExternal(filename=name, length=len(data), **more)


def send(client, data=PNG, **more):
    ticket = announce(client, data, **more)
    answer = requests.post(ticket["upload_url"], data=data, timeout=5)
    assert answer.status_code == 200
    return ticket["file_id"]


def complete(client, file_id, channel, **more):
    files = [{"id": file_id, "title": "Result"}]
    return client.files_completeUploadExternal(
        files=files, channel_id=channel.channel_id, **more
    )


def get(address, token):
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(address, headers=headers, timeout=5, allow_redirects=False)


class TestUpload:
    def test_ends_in_the_channel(self, slack, town, client):
        file_id = send(client, alt_txt="Three emoji")
        answer = complete(client, file_id, town.general, blocks=json.dumps(BLOCKS))
        file = client.files_info(file=file_id)["file"]
        [(message, kept)] = slack.results(town.general.channel_id)

        assert answer["files"][0]["id"] == file_id
        assert answer["files"][0]["mimetype"] == ""
        assert answer["files"][0]["shares"] == {}
        assert (file["mimetype"], file["title"]) == ("image/png", "Result")
        assert (file["original_w"], file["original_h"]) == (8, 8)
        assert file["alt_txt"] == "Three emoji"
        assert file["channels"] == [town.general.channel_id]
        share = file["shares"]["public"][town.general.channel_id][0]
        assert share["ts"] == message.ts
        assert message.blocks == BLOCKS
        assert kept.data == PNG
        assert get(file["url_private"], town.token).content == PNG
        assert not slack.problems

    def test_takes_parts_too(self, client, slack):
        ticket = announce(client)

        answer = requests.post(
            ticket["upload_url"], files={"file": ("a.png", PNG)}, timeout=5
        )

        assert answer.status_code == 200
        assert not slack.problems

    def test_without_a_channel_stays_private(self, client, slack):
        file_id = send(client)
        client.files_completeUploadExternal(files=[{"id": file_id}])
        file = client.files_info(file=file_id)["file"]

        assert (file["shares"], file["mimetype"]) == ({}, "image/png")
        assert not slack.messages()

    def test_goes_into_a_thread(self, client, slack, town):
        room = town.general.channel_id
        parent = client.chat_postMessage(channel=room, text="Look")["ts"]
        complete(
            client, send(client), town.general, thread_ts=parent, initial_comment="Hi"
        )
        [(message, file)] = slack.results()

        assert (message.thread_ts, message.text) == (parent, "Hi")
        assert file.shares[0].thread_ts == parent

    @pytest.mark.parametrize(
        ("arguments", "code", "kind"),
        [
            ({"alt_txt": "a" * 1001}, "alt_txt_too_large", "alt_txt_too_large"),
            ({"length": 0}, "missing_argument", "empty_upload"),
            ({"title": "Result"}, "invalid_arguments", "unknown_argument"),
        ],
    )
    def test_is_announced_well(self, client, slack, arguments, code, kind):
        whole = {"filename": "a.png", "length": 5} | arguments

        with pytest.raises(SlackApiError, match=code):
            client.files_getUploadURLExternal(**whole)
        assert kinds(slack) == [kind]

    def test_takes_the_longest_alt_text(self, client):
        assert announce(client, alt_txt="ä" * 1000)["ok"]

    @pytest.mark.parametrize(
        ("preferences", "code"),
        [
            ({"uploads": "none"}, "file_uploads_disabled"),
            ({"uploads": "images"}, "file_uploads_except_images_disabled"),
            ({"max_upload_bytes": 1}, "file_upload_size_restricted"),
            ({"storage_full": True}, "storage_limit_reached"),
        ],
    )
    def test_may_be_forbidden(self, client, slack, town, preferences, code):
        for field, value in preferences.items():
            setattr(town.workspace, field, value)

        with pytest.raises(SlackApiError, match=code):
            announce(client, name="a.pdf")
        assert not slack.problems

    def test_has_the_announced_length(self, client, slack, town):
        ticket = announce(client)
        answer = requests.post(ticket["upload_url"], data=PNG[:-1], timeout=5)

        assert answer.status_code == 400
        with pytest.raises(SlackApiError, match="file_not_found"):
            complete(client, ticket["file_id"], town.general)
        assert kinds(slack) == ["upload_length", "upload_order"]

    def test_is_sent_before_it_is_completed(self, client, slack, town):
        with pytest.raises(SlackApiError, match="file_not_found"):
            complete(client, announce(client)["file_id"], town.general)
        assert kinds(slack) == ["upload_order"]

    def test_is_not_sent_afterwards(self, client, slack, town):
        ticket = announce(client)
        requests.post(ticket["upload_url"], data=PNG, timeout=5)
        complete(client, ticket["file_id"], town.general)

        late = requests.post(ticket["upload_url"], data=PNG, timeout=5)
        never = requests.post(f"{slack.url}/upload/v1/other", data=PNG, timeout=5)

        assert (late.status_code, never.status_code) == (404, 404)
        assert kinds(slack) == ["upload_order"] * 2

    def test_is_completed_once(self, client, slack, town):
        file_id = send(client)
        complete(client, file_id, town.general)

        with pytest.raises(SlackApiError, match="file_not_found"):
            complete(client, file_id, town.general)
        assert len(slack.results()) == 1

    def test_is_completed_twice_by_a_switch(self, client, slack, town):
        slack.switches.second_complete = True
        file_id = send(client)
        complete(client, file_id, town.general)
        complete(client, file_id, town.general)

        assert len(slack.results()) == 2

    def test_of_an_unknown_file(self, client, town):
        with pytest.raises(SlackApiError, match="file_not_found"):
            complete(client, "F404", town.general)

    @pytest.mark.parametrize("files", ["", "F1", "[]", "[1]", '[{"id": "F1", "a": 1}]'])
    def test_names_files_well(self, slack, town, files):
        answer = requests.post(
            f"{slack.api_url}files.completeUploadExternal",
            data={"token": town.token, "files": files},
            timeout=5,
        )

        assert answer.json()["error"] == "invalid_arguments"
        assert slack.problems


class TestPlaces:
    def test_are_joined(self, client, slack, town):
        file_id = send(client)

        with pytest.raises(SlackApiError, match="not_in_channel"):
            complete(client, file_id, town.random)
        with pytest.raises(SlackApiError, match="channel_not_found"):
            complete(client, file_id, town.secret)
        client.conversations_join(channel=town.random.channel_id)
        complete(client, file_id, town.random)
        assert len(slack.results(town.random.channel_id)) == 1
        assert not slack.problems

    @pytest.mark.parametrize("switch", ["is_archived", "is_read_only"])
    def test_take_no_posts(self, client, town, switch):
        setattr(town.general, switch, True)

        with pytest.raises(SlackApiError, match="posting_to_channel_denied"):
            complete(client, send(client), town.general)

    def test_are_direct_messages_too(self, client, slack, town):
        opened = client.conversations_open(users=town.ada.user_id)["channel"]["id"]
        dm = slack.world.channels[opened]
        file_id = send(client)
        complete(client, file_id, dm)
        file = client.files_info(file=file_id)["file"]

        assert file["ims"] == [dm.channel_id]
        assert list(file["shares"]) == ["private"]

    def test_are_parents_of_threads(self, client, slack, town):
        room = town.general.channel_id
        parent = client.chat_postMessage(channel=room, text="a")["ts"]
        reply = client.chat_postMessage(channel=room, text="b", thread_ts=parent)["ts"]
        file_id = send(client)

        for wrong in (reply, "1.000001"):
            with pytest.raises(SlackApiError, match="invalid_arguments"):
                complete(client, file_id, town.general, thread_ts=wrong)
        assert kinds(slack) == ["bad_thread"] * 2
        client.chat_delete(channel=room, ts=parent)
        with pytest.raises(SlackApiError, match="posting_to_channel_denied"):
            complete(client, file_id, town.general, thread_ts=parent)


class TestBlocks:
    @pytest.mark.parametrize("blocks", ["{", '[{"type": "butto"}]', '{"type": "a"}'])
    def test_are_valid(self, client, slack, town, blocks):
        file_id = send(client)

        with pytest.raises(SlackApiError, match="invalid_blocks"):
            complete(client, file_id, town.general, blocks=blocks)
        assert kinds(slack) == ["invalid_blocks"]
        # The file is not lost.
        assert complete(client, file_id, town.general)["ok"]

    def test_lose_against_a_comment(self, client, slack, town):
        blocks = json.dumps(BLOCKS)
        complete(client, send(client), town.general, initial_comment="a", blocks=blocks)

        assert slack.results()[0][0].blocks == []
        assert kinds(slack) == ["ignored_blocks"]

    def test_get_lost_by_a_switch(self, client, slack, town):
        slack.switches.drop_share_blocks = True
        complete(client, send(client), town.general, blocks=json.dumps(BLOCKS))

        assert slack.results()[0][0].blocks == []
        assert not slack.problems


class TestShares:
    def test_appear_after_some_looks(self, client, slack, town):
        slack.switches.share_after_polls = 2
        file_id = send(client)
        complete(client, file_id, town.general)

        seen = [client.files_info(file=file_id)["file"] for _ in range(3)]

        assert [bool(file["shares"]) for file in seen] == [False, False, True]
        assert [file["mimetype"] for file in seen] == ["", "", "image/png"]

    def test_appear_after_some_time(self, town):
        times = [1000.0]
        with SlackServer(clock=lambda: times[0]) as slack:
            town = found_town(slack)
            client = WebClient(town.token, base_url=slack.api_url)
            slack.switches.share_after_seconds = 8
            file_id = send(client)
            complete(client, file_id, town.general)
            before = client.files_info(file=file_id)["file"]["shares"]
            unseen = slack.messages()
            times[0] += 8

            assert (before, unseen) == ({}, [])
            assert slack.results()
            assert client.files_info(file=file_id)["file"]["shares"]

    def test_never_appear(self, client, slack, town):
        slack.switches.never_share = 1
        slack.switches.second_complete = True
        file_id = send(client)
        complete(client, file_id, town.general)
        for _ in range(3):
            assert client.files_info(file=file_id)["file"]["shares"] == {}

        complete(client, file_id, town.general)
        assert client.files_info(file=file_id)["file"]["shares"]

    def test_never_appear_with_alt_text(self, client, slack, town):
        slack.switches.never_share_alt_text = True
        complete(client, send(client, alt_txt="a"), town.general)
        complete(client, send(client), town.general)

        assert [file.alt_txt for _, file in slack.results()] == [""]

    def test_appear_although_the_answer_is_lost(self, client, slack, town):
        slack.faults.add("files.completeUploadExternal", status=408, after=True)
        file_id = send(client)

        with pytest.raises(SlackApiError):
            complete(client, file_id, town.general)
        assert client.files_info(file=file_id)["file"]["shares"]


class TestDeletion:
    def test_takes_the_message_along(self, client, slack, town):
        file_id = send(client)
        complete(client, file_id, town.general)
        client.files_delete(file=file_id)

        assert slack.results() == slack.messages() == []
        for call in (client.files_info, client.files_delete):
            with pytest.raises(SlackApiError, match="file_deleted"):
                call(file=file_id)

    def test_leaves_what_else_the_message_says(self, client, slack, town):
        file_id = send(client)
        complete(client, file_id, town.general, initial_comment="Hi")
        client.files_delete(file=file_id)

        assert [one.text for one in slack.messages()] == ["Hi"]
        assert slack.results() == []
