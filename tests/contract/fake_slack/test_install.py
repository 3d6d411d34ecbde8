"""The fake Slack's *Add to Slack*: consent, code, tokens, rotation, uninstall."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth import AuthorizeUrlGenerator

from tests.contract.fake_slack.scene import BACK, kinds
from tests.fakes.slack import BOT_SCOPES


@pytest.fixture
def workspace(slack):
    return slack.add_workspace("Acme")


pytestmark = pytest.mark.usefixtures("workspace")


def authorize(slack, **changed):
    asked = {
        "client_id": slack.app.client_id,
        "scope": ",".join(slack.app.scopes),
        "state": "s1",
        "redirect_uri": BACK,
    }
    sent = {name: value for name, value in (asked | changed).items() if value}
    return requests.get(
        f"{slack.url}/oauth/v2/authorize",
        params=sent,
        timeout=30,
        allow_redirects=False,
    )


def consent(slack, **changed):
    answer = authorize(slack, **changed)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(BACK)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


def exchange(slack, code, **changed):
    told = {
        "client_id": slack.app.client_id,
        "client_secret": slack.app.client_secret,
        "redirect_uri": BACK,
        "code": code,
    }
    return WebClient(base_url=slack.api_url).oauth_v2_access(**told | changed)


def refresh(slack, token):
    return WebClient(base_url=slack.api_url).oauth_v2_access(
        client_id=slack.app.client_id,
        client_secret=slack.app.client_secret,
        grant_type="refresh_token",
        refresh_token=token,
    )


class TestConsent:
    def test_comes_back_with_code_and_state(self, slack):
        back = consent(slack)

        assert back["state"] == "s1"
        assert back["code"]
        assert not slack.problems

    def test_understands_the_sdk(self, slack):
        address = AuthorizeUrlGenerator(
            client_id=slack.app.client_id,
            scopes=BOT_SCOPES,
            redirect_uri=BACK,
            authorization_url=f"{slack.url}/oauth/v2/authorize",
        ).generate("s2")

        answer = requests.get(address, timeout=30, allow_redirects=False)

        assert answer.status_code == 302
        assert not slack.problems

    def test_may_be_denied(self, slack):
        slack.switches.consent_denied = True

        assert consent(slack) == {"state": "s1", "error": "access_denied"}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"client_id": "other"},
            {"scope": ""},
            {"scope": "commands,admin"},
            {"state": ""},
            {"redirect_uri": "http://127.0.0.1:3001/slack/oauth_redirect"},
            {"redirect_uri": f"{BACK}_other"},
        ],
    )
    def test_is_asked_for_well(self, slack, wrong):
        answer = authorize(slack, **wrong)

        assert answer.status_code == 400
        assert kinds(slack) == ["bad_authorize"]

    def test_returns_below_a_known_address(self, slack):
        assert authorize(slack, redirect_uri=f"{BACK}/more").status_code == 302


class TestCode:
    def test_gives_a_token(self, slack, workspace):
        answer = exchange(slack, consent(slack)["code"])

        assert answer["team"] == {"id": workspace.team_id, "name": "Acme"}
        assert answer["enterprise"] is None
        assert answer["is_enterprise_install"] is False
        assert answer["bot_user_id"] == workspace.bot_user_id
        assert set(answer["scope"].split(",")) == set(slack.app.scopes)
        assert "refresh_token" not in answer.data
        client = WebClient(answer["access_token"], base_url=slack.api_url)
        assert client.auth_test()["team"] == "Acme"
        assert not slack.problems

    def test_takes_basic_authentication(self, slack):
        answer = requests.post(
            f"{slack.api_url}oauth.v2.access",
            data={"code": consent(slack)["code"], "redirect_uri": BACK},
            auth=(slack.app.client_id, slack.app.client_secret),
            timeout=30,
        )

        assert answer.json()["ok"]

    def test_is_good_once(self, slack):
        code = consent(slack)["code"]
        exchange(slack, code)

        with pytest.raises(SlackApiError, match="invalid_code"):
            exchange(slack, code)

    def test_is_good_for_ten_minutes(self, slack, times):
        code = consent(slack)["code"]
        times[0] += 601

        with pytest.raises(SlackApiError, match="invalid_code"):
            exchange(slack, code)

    @pytest.mark.parametrize(
        ("wrong", "error"),
        [
            ({"client_id": "other"}, "invalid_client_id"),
            ({"client_secret": "other"}, "bad_client_secret"),
            ({"redirect_uri": f"{BACK}/more"}, "bad_redirect_uri"),
            ({"redirect_uri": None}, "bad_redirect_uri"),
            ({"grant_type": "password"}, "invalid_grant_type"),
            ({"code": "other"}, "invalid_code"),
        ],
    )
    def test_is_exchanged_well(self, slack, wrong, error):
        with pytest.raises(SlackApiError, match=error):
            exchange(slack, **{"code": consent(slack)["code"]} | wrong)

    def test_gives_the_same_token_again(self, slack):
        tokens = [
            exchange(slack, consent(slack)["code"])["access_token"] for _ in range(2)
        ]
        assert tokens[0] == tokens[1]

    def test_is_of_the_picked_workspace(self, slack):
        other = slack.add_workspace("Other")
        slack.switches.consent_team_id = other.team_id

        answer = exchange(slack, consent(slack)["code"])

        assert answer["team"]["id"] == other.team_id

    def test_is_of_a_whole_organisation(self, slack):
        one, two = (
            slack.add_workspace(name, enterprise_id="E1", enterprise_name="Corp")
            for name in ("One", "Two")
        )
        slack.switches.consent_team_id = one.team_id
        slack.switches.consent_org_wide = True

        answer = exchange(slack, consent(slack)["code"])

        assert answer["team"] is None
        assert answer["enterprise"] == {"id": "E1", "name": "Corp"}
        assert answer["is_enterprise_install"] is True
        client = WebClient(answer["access_token"], base_url=slack.api_url)
        assert client.auth_test()["is_enterprise_install"] is True
        for workspace in (one, two):
            room = slack.add_channel(workspace, "general")
            assert client.chat_postMessage(channel=room.channel_id, text="a")["ok"]
        assert not slack.problems


class TestRotation:
    @pytest.fixture
    def first(self, slack):
        slack.app.token_rotation = True
        return exchange(slack, consent(slack)["code"])

    def test_gives_tokens_that_expire(self, slack, first, times):
        assert first["expires_in"] == 12 * 60 * 60
        times[0] += first["expires_in"]
        client = WebClient(first["access_token"], base_url=slack.api_url)
        with pytest.raises(SlackApiError, match="token_expired"):
            client.auth_test()

        second = refresh(slack, first["refresh_token"])

        assert second["access_token"] != first["access_token"]
        assert second["refresh_token"] != first["refresh_token"]
        client = WebClient(second["access_token"], base_url=slack.api_url)
        assert client.auth_test()["ok"]

    def test_spends_a_refresh_token_once(self, slack, first):
        refresh(slack, first["refresh_token"])

        for spent in (first["refresh_token"], "other"):
            with pytest.raises(SlackApiError, match="invalid_refresh_token"):
                refresh(slack, spent)

    def test_may_lose_the_answer(self, slack, first):
        slack.faults.add("oauth.v2.access", status=500, after=True)

        for error in ("500|HTML|html|not", "invalid_refresh_token"):
            with pytest.raises(SlackApiError, match=error):
                refresh(slack, first["refresh_token"])
