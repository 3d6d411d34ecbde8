from __future__ import annotations

import time

import pytest
from flask import Blueprint

from emojifier_bot.errors import QueueError
from emojifier_bot.metrics import web_registry
from emojifier_bot.web.app import SECURITY_HEADERS, WebDependencies, create_app
from emojifier_bot.web.rate_limits import RateLimits
from emojifier_bot.web.slack_requests import MAX_BODY_BYTES
from tests.fakes.clock import ManualClock
from tests.metrics import make_web_registry, values_of
from tests.slack_payloads import FORM, Sent, command, event, shortcut, signed

EVENTS = "/slack/events"
SECRET = "any"


def answer_ok(_request):
    return "said", 200


def make_client(slack=answer_ok, **more):
    parts = WebDependencies(slack, SECRET, ManualClock(), **more)
    return create_app(parts).test_client()


def post(client, sent):
    headers = signed(sent, SECRET, ManualClock().now().timestamp())
    return client.post(EVENTS, data=sent.body, headers=headers)


def test_it_is_alive():
    assert make_client().get("/healthz").get_json() == {"alive": True}


def away():
    raise QueueError("Away.")


def fine():
    return True


def absent():
    return False


@pytest.mark.parametrize(
    ("checks", "reports", "status", "found"),
    [
        ({}, {}, 200, {}),
        ({"database": fine}, {}, 200, {"database": True}),
        (
            {"database": absent, "queue": fine},
            {},
            503,
            {"database": False, "queue": True},
        ),
        ({"queue": away}, {}, 503, {"queue": False}),
        # A missing worker keeps nobody away.
        ({"queue": fine}, {"worker": absent}, 200, {"queue": True, "worker": False}),
    ],
)
def test_it_is_ready_when_all_is_there(checks, reports, status, found):
    answer = make_client(checks=checks, reports=reports).get("/readyz")

    assert (answer.status_code, answer.get_json()) == (status, found)


def test_metrics_that_cannot_be_had_are_left_out():
    found = values_of(web_registry(away, lambda: 2))

    assert ("emojifier_jobs_waiting",) not in found
    assert found["emojifier_installations",] == 2


def test_requests_are_counted():
    before = values_of(make_web_registry())
    client = make_client()
    for sent in (command(), command(), event({"type": "x"}), shortcut()):
        assert post(client, sent).status_code == 200
    client.post(EVENTS, data=b"{}")

    after = values_of(make_web_registry())
    answered = "emojifier_slack_answer_seconds_count"
    expected = {
        (answered, "command"): 2,
        (answered, "event"): 1,
        (answered, "interaction"): 1,
        ("emojifier_slack_refused_total", "415", "content_type"): 1,
    }
    assert {one: after[one] - before.get(one, 0) for one in expected} == expected


def test_a_wrong_signing_secret_is_counted_and_told_once(caplog):
    client, now = make_client(), ManualClock().now().timestamp()
    before = values_of(make_web_registry())

    for sent in (command(), event({"type": "x"}), shortcut()):
        answer = client.post(EVENTS, data=sent.body, headers=signed(sent, "wrong", now))
        assert (answer.status_code, answer.data) == (401, b"")

    after = values_of(make_web_registry())
    changed = {one: after[one] - before[one] for one in after if one in before}
    assert changed["emojifier_slack_refused_total", "401", "signature"] == 3
    assert not any(
        value
        for (name, *_), value in changed.items()
        if name == "emojifier_slack_answer_seconds_count"
    )
    (warning,) = caplog.records
    assert "SLACK_SIGNING_SECRET" in warning.getMessage()
    assert (warning.action, warning.reason) == ("guard", "signature")


def test_what_is_refused_does_not_reach_slacks_side():
    def fail(_request):
        raise AssertionError

    client = make_client(fail)
    now = ManualClock().now().timestamp()
    good = signed(command(), SECRET, now)

    assert client.post(EVENTS).status_code == 415
    assert client.post(EVENTS, data=b"{}", content_type="text/xml").status_code == 415
    assert client.post(EVENTS, data=b"{}", content_type="application/json")
    assert client.post(EVENTS, data=b"\xff", headers=good).status_code == 401
    no_text = Sent(b"\xff", FORM)
    assert post(client, no_text).status_code == 400
    wrong = signed(command(), "another", now)
    assert client.post(EVENTS, data=command().body, headers=wrong).status_code == 401
    too_large = b"x" * (MAX_BODY_BYTES + 1)
    assert client.post(EVENTS, data=too_large, headers=good).status_code == 413
    assert client.get(EVENTS).status_code == 405


