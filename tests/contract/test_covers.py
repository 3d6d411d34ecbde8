"""Covers hide: what lies under them reaches no byte of a result.

Two pictures that differ only beneath the opaque core of what a plan paints give the
same file: in every format, whatever else the files hold, and however long they are.
"""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.canvas import canvas_of
from emojifier_bot.vision.decode import decode, decode_frames, from_image
from emojifier_bot.vision.edits import parse_edits
from emojifier_bot.vision.formats import FORMATS, format_named
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.plan import Cover, CoverKind, DrawEmoji, Leave, Plan
from tests import videos
from tests.builders import make_emoji, make_placement, make_plan
from tests.clips import animation
from tests.fakes.faces import picture_with_faces
from tests.fakes.pipeline import FakeDecoder, FakeEmojiSource, fake_pipeline
from tests.images import encoded, mean_abs_diff, opened, photo, png_with
from tests.tiff_files import RGB, tiff_file

SIZE_WH = (480, 320)
#: Where discs lie, and how large; some overlap, and one reaches over the edge.
PLACES = (
    ((90.0, 90.0), 110.0),
    ((240.3, 80.7), 101.0),
    ((330.0, 120.0), 120.0),
    ((470.0, 60.0), 90.0),
    ((110.0, 240.0), 120.0),
    ((250.0, 250.0), 60.0),
    ((390.0, 250.0), 96.0),
)
STICKER = Image.new("RGBA", (80, 80), (10, 200, 30, 120))
STICKER.paste((90, 20, 30, 255), (0, 0, 80, 50))
OPTIONS = EmojifyOptions(covers={"sticker": np.asarray(STICKER)}, one_frame=True)
#: Options for files whose pixels stay as they are, where a format has any.
LOSSLESS = {
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "HEIF": {"quality": -1, "chroma": 444, "matrix_coefficients": 0},
    "ICO": {"sizes": [(256, 171)]},
}
#: Containers of videos, and what makes their codecs lose nothing.
VIDEOS = {"mp4": {"crf": "0", "preset": "veryfast"}, "webm": {"lossless": "1"}}
#: Formats whose files hold several pictures.
FRAMES = {"GIF", "TIFF", "WEBP", "PNG"}
BLOCK_PX = 16


def slowly(*values: str) -> list:
    return [pytest.param(one, marks=pytest.mark.slow) for one in values]


@pytest.fixture(scope="module")
def plan() -> Plan:
    decisions = (
        *(Cover(kind, 0.1) for kind in list(CoverKind)[:3]),
        Cover(CoverKind.SOLID, 0.6),
        Cover(CoverKind.PICTURE, 0.2, "sticker"),
        Leave(),
        DrawEmoji("neutral_face"),
    )
    assert len(decisions) == len(PLACES)
    made = make_plan(len(PLACES), *decisions)
    faces = [
        replace(face, placement=make_placement(xy, size_px, 10.0))
        for face, (xy, size_px) in zip(made.faces, PLACES, strict=True)
    ]
    return replace(made, width=SIZE_WH[0], height=SIZE_WH[1], faces=tuple(faces))


@pytest.fixture(scope="module")
def core(plan) -> np.ndarray:
    """Return where nothing of the picture is seen: ``(H, W)``."""
    nothing = encoded(Image.new("RGBA", SIZE_WH), "PNG")
    painted = opened(fake_pipeline().render(nothing, plan, OPTIONS).encoded)
    mask = np.asarray(painted)[..., 3] == 255
    assert 0.2 < mask.mean() < 0.6
    return mask


def pair(mask: np.ndarray, mode: str = "RGB") -> tuple[Image.Image, Image.Image]:
    """Return two pictures with nothing alike where the mask says."""
    under = np.asarray(photo(*SIZE_WH, mode)).copy()
    draw = np.random.default_rng(7)
    pixels = [under.copy(), under.copy()]
    pixels[0][mask] = draw.integers(0, 256, (mask.sum(), under.shape[2]), np.uint8)
    pixels[1][mask] = (255, 255, 255, 255)[: under.shape[2]]
    first, second = map(Image.fromarray, pixels)
    return first, second


