"""``python -m emojifier_training``."""

from emojifier_training.cli import run

run()
