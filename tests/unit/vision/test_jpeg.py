import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.formats import sniff
from emojifier_bot.vision.jpeg import END_MARKER, find_end, read_header
from emojifier_bot.vision.loaders import load as load_any
from tests import profiles
from tests.images import (
    SECRET_COMMENT,
    SECRET_XMP,
    SECRETS,
    assert_same_pixels,
    encoded,
    mean_abs_diff,
    opened,
    oriented_exif,
    photo,
)

SIZE = (256, 240)


def load(data: bytes):
    return load_any(sniff(data), data, lambda _: None)


def jpeg(size=SIZE, mode="RGB", **options: object) -> bytes:
    return encoded(photo(*size, mode), "JPEG", **options)


def cut(data: bytes, share: float) -> bytes:
    """Keep a share of the coded bytes."""
    start = read_header(data).scan_start
    return data[: start + int((len(data) - start) * share)]


class TestHeader:
    def test_metadata_goes_and_the_pixels_stay(self):
        data = jpeg(
            exif=oriented_exif(6, secret=True),
            xmp=SECRET_XMP,
            comment=SECRET_COMMENT,
            icc_profile=profiles.SRGB,
        )
        header = read_header(data)
        clean = header.clean + data[header.scan_start :]
        assert not any(secret in clean for secret in SECRETS)
        assert profiles.SRGB in clean
        assert_same_pixels(opened(clean), opened(data))

    def test_a_clean_file_is_left_as_it_is(self):
        header = read_header(jpeg())
        assert header.clean == jpeg()[: header.scan_start]

    def test_a_file_cut_before_its_pixels_is_refused(self):
        data = jpeg()
        for length in (3, 20, read_header(data).scan_start):
            with pytest.raises(ImageError, match="before its first pixel") as caught:
                read_header(data[:length])
            assert caught.value.kind == "truncated"

    @pytest.mark.parametrize(
        ("frame", "words"),
        [
            *[
                (bytes([0xFF, marker, 0, 17, 8]), "rare kind of compression")
                for marker in (0xC3, 0xC5, 0xC9, 0xCA, 0xCF)
            ],
            (b"\xff\xc1\x00\x11\x0c", "12 bits per colour"),
        ],
    )
    def test_rare_kinds_are_refused(self, frame, words):
        data = jpeg().replace(b"\xff\xc0\x00\x11\x08", frame)
        with pytest.raises(ImageError, match=words) as caught:
            read_header(data)
        assert caught.value.kind == "unsupported"

    @given(st.binary(max_size=80))
    def test_any_bytes_are_a_header_or_an_image_error(self, tail):
        try:
            header = read_header(b"\xff\xd8\xff" + tail)
        except ImageError:
            return
        find_end(b"\xff\xd8\xff" + tail, header.scan_start)


class TestEnd:
    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("restarts", [0, 2])
    def test_more_may_follow(self, progressive, restarts):
        data = jpeg(progressive=progressive, restart_marker_blocks=restarts)
        start = read_header(data).scan_start
        assert find_end(data, start).complete
        end = find_end(data + b"a video, or another picture", start)
        assert end.complete
        assert data[end.usable_bytes :] == END_MARKER
        assert (end.scans > 1) == progressive

    @pytest.mark.parametrize("progressive", [False, True])
    def test_every_cut_is_noticed(self, progressive):
        data = jpeg((96, 80), progressive=progressive)
        start = read_header(data).scan_start
        for length in range(start + 40, len(data)):
            end = find_end(data[:length], start)
            assert not end.complete
            assert start < end.usable_bytes <= length


class TestCutOff:
    @pytest.mark.parametrize("share", [0.6, 0.75, 0.9])
    @pytest.mark.parametrize("restarts", [0, 3])
    def test_a_baseline_file_says_how_much_is_missing(self, share, restarts):
        data = jpeg(quality=90, restart_marker_blocks=restarts)
        loaded = load(cut(data, share))
        differ = np.asarray(loaded.image) != np.asarray(opened(data))
        present = int(np.argmax(differ.any(axis=(1, 2)))) / SIZE[1]
        assert 0.4 < present < 1
        (note,) = loaded.notes
        missing = float(note.removeprefix("The file is cut off: ").split(" %")[0])
        assert missing == pytest.approx(100 * (1 - present), abs=1.5)
        assert note.endswith("of its rows are missing.")

    @pytest.mark.parametrize("share", [0.05, 0.4])
    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_less_than_half_of_the_rows_is_an_error(self, share, mode):
        with pytest.raises(ImageError, match=r"only \d+% of its rows") as caught:
            load(cut(jpeg(mode=mode, quality=90), share))
        assert caught.value.kind == "truncated"

    @pytest.mark.parametrize("share", [0.3, 0.9])
    def test_a_progressive_file_has_all_rows(self, share):
        data = jpeg(quality=90, progressive=True)
        loaded = load(cut(data, share))
        assert loaded.notes == ("The file is cut off: its finest details are missing.",)
        assert mean_abs_diff(loaded.image, opened(data)) < 8

    def test_a_progressive_file_cut_in_its_first_scan_is_an_error(self):
        data = jpeg(quality=90, progressive=True)
        with pytest.raises(ImageError, match="cut off"):
            load(data[: read_header(data).scan_start + 60])

    @pytest.mark.parametrize("grey", [127, 128])
    def test_grey_rows_are_not_taken_for_missing_ones(self, grey):
        image = photo(*SIZE)
        image.paste((grey,) * 3, (0, 120, *SIZE))
        (note,) = load(cut(encoded(image, "JPEG", quality=90), 0.97)).notes
        assert int(note.split(" %")[0].rsplit(" ", 1)[1]) < 30

    @pytest.mark.parametrize("tail", [b"", b"\xff", b"\0\0\0"])
    def test_only_the_end_marker_missing_needs_no_note(self, tail):
        loaded = load(jpeg()[:-2] + tail)
        assert loaded.notes == ()
        assert_same_pixels(loaded.image, opened(jpeg()))


class TestParameters:
    def test_a_sideways_picture_turns_its_tables(self):
        table = [min(1 + index, 255) for index in range(64)]
        data = jpeg(qtables=[table], subsampling="4:2:2", exif=oriented_exif(6))
        parameters = load(data).jpeg
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
    def test_blocks_that_no_longer_fit_are_noticed(self, size, orientation, aligned):
        data = jpeg(size, exif=oriented_exif(orientation))
        assert load(data).jpeg.aligned == aligned

    def test_large_divisors_fit_a_baseline_file(self):
        data = jpeg(qtables=[[1] + [300] * 63])
        assert max(load(data).jpeg.tables[0]) == 255

    def test_grey_has_one_table_and_emoji_get_colour(self):
        data = jpeg(mode="L", exif=oriented_exif(3), size=(72, 72))
        parameters = load(data).jpeg
        assert len(parameters.tables) == 1
        assert parameters.subsampling == "4:2:0"
        assert parameters.aligned

    @pytest.mark.parametrize(
        "data", [jpeg(mode="CMYK"), jpeg(keep_rgb=True)], ids=["CMYK", "RGB"]
    )
    def test_other_colour_models_have_none(self, data):
        assert load(data).jpeg is None

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
    def test_any_sampling_factors_are_understood(self, factors, expected):
        data = bytearray(jpeg(size=(16, 16), subsampling="4:4:4"))
        frame = data.index(b"\xff\xc0") + 10
        for layer, factor in enumerate(factors):
            data[frame + 1 + 3 * layer] = factor
        assert load(bytes(data)).jpeg.subsampling == expected
