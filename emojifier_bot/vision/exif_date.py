"""The date at which a photo was taken: all of EXIF that a result may keep."""

from __future__ import annotations

import io
import re
import struct
import warnings
from pkgutil import resolve_name
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD, Base

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.formats import sniff

#: EXIF's own form. Nothing else is passed on under the name of a date.
_DATE = re.compile(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", re.ASCII)
#: The best first: when it was taken, made digital, and changed.
_PLACES = (
    (IFD.Exif, Base.DateTimeOriginal),
    (IFD.Exif, Base.DateTimeDigitized),
    (None, Base.DateTime),
)
#: What Pillow raises for damaged blocks; where it only warns, nothing is said.
_DAMAGE_ERRORS = (
    *(OSError, ValueError, SyntaxError, struct.error, EOFError),
    *(LookupError, TypeError, ArithmeticError, AttributeError, RuntimeError),
)


def read_exif_date(data: bytes) -> str | None:
    """Return the date at which a photo was taken: ``"2026:11:30 11:20:02"``.

    None where the file names none, in another form, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Image.Image = resolve_name(sniff(data).plugin)(io.BytesIO(data))
            exif = image.getexif()
            for directory, tag in _PLACES:
                date = (exif.get_ifd(directory) if directory else exif).get(tag)
                if isinstance(date, str) and _DATE.fullmatch(date.strip("\0 ")):
                    return date.strip("\0 ")
    except (ImageError, *_DAMAGE_ERRORS):
        return None
    return None


def date_options(format_name: str, date: str) -> dict[str, Any]:
    """Return what Pillow's `save` takes to write this date and nothing else."""
    if format_name == "TIFF":
        # libtiff, which compresses, writes no directory of EXIF.
        return {"tiffinfo": {Base.DateTime: date}}
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = date
    return {"exif": exif.tobytes()}
