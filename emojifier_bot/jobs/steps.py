"""What the steps of a job do: blocking calls, in a thread of the worker.

Each returns JSON types only: references and summaries, never a picture or a secret.
Pictures are in memory from `JobSteps.take` to the end of `JobSteps.prepare`, and until
its next try if Slack did not take the upload; never anywhere else.
"""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePath
from typing import Any, Protocol

from emojifier_bot import metrics
from emojifier_bot.clock import Clock
from emojifier_bot.db.drafts import Draft
from emojifier_bot.db.posts import PostLog
from emojifier_bot.db.previews import Previews
from emojifier_bot.domain import (
    EmojifiedPicture,
    EmojifyRequest,
    Entrypoint,
    Explanation,
    FetchedImage,
    ImageReference,
    Outcome,
    Post,
    ResultPicture,
    Share,
    ShareState,
)
from emojifier_bot.emotion_models import ReadingMode, lowest
from emojifier_bot.errors import (
    DeliveryError,
    ErrorKind,
    FetchError,
    ImageError,
    PlanError,
)
from emojifier_bot.http import SMALL_BYTES, Room, any_room
from emojifier_bot.http.fetch import clean_name
from emojifier_bot.jobs.leases import Lease
from emojifier_bot.jobs.places import ConcurrencyLimits, Hand, KeptResults
from emojifier_bot.jobs.progress import LineNote, ProgressLine
from emojifier_bot.jobs.step_runner import Timing
from emojifier_bot.ports import ImageSource, ReplySink
from emojifier_bot.vision.alt_text import MAX_ALT_TEXT_CHARACTERS
from emojifier_bot.vision.clips.opening import may_move
from emojifier_bot.vision.clips.passes import Progress, no_progress
from emojifier_bot.vision.edits import parse_edits
from emojifier_bot.vision.formats import format_named
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.plan import Plan

logger = logging.getLogger(__name__)

_NAMELESS = "picture"
#: In names of files on some systems.
_UNSAFE = re.compile(r"[<>:\"|?*]+")
SEED_BYTES = 8
#: After these answers nothing changes any more, or nobody asks again.
FINAL_STATES = frozenset({ShareState.SHARED, ShareState.DELETED})
#: Marks a post that an earlier run of the job recorded, whose own record is gone.
EARLIER = "earlier"


