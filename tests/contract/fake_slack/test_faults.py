"""The fake Slack breaks on order, serves many at once, and waits for tests."""

import contextlib
import threading
import time

import pytest
import requests
from slack_sdk.errors import SlackApiError

from tests.contract.fake_slack.scene import post
from tests.fakes.slack import SlackServer, sample_workspace


class TestFaults:
    def test_limit_rates(self, client, slack):
        slack.faults.add("auth.test", status=429, retry_after=7, times=2)

        for _ in range(2):
            with pytest.raises(SlackApiError, match="ratelimited") as caught:
                client.auth_test()
            assert caught.value.response.status_code == 429
            assert caught.value.response.headers["Retry-After"] == "7"
        assert client.auth_test()["ok"]
        assert [call.status for call in slack.calls_of("auth.test")] == [429, 429, 200]

    @pytest.mark.parametrize("fault", [{"status": 503}, {"html": True}])
    def test_answer_pages(self, slack, fault):
        slack.faults.add("auth.test", **fault)

        answer = requests.post(f"{slack.api_url}auth.test", timeout=30)

        assert answer.status_code == fault.get("status", 200)
        assert answer.headers["Content-Type"].startswith("text/html")

    @pytest.mark.parametrize("after", [False, True])
    def test_drop_connections(self, slack, acme, after):
        slack.faults.add("chat.postMessage", drop=True, after=after)
        ask = {"channel": acme.general.channel_id, "text": "a"}

        with pytest.raises(requests.ConnectionError):
            post(slack, "chat.postMessage", acme.token, data=ask)

        assert len(slack.bot_messages()) == after
        assert slack.calls[-1].status == 0
        assert not slack.calls[-1].ok

    def test_are_slow(self, client, slack):
        slack.faults.add("auth.test", slow_seconds=0.2)
        start = time.monotonic()

        assert client.auth_test()["ok"]
        assert time.monotonic() - start >= 0.2

    def test_last_until_they_are_cleared(self, client, slack, acme):
        room = acme.general.channel_id
        slack.faults.add("conversations.join", error="too_many_members", times=None)

        for _ in range(3):
            with pytest.raises(SlackApiError, match="too_many_members"):
                client.conversations_join(channel=room)
        slack.faults.clear()
        assert client.conversations_join(channel=room)["ok"]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"method": "auth.test", "error": "file_not_found"},
            {"method": "auth.tset", "status": 500},
            {"method": "upload", "error": "fatal_error"},
            {"method": "auth.test"},
        ],
    )
    def test_stay_with_what_slack_does(self, slack, wrong):
        with pytest.raises(ValueError, match=r"never|No method|belongs|says"):
            slack.faults.add(**wrong)

    def test_end_with_the_server(self):
        slack = SlackServer()
        slack.start()
        acme = sample_workspace(slack)
        slack.faults.add("auth.test", slow_seconds=60)
        ask = {"Authorization": f"Bearer {acme.token}"}

        def ask_slowly():
            with contextlib.suppress(requests.RequestException):
                requests.post(f"{slack.api_url}auth.test", headers=ask, timeout=30)

        thread = threading.Thread(target=ask_slowly)
        thread.start()
        slack.wait_until(lambda: not slack.faults.waiting)
        slack.stop()
        thread.join(timeout=25)

        assert not thread.is_alive()


def test_serves_many_at_once(slack, acme):
    ask = {"channel": acme.general.channel_id, "text": "a"}

    def write():
        for _ in range(10):
            assert post(slack, "chat.postMessage", acme.token, data=ask)["ok"]

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    stamps = [message.ts for message in slack.bot_messages()]
    assert len(set(stamps)) == len(stamps) == 80


def test_waits_and_says_what_it_saw(slack, client):
    client.auth_test()

    assert slack.wait_until(lambda: slack.calls_of("auth.test"))
    with pytest.raises(AssertionError, match=r"auth\.test"):
        slack.wait_until(lambda: None, timeout_seconds=0.05)
