"""Figures for Prometheus: what one process counts, and what it asks the database.

Labels take few values: a step, a method of Slack's, an error's kind; never a workspace,
a person or a channel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emojifier_bot.domain import OutcomeKind
from emojifier_bot.errors import EmojifierError
from emojifier_bot.web.facts import installed_version

if TYPE_CHECKING:
    from emojifier_bot.jobs.standing import Standing

#: Around the 200 ms that we promise and the 3 s that Slack waits.
ANSWER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 3)
#: One call of Slack's; we wait for 15 s.
CALL_SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15)
#: A step of a job, or a part of the work on a picture.
STEP_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
#: From the request to the end: a few seconds where nothing waits.
JOB_SECONDS = (1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 900)

#: Kinds that one label may have; Slack invents codes, a disk is finite.
MOST_KINDS = 100
OTHER = "other"
#: What is known from the beginning counts from zero: a rate sees its first time too.
KINDS_OF_REQUEST = ("command", "event", "interaction")
READINGS = SURE, UNSURE = "sure", "unsure"

#: Gauges of the whole queue, by the field of `Standing`; every web process has them.
STANDING = {
    "waiting": ("emojifier_jobs_waiting", "Jobs that wait for a worker"),
    "running": ("emojifier_jobs_running", "Jobs that workers have begun"),
    "oldest_seconds": (
        "emojifier_jobs_oldest_seconds",
        "Age of the job that has waited longest",
    ),
    "stranded": (
        "emojifier_jobs_stranded",
        "Jobs begun in a version of the workflow that no worker runs",
    ),
    "workers": ("emojifier_workers", "Workers that show signs of life"),
}
INSTALLATIONS = ("emojifier_installations", "Workspaces and organisations")


class Metrics:
    """The figures that every process of the bot has; a `SlackObserver`."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        info = Gauge("emojifier_info", "Always 1", ["version"], registry=self.registry)
        info.labels(installed_version()).set(1)
        self._kinds = _Bounded()
        self._calls = Histogram(
            "emojifier_slack_call_seconds",
            "Time that Slack took for a call",
            ["method"],
            buckets=CALL_SECONDS,
            registry=self.registry,
        )
        self._call_errors = Counter(
            "emojifier_slack_errors",
            "Calls that Slack did not do",
            ["method", "error"],
            registry=self.registry,
        )

    def slack_called(self, method: str, seconds: float, error: str) -> None:
        """Note a call and its error's kind, empty where it went well."""
        self._calls.labels(method).observe(seconds)
        if error:
            self._call_errors.labels(method, self._kinds.known(error)).inc()


class WebMetrics(Metrics):
    """The figures of one web process, and of the whole queue."""

    def __init__(
        self, standing: Callable[[], Standing], installations: Callable[[], int]
    ) -> None:
        """Register what is counted here and what is asked when somebody looks.

        Args:
            standing: How the queue stands.
            installations: Workspaces and organisations that use the bot.
        """
        super().__init__()
        self._answers = Histogram(
            "emojifier_slack_answer_seconds",
            "Time until Slack had its answer",
            ["kind"],
            buckets=ANSWER_SECONDS,
            registry=self.registry,
        )
        for kind in KINDS_OF_REQUEST:
            self._answers.labels(kind)
        self._refusals = Counter(
            "emojifier_slack_refused",
            "Requests that were not Slack's, or broken",
            ["status"],
            registry=self.registry,
        )
        names = dict(STANDING.values())
        self.registry.register(_Asked(names, lambda: _by_name(standing())))
        self.registry.register(
            _Asked(dict([INSTALLATIONS]), lambda: {INSTALLATIONS[0]: installations()})
        )

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


class WorkerMetrics(Metrics):
    """The figures of one worker; a `JobObserver`."""

    def __init__(self) -> None:
        """Begin at zero."""
        super().__init__()
        self._steps = self._times(
            "emojifier_step_seconds", "Time of a step of a job", "step"
        )
        self._stages = self._times(
            "emojifier_picture_seconds", "Time of a part of the work", "stage"
        )
        self._retries = Counter(
            "emojifier_step_retries",
            "Steps that failed and are tried again",
            ["step", "kind"],
            registry=self.registry,
        )
        self._faces = Counter(
            "emojifier_faces",
            "Faces that were found, by whether their reading is sure",
            ["reading"],
            registry=self.registry,
        )
        for reading in READINGS:
            self._faces.labels(reading)
        self._ended = Counter(
            "emojifier_jobs",
            "Jobs that ended, by how",
            ["outcome"],
            registry=self.registry,
        )
        self._ended.labels(OutcomeKind.POSTED)
        self._job = Histogram(
            "emojifier_job_seconds",
            "Time from the request to the end of its job",
            buckets=JOB_SECONDS,
            registry=self.registry,
        )

    def step_ended(self, step: str, seconds: float) -> None:
        """Note that a step of a job ran, well or not."""
        self._steps.labels(step).observe(seconds)

    def step_retried(self, step: str, kind: str) -> None:
        """Note that a step failed and will be tried again."""
        self._retries.labels(step, self._kinds.known(kind)).inc()

    def stage_ended(self, stage: str, seconds: float) -> None:
        """Note what a part of the work on one picture took."""
        self._stages.labels(stage).observe(seconds)

    def faces_read(self, sure: int, unsure: int) -> None:
        """Note the faces of one picture."""
        self._faces.labels(SURE).inc(sure)
        self._faces.labels(UNSURE).inc(unsure)

    def job_ended(self, outcome: str, seconds: float) -> None:
        """Note how a job ended, and how long ago it was asked for."""
        self._ended.labels(self._kinds.known(outcome)).inc()
        self._job.observe(seconds)

    def _times(self, name: str, text: str, label: str) -> Histogram:
        return Histogram(
            name, text, [label], buckets=STEP_SECONDS, registry=self.registry
        )


class _Bounded:
    """Lets through the first kinds that come; all further ones are one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[str] = set()

    def known(self, kind: str) -> str:
        with self._lock:
            if len(self._seen) < MOST_KINDS:
                self._seen.add(kind)
            return kind if kind in self._seen else OTHER


def _by_name(standing: Standing) -> dict[str, float]:
    return {name: getattr(standing, field) for field, (name, _) in STANDING.items()}


class _Asked(Collector):
    """Gauges whose values are asked for when somebody looks."""

    def __init__(
        self, names: Mapping[str, str], ask: Callable[[], Mapping[str, float]]
    ) -> None:
        self._names = names
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        # What cannot be asked now is left out; the rest is worth all the more.
        with suppress(EmojifierError):
            for name, value in self._ask().items():
                yield GaugeMetricFamily(name, self._names[name], value=value)

    def describe(self) -> list[Metric]:
        # Without it the registry would ask at once to learn the names.
        return [GaugeMetricFamily(name, text) for name, text in self._names.items()]
