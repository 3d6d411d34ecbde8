"""Emoji laid over faces that are known, not found: what place and composite draw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.vision.clips.opening import InProcessDecoder
from emojifier_bot.vision.crops import canonical_face
from emojifier_bot.vision.debug import draw_debug
from emojifier_bot.vision.edits import Edits
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.pipeline import Pipeline
from emojifier_bot.vision.plan import Cover, CoverKind
from emojifier_bot.vision.ports import EmojiSource
from emojifier_bot.vision.shapes import with_measure
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.types import (
    EMOTIONS,
    Emoji,
    EmojiTheme,
    Emotion,
    ImageArray,
    Measure,
)
from emojifier_bot.vision.why import Contender, Reason, Why
from emojifier_bot.vision.why_card import draw_cards
from tests.builders import make_face, make_landmarks
from tests.fakes.clock import FakeClock
from tests.fakes.faces import FakeAnalyzer
from tests.images import assert_golden, encoded, opened

INPUTS, EXPECTED = (Path(__file__).parent / name for name in ("inputs", "expected"))
#: Of 255, over the whole picture. Another build of OpenCV or FreeType stays below it,
#: half a pixel's shift of one emoji does not.
TOLERANCE = 0.15
#: Height of the mean face, brows to chin, over the distance of its outer eye corners.
HEIGHT_PER_EYES = 1.568
#: The emoji for each emotion, whatever the theme's own points come to be. Three reach
#: beyond their disc, and the disc of one lies off the middle of its art.
EMOJI = {
    Emotion.ANGER: "rage",
    Emotion.CONTEMPT: "partying_face",
    Emotion.DISGUST: "nauseated_face",
    Emotion.FEAR: "scream",
    Emotion.HAPPINESS: "grinning",
    Emotion.NEUTRAL: "thinking_face",
    Emotion.SADNESS: "cry",
    Emotion.SURPRISE: "astonished",
}
#: Of the astronaut's face in the reduced portrait, between the eyes.
EYES_XY, FACE_PX = (98.8, 45.2), 40.0
PLAIN = EmojifyOptions()


@dataclass(frozen=True)
class PinnedEmoji:
    """An `EmojiSource` that has one emoji of the classic theme for each emotion."""

    classic: EmojiSource

    @property
    def theme(self) -> EmojiTheme:
        theme = self.classic.theme
        by_name = {emoji.name: emoji for emoji in theme.emoji}
        pure = np.eye(len(EMOTIONS), dtype=np.float32)
        pinned = [
            replace(
                by_name[EMOJI[one]], point=pure[index], bounds=(), surprise_only=False
            )
            for index, one in enumerate(EMOTIONS)
        ]
        return replace(theme, emoji=tuple(pinned))

    def sprite(
        self, emoji: Emoji, art_width_px: int, icc_profile: bytes | None = None
    ) -> ImageArray:
        return self.classic.sprite(emoji, art_width_px, icc_profile)


def face(emotion, eyes_xy, height_px, roll_degrees=0.0):
    landmarks = make_landmarks(
        center_xy=eyes_xy,
        eye_distance_px=height_px / HEIGHT_PER_EYES,
        roll_degrees=roll_degrees,
    )
    return make_face(emotion, landmarks=landmarks)


def emojified(image: Image.Image, *faces, options=PLAIN):
    pipeline = Pipeline(
        InProcessDecoder(),
        FakeAnalyzer(faces),
        PinnedEmoji(open_theme("classic")),
        FakeClock(),
    )
    return pipeline.run(encoded(image, "PNG"), options)


def ground(size_wh: tuple[int, int]) -> Image.Image:
    """Return a soft gradient, which packs well."""
    x, y = np.meshgrid(*(np.linspace(0, 15, length) for length in size_wh))
    shades = np.stack([96 + 4 * x.round(), 128 + 4 * y.round(), 150 + 0 * x], axis=-1)
    return Image.fromarray(shades.astype(np.uint8))


def see_through(size_wh: tuple[int, int]) -> Image.Image:
    """Return a ground that fades from opaque on the left to nothing on the right."""
    image = ground(size_wh).convert("RGBA")
    fade = np.linspace(300, -60, size_wh[0]).clip(0, 255).astype(np.uint8)
    image.putalpha(Image.fromarray(np.tile(fade, (size_wh[1], 1))))
    return image


@pytest.fixture
def portrait() -> Image.Image:
    with Image.open(INPUTS / "astronaut.png") as image:
        return image.convert("RGB")


@pytest.fixture
def check(update_goldens):
    def check(image: Image.Image, name: str) -> None:
        golden = EXPECTED / f"{name}.png"
        assert_golden(image, golden, mean_abs_diff=TOLERANCE, update=update_goldens)

    return check


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("portrait_on_the_face", face("happiness", EYES_XY, FACE_PX, -3.0)),
        ("portrait_tilted_left", face("fear", (100.0, 100.0), 80.0, 35.0)),
        ("portrait_on_its_side", face("contempt", (150.0, 110.0), 60.0, -90.0)),
        ("portrait_upside_down", face("sadness", (100.0, 130.0), 70.0, 180.0)),
        ("portrait_over_the_edge", face("anger", (206.0, 14.0), 64.0, -20.0)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_face_on_a_portrait(portrait, check, name, one):
    check(opened(emojified(portrait, one).encoded), name)


def test_transparent_ground(check):
    image = see_through((200, 110))
    faces = [
        face("surprise", (50.0, 40.0), 50.0, 10.0),
        face("disgust", (150.0, 40.0), 50.0),
    ]

    check(opened(emojified(image, *faces).encoded), "transparent_ground")


@pytest.mark.parametrize(
    ("name", "size_wh", "one"),
    [
        ("face_of_24_px", (64, 56), face("neutral", (32.0, 22.0), 24.0, 5.0)),
        ("face_of_300_px", (280, 300), face("neutral", (140.0, 92.0), 300.0, -8.0)),
    ],
    ids=["24", "300"],
)
def test_small_and_large(check, name, size_wh, one):
    check(opened(emojified(ground(size_wh), one).encoded), name)


def test_larger_faces_lie_over_smaller_ones(check):
    faces = [
        face("happiness", (110.0, 60.0), 80.0),
        face("sadness", (60.0, 62.0), 50.0, 20.0),
        face("anger", (165.0, 62.0), 60.0, -15.0),
        face("surprise", (112.0, 120.0), 40.0),
        face("fear", (205.0, 75.0), 45.0, -30.0),
    ]

    result = emojified(ground((250, 170)), *faces)

    # The same whichever was found first.
    again = emojified(ground((250, 170)), *reversed(faces))
    assert result.encoded == again.encoded
    check(opened(result.encoded), "larger_over_smaller")


@pytest.mark.parametrize(
    ("name", "cover"),
    [
        ("cover_solid", Cover(CoverKind.SOLID)),
        ("cover_mosaic", Cover(CoverKind.MOSAIC, 0.5)),
        ("cover_blur", Cover(CoverKind.BLUR, 0.5)),
        ("cover_picture", Cover(CoverKind.PICTURE, 0.2, "flag")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_covers(portrait, check, name, cover):
    faces = [
        face("happiness", EYES_XY, FACE_PX, -3.0),
        face("sadness", (180.0, 120.0), 24.0, 25.0),
    ]
    flag = Image.new("RGBA", (60, 40), (200, 20, 40, 255))
    flag.paste((250, 250, 250, 255), (0, 14, 60, 26))
    options = EmojifyOptions(
        edits=Edits(cover=cover), covers={"flag": np.asarray(flag)}
    )

    check(opened(emojified(portrait, *faces, options=options).encoded), name)


@pytest.mark.parametrize(
    ("name", "size_wh", "heights_px"),
    [
        ("numbers", (400, 150), [24.0, 24.0, 24.0, 40.0, 60.0, 90.0]),
        ("number_of_600_px", (500, 420), [600.0]),
    ],
    ids=["small", "large"],
)
def test_numbers(check, name, size_wh, heights_px):
    x, faces = 0.0, []
    for height in heights_px:
        x += height * 0.62
        faces.append(face("neutral", (min(x, size_wh[0] - 40), 60.0), height))
        x += height * 0.62
    result = emojified(ground(size_wh), *faces, options=EmojifyOptions(numbered=True))

    check(opened(result.encoded), name)


@pytest.mark.parametrize(
    ("name", "reading"),
    [("why_card", ReadingMode.EXPRESSIONS), ("why_card_shapes", ReadingMode.SHAPES)],
)
def test_why_cards(check, name, reading):
    classic = open_theme("classic")
    emoji = {one.name: one for one in classic.theme.emoji}
    raised = with_measure(canonical_face(1), Measure.MOUTH_CORNERS, 0.07)
    why = Why(
        number=2,
        emoji=emoji["blush"],
        sure=False,
        canonical_xy=raised,
        reasons=(
            Reason(
                Measure.MOUTH_CORNERS,
                0.07,
                "mouth corners raised",
                "lower",
                emoji["neutral_face"],
            ),
            Reason(Measure.EYE_OPENING, 0.2, "eyes narrowed", "wider", emoji["smiley"]),
        ),
        nearest=(
            Contender(emoji["blush"], 0.92),
            Contender(emoji["stuck_out_tongue_winking_eye"], 0.85),
        ),
    )

    check(draw_cards([why], classic, reading), name)


def test_debug_picture(portrait, check):
    faces = [
        face("happiness", EYES_XY, FACE_PX, -3.0),
        face("anger", (176.0, 100.0), 44.0, 120.0),
    ]

    result = emojified(portrait, *faces)

    check(draw_debug(portrait, result.faces), "debug")


def test_every_golden_is_small_and_compared():
    source = Path(__file__).read_text("utf-8")
    goldens = sorted(EXPECTED.glob("*.png"))

    assert [path.name for path in goldens if f'"{path.stem}"' not in source] == []
    assert [path.name for path in goldens if path.stat().st_size > 60_000] == []