def aligned(mask: np.ndarray) -> np.ndarray:
    """Return the whole blocks of a JPEG in a mask that touch no block outside."""
    rows, columns = (side // BLOCK_PX for side in mask.shape)
    blocks = mask[: rows * BLOCK_PX, : columns * BLOCK_PX]
    full = blocks.reshape(rows, BLOCK_PX, columns, BLOCK_PX).all(axis=(1, 3))
    inner = np.zeros_like(full)
    inner[1:-1, 1:-1] = np.all(
        [full[1 + y : rows - 1 + y, 1 + x : columns - 1 + x]
         for y in (-1, 0, 1) for x in (-1, 0, 1)], axis=0,
    )  # fmt: skip
    grown = np.kron(inner, np.ones((BLOCK_PX, BLOCK_PX), bool))
    result = np.zeros_like(mask)
    result[: grown.shape[0], : grown.shape[1]] = grown
    return result


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("source", FORMATS, ids=lambda one: one.name)
def test_every_output_of_every_kind_of_input_is_the_same(plan, core, source, mode):
    jpeg = None
    if source.name in {"JPEG", "MPO"}:
        jpeg = decode(encoded(photo(*SIZE_WH), "JPEG", quality=80)).jpeg
    results = []
    for image, length in zip(pair(core, mode), (900, 400_000), strict=True):
        picture = replace(
            decode(encoded(image, "PNG")),
            canvas=canvas_of(image),
            source_format=source.name,
            jpeg=jpeg,
            lossless=source.lossless,
            source_bytes=length,
        )
        decoder = FakeDecoder({b"data": picture})
        pipeline = replace(fake_pipeline(), decoder=decoder)
        results.append(pipeline.render(b"data", plan, OPTIONS))

    first, second = results
    assert first.encoded == second.encoded
    for one in FORMATS:
        if one.is_written and source.name in {"JPEG", "WEBP", "PNG"}:
            extension = one.extensions[0]
            assert first.encode_for(extension) == second.encode_for(extension)


@pytest.mark.parametrize("codec", [*sorted(FRAMES), "BMP", "ICO", "AVIF", "HEIF"])
def test_nothing_else_of_a_file_comes_through(plan, core, codec):
    size_wh = LOSSLESS["ICO"]["sizes"][0] if codec == "ICO" else SIZE_WH
    files = []
    for image in pair(core):
        exif = Image.Exif()
        exif[270] = f"of {image.getpixel((90, 90))}"
        more = {**LOSSLESS.get(codec, {}), "exif": exif.tobytes()}
        if codec in FRAMES:
            more |= {"save_all": True, "append_images": [image.rotate(180)]}
        if codec == "GIF":
            # A palette of its own would change what lies beside the faces.
            palette = photo(*SIZE_WH).quantize(64)
            image = image.quantize(palette=palette, dither=Image.Dither.NONE)  # noqa: PLW2901 - the one of this file
            more["append_images"] = [image.rotate(180)]
        if codec == "HEIF":
            more["thumbnails"] = [128]
        if codec == "ICO":
            image = image.resize(size_wh, Image.Resampling.NEAREST)  # noqa: PLW2901 - the one of this file
        files.append(encoded(image, codec, **more))
    scale = size_wh[0] / SIZE_WH[0]
    fitted = replace(plan, width=size_wh[0], height=size_wh[1])
    if scale != 1:
        fitted = scaled(fitted, scale)
    _differ_beneath(files, fitted)

    first, second = (fake_pipeline().render(one, fitted, OPTIONS) for one in files)

    assert files[0] != files[1]
    assert first.encoded == second.encoded
    assert first.format == format_named(codec).becomes[0]


@pytest.mark.parametrize("codec", ["JPEG", *slowly("MPO")])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_a_jpeg_s_own_tables_tell_nothing(plan, core, codec, subsampling):
    files = []
    for image in pair(aligned(core)):
        thumbnail = encoded(image.resize((96, 64)), "JPEG")
        more = {"quality": 83, "subsampling": subsampling, "comment": thumbnail}
        if codec == "MPO":
            more |= {"save_all": True, "append_images": [image.rotate(180)]}
        files.append(encoded(image, codec, **more))
    _differ_beneath(files, plan)

    first, second = (fake_pipeline().render(one, plan, OPTIONS) for one in files)

    assert files[0] != files[1]
    assert first.encoded == second.encoded
    for extension in (".png", ".webp", ".avif"):
        assert first.encode_for(extension) == second.encode_for(extension)


PQ, HLG, BT2020 = 16, 18, 9


def hdr_png(codes: np.ndarray, transfer: int) -> bytes:
    chunk = (b"cICP", bytes([BT2020, transfer, 0, 1]))
    return png_with(encoded(Image.fromarray(codes), "PNG"), chunk)


def hdr_avif(codes: np.ndarray) -> bytes:
    data = encoded(Image.fromarray(codes), "AVIF", **LOSSLESS["AVIF"])
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">2H", BT2020, PQ) + data[at + 4 :]


