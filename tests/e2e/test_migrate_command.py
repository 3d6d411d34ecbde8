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
    assert re.fullmatch(rb"The tables have shape \d{4}\.\n", first.stderr)

    refused = run("migrate", "--to", "0001", DATABASE_URL=url)
    assert refused.returncode == WRONG_USAGE
    assert b"--force" in refused.stderr
    assert revision_of(url) == newest

    back = run("migrate", "--to", "0001", "--force", DATABASE_URL=url)
    assert back.returncode == OK, back.stderr
    assert revision_of(url) == "0001"

    assert run("migrate", DATABASE_URL=url).returncode == OK
    assert revision_of(url) == newest


def test_an_unknown_revision_is_refused(run, url):
    run("migrate", DATABASE_URL=url)

    done = run("migrate", "--to", "9999", "--force", DATABASE_URL=url)

    assert done.returncode == FAILED
    assert b"no such revision" in done.stderr
