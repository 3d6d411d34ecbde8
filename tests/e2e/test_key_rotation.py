"""Keys are changed while the bot serves: the whole dance, with requests going on.

Each web process is up before the one that it takes the place of goes away, as behind a
proxy; somebody asks for pictures all the time, and every one is taken and posted.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, suppress

from emojifier_bot.db.crypto import Vault, generate_key
from emojifier_bot.errors import VaultError
from emojifier_bot.slack.messages import render_message
from tests.fakes.slack import SlackServer
from tests.running_bot import PATIENCE_SECONDS, ROOT, Bot, address_of, process

#: Between two requests.
PAUSE_SECONDS = 1.0


class Asker:
    """Somebody who asks for pictures all the time, at whatever address is current."""

    def __init__(self, bot: Bot) -> None:
        self._bot, self._stop = bot, threading.Event()
        self.channel = bot.channel()
        self.answers: list[str] = []
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def moves_to(self, url: str) -> None:
        self._bot.ada.delivery.through([url])

    def waits_for(self, more: int) -> None:
        """Wait until so many further requests were answered."""
        wanted = len(self.answers) + more
        self._bot.slack.wait_until(
            lambda: len(self.answers) >= wanted, PATIENCE_SECONDS
        )

    def _ask(self) -> None:
        address = self._bot.address()
        while not self._stop.wait(PAUSE_SECONDS):
            answer = self._bot.ada.command(self.channel, address)
            self.answers.append(answer.json()["text"])


def stored_tokens(database) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [
            row[0] for row in connection.execute("SELECT bot_token FROM installations")
        ]


def opens(key: str, sealed: str) -> bool:
    with suppress(VaultError):
        return bool(Vault([key]).unseal(sealed))
    return False


def rotate(slack: SlackServer, database: str, folder, keys: str) -> str:
    environment = os.environ | slack.environment
    own = {"DATABASE_URL": database, "ENCRYPTION_KEYS": keys, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "emojifier_bot", "keys", "rotate"],
        cwd=folder,
        env=environment | own,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_keys_are_changed_while_pictures_are_asked_for(tmp_path):
    old, new = generate_key(), generate_key()
    file = tmp_path / "bot.db"
    # Whoever seals with the new key must find that all others can open it.
    dance = [old, f"{old},{new}", f"{new},{old}"]
    with SlackServer() as slack, ExitStack() as last:

        def serve(number: int, keys: str, stack: ExitStack) -> str:
            web = process(
                "serve",
                slack=slack,
                database=f"sqlite:///{file}",
                folder=tmp_path / str(number),
                ENCRYPTION_KEYS=keys,
            )
            return address_of(stack.enter_context(web))

        before = last.enter_context(ExitStack())
        bot = Bot(slack, serve(0, dance[0], before))
        with Asker(bot) as asker:
            asker.waits_for(2)
            for number, keys in enumerate(dance[1:], 1):
                after = last.enter_context(ExitStack())
                asker.moves_to(serve(number, keys, after))
                asker.waits_for(2)
                before.close()
                before = after
            [token] = stored_tokens(file)
            assert opens(old, token)
            assert not opens(new, token)

            told = rotate(slack, f"sqlite:///{file}", tmp_path, dance[-1])

            assert "encrypted anew" in told
            [token] = stored_tokens(file)
            assert opens(new, token)
            assert not opens(old, token)
            asker.waits_for(2)
        many = sum("Got it" in answer for answer in asker.answers)
        others = {answer for answer in asker.answers if "Got it" not in answer}
        # A database that a busy machine is slow with has nothing to do with keys.
        assert others <= {render_message("queue"), render_message("store")}
        assert len(bot.results(asker.channel, many)) >= many
        # The old key is gone for good.
        before.close()
        bot.ada.delivery.through([serve(9, new, last)])
        bot.ada.command(asker.channel, bot.address())
        bot.results(asker.channel, many + 1)
        assert not slack.problems
