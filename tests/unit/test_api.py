from __future__ import annotations

import io
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emojifier_bot import Emojifier, Result, emojify
from emojifier_bot.errors import (
    ConfigError,
    ImageError,
    OutputError,
    PlanError,
    ThemeError,
)
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.plan import Cover, CoverKind, Plan
from tests.images import assert_same_pixels, opened

SAMPLE = Path(__file__).parents[2] / "docs" / "sample" / "astronaut.png"


@pytest.fixture(scope="module")
def emojifier() -> Emojifier:
    return Emojifier(min_confidence=0.8)


@pytest.fixture
def photo() -> Image.Image:
    return opened(SAMPLE.read_bytes()).convert("RGB")


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(lambda: SAMPLE, id="path"),
        pytest.param(lambda: str(SAMPLE), id="text"),
        pytest.param(SAMPLE.read_bytes, id="bytes"),
        pytest.param(lambda: io.BytesIO(SAMPLE.read_bytes()), id="memory"),
        pytest.param(lambda: Image.open(SAMPLE), id="image"),
        pytest.param(lambda: np.asarray(Image.open(SAMPLE)), id="array"),
    ],
)
def test_every_kind_of_source_gives_the_same_picture(emojifier, source):
    result = emojifier.emojify(source())

    assert isinstance(result, Result)
    assert (result.width, result.height, result.format) == (512, 512, "PNG")
    assert len(result.faces) == 1
    assert result.alt_text.startswith("1 face")
    expected = emojifier.emojify(SAMPLE)
    assert result.to_dict()["faces"] == expected.to_dict()["faces"]
    assert_same_pixels(opened(result.to_bytes()), opened(expected.to_bytes()))


def test_images_and_arrays_are_left_as_they_are(emojifier, photo):
    array = np.asarray(photo).copy()
    image = photo.copy()

    emojifier.emojify(array)
    emojifier.emojify(image)

    assert (array == np.asarray(photo)).all()
    assert_same_pixels(image, photo)


def test_a_read_only_array_will_do(emojifier, photo):
    array = np.asarray(photo)
    assert not array.flags.writeable

    assert len(emojifier.emojify(array).faces) == 1


def test_an_array_may_be_transparent(emojifier, photo):
    photo.putalpha(200)

    result = emojifier.emojify(np.asarray(photo))

    assert opened(result.encoded).mode == "RGBA"
    assert len(result.faces) == 1


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda photo: np.asarray(photo.convert("L")), id="grey"),
        pytest.param(lambda photo: np.asarray(photo)[::-1, ::-1], id="turned"),
        pytest.param(lambda _: bytearray(SAMPLE.read_bytes()), id="bytearray"),
        pytest.param(lambda _: memoryview(SAMPLE.read_bytes()), id="memoryview"),
    ],
)
def test_further_sources(emojifier, photo, make):
    result = emojifier.emojify(make(photo))

    assert (len(result.faces), result.image.mode) == (1, "RGB")


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        *(((40, 40), kind) for kind in ("bool", "uint16", ">u2", "int64", "float32")),
        *(((40, 40, 3), kind) for kind in ("bool", "int32", "float16", "float64")),
        *((shape, "uint8") for shape in [(40,), (40, 40, 1), (40, 40, 2)]),
        *((shape, "uint8") for shape in [(3, 40, 40), (1, 40, 40, 3), ()]),
    ],
)
def test_other_arrays_are_refused_with_what_they_are(emojifier, shape, kind):
    array = np.ones(shape, kind)

    with pytest.raises(ImageError) as caught:
        emojifier.emojify(array)

    assert caught.value.kind == "not_an_image"
    assert f"shape {shape} and dtype {array.dtype}. A pi" in caught.value.message


def test_an_open_file_is_read_and_left_open(emojifier):
    with SAMPLE.open("rb") as file:
        assert len(emojifier.emojify(file).faces) == 1
        assert not file.closed


@pytest.mark.parametrize("extension", [".jpg", "jpg", "JPEG"])
def test_the_extension_decides_the_format(emojifier, extension):
    result = emojifier.emojify(SAMPLE, extension=extension, quality=30)

    assert opened(result.encoded).format == "JPEG"


