"""*Add to Slack*: sends a browser to Slack's consent page, and keeps what Slack grants.

Bolt's own flow is not used: it logs codes, and lets errors of the network and the
database escape to the browser.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from slack_sdk import WebClient
from slack_sdk.oauth import AuthorizeUrlGenerator
from slack_sdk.web import SlackResponse
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from emojifier_bot.clock import Clock
from emojifier_bot.db.installations import VALID_FOR, InstallationStore, OAuthStates
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import (
    ConfigError,
    DeliveryError,
    EmojifierError,
    ErrorKind,
    StoreError,
)
from emojifier_bot.http.fetch import visible
from emojifier_bot.slack.client import (
    CLIENT_ERRORS,
    delivery_error,
    header,
    no_answer_error,
)
from emojifier_bot.slack.installations import SHORT_WAITS, retry_until_stored
from emojifier_bot.slack.manifest import OPTIONAL_SCOPES, REDIRECT_PATH, REQUIRED_SCOPES

logger = logging.getLogger(__name__)

#: Opens a workspace's conversation with the bot.
OPEN_APP = "https://slack.com/app_redirect?app={app_id}&team={team_id}"
HTML = "text/html; charset=utf-8"
OK, REFUSED, NOT_VERIFIED, FAILED, NO_ANSWER, AWAY = 200, 400, 401, 500, 502, 503
#: Reason of a refusal where our own database does not answer; nothing is spent yet.
DATABASE_AWAY = "database_away"
#: Binds a state to the browser that asked for it, as long as the state is good.
STATE_COOKIE = "slack-app-oauth-state"
STATE_SECONDS = int(VALID_FOR.total_seconds())
#: What `?team=` may be: it goes into an address that a browser is sent to.
_TEAM_ID = re.compile(r"[TE][A-Z0-9]{1,31}", re.ASCII)
#: Codes which mean that the token in the settings is wrong.
WRONG_TOKEN = frozenset(
    {
        ErrorKind.ACCOUNT_INACTIVE,
        ErrorKind.INVALID_AUTH,
        ErrorKind.NOT_AUTHED,
        ErrorKind.TOKEN_EXPIRED,
        ErrorKind.TOKEN_REVOKED,
    }
)


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """The app's own credentials, and where it and Slack are found."""

    client_id: str
    client_secret: str = field(repr=False)
    #: The bot's public address, ``"https://bot.example.com"``.
    public_url: str
    authorize_url: str

    @property
    def redirect_uri(self) -> str | None:
        """Return where Slack sends the browser; None for what the app's page names."""
        base = self.public_url.rstrip("/")
        return base + REDIRECT_PATH if base else None


@dataclass(eq=False)
class InstallError(Exception):
    """It is not installed: why, for the page, and with which HTTP status."""

    reason: str
    status: int
    cause: EmojifierError | None = None


