"""The crash harness in short, and that it notices what it is there to notice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.crash import figures
from tests.crash.figures import BEGIN, END, KILLS, Figures
from tests.crash.ledger import judge
from tests.crash.points import (
    AFTER,
    ALL_POINTS,
    BEFORE,
    ENQUEUE,
    JOB_END,
    SLACK_CALLS,
    KillPoints,
    commit_point,
    slack_point,
)
from tests.crash.round import Plan, Round, staged
from tests.crash.slack import KillingSlack
from tests.crash.users import Users, small_face
from tests.fakes.slack.posting import post_files

JOBS = 20
#: Of the commits, those around what can be posted once only. The first is reached by
#: the first request, the second by the first job that ends; how many of the others
#: are reached before all jobs have ended is up to the machine.
DECISIVE = (ENQUEUE, JOB_END, "resolve", "fetch", "prepare", "complete", "share")


@pytest.mark.parametrize(
    ("acknowledged", "unanswered", "posted", "told", "broken"),
    [
        ("", "", "", "", ""),
        ("ab", "", "ab", "", ""),
        ("ab", "", "a", "b", ""),
        ("ab", "", "a", "bb", ""),
        ("a", "b", "a", "", ""),
        ("a", "b", "ab", "", ""),
        ("ab", "", "a", "", "lost"),
        ("ab", "", "", "b", "lost"),
        ("a", "", "aa", "", "twice"),
        ("a", "b", "abb", "", "twice"),
        ("a", "", "a", "a", "both"),
        ("a", "", "ac", "", "strange"),
        ("a", "", "a", "c", "strange"),
    ],
)
def test_a_ledger_is_judged(acknowledged, unanswered, posted, told, broken):
    verdict = judge(set(acknowledged), set(unanswered), posted, told)

    kinds = ("lost", "twice", "both", "strange")
    assert [kind for kind in kinds if getattr(verdict, kind)] == [broken] * bool(broken)
    assert verdict.is_clean == (not broken)


def test_what_slack_shows_twice_and_what_it_does_not_show_is_noticed(tmp_path):
    with KillingSlack(KillPoints(tmp_path)) as slack:
        home = slack.add_workspace("Acme")
        channel = slack.add_channel(home, "all").channel_id
        users = Users(slack, "http://127.0.0.1:1")
        users.acknowledged |= {"p00001", "p00002", "p00003"}
        for name in ("p00001", "p00003", "p00003"):
            result = [(f"{name}.emojified.jpg", small_face())]
            post_files(slack.world, home.bot_user_id, channel, result)

        found = Figures("sqlite", KILLS, asked=3, acknowledged=3)
        found.take(users.verdict())

    assert (found.lost, found.twice) == (["p00002"], ["p00003"])
    assert not found.is_clean


@pytest.mark.parametrize(
    "fields",
    [
        {"takeovers": [61.0]},
        {"drains": [31.0]},
        {"surprises": ["worker: 1"]},
        {"problems": {"token_leak": 1}},
        {"unfinished": 1},
        {"asked": 1},
    ],
)
def test_every_promise_counts(fields):
    assert Figures("sqlite", KILLS).is_clean
    assert not Figures("sqlite", KILLS, **fields).is_clean


def test_rounds_are_kept_and_written_between_the_marks(tmp_path):
    page, file = tmp_path / "page.md", tmp_path / "build" / "rounds.jsonl"
    page.write_text(f"before\n{BEGIN}\noutdated\n{END}\nafter\n")
    kills = {ALL_POINTS[0]: 3}
    figures.append(file, Figures("sqlite", KILLS, kills=kills, takeovers=[21.5]))
    figures.append(file, Figures("postgres", "disk full", bit="4 requests not taken"))

    figures.write(page, figures.read(file))

    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "outdated" not in text
    assert f"| {ALL_POINTS[0]} | 3 | 0 |" in text
    assert "| 21.5 / 21.5 | – |" in text
    assert "| disk full | PostgreSQL | 1 | 0 | 0 | 0 | 4 requests not taken |" in text


def test_a_page_without_marks_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("words\n")

    with pytest.raises(ValueError, match="has no lines"):
        figures.write(page, [])

    assert page.read_text() == "words\n"


@pytest.mark.parametrize(
    ("database", "points"),
    [
        (
            "sqlite",
            [commit_point(name, BEFORE) for name in DECISIVE]
            + [
                slack_point(call, BEFORE)
                for call in dict.fromkeys(SLACK_CALLS.values())
            ],
        ),
        (
            "postgres",
            [commit_point(name, AFTER) for name in (ENQUEUE, JOB_END, "complete")],
        ),
    ],
    ids=["sqlite", "postgres"],
)
def test_whoever_is_killed_wherever_nothing_is_lost_or_posted_twice(
    database, points, request, tmp_path
):
    url = request.getfixturevalue(f"{database}_url")
    plan = Plan(
        database,
        JOBS,
        points,
        workers=3,
        left_dead=0.0,
        drain=True,
        hurry=True,
        kill_seconds=0.0,
    )

    with staged(url, tmp_path, hurry=True) as stage:
        found = Round(plan, stage, Figures(database, KILLS)).run()

    # How fast it was is a matter of the machine; `make crash` measures it.
    assert replace(found, takeovers=[], drains=[]).is_clean, found
    assert set(points[:2]) <= set(found.kills)
