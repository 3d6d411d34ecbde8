"""The Flask application: Slack's requests, installation, health and pages."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Blueprint, Flask, Response, make_response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import InternalServerError, TooManyRequests
from werkzeug.wrappers import Request

from emojifier_bot import metrics
from emojifier_bot.clock import Clock
from emojifier_bot.errors import EmojifierError
from emojifier_bot.slack.manifest import EVENTS_PATH, INSTALL_PATH, REDIRECT_PATH
from emojifier_bot.web.pages import SERVER_ERROR, render_failure
from emojifier_bot.web.rate_limits import RateLimits
from emojifier_bot.web.slack_requests import (
    BAD_REQUEST,
    MAX_BODY_BYTES,
    OK,
    UNAUTHORIZED,
    Answer,
    Refusal,
    Refusals,
    ReplayCache,
    find_refusal,
    is_ssl_check,
    request_kind,
)

logger = logging.getLogger(__name__)

NOT_ALLOWED, NOT_READY = 405, 503
#: What Bolt raises while it reads a body of an odd shape.
ODD_SHAPES = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
#: Our pages load nothing from elsewhere, run nothing and are shown in no frame.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # The address of the page after an installation holds its code.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
#: Asked by what watches over us.
HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
#: To check the signature of a shorter body costs no more than to count who sent it.
SHORT_BODY_BYTES = 64_000
#: Two years, as browsers' lists of such hosts ask for.
ONLY_HTTPS = "max-age=63072000"


@dataclass(frozen=True, slots=True)
class WebDependencies:
    """What the application is made of."""

    #: Answers Slack's requests, and browsers that install.
    slack: Callable[[Request], ResponseReturnValue]
    #: Proves that a request comes from Slack.
    signing_secret: str
    clock: Clock
    #: Whether what we need can be reached, by name: ``"database"``, ``"queue"``; False
    #: or an error of ours says no.
    checks: dict[str, Callable[[], object]] = field(default_factory=dict)
    #: What is reported beside it, but keeps nobody from being served: ``"worker"``.
    reports: dict[str, Callable[[], object]] = field(default_factory=dict)
    #: Whether people can add the bot to Slack here.
    installs: bool = True
    #: Whether the world reaches us over https.
    https: bool = True
    #: The pages for people.
    pages: Blueprint | None = None
    #: How often an address may ask for what.
    limits: RateLimits | None = None


def create_app(dependencies: WebDependencies) -> Flask:
    """Build the application."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    _add_slack(app, dependencies)
    _add_health(app, dependencies)
    _add_headers(app, https=dependencies.https)
    if dependencies.limits is not None:
        _add_limits(app, dependencies.limits)
    if dependencies.pages is not None:
        app.register_blueprint(dependencies.pages)
    return app


def _add_slack(app: Flask, dependencies: WebDependencies) -> None:
    answers = ReplayCache(dependencies.clock)
    refusals = Refusals(dependencies.clock)

    def answer() -> Answer:
        response = make_response(dependencies.slack(request))
        return Answer(response.status_code, response.data, response.content_type)

    @app.post(EVENTS_PATH)
    def events() -> ResponseReturnValue:
        headers, body = request.headers, request.get_data()
        if is_ssl_check(headers, body):
            return "", OK
        now, secret = dependencies.clock.now(), dependencies.signing_secret
        given = find_refusal(headers, body, now, secret) or _answered(answers, answer)
        if isinstance(given, Refusal):
            refusals.note(given)
            if given.status == UNAUTHORIZED and dependencies.limits is not None:
                limits = dependencies.limits
                limits.unsigned.wait_seconds(_network(limits))
            return "", given.status
        return Response(given.body, given.status, content_type=given.content_type)

    @app.get(EVENTS_PATH)
    def certificate_check() -> ResponseReturnValue:
        return "", OK if request.args.get("ssl_check") == "1" else NOT_ALLOWED

    if dependencies.installs:

        @app.get(INSTALL_PATH)
        @app.get(REDIRECT_PATH)
        def install() -> ResponseReturnValue:
            return dependencies.slack(request)


def _answered(answers: ReplayCache, answer: Callable[[], Answer]) -> Answer | Refusal:
    """Answer this request, and time it."""
    headers, body = request.headers, request.get_data()
    began = time.perf_counter()
    try:
        given = answers.answer_once(headers, body, answer)
    except ODD_SHAPES:
        return Refusal(BAD_REQUEST, "shape")
    seconds = metrics.SLACK_ANSWER_SECONDS.labels(request_kind(headers, body))
    seconds.observe(time.perf_counter() - began)
    return given


def _add_health(app: Flask, dependencies: WebDependencies) -> None:
    @app.get("/healthz")
    def alive() -> ResponseReturnValue:
        return {"alive": True}

    @app.get("/readyz")
    def ready() -> ResponseReturnValue:
        checks, reports = dependencies.checks, dependencies.reports
        passed = {name: _passes(name, one) for name, one in (checks | reports).items()}
        return passed, OK if all(passed[name] for name in checks) else NOT_READY


def _passes(name: str, check: Callable[[], object]) -> bool:
    try:
        return check() is not False
    except EmojifierError as error:
        facts = {"action": "ready", "check": name, "error": error.kind}
        logger.warning("Not ready", extra=facts)
        return False


def _add_limits(app: Flask, limits: RateLimits) -> None:
    @app.before_request
    def limited() -> None:
        path, network = request.path, _network(limits)
        if path == EVENTS_PATH:
            # Slack is known by its signature, not by its addresses: only where that
            # would cost time do they count.
            if (request.content_length or 0) <= SHORT_BODY_BYTES:
                return
            wait_seconds = limits.unsigned.wait_seconds(network, takes=False)
        elif path in HEALTH_PATHS:
            wait_seconds = limits.health.wait_seconds(network)
        elif path in {INSTALL_PATH, REDIRECT_PATH}:
            wait_seconds = limits.installations.wait_seconds(network)
        else:
            wait_seconds = limits.pages.wait_seconds(network)
        if wait_seconds:
            facts = {"action": "limit", "endpoint": request.endpoint}
            logger.info("An address asks too often", extra=facts)
            raise TooManyRequests(retry_after=math.ceil(wait_seconds))


def _network(limits: RateLimits) -> str:
    """Return the network that the present request comes from."""
    return limits.network_of(request.headers, request.remote_addr or "")


def _add_headers(app: Flask, *, https: bool) -> None:
    only_https = {"Strict-Transport-Security": ONLY_HTTPS} if https else {}
    headers = SECURITY_HEADERS | only_https

    @app.after_request
    def secured(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        if request.path.startswith("/slack/"):
            response.headers["Cache-Control"] = "no-store"
        return response

    @app.errorhandler(InternalServerError)
    def broken(error: InternalServerError) -> ResponseReturnValue:
        # Flask has logged it, with its path but without its query.
        page = "" if request.path == EVENTS_PATH else render_failure(SERVER_ERROR)
        return page, error.code or InternalServerError.code
