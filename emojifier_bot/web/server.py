"""The production server: waitress, with threads, that ends without cutting anyone off.

Waitress itself drops what waits for a thread when it is stopped, and leaves the
rest of an answer unsent. Here its loop goes on until all is sent. It also waits for
ever for whoever does not read an answer, and takes hundreds of requests at once on one
connection. Here both are cut off.
"""

from __future__ import annotations

import logging
import signal
import socket
import time
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from emojifier_bot.errors import ConfigError
from emojifier_bot.web.app import SECURITY_HEADERS
from emojifier_bot.web.slack_requests import MAX_BODY_BYTES

logger = logging.getLogger(__name__)

#: Who says nothing for so long is cut off, and so is a request that is not whole then,
#: and who reads nothing of an answer.
IDLE_SECONDS = 30
#: How often idle connections are looked for.
SWEEP_SECONDS = 5
#: Connections at the same time. Each has a socket and at most one open file, of the
#: 1,024 that most systems allow.
MOST_CONNECTIONS = 400
#: While there are more than this, those that have waited longest are cut off, so that
#: somebody new gets through.
CROWDED_FROM = 300
#: Slack's headers have about 1 kB, browsers send some more.
MAX_HEADER_BYTES = 32_768
#: Requests under way have this long to end; Slack waits three seconds for any.
GRACE_SECONDS = 5.0
#: It warns whenever a request waits for a thread; the metrics show that better.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)
#: What asks a process to end.
SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: How long the loop waits for a socket at most.
POLL_SECONDS = 0.2


class WebServer:
    """A server that listens from the beginning and answers while it runs."""

    def __init__(self, app: Flask, *, host: str, port: int, threads: int) -> None:
        """Listen.

        Raises:
            ConfigError: The address or the port cannot be had.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            problem = (
                f"Port {port} of {host} cannot be had: {error.strerror}. Choose "
                "another one with HOST and PORT, or --host and --port."
            )
            raise ConfigError([problem]) from error
        self._server: Any = create_server(
            app,
            sockets=[self._socket],
            threads=threads,
            ident=None,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=SWEEP_SECONDS,
            connection_limit=MOST_CONNECTIONS,
            max_request_header_size=MAX_HEADER_BYTES,
            # Somewhat more than the guard lets through, so that its answer is seen.
            max_request_body_size=2 * MAX_BODY_BYTES,
            # The application believes none of them but the one that a setting names.
            clear_untrusted_proxy_headers=False,
        )
        self._server.channel_class = _Channel
        self._stopping = False
        self._swept_at = 0.0

    @property
    def port(self) -> int:
        """Return the port, also where the system chose it."""
        return int(self._socket.getsockname()[1])

    def run(self) -> None:
        """Answer until `stop`; then finish what is under way, and listen no more."""
        while not self._stopping:
            self._poll()
        logger.info("The web server ends", extra={"action": "stop"})
        self._server.accepting = False
        until = time.monotonic() + GRACE_SECONDS
        while self._is_busy() and time.monotonic() < until:
            self._poll()
        self._server.task_dispatcher.shutdown(timeout=GRACE_SECONDS)
        wasyncore.close_all(self._server._map)  # noqa: SLF001 - it has no name outside

    def run_until_signal(self) -> None:
        """Run until SIGTERM or Ctrl-C; in the main thread, where signals arrive."""
        before = {one: signal.signal(one, lambda *_: self.stop()) for one in SIGNALS}
        try:
            self.run()
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def stop(self) -> None:
        """Ask it to end; from any thread or signal handler."""
        self._stopping = True

    def _poll(self) -> None:
        everyone = self._server._map  # noqa: SLF001 - no name outside
        wasyncore.loop(POLL_SECONDS, use_poll=True, map=everyone, count=1)
        self._sweep()

    def _sweep(self) -> None:
        """Cut off who does not read, and of too many those that wait longest."""
        now = time.time()
        if now - self._swept_at < POLL_SECONDS:
            return
        self._swept_at = now
        channels = [*self._server.active_channels.values()]
        silent_since = now - IDLE_SECONDS
        cut = [
            one
            for one in channels
            if one.total_outbufs_len and one.last_activity < silent_since
        ]
        if len(channels) > CROWDED_FROM:
            waiting = [one for one in channels if not one.requests]
            waiting.sort(key=lambda one: one.last_activity)
            cut += waiting[: len(channels) - CROWDED_FROM]
        for one in {*cut}:
            one.handle_close()

    def _is_busy(self) -> bool:
        channels = list(self._server.active_channels.values())
        return any(one.requests or one.total_outbufs_len for one in channels)


class _ErrorTask(ErrorTask):  # type: ignore[misc] # waitress has no types
    """What is answered to what is no HTTP, with the headers that all our answers have.

    It names the fault and repeats nothing of what was sent.
    """

    def execute(self) -> None:
        self.response_headers.extend(SECURITY_HEADERS.items())
        super().execute()


class _Channel(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """A connection with one request at a time, which must not come drop by drop."""

    error_task_class = _ErrorTask
    last_activity: float

    def handle_read(self) -> None:
        began, unfinished = self.last_activity, self.request
        super().handle_read()
        if unfinished is not None and self.request is unfinished:
            # A client that sends drop by drop counts as idle since it began.
            self.last_activity = began
        if len(self.requests) > 1:
            # No client of ours asks again before it was answered; each answer that
            # waits may be an open file.
            self.handle_close()
