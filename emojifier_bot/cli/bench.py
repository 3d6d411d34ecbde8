"""``bench``: the pipeline's times beside the floor, memory and cold start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emojifier_bot.cli.report import WrongUsage

if TYPE_CHECKING:
    from rich.table import Table

    from emojifier_bot.tools.bench import Bench, Timing

Photo = Annotated[
    Path | None,
    typer.Option(
        "--photo", exists=True, dir_okay=False, help="Take the face from this photo."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quick = Annotated[bool, typer.Option("--quick", help="Fewer rounds, one size.")]


#: The sample of a checkout; an installed package has none.
SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "sample" / "astronaut.png"
_ROUNDS, _COLD_RUNS = 7, 3
_QUICK_ROUNDS, _QUICK_COLD_RUNS = 3, 1


def bench(
    photo: Photo = None,
    json: Json = False,
    quick: Quick = False,
) -> None:
    """Time each stage, beside Pillow decoding and re-encoding the same file.

    The pictures are made on the spot: 0.3, 6 and 12 megapixels with 1, 10 and 30 copies
    of one face. Also measured: the time for each further face, what decoding in a
    process of its own adds, and in a fresh process the memory for 12 megapixels and the
    cold start.

    """
    photo = photo or SAMPLE
    if not photo.is_file():
        raise WrongUsage("Name a photo with a face by --photo.")

    from emojifier_bot.app import make_pipeline
    from emojifier_bot.config import load_settings
    from emojifier_bot.tools.bench import AIM_SIZE_WH, SIZES_WH, measure_all

    found = measure_all(
        make_pipeline(load_settings()),
        photo,
        sizes_wh=(AIM_SIZE_WH,) if quick else SIZES_WH,
        rounds=_QUICK_ROUNDS if quick else _ROUNDS,
        cold_runs=_QUICK_COLD_RUNS if quick else _COLD_RUNS,
    )
    if json:
        import json as json_format

        print(json_format.dumps(found.as_dict()))
        return
    _print_tables(found)


def _print_tables(found: Bench) -> None:
    from rich.console import Console

    console = Console()
    console.print(_timings_table(found))
    console.print(_aims_table(found))


def _timings_table(found: Bench) -> Table:
    from rich.table import Table

    stages = list(found.timings[0].stages_ms)
    # Narrow enough for 80 columns.
    table = Table(title="Warm, milliseconds", box=None, padding=(0, 0, 0, 1))
    for name in ("picture", "faces", "floor", "pipeline", "ratio", *stages):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.timings:
        table.add_row(
            f"{one.width}x{one.height}",
            _faces(one),
            f"{one.floor_ms:.0f}",
            f"{one.pipeline_ms:.0f}",
            f"{one.ratio:.2f}",
            *(f"{one.stages_ms[stage]:.1f}" for stage in stages),
        )
    return table


def _faces(one: Timing) -> str:
    if one.faces_found == one.faces_pasted:
        return str(one.faces_found)
    return f"{one.faces_found} of {one.faces_pasted}"


def _aims_table(found: Bench) -> Table:
    from rich.table import Table

    from emojifier_bot.tools import bench as aims
    from emojifier_bot.tools import isolation

    table = Table("", "measured", "aim", title="Aims", box=None)
    for size, milliseconds in found.face_ms.items():
        table.add_row(
            f"each further face, {size}",
            f"{milliseconds:.1f} ms",
            f"{aims.AIM_FACE_MS:g} ms",
        )
    for one in found.timings:
        wanted = (one.width, one.height, one.faces_pasted)
        if wanted == (*aims.AIM_SIZE_WH, aims.AIM_FACES):
            table.add_row(
                "12 MP, ten faces", f"{one.ratio:.2f} × floor", f"{aims.AIM_RATIO:g}"
            )
    memory = f"{found.large.peak_mb:.0f} MB"
    table.add_row("peak memory, 12 MP", memory, f"{aims.AIM_PEAK_MB:g} MB")
    for split in found.isolation:
        size_wh = (split.width, split.height)
        table.add_row(
            f"isolation, {split.width * split.height / 1e6:.0f} MP",
            f"{split.added_ms:.1f} ms",
            f"{isolation.AIMS_MS[size_wh]:g} ms",
        )
    if found.isolated_mb is not None:
        both = f"{found.isolated_mb:.0f} MB"
        table.add_row(
            "worker and decoder, 12 MP", both, f"{isolation.AIM_PEAK_MB:g} MB"
        )
    cold = f"{found.cold.cpu_seconds:.2f} s"
    table.add_row("cold start, processor", cold, f"{aims.AIM_COLD_SECONDS:g} s")
    return table
