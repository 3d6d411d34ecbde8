"""Block Kit's rules: which blocks there are, and how long their parts may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_BLOCKS = {"message": 50, "modal": 100, "home": 100}
MAX_ELEMENTS = {"actions": 25, "context": 10}
MAX_FIELDS = 10
SECTION_TEXT, FIELD_TEXT, HEADER_TEXT = 3000, 2000, 150
ALT_TEXT, IMAGE_URL, TITLE_TEXT = 2000, 3000, 2000
BUTTON_TEXT, BUTTON_VALUE, BUTTON_URL, BUTTON_LABEL = 75, 2000, 3000, 75
CONFIRM_TITLE, CONFIRM_TEXT, CONFIRM_BUTTON = 100, 300, 30
ID = 255
VIEW_TITLE, PRIVATE_METADATA = 24, 3000
STYLES = frozenset({"primary", "danger"})
TEXT_TYPES = frozenset({"plain_text", "mrkdwn"})
TEXT_KEYS = frozenset({"type", "text", "emoji", "verbatim"})
#: What a block of each type may have besides ``type`` and ``block_id``.
BLOCK_KEYS = {
    "section": frozenset({"text", "fields", "accessory", "expand"}),
    "actions": frozenset({"elements"}),
    "context": frozenset({"elements"}),
    "divider": frozenset(),
    "header": frozenset({"text", "level"}),
    "image": frozenset({"image_url", "slack_file", "alt_text", "title"}),
    "input": frozenset({"label", "element", "hint", "optional", "dispatch_action"}),
    "rich_text": frozenset({"elements"}),
}
#: Elements that this fake knows, and what they may have besides ``type``.
ELEMENT_KEYS = {
    "button": frozenset(
        {"text", "action_id", "url", "value", "style", "confirm", "accessibility_label"}
    ),
    "static_select": frozenset(
        {"placeholder", "options", "action_id", "initial_option", "confirm"}
    ),
    "overflow": frozenset({"options", "action_id", "confirm"}),
    "plain_text_input": frozenset(
        {"action_id", "initial_value", "multiline", "placeholder", "max_length"}
    ),
    "image": frozenset({"image_url", "slack_file", "alt_text"}),
}
VIEW_KEYS = frozenset(
    {
        "type",
        "title",
        "blocks",
        "close",
        "submit",
        "private_metadata",
        "callback_id",
        "clear_on_close",
        "notify_on_close",
        "external_id",
        "submit_disabled",
    }
)


@dataclass
class _Check:
    """Collects what is wrong while it walks through blocks."""

    #: Tells whether a picture in Slack may be shown; None: nowhere.
    knows_file: Callable[[Mapping[str, Any]], bool] | None

    def __post_init__(self) -> None:
        self.wrong: list[str] = []

    def that(self, holds: bool, where: str, what: str) -> bool:
        if not holds:
            self.wrong.append(f"{what} [json-pointer:{where}]")
        return holds

    def keys(self, one: Mapping[str, Any], allowed: frozenset[str], where: str) -> None:
        for name in one:
            self.that(name in allowed, where, f"no more properties allowed: {name}")

    def text(
        self, one: Any, where: str, longest: int, kinds: frozenset[str] = TEXT_TYPES
    ) -> None:
        if not self.that(isinstance(one, dict), where, "must be an object"):
            return
        self.that(one.get("type") in kinds, where, "unsupported type of text")
        self.keys(one, TEXT_KEYS, where)
        self.plain(one.get("text"), f"{where}/text", longest)

    def plain(self, value: Any, where: str, longest: int, shortest: int = 1) -> None:
        if self.that(isinstance(value, str), where, "must be a string"):
            self.that(
                len(value) <= longest, where, f"must be less than {longest + 1} long"
            )
            self.that(len(value) >= shortest, where, "must be more than 0 characters")

    def blocks(self, blocks: Any, surface: str) -> None:
        most = MAX_BLOCKS[surface]
        if not self.that(isinstance(blocks, list), "/blocks", "must be an array"):
            return
        self.that(len(blocks) <= most, "/blocks", f"no more than {most} items")
        seen: set[str] = set()
        for number, block in enumerate(blocks):
            where = f"/blocks/{number}"
            if not self.that(isinstance(block, dict), where, "must be an object"):
                continue
            self.block(block, where)
            block_id = block.get("block_id", "")
            self.that(not block_id or block_id not in seen, where, "block_id twice")
            seen.add(block_id)

    def block(self, block: Mapping[str, Any], where: str) -> None:
        kind = block.get("type", "")
        if not self.that(kind in BLOCK_KEYS, where, f"unsupported type: {kind}"):
            return
        self.keys(block, BLOCK_KEYS[kind] | {"type", "block_id"}, where)
        if "block_id" in block:
            self.plain(block["block_id"], f"{where}/block_id", ID)
        getattr(self, f"_{kind}")(block, where)

    def _section(self, block: Mapping[str, Any], where: str) -> None:
        has = "text" in block or "fields" in block
        self.that(has, where, "must have text or fields")
        if "text" in block:
            self.text(block["text"], f"{where}/text", SECTION_TEXT)
        fields = block.get("fields", [])
        self.that(len(fields) <= MAX_FIELDS, where, "too many fields")
        for number, one in enumerate(fields):
            self.text(one, f"{where}/fields/{number}", FIELD_TEXT)
        if "accessory" in block:
            self.element(block["accessory"], f"{where}/accessory")

    def _actions(self, block: Mapping[str, Any], where: str) -> None:
        elements = self._elements(block, where)
        names = [one.get("action_id") for one in elements if one.get("action_id")]
        self.that(len(set(names)) == len(names), where, "action_id twice")
        for number, one in enumerate(elements):
            self.element(one, f"{where}/elements/{number}")

    def _context(self, block: Mapping[str, Any], where: str) -> None:
        for number, one in enumerate(self._elements(block, where)):
            at = f"{where}/elements/{number}"
            if one.get("type") == "image":
                self.element(one, at)
            else:
                self.text(one, at, SECTION_TEXT)

    def _elements(
        self, block: Mapping[str, Any], where: str
    ) -> list[Mapping[str, Any]]:
        elements = block.get("elements")
        if not self.that(isinstance(elements, list), where, "must have elements"):
            return []
        most = MAX_ELEMENTS[block["type"]]
        self.that(1 <= len(elements or []) <= most, where, f"1 to {most} elements")
        return [one for one in elements or [] if isinstance(one, dict)]

    def _divider(self, block: Mapping[str, Any], where: str) -> None:
        pass

    def _rich_text(self, block: Mapping[str, Any], where: str) -> None:
        is_list = isinstance(block.get("elements"), list)
        self.that(is_list, where, "must have elements")

    def _header(self, block: Mapping[str, Any], where: str) -> None:
        plain = frozenset({"plain_text"})
        self.text(block.get("text"), f"{where}/text", HEADER_TEXT, plain)

    def _image(self, block: Mapping[str, Any], where: str) -> None:
        self.plain(block.get("alt_text"), f"{where}/alt_text", ALT_TEXT)
        one = ("image_url" in block) != ("slack_file" in block)
        self.that(one, where, "must have one of image_url and slack_file")
        if "image_url" in block:
            self.plain(block["image_url"], f"{where}/image_url", IMAGE_URL)
        if "slack_file" in block:
            known = self.knows_file is not None and self.knows_file(block["slack_file"])
            self.that(known, f"{where}/slack_file", "invalid slack file")
        if "title" in block:
            plain = frozenset({"plain_text"})
            self.text(block["title"], f"{where}/title", TITLE_TEXT, plain)

    def _input(self, block: Mapping[str, Any], where: str) -> None:
        plain = frozenset({"plain_text"})
        self.text(block.get("label"), f"{where}/label", TITLE_TEXT, plain)
        self.element(block.get("element"), f"{where}/element")

    def element(self, one: Any, where: str) -> None:
        if not self.that(isinstance(one, dict), where, "must be an object"):
            return
        kind = one.get("type", "")
        if not self.that(kind in ELEMENT_KEYS, where, f"unsupported type: {kind}"):
            return
        self.keys(one, ELEMENT_KEYS[kind] | {"type"}, where)
        if "action_id" in one:
            self.plain(one["action_id"], f"{where}/action_id", ID)
        if "confirm" in one:
            self._confirm(one["confirm"], f"{where}/confirm")
        if kind == "button":
            self._button(one, where)
        if kind == "image":
            self._image(one, where)

    def _button(self, one: Mapping[str, Any], where: str) -> None:
        plain = frozenset({"plain_text"})
        self.text(one.get("text"), f"{where}/text", BUTTON_TEXT, plain)
        limits = {"value": BUTTON_VALUE, "url": BUTTON_URL}
        limits["accessibility_label"] = BUTTON_LABEL
        for name, longest in limits.items():
            if name in one:
                self.plain(one[name], f"{where}/{name}", longest)
        if "style" in one:
            self.that(one["style"] in STYLES, where, "unknown style")

    def _confirm(self, one: Any, where: str) -> None:
        if not self.that(isinstance(one, dict), where, "must be an object"):
            return
        plain = frozenset({"plain_text"})
        names = frozenset({"title", "text", "confirm", "deny", "style"})
        self.keys(one, names, where)
        self.text(one.get("title"), f"{where}/title", CONFIRM_TITLE, plain)
        self.text(one.get("text"), f"{where}/text", CONFIRM_TEXT)
        for name in ("confirm", "deny"):
            self.text(one.get(name), f"{where}/{name}", CONFIRM_BUTTON, plain)


def wrong_blocks(
    blocks: Any,
    surface: str = "message",
    knows_file: Callable[[Mapping[str, Any]], bool] | None = None,
) -> list[str]:
    """Return what is wrong with blocks, a line for each; none where all is well."""
    check = _Check(knows_file)
    check.blocks(blocks, surface)
    return check.wrong


def wrong_view(view: Any, kind: str) -> list[str]:
    """Return what is wrong with a modal or a home tab."""
    check = _Check(knows_file=None)
    if not check.that(isinstance(view, dict), "/view", "must be an object"):
        return check.wrong
    check.that(view.get("type") == kind, "/view/type", f"must be {kind}")
    check.keys(view, VIEW_KEYS, "/view")
    plain = frozenset({"plain_text"})
    for name in ("title", "submit", "close"):
        if name in view or (name == "title" and kind == "modal"):
            check.text(view.get(name), f"/view/{name}", VIEW_TITLE, plain)
    for name, longest in {
        "private_metadata": PRIVATE_METADATA,
        "callback_id": ID,
    }.items():
        if name in view:
            check.plain(view[name], f"/view/{name}", longest, shortest=0)
    blocks = view.get("blocks", [])
    check.blocks(blocks, kind)
    parts = blocks if isinstance(blocks, list) else []
    inputs = [one for one in parts if isinstance(one, dict)]
    needs_submit = any(one.get("type") == "input" for one in inputs)
    check.that("submit" in view or not needs_submit, "/view", "missing submit")
    return check.wrong
