from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from emojifier_bot import errors
from emojifier_bot.jobs.step_runner import (
    ASKED_JITTER_TO,
    BUDGET_SECONDS,
    LONGEST_WAIT_SECONDS,
    MAX_ATTEMPTS,
    Backoff,
    Failure,
    JobFailedError,
    failure_of,
    may_have_happened,
)

AGAIN = Failure("timeout", retryable=True)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.ImageError("…"), Failure("image", ours=False)),
        (errors.ImageError("…", kind="too_large"), Failure("too_large", ours=False)),
        (errors.FetchError("…", kind="gone"), Failure("gone", ours=False)),
        (errors.FetchError("…", retryable=True), Failure("fetch", retryable=True)),
        (errors.DeliveryError("…", kind="no"), Failure("no", ours=False)),
        (
            errors.DeliveryError(
                "…", kind="ratelimited", retryable=True, retry_after_seconds=3
            ),
            Failure("ratelimited", retryable=True, retry_after_seconds=3),
        ),
        (errors.BackendError("…"), Failure("backend")),
        (errors.ModelFileError("…"), Failure("model_file")),
        (errors.InferenceError("…"), Failure("inference")),
        (errors.VaultError("…"), Failure("vault")),
        (errors.ThemeError("…"), Failure("theme")),
        (errors.StoreError("…"), Failure("store", retryable=True)),
        (
            OperationalError("SELECT 1", {}, Exception("away")),
            Failure("database", retryable=True),
        ),
        (ZeroDivisionError("a mistake"), Failure("unexpected")),
    ],
    ids=repr,
)
def test_errors_are_sorted_by_type(error, expected):
    assert failure_of(error) == expected


def waits(failure, attempts, seed="", stretch=1.0):
    """Return the waits after so many tries that failed in the same way."""
    backoff = Backoff(seed, stretch)
    return [backoff.next_wait_seconds(failure) for _ in range(attempts)]


@pytest.mark.parametrize(
    ("failure", "attempt", "least", "most"),
    [
        (AGAIN, 1, 0.5, 1),
        (AGAIN, 2, 1, 2),
        (AGAIN, 3, 2, 4),
        (AGAIN, MAX_ATTEMPTS - 1, 30, 60),
        (Failure("ratelimited", True, 30), 1, 30, 33),
        (Failure("ratelimited", True, 30), MAX_ATTEMPTS - 1, 30, 33),
        (Failure("ratelimited", True, 0), 1, 1, 1.1),
    ],
)
def test_waits_grow_and_never_fall_below_what_was_asked(failure, attempt, least, most):
    for seed in range(50):
        assert least <= waits(failure, attempt, str(seed))[-1] <= most


def test_only_waits_that_nobody_asked_for_are_stretched():
    assert waits(AGAIN, 1, stretch=0.01)[0] <= 0.01
    assert waits(Failure("ratelimited", True, 30), 1, stretch=0.01)[0] >= 30


@pytest.mark.parametrize(
    ("failure", "attempts"),
    [
        (Failure("gone"), 0),
        (Failure("gone", ours=False), 0),
        (Failure("gone", retryable=False, retry_after_seconds=1), 0),
        (AGAIN, MAX_ATTEMPTS - 1),
        (Failure("ratelimited", True, BUDGET_SECONDS + 1), 0),
        (Failure("ratelimited", True, 0.4 * BUDGET_SECONDS), 2),
    ],
)
def test_after_so_many_waits_it_is_given_up(failure, attempts):
    waits(failure, attempts)
    with pytest.raises(JobFailedError) as caught:
        waits(failure, attempts + 1)

    assert caught.value.failure == failure


@given(asked=st.none() | st.floats(0, BUDGET_SECONDS), seed=st.text())
def test_the_same_seed_gives_the_same_waits_within_the_budget(asked, seed):
    failure = Failure("x", retryable=True, retry_after_seconds=asked)

    def all_waits():
        backoff, found = Backoff(seed), []
        with suppress(JobFailedError):
            while True:
                found.append(backoff.next_wait_seconds(failure))
        return found

    found = all_waits()
    assert found == all_waits()
    assert sum(found) <= BUDGET_SECONDS
    longest = max(LONGEST_WAIT_SECONDS, (asked or 0) * ASKED_JITTER_TO)
    assert all((asked or 0) <= one <= longest for one in found)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure("not_in_channel", ours=False), False),
        (Failure("ratelimited", retryable=True, retry_after_seconds=1), False),
        (Failure("slack_unreachable", retryable=True), True),
        (Failure("fatal_error", ours=False), True),
        (Failure("internal_error", retryable=True), True),
    ],
    ids=repr,
)
def test_what_got_lost_may_have_happened(failure, expected):
    assert may_have_happened(failure) is expected


def test_a_failure_comes_back_from_its_record():
    failure = Failure("ratelimited", True, 1.5, ours=False)

    assert Failure.from_dict(json.loads(json.dumps(asdict(failure)))) == failure


def test_a_failure_of_a_newer_version_is_read():
    recorded = asdict(Failure("timeout", retryable=True)) | {"added": 1}

    assert Failure.from_dict(recorded) == Failure("timeout", retryable=True)
