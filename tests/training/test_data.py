from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.errors import EmojifierError
from emojifier_training.data import (
    DatasetError,
    decode_rgb,
    is_held_out,
    read_detection,
    read_landmarks,
)
from tests.conftest import ROOT
from tests.datasets import (
    face_label,
    tiny_detection,
    tiny_landmarks,
    write_detection,
    write_labels,
    write_landmarks,
    write_tar,
)
from tests.images import encoded, flat, photo

HELD_OUT = ROOT / "docs" / "held_out"
POINTS = [[float(one), 2.0] for one in range(68)]
FIVE = [[float(one), 3.0] for one in range(5)]


class TestIsHeldOut:
    @pytest.mark.parametrize(
        ("source", "name", "subject", "held_out"),
        [
            ("wider", "wider/0.jpg", "", False),
            ("wider", "wider/2.jpg", "", True),
            ("masks", "masks/1.jpg", "", True),
            # HELEN gives more of its names, and other ones.
            ("helen", "helen/7.jpg", "", True),
            ("afw", "helen/7.jpg", "", False),
            # A subject decides for all of its pictures.
            ("youtube", "youtube/4.jpg", "", True),
            ("youtube", "youtube/4.jpg", "youtube/1", False),
            ("youtube", "youtube/1.jpg", "youtube/4", True),
        ],
    )
    def test_stays_as_it_is(self, source, name, subject, held_out):
        assert is_held_out(source, name, subject) is held_out

    @pytest.mark.parametrize(("source", "share"), [("wider", 0.1), ("helen", 0.125)])
    def test_its_share_is_as_it_says(self, source, share):
        found = np.mean([is_held_out(source, f"{index}.jpg") for index in range(4000)])

        assert found == pytest.approx(share, abs=0.02)

    @pytest.mark.parametrize("task", ["detection", "landmarks"])
    def test_the_lists_in_the_docs_are_what_it_says(self, task, shared_data):
        packed = (shared_data / "data" / task / "labels.json.gz").read_bytes()
        held_out = []
        for name, label in json.loads(gzip.decompress(packed)).items():
            subject = label.get("subject")
            known = "" if subject is None else f"{label['source']}/{subject}"
            if is_held_out(label["source"], name, known):
                held_out.append(name)

        listed = (HELD_OUT / f"{task}.txt").read_text("utf-8").split()

        assert listed == sorted(held_out)
        assert len(listed) > 300


class TestReadDetection:
    def test_an_empty_set(self, tmp_path):
        assert read_detection(write_detection(tmp_path, {}, shards=0)) == []

    def test_pictures_come_by_name_from_all_archives(self, tmp_path):
        colors = {
            f"wider/{name}.png": (index, 2, 3) for index, name in enumerate("cab")
        }
        pictures = {name: (flat(color, (6, 4)), []) for name, color in colors.items()}

        found = read_detection(write_detection(tmp_path, pictures, shards=2))

        assert [one.name for one in found] == sorted(colors)
        for one in found:
            image = one.image()
            assert image.shape == (4, 6, 3)
            assert image.dtype == np.uint8
            assert (image == colors[one.name]).all()

    def test_labels_become_arrays(self, tmp_path):
        faces = [
            face_label((1, 2, 3.5, 5), points_xy=FIVE, occlusion=2),
            face_label((4, 5, 6, 7), invalid=1),
        ]
        folder = write_detection(tmp_path, {"masks/a.png": (flat((0,) * 3), faces)})

        (found,) = read_detection(folder)

        assert (found.source, found.event) == ("masks", "masks")
        assert found.xyxy.tolist() == [[1, 2, 3.5, 5], [4, 5, 6, 7]]
        assert found.xyxy.dtype == np.float32
        assert found.points_xy.shape == (2, 5, 2)
        assert found.points_xy[0].tolist() == FIVE
        assert np.isnan(found.points_xy[1]).all()
        assert found.invalid.tolist() == [False, True]
        assert found.occlusion.tolist() == [2, 0]

    def test_a_picture_without_faces(self, tmp_path):
        folder = write_detection(tmp_path, {"wider/a.png": (flat((0,) * 3), [])})

        (found,) = read_detection(folder)

        assert found.xyxy.shape == (0, 4)
        assert found.points_xy.shape == (0, 5, 2)
        assert found.invalid.shape == found.occlusion.shape == (0,)

    def test_the_tiny_set_has_both_parts(self, tmp_path):
        found = read_detection(tiny_detection(tmp_path))

        assert sum(is_held_out(one.source, one.name) for one in found) == 1
        assert len(found) == 5


class TestReadLandmarks:
    def test_an_empty_set(self, tmp_path):
        assert read_landmarks(write_landmarks(tmp_path, {})) == []

    def test_crops_come_by_name_with_their_points(self, tmp_path):
        crops = {
            "youtube/7_2.png": (flat((1, 2, 3)), POINTS),
            "helen/b.png": (flat((4, 5, 6)), POINTS),
        }

        helen, youtube = read_landmarks(write_landmarks(tmp_path, crops))

        assert (helen.name, helen.source, helen.subject) == ("helen/b.png", "helen", "")
        assert (youtube.source, youtube.subject) == ("youtube", "youtube/7")
        assert youtube.points_xy.tolist() == POINTS
        assert youtube.points_xy.dtype == np.float32
        assert (helen.image() == (4, 5, 6)).all()

    def test_the_tiny_set_has_both_parts(self, tmp_path):
        found = read_landmarks(tiny_landmarks(tmp_path))

        held_out = [
            one.source
            for one in found
            if is_held_out(one.source, one.name, one.subject)
        ]
        assert {"helen", "afw"} <= set(held_out)
        assert len(held_out) < len(found) == 12


