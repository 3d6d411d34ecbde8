"""What Slack's methods take and how they refuse: names and codes, as facts.

They stand in ``methods.toml``; a test compares them with Slack's own reference wherever
that lies at hand.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TABLE = tomllib.loads(Path(__file__).with_name("methods.toml").read_text("utf-8"))
#: Every method may answer these, and its list says so.
COMMON_CODES = frozenset(_TABLE["common_codes"].split())
#: Every method may answer these, whether its own list says so or not.
EVERYWHERE_CODES = frozenset({"internal_error", "invalid_arguments", "invalid_auth"})
#: Methods that are called without a token.
OPEN_METHODS = frozenset({"oauth.v2.access"})
#: Methods that Slack's reference in our hands leaves out; nothing to compare with.
NOT_IN_REFERENCE = frozenset({"reactions.add", "reactions.remove"})


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    #: ``"str"``, ``"int"``, ``"bool"`` or ``"json"``.
    kind: str
    required: bool


@dataclass(frozen=True, slots=True)
class Method:
    """What one method takes and answers."""

    #: A bot token needs one of these; empty for none.
    scopes: frozenset[str]
    arguments: Mapping[str, Argument]
    #: Every code of its list.
    codes: frozenset[str]
    reads_json: bool

    @property
    def required(self) -> frozenset[str]:
        return frozenset(one.name for one in self.arguments.values() if one.required)


def _method(row: Mapping[str, Any]) -> Method:
    words = [word.partition(":") for word in row.get("arguments", "").split()]
    arguments = [
        Argument(word.removesuffix("*"), kind or "str", word.endswith("*"))
        for word, _, kind in words
    ]
    return Method(
        scopes=frozenset(row.get("scopes", "").split()),
        arguments={one.name: one for one in arguments},
        codes=COMMON_CODES | frozenset(row["codes"].split()),
        reads_json=row.get("reads_json", False),
    )


METHODS: Mapping[str, Method] = {
    name: _method(row) for name, row in _TABLE["methods"].items()
}


def codes(method: str) -> frozenset[str]:
    """Return every code that a method may answer."""
    return METHODS[method].codes | EVERYWHERE_CODES
