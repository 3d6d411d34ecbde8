"""A picture in, a picture out: no Slack, no database, no network, no clock.

Here is where its data lie, in a checkout and in an installed wheel.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def models_dir() -> Path:
    """Return the folder that holds one folder per model."""
    return _shipped("models")


def emojis_dir() -> Path:
    """Return the folder that holds one folder per theme."""
    return _shipped("emojis")


def _shipped(name: str) -> Path:
    # Only a wheel has `_data`. It is asked first, since beside an installed package
    # lie other people's folders, which may have any name.
    packaged = _PACKAGE / "_data" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name
