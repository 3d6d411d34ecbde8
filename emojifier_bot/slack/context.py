"""What every listener uses: queue, stores, Slack, and a way to answer one person.

Refuses requests too: switched off, opted out, over a limit.
"""

from __future__ import annotations

import hashlib
import logging
import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from slack_bolt import BoltContext

from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.db.policy import RateLimiter, WorkspaceSettings
from emojifier_bot.db.posts import PostLog
from emojifier_bot.db.preferences import ON, Preference, Preferences
from emojifier_bot.db.previews import Previews
from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    ImageReference,
    NotPosted,
    Outcome,
    OutcomeKind,
    Workspace,
)
from emojifier_bot.emotion_models import ReadingMode, lowest
from emojifier_bot.errors import EmojifierError, ErrorKind, QueueFullError
from emojifier_bot.http import check_address
from emojifier_bot.ports import JobQueue, ReplySink
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.installations import CachedAuthorize
from emojifier_bot.slack.manifest import COMMAND
from emojifier_bot.slack.messages import mention_of, names_of
from emojifier_bot.slack.payloads import Payload, may_be_between_people, workspace_of
from emojifier_bot.slack.resolver import address_of
from emojifier_bot.vision.types import EmojiTheme

logger = logging.getLogger(__name__)

#: Answers to what was queued; all others say why it was not.
ACCEPTED = frozenset(
    {
        OutcomeKind.ACCEPTED,
        OutcomeKind.ACCEPTED_PRIVATE,
        OutcomeKind.ACCEPTED_DIRECT,
        OutcomeKind.ACCEPTED_PREVIEW,
        OutcomeKind.ACCEPTED_WHY,
    }
)
#: For requests that only say whom to answer, and where.
NO_PICTURE = ImageReference(newest=True)
#: Messages, and people with orders, that are remembered: more than come in the minutes
#: in which Slack repeats an event.
MOST_REMEMBERED = 10_000
#: How many jobs may try the same one after the other; each failed. Each is looked up
#: while Slack waits.
MAX_TRIES = 20
#: Enough to tell the requests of one message, and its pictures, apart.
DIGEST_CHARACTERS = 16
#: Slack calls that may be under way at once, half of them for one workspace; each takes
#: a fraction of a second.
THREADS = 8
#: Tasks that may wait for a thread: at 0.2 s a call, those wait for 2 s; Slack lets a
#: window be opened for 3 s after a press.
WAITING = 60
#: The same for notifications of what failed.
NOTIFICATION_THREADS, WAITING_NOTIFICATIONS = 4, 200


