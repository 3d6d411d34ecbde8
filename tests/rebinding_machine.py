"""A machine of one's own with names that change their mind; run by `test_rebinding`.

It runs where this process is alone with its network and its ``/etc/resolv.conf``
(``unshare --map-root-user --net --mount``): public addresses lie on the loopback
interface, and the system's own resolver asks a name server of ours. Nothing is
replaced inside the bot: `serve` and its worker are the real ones.

It prints what it saw as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.fakes.internet import name_server
from tests.fakes.slack import SlackServer
from tests.running_bot import PATIENCE_SECONDS, SAMPLE, Bot, address_of, process
from tests.threads import in_thread

PUBLIC, OTHER_PUBLIC = "93.184.216.34", "93.184.216.35"
INSIDE = ("127.0.0.1", "10.0.0.1", "169.254.169.254")
#: Where a redirect leads that names no place.
MAPPED = "http://[::ffff:7f00:1]/party.png"
#: Answers one after the other; the last stays.
NAMES = {
    # Public while it is looked at, private from then on.
    "turns.example": [[PUBLIC], *([[inner]] for inner in INSIDE)],
    # Private from the beginning, in each kind.
    **{f"inside{number}.example": [[one]] for number, one in enumerate(INSIDE)},
    # One of both: whoever tries one after the other comes to the inner one.
    "both.example": [[PUBLIC, "10.0.0.1"]],
    "both-turned.example": [["10.0.0.1", PUBLIC]],
    # What a redirect leads to.
    "hop.example": [[PUBLIC]],
    "fast.example": [[PUBLIC], ["169.254.169.254"]],
}
#: What is asked for, and a word of the sentence that comes back; none for a picture.
ASKED = {
    "http://turns.example/party.png": "",
    "http://inside0.example/party.png": "private",
    "http://inside1.example/party.png": "private",
    "http://inside2.example/latest/meta-data/": "private",
    "http://both.example/party.png": "private",
    "http://both-turned.example/party.png": "private",
    "http://hop.example/to?http://inside2.example/latest/": "leads on",
    "http://hop.example/to?http://10.0.0.1/party.png": "leads on",
    "http://hop.example/to": "leads on",
    # The first look-up is public, the one for the redirect is not.
    "http://fast.example/to?http://fast.example/party.png": "leads on",
}


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def settle_in(folder: Path) -> None:
    """Give this machine its addresses and its resolver."""
    run("ip", "link", "set", "lo", "up")
    for address in (PUBLIC, OTHER_PUBLIC, *INSIDE[1:]):
        run("ip", "address", "add", f"{address}/32", "dev", "lo")
    resolver = folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    run("mount", "--bind", str(resolver), "/etc/resolv.conf")


@contextmanager
def website(address: str, heard: Counter[str]):
    """Serve a picture, and redirects, on port 80 of an address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard[address] += 1
            path, _, onward = self.path.partition("?")
            self.send_response(302 if path == "/to" else 200)
            if path == "/to":
                self.send_header("Location", onward or MAPPED)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            if path != "/to":
                self.wfile.write(SAMPLE)

        def log_message(self, *_words: object) -> None:
            pass

    with (
        ThreadingHTTPServer((address, 80), Page) as server,
        in_thread(partial(server.serve_forever, 0.05), server.shutdown),
    ):
        yield


def ask(bot: Bot, address: str, number: int) -> str:
    """Ask for a picture; return what the asker reads, or how many pictures came."""
    person, channel = bot.sit(f"person{number}"), bot.channel()
    first = person.command(channel, address).json()["text"]
    if "private network" in first:
        return first

    def answered() -> str | None:
        results = bot.slack.results(channel)
        told = [one for one in person.told if one != first]
        return f"{len(results)} posted" if results else (told[-1] if told else None)

    return bot.slack.wait_until(answered, PATIENCE_SECONDS)


def main() -> None:
    heard: Counter[str] = Counter()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settle_in(folder)
        names = stack.enter_context(name_server(NAMES, 53))
        for address in (PUBLIC, *INSIDE):
            stack.enter_context(website(address, heard))
        slack = stack.enter_context(SlackServer())
        database = f"sqlite:///{folder / 'bot.db'}"
        web = process("serve", slack=slack, database=database, folder=folder)
        bot = Bot(slack, address_of(stack.enter_context(web)))
        told = {
            address: ask(bot, address, number) for number, address in enumerate(ASKED)
        }
        report = {
            "told": told,
            "heard": heard,
            "asked": Counter(names.asked),
        }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
