"""The page on scaling names the numbers that the code has."""

from __future__ import annotations

from pathlib import Path

from emojifier_bot.config import Settings
from emojifier_bot.db import engine as database
from emojifier_bot.jobs import queue, queue_listener, worker

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text("utf-8")


def test_connections_are_counted_right():
    stores = database.CONNECTIONS + database.MORE_CONNECTIONS
    jobs, listeners = worker.CONNECTIONS, worker.LISTENERS
    most = jobs + listeners + stores
    # The patient stores, and those of the listeners, who hurry.
    web = queue.CONNECTIONS + 2 * stores

    assert (
        f"at most {most}: jobs {jobs}, listeners {listeners}, stores {stores}" in PAGE
    )
    assert f"A web process: at most {web}" in PAGE
    assert f"{most} for each worker, {web} for each web process" in PAGE
    assert f"5 × {most} + 2 × {web} = {5 * most + 2 * web} at most" in PAGE


def test_parts_are_told_right():
    words = {2: "half", 4: "quarter", 10: "tenth", 16: "sixteen"}

    assert f"takes {words[worker.JOBS_PER_PIPELINE]} jobs for each picture" in PAGE
    assert f"has a {words[worker.WORKSPACE_PART]} of each worker" in PAGE
    assert f"less than a {words[queue.SMALL_PART]}" in PAGE
    assert f"a {words[queue.RESERVED_PART]} is kept" in " ".join(PAGE.split())
    assert f"every {queue_listener.IDLE_POLL_SECONDS:.0f} seconds besides" in PAGE
    assert f"A limit of {Settings().queue_limit:,} is" in PAGE


def test_the_script_finds_its_place():
    script = (ROOT / "scripts" / "throughput.py").read_text("utf-8")

    for mark in ("<!-- throughput -->", "<!-- end of throughput -->"):
        assert mark in script
        assert PAGE.count(mark) == 1
