"""The worker process: what does the jobs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from emojifier_bot.wiring.figures import serve_metrics
from emojifier_bot.wiring.pictures import make_analyzer, make_isolated_decoder
from emojifier_bot.wiring.rules import make_rules
from emojifier_bot.wiring.slack import adopt_token, make_sink, make_slack
from emojifier_bot.wiring.stores import CLOCK, Stores, open_stores

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.jobs.parts import PipelineForTheme, WorkerParts
    from emojifier_bot.vision.pipeline import Pipeline
    from emojifier_bot.vision.ports import Decoder
    from emojifier_bot.web.metrics import WorkerMetrics


def run_job_worker(settings: Settings) -> int:
    """Do jobs until SIGTERM or Ctrl-C; return the exit code.

    Raises:
        ConfigError: A setting is wrong.
        StoreError: The database does not answer.
        QueueError: The queue's database does not answer.
    """
    from emojifier_bot.jobs.worker import run_worker

    stores = open_stores(settings)
    adopt_token(settings, stores)
    metrics = make_worker_metrics()
    with make_isolated_decoder(settings) as decoder, serve_metrics(settings, metrics):
        decoder.warm_up()
        parts = make_worker_parts(settings, stores, metrics, decoder)
        return run_worker(settings.database_url, parts, settings.worker_concurrency)


def make_worker_metrics() -> WorkerMetrics:
    """Build the figures of a worker."""
    from emojifier_bot.web.metrics import WorkerMetrics

    return WorkerMetrics()


def make_worker_parts(
    settings: Settings, stores: Stores, metrics: WorkerMetrics, decoder: Decoder
) -> WorkerParts:
    """Build what a worker does its jobs with."""
    from emojifier_bot.http import GuardedClient
    from emojifier_bot.http.hosts import read_hosts
    from emojifier_bot.jobs.parts import WorkerParts
    from emojifier_bot.slack.fetch import SlackImageSource, check_picture

    client = make_slack(settings, stores, metrics)
    return WorkerParts(
        source=SlackImageSource(
            client=client,
            vault=stores.vault,
            web=GuardedClient(
                allow_hosts=read_hosts(settings.fetch_allow_hosts),
                max_bytes=settings.max_bytes,
                check_body=check_picture,
            ),
            file_hosts=read_hosts(settings.slack_file_hosts),
            max_bytes=settings.max_bytes,
            rules=make_rules(settings, stores.database, CLOCK),
        ),
        sink=make_sink(settings, stores, client),
        posts=stores.posts,
        pipeline_for_theme=_pipelines(settings, decoder),
        clock=CLOCK,
        observer=metrics,
    )


def _pipelines(settings: Settings, decoder: Decoder) -> PipelineForTheme:
    """Load the models once, and each theme when it is first asked for."""
    from emojifier_bot.vision.pipeline import Pipeline
    from emojifier_bot.vision.themes import open_theme

    analyzer = make_analyzer(settings)

    @cache
    def for_theme(theme: str) -> Pipeline:
        return Pipeline(
            decoder=decoder,
            analyzer=analyzer,
            emoji=open_theme(theme or settings.theme),
            clock=CLOCK,
        )

    return for_theme
