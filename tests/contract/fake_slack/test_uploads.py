"""The fake Slack's uploads: three calls in order, shares late or never."""

import json

import pytest
import requests
from slack_sdk.errors import SlackApiError

from tests.contract.fake_slack.scene import BLOCKS, PNG, get, kinds, post


class TestUpload:
    def test_ends_in_the_channel(self, scene, slack):
        file_id = scene.send(alt_txt="Three emoji")
        answer = scene.complete(file_id, blocks=json.dumps(BLOCKS))
        file = scene.file(file_id)
        [(message, kept)] = slack.results(scene.room)

        [completed] = answer["files"]
        assert (completed["id"], completed["mimetype"]) == (file_id, "")
        assert completed["shares"] == {}
        assert (file["mimetype"], file["title"]) == ("image/png", "Result")
        assert (file["original_w"], file["original_h"]) == (8, 8)
        assert file["alt_txt"] == "Three emoji"
        assert file["channels"] == [scene.room]
        assert file["shares"]["public"][scene.room][0]["ts"] == message.ts
        assert message.blocks == BLOCKS
        assert kept.data == PNG
        assert get(file["url_private"], scene.acme.token).content == PNG
        assert not slack.problems

    def test_takes_parts_too(self, scene, slack):
        files = {"file": ("a.png", PNG)}

        assert requests.post(scene.announce()["upload_url"], files=files, timeout=30).ok
        assert not slack.problems

    def test_without_a_channel_stays_private(self, scene, slack):
        file_id = scene.send()
        scene.client.files_completeUploadExternal(files=[{"id": file_id}])
        file = scene.file(file_id)

        assert (file["shares"], file["mimetype"]) == ({}, "image/png")
        assert not slack.messages()

    def test_goes_into_a_thread(self, scene, slack):
        parent = scene.write()["ts"]
        scene.complete(thread_ts=parent, initial_comment="Hi")
        [(message, file)] = slack.results()

        assert (message.thread_ts, message.text) == (parent, "Hi")
        assert file.shares[0].thread_ts == parent

    def test_goes_into_a_direct_message(self, scene, acme):
        opened = scene.client.conversations_open(users=acme.ada.user_id)["channel"]
        file = scene.file(scene.shown(channel_id=opened["id"]))

        assert file["ims"] == [opened["id"]]
        assert list(file["shares"]) == ["private"]

    def test_takes_the_longest_alt_text(self, scene):
        assert scene.announce(alt_txt="ä" * 1000)["ok"]

    def test_has_the_announced_length(self, scene, slack):
        ticket = scene.announce()
        answer = requests.post(ticket["upload_url"], data=PNG[:-1], timeout=30)

        assert answer.status_code == 400
        with pytest.raises(SlackApiError, match="file_not_found"):
            scene.complete(ticket["file_id"])
        assert kinds(slack) == ["upload_length", "upload_order"]

    def test_is_not_sent_afterwards(self, scene, slack):
        ticket = scene.announce()
        addresses = [ticket["upload_url"]] * 2 + [f"{slack.url}/upload/v1/other"]
        first = requests.post(addresses[0], data=PNG, timeout=30)
        scene.complete(ticket["file_id"])
        later = [requests.post(one, data=PNG, timeout=30) for one in addresses[1:]]

        assert [one.status_code for one in (first, *later)] == [200, 404, 404]
        assert kinds(slack) == ["upload_order"] * 2

    def test_is_completed_twice_by_a_switch(self, scene, slack):
        slack.switches.second_complete = True
        scene.complete(scene.shown())

        assert len(slack.results()) == 2

    @pytest.mark.parametrize("files", ["", "F1", "[]", "[1]", '[{"id": "F1", "a": 1}]'])
    def test_names_files_well(self, slack, acme, files):
        asked = {"token": acme.token, "files": files}

        answer = post(slack, "files.completeUploadExternal", data=asked)

        assert answer["error"] == "invalid_arguments"
        assert slack.problems


class TestBlocks:
    @pytest.mark.parametrize("blocks", ["{", '[{"type": "butto"}]', '{"type": "a"}'])
    def test_are_valid(self, scene, slack, blocks):
        file_id = scene.send()

        with pytest.raises(SlackApiError, match="invalid_blocks"):
            scene.complete(file_id, blocks=blocks)
        assert kinds(slack) == ["invalid_blocks"]
        # The file is not lost.
        assert scene.complete(file_id)["ok"]

    def test_lose_against_a_comment(self, scene, slack):
        scene.complete(initial_comment="a", blocks=json.dumps(BLOCKS))

        assert slack.results()[0][0].blocks == []
        assert kinds(slack) == ["ignored_blocks"]


class TestShares:
    def test_appear_after_some_looks(self, scene, slack):
        slack.switches.share_after_polls = 2
        file_id = scene.shown()

        seen = [scene.file(file_id) for _ in range(3)]

        assert [bool(file["shares"]) for file in seen] == [False, False, True]
        assert [file["mimetype"] for file in seen] == ["", "", "image/png"]

    def test_appear_after_some_time(self, scene, slack, times):
        slack.switches.share_after_seconds = 8
        file_id = scene.shown()
        before = scene.file(file_id)["shares"]
        unseen = slack.messages()
        times[0] += 8

        assert (before, unseen) == ({}, [])
        assert slack.results()
        assert scene.file(file_id)["shares"]

    def test_appear_although_the_answer_is_lost(self, scene, slack):
        slack.faults.add("files.completeUploadExternal", status=408, after=True)
        file_id = scene.send()

        with pytest.raises(SlackApiError):
            scene.complete(file_id)
        assert scene.file(file_id)["shares"]


class TestDeletion:
    def test_takes_the_message_along(self, scene, slack):
        file_id = scene.shown()
        scene.client.files_delete(file=file_id)

        assert slack.results() == slack.messages() == []
        with pytest.raises(SlackApiError, match="file_deleted"):
            scene.file(file_id)

    def test_leaves_what_else_the_message_says(self, scene, slack):
        scene.client.files_delete(file=scene.shown(initial_comment="Hi"))

        assert [one.text for one in slack.messages()] == ["Hi"]
        assert slack.results() == []
