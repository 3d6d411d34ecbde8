"""What a worker has only so much of, and how workspaces share it.

One workspace has half of everything at most, whatever it asks for: pictures that come
drop by drop, or take the longest that is allowed, hold up nobody else.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Condition, Lock

from emojifier_bot.domain import EmojifiedPicture, FetchedImage

#: Of each, for each picture that one workspace may have emojified at the same time.
#: Files that are fetched, each in memory until it has a place as a picture;
FETCHES = 4
#: pictures in memory: others are sent while one is emojified;
PICTURES = 4
#: pictures that are emojified.
PIPELINES = 2
#: Bytes of large files until they are emojified: two of the largest;
SOURCE_BYTES = 60_000_000
#: and of large results until they are sent: one of the largest.
RESULT_BYTES = 100_000_000
#: Results that wait for another try to send them, all in all.
MOST_KEPT_BYTES = 64_000_000


class FairPlaces:
    """So many places, or bytes; one workspace has half at most. Threads share it."""

    def __init__(self, places: int) -> None:
        self._places, self._share = places, max(places // 2, 1)
        self._changed = Condition()
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, workspace_id: str, places: int = 1) -> Iterator[None]:
        """Wait for places, all that one workspace may have at most, and have them."""
        places = min(places, self._share)
        with self._changed:
            self._changed.wait_for(lambda: self._are_free_for(workspace_id, places))
            self._taken[workspace_id] += places
        try:
            yield
        finally:
            with self._changed:
                self._taken[workspace_id] -= places
                self._taken = +self._taken  # without those that have none
                self._changed.notify_all()

    def _are_free_for(self, workspace_id: str, places: int) -> bool:
        fits = self._taken.total() + places <= self._places
        return fits and self._taken[workspace_id] + places <= self._share


class ConcurrencyLimits:
    """How many files a worker fetches, holds and emojifies at the same time."""

    def __init__(self, concurrency: int) -> None:
        """Let one workspace have ``concurrency`` pictures emojified at a time."""
        self.fetches = FairPlaces(concurrency * FETCHES)
        self.pictures = FairPlaces(concurrency * PICTURES)
        self.pipelines = FairPlaces(concurrency * PIPELINES)
        self.source_bytes = FairPlaces(concurrency * SOURCE_BYTES)
        self.result_bytes = FairPlaces(concurrency * RESULT_BYTES)


class Hand(ExitStack):
    """A picture and its places, from one step of its job to the next.

    In memory alone. The record of the step that took them says that the picture was in
    hand: should the worker die from here on, it may be why.
    """

    def __init__(self) -> None:
        super().__init__()
        #: The place that it has while it is emojified, and room for its file.
        self.pipeline = self.enter_context(ExitStack())
        self.image: FetchedImage | None = None
        #: Of an earlier try of the job: the name of the source, and the result.
        self.kept: tuple[str, EmojifiedPicture] | None = None

    def take_image(self) -> FetchedImage:
        """Return the picture, and hold it no longer."""
        image, self.image = self.image, None
        assert image is not None  # noqa: S101 - the step before fetched it
        return image


class KeptResults:
    """Results whose upload failed, for the next try; the oldest are dropped first."""

    def __init__(self, most_bytes: int = MOST_KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[str, EmojifiedPicture]] = OrderedDict()

    def keep(self, job_id: str, name: str, picture: EmojifiedPicture) -> None:
        """Keep a job's result and the name of its source for a while."""
        with self._lock:
            self._kept[job_id] = name, picture
            while sum(len(one.data) for _, one in self._kept.values()) > (
                self._most_bytes
            ):
                self._kept.popitem(last=False)

    def take(self, job_id: str) -> tuple[str, EmojifiedPicture] | None:
        """Return what was kept of a job, None for nothing, and keep it no longer."""
        with self._lock:
            return self._kept.pop(job_id, None)
