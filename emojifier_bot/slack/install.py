"""*Add to Slack*: Bolt's OAuth flow over our stores, with our pages."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from slack_bolt.error import BoltError
from slack_bolt.oauth import OAuthFlow
from slack_bolt.oauth.callback_options import CallbackOptions, FailureArgs, SuccessArgs
from slack_bolt.oauth.oauth_settings import OAuthSettings
from slack_bolt.request import BoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk import WebClient
from slack_sdk.oauth import OAuthStateUtils
from slack_sdk.oauth.installation_store import Installation as BoltInstallation
from slack_sdk.oauth.installation_store import InstallationStore as BoltStore
from slack_sdk.oauth.state_store import OAuthStateStore as BoltStates
from slack_sdk.web import SlackResponse

from emojifier_bot.clock import Clock
from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.db.oauth_states import OAuthStates
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import (
    ConfigError,
    DeliveryError,
    EmojifierError,
    ErrorKind,
    StoreError,
)
from emojifier_bot.slack.client import ODD_ERRORS
from emojifier_bot.slack.insist import insist
from emojifier_bot.slack.manifest import INSTALL_PATH, REDIRECT_PATH
from emojifier_bot.slack.refusals import (
    CLIENT_ERRORS,
    UNREACHABLE,
    header,
    no_answer,
    refusal,
)
from emojifier_bot.slack.scopes import OPTIONAL, REQUIRED

logger = logging.getLogger(__name__)

#: Where people get to a workspace's conversation with the bot.
OPEN_APP = "https://slack.com/app_redirect?app={app_id}&team={team_id}"
NO_ANSWER, AWAY, REFUSED, OK = 502, 503, 400, 200
#: Reason of a refusal where our own database does not answer; nothing is spent yet.
DATABASE_AWAY = "database_away"
#: What `?team=` may be: it goes into an address that a browser is sent to.
_TEAM_ID = re.compile(r"[TE][A-Z0-9]{1,31}", re.ASCII)
#: Codes that say that the token in the settings is wrong, not the network.
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
    #: Where the world reaches the bot, ``"https://bot.example.com"``.
    public_url: str
    authorize_url: str


class InstallPages(Protocol):
    """What a browser shows at the end of an installation."""

    def installed(self, name: str, open_url: str) -> str:
        """Return a page: it is installed in the workspace of that name."""
        ...

    def refused(self, reason: str) -> str:
        """Return a page that says why it is not installed, and what to do.

        Args:
            reason: ``"access_denied"``, ``"invalid_state"``, ``"slack_unreachable"``,
                ``"database_away"``, ``"storage_error"``, one of
                Bolt's or of Slack's codes: text that anybody may send.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredInstallations(BoltStore):
    """Bolt's installation store, as far as the flow needs it, over ours."""

    store: InstallationStore
    clock: Clock
    #: Called with a workspace whose installation changed.
    changed: Callable[[Workspace], None]

    def save(self, installation: BoltInstallation) -> None:
        """Keep what Slack granted."""
        ours = from_bolt(installation, self.clock.now())
        self.store.save(ours)
        self.changed(ours.workspace)


@dataclass(frozen=True, slots=True)
class StoredStates(BoltStates):
    """Bolt's state store over ours."""

    states: OAuthStates

    def issue(self, *_args: object, **_named: object) -> str:
        """Return a new state."""
        return self.states.issue()

    def consume(self, state: str) -> bool:
        """Return whether it is good; once."""
        return self.states.consume(state)


class StateCookie(OAuthStateUtils):
    """Binds a state to the browser that asked for it."""

    def __init__(self, *, secure: bool) -> None:
        """Say whether the bot is reached over https; else no browser sends it back."""
        super().__init__()
        self._attributes = "; SameSite=Lax" + ("; Secure" if secure else "")

    def build_set_cookie_for_new_state(self, state: str) -> str:
        """Return the header that sets the cookie."""
        return self._cookie(state, self.expiration_seconds)

    def build_set_cookie_for_deletion(self) -> str:
        """Return the header that takes it back."""
        return self._cookie("", 0)

    def is_valid_browser(
        self,
        state: str | None,
        request_headers: dict[str, str | Sequence[str]],
    ) -> bool:
        """Tell whether a browser has the cookie; one without a state has none."""
        return bool(state) and super().is_valid_browser(state, request_headers)

    def _cookie(self, value: str, seconds: int) -> str:
        kept = f"{self.cookie_name}={value}; HttpOnly; Path=/; Max-Age={seconds}"
        return kept + self._attributes