class Emojify(Protocol):
    """Emojifies pictures."""

    def __call__(
        self,
        data: bytes,
        theme: str,
        options: EmojifyOptions,
        *,
        progress: Progress = no_progress,
        room: Room = any_room,
    ) -> EmojifiedPicture:
        """Emojify a file.

        Args:
            data: The file.
            theme: Name of a theme; empty for the settings' own.
            options: How it is read and painted.
            progress: Called now and then with how many frames of a clip are done.
            room: Waits for room for the result.
        """
        ...

    def render(
        self, data: bytes, theme: str, plan: Plan, *, room: Room = any_room
    ) -> EmojifiedPicture:
        """Paint a plan; the same plan gives the same bytes, of a video the frames."""
        ...

    def preview(
        self, data: bytes, theme: str, options: EmojifyOptions, plan: Plan | None
    ) -> EmojifiedPicture:
        """Paint a small copy with numbers; its digest is that of what is posted."""
        ...

    def why(self, data: bytes, theme: str, options: EmojifyOptions) -> Explanation:
        """Say why each face would get its emoji."""
        ...


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Everything that a job needs from outside."""

    source: ImageSource
    sink: ReplySink
    posts: PostLog
    emojify: Emojify
    clock: Clock
    previews: Previews
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True)
class JobSteps:
    """The steps of every job of one worker."""

    deps: Dependencies
    #: Checked before Slack is called: others may have taken the job over.
    lease: Lease
    limits: ConcurrencyLimits
    kept: KeptResults = field(default_factory=KeptResults)
    line: LineNote = field(default_factory=LineNote)

    def add_reaction(self, request: EmojifyRequest) -> None:
        """Show the asker that the request was seen."""
        self.lease.check()
        self.deps.sink.add_reaction(request)

    def resolve(self, request: EmojifyRequest) -> list[dict[str, Any]]:
        """Find the pictures that a request means."""
        return [asdict(one) for one in self.deps.source.resolve(request)]

    def take(
        self,
        hand: Hand,
        job_id: str,
        request: EmojifyRequest,
        reference: ImageReference,
    ) -> dict[str, Any] | None:
        """Take the picture in hand, or the result of an earlier try that is kept.

        Returns:
            None, or the post of an earlier run, with the key `EARLIER`: its file may be
            shown already.
        """
        earlier = self.deps.posts.find(request.workspace, job_id)
        if earlier is not None:
            return _without_words(earlier.post) | {EARLIER: True}
        hand.kept = self.kept.take(job_id)
        if hand.kept is None:
            self.fetch(hand, request, reference)
        else:
            hand.enter_context(self.limits.pictures.taken(request.workspace.id))
        return None

    def prepare(
        self,
        hand: Hand,
        job_id: str,
        request: EmojifyRequest,
        reference: ImageReference,
    ) -> dict[str, Any] | None:
        """Emojify, upload and remember the post; nobody sees the file yet.

        Returns:
            The post to be, or None where there is no face.
        """
        name, result = hand.kept or self._emojify(hand, job_id, request)
        if not result.faces:
            return None
        try:
            self.lease.check()
            channel_id = self.deps.sink.target(request)
            with metrics.PICTURE_SECONDS.labels("upload").time():
                file_id = self.deps.sink.upload(
                    request.workspace, _picture(name, result)
                )
        except DeliveryError as error:
            if error.retryable:
                self.kept.keep(job_id, name, result)
            raise
        elsewhere = channel_id != request.channel_id
        post = Post(
            post_id=job_id,
            workspace=request.workspace,
            asker_id=request.user_id,
            file_id=file_id,
            channel_id=channel_id,
            title=f"{_stem(name)}, emojified",
            alt_text=result.alt_text[:MAX_ALT_TEXT_CHARACTERS],
            faces=result.faces,
            source=reference,
            thread_ts="" if elsewhere else request.thread_ts,
            theme=request.theme,
            notes=result.notes,
            frames=result.frames,
        )
        # Before the share is seen: its buttons may be pressed at once.
        self.deps.posts.record(post)
        return _without_words(post)

    def complete(self, request: EmojifyRequest, post: Post) -> None:
        """Show the file, if this worker still holds its slot.

        What the request was checked against is checked again: minutes may have passed.

        Raises:
            FetchError: It may no longer be posted; its upload is deleted.
            DeliveryError: Slack refused, or ``post_gone``: somebody deleted the post
                that this one was to replace, and does not want to see the picture
                again.
        """
        try:
            self.deps.source.check_again(request, post.source)
        except FetchError as error:
            if not error.retryable:
                with suppress(DeliveryError):  # nobody sees it
                    self.deps.sink.delete(post)
                self.deps.posts.forget(request.workspace, post.post_id)
            raise
        if request.replaces_post_id:
            old = self.deps.posts.find(request.workspace, request.replaces_post_id)
            # By this very job, in an earlier run of it, is no refusal.
            gone = old is not None and old.deleted_at is not None
            if old is not None and gone and old.deleted_by != post.post_id:
                raise DeliveryError("That post was deleted.", kind=ErrorKind.POST_GONE)
        # What is said of it is in the log alone, sealed: not in the job's record.
        known = self.deps.posts.find(request.workspace, post.post_id)
        if known is not None:
            said = known.post
            post = replace(
                post, title=said.title, alt_text=said.alt_text, faces=said.faces
            )
        self.lease.confirm()
        self.deps.sink.complete(post)

    def share(self, post: Post) -> dict[str, Any]:
        """Ask where the file is shown; then its words need not be kept any more."""
        share = self.deps.sink.share(post)
        if share.state in FINAL_STATES:
            self.deps.posts.forget_words(post.workspace, post.post_id)
        return asdict(share)

    def ensure_buttons(self, post: Post, share: Share) -> None:
        """Add the buttons where the share shows none."""
        self.lease.confirm()
        self.deps.sink.ensure_buttons(post, share)

    def remove_replaced(self, request: EmojifyRequest, post: Post) -> None:
        """Delete the post that *Try another* replaces.

        Where somebody has deleted it since the new one was completed, they wanted the
        picture away: then it is the new one that goes.
        """
        workspace, posts = request.workspace, self.deps.posts
        old = posts.find(workspace, request.replaces_post_id)
        if old is None:
            return
        self.lease.check()
        if old.deleted_by in ("", post.post_id):
            self.deps.sink.delete(old.post, request.button_ts)
            if posts.mark_deleted(workspace, old.post.post_id, post.post_id):
                return
            # Noted by an earlier run of this step, or by somebody while it ran.
            old = posts.find(workspace, old.post.post_id)
        if old is not None and old.deleted_by != post.post_id:
            self.deps.sink.delete(post)
            posts.mark_deleted(workspace, post.post_id, old.deleted_by)

    def forget(self, post_ids: list[str], request: EmojifyRequest) -> None:
        """Remove what was recorded for the buttons of a workspace that is gone."""
        for post_id in post_ids:
            self.deps.posts.forget(request.workspace, post_id)

    def notify(self, request: EmojifyRequest, outcome: Outcome) -> None:
        """Tell the asker how it ended.

        Of a clip that killed its workers nobody else takes the line away.
        """
        self.lease.check()
        if ErrorKind.UNEXPECTED in {outcome.kind, *(o.kind for o in outcome.missing)}:
            self._progress_line(request).remove()
        self.deps.sink.notify(request, outcome)

    def remove_reaction(self, request: EmojifyRequest) -> None:
        """Take the sign that the request was seen away."""
        self.lease.check()
        self.deps.sink.remove_reaction(request)

    def fetch(
        self, hand: Hand, request: EmojifyRequest, reference: ImageReference
    ) -> None:
        """Fetch a picture; wait for its places in memory and among those at work."""
        holder, limits = request.workspace.id, self.limits

        def room(length: int) -> None:
            hand.pipeline.enter_context(limits.source_bytes.taken(holder, length))

        with limits.fetches.taken(holder):
            with metrics.PICTURE_SECONDS.labels("fetch").time():
                hand.image = self.deps.source.fetch(request.workspace, reference, room)
            hand.enter_context(limits.pictures.taken(holder))
        hand.pipeline.enter_context(limits.pipelines.taken(holder))

    def previewed(
        self,
        job_id: str,
        draft: Draft | None,
        request: EmojifyRequest,
        image: FetchedImage,
    ) -> EmojifiedPicture:
        """Draw a preview: of a draft's plan, or of what is read."""
        plan = Plan.from_dict(draft.plan) if draft and draft.plan else None
        theme = draft.request.theme if draft else request.theme
        options = _options(job_id, request)
        return self.deps.emojify.preview(image.data, theme, options, plan)

    def _emojify(
        self, hand: Hand, job_id: str, request: EmojifyRequest
    ) -> tuple[str, EmojifiedPicture]:
        """Return the name of the picture in hand, and its result."""

        def room(length: int) -> None:
            bytes_of_all = self.limits.result_bytes
            if length > SMALL_BYTES:
                hand.enter_context(bytes_of_all.taken(request.workspace.id, length))

        image = hand.take_image()
        with hand.pipeline:
            if request.draft_id:
                return image.name, self._as_previewed(request, image, room)
            return image.name, self._as_read(job_id, request, image, room)

    def _as_read(
        self, job_id: str, request: EmojifyRequest, image: FetchedImage, room: Room
    ) -> EmojifiedPicture:
        options = _options(job_id, request)
        with ExitStack() as stack:
            progress: Progress = no_progress
            if may_move(image.data):
                progress = stack.enter_context(self._progress_line(request))
            result = self.deps.emojify(
                image.data, request.theme, options, progress=progress, room=room
            )
        faces = sum(face.count for face in result.faces)
        facts = {
            "action": "faces_read",
            "job_id": job_id,
            "backend": result.backend,
            "faces": faces,
        }
        logger.info("faces read", extra=facts)
        for stage, milliseconds in result.milliseconds.items():
            metrics.PICTURE_SECONDS.labels(stage).observe(milliseconds / 1000)
        sure = sum(face.count for face in result.faces if face.sure)
        metrics.FACES.labels("sure").inc(sure)
        metrics.FACES.labels("unsure").inc(faces - sure)
        return result

    def _progress_line(self, request: EmojifyRequest) -> ProgressLine:
        deps = self.deps
        seconds = deps.timing.progress_seconds
        return ProgressLine(
            deps.sink,
            request,
            self.lease,
            self.line,
            clock=deps.clock,
            seconds=seconds,
        )

    def _as_previewed(
        self, request: EmojifyRequest, image: FetchedImage, room: Room
    ) -> EmojifiedPicture:
        """Paint what the asker has seen, to the byte.

        Raises:
            DeliveryError: The preview is gone, or was changed since *Post* was pressed.
            ImageError: ``picture_changed``: it would not be what they have seen.
        """
        workspace = request.workspace
        drawing = self.deps.previews.drawing(
            workspace, request.draft_id, request.digest
        )
        try:
            result = self.deps.emojify.render(
                image.data, request.theme, Plan.from_dict(drawing.plan), room=room
            )
        except PlanError as error:
            raise _changed() from error
        if result.digest != request.digest:
            raise _changed()
        return result


