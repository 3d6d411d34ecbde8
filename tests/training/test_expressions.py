from __future__ import annotations

import numpy as np
import pytest

from emojifier_bot.vision.types import EMOTIONS, Emotion
from emojifier_training.data import (
    VOTE_NAMES,
    DatasetError,
    read_expressions,
)
from tests.datasets import tiny_expressions, votes_for, write_expressions


def grey_faces(count: int) -> np.ndarray:
    return np.arange(count * 16, dtype=np.uint8).reshape(count, 4, 4)


class TestReadExpressions:
    def test_an_empty_file(self, tmp_path):
        path = write_expressions(tmp_path, grey_faces(0), votes=np.empty((0, 10)))

        found = read_expressions(path)

        assert found.images.shape == (0, 4, 4)
        assert found.targets.shape == (0, 8)
        assert found.majority.shape == found.is_validation.shape == (0,)

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

    @pytest.mark.parametrize("emotion", EMOTIONS)
    def test_each_column_is_its_emotion(self, emotion, tmp_path):
        path = write_expressions(tmp_path, grey_faces(1), votes=votes_for(emotion))

        assert EMOTIONS[read_expressions(path).majority[0]] is emotion

    def test_a_tied_vote_goes_to_the_first_in_our_order(self, tmp_path):
        votes = votes_for("surprise") + votes_for("contempt")

        found = read_expressions(
            write_expressions(tmp_path, grey_faces(1), votes=votes)
        )

        assert EMOTIONS[found.majority[0]] is Emotion.CONTEMPT

    @pytest.mark.parametrize("dtype", ["U", "S"])
    def test_labels_are_names(self, dtype, tmp_path):
        labels = np.array([str(one) for one in EMOTIONS]).astype(dtype)

        found = read_expressions(
            write_expressions(tmp_path, grey_faces(8), labels=labels)
        )

        assert found.majority.tolist() == list(range(8))
        np.testing.assert_array_equal(found.targets, np.eye(8))
        assert not found.is_validation.any()

    def test_votes_go_before_labels(self, tmp_path):
        path = write_expressions(
            tmp_path, grey_faces(1), votes=votes_for("fear"), labels=["anger"]
        )

        assert EMOTIONS[read_expressions(path).majority[0]] is Emotion.FEAR

    def test_faces_without_an_emotion_are_dropped(self, tmp_path):
        votes = votes_for("unknown", "anger", "no_face", "fear")
        path = write_expressions(
            tmp_path, grey_faces(4), votes=votes, is_validation=[1, 0, 1, 1]
        )

        found = read_expressions(path)

        np.testing.assert_array_equal(found.images, grey_faces(4)[[1, 3]])
        assert found.majority.tolist() == [0, 3]
        assert found.is_validation.tolist() == [False, True]

    def test_colour_is_read_too(self, tmp_path):
        images = np.zeros((2, 5, 4, 3), np.uint8)
        path = write_expressions(tmp_path, images, labels=["anger", "fear"])

        assert read_expressions(path).images.shape == (2, 5, 4, 3)

    @pytest.mark.parametrize("keep", [[2, 0], [True, False, True]])
    def test_a_subset(self, keep, tmp_path):
        labels = ["anger", "fear", "neutral"]
        path = write_expressions(
            tmp_path, grey_faces(3), labels=labels, is_validation=[0, 0, 1]
        )
        keep = np.array(keep)

        part = read_expressions(path).subset(keep)

        np.testing.assert_array_equal(part.images, grey_faces(3)[keep])
        names = [str(EMOTIONS[one]) for one in part.majority]
        assert names == np.array(labels)[keep].tolist()
        assert part.targets.argmax(axis=1).tolist() == part.majority.tolist()
        assert part.is_validation.tolist() == np.array([0, 0, 1])[keep].tolist()

    def test_a_folder_with_one_file(self, tmp_path):
        tiny_expressions(tmp_path)

        found = read_expressions(tmp_path)

        assert len(found.images) == 16
        assert np.bincount(found.majority).tolist() == [2] * 8
        assert found.is_validation.sum() == 8

    @pytest.mark.parametrize(
        ("names", "count"), [([], 0), (["a.npz", "b.npz"], 2), (["a.npy"], 0)]
    )
    def test_any_other_folder(self, names, count, tmp_path):
        for name in names:
            (tmp_path / name).touch()

        with pytest.raises(DatasetError, match=rf"one \.npz file at .*found {count}"):
            read_expressions(tmp_path)

    def test_no_such_file(self, tmp_path):
        with pytest.raises(DatasetError, match=r"one \.npz file at .*nowhere"):
            read_expressions(tmp_path / "nowhere.npz")

    @pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
    def test_a_file_of_another_kind(self, content, tmp_path):
        (tmp_path / "faces.npz").write_bytes(content)

        with pytest.raises(DatasetError, match=r"faces\.npz cannot be read as \.npz"):
            read_expressions(tmp_path / "faces.npz")

    def test_one_array_alone(self, tmp_path):
        np.save(tmp_path / "faces.npy", grey_faces(2))

        with pytest.raises(DatasetError, match=r"cannot be read as \.npz"):
            read_expressions(tmp_path / "faces.npy")

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
            (
                np.zeros((1, 4, 4, 2), np.uint8),
                {"labels": ["anger"]},
                "must be grey or RGB, uint8",
            ),
            (grey_faces(2), {"labels": ["anger"]}, "differ in length"),
            (grey_faces(1), {"labels": [["anger"]]}, r"'labels' .* shape \(1, 1\)"),
            (grey_faces(1), {"labels": ["rage"]}, r"no emotion: \['rage'\]"),
            (
                grey_faces(3),
                {"labels": ["Anger", "fear", "7"]},
                r"no emotion: \['7', 'Anger'\]",
            ),
            (grey_faces(2), {"labels": [3, 4]}, r"no emotion: \['3', '4'\]"),
            (grey_faces(1), {"votes": np.ones(10)}, r"'votes' .* shape \(10,\)"),
            (
                grey_faces(1),
                {"votes": np.ones((1, 8))},
                f"must have 10 columns: {', '.join(VOTE_NAMES)}",
            ),
            (grey_faces(2), {"votes": np.ones((3, 10))}, "differ in length"),
            (
                grey_faces(1),
                {"labels": ["anger"], "is_validation": [0, 1]},
                "differ in length",
            ),
        ],
        ids=range(13),
    )
    def test_wrong_arrays(self, images, arrays, says, tmp_path):
        path = write_expressions(tmp_path, images, **arrays)

        with pytest.raises(DatasetError, match=says) as caught:
            read_expressions(path)

        assert "faces.npz" in caught.value.message

    def test_without_images(self, tmp_path):
        np.savez(tmp_path / "faces.npz", votes=votes_for("anger"))

        with pytest.raises(DatasetError, match=r"faces\.npz has no array 'images'"):
            read_expressions(tmp_path)
