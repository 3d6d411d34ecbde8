"""What one workspace can do to a bot at its worst, and strangers to its doors."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import socket
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

import requests
from PIL import Image, ImageChops

from emojifier_bot.slack.blocks import DELETE, TRY_ANOTHER
from tests.datasets import crowd, sample
from tests.fakes.servers import RawServer, said, serving
from tests.fakes.slack import SlackServer, SlackUser, payloads
from tests.images import encoded
from tests.load.traffic import Seat
from tests.threads import repeated

#: People of the workspace: each may ask for ten pictures a minute, all together for
#: 600 an hour, with 600 in store. So the store lasts for an hour of attacks.
PEOPLE = 40
#: Seconds between requests for pictures that cost much,
COSTLY_SECONDS = 2.2
#: between requests that become no job (Slack delivers 30,000 events an hour at most),
FLOOD_SECONDS = 0.2
#: between presses of buttons, between unsigned megabytes, and between pages.
PRESS_SECONDS, UNSIGNED_SECONDS, PAGE_SECONDS = 1.0, 0.5, 0.2
#: Connections that read nothing, that send a byte each second, and that ask a hundred
#: times at once.
UNREAD, SILENT, AT_ONCE = 40, 200, 20
HOLD_SECONDS = 1.0
PATIENCE_SECONDS = 30.0
#: Largest picture that is let in, and scans and faces that are.
MEGAPIXELS, SCANS, CROWD = 60, 3000, (50, 55)
#: Of an animation, with a face in each.
FRAMES = 100
QUADRATIC = ("<https://a" * 4000, "<@U" * 3000, "https://a.b/" * 2000, "[](" * 9000)


Trick = Callable[[], Generator[str]]
SPAWNED = multiprocessing.get_context("spawn")


class Loops(ABC):
    """Plays some tricks over and over, each in a thread."""

    #: What came of each trick, by its name.
    done: Counter[str]

    @abstractmethod
    def loops(self) -> list[tuple[Trick, float]]:
        """Return the tricks, and the seconds between two steps of each."""

    @contextmanager
    def played(self) -> Iterator[None]:
        """Play them until the end of the block."""
        with ExitStack() as stack:
            for trick, seconds in self.loops():
                stack.enter_context(self._looped(trick, seconds))
            yield

    @contextmanager
    def _looped(self, trick: Trick, seconds: float) -> Iterator[None]:
        steps = trick()

        def step() -> None:
            nonlocal steps
            # Whoever is refused or cut off does not mind.
            try:
                self.done[next(steps)] += 1
            except (OSError, requests.RequestException):
                self.done[f"{trick.__name__.strip('_')}, cut off"] += 1
                steps = trick()

        with repeated(step, seconds):
            yield
        steps.close()


@dataclass
class Tricks(Loops):
    """Plays every trick at once, as one workspace and one stranger could."""

    slack: SlackServer
    url: str
    seat: Seat
    #: Results of others, whose buttons are pressed from here.
    others_channel_id: str
    #: From `served`.
    server: RawServer
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._pictures = _pictures()
        home = self.seat.user.scene.workspace
        self._people = [self._join(number) for number in range(PEOPLE)]
        self.team_id = home.team_id

    def _join(self, number: int) -> SlackUser:
        home, channels = self.seat.user.scene.workspace, self.slack.world.channels
        user = self.slack.add_user(home, f"mallory-{number}")
        channels[self.seat.channel_id].members.add(user.user_id)
        person = SlackUser(self.slack, home, user, self.url)
        person.delivery.any_answer = True
        return person

    @staticmethod
    @contextmanager
    def served() -> Iterator[RawServer]:
        """Serve addresses that take their time."""
        with serving({"/drip": _drip, "/page": _drip_page}) as server:
            for hop in range(6):
                to = server.url(f"/hop{hop + 1}")
                server.paths[f"/hop{hop}"] = _late_redirect(to)
            yield server

    def loops(self) -> list[tuple[Trick, float]]:
        return [
            (self._costly, COSTLY_SECONDS),
            (self._flood, FLOOD_SECONDS),
            (self._presses, PRESS_SECONDS),
        ]

    @contextmanager
    def played(self) -> Iterator[None]:
        """Play everything until the end of the block."""
        here, there = SPAWNED.Pipe()
        strangers = SPAWNED.Process(target=knock, args=(self.url, there))
        strangers.start()
        there.close()
        try:
            with super().played():
                yield
        finally:
            here.send("stop")
            self.done += here.recv()
            strangers.join()

    def _costly(self) -> Generator[str]:
        """Ask for what costs most, in every way, one person after the other."""
        server, channel_id = self.server, self.seat.channel_id
        addresses = [server.url(path) for path in ("/drip", "/hop0", "/page")]
        kinds: list[tuple[str, bytes | str]] = [*self._pictures.items()]
        kinds += [("", one) for one in addresses]
        for person, (name, what) in zip(
            itertools.cycle(self._people), itertools.cycle(kinds), strict=False
        ):
            person.delivery.sent.clear()
            if isinstance(what, str):
                address = f"{what}?{random.random()}"
                form = payloads.command(person.scene, channel_id, "/emojify", address)
                person.delivery.form(form)
                yield urlsplit(what).path
            elif random.random() < 0.5:
                person.mention(channel_id, what)
                yield name
            else:
                person.direct_message(what)
                yield name

    def _flood(self) -> Generator[str]:
        """Send what is read before the acknowledgement, as expensive as it gets."""
        channel_id = self.seat.channel_id
        person = self._people[0]
        scene = person.scene
        for text in itertools.cycle(QUADRATIC):
            person.delivery.sent.clear()
            form = payloads.command(scene, channel_id, "/emojify", text)
            person.delivery.form(form)
            yield "command of quadratic text"
            message = person.write(
                channel_id, f"<@{scene.workspace.bot_user_id}>{text}"
            )
            person.announce(payloads.mention, message, with_files=True)
            yield "mention of quadratic text"
            form = payloads.command(scene, channel_id, "/emojify", self.server.url("/"))
            person.delivery.form(form)
            yield "command over the limit"

    def _presses(self) -> Generator[str]:
        """Press everything, on own results and on those of others."""
        for person in itertools.cycle(self._people):
            for name, channel_id, action in (
                ("other", self.others_channel_id, TRY_ANOTHER),
                ("other", self.others_channel_id, DELETE),
                ("own", self.seat.channel_id, TRY_ANOTHER),
            ):
                shown = [
                    one for one in self.slack.bot_messages(channel_id) if one.blocks
                ]
                person.delivery.sent.clear()
                if shown:
                    with suppress(LookupError):
                        pressed = payloads.press(person.scene, shown[-1], action)
                        person.delivery.payload(pressed)
                yield f"press on {name} result"


@dataclass
class Strangers(Loops):
    """Come to the bot's door from outside of Slack."""

    url: str
    done: Counter[str] = field(default_factory=Counter)

    def loops(self) -> list[tuple[Trick, float]]:
        return [
            (self._unsigned, UNSIGNED_SECONDS),
            (self._pages, PAGE_SECONDS),
            (self._held, HOLD_SECONDS),
        ]

    def _unsigned(self) -> Generator[str]:
        while True:
            answer = requests.post(
                f"{self.url}/slack/events",
                data=b"a&" * 500_000,
                headers={
                    "Content-Type": "application/x-www-form-urlencoded",
                    "X-Slack-Request-Timestamp": str(int(time.time())),
                    "X-Slack-Signature": f"v0={'0' * 64}",
                },
                timeout=PATIENCE_SECONDS,
            )
            yield f"unsigned megabyte: {answer.status_code}"

    def _pages(self) -> Generator[str]:
        for path in itertools.cycle(("/healthz", "/readyz", "/slack/install", "/")):
            answer = requests.get(
                f"{self.url}{path}", timeout=PATIENCE_SECONDS, allow_redirects=False
            )
            yield f"page: {answer.status_code}"

    def _held(self) -> Generator[str]:
        """Hold connections that read nothing, send little or ask too much."""
        parts = urlsplit(self.url)
        door = (parts.hostname, parts.port)
        page = b"GET / HTTP/1.1\r\nHost: bot\r\n\r\n"
        kinds = (
            [("unread", page)] * UNREAD
            + [("silent", page[:9])] * SILENT
            + [("at once", page * 100)] * AT_ONCE
        )
        with ExitStack() as stack:
            held: list[socket.socket | None] = [None] * len(kinds)

            @stack.callback
            def _() -> None:
                for one in held:
                    if one is not None:
                        one.close()

            while True:
                opened = 0
                for number, (name, first) in enumerate(kinds):
                    if not _still_held(held[number], trickles=name == "silent"):
                        held[number] = _open(door, first)
                        opened += 1
                yield f"{(opened and 'connections opened') or 'connections held'}"


