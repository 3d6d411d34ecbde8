"""What Slack's description of a file says about its being shown."""

from __future__ import annotations

import pytest

from emojifier_bot.domain import Share, ShareState
from emojifier_bot.slack.shares import share_of, shares_in

PUBLIC = {"public": {"C1": [{"ts": "1.2"}]}}


@pytest.mark.parametrize(
    ("file", "share"),
    [
        ({}, Share(ShareState.PENDING)),
        ({"shares": {}, "mimetype": ""}, Share(ShareState.PENDING)),
        ({"shares": None, "channels": None}, Share(ShareState.PENDING)),
        ({"shares": PUBLIC}, Share(ShareState.SHARED, "1.2")),
        (
            {"shares": {"private": {"C1": [{"ts": "1.2", "thread_ts": "1.0"}]}}},
            Share(ShareState.SHARED, "1.2", "1.0"),
        ),
        (
            {"shares": {"public": {"C1": [{"ts": "1.4"}, {"ts": "1.2"}]}}},
            Share(ShareState.SHARED, "1.2"),
        ),
        ({"shares": {"public": {"C2": [{"ts": "1.2"}]}}}, Share(ShareState.PENDING)),
        ({"shares": {"public": {"C1": []}}}, Share(ShareState.PENDING)),
        ({"groups": ["C1"]}, Share(ShareState.SHARED)),
        ({"ims": ["C1"]}, Share(ShareState.SHARED)),
        ({"mode": "tombstone", "shares": PUBLIC}, Share(ShareState.DELETED)),
    ],
)
def test_where_a_file_is_shown(file, share):
    assert share_of(file, "C1") == share


def test_every_message_that_shows_it_counts():
    file = {"shares": PUBLIC | {"private": {"C1": [{"ts": "3"}]}}}
    assert [one["ts"] for one in shares_in(file, "C1")] == ["1.2", "3"]
