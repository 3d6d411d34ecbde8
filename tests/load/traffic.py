"""People who ask for pictures at a steady rate, whether or not they are answered."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import requests
from PIL import Image

from emojifier_bot.slack.manifest import SCOPES
from tests.fakes.slack import Message, SlackServer, SlackUser, payloads
from tests.images import encoded

SAMPLE = Path(__file__).parents[2] / "docs" / "sample" / "astronaut.png"
#: Workspaces: one may have a quarter of a worker's places.
WORKSPACES = 6
SENDERS = 16
#: What people do, over and over: mostly what is posted, some that is only told.
CYCLE = (
    *("command", "mention", "command", "command", "no_face"),
    *("command", "mention", "command", "command", "no_picture"),
)
POSTED = frozenset({"command", "mention"})
#: Begins the answer to a command that became a job.
TAKEN = "Got it"
SATURATED = 100
PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 30.0
#: Slack sends an event three times more, the first time at once.
TRIES, AGAIN_SECONDS = 4, 1.0


@dataclass
class Seat:
    """Somebody in a workspace that installed the bot."""

    user: SlackUser
    channel_id: str


@dataclass
class Traffic:
    """Sends requests and keeps when, and how long each acknowledgement took."""

    slack: SlackServer
    url: str
    workspaces: int = WORKSPACES
    seats: list[Seat] = field(default_factory=list)
    #: Seconds since the epoch, by the title of the picture that should be shown.
    asked_at: dict[str, float] = field(default_factory=dict)
    acknowledged_seconds: list[float] = field(default_factory=list)
    #: Requests that were not answered well.
    refused: int = 0
    #: Commands whose answer was an apology: the database was busy for too long.
    turned_away: int = 0
    #: Events that were not taken for the same reason, and came again.
    sent_again: int = 0

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._sample = SAMPLE.read_bytes()
        other = self.slack.website
        self._no_face = other.add_picture(
            "/blank.png", encoded(Image.new("RGB", (320, 200), "teal"), "PNG")
        )
        self._no_picture = other.add_picture("/text.png", b"This is no picture.")

    @property
    def sent(self) -> int:
        return len(self.acknowledged_seconds) + self.refused

    @property
    def answered(self) -> int:
        """Return how many answers there were, good or bad."""
        return self.sent + self.sent_again

    @property
    def taken(self) -> int:
        """Return how many became jobs."""
        return self.sent - self.refused - self.turned_away

    def install(self) -> None:
        """Let some workspaces add the bot, in a browser each."""
        self.slack.app.redirect_urls.append(f"{self.url}/slack/oauth_redirect")
        self.slack.app.scopes = tuple(scope.name for scope in SCOPES)
        # What comes after Slack's three seconds is measured, too.
        self.slack.switches.patience_seconds = PATIENCE_SECONDS
        for number in range(self.workspaces):
            home = self.slack.add_workspace(f"Acme {number}")
            self.slack.switches.consent_team_id = home.team_id
            answer = requests.get(f"{self.url}/slack/install", timeout=30)
            answer.raise_for_status()
            ada = self.slack.add_user(home, "ada")
            channel = self.slack.add_channel(home, "general", [ada])
            user = SlackUser(self.slack, home, ada, self.url)
            user.delivery.any_answer = True
            self.seats.append(Seat(user, channel.channel_id))

    def steady(self, per_second: float, seconds: float) -> None:
        """Ask at a rate for so long; a wait counts from when a request was due."""
        began, count = time.perf_counter(), round(per_second * seconds)

        def send(number: int) -> None:
            due = began + number / per_second
            time.sleep(max(0.0, due - time.perf_counter()))
            self.ask(due)

        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(send, range(count)))

    def saturate(self, seconds: float, ended: Callable[[], int]) -> float:
        """Keep many requests waiting for so long; return jobs a second.

        Args:
            seconds: How long; the first third is not counted.
            ended: Returns how many jobs have ended.
        """
        began, counting_from = time.perf_counter(), (seconds / 3, 0)
        while (passed := time.perf_counter() - began) < seconds:
            if passed < seconds / 3:
                counting_from = (passed, ended())
            if self.sent - ended() < SATURATED:
                self.ask(time.perf_counter())
            else:
                time.sleep(PAUSE_SECONDS)
        return (ended() - counting_from[1]) / (passed - counting_from[0])

    def ask(self, due: float) -> None:
        with self._lock:
            number = next(self._numbers)
        seat = self.seats[number % len(self.seats)]
        kind = CYCLE[number % len(CYCLE)]
        asked_at = time.time()
        try:
            answer = self._send(seat, kind, f"load-{number}.png")
            answer.raise_for_status()
        except requests.RequestException:
            self.refused += 1
            return
        self.acknowledged_seconds.append(time.perf_counter() - due)
        if kind != "mention" and TAKEN not in answer.json()["text"]:
            self.turned_away += 1
        elif kind in POSTED:
            self.asked_at[f"load-{number}, emojified"] = asked_at

    def _send(self, seat: Seat, kind: str, name: str) -> requests.Response:
        user, channel_id = seat.user, seat.channel_id
        if kind == "mention":
            text = f"<@{user.scene.workspace.bot_user_id}>"
            message = user.post_image(channel_id, self._sample, name=name, text=text)
            return self._announce(user, message)
        return self._command(seat, kind, name)

    def _announce(self, user: SlackUser, message: Message) -> requests.Response:
        """Send the event of a message, and again where it is not taken."""
        for tried in range(1, TRIES + 1):
            answer = user.announce(payloads.mention, message, with_files=True)
            if answer.ok or tried == TRIES:
                break
            self.sent_again += 1
            time.sleep(AGAIN_SECONDS)
        return answer

    def _command(self, seat: Seat, kind: str, name: str) -> requests.Response:
        user, channel_id = seat.user, seat.channel_id
        addresses = {"no_face": self._no_face, "no_picture": self._no_picture}
        address = addresses.get(kind) or self.slack.website.add_picture(
            f"/{name}", self._sample
        )
        form = payloads.command(user.scene, channel_id, "/emojify", address)
        return user.delivery.form(form)