READERS = {"detection": read_detection, "landmarks": read_landmarks}


def break_detection(folder, **change):
    """Write a set with one face whose label has a key changed, or taken out."""
    face = face_label((1, 2, 3, 4), points_xy=FIVE)
    for key, value in change.items():
        if value is None:
            del face[key]
        else:
            face[key] = value
    return write_detection(folder, {"wider/a.png": (flat((0,) * 3), [face])})


class TestBrokenSets:
    @pytest.mark.parametrize("read", READERS.values(), ids=READERS)
    def test_no_folder(self, read, tmp_path):
        with pytest.raises(DatasetError, match=r"no labels\.json\.gz in .*nowhere"):
            read(tmp_path / "nowhere")

    @pytest.mark.parametrize("read", READERS.values(), ids=READERS)
    def test_a_file_for_a_folder(self, read, tmp_path):
        (tmp_path / "file").touch()

        with pytest.raises(DatasetError, match=r"no labels\.json\.gz in .*file"):
            read(tmp_path / "file")

    @pytest.mark.parametrize("read", READERS.values(), ids=READERS)
    @pytest.mark.parametrize(
        "content",
        [b"", b"{}", gzip.compress(b"{")[:-9], gzip.compress(b"{"), b"\x1f\x8b\x08"],
        ids=["empty", "plain", "cut off", "no JSON", "head only"],
    )
    def test_labels_that_cannot_be_read(self, read, content, tmp_path):
        write_tar(tmp_path / "crops.tar", {})
        (tmp_path / "labels.json.gz").write_bytes(content)

        with pytest.raises(DatasetError, match=r"labels\.json\.gz cannot be read: "):
            read(tmp_path)

    @pytest.mark.parametrize("read", READERS.values(), ids=READERS)
    def test_labels_that_are_a_list(self, read, tmp_path):
        write_labels(tmp_path, [1, 2])

        with pytest.raises(DatasetError, match="must hold one object"):
            read(tmp_path)

    @pytest.mark.parametrize("read", READERS.values(), ids=READERS)
    def test_a_picture_that_is_in_no_archive(self, read, tmp_path):
        write_labels(tmp_path, {"wider/a.png": {"source": "wider"}})
        write_tar(tmp_path / "crops.tar", {"wider/b.png": b""})

        with pytest.raises(DatasetError, match=r"wider/a\.png is labelled but in no"):
            read(tmp_path)

    def test_crops_without_an_archive(self, tmp_path):
        write_labels(tmp_path, {})

        with pytest.raises(DatasetError, match=r"crops\.tar cannot be read: "):
            read_landmarks(tmp_path)

    def test_an_archive_that_is_none(self, tmp_path):
        write_labels(tmp_path, {})
        (tmp_path / "images-00.tar").write_bytes(b"no archive" * 99)

        with pytest.raises(DatasetError, match=r"images-00\.tar cannot be read: "):
            read_detection(tmp_path)

    @pytest.mark.parametrize(
        "change",
        [
            {"box_xyxy": None},
            {"box_xyxy": [1, 2, 3]},
            {"box_xyxy": "everywhere"},
            {"points_xy": FIVE[:4]},
            {"invalid": None},
            {"occlusion": "heavy"},
        ],
        ids=str,
    )
    def test_a_face_with_a_wrong_label(self, change, tmp_path):
        folder = break_detection(tmp_path, **change)

        with pytest.raises(DatasetError, match=r"label of wider/a\.png lacks or mis"):
            read_detection(folder)

    @pytest.mark.parametrize("points", [POINTS[:67], [*POINTS[:67], [1.0]], 5])
    def test_a_crop_with_wrong_points(self, points, tmp_path):
        write_labels(tmp_path, {"afw/a.png": {"source": "afw", "points_xy": points}})
        write_tar(tmp_path / "crops.tar", {"afw/a.png": b""})

        with pytest.raises(DatasetError, match=r"label of afw/a\.png lacks or mis"):
            read_landmarks(tmp_path)

    @pytest.mark.parametrize(
        "data", [b"", b"no picture", encoded(photo(), "PNG")[:500]]
    )
    def test_a_picture_that_is_none(self, data):
        with pytest.raises(DatasetError, match=r"a\.png cannot be decoded: "):
            decode_rgb(data, "a.png")

    def test_the_error_is_one_of_ours(self):
        assert issubclass(DatasetError, EmojifierError)


def test_a_picture_of_any_mode_becomes_rgb():
    data = encoded(Image.new("LA", (3, 2), (9, 255)), "PNG")

    assert decode_rgb(data, "a.png").tolist() == [[[9] * 3] * 3] * 2
