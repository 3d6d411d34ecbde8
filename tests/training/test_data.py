from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from emojifier_bot.vision.types import EMOTIONS, Emotion
from emojifier_training.data import (
    VOTE_NAMES,
    DatasetError,
    decode_rgb,
    is_held_out,
    read_detection,
    read_expressions,
    read_landmarks,
    read_negatives,
)
from tests.conftest import ROOT
from tests.datasets import (
    face_label,
    votes_for,
    write_detection,
    write_expressions,
    write_labels,
    write_landmarks,
    write_negatives,
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
            ("negatives", "bsds_100099.webp", "", False),
            # A subject decides for all of its pictures.
            ("youtube", "youtube/4.jpg", "", True),
            ("youtube", "youtube/4.jpg", "youtube/1", False),
            ("youtube", "youtube/1.jpg", "youtube/4", True),
        ],
    )
    def test_stays_as_it_is(self, source, name, subject, held_out):
        assert is_held_out(source, name, subject) is held_out

    @pytest.mark.parametrize("task", ["detection", "landmarks"])
    def test_the_lists_in_the_docs_are_what_the_hash_says(self, task, shared_data):
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

    def test_the_list_of_photographs_without_people(self, shared_data):
        negatives = read_negatives(shared_data / "data" / "negatives")

        listed = (HELD_OUT / "negatives.txt").read_text("utf-8").split()

        assert listed == [p.name for p in negatives if is_held_out(p.source, p.name)]
        assert len(listed) == 107


def test_photographs_without_people_have_a_kind_and_no_face(tmp_path):
    write_negatives(tmp_path, {"b.png": "thing", "a.png": "animal"})

    first, second = read_negatives(tmp_path)

    assert (first.name, first.event, second.event) == ("a.png", "animal", "thing")
    assert first.source == "negatives"
    assert first.xyxy.shape == (0, 4)
    assert first.image().shape == (240, 320, 3)


class TestReadDetection:
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


def test_crops_come_by_name_with_their_points(tmp_path):
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


READERS = {"detection": read_detection, "landmarks": read_landmarks}


class TestBrokenSets:
    @pytest.mark.parametrize("read", READERS.values(), ids=READERS)
    def test_no_folder(self, read, tmp_path):
        with pytest.raises(DatasetError, match=r"no labels\.json\.gz in .*nowhere"):
            read(tmp_path / "nowhere")

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
    def test_a_picture_that_is_in_no_archive(self, read, tmp_path):
        write_labels(tmp_path, {"wider/a.png": {"source": "wider"}})
        write_tar(tmp_path / "crops.tar", {"wider/b.png": b""})

        with pytest.raises(DatasetError, match=r"wider/a\.png is labelled but in no"):
            read(tmp_path)

    def test_an_archive_that_is_none(self, tmp_path):
        write_labels(tmp_path, {})
        (tmp_path / "images-00.tar").write_bytes(b"no archive" * 99)

        with pytest.raises(DatasetError, match=r"images-00\.tar cannot be read: "):
            read_detection(tmp_path)

    @pytest.mark.parametrize(
        "change",
        [
            {"box_xyxy": [1, 2, 3]},
            {"box_xyxy": "everywhere"},
            {"points_xy": FIVE[:4]},
            {"occlusion": "heavy"},
        ],
        ids=str,
    )
    def test_a_face_with_a_wrong_label(self, change, tmp_path):
        face = face_label((1, 2, 3, 4), points_xy=FIVE) | change
        pictures = {"wider/a.png": (flat((0,) * 3), [face])}
        folder = write_detection(tmp_path, pictures)

        with pytest.raises(DatasetError, match=r"label of wider/a\.png lacks or mis"):
            read_detection(folder)

    @pytest.mark.parametrize(
        "data", [b"", b"no picture", encoded(photo(), "PNG")[:500]]
    )
    def test_a_picture_that_is_none(self, data):
        with pytest.raises(DatasetError, match=r"a\.png cannot be decoded: "):
            decode_rgb(data, "a.png")


def grey_faces(count: int) -> np.ndarray:
    return np.arange(count * 16, dtype=np.uint8).reshape(count, 4, 4)


