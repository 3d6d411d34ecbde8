import numpy as np
import pytest
from PIL import Image

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.jpeg_decode import load_jpeg
from emojifier_bot.vision.jpeg_scan import read_header
from tests.images import (
    assert_same_pixels,
    encoded,
    mean_abs_diff,
    opened,
    oriented_exif,
    photo,
)

SIZE = (256, 240)


def load(data: bytes):
    return load_jpeg(data, lambda _: None)


def jpeg(size=SIZE, mode="RGB", **options: object) -> bytes:
    return encoded(photo(*size, mode), "JPEG", **options)


def cut(data: bytes, share: float) -> bytes:
    """Keep a share of the coded bytes."""
    start = read_header(data).scan_start
    return data[: start + int((len(data) - start) * share)]


def rows_alike(first: Image.Image, second: Image.Image) -> int:
    """Count the rows from the top on that are the same."""
    differ = (np.asarray(first) != np.asarray(second)).any(axis=(1, 2))
    return int(np.argmax(differ)) if differ.any() else first.height


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_pixels_are_pillows(mode, progressive):
    data = jpeg(mode=mode, progressive=progressive)
    loaded = load(data)
    assert_same_pixels(loaded.image, opened(data))
    assert loaded.notes == ()


@pytest.mark.parametrize("share", [0.6, 0.75, 0.9])
@pytest.mark.parametrize("restarts", [0, 3])
def test_a_cut_baseline_file_says_how_much_is_missing(share, restarts):
    data = jpeg(quality=90, restart_marker_blocks=restarts)
    loaded = load(cut(data, share))
    present = rows_alike(loaded.image, opened(data))
    assert 0.4 < present / SIZE[1] < 1
    (note,) = loaded.notes
    told = float(note.removeprefix("The file is cut off: ").split(" %")[0])
    assert told == pytest.approx(100 * (1 - present / SIZE[1]), abs=1.5)
    assert note.endswith("of its rows are missing.")


@pytest.mark.parametrize("share", [0.05, 0.3, 0.4])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_less_than_half_of_the_rows_is_an_error(share, mode):
    with pytest.raises(ImageError, match=r"cut off: only \d+% of its rows") as caught:
        load(cut(jpeg(mode=mode, quality=90), share))
    assert caught.value.kind == "truncated"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_progressive_file_has_all_rows(share):
    data = jpeg(quality=90, progressive=True)
    loaded = load(cut(data, share))
    assert loaded.notes == ("The file is cut off: its finest details are missing.",)
    assert mean_abs_diff(loaded.image, opened(data)) < 8


def test_a_progressive_file_cut_in_its_first_scan_is_an_error():
    data = jpeg(quality=90, progressive=True)
    start = read_header(data).scan_start
    with pytest.raises(ImageError, match="cut off"):
        load(data[: start + 60])


@pytest.mark.parametrize("grey", [127, 128])
def test_grey_rows_are_not_taken_for_missing_ones(grey):
    image = photo(*SIZE)
    image.paste((grey,) * 3, (0, 120, *SIZE))
    data = encoded(image, "JPEG", quality=90)
    (note,) = load(cut(data, 0.97)).notes
    assert int(note.split(" %")[0].rsplit(" ", 1)[1]) < 30


@pytest.mark.parametrize("tail", [b"", b"\xff", b"\0\0\0"])
def test_only_the_end_marker_missing_needs_no_note(tail):
    data = jpeg()
    loaded = load(data[:-2] + tail)
    assert loaded.notes == ()
    assert_same_pixels(loaded.image, opened(data))


def test_the_size_is_checked_first():
    def refuse(size_wh):
        raise ImageError(f"too large: {size_wh}")

    with pytest.raises(ImageError, match=r"\(256, 240\)"):
        load_jpeg(jpeg(), refuse)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [40, 75, 95])
def test_tables_and_subsampling_are_the_inputs(subsampling, quality):
    data = jpeg(quality=quality, subsampling=subsampling)
    parameters = load(data).parameters
    luma, chroma = opened(data).quantization.values()
    assert [list(table) for table in parameters.tables] == [luma, chroma]
    assert parameters.subsampling == subsampling
    assert parameters.aligned


def test_a_sideways_picture_turns_its_tables():
    table = [min(1 + index, 255) for index in range(64)]
    data = jpeg(qtables=[table], subsampling="4:2:2", exif=oriented_exif(6))
    parameters = load(data).parameters
    expected = np.array(table).reshape(8, 8).T.ravel()
    assert list(parameters.tables[0]) == expected.tolist()
    assert parameters.subsampling == "4:4:4"


@pytest.mark.parametrize(
    ("size", "orientation", "aligned"),
    [
        ((64, 64), 3, True),
        ((65, 65), 1, True),
        ((65, 65), 5, True),
        ((65, 64), 2, False),
        ((64, 65), 2, True),
        ((64, 65), 4, False),
        ((64, 72), 6, False),
        ((72, 64), 6, True),
        ((72, 64), 8, False),
        ((72, 64), 7, False),
        ((72, 64), 3, False),
    ],
)
def test_blocks_that_no_longer_fit_are_noticed(size, orientation, aligned):
    data = jpeg(size, exif=oriented_exif(orientation))
    assert load(data).parameters.aligned == aligned


def test_large_divisors_fit_a_baseline_file():
    data = jpeg(qtables=[[1] + [300] * 63])
    assert max(load(data).parameters.tables[0]) == 255


def test_grey_has_one_table_and_emoji_get_colour():
    parameters = load(jpeg(mode="L", exif=oriented_exif(3), size=(72, 72))).parameters
    assert len(parameters.tables) == 1
    assert parameters.subsampling == "4:2:0"
    assert parameters.aligned


@pytest.mark.parametrize(
    "data", [jpeg(mode="CMYK"), jpeg(keep_rgb=True)], ids=["CMYK", "RGB"]
)
def test_other_colour_models_have_no_parameters_to_keep(data):
    assert load(data).parameters is None


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((0x11, 0x11, 0x11), "4:4:4"),
        ((0x21, 0x11, 0x11), "4:2:2"),
        ((0x22, 0x11, 0x11), "4:2:0"),
        ((0x12, 0x11, 0x11), "4:4:4"),
        ((0x41, 0x11, 0x11), "4:4:4"),
        ((0x22, 0x11, 0x21), "4:4:4"),
        ((0x21, 0x21, 0x21), "4:4:4"),
        ((0x22, 0x12, 0x12), "4:2:2"),
    ],
)
def test_any_sampling_factors_are_understood(factors, expected):
    data = jpeg(size=(16, 16), subsampling="4:4:4")
    frame = data.index(b"\xff\xc0") + 10
    changed = bytearray(data)
    for layer, factor in enumerate(factors):
        changed[frame + 1 + 3 * layer] = factor
    assert load(bytes(changed)).parameters.subsampling == expected