@pytest.mark.parametrize("error", [KeyError, TypeError, ValueError, AttributeError])
def test_a_body_that_bolt_cannot_read_is_a_bad_request(error, caplog):
    def fail(_request):
        raise error("swordfish")

    answer = post(make_client(fail), command())

    assert (answer.status_code, answer.data) == (400, b"")
    assert "swordfish" not in caplog.text


def test_checks_of_our_certificate_need_no_signature():
    client = make_client()

    form = {"ssl_check": "1", "token": "x"}
    assert client.post(EVENTS, data=form).status_code == 200
    assert client.get(f"{EVENTS}?ssl_check=1").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", EVENTS, "/slack/install"])
def test_every_page_is_protected(path):
    answer = make_client().get(path)

    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    kept = answer.headers.get("Cache-Control") != "no-store"
    assert kept is not path.startswith("/slack/")


def test_who_asks_too_often_waits_and_slack_does_not():
    client = make_client(limits=RateLimits(ManualClock(), ""))
    codes = [client.get("/slack/install").status_code for _ in range(21)]

    assert codes == [200] * 20 + [429]
    assert client.get("/slack/install").headers["Retry-After"] == "5"
    assert client.get("/nowhere").status_code == 404
    assert post(client, command()).status_code == 200


def test_monitors_have_a_limit_of_their_own():
    client = make_client(limits=RateLimits(ManualClock(), ""))
    codes = [client.get("/healthz").status_code for _ in range(61)]

    assert codes == [200] * 60 + [429]
    assert client.get("/readyz").status_code == 429
    assert client.get("/nowhere").status_code == 404
    assert post(client, command()).status_code == 200


def test_long_bodies_of_who_cannot_sign_are_not_looked_at():
    clock = ManualClock()
    client = make_client(limits=RateLimits(clock, ""))
    long = Sent(b"a&" * 500_000, FORM)

    def forge(sent: Sent) -> int:
        wrong = signed(sent, "another", clock.now().timestamp())
        return client.post(EVENTS, data=sent.body, headers=wrong).status_code

    assert [forge(long) for _ in range(21)] == [401] * 20 + [429]
    # Slack may come from the same proxy: what is cheap to check is checked.
    assert forge(command()) == 401
    assert post(client, command()).status_code == 200


def test_a_body_that_nobody_signed_is_not_parsed():
    client = make_client()
    body = b"a&" * 500_000
    wrong = signed(Sent(body, FORM), "another", ManualClock().now().timestamp())

    seconds = []
    for _ in range(10):
        began = time.thread_time()
        assert client.post(EVENTS, data=body, headers=wrong).status_code == 401
        seconds.append(time.thread_time() - began)

    # To parse one takes 0.33 s of the processor; to sign one, 1 ms.
    assert min(seconds) < 0.05


def test_without_https_nobody_is_sent_there():
    answer = make_client(https=False).get("/healthz")

    assert "Strict-Transport-Security" not in answer.headers


def test_without_oauth_there_is_no_installation():
    client = make_client(installs=False)

    assert client.get("/slack/install").status_code == 404
    assert client.get("/slack/oauth_redirect?code=1").status_code == 404


def test_pages_for_people():
    pages = Blueprint("pages", __name__)
    pages.get("/")(lambda: "welcome")

    answer = make_client(pages=pages).get("/")

    assert answer.text == "welcome"
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_a_failure_is_a_page_for_people_and_nothing_for_slack(caplog):
    def fail(_request):
        raise ZeroDivisionError

    client = make_client(fail)
    page = client.get("/slack/oauth_redirect?code=swordfish")
    nothing = post(client, command())

    assert page.status_code == nothing.status_code == 500
    assert "<h1>Something went wrong</h1>" in page.text
    assert nothing.data == b""
    assert "swordfish" not in caplog.text
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_metrics_ask_only_when_somebody_looks():
    def fail():
        raise AssertionError

    web_registry(fail, fail)


def test_the_world_does_not_see_the_figures():
    assert make_client().get("/metrics").status_code == 404
