"""``python -m tests.load --minutes 30 --share 0.8``: `make load` runs it."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.load import hostile
from tests.load.report import complaints, replaced, table, write
from tests.load.run import Plan, run_load
from tests.postgres import find_programs, running_postgres


def main() -> int:
    """Run, print, write the page if told to; 1 where something did not hold."""
    told = _arguments()
    with tempfile.TemporaryDirectory(prefix="emojifier-load-") as name:
        folder = Path(told.keep or name).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with _database(told.database, folder) as url:
            if told.hostile:
                return _attack(told, url, folder)
            plan = Plan(
                minutes=told.minutes,
                share=told.share,
                workers=told.workers,
                saturate_seconds=told.saturate,
                sample_seconds=told.every,
                database_url=url,
                capacity=told.capacity,
                with_faults=not told.no_faults,
            )
            found = run_load(plan, folder, _say)
    _say(table(found))
    if told.write:
        write(found)
    return 1 if complaints(found) else 0


def _attack(told: argparse.Namespace, url: str, folder: Path) -> int:
    found = hostile.run_hostile(told.minutes, url, folder, _say)
    _say(hostile.table(found))
    if told.write:
        text = hostile.PAGE.read_text("utf-8")
        new = hostile.table(found)
        text = replaced(text, hostile.BEGIN, new, hostile.END)
        hostile.PAGE.write_text(text, "utf-8")
    return 1 if hostile.complaints(found) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Put the bot under load.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--share", type=float, default=0.8, help="of the capacity")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--capacity", type=float, default=0.0, help="0 measures it")
    parser.add_argument("--saturate", type=float, default=90.0, metavar="SECONDS")
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument(
        "--hostile", action="store_true", help="one workspace attacks the others"
    )
    parser.add_argument("--keep", metavar="FOLDER", help="for logs and the database")
    parser.add_argument("--write", action="store_true", help="into the page")
    return parser.parse_args()


@contextlib.contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'bot.db'}"
        return
    programs = find_programs()
    if programs is None:
        raise SystemExit("PostgreSQL is not installed.")
    with running_postgres(programs) as server, server.database() as url:
        yield url


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
