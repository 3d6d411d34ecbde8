"""The figures that processes of the bot have, for tests."""

from __future__ import annotations

import re

from prometheus_client import generate_latest

from emojifier_bot.jobs.standing import Standing
from emojifier_bot.web.metrics import Metrics, WebMetrics, WorkerMetrics

STANDING = Standing(waiting=7, running=3, oldest_seconds=1.5, workers=2, stranded=1)


def make_metrics(standing: Standing = STANDING, installations: int = 2) -> WebMetrics:
    """Return figures that ask nobody."""
    return WebMetrics(lambda: standing, lambda: installations)


def text_of(metrics: Metrics) -> str:
    """Return figures in Prometheus' own format."""
    return generate_latest(metrics.registry).decode()


def every_figure() -> set[str]:
    """Return the names of all our figures; those of counts end in ``_total``."""
    texts = [text_of(one) for one in (make_metrics(), WorkerMetrics())]
    names = re.findall(r"^# HELP (emojifier_\w+)", "\n".join(texts), re.MULTILINE)
    return {name for name in names if not name.endswith("_created")}
