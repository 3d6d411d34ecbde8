"""The menus and buttons of a preview; only its asker may use them.

A change is written into the draft at once, and a job draws the newest one: many presses
in a row are drawn together by the one job that waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from slack_bolt import Ack, App, BoltContext

from emojifier_bot.db.drafts import Draft
from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    Outcome,
    Workspace,
)
from emojifier_bot.errors import DeliveryError, ErrorKind, PlanError, QueueError
from emojifier_bot.slack.context import ACCEPTED, ListenerContext, duration
from emojifier_bot.slack.payloads import Payload
from emojifier_bot.slack.preview_blocks import (
    ALL,
    ALL_EMOJI,
    DISCARD,
    FACE,
    NEXT,
    OPEN,
    POST,
    PREVIOUS,
    SHUFFLE,
    THEME,
    WINDOW,
    PreviewId,
    all_emoji_view,
    decision_of,
    parse_choice,
    place_of,
    preview_view,
)
from emojifier_bot.vision.edits import decide, shuffle
from emojifier_bot.vision.plan import Plan

#: What Slack answers where it does not show the picture in a window.
REFUSED = "invalid_arguments"
#: People whose limits are remembered; then all are looked up again.
MOST_EXHAUSTED = 1000


class PreviewActions:
    """Listeners for a preview."""

    def __init__(self, context: ListenerContext) -> None:
        self._context = context
        #: Of whom the database said that they changed too much, and when that ends.
        self._exhausted_until: dict[tuple[Workspace, str], float] = {}

    def register(self, app: App) -> None:
        """Register the listeners with Bolt."""
        app.action(FACE)(self.face)
        app.action(THEME)(self.theme)
        app.action(SHUFFLE)(self.shuffle)
        app.action(PREVIOUS)(self.page)
        app.action(NEXT)(self.page)
        app.action(POST)(self.post)
        app.action(DISCARD)(self.discard)
        app.action(OPEN)(self.open_window)
        app.view(ALL_EMOJI)(self.emoji_chosen)
        app.view(WINDOW)(self.post)

    def face(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Change what one face gets, or open the window with all emoji."""
        ack()
        asker, draft = self._find_to_change(body, context)
        number, choice = parse_choice(_value(body))
        if draft is None:
            return
        if choice == ALL:
            self._open_emoji(asker, draft, number, str(body.get("trigger_id")))
        elif decision := decision_of(choice):
            self._redraw(asker, draft, lambda plan: decide(plan, number, decision))

    def emoji_chosen(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Give a face the emoji that was chosen in the window."""
        ack()
        named = self._named(body)
        asker, draft = self._find_to_change(body, context)
        [state] = body["view"]["state"]["values"].values()
        chosen = str((state[ALL_EMOJI].get("selected_option") or {}).get("value") or "")
        decision = decision_of(chosen)
        if draft is not None and decision is not None:
            number = int(named.rpartition("/")[2])
            self._redraw(asker, draft, lambda plan: decide(plan, number, decision))

    def theme(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Draw all faces with another theme."""
        ack()
        asker, draft = self._find_to_change(body, context)
        theme = _value(body)
        if draft is not None and theme in self._context.themes:
            self._redraw(asker, draft, lambda plan: plan, theme)

    def shuffle(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Draw other emoji near to each face."""
        ack()
        asker, draft = self._find_to_change(body, context)
        if draft is not None:
            seed = draft.version
            self._redraw(asker, draft, lambda plan: shuffle(plan, seed))

    def page(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Show other faces' rows."""
        ack()
        asker, draft = self._find_to_change(body, context)
        if draft is None:
            return
        page = max(int(_value(body)), 0)
        if now := self._change(draft, lambda one: replace(one, page=page)):
            self._context.run_later(
                asker, "page_preview", lambda: self._context.previews.redraw(now)
            )

    def open_window(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Show the preview in a window too, which is redrawn with the message."""
        ack()
        asker, draft = self._find(body, context)
        shown = draft.shown if draft else None
        if draft is None or shown is None:
            return
        own = self._context
        theme = own.theme(str(shown.plan["theme"]))
        metadata = own.seal(PreviewId.of(draft).block_id(shown.version))
        view = preview_view(metadata, draft, shown, theme, own.themes)
        trigger_id = str(body.get("trigger_id"))

        def task() -> None:
            try:
                answer = own.client.call(
                    asker.workspace, "views.open", trigger_id=trigger_id, view=view
                )
            except DeliveryError as error:
                if error.kind != REFUSED:
                    raise
                own.notify(asker, "no_window")
                return
            view_id = str(answer["view"]["id"])
            now = self._change(draft, lambda one: replace(one, view_id=view_id))
            if now and now.looks != replace(draft, view_id=view_id).looks:
                own.previews.redraw(now)  # drawn meanwhile

        own.run_later(asker, "open_preview", task)

    def post(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Queue the job that posts what was seen, and takes the preview away.

        What lacks the asker's last change is not posted: they may have covered a face.
        """
        ack()
        asker, draft = self._find(body, context)
        if draft is None:
            return
        seen = draft.drawn(self._named(body).rpartition("/")[2])
        if seen is None or seen.version < draft.version:
            kind = "" if draft.drawn_id else self._draw(asker, draft)
            self._context.notify(asker, kind or ErrorKind.PREVIEW_CHANGED)
            return
        request = replace(
            draft.request,
            entrypoint=Entrypoint.PREVIEW,
            draft_id=draft.draft_id,
            digest=seen.digest,
            words=(),
            sealed_response_url=asker.sealed_response_url,
        )
        outcome = Outcome(ErrorKind.BUSY)
        try:
            if key := self._context.next_key(f"{draft.draft_id}:post"):
                outcome = self._context.enqueue(request, key)
        except QueueError as error:
            outcome = Outcome(error.kind)
        kind, facts = outcome.kind, dict(outcome.facts)
        if kind in ACCEPTED and "actions" not in body:
            return  # the window closes; a message about that would stay
        if kind in ACCEPTED:
            kind, facts = "posting", {"place": place_of(draft.request)}
        self._context.notify(asker, kind, **facts)

    def discard(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Take the preview away; should that fail, a worker does it."""
        ack()
        asker, draft = self._find(body, context)
        if draft is None:
            return
        ended = self._context.previews.drafts.end(draft.workspace, draft.draft_id)
        if ended is not None:
            # Pressed at once, it may stand there before a worker has kept where.
            ts = str((body.get("message") or {}).get("ts") or "")
            channel_id = str((body.get("channel") or {}).get("id") or "")
            if ts and channel_id and not ended.message_ts:
                ended = replace(ended, channel_id=channel_id, message_ts=ts)
            self._context.run_later(
                asker, "discard", lambda: self._context.previews.take_away(ended)
            )

    def _find_to_change(
        self, body: Payload, context: BoltContext
    ) -> tuple[EmojifyRequest, Draft | None]:
        """Do as `_find`, unless the presser has changed too much of late."""
        asker = self._context.asker_of(body, context)
        if self._may_change(asker):
            return self._find(body, context)
        return asker, None

    def _may_change(self, asker: EmojifyRequest) -> bool:
        """Count a change; False where a limit is in the way, which is told once.

        Until something may be there again the database is not asked: SQLite has one
        writer, whom a flood of presses would take from others.
        """
        changes, who = self._context.changes, (asker.workspace, asker.user_id)
        now = changes.clock.monotonic()
        if self._exhausted_until.get(who, now) > now:
            return False
        exhausted = changes.take(*who)
        if exhausted is None:
            return True
        if len(self._exhausted_until) >= MOST_EXHAUSTED:
            self._exhausted_until.clear()
        self._exhausted_until[who] = now + exhausted.wait_seconds
        wait = duration(exhausted.wait_seconds)
        self._context.notify(asker, exhausted.limit.kind, wait=wait)
        return False

    def _find(
        self, body: Payload, context: BoltContext
    ) -> tuple[EmojifyRequest, Draft | None]:
        """Return who pressed, and the preview if it stands and is theirs.

        Whoever else presses hears that it is gone, which is all they may know.
        """
        asker = self._context.asker_of(body, context)
        preview = PreviewId.parse(self._named(body))
        there = replace(asker.workspace, team_id=preview.team_id)
        draft = self._context.previews.drafts.find(there, preview.draft_id)
        if draft is None or draft.asker_id != asker.user_id:
            self._context.notify(asker, ErrorKind.PREVIEW_GONE)
            return asker, None
        return asker, draft

    def _named(self, body: Payload) -> str:
        """Return the id of the block that was pressed, or what a window names."""
        if "actions" in body:
            return str(body["actions"][0].get("block_id") or "")
        return self._context.vault.unseal(str(body["view"]["private_metadata"]))

    def _change(self, draft: Draft, change: Callable[[Draft], Draft]) -> Draft | None:
        drafts = self._context.previews.drafts
        return drafts.change(draft.workspace, draft.draft_id, change)

    def _redraw(
        self,
        asker: EmojifyRequest,
        draft: Draft,
        change: Callable[[Plan], Plan],
        theme: str = "",
    ) -> None:
        """Change a preview's plan, and queue the job that draws it."""

        def changed(one: Draft) -> Draft:
            plan = change(Plan.from_dict(one.plan)).to_dict()
            request = replace(one.request, theme=theme or one.request.theme)
            if plan == one.plan and request == one.request:
                return one
            return replace(one, plan=plan, request=request, version=one.version + 1)

        try:
            now = self._change(draft, changed)
        except PlanError as error:
            self._context.notify(asker, error.kind, problem=error.message)
            return
        if now is None or now.version == draft.version:
            return
        if kind := self._draw(asker, now):
            self._context.notify(asker, kind)

    def _draw(self, asker: EmojifyRequest, now: Draft) -> str:
        """Queue the job that draws a preview as it is now.

        Returns:
            Kind of the message about what is wrong; empty for nothing.
        """
        request = replace(
            now.request,
            entrypoint=Entrypoint.PREVIEW,
            preview=True,
            private=True,
            draft_id=now.draft_id,
            words=(),
            sealed_response_url=asker.sealed_response_url,
        )
        try:
            # Not a picture more: it was counted when it was asked for. One job waits
            # for all that is changed until it begins.
            if key := self._context.next_key(f"{now.draft_id}:draw:{now.begun}"):
                self._context.queue.enqueue(request, key)
                return ""
        except QueueError as error:
            return error.kind
        return ErrorKind.BUSY

    def _open_emoji(
        self, asker: EmojifyRequest, draft: Draft, number: int, trigger_id: str
    ) -> None:
        plan = Plan.from_dict(draft.plan)
        theme = self._context.theme(draft.request.theme or plan.theme)
        metadata = self._context.seal(PreviewId.of(draft).block_id(number))
        view = all_emoji_view(metadata, number, theme, plan)

        def task() -> None:
            self._context.client.call(
                asker.workspace, "views.open", trigger_id=trigger_id, view=view
            )

        self._context.run_later(asker, "all_emoji", task)


def _value(body: Payload) -> str:
    """Return the value of the option that was chosen, or of the button."""
    action = body["actions"][0]
    option = action.get("selected_option") or {}
    return str(option.get("value") or action.get("value") or "")
