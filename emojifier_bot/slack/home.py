"""The home tab: what the bot does, what one has chosen, and the last results.

Admins choose for the workspace there, too. What one may choose of the reading mode is
never more than the operator and the workspace allow.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from slack_bolt import Ack, App, BoltContext

from emojifier_bot.db.preferences import EVERYBODY, OFF, ON, Preference
from emojifier_bot.domain import EmojifyRequest, PostRecord
from emojifier_bot.emotion_models import ReadingMode, lowest
from emojifier_bot.errors import DeliveryError
from emojifier_bot.slack.blocks import (
    MAX_VIEW_TITLE,
    Block,
    button,
    context,
    header,
    plain,
    section,
)
from emojifier_bot.slack.commands import refusal_of
from emojifier_bot.slack.context import ListenerContext, Site
from emojifier_bot.slack.messages import quoted, render_message
from emojifier_bot.slack.payloads import Payload

logger = logging.getLogger(__name__)

#: Ids of the buttons and menus; a menu's ends with what is chosen.
TRY, OPT_OUT, OPT_IN = "home_try", "home_opt_out", "home_opt_in"
MINE, EVERYBODYS, SWITCH_ON = "home_mine_", "home_all_", "home_switch_on"
_MENU = re.compile(f"^({MINE}|{EVERYBODYS})({'|'.join(Preference)})$")
#: The option that chooses nothing: an option needs a value.
NOTHING = "-"
#: Results and channels that are listed.
MOST_RESULTS, MOST_CHANNELS = 5, 20
#: Of the site's static files; Slack shows no WebP.
PICTURE = "/static/card.jpg"
PICTURE_ALT = "A photo of people, and the same photo with an emoji over every face"
#: What Slack answers where it cannot fetch that picture.
NOT_FETCHED = "invalid_arguments"
READING_WORDS = {
    ReadingMode.EXPRESSIONS: "Expressions: emoji and texts name them",
    ReadingMode.SHAPES: "Shapes: texts say what is visible, no emotion",
    ReadingMode.OFF: "Off: no expression is read",
}
READING_MESSAGES = {
    ReadingMode.EXPRESSIONS: "reading_expressions",
    ReadingMode.SHAPES: "reading_shapes",
    ReadingMode.OFF: "reading_off",
}
PREVIEW_WORDS = {ON: "Show me a preview first", OFF: "Post at once"}


@dataclass(frozen=True, slots=True)
class HomeFacts:
    """What one person's home tab shows."""

    names: dict[str, str]
    site: Site
    themes: Sequence[str]
    opted_out: bool = False
    mine: dict[str, str] = field(default_factory=dict)
    everybodys: dict[str, str] = field(default_factory=dict)
    #: The newest results, with their links.
    results: Sequence[tuple[PostRecord, str]] = ()
    is_admin: bool = False
    channels_off: Sequence[str] = ()

    @property
    def reading(self) -> ReadingMode:
        """Return the mode that counts for this person."""
        own = self.mine.get(Preference.READING, "")
        return lowest(self.allowed(for_me=True), own)

    def allowed(self, *, for_me: bool) -> ReadingMode:
        """Return the most that one may choose to be read of faces."""
        workspaces = self.everybodys.get(Preference.READING, "") if for_me else ""
        return lowest(self.site.reading, workspaces)


def home_view(facts: HomeFacts, *, with_picture: bool = True) -> Block:
    """Return the home tab."""
    picture = {
        "type": "image",
        "image_url": facts.site.public_url.rstrip("/") + PICTURE,
        "alt_text": PICTURE_ALT,
    }
    shows = with_picture and facts.site.public_url.startswith("https://")
    tried = button("Try it", TRY, "try", "Show how to emojify a picture, step by step")
    return {
        "type": "home",
        "blocks": [
            header("What I do"),
            *([picture] if shows else []),
            section(render_message("help", **facts.names)),
            {"type": "actions", "elements": [tried | {"style": "primary"}]},
            header("Your settings"),
            _opting(facts),
            *_menus(facts, MINE, facts.mine, "As the workspace has it"),
            header("Your last results"),
            section(_results(facts.results)),
            *(_for_admins(facts) if facts.is_admin else []),
            header("Privacy"),
            section(render_message("privacy")),
            context(render_message(READING_MESSAGES[facts.reading])),
            *([context(links)] if (links := _links(facts.site)) else []),
        ],
    }


