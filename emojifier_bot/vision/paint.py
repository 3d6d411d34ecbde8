"""Paints what a plan decides: emoji and covers, the nearest face last."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from emojifier_bot.errors import PlanError
from emojifier_bot.vision.color import premultiplied, sprite_into_profile
from emojifier_bot.vision.composite import overlay
from emojifier_bot.vision.covers import (
    ANCHOR,
    ART_SIZE_PX,
    Discs,
    art_width,
    cover_art,
    covered,
    surroundings,
)
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.place import paint_order
from emojifier_bot.vision.plan import Cover, CoverKind, DrawEmoji, PlannedFace
from emojifier_bot.vision.ports import EmojiSource
from emojifier_bot.vision.types import EmojiTheme, ImageArray


def paint(
    picture: DecodedImage,
    faces: Sequence[PlannedFace],
    source: EmojiSource,
    pictures: Mapping[str, ImageArray],
) -> None:
    """Paint every face's emoji or cover.

    Args:
        picture: Its canvas is changed in place.
        faces: Their emoji are in the theme.
        source: Has the emoji's art.
        pictures: Those that `CoverKind.PICTURE` names: ``(h, w, 4)`` uint8 RGBA.

    Raises:
        PlanError: One of these pictures is missing.
    """
    names = {one.name: one for one in source.theme.emoji}
    art_px = source.theme.art_size_px
    # Made before anything is painted, of what will lie under nothing.
    covers = _cover_arts(picture, faces, hidden_discs(faces, source.theme), pictures)
    for index in paint_order([face.placement for face in faces]):
        face = faces[index]
        if isinstance(face.decision, Cover):
            spot = covered(face.placement, face.decision)
            overlay(picture.canvas, covers[face.number], ANCHOR, ART_SIZE_PX, spot)
        if not isinstance(face.decision, DrawEmoji):
            continue
        emoji = names[face.decision.name]
        enlarged = face.placement.size_px / emoji.anchor.diameter_px
        width_px = round(art_px * enlarged)
        sprite = source.sprite(emoji, width_px, picture.icc_profile)
        overlay(picture.canvas, sprite, emoji.anchor, art_px, face.placement)


def hidden_discs(faces: Sequence[PlannedFace], theme: EmojiTheme) -> Discs:
    """Return a disc around all that will be opaque, for each face."""
    names = {one.name: one for one in theme.emoji}
    discs: list[tuple[float, float, float]] = []
    for face in faces:
        spot = face.placement
        if isinstance(face.decision, Cover):
            spot = covered(spot, face.decision)
            # The corners of a picture lie outside of its disc.
            square = face.decision.kind is CoverKind.PICTURE
            reach = math.sqrt(2) if square else 1.0
            discs.append((*spot.center_xy, spot.size_px / 2 * reach))
        elif isinstance(face.decision, DrawEmoji):
            # Hands and tears reach beyond an emoji's disc, not beyond its art.
            anchor = names[face.decision.name].anchor
            reach = math.sqrt(2) * theme.art_size_px / anchor.diameter_px
            discs.append((*spot.center_xy, spot.size_px * reach))
    return np.array(discs).reshape(-1, 3)


def _cover_arts(
    picture: DecodedImage,
    faces: Sequence[PlannedFace],
    hidden: Discs,
    pictures: Mapping[str, ImageArray],
) -> dict[int, ImageArray]:
    """Return the art of each cover by its face's number, premultiplied."""
    arts: dict[int, ImageArray] = {}
    for face in faces:
        if not isinstance(face.decision, Cover):
            continue
        spot = covered(face.placement, face.decision)
        around = surroundings(picture.canvas.pixels, spot, hidden)
        laid = None
        if face.decision.kind is CoverKind.PICTURE:
            if face.decision.picture not in pictures:
                raise PlanError(
                    f"Face {face.number} of the plan is covered with "
                    f'"{face.decision.picture}", and there is no such picture.'
                )
            laid = pictures[face.decision.picture]
            laid = sprite_into_profile(laid, picture.icc_profile)
        art = cover_art(face.decision, around, art_width(spot), face.number, laid)
        arts[face.number] = premultiplied(art)
    return arts