def hdr_heif(codes: np.ndarray) -> bytes:
    colors = {"color_primaries": BT2020, "transfer_characteristics": HLG}
    options = LOSSLESS["HEIF"] | colors | {"save_nclx_profile": True}
    return encoded(Image.fromarray(codes), "HEIF", **options)


def sideways(values: np.ndarray) -> bytes:
    """Return a TIFF of floats that lies on its side."""
    turned = np.ascontiguousarray(np.rot90(values))
    return tiff_file(turned, RGB, tags={274: ("H", [6])})


#: Pictures whose brightest point says what becomes white, of values from 0 to 255.
SCALED = {
    "PNG, PQ": lambda values: hdr_png(values, PQ),
    "PNG, HLG": lambda values: hdr_png(values, HLG),
    "AVIF, PQ": hdr_avif,
    "HEIF, HLG": hdr_heif,
    "TIFF of floats": lambda values: encoded(
        Image.fromarray(values[..., 0].astype(np.float32) / 230), "TIFF"
    ),
    "TIFF of 32-bit integers": lambda values: encoded(
        Image.fromarray(values[..., 0].astype(np.int32) * 280), "TIFF"
    ),
    "TIFF of float colours": lambda values: sideways(values.astype(np.float32) / 230),
    "TIFF of signed numbers": lambda values: tiff_file(
        (values * 1.1).astype(np.int16), RGB
    ),
    "Pillow's floats": lambda values: Image.fromarray(
        values[..., 0].astype(np.float32) / 230
    ),
}


@pytest.mark.parametrize("kind", SCALED)
def test_the_brightest_point_tells_nothing(plan, core, kind):
    """Where nothing states what white is, only what lies beside covers says it."""
    under = np.asarray(photo(*SIZE_WH)) // 2 + 100
    files = []
    for value in (255, 30):
        values = under.copy()
        values[core] = value
        files.append(SCALED[kind](values))
    bare = [from_image(one) if "Pillow" in kind else decode(one) for one in files]
    shown = [one.image.copy() for one in bare]

    sources = bare if "Pillow" in kind else files
    first, second = (fake_pipeline().render(one, plan, OPTIONS) for one in sources)

    beside = np.broadcast_to(~core[..., None], np.asarray(shown[0]).shape)
    differing = np.asarray(shown[0])[beside] != np.asarray(shown[1])[beside]
    assert differing.mean() > 0.2  # so it would, were the plan not known
    assert first.encoded == second.encoded
    result, dark = opened(first.encode_for(".png")), shown[1].convert("RGB")
    for one in (result, dark):
        one.paste(0, None, Image.fromarray(~beside[..., 0]))
    assert mean_abs_diff(result.convert("RGB"), dark) < 6


def test_frames_of_hdr_are_scaled_alike():
    """What is bright in one frame, perhaps beneath a cover, dims none of them."""
    codes = np.full((3, 60, 80, 3), 120, np.uint8)
    codes[1, 20:40, 20:40] = 190
    frames = [Image.fromarray(one) for one in codes]
    chunk = (b"cICP", bytes([BT2020, PQ, 0, 1]))

    decoded = list(decode_frames(png_with(animation(frames, "PNG"), chunk)))

    corners = {one.image.getpixel((2, 2)) for one in decoded}
    assert (len(decoded), len(corners)) == (3, 1)