def knock(url: str, told: Connection) -> None:
    """Play the tricks of strangers until told to stop; then tell what came of them.

    They have a process of their own: what they cost must not slow the people down who
    are measured in the other one.
    """
    os.setsid()
    strangers = Strangers(url)
    with strangers.played():
        told.recv()
    told.send(strangers.done)


def _open(door: tuple[str | None, int | None], first: bytes) -> socket.socket | None:
    with suppress(OSError):
        one = socket.create_connection(door, timeout=1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        one.setblocking(False)
        with suppress(BlockingIOError):
            one.send(first)
        return one
    return None


def _still_held(one: socket.socket | None, *, trickles: bool) -> bool:
    if one is None:
        return False
    try:
        if trickles:
            one.send(b"x")
            return not _is_closed(one)
    except BlockingIOError:
        return True
    except OSError:
        one.close()
        return False
    return not _is_closed(one)


def _is_closed(one: socket.socket) -> bool:
    """Tell whether the other side has closed it; what it sent is left unread."""
    try:
        closed = one.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        closed = True
    if closed:
        one.close()
    return closed


def _drip(sock: socket.socket) -> None:
    sock.sendall(said(200, content_type="image/png", content_length=20_000_000))
    for byte in itertools.chain(b"\x89PNG\r\n\x1a\n", itertools.repeat(0)):
        sock.sendall(bytes([byte]))
        time.sleep(1)


def _drip_page(sock: socket.socket) -> None:
    sock.sendall(said(200, content_type="text/html", content_length=200_000))
    while True:
        sock.sendall(b"<meta ")
        time.sleep(1)


def _late_redirect(to: str) -> Callable[[socket.socket], None]:
    def answer(sock: socket.socket) -> None:
        time.sleep(5)
        sock.sendall(said(302, location=to))

    return answer


def _pictures() -> dict[str, bytes]:
    """Return files that cost most for each reason, by that reason."""
    width = round((MEGAPIXELS * 1e6 * 4 / 3) ** 0.5)
    large = sample().resize((width, int(MEGAPIXELS * 1e6 / width)))
    medium = sample().resize((4000, 3000))
    return {
        "progressive JPEG of 3,000 scans": many_scans(large, SCANS),
        "PNG of 2,750 faces": encoded(crowd(*CROWD), "PNG", optimize=True),
        "AVIF of 60 megapixels": encoded(large, "AVIF", quality=50, speed=10),
        "PNG of 60 megapixels": encoded(large, "PNG", compress_level=1),
        "progressive JPEG of 60 megapixels": encoded(
            large, "JPEG", quality=80, progressive=True
        ),
        "HEIC of 60 megapixels": encoded(large, "HEIF", quality=40),
        "half a picture": encoded(medium, "JPEG", quality=80)[:300_000],
        "GIF of 100 frames": moving(sample().resize((320, 240)), FRAMES, "GIF"),
        "WebP of 3 frames of 16 megapixels": moving(
            sample().resize((4618, 3464)), 3, "WEBP", quality=50, method=0
        ),
    }


def moving(image: Image.Image, frames: int, name: str, **options: int) -> bytes:
    """Return an animation in which a picture moves on by a pixel each time."""
    first, *more = (ImageChops.offset(image, number, 0) for number in range(frames))
    return encoded(first, name, save_all=True, append_images=more, **options)


def many_scans(image: Image.Image, scans: int) -> bytes:
    """Return a progressive JPEG whose last scan comes again and again, empty."""
    data = encoded(image, "JPEG", quality=80, progressive=True)
    blank = Image.new("RGB", image.size)
    empty = encoded(blank, "JPEG", quality=80, progressive=True)
    # The last table and the last scan, which says in a few bytes that nothing changes.
    scan = empty[empty.rindex(b"\xff\xc4") : -2]
    return data[:-2] + scan * scans + data[-2:]
