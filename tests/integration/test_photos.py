"""Real photos through `Emojifier` with the shipped models."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image, ImageOps

from emojifier_bot.vision.types import Emotion
from tests.datasets import sample
from tests.images import (
    GPS_TAG,
    MAKER_TAG,
    SECRETS,
    encoded,
    opened,
    oriented_exif,
    psnr,
)

UPRIGHT = 1
#: Where the sample's face is, and how far off its emoji's middle may be.
FACE_XY, FACE_TOLERANCE_PX = (226, 120), 12.0
GROUND = (150, 145, 140)
QUARTER_TURNS = (90, 180, 270)
#: How far the roll may be off what the picture was turned by.
ROLL_TOLERANCE_DEGREES = 12.0
#: How far the centre and the size of a turned face may be off, in disc diameters.
PLACE_TOLERANCE = 0.2
#: No worse than this, in decibels, outside the emoji; nobody sees a difference.
LEAST_PSNR = 40.0
#: How much larger than the input the result may be.
MOST_GROWTH = 1.3
#: A result's pixels count as outside this far from the emoji, in pixels: one block of
#: a JPEG with halved colours.
BLOCK_PX = 16


def shared_folder(folder):
    if not folder.is_dir():
        pytest.skip(f"needs the folder `{folder}` beside the checkout")
    return folder


@pytest.fixture
def photos(shared_data):
    """Return the folder of photos that are not this project's to pass on."""
    return shared_folder(shared_data / "photos")


@pytest.fixture
def field(shared_data):
    """Return the folder of pictures made after what people reported."""
    return shared_folder(shared_data / "field" / "pictures")


def turned(image: Image.Image, degrees: float) -> Image.Image:
    """Return the whole picture, turned counter-clockwise, on a larger ground."""
    return image.rotate(
        degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=GROUND
    )


def where_turned(xy, degrees, size_wh, turned_wh):
    """Return where a point of a picture lies in the turned picture."""
    x, y = (at - length / 2 for at, length in zip(xy, size_wh, strict=True))
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (
        x * cos + y * sin + turned_wh[0] / 2,
        y * cos - x * sin + turned_wh[1] / 2,
    )


def roll_difference(first: float, second: float) -> float:
    return abs((first - second + 180) % 360 - 180)


def tell(result) -> str:
    """Return what was found, for a failure's message."""
    return "\n".join(
        f"{one.face.detection.confidence:.2f} {one.placement} "
        f"{one.face.scores.top} {one.face.scores.top_probability:.2f}"
        for one in result.faces
    )


def the_face(result):
    """Return the one face."""
    assert len(result.faces) == 1, tell(result)
    return result.faces[0]


def assert_sure_smile(one):
    assert one.face.scores.top is Emotion.HAPPINESS, one.face.scores.as_dict()
    assert one.sure


def assert_turned_faces(before, after, degrees):
    """Compare the faces of a picture with those of the same picture turned."""
    assert len(after.faces) == len(before.faces), tell(after)
    size_wh = (before.width, before.height)
    turned_wh = (after.width, after.height)
    left = [one.placement for one in after.faces]
    for place in (one.placement for one in before.faces):
        there = where_turned(place.center_xy, degrees, size_wh, turned_wh)
        nearest = min(left, key=lambda other: math.dist(other.center_xy, there))
        left.remove(nearest)
        away = math.dist(nearest.center_xy, there)
        assert away <= PLACE_TOLERANCE * place.size_px, (place, nearest)
        assert nearest.size_px == pytest.approx(place.size_px, rel=PLACE_TOLERANCE)
        off = roll_difference(nearest.roll_degrees, place.roll_degrees + degrees)
        assert off <= ROLL_TOLERANCE_DEGREES, (place, nearest)


