"""The message of a preview: the picture, a menu for each face, *Post* and *Discard*.

Only the asker sees it. Faces are shown some at a time, so that the message stays far
below Slack's 50 blocks and its length, whatever there is to choose.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from emojifier_bot.db.drafts import Draft, Drawing
from emojifier_bot.domain import EmojifyRequest
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.slack.blocks import (
    MAX_VIEW_TITLE,
    Block,
    button,
    context,
    plain,
    section,
)
from emojifier_bot.slack.messages import quoted, render_message
from emojifier_bot.slack.payloads import is_direct
from emojifier_bot.vision.plan import (
    ChosenBy,
    Cover,
    CoverKind,
    Decision,
    DrawEmoji,
    Leave,
    Plan,
    PlannedFace,
)
from emojifier_bot.vision.types import Emoji, EmojiTheme

#: Ids of the menus and buttons, and of the window with all emoji.
FACE, THEME, SHUFFLE = "preview_face", "preview_theme", "preview_shuffle"
POST, DISCARD = "preview_post", "preview_discard"
PREVIOUS, NEXT = "preview_page_previous", "preview_page_next"
ALL_EMOJI = "preview_emoji"
OPEN, WINDOW = "preview_open", "preview_window"
#: Begins the id of every block of a preview.
PREFIX = "preview"
#: Faces that have a row at the same time.
FACES_A_PAGE = 10
#: Slack's limits, in characters, options and, of a window as JSON, bytes.
MAX_ALT_TEXT, MAX_OPTIONS, MAX_PLACEHOLDER = 2000, 100, 150
MAX_VIEW_BYTES = 250_000
#: The last option of a menu.
ALL = "all"


@dataclass(frozen=True, slots=True)
class Other:
    """What a face may get beside emoji: what a menu says, and then the face's row."""

    decision: Decision
    action: str
    state: str


#: By the option's value.
OTHERS = {
    "leave": Other(Leave(), "Leave as it is", "left as it is"),
    "cover": Other(Cover(CoverKind.SOLID), "Cover", "covered"),
    "mosaic": Other(
        Cover(CoverKind.MOSAIC), "Cover with a mosaic", "covered with a mosaic"
    ),
    "blur": Other(Cover(CoverKind.BLUR), "Cover with a blur", "covered with a blur"),
}
#: Goes before an emoji's name in an option's value: one may be called "leave".
NAMED = ":"


@dataclass(frozen=True, slots=True)
class PreviewId:
    """Which preview a block belongs to."""

    team_id: str
    draft_id: str

    @classmethod
    def of(cls, draft: Draft) -> PreviewId:
        """Return that of a draft."""
        return cls(draft.workspace.team_id, draft.draft_id)

    @classmethod
    def parse(cls, block_id: str) -> PreviewId:
        """Read it from a block's id, or from a window's metadata."""
        _, team_id, draft_id, *_ = [*block_id.split("/"), "", ""]
        return cls(team_id, draft_id)

    def block_id(self, *parts: object) -> str:
        """Return the id of one block."""
        return "/".join(map(str, (PREFIX, self.team_id, self.draft_id, *parts)))


def preview_text(draft: Draft, kind: str = "preview") -> str:
    """Return what a preview says where its blocks are not shown: in a notification."""
    return render_message(kind, picture=_name(draft), place=place_of(draft.request))


