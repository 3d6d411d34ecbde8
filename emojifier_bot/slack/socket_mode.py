"""Socket Mode: the bot opens a connection to Slack, and needs no public address.

Slack's own client keeps the connection open. What is added here: it says whether it is
open, it never reads from a connection that was replaced, one that ended or on which
nothing ever answered counts as broken at once, and a refused token ends it.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from slack_bolt import App
from slack_bolt.adapter.socket_mode.internals import run_bolt_app, send_response
from slack_sdk import WebClient
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.builtin.connection import Connection, ConnectionState
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from emojifier_bot.errors import ConfigError, DeliveryError, ErrorKind
from emojifier_bot.http import DIRECT, Route, Target, read
from emojifier_bot.slack.client import (
    CLIENT_ERRORS,
    SlackWebClient,
    delivery_error,
    make_app_client,
    sdk_logger,
)
from emojifier_bot.slack.oauth import WRONG_TOKEN

logger = logging.getLogger(__name__)

#: Requests that are answered at the same time, like the web server's threads.
CONCURRENCY = 16
#: How often Slack is asked for a sign of life. Without one for four times as long, a
#: connection is replaced.
PING_SECONDS = 5.0
#: Codes for a token of another type, or without the scope for Socket Mode.
NOT_APP_LEVEL = WRONG_TOKEN | {
    ErrorKind.NOT_ALLOWED_TOKEN_TYPE,
    ErrorKind.MISSING_SCOPE,
}


class SocketMode:
    """One connection to Slack; it is opened again when it breaks."""

    def __init__(
        self,
        app: App,
        app_token: str,
        route: Route = DIRECT,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        self._app, self._app_token, self._route = app, app_token, route
        self._ping_seconds = ping_seconds
        self._client: _Client | None = None
        #: Why Slack takes the token no more.
        self.refusal: ConfigError | None = None

    def open(self, on_refusal: Callable[[], None] = lambda: None) -> None:
        """Connect; requests are answered from now on, in threads of their own.

        Args:
            on_refusal: Called when Slack refuses the token later; see `refusal`.

        Raises:
            ConfigError: Slack refuses the token.
            DeliveryError: Slack does not answer.
        """

        def refused(error: ConfigError) -> None:
            self.refusal = error
            on_refusal()

        self._client = _Client(
            self._app_token,
            make_app_client(self._app.client.base_url, self._route),
            self._ping_seconds,
            refused,
        )
        self._client.socket_mode_request_listeners.append(self._answer)
        try:
            self._client.connect()
        except CLIENT_ERRORS as error:
            raise _refused(error) from error

    def is_connected(self) -> bool:
        """Return whether Slack can reach the bot now."""
        return self._client is not None and self._client.is_connected()

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def _answer(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        began = time.time()
        send_response(client, request, run_bolt_app(self._app, request), began)


class _Client(SocketModeClient):
    def __init__(
        self,
        app_token: str,
        web_client: SlackWebClient,
        ping_seconds: float,
        refused: Callable[[ConfigError], None],
    ) -> None:
        self._refused, self._route = refused, web_client.route
        self._is_failing = False
        super().__init__(
            app_token,
            # It would log addresses with tickets, and proxies with passwords.
            logger=sdk_logger,
            web_client=web_client,
            ping_interval=ping_seconds,
            concurrency=CONCURRENCY,
        )
        web_client.ssl = web_client.route.tls_context()

    def issue_new_wss_url(self) -> str:
        try:
            url = super().issue_new_wss_url()
        except CLIENT_ERRORS as error:
            refused = _refused(error)
            self._log(str(delivery_error(error).kind))
            if isinstance(refused, ConfigError):
                self.auto_reconnect_enabled = False
                self.default_auto_reconnect_enabled = False
                self._refused(refused)
            raise
        # The SDK would take any proxy of the environment, for every host.
        self.proxy = self._route.proxy_address(web_target(url)) or None
        return url

    def connect(self) -> None:
        super().connect()
        session = self.current_session
        if session is not None and session.sock is not None:
            session.disconnect = _Disconnect(session, session.sock)  # type: ignore[method-assign] # see its class
            session.sock = _Socket(session.sock)  # type: ignore[assignment] # as far as it is used
            # Otherwise one that never answers would count as good for ever.
            session.last_ping_pong_time = session.last_ping_pong_time or time.time()
        self._log("" if self.is_connected() else str(ErrorKind.SLACK_UNREACHABLE))

    def close(self) -> None:
        super().close()
        # A thread that ended meanwhile may have connected once more.
        self.disconnect()

    def _run_current_session(self) -> None:
        # With the SDK's own state a connection that is replaced at the wrong moment is
        # read for ever, and the new one never.
        session = self.current_session
        if session is not None and session.is_active():
            session.run_until_completion(_WhileCurrent(self, session))

    def _log(self, error: str) -> None:
        """Log when the connection fails for the first time, and when it is back."""
        if error and not self._is_failing:
            facts = {"action": "socket_mode", "error": error}
            logger.warning("Socket Mode has no connection to Slack", extra=facts)
        elif self._is_failing and not error:
            facts = {"action": "socket_mode"}
            logger.warning("Socket Mode is connected again", extra=facts)
        self._is_failing = bool(error)


class _Disconnect:
    """Closes a connection, which two threads may do at the same time.

    With the SDK's own, the later one fails: if that one was about to replace the
    connection, the new one is lost. It also waits, for up to three seconds, until
    something is received; in the meantime nobody reads the new connection.
    """

    def __init__(self, session: Connection, sock: socket.socket) -> None:
        self._disconnect, self._sock = session.disconnect, sock

    def __call__(self) -> None:
        with suppress(OSError):  # it is closed already
            self._sock.shutdown(socket.SHUT_RDWR)
        with suppress(AttributeError):
            self._disconnect()


class _Socket:
    """A socket whose end is an error: the SDK would read it again and again."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.send, self.close = sock.send, sock.close

    def recv(self, size: int) -> bytes:
        received = self._sock.recv(size)
        if not received:
            raise ConnectionResetError
        return received


class _WhileCurrent(ConnectionState):
    """Ends the reading of a connection as soon as it is not the client's any more."""

    def __init__(self, client: SocketModeClient, session: Connection) -> None:
        self._client, self._session, self._ended = client, session, False

    @property
    def terminated(self) -> bool:
        replaced = self._client.current_session is not self._session
        return self._ended or replaced or self._client.closed

    @terminated.setter
    def terminated(self, ended: bool) -> None:
        self._ended = ended


def web_target(address: str) -> Target:
    """Return what a ``wss`` address leads to, as one of the web."""
    return read(address.replace("ws", "http", 1))


def verify_app_token(client: WebClient, app_token: str) -> str:
    """Ask Slack for a connection without opening it, to check the token.

    Returns:
        The address of the server that it would lead to.

    Raises:
        ConfigError: Slack refuses the token.
        DeliveryError: Slack does not answer.
    """
    try:
        answer = client.apps_connections_open(app_token=app_token)
        return replace(web_target(str(answer["url"])), path="/").url
    except CLIENT_ERRORS as error:
        raise _refused(error) from error


def _refused(error: Exception) -> ConfigError | DeliveryError:
    refused = delivery_error(error)
    if refused.kind not in NOT_APP_LEVEL:
        return refused
    problem = (
        f"SLACK_APP_TOKEN is refused by Slack ({refused.kind}); make one under Basic "
        "Information, App-Level Tokens: connections:write."
    )
    return ConfigError([problem])