def _changed() -> ImageError:
    return ImageError(
        "It is not the picture of the preview any more. Ask for a new preview.",
        kind=ErrorKind.PICTURE_CHANGED,
    )


def _without_words(post: Post) -> dict[str, Any]:
    """Return a post as a job records it: without what is said of the result."""
    return asdict(replace(post, title="", alt_text="", faces=()))


def request_for(
    request: EmojifyRequest, reference: ImageReference, *, several: bool
) -> EmojifyRequest:
    """Return the request for one of the pictures that a request means.

    The results of several go into one thread, under the message that holds them.
    """
    if not several:
        return request
    return replace(
        request,
        source=reference,
        thread_ts=request.thread_ts or request.source.message_ts,
        begins_thread=request.begins_thread or not request.thread_ts,
    )


def _options(job_id: str, request: EmojifyRequest) -> EmojifyOptions:
    """Return how the pictures of a request are read and painted."""
    return EmojifyOptions(
        surprise_seed=_seed(job_id, request),
        for_channel=True,
        edits=parse_edits(" ".join(request.words)),
        reading=lowest(ReadingMode.EXPRESSIONS, request.reading),
    )


def _seed(job_id: str, request: EmojifyRequest) -> int | None:
    """Return a seed that differs from job to job and press to press; None for none."""
    if not (request.surprise or request.entrypoint is Entrypoint.TRY_ANOTHER):
        return None
    return _surprise_seed(job_id, request.press)


def _surprise_seed(job_id: str, press: int) -> int:
    digest = hashlib.sha256(f"{job_id}:{press}".encode()).digest()
    return int.from_bytes(digest[:SEED_BYTES], "big")


def _picture(name: str, result: EmojifiedPicture) -> ResultPicture:
    extension = format_named(result.format).extensions[0]
    return ResultPicture(
        data=result.data,
        filename=f"{_stem(name)}.emojified{extension}",
        alt_text=result.alt_text[:MAX_ALT_TEXT_CHARACTERS],
    )


def _stem(name: str) -> str:
    plain = _UNSAFE.sub(" ", PurePath(clean_name(name)).stem).strip(" .")
    return plain or _NAMELESS
