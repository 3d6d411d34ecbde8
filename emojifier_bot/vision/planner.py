"""From a decoded picture to its plan: which faces it has, what becomes of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.errors import PlanError
from emojifier_bot.vision.choose import choose, nearest, surprise, unread
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.detector import box_iou
from emojifier_bot.vision.edits import apply
from emojifier_bot.vision.landmarks import measure
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.place import place, place_on_box, reading_order
from emojifier_bot.vision.plan import DrawEmoji, Plan, PlannedFace
from emojifier_bot.vision.ports import FaceAnalyzer, FaceLocator
from emojifier_bot.vision.shapes import visible
from emojifier_bot.vision.types import (
    EMOTIONS,
    EmojiTheme,
    Emotion,
    EmotionScores,
    Face,
    Placement,
    Reading,
)

#: Faces whose boxes overlap so much are one.
SAME_FACE_IOU = 0.3

#: What a place shows where no face can be read.
_NEUTRAL = EmotionScores(
    np.array([one is Emotion.NEUTRAL for one in EMOTIONS], np.float32)
)


@dataclass(frozen=True, slots=True, eq=False)
class Planner:
    """Reads the faces of a picture, and decides what becomes of each."""

    analyzer: FaceAnalyzer
    #: Where the emoji are chosen from.
    theme: EmojiTheme
    #: What may be read of a face.
    mode: ReadingMode
    options: EmojifyOptions

    @property
    def reads(self) -> bool:
        """Tell whether expressions may be read, and any of them decides something."""
        return self.mode != ReadingMode.OFF and not self.options.edits.decide_all

    def read(self, picture: DecodedImage) -> Reading:
        """Find faces, also where the picture is too transparent to show them well."""
        reading = self.analyzer.analyze(picture, expressions=self.reads)
        if not picture.canvas.hides_faces:
            return reading
        opaque = replace(picture, canvas=picture.canvas.opaque())
        known = np.array([one.box.xyxy for one in reading], np.float32).reshape(-1, 4)
        hidden = [
            one
            for one in self.analyzer.analyze(opaque, expressions=self.reads)
            if not (box_iou(np.array([one.box.xyxy]), known) >= SAME_FACE_IOU).any()
        ]
        return replace(reading, faces=(*reading.faces, *hidden))

    def plan(self, picture: DecodedImage, reading: Reading) -> Plan:
        """Decide what becomes of the faces that were read.

        Raises:
            PlanError: The options name a face or an emoji that is not there.
        """
        plan = Plan(
            *picture.image.size,
            theme=self.theme.name,
            backend=reading.backend,
            faces=self._choose(reading.faces, picture.frame),
            frame=picture.frame,
            reading=self.mode,
        )
        return self.edited(picture, plan)

    def edited(self, picture: DecodedImage, plan: Plan) -> Plan:
        """Return a plan with what the options want changed.

        Raises:
            PlanError: They name a face or an emoji that is not there.
        """
        edits = self.options.edits
        if edits.also:
            plan = replace(plan, faces=(*plan.faces, *self._added(picture, plan)))
        return apply(plan, edits, self.theme)

    def _choose(self, faces: Sequence[Face], frame: int) -> tuple[PlannedFace, ...]:
        placements = [place(face.landmarks) for face in faces]
        return tuple(
            self._chosen(number, faces[index], placements[index], frame)
            for number, index in enumerate(reading_order(placements), start=1)
        )

    def _chosen(
        self, number: int, face: Face, placement: Placement, frame: int
    ) -> PlannedFace:
        theme, seed = self.theme, self.options.surprise_seed
        own_seed = None if seed is None else f"{seed}/{number - 1}"
        seen = self.mode != ReadingMode.OFF
        if not self.reads:
            one = unread(theme, own_seed)
        elif own_seed is None:
            measures = measure(face.landmarks.points_xy)
            one = choose(theme, face.scores, measures, confident=face.confident)
        else:
            one = surprise(theme, face.scores, own_seed)
        return PlannedFace(
            number,
            face.box,
            placement,
            DrawEmoji(one.emoji.name),
            sure=one.sure,
            nearest=tuple(near.name for near in nearest(theme, face.scores)),
            shapes=", ".join(visible(face.landmarks.points_xy)) if seen else "",
            frame=frame,
            face=face,
        )

    def _added(self, picture: DecodedImage, plan: Plan) -> Iterator[PlannedFace]:
        """Yield a face for each place that the options name; the numbers go on."""
        boxes = self.options.edits.also
        width, height = picture.image.size
        for box in boxes:
            if box.x_min >= width or box.y_min >= height:
                x, y, *_ = map(round, box.xyxy)
                raise PlanError(
                    f"The place {x},{y} lies outside of the picture, which has {width} "
                    f"x {height} pixels."
                )
        if isinstance(self.analyzer, FaceLocator):
            found = self.analyzer.read_at(picture, boxes, expressions=self.reads)
        else:
            found = [None] * len(boxes)
        first = max((one.number for one in plan.faces), default=0) + 1
        for number, (box, face) in enumerate(zip(boxes, found, strict=True), first):
            if face is not None:
                yield self._chosen(number, face, place(face.landmarks), plan.frame)
                continue
            near = nearest(self.theme, _NEUTRAL)
            mild = next((one for one in near if one.mild), near[0])
            if not self.reads:
                mild = unread(self.theme, None).emoji
            yield PlannedFace(
                number,
                box,
                place_on_box(box),
                DrawEmoji(mild.name),
                sure=False,
                nearest=tuple(one.name for one in near),
                frame=plan.frame,
            )