class TestReadExpressions:
    def test_votes_become_shares_in_our_order(self, tmp_path):
        votes = 6 * votes_for("fear", count=1) + 3 * votes_for("neutral", count=1)
        votes += votes_for("unknown", count=1)

        found = read_expressions(
            write_expressions(tmp_path, grey_faces(1), votes=votes)
        )

        shares = dict(zip(EMOTIONS, found.targets[0], strict=True))
        assert shares[Emotion.FEAR] == pytest.approx(2 / 3)
        assert shares[Emotion.NEUTRAL] == pytest.approx(1 / 3)
        assert found.targets.sum() == pytest.approx(1)
        assert found.targets.dtype == np.float32
        assert EMOTIONS[found.majority[0]] is Emotion.FEAR

    @pytest.mark.parametrize("dtype", ["U", "S"])
    def test_labels_are_names(self, dtype, tmp_path):
        labels = np.array([str(one) for one in EMOTIONS]).astype(dtype)

        found = read_expressions(
            write_expressions(tmp_path, grey_faces(8), labels=labels)
        )

        assert found.majority.tolist() == list(range(8))
        np.testing.assert_array_equal(found.targets, np.eye(8))
        assert not found.is_validation.any()

    def test_older_labels_are_a_second_opinion(self, tmp_path):
        votes = votes_for("unknown", "anger", "fear")
        labels = ["fear", "disgust", "fear"]

        with_labels, without = (
            read_expressions(write_expressions(tmp_path, grey_faces(3), **arrays))
            for arrays in ({"votes": votes, "fer2013_label": labels}, {"votes": votes})
        )

        assert with_labels.majority.tolist() == without.majority.tolist() == [0, 3]
        assert with_labels.second_opinions.argmax(axis=1).tolist() == [2, 3]
        assert without.second_opinions.tolist() == without.targets.tolist()
        kept = with_labels.subset(np.array([True, False]))
        assert kept.second_opinions.argmax(axis=1).tolist() == [2]

    def test_faces_without_an_emotion_are_dropped(self, tmp_path):
        votes = votes_for("unknown", "anger", "no_face", "fear")
        path = write_expressions(
            tmp_path, grey_faces(4), votes=votes, is_validation=[1, 0, 1, 1]
        )

        found = read_expressions(path)

        np.testing.assert_array_equal(found.images, grey_faces(4)[[1, 3]])
        assert found.majority.tolist() == [0, 3]
        assert found.is_validation.tolist() == [False, True]

    @pytest.mark.parametrize(
        ("names", "count"), [([], 0), (["a.npz", "b.npz"], 2), (["a.npy"], 0)]
    )
    def test_any_other_folder(self, names, count, tmp_path):
        for name in names:
            (tmp_path / name).touch()

        with pytest.raises(DatasetError, match=rf"one \.npz file at .*found {count}"):
            read_expressions(tmp_path)

    def test_objects_are_not_unpickled(self, tmp_path):
        labels = np.array(["anger"], dtype=object)
        path = write_expressions(tmp_path, grey_faces(1), labels=labels)

        with pytest.raises(DatasetError, match="Object arrays cannot be loaded"):
            read_expressions(path)

    @pytest.mark.parametrize(
        ("images", "arrays", "says"),
        [
            (grey_faces(1), {}, "neither 'labels' nor 'votes'"),
            (grey_faces(1)[0], {"labels": ["anger"]}, r"'images' .* shape \(4, 4\)"),
            (grey_faces(1) / 255, {"labels": ["anger"]}, "must be grey or RGB, uint8"),
            (grey_faces(2), {"labels": ["anger"]}, "differ in length"),
            (grey_faces(1), {"labels": [["anger"]]}, r"'labels' .* shape \(1, 1\)"),
            (grey_faces(1), {"labels": ["rage"]}, r"no emotion: \['rage'\]"),
            (
                grey_faces(1),
                {"votes": np.ones((1, 10)), "fer2013_label": ["rage"]},
                r"has fer2013_label that are no emotion",
            ),
            (
                grey_faces(2),
                {"votes": np.ones((2, 10)), "fer2013_label": ["fear"]},
                "differ in length",
            ),
            (grey_faces(1), {"votes": np.ones(10)}, r"'votes' .* shape \(10,\)"),
            (
                grey_faces(1),
                {"votes": np.ones((1, 8))},
                f"must have 10 columns: {', '.join(VOTE_NAMES)}",
            ),
        ],
    )
    def test_wrong_arrays(self, images, arrays, says, tmp_path):
        path = write_expressions(tmp_path, images, **arrays)

        with pytest.raises(DatasetError, match=says) as caught:
            read_expressions(path)

        assert "faces.npz" in caught.value.message
