"""Figures for Prometheus: how fast Slack is answered, how much waits, who installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emojifier_bot.errors import EmojifierError

#: Around the 200 ms that we promise and the 3 s that Slack waits.
ANSWER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 3)


class Metrics:
    """The figures of one web process."""

    def __init__(
        self, queue_depth: Callable[[], int], installations: Callable[[], int]
    ) -> None:
        """Register what is counted here and what is asked when somebody looks.

        Args:
            queue_depth: Jobs that wait for a worker.
            installations: Workspaces and organisations that use the bot.
        """
        self._registry = CollectorRegistry()
        self._answers = Histogram(
            "emojifier_slack_answer_seconds",
            "Time until Slack had its answer",
            ["kind"],
            buckets=ANSWER_SECONDS,
            registry=self._registry,
        )
        self._refusals = Counter(
            "emojifier_slack_refused",
            "Requests that were not Slack's, or broken",
            ["status"],
            registry=self._registry,
        )
        gauges = {
            "emojifier_jobs_waiting": ("Jobs that wait for a worker", queue_depth),
            "emojifier_installations": ("Installations of the bot", installations),
        }
        self._registry.register(_Asked(gauges))

    @contextmanager
    def answering(self, kind: str) -> Iterator[None]:
        """Measure how long one request takes."""
        began = perf_counter()
        try:
            yield
        finally:
            self._answers.labels(kind).observe(perf_counter() - began)

    def refuse(self, status: int) -> None:
        """Count a request that was refused."""
        self._refusals.labels(str(status)).inc()

    def text(self) -> bytes:
        """Return all of them in Prometheus' own format."""
        return generate_latest(self._registry)


class _Asked(Collector):
    """Gauges whose value is asked for when somebody looks."""

    def __init__(self, gauges: dict[str, tuple[str, Callable[[], int]]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        for name, (text, ask) in self._gauges.items():
            # What cannot be asked now is left out; the rest is worth all the more.
            with suppress(EmojifierError):
                yield GaugeMetricFamily(name, text, value=ask())

    def describe(self) -> list[Metric]:
        # Without it the registry would ask at once to learn the names.
        return [
            GaugeMetricFamily(name, text) for name, (text, _) in self._gauges.items()
        ]