class TestTheSample:
    def test_one_sure_smile(self, emojifier):
        one = the_face(emojifier.emojify(sample()))

        assert_sure_smile(one)
        assert math.dist(one.placement.center_xy, FACE_XY) <= FACE_TOLERANCE_PX
        assert abs(one.placement.roll_degrees) <= ROLL_TOLERANCE_DEGREES

    @pytest.mark.parametrize("degrees", [*QUARTER_TURNS, 30, -30, 135])
    def test_turned(self, emojifier, degrees):
        upright = emojifier.emojify(sample())

        result = emojifier.emojify(turned(sample(), degrees))

        assert_sure_smile(the_face(result))
        assert_turned_faces(upright, result, degrees)

    @pytest.mark.parametrize(
        "change",
        [
            lambda image: image.convert("L"),
            lambda image: image.resize((160, 160), Image.Resampling.LANCZOS),
            ImageOps.mirror,
        ],
        ids=["grey", "160 px", "mirrored"],
    )
    def test_changed(self, emojifier, change):
        assert_sure_smile(the_face(emojifier.emojify(change(sample()))))

    def test_mirrored_lies_on_the_other_side(self, emojifier):
        plain = the_face(emojifier.emojify(sample())).placement

        other = the_face(emojifier.emojify(ImageOps.mirror(sample()))).placement

        x, y = plain.center_xy
        near = PLACE_TOLERANCE * plain.size_px
        assert other.center_xy == pytest.approx((512 - x, y), abs=near)
        off = roll_difference(other.roll_degrees, -plain.roll_degrees)
        assert off <= ROLL_TOLERANCE_DEGREES

    def test_a_collage_of_all_directions(self, emojifier):
        collage = Image.new("RGB", (1024, 1024), GROUND)
        for index, degrees in enumerate((0, *QUARTER_TURNS)):
            corner = (512 * (index % 2), 512 * (index // 2))
            collage.paste(turned(sample(), degrees), corner)

        result = emojifier.emojify(collage)

        assert len(result.faces) == 4, tell(result)
        for degrees in (0, *QUARTER_TURNS):
            rolls = [one.placement.roll_degrees for one in result.faces]
            off = min(roll_difference(roll, degrees) for roll in rolls)
            assert off <= ROLL_TOLERANCE_DEGREES, tell(result)


class TestTheResult:
    @pytest.mark.parametrize(("quality", "subsampling"), [(95, 0), (75, 2)])
    def test_a_jpeg_is_kept_outside_the_emoji(self, emojifier, quality, subsampling):
        data = encoded(sample(), "JPEG", quality=quality, subsampling=subsampling)

        result = emojifier.emojify(data)

        before, after = opened(data), opened(result.encoded)
        assert result.faces
        assert (after.format, after.size) == ("JPEG", before.size)
        outside = ~near_emoji(before, emojifier.emojify(before))
        shares = [np.asarray(one)[outside] for one in (before, after)]
        assert psnr(*map(Image.fromarray, shares)) >= LEAST_PSNR
        assert len(result.encoded) <= MOST_GROWTH * len(data)

    @pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF"])
    def test_nothing_tells_where_it_was_taken(self, emojifier, codec):
        exif = oriented_exif(UPRIGHT, secret=True)
        data = encoded(sample(), codec, exif=exif)
        assert SECRETS[0] in data

        result = emojifier.emojify(data)

        assert result.faces
        assert [one for one in SECRETS if one in result.encoded] == []
        exif = opened(result.encoded).getexif()
        assert MAKER_TAG not in exif
        assert not exif.get_ifd(GPS_TAG)


class TestGroups:
    def test_a_crew_of_three(self, emojifier, photos):
        result = emojifier.emojify(photos / "crew_of_three.jpg")

        assert len(result.faces) == 3, tell(result)

    def test_a_crew_of_ten_smiles(self, emojifier, photos):
        result = emojifier.emojify(photos / "crew_of_ten.jpg")

        tops = [one.face.scores.top for one in result.faces]
        assert len(tops) == 10, tell(result)
        assert tops.count(Emotion.HAPPINESS) >= 9, tell(result)

    @pytest.mark.parametrize("name", ["crew_of_three.jpg", "crew_of_ten.jpg"])
    @pytest.mark.parametrize("degrees", [90, 135, 180])
    def test_turned(self, emojifier, photos, name, degrees):
        with Image.open(photos / name) as image:
            image.thumbnail((1280, 1280))
            upright = image.convert("RGB")

        before = emojifier.emojify(upright)
        after = emojifier.emojify(turned(upright, degrees))

        assert_turned_faces(before, after, degrees)

    @pytest.mark.parametrize("degrees", [45, 135, 225, 315])
    def test_tiny_faces_at_odd_angles(self, emojifier, photos, degrees):
        with Image.open(photos / "conference_1927.jpg") as image:
            upright = image.convert("RGB")

        result = emojifier.emojify(turned(upright, degrees))

        assert 27 <= len(result.faces) <= 31, tell(result)

    @pytest.mark.parametrize("darkest", [0, 100, 215])
    def test_haze(self, emojifier, photos, darkest):
        with Image.open(photos / "conference_1927.jpg") as image:
            hazy = image.convert("RGB").point(lambda level: darkest + 0.15 * level)

        result = emojifier.emojify(hazy)

        assert 27 <= len(result.faces) <= 31, tell(result)


def avatars(side_px, size_wh, places):
    """Return a page of small copies of the sample."""
    page = Image.new("RGB", size_wh, (255, 255, 255))
    small = sample().crop((100, 0, 380, 280)).resize((side_px, side_px))
    for place in places:
        page.paste(small, place)
    return page


class TestLongAndWide:
    def test_avatars_in_a_long_screenshot(self, emojifier):
        places = [(30, 40 + 180 * n) for n in range(20)]

        result = emojifier.emojify(avatars(100, (720, 3640), places))

        assert len(result.faces) == 20, tell(result)

    def test_small_faces_in_a_panorama(self, emojifier):
        places = [(60 + 197 * n, 150 + 40 * (n % 3)) for n in range(20)]

        result = emojifier.emojify(avatars(90, (4000, 500), places))

        assert len(result.faces) == 20, tell(result)

    def test_a_chat(self, emojifier, field):
        result = emojifier.emojify(field / "chat_1080x6000.png")

        faces = [one.placement for one in result.faces]
        avatars = [one for one in faces if one.center_xy[0] < 180]
        # Six of the 19 also show a part of their neighbour's face.
        assert 18 <= len(avatars) <= 25, tell(result)
        assert 9 <= len(faces) - len(avatars) <= 10, tell(result)

    def test_a_panorama(self, emojifier, field):
        result = emojifier.emojify(field / "panorama_8000x1000.jpg")

        assert 50 <= len(result.faces) <= 54, tell(result)


class TestFacesLargerThanThePicture:
    #: Parts of the sample's face: eyes to mouth, with the chin, with one ear.
    @pytest.mark.parametrize(
        "box",
        [(188, 80, 266, 166), (180, 85, 270, 190), (190, 65, 290, 165)],
        ids=["middle", "chin", "ear"],
    )
    def test_a_part_of_the_sample(self, emojifier, box):
        cut = sample().crop(box).resize((500, 500), Image.Resampling.BICUBIC)

        one = the_face(emojifier.emojify(cut))

        assert one.placement.size_px > 500

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_a_close_up(self, emojifier, field, number):
        result = emojifier.emojify(field / f"closeup_{number}.jpg")

        one = the_face(result)
        assert one.placement.size_px > 0.85 * result.width
        assert math.dist(one.placement.center_xy, (256, 256)) < 100


def near_emoji(before: Image.Image, result) -> np.ndarray:
    """Return a mask of the JPEG blocks that the emoji of a lossless result touch."""
    after = Image.open(io.BytesIO(result.encoded)).convert("RGB")
    changed = (np.asarray(before) != np.asarray(after)).any(axis=-1)
    height, width = changed.shape
    blocks = changed.reshape(
        height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX
    ).any(axis=(1, 3))
    return blocks.repeat(BLOCK_PX, axis=0).repeat(BLOCK_PX, axis=1)