class InstallFlow(OAuthFlow):
    """Bolt's flow, which knows its own errors only; here no other escapes to a user."""

    def handle_installation(self, request: BoltRequest) -> BoltResponse:
        """Begin an installation; answer with a page where our database is away."""
        try:
            return super().handle_installation(request)
        except StoreError as error:
            return self._failed(request, DATABASE_AWAY, AWAY, error)

    def handle_callback(self, request: BoltRequest) -> BoltResponse:
        """Finish an installation; answer with a page whatever happens."""
        try:
            return super().handle_callback(request)
        except DeliveryError as error:
            status = NO_ANSWER if error.kind == UNREACHABLE else REFUSED
            return self._failed(request, error.kind, status, error)
        except StoreError as error:
            # Before the code was spent: the same address works again in a minute.
            return self._failed(request, DATABASE_AWAY, AWAY, error)

    def build_authorize_url(self, state: str, request: BoltRequest) -> str:
        """Return where to consent; only a team's id is taken over from a browser."""
        team = request.query.get("team", [""])[0]
        return self.settings.authorize_url_generator.generate(
            state, team if _TEAM_ID.fullmatch(team) else None
        )

    def run_installation(self, code: str) -> BoltInstallation | None:
        """Exchange the code for a token. Unlike Bolt's, it logs no code.

        Raises:
            DeliveryError: Slack refused, or did not answer.
        """
        try:
            answer = self.client.oauth_v2_access(
                code=code,
                client_id=self.settings.client_id,
                client_secret=self.settings.client_secret,
                redirect_uri=self.settings.redirect_uri,
            )
        except ODD_ERRORS as error:
            raise refusal(error) from None
        token = answer.get("access_token")
        if not token:
            return None
        try:
            return _granted(answer, token, self._bot_id(token))
        except (AttributeError, TypeError, ValueError):
            raise no_answer() from None

    def store_installation(
        self,
        request: BoltRequest,  # noqa: ARG002 - Bolt passes it
        installation: BoltInstallation,
    ) -> None:
        """Keep what Slack granted: the code for it is spent.

        Raises:
            BoltError: The database never answered.
        """
        try:
            insist(lambda: self.settings.installation_store.save(installation))
        except StoreError as error:
            facts = {"action": "install", "error": error.kind}
            logger.exception("An installation was lost", extra=facts)
            raise BoltError(error.message) from error

    def _bot_id(self, token: str) -> str | None:
        """Ask for the bot's id; leave it out where Slack does not answer.

        The code is spent by now, and the id only tells Bolt which messages are the
        bot's own: we pass over all bots'.
        """
        try:
            return self.client.auth_test(token=token).get("bot_id")
        except ODD_ERRORS as error:
            facts = {"action": "install", "error": refusal(error).kind}
            logger.warning("The new bot's id is not known", extra=facts)
            return None

    def _failed(
        self, request: BoltRequest, reason: str, status: int, error: EmojifierError
    ) -> BoltResponse:
        facts = {"action": "install", "error": error.kind}
        logger.warning("An installation failed", extra=facts)
        return self.failure_handler(
            FailureArgs(
                request=request,
                reason=reason,
                error=error,
                suggested_status_code=status,
                settings=self.settings,
                default=self.default_callback_options,
            )
        )


def _granted(answer: SlackResponse, token: str, bot_id: str | None) -> BoltInstallation:
    """Read what Slack granted.

    Raises:
        ValueError: It names nobody; or another error where something is misshapen.
    """
    team, organisation = answer.get("team") or {}, answer.get("enterprise") or {}
    if not (team.get("id") or organisation.get("id")):
        raise ValueError("Granted for nobody.")
    return BoltInstallation(
        app_id=answer.get("app_id"),
        enterprise_id=organisation.get("id"),
        enterprise_name=organisation.get("name"),
        team_id=team.get("id"),
        team_name=team.get("name"),
        bot_token=token,
        bot_id=bot_id,
        bot_user_id=answer.get("bot_user_id"),
        bot_scopes=answer.get("scope") or "",
        bot_refresh_token=answer.get("refresh_token"),
        bot_token_expires_in=answer.get("expires_in"),
        user_id=(answer.get("authed_user") or {}).get("id") or "",
        is_enterprise_install=bool(answer.get("is_enterprise_install")),
    )


