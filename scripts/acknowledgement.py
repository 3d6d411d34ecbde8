"""Measure how fast the running bot answers Slack: 50 commands a second for a while.

``serve`` runs as a process with its worker beside it, which does the jobs meanwhile;
Slack takes 100 ms for `auth.test`. A wait counts from when a command was due, so that
a queue shows. From the checkout: ``python scripts/acknowledgement.py [DATABASE_URL]``.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.fakes.slack import SampleWorkspace, SlackServer, sample_workspace
from tests.running_bot import address_of, process
from tests.slack_payloads import Sent, command, signed

PER_SECOND, SECONDS = 50, 20
AUTH_TEST_SECONDS = 0.1
SENDERS = 25
#: The worker has loaded its models by then.
WARM_SECONDS = 10
PICTURE = (ROOT / "docs" / "sample" / "astronaut.png").read_bytes()


def main() -> None:
    """Print the figures of one database, SQLite unless told otherwise."""
    with tempfile.TemporaryDirectory() as folder, SlackServer() as slack:
        database = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/bot.db"
        slack.faults.add("auth.test", slow_seconds=AUTH_TEST_SECONDS, times=None)
        acme = sample_workspace(slack)
        with process(
            "serve",
            slack=slack,
            database=database,
            folder=Path(folder),
            SLACK_BOT_TOKEN=acme.token,
            EMOJIFIER_QUEUE_LIMIT="100000",
        ) as bot:
            measure(slack, acme, address_of(bot))


def measure(slack: SlackServer, acme: SampleWorkspace, url: str) -> None:
    """Send the commands and print how long their answers took."""
    address = slack.website.add_picture("/astronaut.png", PICTURE)
    time.sleep(WARM_SECONDS)
    local, began, refused = threading.local(), time.perf_counter(), []

    def send(number: int) -> float:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        asked: Sent = command(
            address,
            team_id=acme.workspace.team_id,
            channel_id=acme.general.channel_id,
            user_id=acme.ada.user_id,
            response_url="",
        )
        due = began + number / PER_SECOND
        headers = signed(asked, slack.app.signing_secret)
        time.sleep(max(0.0, due - time.perf_counter()))
        answer = local.session.post(
            f"{url}/slack/events", data=asked.body, headers=headers, timeout=30
        )
        if not (answer.ok and "Got it" in answer.json()["text"]):
            refused.append(f"{answer.status_code}: {answer.text}")
        return time.perf_counter() - due

    with ThreadPoolExecutor(SENDERS) as pool:
        waits = sorted(pool.map(send, range(PER_SECOND * SECONDS)))
    shares = ", ".join(
        f"{share} % in {waits[int(len(waits) * share / 100) - 1] * 1000:.0f} ms"
        for share in (50, 95, 99, 100)
    )
    asked = len(slack.calls_of("auth.test"))
    print(f"{len(waits)} commands answered: {shares}; auth.test {asked} times")
    print(f"refused: {len(refused)}", *sorted(set(refused)), sep="\n  ")
    print(f"meanwhile posted: {len(slack.results())}")


if __name__ == "__main__":
    main()
