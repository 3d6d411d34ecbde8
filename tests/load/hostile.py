"""One workspace at its worst: what others notice of it, and what it costs.

Minutes in which the others are alone alternate with minutes of attack, so that whatever
else the machine does falls on both alike.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from emojifier_bot.clock import SystemClock
from emojifier_bot.config import load_settings
from emojifier_bot.domain import JobState
from emojifier_bot.jobs.queue import DbosJobQueue
from tests.fakes.slack import SlackServer
from tests.load.agreement import ENDED
from tests.load.ledger import Ledger
from tests.load.processes import RunningBot, running_bot
from tests.load.report import share_of
from tests.load.run import RUNNING, WAITING
from tests.load.traffic import Traffic
from tests.load.tricks import Tricks
from tests.threads import repeated

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- hour: begin -->\n", "<!-- hour: end -->\n"
ALONE, ATTACKED = "alone", "attacked"
#: Workspaces that ask as ever, a request every so many seconds from one of them.
OTHERS, EVERY_SECONDS = 3, 2.5
ALONE_SECONDS, ATTACK_SECONDS = 45.0, 90.0
#: At most, until the bot has done what was asked during an attack; connections that it
#: closes by itself are gone by then, too.
SETTLE_SECONDS, CLOSED_SECONDS = 90.0, 45.0
LOOK_SECONDS = 0.5
MOST_QUEUED = 10_000
#: Others wait so many times as long at most.
MOST_TIMES_AS_LONG = 2.0
#: What takes less seems to happen at once, however many times as long it takes.
AT_ONCE_SECONDS = 0.1
#: Of each process, resident, in MB.
MOST_MB = 600.0
MOST_MORE_FILES = 3
#: What a process of the bot runs, and what it is called.
ROLES = {
    "picture_child:main": "picture process",
    "sandbox.child:main_of_clips": "decoder of clips",
    "sandbox.child:main": "decoder",
}
PERCENT = (50, 95)


@dataclass
class Side:
    """What the others saw in one kind of minute."""

    acknowledged_seconds: list[float] = field(default_factory=list)
    #: Until the result was shown.
    waited_seconds: list[float] = field(default_factory=list)
    #: Requests that failed, that were asked to come again, and without a result.
    refused: int = 0
    turned_away: int = 0
    missing: int = 0
    titles: list[str] = field(default_factory=list)


@dataclass
class Findings:
    """What a run showed."""

    minutes: float
    attack_seconds: float = 0.0
    sides: dict[str, Side] = field(
        default_factory=lambda: {ALONE: Side(), ATTACKED: Side()}
    )
    #: The most resident memory of any process of a role, in MB.
    peaks_mb: dict[str, float] = field(default_factory=dict)
    #: Open files of each process, before and after each attack.
    files: dict[str, list[int]] = field(default_factory=dict)
    #: What the attacker did and how the bot's jobs ended.
    tricks: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    #: Results of others that somebody deleted.
    deleted: int = 0


class HostileRun:
    """A fake Slack, a bot, people who ask as ever, and a workspace at its worst."""

    def __init__(
        self, slack: SlackServer, bot: RunningBot, tricks: Tricks, traffic: Traffic
    ) -> None:
        self._slack, self._bot = slack, bot
        self._tricks, self._traffic = tricks, traffic
        self._ledger = Ledger(slack)

    def run(self, minutes: float, url: str, say: Callable[[str], None]) -> Findings:
        found, began = Findings(minutes), time.monotonic()
        note_peaks = partial(self._note_peaks, found)
        with self._ledger.keeping(), repeated(note_peaks, LOOK_SECONDS):
            self._traffic.steady(1.0, 10.0)  # models are loaded
            self._settle(url)
            while time.monotonic() - began < minutes * 60:
                self._ask(found.sides[ALONE], ALONE_SECONDS)
                self._count_files(found)
                attack_began = time.monotonic()
                with self._tricks.played():
                    self._ask(found.sides[ATTACKED], ATTACK_SECONDS)
                found.attack_seconds += time.monotonic() - attack_began
                self._settle(url)
                self._conclude(found)
                say("\n".join(_times(found)))
            time.sleep(CLOSED_SECONDS)
            self._count_files(found)
        self._conclude(found)
        return found

    def _ask(self, side: Side, seconds: float) -> None:
        traffic, since = self._traffic, time.time()
        acknowledged = len(traffic.acknowledged_seconds)
        refused, turned_away = traffic.refused, traffic.turned_away
        traffic.steady(1 / EVERY_SECONDS, seconds)
        side.acknowledged_seconds += traffic.acknowledged_seconds[acknowledged:]
        side.refused += traffic.refused - refused
        side.turned_away += traffic.turned_away - turned_away
        side.titles += [
            title for title, asked in traffic.asked_at.items() if asked >= since
        ]

    def _settle(self, url: str) -> None:
        """Wait until the others are alone; what is not begun by now is cancelled."""
        queue = DbosJobQueue(
            url, load_settings().queue_limit, SystemClock(), make_tables=False
        )
        for job in queue.list(JobState.QUEUED, MOST_QUEUED):
            if job.request.workspace.team_id == self._tricks.team_id:
                queue.cancel(job.job_id)
        queue.close()
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            figures = self._bot.web.figures()
            if not figures[WAITING, ()] + figures[RUNNING, ()]:
                return
            time.sleep(LOOK_SECONDS)

    def _count_files(self, found: Findings) -> None:
        # Connections to the database are kept, up to a number.
        for one in self._bot.processes:
            found.files.setdefault(one.name, []).append(one.count_files())

    def _note_peaks(self, found: Findings) -> None:
        for name, peak_mb in self._bot.peaks_mb(ROLES):
            found.peaks_mb[name] = max(peak_mb, found.peaks_mb.get(name, 0.0))

    def _conclude(self, found: Findings) -> None:
        self._ledger.look()
        shown, asked = self._ledger.shown_at, self._traffic.asked_at
        for side in found.sides.values():
            side.waited_seconds = [
                shown[title] - asked[title] for title in side.titles if title in shown
            ]
            side.missing = len(side.titles) - len(side.waited_seconds)
        with self._slack.world.lock:
            files = list(self._slack.world.files.values())
        found.deleted = sum(one.deleted and one.title in asked for one in files)
        found.tricks = Counter(self._tricks.done)
        found.outcomes = Counter()
        for (name, labels), value in self._bot.figures().items():
            if name == ENDED:
                found.outcomes[dict(labels)["outcome"]] += round(value)
        lines = [line for one in self._bot.workers for line in one.lines()]
        found.deaths = Counter(
            f"{line['action']}: {line['cause']}" for line in lines if "cause" in line
        )
        found.problems = [
            f"{one.kind} {one.method}: {one.what}" for one in self._slack.problems
        ]


def run_hostile(
    minutes: float, url: str, folder: Path, say: Callable[[str], None]
) -> Findings:
    """Run the bot with the limits that it has by default, and attack it."""
    with ExitStack() as stack:
        slack = stack.enter_context(SlackServer())
        server = stack.enter_context(Tricks.served())
        bot = stack.enter_context(
            running_bot(
                slack,
                url,
                folder,
                1,
                **_default_limits(),
                FETCH_ALLOW_HOSTS=f"{slack.website.host},{server.host}",
            )
        )
        traffic = Traffic(slack, bot.url, workspaces=OTHERS + 1)
        traffic.install()
        hostile = traffic.seats.pop()
        tricks = Tricks(
            slack, bot.url, hostile, traffic.seats[0].channel_id, server=server
        )
        return HostileRun(slack, bot, tricks, traffic).run(minutes, url, say)


def _default_limits() -> dict[str, str]:
    settings = load_settings()
    return {
        f"EMOJIFIER_{name.upper()}": str(getattr(settings, name))
        for name in ("user_per_minute", "workspace_per_hour", "workspace_per_day")
    }


def complaints(found: Findings) -> list[str]:
    """Return what is not as it should be, a sentence each."""
    return [*_slow(found), *_large(found), *found.problems]


def _slow(found: Findings) -> Iterator[str]:
    alone, attacked = found.sides[ALONE], found.sides[ATTACKED]
    for what in ("acknowledged_seconds", "waited_seconds"):
        for percent in PERCENT:
            before, after = (
                share_of(getattr(side, what), percent) for side in (alone, attacked)
            )
            if after > max(MOST_TIMES_AS_LONG * before, AT_ONCE_SECONDS):
                yield f"{what}: {after:.3f} instead of {before:.3f} at {percent} %"
    for name, side in found.sides.items():
        if side.missing or side.refused:
            yield f"{name}: {side.missing} without a result, {side.refused} refused"
    if found.deleted:
        yield f"{found.deleted} results of others were deleted"


def _large(found: Findings) -> Iterator[str]:
    for name, peak_mb in found.peaks_mb.items():
        if peak_mb > MOST_MB:
            yield f"{name}: {peak_mb:.0f} MB"
    for name, (_, first, *more) in found.files.items():
        if more and more[-1] > first + MOST_MORE_FILES:
            yield f"{name}: {more[-1]} open files instead of {first}"


def table(found: Findings) -> str:
    """Return what a run showed in Markdown."""
    bad = complaints(found)
    attack = found.attack_seconds / 60
    return "\n".join(
        [
            f"{found.minutes:g} minutes, {attack:.0f} of them under attack.",
            "",
            "Everything held." if not bad else "Not held: " + "; ".join(bad) + ".",
            "",
            *_times(found),
            "",
            "| | most memory, MB |",
            "|---|--:|",
            *(f"| {name} | {mb:.0f} |" for name, mb in sorted(found.peaks_mb.items())),
            "",
            "| Open files | before | after the first attack | after the last |",
            "|---|--:|--:|--:|",
            *(
                f"| {name} | {files[0]} | {files[1]} | {files[-1]} |"
                for name, files in found.files.items()
            ),
            "",
            "| What the attacker did | times |",
            "|---|--:|",
            *(f"| {name} | {count} |" for name, count in sorted(found.tricks.items())),
            "",
            "How all jobs ended: " + _counts(found.outcomes) + ".",
            "",
            "Processes that ended early: " + _counts(found.deaths) + ".",
            "",
        ]
    )


def _times(found: Findings) -> Iterator[str]:
    sides = found.sides
    yield "| Others, seconds | alone | attacked | times |"
    yield "|---|--:|--:|--:|"
    for what, words in (
        ("acknowledged_seconds", "until acknowledged"),
        ("waited_seconds", "until the picture is shown"),
    ):
        for percent in PERCENT:
            one, two = (share_of(getattr(sides[s], what), percent) for s in sides)
            times = two / one if one else 0.0
            yield f"| {words}, {percent} % | {one:.3f} | {two:.3f} | {times:.2f} |"
    counts = (len(side.acknowledged_seconds) for side in sides.values())
    yield "| requests | " + " | ".join(map(str, counts)) + " | |"
    for name in ("refused", "turned_away", "missing"):
        counts = (getattr(side, name) for side in sides.values())
        yield f"| {name.replace('_', ' ')} | " + " | ".join(map(str, counts)) + " | |"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common()) or "no"