def make_install_flow(
    app: OAuthApp,
    *,
    installations: StoredInstallations,
    states: OAuthStates,
    pages: InstallPages,
    client: WebClient,
) -> InstallFlow:
    """Build the flow behind ``/slack/install`` and ``/slack/oauth_redirect``.

    Args:
        app: The app's credentials.
        installations: Where to keep what Slack grants.
        states: Makes and checks one-time states.
        pages: What a browser shows at the end.
        client: Without a token, and without retries: a code is good for one try.
    """
    settings = OAuthSettings(
        client_id=app.client_id,
        client_secret=app.client_secret,
        # Which of them are optional the manifest says.
        scopes=[*REQUIRED, *OPTIONAL],
        user_scopes=[],
        # Without one, Slack takes the address that the app's settings name.
        redirect_uri=app.public_url.rstrip("/") + REDIRECT_PATH
        if app.public_url
        else None,
        install_path=INSTALL_PATH,
        redirect_uri_path=REDIRECT_PATH,
        install_page_rendering_enabled=False,
        authorization_url=app.authorize_url,
        installation_store=installations,
        state_store=StoredStates(states),
    )
    cookie = StateCookie(secure=app.public_url.startswith("https://"))
    settings.state_utils = cookie
    settings.callback_options = _callbacks(pages, cookie)
    return InstallFlow(client=client, settings=settings)


def _callbacks(pages: InstallPages, cookie: StateCookie) -> CallbackOptions:
    def page(body: str, status: int, **headers: str) -> BoltResponse:
        html = {"Content-Type": "text/html; charset=utf-8"}
        return BoltResponse(status=status, body=body, headers={**html, **headers})

    def success(args: SuccessArgs) -> BoltResponse:
        done = args.installation
        name = done.team_name or done.enterprise_name or ""
        team_id = done.team_id or done.enterprise_id or ""
        open_url = OPEN_APP.format(app_id=done.app_id or "", team_id=team_id)
        # Only now: who was sent here by somebody else keeps what was begun.
        done_with = {"Set-Cookie": cookie.build_set_cookie_for_deletion()}
        return page(pages.installed(name, open_url), OK, **done_with)

    def failure(args: FailureArgs) -> BoltResponse:
        return page(pages.refused(args.reason), args.suggested_status_code)

    return CallbackOptions(success=success, failure=failure)


def from_bolt(found: BoltInstallation, now: datetime) -> Installation:
    """Return Bolt's installation as ours."""
    whole = bool(found.is_enterprise_install)
    expires = found.bot_token_expires_at
    return Installation(
        workspace=Workspace(
            team_id="" if whole else found.team_id or "",
            enterprise_id=found.enterprise_id or "",
            is_org_install=whole,
        ),
        bot_token=found.bot_token or "",
        bot_user_id=found.bot_user_id or "",
        bot_id=found.bot_id or "",
        app_id=found.app_id or "",
        scopes=_scopes(found.bot_scopes),
        refresh_token=found.bot_refresh_token or "",
        expires_at=datetime.fromtimestamp(expires, UTC) if expires else None,
        team_name=found.team_name or "",
        enterprise_name=found.enterprise_name or "",
        installed_by=found.user_id or "",
        installed_at=now,
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
        refused = refusal(error)
        if refused.kind not in WRONG_TOKEN:
            raise refused from error
        said = f"SLACK_BOT_TOKEN is refused by Slack ({refused.kind}); copy it again"
        problem = f"{said} from the app's page OAuth & Permissions."
        raise ConfigError([problem]) from error
    whole = bool(answer.get("is_enterprise_install"))
    return Installation(
        workspace=Workspace(
            team_id="" if whole else answer.get("team_id") or "",
            enterprise_id=answer.get("enterprise_id") or "",
            is_org_install=whole,
        ),
        bot_token=token,
        bot_user_id=answer.get("user_id") or "",
        bot_id=answer.get("bot_id") or "",
        app_id=answer.get("app_id") or "",
        scopes=_scopes(header(answer, "X-OAuth-Scopes")),
        team_name=answer.get("team") or "",
        installed_at=clock.now(),
    )


def _scopes(granted: str | Sequence[str] | None) -> tuple[str, ...]:
    names = granted.split(",") if isinstance(granted, str) else granted or ()
    return tuple(name.strip() for name in names if name.strip())
