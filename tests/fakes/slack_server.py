"""The fake Slack under one name, and as a process of its own.

``python -m tests.fakes.slack_server --signing-secret S`` prints one JSON object with
its addresses, a token and the ids of a first workspace, and runs until it is told to
end. ``/control/...`` steers it, see `tests.fakes.slack.control`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Sequence

from tests.fakes import slack
from tests.fakes.slack import *  # noqa: F403 - the same names, on purpose
from tests.fakes.slack import SlackApp, SlackServer, found_town

__all__ = slack.__all__


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(description="A Slack for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--signing-secret", default=SlackApp().signing_secret)
    parser.add_argument("--redirect-url", action="append", default=[])
    told = parser.parse_args(arguments)
    app = SlackApp(signing_secret=told.signing_secret, redirect_urls=told.redirect_url)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with (
        SlackServer(app, port=told.port) as server,
        contextlib.suppress(KeyboardInterrupt),
    ):
        facts = {"url": server.url, "port": int(server.url.rpartition(":")[2])}
        facts |= {"environment": server.environment} | found_town(server).facts
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
        stopped.wait()


if __name__ == "__main__":
    main()