def test_an_unknown_extension_lists_those_that_work(emojifier):
    with pytest.raises(ImageError, match=r'as "txt"\. These work: \.jpg'):
        emojifier.emojify(SAMPLE, extension="txt")


def test_the_result_is_an_image_too(emojifier):
    result = emojifier.emojify(SAMPLE)

    assert result.image.format == "PNG"
    assert_same_pixels(result.image, opened(result.encoded))
    assert result.image is not result.image


def test_a_place_that_refuses_is_an_error_of_ours(emojifier, tmp_path):
    result = emojifier.emojify(SAMPLE)

    for path in (tmp_path / "no" / "x.png", tmp_path):
        with pytest.raises(OutputError, match=r"cannot be written: (No such|Is a dir)"):
            result.save(path)


def test_a_result_survives_pickling(emojifier, tmp_path):
    result = emojifier.emojify(SAMPLE, extension="jpg", quality=95)

    pickled = pickle.dumps(result)
    copy = pickle.loads(pickled)

    # The pixels, which are ten times as many bytes, stay behind.
    assert len(pickled) < len(result.encoded) + 20_000
    assert copy.encoded == result.encoded
    assert copy.to_dict() == result.to_dict()
    copy.save(tmp_path / "copy.png")
    assert_same_pixels(Image.open(tmp_path / "copy.png"), result.image.convert("RGB"))
    again = pickle.loads(pickle.dumps(copy))
    assert opened(again.encode_for("webp")).format == "WEBP"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        pytest.param(Path("nowhere.png"), "unreadable", id="a missing file"),
        pytest.param(Path(__file__).parent, "unreadable", id="a folder"),
        pytest.param(b"", "empty", id="no bytes"),
        pytest.param(b"no picture", "not_an_image", id="other bytes"),
        pytest.param(np.zeros((2, 2, 7), np.uint8), "not_an_image", id="7 channels"),
        pytest.param(np.zeros((4, 4, 3), np.float32), "not_an_image", id="floats"),
        pytest.param(7, "not_an_image", id="a number"),
        pytest.param(io.StringIO("text"), "not_an_image", id="a text file"),
        pytest.param(
            io.TextIOWrapper(io.BytesIO(b"\x89PNG"), "utf-8"),
            "unreadable",
            id="a picture opened as text",
        ),
        pytest.param(io.BytesIO(), "empty", id="an empty file"),
        pytest.param(None, "not_an_image", id="None"),
    ],
)
def test_what_is_no_picture_is_refused(emojifier, source, kind):
    with pytest.raises(ImageError) as caught:
        emojifier.emojify(source)

    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"theme": "nosuch"}, "nosuch.*classic"),
        ({"backend": "nosuch"}, "nosuch.*local"),
        ({"backend": ""}, "^backend is '', but must be the name of a back end"),
        ({"theme": ""}, "^theme is '', but"),
        ({"theme": Path("nosuch")}, "There is no folder nosuch to read a theme from"),
        ({"min_confidence": 5}, "^min_confidence is 5, but must be a number from 0.01"),
        ({"emotion_model": "nosuch"}, "^emotion_model is 'nosuch', but must be `fused"),
        ({"threads": -1}, "^threads is -1, but must be a whole number, 0 or more"),
        ({"threads": 2, "theme": "", "min_confidence": "x"}, "theme.*\n.*'x'"),
    ],
)
def test_a_wrong_option_is_told_with_what_would_be_right(options, says):
    with pytest.raises((ConfigError, ThemeError), match=says):
        Emojifier(**options)


