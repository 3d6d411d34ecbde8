"""Those who ask: signed commands and mentions through the web process, until they are
acknowledged.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import requests
from PIL import Image

from emojifier_bot.slack.messages import render_message
from tests.crash.ledger import Verdict, judge
from tests.fakes.slack import SlackServer, SlackUser, Workspace, payloads
from tests.images import encoded
from tests.jobs_harness import ROOT

WORKSPACES = 6
#: Of ten requests, the mentions and those whose picture has no face; the rest are
#: commands with an address.
MENTIONS, FACELESS = {3, 7}, {5}
#: Small, so that a round is about the queue and not about pictures.
SIDE_PX = 256
#: How long a person waits before they ask again.
AGAIN_SECONDS = 2.0
OK = 200


def small_face() -> bytes:
    """Return a small photo of one face."""
    with Image.open(ROOT / "docs" / "sample" / "astronaut.png") as photo:
        return encoded(
            photo.convert("RGB").resize((SIDE_PX, SIDE_PX)), "JPEG", quality=85
        )


@dataclass
class Users:
    """Everybody who asks in one round, each once, and what became of it."""

    slack: SlackServer
    url: str
    acknowledged: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    #: Answered, but not taken: the person knows.
    refused: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._face = small_face()
        self._blank = encoded(
            Image.new("RGB", (SIDE_PX, SIDE_PX), "teal"), "JPEG", quality=85
        )
        self._askers: dict[str, str] = {}
        self._accepted = render_message("accepted")
        self.homes: list[tuple[Workspace, str]] = []

    def install(self) -> None:
        """Let the workspaces install the bot, each from a browser."""
        self.slack.app.redirect_urls.append(f"{self.url}/slack/oauth_redirect")
        for number in range(WORKSPACES):
            home = self.slack.add_workspace(f"Acme {number}")
            self.homes.append((home, self.slack.add_channel(home, "all").channel_id))
            self.slack.switches.consent_team_id = home.team_id
            page = requests.get(f"{self.url}/slack/install", timeout=30)
            assert home.name in page.text, page.text

    def ask(self, stop: threading.Event) -> None:
        """Ask for one picture until the bot says that it has the request."""
        tenth = self._number() % 10
        if tenth in MENTIONS:
            self._mention(stop)
            return
        while not stop.is_set() and not self._command(blank=tenth in FACELESS):
            time.sleep(AGAIN_SECONDS)

    def _number(self) -> int:
        with self._lock:
            self._count += 1
            return self._count

    def _asker(self) -> tuple[str, SlackUser, str]:
        number = self._number()
        home, channel_id = self.homes[number % WORKSPACES]
        name = f"p{number:05}"
        user = self.slack.add_user(home, name)
        self.slack.world.channels[channel_id].members.add(user.user_id)
        self._askers[user.user_id] = name
        return name, SlackUser(self.slack, home, user, self.url), channel_id

    def _command(self, *, blank: bool) -> bool:
        name, user, channel_id = self._asker()
        data = self._blank if blank else self._face
        address = self.slack.website.add_picture(f"/{name}.jpg", data, "image/jpeg")
        form = payloads.command(user.scene, channel_id, "/emojify", address)
        try:
            answer = user.delivery.form(form)
            taken = answer.status_code == OK and answer.json()["text"] == self._accepted
        except (requests.RequestException, ValueError):
            self.unanswered.add(name)
            return False
        if answer.status_code != OK:
            self.unanswered.add(name)
        else:
            (self.acknowledged if taken else self.refused).add(name)
        return taken

    def _mention(self, stop: threading.Event) -> None:
        """Name the bot; Slack sends the same event again until it is taken."""
        name, user, channel_id = self._asker()
        bot = user.scene.workspace.bot_user_id
        message = user.post_image(
            channel_id, self._face, name=f"{name}.jpg", text=f"<@{bot}>"
        )
        retry = 0
        while not stop.is_set():
            try:
                answer = (
                    user.delivery.again(retry)
                    if retry
                    else user.announce(payloads.mention, message, with_files=True)
                )
            except requests.RequestException:
                answer = None
            if answer is not None and answer.status_code == OK:
                self.acknowledged.add(name)
                return
            retry += 1
            time.sleep(AGAIN_SECONDS)
        self.unanswered.add(name)

    def verdict(self) -> Verdict:
        posted = [file.name.partition(".")[0] for _, file in self.slack.results()]
        with self.slack.world.lock:
            told = [
                self._askers.get(one.only_for, one.only_for)
                for one in self.slack.world.messages
                if one.only_for
            ]
        return judge(self.acknowledged, self.unanswered, posted, told)
