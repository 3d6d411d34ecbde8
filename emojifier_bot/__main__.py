"""Run the command line: ``python -m emojifier_bot``."""

from __future__ import annotations

from emojifier_bot.cli.main import run

if __name__ == "__main__":
    run()
