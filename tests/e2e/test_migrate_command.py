"""Operators take the tables back before they run an older version, and forth again."""

from __future__ import annotations

import re

import pytest

from emojifier_bot.db.migrate import revision_of

OK, FAILED, WRONG_USAGE = 0, 1, 2


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'bot.db'}"


def test_there_and_back_and_there_again(run, url):
    first = run("migrate", DATABASE_URL=url)
    assert first.returncode == OK, first.stderr
    newest = revision_of(url)
    assert re.fullmatch(rb"The tables have schema \d{4}\.\n", first.stderr)

    refused = run("migrate", "--to", "0001", DATABASE_URL=url)
    assert refused.returncode == WRONG_USAGE
    assert b"--force" in refused.stderr
    assert revision_of(url) == newest

    back = run("migrate", "--to", "0001", "--force", DATABASE_URL=url)
    assert back.returncode == OK, back.stderr
    assert revision_of(url) == "0001"

    assert run("migrate", DATABASE_URL=url).returncode == OK
    assert revision_of(url) == newest


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_an_unknown_schema_is_refused_before_anything_is_asked(run, url, force):
    run("migrate", DATABASE_URL=url)

    done = run("migrate", "--to", "9999", *force, DATABASE_URL=url)

    assert done.returncode == WRONG_USAGE
    words = " ".join(done.stderr.decode().split())
    assert "There is no schema 9999: --to. There are `0001`, `0002`, " in words
    assert words.endswith("`base` (no tables) and `-1` (the one before).")


def test_a_newer_schema_is_no_way_back(run, url):
    run("migrate", DATABASE_URL=url)
    run("migrate", "--to", "0001", "--force", DATABASE_URL=url)

    done = run("migrate", "--to", "0002", "--force", DATABASE_URL=url)

    assert done.returncode == FAILED
    assert b"The tables have schema 0001, from which there is no way" in done.stderr


def test_without_tables_nothing_is_taken_back_or_made(run, tmp_path, url):
    done = run("migrate", "--to", "0001", "--force", DATABASE_URL=url)

    assert done.returncode == FAILED
    assert b"has no tables to take back" in done.stderr
    assert list(tmp_path.iterdir()) == []
