"""Block Kit's rules: which blocks there are, and how long their parts may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

MAX_BLOCKS = {"message": 50, "modal": 100, "home": 100}
MAX_ELEMENTS = {"actions": 25, "context": 10}
MAX_FIELDS, MAX_OPTIONS = 10, 100
STYLES = frozenset({"primary", "danger"})
PLAIN = frozenset({"plain_text"})
TEXT_TYPES = PLAIN | {"mrkdwn"}

#: Checks one value: the walk that collects what is wrong, the value, and where it is.
Check = Callable[["_Walk", Any, str], None]


class _Walk:
    """Collects what is wrong while it walks through blocks."""

    def __init__(
        self, knows_file: Callable[[Mapping[str, Any]], bool] | None = None
    ) -> None:
        #: Tells whether a picture in Slack may be shown; None: nowhere.
        self.knows_file = knows_file
        self.wrong: list[str] = []

    def that(self, holds: bool, where: str, what: str) -> bool:
        if not holds:
            self.wrong.append(f"{what} [json-pointer:{where}]")
        return holds

    def has(
        self, one: Any, where: str, known: Mapping[str, Check], needed: Iterable[str]
    ) -> bool:
        """Check the fields of an object."""
        if not self.that(isinstance(one, dict), where, "must be an object"):
            return False
        for name in set(needed) - one.keys():
            self.that(False, where, f"missing {name}")
        for name, value in one.items():
            if self.that(name in known, where, f"no more properties allowed: {name}"):
                known[name](self, value, f"{where}/{name}")
        return True

    def items(self, value: Any, where: str, least: int, most: int) -> list[Any]:
        if not self.that(isinstance(value, list), where, "must be an array"):
            return []
        fits = least <= len(value) <= most
        self.that(fits, where, f"{least} to {most} items")
        return list(value)

    def part(self, one: Any, where: str, kinds: Mapping[str, dict[str, Check]]) -> str:
        """Check a block or an element; return its type, empty where it is none."""
        kind = str(one.get("type")) if isinstance(one, dict) else ""
        if not self.that(kind in kinds, where, f"unsupported type: {kind}"):
            return ""
        self.has(one, where, TYPE | kinds[kind], NEEDED.get(kind, ()))
        if kind == "section":
            holds = "text" in one or "fields" in one
            self.that(holds, where, "must have text or fields")
        if kind == "static_select":
            single = ("options" in one) != ("option_groups" in one)
            self.that(single, where, "must have one of options and option_groups")
            self.that(_initial(one), where, "initial_option is none of the options")
        if kind == "image":
            single = ("image_url" in one) != ("slack_file" in one)
            self.that(single, where, "must have one of image_url and slack_file")
        return kind

    def blocks(self, blocks: Any, surface: str) -> None:
        ids = []
        for number, block in enumerate(
            self.items(blocks, "/blocks", 0, MAX_BLOCKS[surface])
        ):
            where = f"/blocks/{number}"
            if kind := self.part(block, where, BLOCKS):
                ids.append(block.get("block_id"))
            if kind in MAX_ELEMENTS:
                self.elements(block, where)
        self.unique(ids, "/blocks", "block_id")

    def elements(self, block: Mapping[str, Any], where: str) -> None:
        """Check the elements of actions, or of a context: pictures and texts."""
        kind, ids = block["type"], []
        elements = block.get("elements")
        for at, one in enumerate(self.items(elements, where, 1, MAX_ELEMENTS[kind])):
            is_text = isinstance(one, dict) and one.get("type") in TEXT_TYPES
            if kind == "context" and is_text:
                _text(3000)(self, one, f"{where}/elements/{at}")
            elif self.part(one, f"{where}/elements/{at}", ELEMENTS):
                ids.append(one.get("action_id"))
        self.unique(ids, where, "action_id")

    def unique(self, ids: Iterable[str | None], where: str, what: str) -> None:
        given = [one for one in ids if one]
        self.that(len(set(given)) == len(given), where, f"{what} twice")


def _free(walk: _Walk, value: Any, where: str) -> None:
    """Check nothing."""


def _string(longest: int, shortest: int = 1) -> Check:
    def check(walk: _Walk, value: Any, where: str) -> None:
        fits = isinstance(value, str) and shortest <= len(value) <= longest
        walk.that(fits, where, f"must be a string of {shortest} to {longest}")

    return check


def _text(longest: int, kinds: frozenset[str] = TEXT_TYPES) -> Check:
    known = {"type": _free, "text": _string(longest), "emoji": _free, "verbatim": _free}

    def check(walk: _Walk, value: Any, where: str) -> None:
        if walk.has(value, where, known, ["text"]):
            walk.that(value.get("type") in kinds, where, "unsupported type of text")

    return check


def _fields(walk: _Walk, value: Any, where: str) -> None:
    for number, one in enumerate(walk.items(value, where, 0, MAX_FIELDS)):
        _text(2000)(walk, one, f"{where}/{number}")


def _element(walk: _Walk, value: Any, where: str) -> None:
    walk.part(value, where, ELEMENTS)


def _style(walk: _Walk, value: Any, where: str) -> None:
    walk.that(value in STYLES, where, "unknown style")


def _slack_file(walk: _Walk, value: Any, where: str) -> None:
    known = walk.knows_file is not None and walk.knows_file(value)
    walk.that(known, where, "invalid slack file")


def _option(walk: _Walk, value: Any, where: str) -> None:
    known = {
        "text": _text(75, PLAIN),
        "value": _string(150),
        "description": _text(75, PLAIN),
        "url": _string(3000),
    }
    walk.has(value, where, known, ["text", "value"])


def _options(most: int) -> Check:
    def check(walk: _Walk, value: Any, where: str) -> None:
        options = walk.items(value, where, 1, most)
        for number, one in enumerate(options):
            _option(walk, one, f"{where}/{number}")
        walk.unique([one.get("value") for one in options], where, "value")

    return check


def _groups(walk: _Walk, value: Any, where: str) -> None:
    known = {"label": _text(75, PLAIN), "options": _options(MAX_OPTIONS)}
    for number, one in enumerate(walk.items(value, where, 1, MAX_OPTIONS)):
        walk.has(one, f"{where}/{number}", known, known)


def _initial(element: Mapping[str, Any]) -> bool:
    """Tell whether what is chosen at first is one of the options, to the letter."""
    options = list(element.get("options") or [])
    for group in element.get("option_groups") or []:
        options += group.get("options") or []
    return "initial_option" not in element or element["initial_option"] in options


def _confirm(walk: _Walk, value: Any, where: str) -> None:
    walk.has(value, where, CONFIRM | {"style": _free}, CONFIRM)


CONFIRM: dict[str, Check] = {
    "title": _text(100, PLAIN),
    "text": _text(300),
    "confirm": _text(30, PLAIN),
    "deny": _text(30, PLAIN),
}
TYPE: dict[str, Check] = {"type": _free}
ACTION: dict[str, Check] = {"action_id": _string(255)}
IMAGE: dict[str, Check] = {
    "image_url": _string(3000),
    "slack_file": _slack_file,
    "alt_text": _string(2000),
}
BLOCK_ID: dict[str, Check] = {"block_id": _string(255)}
BLOCKS: Mapping[str, dict[str, Check]] = {
    "section": BLOCK_ID
    | {
        "text": _text(3000),
        "fields": _fields,
        "accessory": _element,
        "expand": _free,
    },
    "actions": BLOCK_ID | {"elements": _free},
    "context": BLOCK_ID | {"elements": _free},
    "divider": BLOCK_ID,
    "header": BLOCK_ID | {"text": _text(150, PLAIN), "level": _free},
    "image": BLOCK_ID | IMAGE | {"title": _text(2000, PLAIN)},
    "input": BLOCK_ID
    | {"label": _text(2000, PLAIN), "element": _element}
    | dict.fromkeys(("hint", "optional", "dispatch_action"), _free),
    "rich_text": BLOCK_ID
    | {"elements": lambda walk, one, at: walk.that(isinstance(one, list), at, "none")},
}
#: Elements that this fake knows.
ELEMENTS: Mapping[str, dict[str, Check]] = {
    "button": ACTION
    | {
        "text": _text(75, PLAIN),
        "url": _string(3000),
        "value": _string(2000),
        "style": _style,
        "confirm": _confirm,
        "accessibility_label": _string(75),
    },
    "static_select": ACTION
    | {
        "confirm": _confirm,
        "placeholder": _text(150, PLAIN),
        "options": _options(MAX_OPTIONS),
        "option_groups": _groups,
        "initial_option": _option,
        "focus_on_load": _free,
    },
    "overflow": ACTION | {"confirm": _confirm, "options": _options(5)},
    "plain_text_input": ACTION
    | dict.fromkeys(("initial_value", "multiline", "placeholder", "max_length"), _free),
    "image": IMAGE,
}
NEEDED = {
    "header": ["text"],
    "image": ["alt_text"],
    "input": ["label", "element"],
    "button": ["text"],
    "rich_text": ["elements"],
}
VIEW: Mapping[str, Check] = {
    **dict.fromkeys(("title", "close", "submit"), _text(24, PLAIN)),
    "private_metadata": _string(3000, shortest=0),
    "callback_id": _string(255, shortest=0),
    **dict.fromkeys(("type", "blocks", "clear_on_close", "notify_on_close"), _free),
    **dict.fromkeys(("external_id", "submit_disabled"), _free),
}


def wrong_blocks(
    blocks: Any,
    surface: str = "message",
    knows_file: Callable[[Mapping[str, Any]], bool] | None = None,
) -> list[str]:
    """Return what is wrong with blocks, a line for each; none where all is well."""
    walk = _Walk(knows_file)
    walk.blocks(blocks, surface)
    return walk.wrong


def wrong_view(
    view: Any,
    kind: str,
    knows_file: Callable[[Mapping[str, Any]], bool] | None = None,
) -> list[str]:
    """Return what is wrong with a modal or a home tab."""
    walk = _Walk(knows_file)
    if not walk.has(view, "/view", VIEW, ["title"] if kind == "modal" else []):
        return walk.wrong
    walk.that(view.get("type") == kind, "/view/type", f"must be {kind}")
    blocks = view.get("blocks", [])
    walk.blocks(blocks, kind)
    parts = [one for one in blocks or () if isinstance(one, dict)]
    asks = any(one.get("type") == "input" for one in parts)
    walk.that("submit" in view or not asks, "/view", "missing submit")
    return walk.wrong