def moving(shades: tuple[int, ...]) -> list[Image.Image]:
    """Return frames of two faces; in one of them there are these shades, in turn."""
    frames = []
    for index in range(8):
        left = 40 + 6 * index
        image = picture_with_faces(
            (400, 300), [(left, 60, left + 80, 140), (260, 150, 340, 230)]
        )
        image.paste("white", (0, 0, 400, 40))
        image.paste("black", (0, 260, 400, 300))
        shade = shades[index % len(shades)]
        image.paste((255 - shade, shade, 255), (left + 25, 85, left + 55, 115))
        frames.append(image)
    return frames


def moving_files(codec: str) -> list[bytes]:
    """Return two clips that differ only in what moves inside of one face."""
    files = []
    for shades in ((10,), (1, 30, 45)):
        frames = moving(shades)
        if codec in VIDEOS:
            files.append(videos.video(frames, codec, options=VIDEOS[codec]))
            continue
        if codec in {"GIF", "PNG of 32 colours"}:
            frames = [one.quantize(32) for one in frames]
        more = {"lossless": True} if codec == "WEBP" else {}
        files.append(animation(frames, codec.split(maxsplit=1)[0], **more))
    return files


@pytest.mark.parametrize("cover", ["solid", "mosaic", "blur"])
@pytest.mark.parametrize(
    "codec", ["GIF", *slowly("PNG", "PNG of 32 colours", "WEBP", *VIDEOS)]
)
def test_no_frame_palette_or_size_of_a_clip_tells(codec, cover):
    """What moves beneath a cover, and in which colours, is not seen in the file."""
    files = moving_files(codec)
    options = EmojifyOptions(edits=parse_edits(cover))
    calm = FakeEmojiSource([make_emoji("calm", mild=True)])
    pipeline = replace(fake_pipeline(), emoji=calm)

    first, second = (pipeline.run(one, options) for one in files)

    assert files[0] != files[1]
    assert (first.frames, len(first.faces)) == (8, 2)
    if codec == "mp4":
        # x264 gives even the same frames other bytes from run to run.
        seen, again = videos.shown(first.encoded), videos.shown(second.encoded)
        assert [time for time, _ in seen] == [time for time, _ in again]
        for (_, one), (_, other) in zip(seen, again, strict=True):
            # What it rounds differently is not seen.
            assert np.abs(one.astype(int) - other).mean() < 0.5
        assert videos.sound_packets(first.encoded) == videos.sound_packets(
            second.encoded
        )
        return
    assert first.encoded == second.encoded
    for extension in (".gif", ".webp"):
        assert first.encode_for(extension) == second.encode_for(extension)


def test_what_is_left_is_seen(plan, core):
    """The other tests can fail: without covers the files differ."""
    faces = tuple(replace(face, decision=Leave()) for face in plan.faces)
    bare = replace(plan, faces=faces)

    first, second = (
        fake_pipeline().render(encoded(image, "PNG"), bare, OPTIONS)
        for image in pair(core)
    )

    assert first.encoded != second.encoded


def scaled(plan: Plan, scale: float) -> Plan:
    """Return a plan for the same picture in another size, a little larger discs."""
    faces = [
        replace(
            face,
            placement=make_placement(
                tuple(at * scale for at in face.placement.center_xy),
                face.placement.size_px * scale + 6,
                face.placement.roll_degrees,
            ),
        )
        for face in plan.faces
    ]
    return replace(plan, faces=tuple(faces))


def _differ_beneath(files: list[bytes], plan: Plan) -> None:
    """Check that two files, once decoded, are alike but under what is painted."""
    pictures = [np.asarray(decode(one).image.convert("RGB")) for one in files]
    nothing = encoded(Image.new("RGBA", (plan.width, plan.height)), "PNG")
    painted = opened(fake_pipeline().render(nothing, plan, OPTIONS).encoded)
    differing = (pictures[0] != pictures[1]).any(axis=-1)
    assert differing.any()
    assert not differing[np.asarray(painted)[..., 3] < 255].any()
