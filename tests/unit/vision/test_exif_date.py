from __future__ import annotations

import random
import re

import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from emojifier_bot.vision.exif_date import date_options, read_exif_date
from tests.images import encoded, flat

DATE, OTHER = "2026:11:30 12:00:00", "2001:01:01 00:00:00"


def exif_of(original: object = None, changed: object = None) -> bytes:
    exif = Image.Exif()
    if changed is not None:
        exif[Base.DateTime] = changed
    if original is not None:
        exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = original
    return exif.tobytes()


@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_the_date_is_read_from_every_format(codec):
    data = encoded(flat((9, 9, 9), (64, 64)), codec, exif=exif_of(DATE, OTHER))

    assert read_exif_date(data) == DATE


@pytest.mark.parametrize(
    ("exif", "date"),
    [
        (b"", None),
        (exif_of(), None),
        (exif_of(changed=DATE), DATE),
        (exif_of(original="yesterday", changed=DATE), DATE),
        (exif_of(original="Jane Doe, 1 Main Street"), None),
        (exif_of(original=f"{DATE} Jane Doe"), None),
        (date_options("JPEG", DATE)["exif"], DATE),
        (date_options("JPEG", DATE)["exif"][:-9], None),
    ],
)
def test_nothing_but_a_date_is_taken_for_one(exif, date):
    data = encoded(flat((9, 9, 9), (64, 64)), "JPEG", exif=exif)

    assert read_exif_date(data) == date


def test_damage_and_other_files_have_no_date():
    sound = encoded(flat((9, 9, 9), (64, 64)), "TIFF", exif=exif_of(DATE))
    chance = random.Random(1)

    for _ in range(200):
        damaged = bytearray(sound)
        for at in chance.sample(range(8, len(damaged)), 20):
            damaged[at] = chance.randrange(256)
        date = read_exif_date(bytes(damaged))
        assert date is None or re.fullmatch(r"[0-9: ]{19}", date)
    assert read_exif_date(b"") is None
    assert read_exif_date(b"no picture") is None