def try_view(command: str) -> Block:
    """Return the window with the steps of a first try."""
    return {
        "type": "modal",
        "title": plain("Try it", MAX_VIEW_TITLE),
        "close": plain("Close", MAX_VIEW_TITLE),
        "blocks": [section(render_message("try_it", command=command))],
    }


def _opting(facts: HomeFacts) -> Block:
    if facts.opted_out:
        text = "*Your pictures* are left alone, whoever asks."
        press = button("Allow emoji", OPT_IN, "in", "Allow emoji on your pictures")
    else:
        text = "*Your pictures* may get emoji when somebody asks."
        spoken = "Leave the pictures that you post alone"
        press = button("Leave mine alone", OPT_OUT, "out", spoken)
    return section(text) | {"accessory": press}


def _menus(
    facts: HomeFacts, prefix: str, chosen: dict[str, str], nothing: str
) -> list[Block]:
    modes = [*ReadingMode]
    least = modes.index(facts.allowed(for_me=prefix == MINE))
    choices = {
        Preference.THEME: ("Theme", {one: one for one in facts.themes}),
        Preference.PREVIEW: ("Preview", PREVIEW_WORDS),
        Preference.READING: (
            "What is read of faces",
            {str(one): READING_WORDS[one] for one in modes[least:]},
        ),
    }
    return [
        _menu(prefix + name, title, words, chosen.get(name, ""), nothing)
        for name, (title, words) in choices.items()
    ]


def _menu(
    action_id: str, title: str, words: dict[str, str], chosen: str, nothing: str
) -> Block:
    options = [{"text": plain(nothing), "value": NOTHING}]
    options += [{"text": plain(said), "value": one} for one, said in words.items()]
    initial = next((one for one in options if one["value"] == chosen), options[0])
    return section(f"*{title}*") | {
        "accessory": {
            "type": "static_select",
            "action_id": action_id,
            "placeholder": plain(title),
            "options": options,
            "initial_option": initial,
        }
    }


def _results(results: Sequence[tuple[PostRecord, str]]) -> str:
    if not results:
        return "None in the last days."
    return "\n".join(
        f"• <{link}|{quoted(one.post.title) or 'a result'}> in "
        f"<#{one.post.channel_id}>, <!date^{int(one.posted_at.timestamp())}"
        f"^{{date_short_pretty}}, {{time}}|{one.posted_at:%Y-%m-%d %H:%M}>"
        for one, link in results
    )


def _for_admins(facts: HomeFacts) -> list[Block]:
    nothing = "As the server has it"
    rows = [
        section(f"<#{channel_id}> is switched off")
        | {
            "accessory": button(
                "Switch on", SWITCH_ON, channel_id, "Switch me on in that channel"
            )
        }
        for channel_id in facts.channels_off[:MOST_CHANNELS]
    ]
    return [
        header("For the workspace"),
        context(render_message("for_admins", **facts.names)),
        *_menus(facts, EVERYBODYS, facts.everybodys, nothing),
        *(rows or [context("I am switched off in no channel.")]),
    ]


def _links(site: Site) -> str:
    base = site.public_url.rstrip("/")
    pages = {"Privacy": "/privacy", "Support": "/support", "About me": "/"}
    links = {name: base + path for name, path in pages.items() if base}
    if site.source_url:
        links["Source"] = html.escape(site.source_url, quote=False)
    return " · ".join(f"<{link}|{name}>" for name, link in links.items())


