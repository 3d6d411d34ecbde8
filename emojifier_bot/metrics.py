"""The bot's metrics for Prometheus, and the port that they are served on.

Labels take few values: a step, a method of Slack's, an error's kind; never a workspace,
a person or a channel.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emojifier_bot.errors import EmojifierError

logger = logging.getLogger(__name__)

#: Processes of one machine that find a port each, from the one that is set upward.
MOST_PORTS, LAST_PORT = 32, 65535
#: A step of a job, or a part of the work on a picture.
_STEP_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def installed_version() -> str:
    """Return the version of this package; empty where it is not installed."""
    try:
        return metadata.version("emojifier-bot")
    except metadata.PackageNotFoundError:
        return ""


# Of every process.

INFO = Gauge("emojifier_info", "Always 1", ["version"], registry=None)
INFO.labels(installed_version()).set(1)
SLACK_CALL_SECONDS = Histogram(
    "emojifier_slack_call_seconds",
    "Time that Slack took for a call",
    ["method"],
    # We wait for 15 s.
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15),
    registry=None,
)
SLACK_ERRORS = Counter(
    "emojifier_slack_errors",
    "Calls that Slack did not do",
    ["method", "error"],
    registry=None,
)

# Of a web process.

SLACK_ANSWER_SECONDS = Histogram(
    "emojifier_slack_answer_seconds",
    "Time until Slack had its answer",
    ["kind"],
    # Around the 200 ms that we promise and the 3 s that Slack waits.
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 3),
    registry=None,
)
SLACK_REFUSED = Counter(
    "emojifier_slack_refused",
    "Requests that were not Slack's, or broken",
    ["status", "reason"],
    registry=None,
)
#: Gauges of the whole queue, by the field of its statistics; every web process has
#: them.
QUEUE_GAUGES = {
    "waiting": ("emojifier_jobs_waiting", "Jobs that wait for a worker"),
    "running": ("emojifier_jobs_running", "Jobs that workers have begun"),
    "oldest_seconds": (
        "emojifier_jobs_oldest_seconds",
        "Age of the job that has waited longest",
    ),
    "orphaned": (
        "emojifier_jobs_orphaned",
        "Jobs started with a workflow version that no worker has",
    ),
    "workers": ("emojifier_workers", "Workers that show signs of life"),
}
INSTALLATIONS_GAUGE = {
    "installations": ("emojifier_installations", "Workspaces and organisations")
}
SOCKET_MODE_GAUGE = {
    "connected": (
        "emojifier_socket_mode_connected",
        "Whether the connection of Socket Mode is open",
    )
}

# Of a worker.

STEP_SECONDS = Histogram(
    "emojifier_step_seconds",
    "Time of a step of a job",
    ["step"],
    buckets=_STEP_SECONDS,
    registry=None,
)
STEP_RETRIES = Counter(
    "emojifier_step_retries",
    "Steps that failed and are tried again",
    ["step", "kind"],
    registry=None,
)
PICTURE_SECONDS = Histogram(
    "emojifier_picture_seconds",
    "Time of a part of the work",
    ["stage"],
    buckets=_STEP_SECONDS,
    registry=None,
)
FACES = Counter(
    "emojifier_faces",
    "Faces that were found, by whether their reading is sure",
    ["reading"],
    registry=None,
)
JOBS = Counter("emojifier_jobs", "Jobs that ended, by how", ["outcome"], registry=None)
JOB_SECONDS = Histogram(
    "emojifier_job_seconds",
    "Time from the request to the end of its job",
    # A few seconds where nothing waits.
    buckets=(1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 900),
    registry=None,
)

# What is known from the beginning counts from zero: a rate sees its first time too.
for _kind in ("command", "event", "interaction"):
    SLACK_ANSWER_SECONDS.labels(_kind)
for _reading in ("sure", "unsure"):
    FACES.labels(_reading)
JOBS.labels("posted")
for _reason in ("age", "signature"):
    SLACK_REFUSED.labels(401, _reason)

#: Kinds that labels may have; Slack invents codes, a disk is finite.
MOST_KINDS = 100
OTHER = "other"
_kinds: set[str] = set()
_kinds_lock = threading.Lock()


def label_of(kind: str) -> str:
    """Return the label for an error's kind: itself, or ``other`` for the 101st."""
    with _kinds_lock:
        if len(_kinds) < MOST_KINDS:
            _kinds.add(kind)
        return kind if kind in _kinds else OTHER


def web_registry(
    queue_stats: Callable[[], Mapping[str, float]],
    installations: Callable[[], int],
    is_connected: Callable[[], bool] | None = None,
) -> CollectorRegistry:
    """Return the metrics of a web process, and of the whole queue.

    Args:
        queue_stats: The values of `QUEUE_GAUGES`, asked whenever somebody looks.
        installations: Workspaces and organisations that use the bot.
        is_connected: Whether Socket Mode's connection is open; None without one.
    """
    registry = _registry(SLACK_ANSWER_SECONDS, SLACK_REFUSED)
    registry.register(_Asked(QUEUE_GAUGES, queue_stats))
    registry.register(
        _Asked(INSTALLATIONS_GAUGE, lambda: {"installations": installations()})
    )
    if is_connected is not None:
        registry.register(
            _Asked(SOCKET_MODE_GAUGE, lambda: {"connected": is_connected()})
        )
    return registry


def worker_registry() -> CollectorRegistry:
    """Return the metrics of a worker."""
    return _registry(
        STEP_SECONDS, STEP_RETRIES, PICTURE_SECONDS, FACES, JOBS, JOB_SECONDS
    )


@contextmanager
def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> Iterator[int]:
    """Serve until the end of the block; without a port the bot runs all the same.

    They show how much the bot is used, so they are not on the port that the world
    reaches.

    Args:
        registry: What is served.
        host: The address to listen on.
        port: The first port to try; 0 takes any.

    Yields:
        The port, or 0 where none could be had.
    """
    for number in _ports(port):
        try:
            server, thread = start_http_server(number, host, registry)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                break
            continue
        facts = {"action": "metrics", "port": server.server_port}
        logger.info("Metrics are served", extra=facts)
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
        return
    facts = {"action": "metrics", "host": host, "port": port}
    logger.warning("No port for the metrics can be had", extra=facts)
    yield 0


def _ports(first: int) -> range:
    return range(first, min(first + MOST_PORTS, LAST_PORT + 1)) if first else range(1)


def _registry(*collectors: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    process = ProcessCollector(registry=None)
    for one in (process, INFO, SLACK_CALL_SECONDS, SLACK_ERRORS, *collectors):
        registry.register(one)
    return registry


class _Asked(Collector):
    """Gauges whose values are asked for when somebody looks."""

    def __init__(
        self,
        gauges: Mapping[str, tuple[str, str]],
        ask: Callable[[], Mapping[str, float]],
    ) -> None:
        self._gauges = gauges
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        # What cannot be asked now is left out; the rest is worth all the more.
        with suppress(EmojifierError):
            values = self._ask()
            for field, (name, text) in self._gauges.items():
                yield GaugeMetricFamily(name, text, value=values[field])

    def describe(self) -> list[Metric]:
        # Without it the registry would ask at once to learn the names.
        return [GaugeMetricFamily(name, text) for name, text in self._gauges.values()]