def preview_blocks(
    draft: Draft,
    drawing: Drawing,
    theme: EmojiTheme,
    themes: Sequence[str],
    *,
    in_window: bool = False,
    all_emoji: bool = True,
) -> list[Block]:
    """Return the message, or what its window shows.

    Args:
        draft: The preview.
        drawing: What is shown of it.
        theme: That of the drawing's plan.
        themes: Names of all that may be chosen.
        in_window: *Post* is the window's own button, and no window opens from it: its
            menus have all emoji themselves,
        all_emoji: or do not, where they have no room.
    """
    plan, ours = Plan.from_dict(drawing.plan), PreviewId.of(draft)
    first = min(draft.page, (len(plan.faces) - 1) // FACES_A_PAGE) * FACES_A_PAGE
    shown = plan.faces[first : first + FACES_A_PAGE]
    version = drawing.version
    kind = "preview_window" if in_window else "preview"
    more = (theme.emoji if all_emoji else ()) if in_window else None
    rows = [_row(one, plan, theme, ours, version, more=more) for one in shown]
    controls = _theme_controls(draft, plan, themes)
    if not in_window:
        controls += _ways_out(draft)
    ends = ["preview_ends"] if all_emoji else ["preview_emoji", "preview_ends"]
    return [
        section(preview_text(draft, kind)) | {"block_id": ours.block_id("head")},
        {
            "type": "image",
            "block_id": ours.block_id("picture", version),
            "slack_file": {"id": drawing.file_id},
            "alt_text": f"Preview with the faces' numbers. {drawing.alt_text}",
        },
        {
            "type": "actions",
            "block_id": ours.block_id("controls", version),
            "elements": controls,
        },
        *rows,
        *_pages(first, len(shown), len(plan.faces), ours),
        context("\n".join([*drawing.notes, *map(render_message, ends)])),
    ]


def preview_view(
    metadata: str,
    draft: Draft,
    drawing: Drawing,
    theme: EmojiTheme,
    themes: Sequence[str],
) -> Block:
    """Return the window that shows what the message of a preview does.

    Args:
        metadata: Names the preview and what is drawn of it; sealed, since it comes back
            from a client.
        draft: The preview.
        drawing: What is shown of it.
        theme: That of the drawing's plan.
        themes: Names of all that may be chosen.
    """
    label = post_label(draft.request)
    blocks = partial(preview_blocks, draft, drawing, theme, themes, in_window=True)
    view = {
        "type": "modal",
        "callback_id": WINDOW,
        "private_metadata": metadata,
        "title": plain("Preview", MAX_VIEW_TITLE),
        "submit": plain(label if len(label) <= MAX_VIEW_TITLE else "Post"),
        "close": plain("Back", MAX_VIEW_TITLE),
        "blocks": blocks(),
    }
    fits = len(json.dumps(view)) <= MAX_VIEW_BYTES
    return view if fits else view | {"blocks": blocks(all_emoji=False)}


def reasons_blocks(draft: Draft, drawing: Drawing) -> list[Block]:
    """Return what stands with the cards of reasons."""
    ours = PreviewId.of(draft)
    words = html.escape(drawing.alt_text, quote=False)
    return [
        section(render_message("why", picture=_name(draft)))
        | {"block_id": ours.block_id("head")},
        section(words or "…"),
        {
            "type": "actions",
            "block_id": ours.block_id("controls"),
            "elements": [
                button("Discard", DISCARD, draft.draft_id, "Delete these reasons")
            ],
        },
    ]


def place_of(request: EmojifyRequest) -> str:
    """Return where *Post* puts a picture, in Slack's mark-up."""
    if request.private or is_direct(request.channel_id):
        return "your direct messages with me"
    where = f"<#{request.channel_id}>"
    return f"the thread in {where}" if request.thread_ts else where


def post_label(request: EmojifyRequest) -> str:
    """Return what stands on *Post*."""
    if request.private or is_direct(request.channel_id):
        return "Post here"
    if request.thread_ts:
        return "Post to the thread"
    name = request.channel_name
    return f"Post to #{name}" if name else "Post to the channel"


def all_emoji_view(metadata: str, number: int, theme: EmojiTheme, plan: Plan) -> Block:
    """Return the window in which one face gets any emoji of the theme.

    Args:
        metadata: Names preview and face; sealed, since it comes back from a client.
        number: The face's.
        theme: Whose emoji.
        plan: Says which one the face has.
    """
    options = [
        _option(_shown(one, plan.reading), NAMED + one.name) for one in theme.emoji
    ]
    chosen = [_choice(one.decision) for one in plan.faces if one.number == number]
    initial = [one for one in options if one["value"] in chosen]
    groups = _groups(options)
    choices = {"options": options} if len(groups) == 1 else {"option_groups": groups}
    menu = {
        "type": "static_select",
        "action_id": ALL_EMOJI,
        "placeholder": plain(f"Emoji for face {number}", MAX_PLACEHOLDER),
        **choices,
        **({"initial_option": initial[0]} if initial else {}),
    }
    return {
        "type": "modal",
        "callback_id": ALL_EMOJI,
        "private_metadata": metadata,
        "title": plain(f"Emoji for face {number}", MAX_VIEW_TITLE),
        "submit": plain("Use it", MAX_VIEW_TITLE),
        "close": plain("Cancel", MAX_VIEW_TITLE),
        "blocks": [
            {
                "type": "input",
                "block_id": "emoji",
                "label": plain(f"All emoji of the theme {theme.name}"),
                "element": menu,
            }
        ],
    }


def parse_choice(value: str) -> tuple[int, str]:
    """Return the face's number and the choice of an option of a row."""
    number, _, choice = value.partition("/")
    return int(number), choice


def decision_of(choice: str) -> Decision | None:
    """Return what a choice decides; None for none."""
    if choice.startswith(NAMED):
        return DrawEmoji(choice.removeprefix(NAMED))
    return OTHERS[choice].decision if choice in OTHERS else None


def _name(draft: Draft) -> str:
    return f"“{quoted(draft.name)}”" if draft.name else "your picture"


def _theme_controls(draft: Draft, plan: Plan, themes: Sequence[str]) -> list[Block]:
    """Return what changes all faces at once."""
    choices = [_option(f"Theme: {one}", one) for one in themes[:MAX_OPTIONS]]
    chosen = [one for one in choices if one["value"] == plan.theme]
    menu = {
        "type": "static_select",
        "action_id": THEME,
        "placeholder": plain("Theme of all emoji", MAX_PLACEHOLDER),
        "options": choices,
        **({"initial_option": chosen[0]} if chosen else {}),
    }
    shuffle = "Choose other emoji near to each face"
    return [
        *([menu] if choices else []),
        button("Shuffle", SHUFFLE, draft.draft_id, shuffle),
    ]


def _ways_out(draft: Draft) -> list[Block]:
    """Return the buttons of the message that end the preview, or open its window."""
    label, named = post_label(draft.request), draft.draft_id
    post = button(label, POST, named, "Post this picture, without the numbers")
    discard = "Delete this preview; nothing is posted"
    return [
        post | {"style": "primary"},
        button("Discard", DISCARD, named, discard) | {"style": "danger"},
        button("Open as a window", OPEN, named, "Show it in a window"),
    ]


def _row(
    face: PlannedFace,
    plan: Plan,
    theme: EmojiTheme,
    ours: PreviewId,
    version: int,
    *,
    more: Sequence[Emoji] | None,
) -> Block:
    """Return what one face gets, in words, with the menu that changes it.

    ``more`` are the emoji that the menu has too; None for a window that has them.
    """
    emoji = {one.name: one for one in theme.emoji}
    names = [one for one in face.nearest if one in emoji]
    decision = face.decision
    if isinstance(decision, DrawEmoji) and decision.name not in names:
        names = [decision.name, *names]

    def offered(one: Emoji) -> Block:
        return _option(_shown(one, plan.reading), f"{face.number}/{NAMED}{one.name}")

    options = [offered(emoji[name]) for name in names]
    options += [
        _option(other.action, f"{face.number}/{name}") for name, other in OTHERS.items()
    ]
    value = f"{face.number}/{_choice(decision)}"
    initial = [one for one in options if one["value"] == value]
    choices: Block = {"options": options}
    if more is None:
        options.append(_option("All emoji…", f"{face.number}/{ALL}"))
    elif others := [offered(one) for one in more if one.name not in names]:
        nearest = {"label": plain("Nearest, or none"), "options": options}
        choices = {"option_groups": [nearest, *_groups(others)]}
    menu = {
        "type": "static_select",
        "action_id": FACE,
        "placeholder": plain(f"What face {face.number} gets", MAX_PLACEHOLDER),
        **choices,
        **({"initial_option": initial[0]} if initial else {}),
    }
    return section(f"*Face {face.number}:* {_said(face, emoji, plan.reading)}") | {
        "block_id": ours.block_id("face", version, face.number),
        "accessory": menu,
    }


def _choice(decision: Decision) -> str:
    if isinstance(decision, DrawEmoji):
        return NAMED + decision.name
    others = OTHERS.items()
    return next((name for name, one in others if one.decision == decision), "")


def _said(face: PlannedFace, emoji: dict[str, Emoji], reading: ReadingMode) -> str:
    decision = face.decision
    if not isinstance(decision, DrawEmoji):
        return OTHERS.get(_choice(decision), OTHERS["cover"]).state
    one = emoji.get(decision.name)
    shown = html.escape(_shown(one, reading), quote=False) if one else decision.name
    if face.shapes and reading is not ReadingMode.EXPRESSIONS:
        shown = f"{shown} {face.shapes}"
    is_sure = face.sure or face.chosen_by is ChosenBy.PERSON
    return shown if is_sure else f"{shown} (not sure)"


def _shown(emoji: Emoji, reading: ReadingMode = ReadingMode.EXPRESSIONS) -> str:
    """Return an emoji in words, which name an emotion, or without."""
    named = reading is ReadingMode.EXPRESSIONS
    return f"{emoji.character} {emoji.spoken}" if named else emoji.character


def _pages(first: int, shown: int, total: int, ours: PreviewId) -> list[Block]:
    if total <= FACES_A_PAGE:
        return []
    page = first // FACES_A_PAGE
    before = button("Previous faces", PREVIOUS, str(page - 1), "Show the faces before")
    after = button("Next faces", NEXT, str(page + 1), "Show the faces that follow")
    elements = [before] * (first > 0) + [after] * (first + shown < total)
    return [
        context(f"Faces {first + 1} to {first + shown} of {total}"),
        {
            "type": "actions",
            "block_id": ours.block_id("pages", page),
            "elements": elements,
        },
    ]


def _groups(options: Sequence[Block]) -> list[Block]:
    """Return the groups of a menu, each as large as it may be."""
    return [
        {
            "label": plain(f"From {options[at]['text']['text']}"),
            "options": options[at : at + MAX_OPTIONS],
        }
        for at in range(0, len(options), MAX_OPTIONS)
    ]


def _option(text: str, value: str) -> Block:
    return {"text": plain(text), "value": value}
