"""A process's figures, for Prometheus."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.web.metrics import Metrics


def serve_metrics(settings: Settings, metrics: Metrics) -> AbstractContextManager[int]:
    """Serve a process's figures to Prometheus while the block runs."""
    from emojifier_bot.web.figures import serve_figures

    host, port = settings.metrics_host, settings.metrics_port
    return serve_figures(metrics.registry, host, port)