def test_a_wrong_variable_is_told_by_its_name(monkeypatch):
    monkeypatch.setenv("EMOJIFIER_MIN_CONFIDENCE", "5")

    with pytest.raises(ConfigError, match=r"^EMOJIFIER_MIN_CONFIDENCE is '5', but"):
        Emojifier()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        *(
            ({"quality": one}, r"^quality is .*a whole number from 1 to 100\.$")
            for one in (0, 101, 90.5, "90", True)
        ),
        ({"extension": 5}, '^extension is 5, but must be a text, such as "png"'),
        ({"surprise_seed": 1.5}, "^surprise_seed is 1.5, but must be a whole number"),
        ({"edits": None}, "^edits is None, but must be a text"),
        ({"plan": {}}, "^plan is of type dict, but must be a Plan"),
        ({"surprise_seed": "x", "quality": -1}, "quality.*\n.*'x'"),
    ],
)
def test_a_wrong_option_of_a_picture(emojifier, options, says):
    with pytest.raises(ConfigError, match=says):
        emojifier.emojify(SAMPLE, **options)


def test_numbers_of_numpys_will_do(emojifier):
    seed = np.int64(3)

    result = emojifier.emojify(
        SAMPLE, extension="jpg", quality=np.uint8(30), surprise_seed=seed
    )

    assert result.encoded == (
        emojifier.emojify(SAMPLE, extension="jpg", quality=30, surprise_seed=3).encoded
    )


def test_a_theme_is_a_path_or_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(emojis_dir() / "classic", "mine")

    assert Emojifier(theme=Path("mine"))
    assert Emojifier(theme=tmp_path / "mine")
    with pytest.raises(ConfigError, match="There is no theme 'mine'"):
        Emojifier(theme="mine")


def test_settings_of_other_programs_do_not_concern_the_library(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("EMOJIFIER_THEME=nosuch\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "mysql://shop@db/shop")
    monkeypatch.setenv("PORT", "tcp://10.0.0.1:3000")

    assert len(Emojifier().emojify(SAMPLE).faces) == 1


def test_the_short_form_does_the_same(emojifier, tmp_path):
    result = emojify(SAMPLE, theme="classic")
    result.save(tmp_path / "out.png")

    sure = {one.emoji.name for one in emojifier.emojify(SAMPLE).faces}
    assert sure <= {one.emoji.name for one in result.faces}
    assert opened((tmp_path / "out.png").read_bytes()).size == (512, 512)


def test_a_plan_is_made_changed_and_painted(emojifier, photo):
    plan = emojifier.plan(SAMPLE, edits="1=:sob:")

    kept = Plan.from_json(plan.to_json())
    painted = emojifier.emojify(SAMPLE, plan=kept)

    assert painted.faces[0].emoji.name == "sob"
    assert painted.plan == plan
    assert painted.encoded == emojifier.emojify(SAMPLE, edits="1=sob").encoded
    as_image = emojifier.emojify(photo, plan=plan, edits="skip 1")
    assert_same_pixels(as_image.image.convert("RGB"), photo)


def test_words_that_do_not_fit_are_refused(emojifier):
    with pytest.raises(PlanError, match="There is no face 2: the picture has one"):
        emojifier.emojify(SAMPLE, edits="skip 2")
    with pytest.raises(PlanError, match='"juggle" is no change of a plan'):
        emojifier.plan(SAMPLE, edits="juggle")


def test_a_picture_covers_faces_by_its_name(emojifier, photo):
    plan = emojifier.plan(SAMPLE)
    decision = Cover(CoverKind.PICTURE, 0.0, "logo")
    face = replace(plan.faces[0], decision=decision)
    plan = replace(plan, faces=(face,))
    x, y = map(round, face.placement.center_xy)

    result = emojifier.emojify(
        photo, plan=plan, covers={"logo": Image.new("RGB", (5, 5), (1, 200, 3))}
    )

    assert result.image.getpixel((x, y)) == (1, 200, 3)
    with pytest.raises(PlanError, match='with "logo", and there is no such picture'):
        emojifier.emojify(photo, plan=plan)


@pytest.mark.parametrize(
    ("reading", "text"),
    [
        ("shapes", "1 face covered: mouth open"),
        ("off", "1 face covered"),
    ],
)
def test_a_reading_mode_can_be_chosen(reading, text):
    result = Emojifier(reading=reading, threads=1).emojify(SAMPLE)

    assert result.alt_text == text
    assert result.plan.reading == reading
    with pytest.raises(ConfigError, match="reading is 'all', but must be"):
        Emojifier(reading="all")
