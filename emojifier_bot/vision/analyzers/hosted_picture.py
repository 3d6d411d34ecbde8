"""The copy of a picture that is sent to a hosted API, no larger than it must be."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from emojifier_bot.errors import ErrorKind, HostedApiError
from emojifier_bot.vision.analyzers.hosted_face import PictureLimits, SentPicture
from emojifier_bot.vision.crops import reduced_copy
from emojifier_bot.vision.decode import DecodedImage

#: Longer side of what is sent, be more allowed or not: three times what the local
#: detector looks at, so that small faces of a group are seen.
SENT_PX = 1920
#: JPEG qualities that are tried until the file is small enough,
QUALITIES = (92, 80, 65)
#: then the picture is made smaller by this factor, so many times.
SHRINK, SHRINKS = 0.7, 4
BORDER_RGB = (127, 127, 127)


def picture_to_send(picture: DecodedImage, limits: PictureLimits) -> SentPicture:
    """Return an upright sRGB JPEG without metadata that keeps an API's limits.

    Raises:
        HostedApiError: ``face_api_refused``: no size keeps them.
    """
    longer = max(picture.image.size)
    side_px = float(min(longer, limits.max_side_px, SENT_PX))
    for _ in range(1 + SHRINKS):
        copy = Image.fromarray(reduced_copy(picture, max(round(side_px), 1)))
        bordered = _bordered(copy, limits.min_side_px)
        for quality in QUALITIES:
            data = _jpeg(bordered, quality)
            if len(data) <= limits.max_bytes:
                scale = copy.width / picture.image.width
                return SentPicture(data, bordered.size, scale)
        side_px *= SHRINK
    raise HostedApiError(
        "The picture cannot be made small enough for the face service.",
        kind=ErrorKind.FACE_API_REFUSED,
    )


def _bordered(image: Image.Image, min_side_px: int) -> Image.Image:
    right = max(min_side_px - image.width, 0)
    below = max(min_side_px - image.height, 0)
    if not right and not below:
        return image
    return ImageOps.expand(image, (0, 0, right, below), BORDER_RGB)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()
