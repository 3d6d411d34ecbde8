"""``bench models``: each model on one core beside a net of its size class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emojifier_bot.cli.progress import bar
from emojifier_bot.errors import ConfigError
from emojifier_training.cli_figures import TABLE_WIDTH, print_json, shown

if TYPE_CHECKING:
    from rich.table import Table

    from emojifier_training.model_speed import Contest


def bench_models(
    models: Path | None, rounds: int, data: Path | None, every: int, as_json: bool
) -> None:
    """Time the models; print one table, or one object.

    Args:
        models: Their folder; None takes the shipped ones.
        rounds: How often each is timed.
        data: Folder of the three sets, to try eight bits; None does not.
        every: Judge only every so many samples.
        as_json: One object instead of tables.

    Raises:
        ConfigError: torch or onnx is not installed; the peers are built by them.
    """
    try:
        from emojifier_training import contests
    except ModuleNotFoundError as error:
        raise ConfigError(
            [f"The peers need {error.name}, which is not installed: make train-env."]
        ) from error
    from emojifier_bot.vision.resources import models_dir

    models = models or models_dir()
    rows = contests.against_peers(models, rounds)
    differs = contests.batching_differs(models)
    eight: list[dict[str, Any]] = []
    if data is not None:
        with bar("Judging int8") as progress:
            eight = contests.in_eight_bits(models, data, rounds, progress, every)
    if as_json:
        beside = [row.as_dict() for row in rows]
        print_json({"beside": beside, "batching_differs": differs, "int8": eight})
        return
    _print(rows, differs, eight)


def _print(
    rows: Sequence[Contest], differs: dict[str, float], eight: list[dict[str, Any]]
) -> None:
    from rich.console import Console

    console = Console(width=TABLE_WIDTH)
    console.print(_contests(rows), soft_wrap=True)
    for name, apart in differs.items():
        console.print(f"{name}: ten faces at once and alone differ by {apart:.1e}")
    if eight:
        console.print(_eight(eight), soft_wrap=True)


def _contests(rows: Sequence[Contest]) -> Table:
    from rich.table import Table

    table = Table(title="One core, medians", box=None)
    for name in ("model", "beside", "given", "ms", "ms of it", "ratio", "M", "M of it"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(
            row.model,
            row.peer,
            row.given,
            f"{row.model_ms:.2f}",
            f"{row.peer_ms:.2f}",
            f"{row.ratio:.2f}",
            _millions(row.model_multiply_adds),
            _millions(row.peer_multiply_adds),
        )
    return table


def _millions(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:.1f}"


def _eight(rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    keys = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*keys, title="In eight bits, ten faces at once", box=None)
    for row in rows:
        table.add_row(*(shown(row.get(key, "")) for key in keys))
    return table
