"""Posts and requests with sensible defaults, for tests that care about one field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    FaceSummary,
    ImageReference,
    Post,
    Workspace,
)

POST = Post(
    post_id="5d3f0a",
    workspace=Workspace("T1"),
    asker_id="UADA",
    file_id="F1",
    channel_id="C1",
    title="party, emojified",
    alt_text="1 face: grinning",
    faces=(FaceSummary("😆", "grinning", sure=True),),
    source=ImageReference(file_id="F0"),
)
REQUEST = EmojifyRequest(
    workspace=Workspace("T1"),
    entrypoint=Entrypoint.COMMAND,
    user_id="UADA",
    channel_id="C1",
    source=ImageReference(newest=True),
)


def make_post(**fields: Any) -> Post:
    """Return a post of one face, with some fields changed."""
    return replace(POST, **fields)


def make_request(**fields: Any) -> EmojifyRequest:
    """Return a command without an address, with some fields changed."""
    return replace(REQUEST, **fields)
