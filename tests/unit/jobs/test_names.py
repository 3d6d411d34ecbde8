from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.domain import Workspace
from emojifier_bot.jobs.names import (
    child_job_id,
    job_id_for,
    partition_of,
    surprise_seed,
)


@given(st.text(), st.text())
def test_a_key_has_one_id(key, other):
    job_id = job_id_for(key)

    assert len(job_id) == 32
    assert int(job_id, 16) >= 0
    assert (job_id == job_id_for(other)) == (key == other)


def test_ids_do_not_change_between_versions():
    assert job_id_for("key") == "2c70e12b7a0646f92279f427c7b38e73"


def test_further_pictures_have_ids_of_their_own():
    parent = job_id_for("key")

    assert len({parent, child_job_id(parent, 1), child_job_id(parent, 2)}) == 3


@pytest.mark.parametrize(
    ("workspace", "expected"),
    [
        (Workspace("T1"), "-/T1"),
        (Workspace("T1", "E1"), "E1/T1"),
        (Workspace("", "E1", is_org_install=True), "E1/"),
    ],
)
def test_each_workspace_has_its_part_of_the_queue(workspace, expected):
    assert partition_of(workspace) == expected


def test_each_press_is_another_surprise():
    seeds = {surprise_seed("a", 0), surprise_seed("a", 1), surprise_seed("b", 1)}

    assert len(seeds) == 3
    assert surprise_seed("a", 1) == surprise_seed("a", 1)
