from __future__ import annotations

import numpy as np
import pytest

from emojifier_bot.cli.bench import (
    compose,
    cut_face,
    face_ms,
    floor,
    time_isolation,
    time_picture,
    time_preview,
)
from emojifier_bot.cli.console import WrongUsage
from emojifier_bot.vision.options import EmojifyOptions
from tests.fakes.faces import FakeAnalyzer, picture_with_faces
from tests.fakes.pipeline import fake_pipeline
from tests.images import encoded, flat, opened, psnr

FACE = flat((255, 0, 255), (40, 40))
TEXTURE = compose(FACE, (160, 120), 0)


def timing(faces, floor_ms, pipeline_ms, size_wh=(640, 480)):
    times = {"floor_ms": floor_ms, "pipeline_ms": pipeline_ms}
    return {"width": size_wh[0], "height": size_wh[1], "faces_found": faces} | times


@pytest.mark.parametrize(
    ("timings", "expected"),
    [
        ([], {}),
        ([timing(1, 10, 20)], {}),
        ([timing(1, 10, 20), timing(10, 10, 65), timing(11, 12, 72)], {"640x480": 5}),
        # What the floor itself takes more for a busier picture is not the faces'.
        ([timing(1, 10, 20), timing(6, 15, 50)], {"640x480": 5}),
        (
            [timing(0, 1, 1), timing(1, 1, 2), timing(0, 1, 1, (8, 8))],
            {"640x480": 1},
        ),
    ],
)
def test_time_for_each_further_face(timings, expected):
    assert face_ms(timings) == pytest.approx(expected)


def test_the_floor_keeps_the_tables_and_nearly_every_pixel():
    again = opened(floor(TEXTURE))

    assert again.quantization == opened(TEXTURE).quantization
    assert psnr(again, opened(TEXTURE)) > 40


def test_pictures_are_the_same_each_time_and_no_flat_field():
    assert compose(FACE, (160, 120), 0) == TEXTURE
    assert np.asarray(opened(TEXTURE)).std() > 10


@pytest.mark.parametrize("count", [0, 1, 10, 30])
def test_as_many_faces_as_wanted(count):
    data = compose(FACE, (640, 480), count)

    assert len(fake_pipeline().run(data, EmojifyOptions()).faces) == count


def test_decoding_here_and_there_is_timed_in_turn():
    (found,) = time_isolation([TEXTURE], rounds=3)

    assert (found["width"], found["height"]) == (160, 120)
    assert min(found["in_process_ms"], found["isolated_ms"]) > 0


def test_the_largest_face_is_cut_with_room_around_it():
    image = picture_with_faces((400, 300), [(20, 20, 60, 60), (150, 80, 250, 180)])

    face = cut_face(fake_pipeline(), encoded(image, "PNG"))

    assert face.size == pytest.approx((170, 170), abs=4)
    assert face.getpixel((85, 85)) == (255, 0, 255)


def test_a_photo_without_face_is_told():
    with pytest.raises(WrongUsage, match="no face"):
        cut_face(fake_pipeline(FakeAnalyzer()), encoded(flat((9, 9, 9)), "PNG"))


def test_a_preview_is_timed_first_and_redrawn():
    found = time_preview(fake_pipeline(), compose(FACE, (640, 480), 2), rounds=2)

    assert found.keys() == {"first_ms", "redrawn_ms"}
    assert min(found.values()) > 0


def test_pipeline_and_floor_are_timed_in_turn():
    found = time_picture(fake_pipeline(), compose(FACE, (160, 120), 1), rounds=2)

    assert (found["width"], found["height"], found["faces_found"]) == (160, 120, 1)
    assert min(found["floor_ms"], found["pipeline_ms"]) > 0
    assert min(found["ratio"], found["cpu_ratio"]) > 0
    assert set(found["stages_ms"]) >= {"decode", "analyze", "encode"}
