"""What the steps of a job do: blocking calls of ports, in a thread of the worker.

Each returns JSON types only: references and summaries, never a picture or a secret.
Pictures are in memory while `JobSteps.prepare` runs, and only there.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePath
from threading import BoundedSemaphore
from typing import Any

from emojifier_bot import metrics
from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    FaceSummary,
    FetchedImage,
    ImageReference,
    Outcome,
    Post,
    ResultPicture,
    Share,
    ShareState,
)
from emojifier_bot.errors import DeliveryError, ErrorKind
from emojifier_bot.jobs.names import surprise_seed
from emojifier_bot.jobs.parts import WorkerParts
from emojifier_bot.jobs.slots import Fence
from emojifier_bot.vision.alt_text import MAX_ALT_TEXT_CHARACTERS
from emojifier_bot.vision.formats import channel_format
from emojifier_bot.vision.pipeline import EmojifyOptions
from emojifier_bot.vision.types import Result

logger = logging.getLogger(__name__)

#: Of the source's name, what the result's keeps, characters.
MAX_STEM = 80
_NAMELESS = "picture"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f<>:\"/\\|?*]+")
#: Pictures in memory for each that is emojified: others are fetched and sent meanwhile.
PICTURES_PER_CORE = 2
#: Marks a post that an earlier run of the job recorded, whose own record is gone.
EARLIER = "earlier"


class Places:
    """How many pictures a worker holds, and how many it emojifies, at the same time."""

    def __init__(self, concurrency: int) -> None:
        """Make room for ``concurrency`` pipelines."""
        self.pictures = BoundedSemaphore(concurrency * PICTURES_PER_CORE)
        self.pipelines = BoundedSemaphore(concurrency)


@dataclass(frozen=True, slots=True)
class JobSteps:
    """The steps of every job of one worker."""

    parts: WorkerParts
    fence: Fence
    places: Places

    def add_reaction(self, request: EmojifyRequest) -> None:
        """Show the asker that the request was seen."""
        self.fence.check()
        self.parts.sink.add_reaction(request)

    def resolve(self, request: EmojifyRequest) -> list[dict[str, Any]]:
        """Find the pictures that a request means."""
        references = self.parts.source.resolve(request)
        return [_reference_to_dict(reference) for reference in references]

    def prepare(
        self, job_id: str, request: EmojifyRequest, reference: ImageReference
    ) -> dict[str, Any] | None:
        """Fetch, emojify and upload; nobody sees the file yet.

        Returns:
            The post to be, or None where there is no face. With the key `EARLIER`: the
            post of an earlier run, whose file may be shown already.
        """
        earlier = self.parts.posts.find(request.workspace, job_id)
        if earlier is not None:
            return earlier.post.to_dict() | {EARLIER: True}
        with self.places.pictures:
            with self._stage("fetch"):
                image = self.parts.source.fetch(request.workspace, reference)
            result = self._emojify(job_id, request, image)
            self._note(result)
            if not result.faces:
                return None
            picture = _picture(image.name, result)
            self.fence.check()
            channel_id = self.parts.sink.target(request)
            with self._stage("upload"):
                file_id = self.parts.sink.upload(request.workspace, picture)
        elsewhere = channel_id != request.channel_id
        return Post(
            post_id=job_id,
            workspace=request.workspace,
            asker_id=request.user_id,
            file_id=file_id,
            channel_id=channel_id,
            title=f"{_stem(image.name)}, emojified",
            alt_text=picture.alt_text,
            faces=_summaries(result),
            source=reference,
            thread_ts="" if elsewhere else request.thread_ts,
            theme=request.theme,
        ).to_dict()

    def complete(self, request: EmojifyRequest, post: Post) -> None:
        """Show the file, if this worker still holds its slot.

        Raises:
            DeliveryError: ``post_gone``: somebody deleted the post that this one was to
                replace, and does not want to see the picture again.
        """
        if request.replaces_post_id:
            old = self.parts.posts.find(request.workspace, request.replaces_post_id)
            # By this very job, in an earlier run of it, is no refusal.
            gone = old is not None and old.deleted_at is not None
            if old is not None and gone and old.deleted_by != post.post_id:
                raise DeliveryError("That post was deleted.", kind=ErrorKind.POST_GONE)
        self.fence.confirm()
        self.parts.sink.complete(post)

    def share(self, post: Post) -> dict[str, str]:
        """Ask where the file is shown."""
        return _share_to_dict(self.parts.sink.share(post))

    def record(self, post: Post) -> None:
        """Remember the post for its buttons."""
        self.parts.posts.record(post)

    def ensure_buttons(self, post: Post, share: Share) -> None:
        """Add the buttons where the share shows none."""
        self.fence.confirm()
        self.parts.sink.ensure_buttons(post, share)

    def remove_replaced(self, request: EmojifyRequest, post: Post) -> None:
        """Delete the post that *Try another* replaces.

        Where somebody has deleted it since the new one was completed, they wanted the
        picture away: then it is the new one that goes.
        """
        workspace, posts = request.workspace, self.parts.posts
        old = posts.find(workspace, request.replaces_post_id)
        if old is None:
            return
        self.fence.check()
        if old.deleted_by in ("", post.post_id):
            self.parts.sink.delete(old.post)
            if posts.mark_deleted(workspace, old.post.post_id, post.post_id):
                return
            # Noted by an earlier run of this step, or by somebody while it ran.
            old = posts.find(workspace, old.post.post_id)
        if old is not None and old.deleted_by != post.post_id:
            self.parts.sink.delete(post)
            posts.mark_deleted(workspace, post.post_id, old.deleted_by)

    def forget(self, job_id: str, request: EmojifyRequest) -> None:
        """Remove what was recorded for the buttons of a workspace that is gone."""
        self.parts.posts.forget(request.workspace, job_id)

    def tell(self, request: EmojifyRequest, outcome: Outcome) -> None:
        """Tell the asker how it ended."""
        self.fence.check()
        self.parts.sink.notify(request, outcome)

    def remove_reaction(self, request: EmojifyRequest) -> None:
        """Take the sign that the request was seen away."""
        self.fence.check()
        self.parts.sink.remove_reaction(request)

    def _emojify(
        self, job_id: str, request: EmojifyRequest, image: FetchedImage
    ) -> Result:
        seed = None
        if request.surprise or request.entrypoint is Entrypoint.TRY_ANOTHER:
            seed = surprise_seed(job_id, request.press)
        with self.places.pipelines:
            pipeline = self.parts.pipeline_for_theme(request.theme)
            result = pipeline.run(image.data, EmojifyOptions(surprise_seed=seed))
        facts = {
            "action": "faces_read",
            "job_id": job_id,
            "backend": result.backend,
            "faces": len(result.faces),
        }
        logger.info("faces read", extra=facts)
        return result

    def _note(self, result: Result) -> None:
        for stage, milliseconds in result.milliseconds.items():
            metrics.PICTURE_SECONDS.labels(stage).observe(milliseconds / 1000)
        sure = sum(face.sure for face in result.faces)
        metrics.FACES.labels("sure").inc(sure)
        metrics.FACES.labels("unsure").inc(len(result.faces) - sure)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            metrics.PICTURE_SECONDS.labels(name).observe(time.perf_counter() - began)


def reference_from_dict(values: dict[str, Any]) -> ImageReference:
    """Read a recorded reference."""
    return ImageReference.from_dict(values)


def share_from_dict(values: dict[str, str]) -> Share:
    """Read a recorded share."""
    return Share(ShareState(values["state"]), values["message_ts"], values["thread_ts"])


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


def _reference_to_dict(reference: ImageReference) -> dict[str, Any]:
    return {
        "file_id": reference.file_id,
        "sealed_address": reference.sealed_address,
        "newest": reference.newest,
        "message_ts": reference.message_ts,
        "posted_by": reference.posted_by,
    }


def _share_to_dict(share: Share) -> dict[str, str]:
    return {
        "state": share.state.value,
        "message_ts": share.message_ts,
        "thread_ts": share.thread_ts,
    }


def _summaries(result: Result) -> tuple[FaceSummary, ...]:
    return tuple(
        FaceSummary(face.emoji.character, face.emoji.spoken, face.sure)
        for face in result.faces
    )


def _picture(name: str, result: Result) -> ResultPicture:
    shown = channel_format(result.format)
    extension = shown.extensions[0]
    as_it_is = shown.name == result.format
    return ResultPicture(
        data=result.encoded if as_it_is else result.encode_for(extension),
        filename=f"{_stem(name)}.emojified{extension}",
        alt_text=result.alt_text[:MAX_ALT_TEXT_CHARACTERS],
    )


def _stem(name: str) -> str:
    plain = _UNSAFE.sub(" ", PurePath(name).stem).strip(" .")
    return plain[:MAX_STEM].strip() or _NAMELESS
