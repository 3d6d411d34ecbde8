from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from emojifier_bot.domain import EmojifiedPicture
from emojifier_bot.jobs.places import ConcurrencyLimits, FairPlaces, KeptResults
from tests.threads import PATIENCE_SECONDS, wait_until


def is_free(places: FairPlaces, holder: str) -> bool:
    """Return whether a place can be had: at once where it should be."""
    got = threading.Event()
    with places._changed:
        should_be = places._are_free_for(holder, 1)

    def take() -> None:
        with places.taken(holder):
            got.set()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS if should_be else 0.3)
    return got.is_set()


@pytest.mark.parametrize("name", ["fetches", "pictures", "pipelines"])
@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_one_workspace_has_half_of_everything_scarce(name, concurrency):
    places = getattr(ConcurrencyLimits(concurrency), name)
    with ExitStack() as taken:
        while is_free(places, "T1"):
            taken.enter_context(places.taken("T1"))
        held = places._taken["T1"]

        assert held * 2 == places._places
        for _ in range(held):
            assert is_free(places, "T2")
            taken.enter_context(places.taken("T2"))
        assert not is_free(places, "T3")
    # Those who waited above may have theirs for a moment now.
    wait_until(lambda: is_free(places, "T3"))


def test_nobody_is_remembered():
    places = FairPlaces(2)
    for number in range(9):
        with places.taken(f"T{number}"):
            pass

    assert not places._taken


@pytest.mark.parametrize(("most", "places"), [(4, 3), (4, 9), (40, 20)])
def test_who_asks_for_much_waits_until_it_fits(most, places):
    """Whoever asks for more than a workspace may have has all of that."""
    shared = FairPlaces(most)
    with shared.taken("T1"), ExitStack() as taken:
        taker = threading.Thread(
            target=lambda: taken.enter_context(shared.taken("T1", places)), daemon=True
        )
        taker.start()
        taker.join(0.3)
        assert shared._taken == {"T1": 1}
        assert is_free(shared, "T2")
    taker.join(PATIENCE_SECONDS)
    assert shared._taken == {"T1": min(places, most // 2)}


def picture(length: int) -> EmojifiedPicture:
    return EmojifiedPicture(b"x" * length, "PNG", "", (), "local", {})


def test_results_are_kept_for_one_try_and_the_oldest_are_dropped():
    kept = KeptResults(most_bytes=10)
    for name, length in (("a", 4), ("b", 4), ("c", 4), ("d", 11)):
        kept.keep(name, name, picture(length))

    assert kept.take("a") is None
    assert kept.take("d") is None
    kept.keep("e", "party", picture(5))
    name, found = kept.take("e")
    assert (name, len(found.data)) == ("party", 5)
    assert kept.take("e") is None
