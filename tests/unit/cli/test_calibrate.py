from __future__ import annotations

from emojifier_bot.cli.calibrate import read_photos
from emojifier_bot.vision.clips.opening import InProcessDecoder
from emojifier_bot.vision.types import EMOTIONS, Reading
from tests.builders import make_face, make_landmarks
from tests.images import encoded, photo


class Analyzer:
    """Finds as many faces as is said, each larger than the one before."""

    def __init__(self, *counts):
        self._counts = iter(counts)

    def analyze(self, _picture, *, expressions=True):
        assert expressions
        faces = [
            make_face(EMOTIONS[index], landmarks=make_landmarks(eye_distance_px=size))
            for index, size in enumerate(range(40, 40 + 20 * next(self._counts), 20))
        ]
        return Reading(tuple(faces), "fake")


def test_the_largest_face_counts_and_what_is_wrong_is_reported(tmp_path, capsys):
    jpeg = encoded(photo(), "JPEG")
    photos = [tmp_path / f"{index}.jpg" for index in range(4)]
    for path, content in zip(photos, [jpeg, jpeg, b"<html>", jpeg[:60]], strict=True):
        path.write_bytes(content)

    read = read_photos({"glad": photos}, InProcessDecoder(), Analyzer(3, 0))

    assert [one.scores.top for one in read["glad"]] == [EMOTIONS[2]]
    largest, none, *damaged, few = capsys.readouterr().err.splitlines()
    assert largest == f"{photos[0]} has 3 faces; the largest counts."
    assert none == f"{photos[1]} has no face that was found; it is left out."
    assert all("cannot be read" in line for line in damaged)
    assert few.startswith("glad has 1 face: take 3 or more")