@dataclass(frozen=True, slots=True)
class InstallFlow:
    """What answers ``/slack/install`` and ``/slack/oauth_redirect``."""

    app: OAuthApp
    store: InstallationStore
    #: Issues and consumes one-time states.
    states: OAuthStates
    clock: Clock
    #: Without a token, and without retries: a code is good for one try.
    client: WebClient
    #: Called with a workspace whose installation changed.
    changed: Callable[[Workspace], None]
    #: Returns the page that says that it is installed, from the workspace's name and
    #: the address of the conversation with the bot.
    installed_page: Callable[[str, str], str]
    #: Returns the page that says why it is not installed, from a reason: one of
    #: ``"invalid_browser"``, ``"invalid_state"``, ``"missing_code"``,
    #: ``"invalid_code"``, ``"database_away"``, ``"storage_error"``, or a code of
    #: Slack's, which is text that anybody may send.
    refused_page: Callable[[str], str]

    def begin(self, request: Request) -> Response:
        """Send a browser to Slack's consent page, with a new state."""
        try:
            state = self.states.issue()
        except StoreError as error:
            return self._refuse(InstallError(DATABASE_AWAY, AWAY, error))
        consent = AuthorizeUrlGenerator(
            client_id=self.app.client_id,
            redirect_uri=self.app.redirect_uri,
            # Which of them are optional the manifest says.
            scopes=[*REQUIRED_SCOPES, *OPTIONAL_SCOPES],
            authorization_url=self.app.authorize_url,
        )
        team = request.args.get("team", "")
        response = redirect(
            consent.generate(state, team if _TEAM_ID.fullmatch(team) else None)
        )
        self._set_cookie(response, state, STATE_SECONDS)
        return response

    def finish(self, request: Request) -> Response:
        """Exchange the code that a browser brings back; answer with a page."""
        try:
            granted = self._granted(request)
            self._store(granted)
        except InstallError as error:
            return self._refuse(error)
        app_link = OPEN_APP.format(app_id=granted.app_id, team_id=granted.workspace.id)
        name = granted.team_name or granted.enterprise_name
        page = self.installed_page(name, app_link)
        response = Response(page, OK, content_type=HTML)
        # Only now: a link from somebody else must not end what this browser began.
        self._set_cookie(response, "", 0)
        return response

    def _granted(self, request: Request) -> Installation:
        """Check what a browser brings back, and exchange it."""
        query = request.args
        if reason := query.get("error"):  # the user pressed Cancel
            raise InstallError(reason, OK)
        state = query.get("state", "")
        # A parent domain may have set one of the same name.
        cookies = request.cookies.getlist(STATE_COOKIE)
        is_ours = any(hmac.compare_digest(state.encode(), c.encode()) for c in cookies)
        if not state or not is_ours:
            raise InstallError("invalid_browser", REFUSED)
        try:
            if not self.states.consume(state):
                raise InstallError("invalid_state", NOT_VERIFIED)
            if not (code := query.get("code")):
                raise InstallError("missing_code", NOT_VERIFIED)
            return self._exchange(code)
        except StoreError as error:
            # Before the code was spent: the same address works again in a minute.
            raise InstallError(DATABASE_AWAY, AWAY, error) from error
        except DeliveryError as error:
            no_answer = error.kind == ErrorKind.SLACK_UNREACHABLE
            status = NO_ANSWER if no_answer else REFUSED
            raise InstallError(error.kind, status, error) from error

    def _exchange(self, code: str) -> Installation:
        try:
            answer = self.client.oauth_v2_access(
                code=code,
                client_id=self.app.client_id,
                client_secret=self.app.client_secret,
                redirect_uri=self.app.redirect_uri,
            )
        except CLIENT_ERRORS as error:
            raise delivery_error(error) from None
        token = answer.get("access_token")
        if not token:
            raise InstallError("invalid_code", NOT_VERIFIED)
        try:
            return self._read_grant(answer, token)
        except (AttributeError, TypeError, ValueError, OverflowError):
            raise no_answer_error() from None

    def _read_grant(self, answer: SlackResponse, token: str) -> Installation:
        """Read what Slack granted; a misshapen answer raises what conversions raise."""
        team, organisation = answer.get("team") or {}, answer.get("enterprise") or {}
        workspace = _workspace(
            team.get("id"),
            organisation.get("id"),
            is_org_install=bool(answer.get("is_enterprise_install")),
        )
        if not workspace.id:
            raise ValueError("Granted for nobody.")
        now, lasts = self.clock.now(), answer.get("expires_in")
        return Installation(
            workspace=workspace,
            bot_token=token,
            bot_user_id=answer.get("bot_user_id") or "",
            bot_id=self._bot_id(token),
            app_id=answer.get("app_id") or "",
            scopes=_scopes(answer.get("scope") or ""),
            refresh_token=answer.get("refresh_token") or "",
            expires_at=now + timedelta(seconds=int(lasts)) if lasts else None,
            team_name=visible(str(team.get("name") or "")),
            enterprise_name=visible(str(organisation.get("name") or "")),
            installed_by=(answer.get("authed_user") or {}).get("id") or "",
            installed_at=now,
        )

    def _bot_id(self, token: str) -> str:
        """Ask for the bot's id; empty where Slack does not answer.

        The code is spent by now, and the id is only for Bolt to recognise the bot's own
        messages: the listeners ignore all bots.
        """
        try:
            return self.client.auth_test(token=token).get("bot_id") or ""
        except CLIENT_ERRORS as error:
            facts = {"action": "install", "error": delivery_error(error).kind}
            logger.warning("The new bot's id is not known", extra=facts)
            return ""

    def _store(self, granted: Installation) -> None:
        try:
            retry_until_stored(lambda: self.store.save(granted), SHORT_WAITS)
        except StoreError as error:
            facts = {"action": "install", "error": error.kind}
            logger.exception("An installation was lost", extra=facts)
            raise InstallError("storage_error", FAILED) from None
        self.changed(granted.workspace)

    def _refuse(self, refused: InstallError) -> Response:
        if refused.cause:
            facts = {"action": "install", "error": refused.cause.kind}
            logger.warning("An installation failed", extra=facts)
        page = self.refused_page(refused.reason)
        return Response(page, refused.status, content_type=HTML)

    def _set_cookie(self, response: Response, state: str, seconds: int) -> None:
        response.set_cookie(
            STATE_COOKIE,
            state,
            max_age=seconds,
            # Over plain http no browser would send a secure one back.
            secure=self.app.public_url.startswith("https://"),
            httponly=True,
            samesite="Lax",
        )


def installation_of_token(client: WebClient, token: str, clock: Clock) -> Installation:
    """Ask Slack whose token stands in the settings: one workspace, no *Add to Slack*.

    Raises:
        ConfigError: Slack does not know the token.
        DeliveryError: Slack does not answer.
    """
    try:
        answer = client.auth_test(token=token)
    except CLIENT_ERRORS as error:
        refused = delivery_error(error)
        if refused.kind not in WRONG_TOKEN:
            raise refused from error
        problem = (
            f"SLACK_BOT_TOKEN is refused by Slack ({refused.kind}); copy it again "
            "from the app's page OAuth & Permissions."
        )
        raise ConfigError([problem]) from error
    return Installation(
        workspace=_workspace(
            answer.get("team_id"),
            answer.get("enterprise_id"),
            is_org_install=bool(answer.get("is_enterprise_install")),
        ),
        bot_token=token,
        bot_user_id=answer.get("user_id") or "",
        bot_id=answer.get("bot_id") or "",
        app_id=answer.get("app_id") or "",
        scopes=_scopes(header(answer, "X-OAuth-Scopes")),
        team_name=visible(str(answer.get("team") or "")),
        installed_at=clock.now(),
    )


def _workspace(
    team_id: str | None, enterprise_id: str | None, *, is_org_install: bool
) -> Workspace:
    """Return the workspace of a grant; an organisation's own names no team."""
    return Workspace(
        team_id="" if is_org_install else team_id or "",
        enterprise_id=enterprise_id or "",
        is_org_install=is_org_install,
    )


def _scopes(granted: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in granted.split(",") if name.strip())
