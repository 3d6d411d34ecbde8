"""``python -m tests.fuzz``: many damaged pictures, and a count of what came of them."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.attack import Findings, attack, own_peak_bytes
from tests.fuzz.seeds import clips


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clips", action="store_true", help="what moves")
    parser.add_argument("--keep", type=Path, help="folder for files that killed")
    options = parser.parse_args()
    logging.disable()
    began = time.monotonic()
    sound = clips() if options.clips else None
    found = attack(options.cases, options.seed, tell, sound)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        for number, (cause, data) in enumerate(found.killers):
            name = f"{number:04}-{cause.replace(' ', '-')}"
            (options.keep / name).write_bytes(data)
    sys.stdout.writelines(f"{line}\n" for line in report(found, began))
    return 1 if found.wrong else 0


def report(found: Findings, began: float) -> Iterator[str]:
    yield f"{found.cases} cases in {time.monotonic() - began:.0f} s"
    yield f"slowest case: {found.most_seconds:.2f} s"
    yield f"outcomes: {dict(found.outcomes.most_common())}"
    yield f"processes: {found.starts} started; deaths: {dict(found.deaths)}"
    yield f"most memory of a child: {found.most_bytes / 1e6:.0f} MB"
    yield f"most memory of the parent: {own_peak_bytes() / 1e6:.0f} MB"
    yield from (f"WRONG: {sentence}" for sentence in found.wrong)


def tell(found: Findings) -> None:
    sys.stderr.write(f"{found.cases} cases, {len(found.killers)} deaths\n")


if __name__ == "__main__":
    sys.exit(main())