class LatestByName:
    """The latest of some times, by names; the oldest names are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def is_new(self, time: float, *name: str) -> bool:
        """Return whether a time is later than all before under a name; note it."""
        with self._lock:
            if self._times.get(name, 0.0) >= time:
                return False
            self._times[name] = time
            self._times.move_to_end(name)
            if len(self._times) > MOST_REMEMBERED:
                self._times.popitem(last=False)
            return True


class Task(NamedTuple):
    """Something to do after an acknowledgement."""

    action: str
    workspace_id: str
    run: Callable[[], None]


class Background:
    """Runs tasks after the acknowledgement; refuses more where too many wait.

    One workspace has half of the threads and half of the places at most: what it
    presses keeps nobody else waiting.
    """

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="after-ack")
        self._places, self._threads = threads + waiting, threads
        self._lock = threading.Lock()
        self._waiting: list[Task] = []
        #: How many tasks each workspace has, and how many of them run.
        self._taken: Counter[str] = Counter()
        self._running: Counter[str] = Counter()

    def submit(self, action: str, workspace_id: str, run: Callable[[], None]) -> bool:
        """Run a task soon, and log what it raises; return False if too many wait."""
        with self._lock:
            is_full = self._taken.total() >= self._places
            if is_full or self._taken[workspace_id] >= _half(self._places):
                facts = {"action": action, "workspace": workspace_id}
                logger.warning("A task was refused: too many wait", extra=facts)
                return False
            self._taken[workspace_id] += 1
            self._waiting.append(Task(action, workspace_id, run))
        self._executor.submit(self._work)
        return True

    def close(self) -> None:
        """Finish what was taken on, and take on no more."""
        self._executor.shutdown(wait=True)

    def _work(self) -> None:
        """Run what may run now, one after the other."""
        task = self._next(None)
        while task is not None:
            try:
                task.run()
            except Exception:
                # The outermost loop of these threads: nobody else would hear of it.
                logger.exception("A task failed", extra={"action": task.action})
            # What it kept from running, this thread runs.
            task = self._next(task)

    def _next(self, ended: Task | None) -> Task | None:
        """Return the task that has waited longest and may run, after one has ended."""
        with self._lock:
            if ended is not None:
                for tasks in (self._taken, self._running):
                    tasks[ended.workspace_id] -= 1
                # Without those that have none.
                self._taken, self._running = +self._taken, +self._running
            for task in self._waiting:
                if self._running[task.workspace_id] < _half(self._threads):
                    self._waiting.remove(task)
                    self._running[task.workspace_id] += 1
                    return task
        return None


def _half(number: int) -> int:
    return max(number // 2, 1)


@dataclass(frozen=True, slots=True)
class Site:
    """What listeners know of the server."""

    #: Empty where it has no address.
    public_url: str = ""
    #: The most that is read of a face.
    reading: ReadingMode = ReadingMode.EXPRESSIONS
    #: Where its source can be read; empty where nobody says so.
    source_url: str = ""


@dataclass(frozen=True, slots=True)
class ListenerContext:
    """What the listeners work with. What calls Slack runs after the acknowledgement."""

    queue: JobQueue
    posts: PostLog
    installations: InstallationStore
    authorize: CachedAuthorize
    sink: ReplySink
    vault: Vault
    client: SlackClient
    settings: WorkspaceSettings
    #: For pictures, and for changes of previews.
    limiter: RateLimiter
    changes: RateLimiter
    #: Names of the themes that may be asked for.
    themes: tuple[str, ...]
    #: Returns one of them by its name.
    theme: Callable[[str], EmojiTheme]
    previews: Previews
    preferences: Preferences
    site: Site
    #: The slash command's name where a request does not say it.
    command: str = COMMAND
    #: Raises a `FetchError` for an address that can be refused without a request.
    check_address: Callable[[str], None] = check_address
    #: For calls of Slack, and for notifications, which have threads of their own: they
    #: must still get through when the others are all in use.
    background: Background = field(default_factory=Background)
    notifications: Background = field(
        default_factory=lambda: Background(NOTIFICATION_THREADS, WAITING_NOTIFICATIONS)
    )

    def enqueue(self, request: EmojifyRequest, key: str) -> Outcome:
        """Queue a request, unless it is refused; return what to answer.

        Of several pictures, those above a limit are left out, and the answer names
        them. Whoever asks for the same once more gets those.

        Raises:
            QueueError: As the queue does.
            StoreError: The database does not answer.
        """
        who = {"way": request.entrypoint, "workspace": request.workspace.id}
        # What the request says already is a limit too: *Why?* has that of the asker.
        limits = (request.reading, self.preferences.reading(*_asker(request)))
        if any(limits):
            request = replace(request, reading=lowest(*limits))
        names, sources = self._names_of(request), request.sources
        asker = _asker(request)
        before = self.limiter.noted(*asker, names) if names else frozenset()
        places = [place for place, one in enumerate(names) if one not in before]
        places = places or list(range(len(sources)))
        taken, refusal = self._admit(request, places)
        if refusal:
            facts = {"action": "refuse", "kind": refusal.kind, "taken": taken}
            logger.info("A request was refused", extra=facts | who)
            if not taken:
                return refusal
        first, *further = (sources[place] for place in places[:taken])
        request = replace(request, source=first, further=tuple(further))
        # The request is counted now. One that is not queued anew is refunded; where
        # the database does not answer nobody knows, and the job may be queued.
        try:
            new = self.queue.enqueue(request, key)
        except QueueFullError:
            self.limiter.charge(request.workspace, request.user_id, -taken)
            raise
        if not new:
            self.limiter.charge(request.workspace, request.user_id, -taken)
        elif refusal or before:
            left = {names[place] for place in places[taken:]}
            is_taken = {one: bool(refusal) and one not in left for one in names}
            self.limiter.note(*asker, is_taken)
        read = {"action": "enqueue", "key": key, "new": new}
        logger.info("A request was read", extra=read | who)
        return refusal or _accepted(request)

    def next_key(self, name: str) -> str:
        """Return the key of the next job of some name; empty where too many ended.

        Only one job at a time: while one is under way its key queues nothing.
        """
        keys = (f"{name}:{number}" for number in range(1, MAX_TRIES + 1))
        return next((key for key in keys if not self.queue.has_ended(key)), "")

    def as_chosen(self, request: EmojifyRequest) -> EmojifyRequest:
        """Return a request with what the asker, or the workspace, has chosen for all.

        What is said in the request itself comes first.
        """
        chosen = self.preferences.effective(request.workspace, request.user_id)
        theme = chosen.get(Preference.THEME, "")
        if not request.theme and theme in self.themes:
            request = replace(request, theme=theme)
        previews = chosen.get(Preference.PREVIEW) == ON and not request.at_once
        if not (request.preview or previews):
            return request
        own = request.private
        return replace(request, preview=True, private=True, post_privately=own)

    def _names_of(self, request: EmojifyRequest) -> list[str]:
        """Return what names each of several pictures where they are asked for."""
        if not request.further:
            return []
        where = (
            one.file_id or self.vault.unseal(one.sealed_address)
            for one in request.sources
        )
        return [digest(request.channel_id, one) for one in where]

    def _admit(
        self, request: EmojifyRequest, places: Sequence[int]
    ) -> tuple[int, Outcome | None]:
        """Return how many pictures of a request are admitted, and why no more are.

        Those that are admitted are counted.

        Args:
            request: What is asked for.
            places: Of the pictures that are wanted, among all of the request.
        """
        if self.settings.is_off(request.channel_id):
            return 0, Outcome(ErrorKind.CHANNEL_OFF)
        if all(self.settings.opted_out(one.posters) for one in request.sources):
            return 0, Outcome(ErrorKind.OPTED_OUT)
        for taken in range(len(places)):
            exhausted = self.limiter.take(request.workspace, request.user_id)
            if exhausted is not None:
                left = places[taken:]
                wait = duration(exhausted.wait_for(len(left)))
                facts = {"pictures": str(exhausted.limit.pictures), "wait": wait}
                if request.further:
                    facts |= self._left_facts(request, left, taken)
                return taken, Outcome(exhausted.limit.kind, facts)
        return len(places), None

    def _left_facts(
        self, request: EmojifyRequest, places: Sequence[int], taken: int
    ) -> dict[str, str]:
        """Return which of several pictures are left out, and how to ask for them."""
        names = [one.name or address_of(one, self.vault) for one in request.sources]
        missing = [
            NotPosted("", place + 1, "" if names.count(name) > 1 else name)
            for place, name in enumerate(names)
            if place in places
        ]
        others = "the other one is on its" if taken == 1 else "the others are on their"
        on_way = f"; {others} way" if taken else ""
        facts = {"left": f" for {names_of(missing)}, which I left out{on_way}"}
        if request.entrypoint in {Entrypoint.MENTION, Entrypoint.DIRECT_MESSAGE}:
            facts["again"] = "use *Emojify faces* on your message"
        return facts

    @property
    def help_facts(self) -> dict[str, str]:
        """Return what the help names."""
        return {"themes": ", ".join(f"`{theme}`" for theme in self.themes)}

    def names(self, body: Payload, context: BoltContext) -> dict[str, str]:
        """Return what the command and the bot are called where a request comes from."""
        return {
            "command": str(body.get("command") or self.command),
            "bot": mention_of(context.bot_user_id or ""),
        }

    def seal(self, secret: str | None) -> str:
        """Return a secret as it may be stored; empty for none."""
        return self.vault.seal(secret) if secret else ""

    def asker_of(self, body: Payload, context: BoltContext) -> EmojifyRequest:
        """Return who pressed a button, as a request that can be answered."""
        container = body.get("container") or {}
        message = body.get("message") or {}
        thread_ts = message.get("thread_ts") or container.get("thread_ts") or ""
        return EmojifyRequest(
            workspace=workspace_of(context, body),
            entrypoint=Entrypoint.TRY_ANOTHER,
            user_id=context.user_id or "",
            channel_id=context.channel_id or container.get("channel_id") or "",
            source=NO_PICTURE,
            thread_ts=thread_ts,
            sealed_response_url=self.seal(body.get("response_url")),
            button_ts=str(container.get("message_ts") or message.get("ts") or ""),
        )

    def notify(self, request: EmojifyRequest, kind: str, **facts: str) -> None:
        """Send a message to the asker, after the acknowledgement."""

        def task() -> None:
            try:
                self.sink.notify(request, Outcome(kind, facts))
            except EmojifierError as error:
                failed = {"action": "notify", "outcome": kind, "error": error.kind}
                failed["workspace"] = request.workspace.id
                logger.warning("An answer was not delivered", extra=failed)

        self.notifications.submit("notify", request.workspace.id, task)

    def run_later(
        self, request: EmojifyRequest, action: str, task: Callable[[], None]
    ) -> None:
        """Run what calls Slack after the acknowledgement; notify of a failure."""

        def notifying() -> None:
            try:
                task()
            except EmojifierError as error:
                failed = {"action": action, "error": error.kind}
                failed["workspace"] = request.workspace.id
                logger.warning("A task for a user failed", extra=failed)
                self.notify(request, error.kind)

        if not self.background.submit(action, request.workspace.id, notifying):
            self.notify(request, ErrorKind.BUSY)

    def close(self) -> None:
        """Finish what waits for Slack."""
        self.background.close()
        self.notifications.close()


def digest(*words: str) -> str:
    """Return what tells words apart without repeating them; keys are logged."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:DIGEST_CHARACTERS]


def _asker(request: EmojifyRequest) -> tuple[Workspace, str]:
    return request.workspace, request.user_id


def _accepted(request: EmojifyRequest) -> Outcome:
    """Return the acknowledgement: where the results will be."""
    kind = OutcomeKind.ACCEPTED
    if may_be_between_people(request):
        kind = OutcomeKind.ACCEPTED_DIRECT
    if request.private:
        kind = OutcomeKind.ACCEPTED_PRIVATE
    if request.preview:
        kind = OutcomeKind.ACCEPTED_PREVIEW
    if request.entrypoint is Entrypoint.WHY:
        kind = OutcomeKind.ACCEPTED_WHY
    facts = {"results": "the results"} if request.further else {}
    if request.thread_ts:
        facts["place"] = "the thread of that message"
    return Outcome(kind, facts)


def duration(seconds: float) -> str:
    """Return a time in words, rounded up: ``"1 second"``, ``"3 minutes"``."""
    count, unit = max(math.ceil(seconds), 1), "second"
    for longer, length in (("hour", 3600), ("minute", 60)):
        if count > length:
            count, unit = math.ceil(count / length), longer
            break
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