class Home:
    """Listeners for the home tab; everything is shown anew after each press."""

    def __init__(self, context: ListenerContext) -> None:
        self._context = context

    def register(self, app: App) -> None:
        """Register the listeners with Bolt."""
        app.event("app_home_opened")(self.opened)
        app.action(TRY)(self.try_it)
        app.action(OPT_OUT)(self.opt)
        app.action(OPT_IN)(self.opt)
        app.action(_MENU)(self.chosen)
        app.action(SWITCH_ON)(self.switch_on)

    def opened(self, event: Payload, body: Payload, context: BoltContext) -> None:
        """Show the home tab."""
        if event.get("tab") == "home":
            asker = replace(
                self._context.asker_of(body, context), user_id=str(event["user"])
            )
            self._show_later(asker, body, context)

    def try_it(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Open the window with the steps."""
        ack()
        asker = self._context.asker_of(body, context)
        view = try_view(self._context.names(body, context)["command"])

        def task() -> None:
            trigger_id = str(body.get("trigger_id"))
            self._context.client.call(
                asker.workspace, "views.open", trigger_id=trigger_id, view=view
            )

        self._context.run_later(asker, "try_it", task)

    def opt(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Leave the pictures of whoever presses alone, or no longer."""
        ack()
        asker = self._context.asker_of(body, context)
        out = body["actions"][0]["action_id"] == OPT_OUT
        self._context.settings.opt(asker.workspace, asker.user_id, out=out)
        self._show_later(asker, body, context)

    def chosen(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Keep a choice, of a person or, by an admin, for the workspace."""
        ack()
        asker = self._context.asker_of(body, context)
        action = body["actions"][0]
        prefix = MINE if str(action["action_id"]).startswith(MINE) else EVERYBODYS
        name = str(action["action_id"]).removeprefix(prefix)
        value = str((action.get("selected_option") or {}).get("value") or NOTHING)
        value = "" if value == NOTHING else value
        choose = self._context.preferences.choose
        if prefix == MINE:
            choose(asker.workspace, asker.user_id, Preference(name), value)
            self._show_later(asker, body, context)
            return

        def task() -> None:
            if kind := refusal_of(self._context.client, asker):
                self._context.notify(asker, kind)
                return
            choose(asker.workspace, EVERYBODY, Preference(name), value)
            self._show(asker, body, context)

        self._context.run_later(asker, "choose", task)

    def switch_on(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Switch the bot on in a channel, for an admin."""
        ack()
        asker = self._context.asker_of(body, context)
        channel_id = str(body["actions"][0].get("value") or "")

        def task() -> None:
            if kind := refusal_of(self._context.client, asker):
                self._context.notify(asker, kind)
                return
            who = (asker.workspace, channel_id, asker.user_id)
            self._context.settings.switch(*who, off=False)
            self._show(asker, body, context)

        self._context.run_later(asker, "switch", task)

    def _show_later(
        self, asker: EmojifyRequest, body: Payload, context: BoltContext
    ) -> None:
        def task() -> None:
            try:
                self._show(asker, body, context)
            except DeliveryError as error:
                facts = {"action": "home", "error": error.kind}
                logger.warning("The home tab was not shown", extra=facts)

        self._context.background.submit("home", asker.workspace.id, task)

    def _show(self, asker: EmojifyRequest, body: Payload, context: BoltContext) -> None:
        facts = self._facts(asker, self._context.names(body, context))
        for with_picture in (True, False):
            try:
                self._context.client.call(
                    asker.workspace,
                    "views.publish",
                    user_id=asker.user_id,
                    view=home_view(facts, with_picture=with_picture),
                )
            except DeliveryError as error:
                if error.kind != NOT_FETCHED or not with_picture:
                    raise
            else:
                return

    def _facts(self, asker: EmojifyRequest, names: dict[str, str]) -> HomeFacts:
        own, workspace, user_id = self._context, asker.workspace, asker.user_id
        is_admin = not refusal_of(own.client, asker)
        return HomeFacts(
            names=names | own.help_facts,
            site=own.site,
            themes=own.themes,
            opted_out=bool(own.settings.opted_out([user_id])),
            mine=own.preferences.chosen(workspace, user_id),
            everybodys=own.preferences.chosen(workspace),
            results=self._results(asker),
            is_admin=is_admin,
            channels_off=own.settings.channels_off(workspace) if is_admin else (),
        )

    def _results(self, asker: EmojifyRequest) -> list[tuple[PostRecord, str]]:
        """Return the newest results that stand, with the links that Slack names."""
        workspace, found = asker.workspace, []
        latest = self._context.posts.latest(workspace, asker.user_id, MOST_RESULTS)
        for one in latest:
            try:
                answer = self._context.client.call(
                    workspace, "files.info", file=one.post.file_id
                )
            except DeliveryError as error:
                if error.retryable:
                    raise
                continue  # it is gone
            if link := (answer.get("file") or {}).get("permalink"):
                found.append((one, str(link)))
        return found
