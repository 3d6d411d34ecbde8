"""The figures that processes of the bot have, for tests."""

from __future__ import annotations

import re

from emojifier_bot.jobs.standing import Standing
from emojifier_bot.web.metrics import WebMetrics, WorkerMetrics

STANDING = Standing(waiting=7, running=3, oldest_seconds=1.5, workers=2, stranded=1)


def make_metrics(standing: Standing = STANDING, installations: int = 2) -> WebMetrics:
    """Return figures that ask nobody."""
    return WebMetrics(lambda: standing, lambda: installations)


def every_figure() -> set[str]:
    """Return the names of all our figures; those of counts end in ``_total``."""
    texts = [one.text().decode() for one in (make_metrics(), WorkerMetrics())]
    names = re.findall(r"^# HELP (emojifier_\w+)", "\n".join(texts), re.MULTILINE)
    return {name for name in names if not name.endswith("_created")}
