"""The steps of a preview: draw it, wait until Slack has it, show it, take it away.

What a preview is lies in its draft; the record of a step says only that it was done.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emojifier_bot.db.drafts import Draft, Drawing
from emojifier_bot.db.previews import Previews
from emojifier_bot.domain import (
    EmojifyRequest,
    ImageReference,
    ResultPicture,
    Workspace,
)
from emojifier_bot.emotion_models import ReadingMode, lowest
from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.jobs.places import Hand
from emojifier_bot.vision.alt_text import MAX_ALT_TEXT_CHARACTERS
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.plan import Plan

if TYPE_CHECKING:
    from emojifier_bot.jobs.steps import JobSteps

logger = logging.getLogger(__name__)

#: What the copy with numbers is called in Slack.
FILENAME = "preview.jpg"
#: And the cards of reasons.
CARDS = "why.png"
#: In place of a file's id.
NO_FILE = "-"
#: A press opens, changes and seals all of a draft while Slack waits: 30 ms of the
#: processor for so many faces, on thirty pages; ten times that for all that a picture
#: may have.
MOST_FACES = 300


@dataclass(frozen=True, slots=True)
class PreviewSteps:
    """The steps of jobs that draw a preview."""

    steps: JobSteps

    @property
    def _previews(self) -> Previews:
        return self.steps.deps.previews

    def take(
        self,
        hand: Hand,
        draft_id: str,
        request: EmojifyRequest,
        reference: ImageReference,
    ) -> str | None:
        """Take in hand the picture of a draft that is to be drawn.

        Returns:
            None, or, where nothing is to be drawn, the file that shows all of the
            draft; empty where that is gone.
        """
        draft = self._previews.drafts.find(request.workspace, draft_id)
        if draft is None and request.draft_id:
            return ""
        if draft is not None and draft.drawn_id:
            return draft.drawn_id  # by an earlier try, or by a later press
        self.steps.fetch(hand, request, reference)
        return None

    def draw(
        self,
        hand: Hand,
        draft_id: str,
        request: EmojifyRequest,
        reference: ImageReference,
    ) -> str | None:
        """Draw what the draft says now, and upload it; nobody sees it yet.

        Returns:
            The file; None where there is no face, empty where the draft is gone.
        """
        workspace, drafts = request.workspace, self._previews.drafts
        # What is changed from here on is another job's.
        draft = drafts.change(
            workspace, draft_id, lambda one: replace(one, begun=one.version)
        )
        if draft is None and request.draft_id:
            return ""
        if draft is not None and draft.drawn_id:
            return draft.drawn_id  # by a later press, meanwhile
        image = hand.take_image()
        with hand.pipeline:
            picture = self.steps.previewed(draft_id, draft, request, image)
        name = image.name
        del image  # its room is given back
        if not picture.faces or picture.plan is None:
            return None
        _check_faces(picture.plan)
        self.steps.lease.check()
        alt_text = picture.alt_text[:MAX_ALT_TEXT_CHARACTERS]
        file_id = self.steps.deps.sink.upload(
            workspace, ResultPicture(picture.data, FILENAME, alt_text)
        )
        drawing = Drawing(
            version=draft.version if draft else 1,
            plan=picture.plan.to_dict(),
            digest=picture.digest,
            file_id=file_id,
            alt_text=alt_text,
            notes=picture.notes,
        )
        if draft is None:
            asked = _to_post(request, reference)
            drafts.begin(
                Draft(draft_id, asked, name, drawing.plan).with_upcoming(drawing)
            )
        else:
            drafts.change(workspace, draft_id, lambda one: one.with_upcoming(drawing))
        return file_id

    def explain(
        self,
        hand: Hand,
        draft_id: str,
        request: EmojifyRequest,
        reference: ImageReference,
    ) -> bool:
        """Draw why the faces of a picture get their emoji, and upload it.

        What is drawn goes away by itself, as a preview does.

        Returns:
            False where there is no face.
        """
        image = hand.take_image()
        reading = lowest(ReadingMode.EXPRESSIONS, request.reading)
        options = EmojifyOptions(for_channel=True, reading=reading)
        with hand.pipeline:
            found = self.steps.deps.emojify.why(image.data, request.theme, options)
        name = image.name
        del image  # its room is given back
        if not found.data:
            return False
        self.steps.lease.check()
        words = "\n".join(found.sentences)
        file_id = self.steps.deps.sink.upload(
            request.workspace,
            ResultPicture(found.data, CARDS, words[:MAX_ALT_TEXT_CHARACTERS]),
        )
        drawing = Drawing(1, {}, "", file_id, words)
        draft = Draft(draft_id, _to_post(request, reference), name)
        self._previews.drafts.begin(draft.with_upcoming(drawing))
        return True

    def show_reasons(self, workspace: Workspace, draft_id: str) -> None:
        """Show the reasons to whoever asked for them, once."""
        draft = self._previews.drafts.find(workspace, draft_id)
        if draft is None or draft.upcoming is None:
            return
        channel_id = self.steps.deps.sink.target(replace(draft.request, private=True))
        self.steps.lease.confirm()
        self._previews.show_reasons(replace(draft, channel_id=channel_id))

    def make_ready(self, workspace: Workspace, draft_id: str) -> str:
        """Complete the upload; return the file once it can be shown, empty before.

        Another job may have shown it, or a newer one: then there is `NO_FILE` to show.
        """
        draft = self._previews.drafts.find(workspace, draft_id)
        if draft is None or draft.upcoming is None:
            return NO_FILE
        self.steps.lease.check()
        is_ready = self._previews.make_ready(draft, draft.upcoming)
        return draft.upcoming.file_id if is_ready else ""

    def show(self, workspace: Workspace, draft_id: str, ready_id: str) -> None:
        """Show the drawing whose file is ready to the asker."""
        draft = self._previews.drafts.find(workspace, draft_id)
        if draft is None:
            return
        private = replace(draft.request, private=True)
        channel_id = draft.channel_id or self.steps.deps.sink.target(private)
        self.steps.lease.confirm()
        self._previews.show(draft, channel_id, ready_id)

    def give_up(self, workspace: Workspace, draft_id: str, drawn_id: str) -> None:
        """Take away the drawing that this job could not show, and its file.

        What was shown before stays, and so does what a newer job has drawn.
        """
        self.steps.lease.check()
        draft = self._previews.drafts.change(
            workspace, draft_id, lambda one: one.without_upcoming(drawn_id)
        )
        if draft is not None and draft.drawings:
            self._previews.tidy(draft)
        elif draft is not None:
            self.take_away(workspace, draft_id)

    def take_away(self, workspace: Workspace, draft_id: str) -> None:
        """Take a preview away that was posted, or could not be shown."""
        self.steps.lease.check()
        self._previews.discard(workspace, draft_id)


def _to_post(request: EmojifyRequest, reference: ImageReference) -> EmojifyRequest:
    """Return what *Post* asks for, once it is pressed."""
    return replace(
        request,
        source=reference,
        further=(),
        preview=False,
        private=request.post_privately,
        reaction_ts="",
        sealed_response_url="",
    )


def _check_faces(plan: Plan) -> None:
    """Refuse more faces than a preview may have.

    Raises:
        ImageError: ``preview_faces``.
    """
    if len(plan.faces) > MOST_FACES:
        raise ImageError(
            f"A preview has {MOST_FACES} faces at most.", kind=ErrorKind.PREVIEW_FACES
        )
