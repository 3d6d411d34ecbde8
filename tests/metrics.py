"""What processes of the bot tell Prometheus, for tests.

Counters belong to the process: tests compare what they say before and after.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from emojifier_bot.jobs.queue import QueueStats
from emojifier_bot.metrics import web_registry, worker_registry

STANDING = QueueStats(waiting=7, running=3, oldest_seconds=1.5, workers=2, orphaned=1)


def make_web_registry() -> CollectorRegistry:
    """Return the metrics of a web process that asks no database."""
    return web_registry(lambda: asdict(STANDING), lambda: 2, lambda: True)


def values_of(registry: CollectorRegistry) -> Mapping[tuple[str, ...], float]:
    """Return the value of every series by its name and the values of its labels."""
    return {
        (one.name, *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(_text_of(registry))
        for one in family.samples
    }


def every_metric() -> set[str]:
    """Return the names of all our metrics; those of counts end in ``_total``."""
    texts = [_text_of(one) for one in (make_web_registry(), worker_registry())]
    names = re.findall(r"^# HELP (emojifier_\w+)", "\n".join(texts), re.MULTILINE)
    return {name for name in names if not name.endswith("_created")}


def _text_of(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()
