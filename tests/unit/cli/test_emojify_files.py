from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest

from emojifier_bot.cli.console import Reporter
from emojifier_bot.cli.files import find_inputs, plan_targets
from emojifier_bot.cli.replay import FileEmojifier
from emojifier_bot.errors import InferenceError
from tests.builders import make_face
from tests.fakes.faces import FakeAnalyzer, picture_with_faces
from tests.fakes.pipeline import fake_pipeline
from tests.images import encoded, opened

MAX_BYTES = 1_000_000


@pytest.fixture(autouse=True)
def _pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    face = picture_with_faces((400, 300), [(150, 80, 260, 220)])
    Path("face.png").write_bytes(encoded(face, "PNG"))
    Path("face2.jpg").write_bytes(encoded(face, "JPEG", quality=95))
    Path("blank.png").write_bytes(encoded(picture_with_faces((40, 30), []), "PNG"))
    Path("broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")


def run(typed, output=None, *, analyzer=None, quiet=False, **wishes) -> bool:
    inputs = find_inputs(typed, recursive=False)
    targets = plan_targets(inputs, output)
    emojifier = FileEmojifier(
        fake_pipeline(analyzer), MAX_BYTES, Reporter(quiet=quiet), **wishes
    )
    return emojifier.run(inputs, targets)


def new_files() -> list[str]:
    given = {"face.png", "face2.jpg", "blank.png", "broken.jpg"}
    found = {str(one) for one in Path().rglob("*") if one.is_file()}
    return sorted(found - given)


def json_lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_one_picture(capsys):
    assert run(["face.png"])

    assert new_files() == ["face.emojified.png"]
    assert capsys.readouterr() == ("", "face.png: 1 face, face.emojified.png\n")


def test_no_face_is_no_failure_and_writes_nothing(capsys):
    assert run(["blank.png"], debug=True)

    assert new_files() == []
    assert (
        capsys.readouterr().err == "blank.png: No face found, so nothing was written.\n"
    )


def test_no_pictures_are_no_failure(capsys):
    Path("empty").mkdir()

    assert run(["empty"])
    assert "no pictures" in capsys.readouterr().err


def test_a_bad_picture_does_not_stop_the_others(capsys):
    assert not run(["broken.jpg", "face.png", "gone.png", "blank.png"])

    assert new_files() == ["face.emojified.png"]
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("broken.jpg: This JPEG is cut off")
    assert told[1].startswith("gone.png: It cannot be read: No such file")
    assert told[-1] == "4 pictures: 1 emojified, 1 without faces, 2 failed."


def test_a_quiet_run_tells_failures_only(capsys):
    run(["broken.jpg", "face.png", "blank.png"], quiet=True)

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("broken.jpg: ")


def test_json_has_one_line_a_picture_in_the_order_of_the_input(capsys):
    run(["face.png", "broken.jpg", "blank.png", "gone.png"], "out", json=True)

    done, broken, blank, gone = json_lines(capsys)
    assert [done["input"], done["output"]] == ["face.png", "out/face.emojified.png"]
    assert (done["width"], done["height"]) == (400, 300)
    assert done["faces"][0]["box"] == pytest.approx([150, 80, 260, 220], abs=2)
    assert (blank["faces"], blank["output"]) == ([], None)
    assert "error" not in blank
    assert (broken["faces"], broken["output"]) == ([], None)
    assert broken["error"]["kind"] == "truncated"
    assert gone["error"]["kind"] == "unreadable"
    assert set(done) == set(blank) == set(gone) - {"error"}


def test_a_face_in_json_has_every_key(capsys):
    run(["face.png"], json=True)

    ((face,),) = [one["faces"] for one in json_lines(capsys)]
    assert set(face) == {
        "box",
        "confidence",
        "landmarks",
        "roll_degrees",
        "emotions",
        "emoji",
        "sure",
    }
    assert [len(point) for point in face["landmarks"]] == [2] * 68
    assert sum(face["emotions"].values()) == pytest.approx(1, abs=1e-3)
    assert set(face["emoji"]) == {"name", "character"}


def test_json_can_hold_names_that_are_no_text(capsys):
    name = "bad \udcff\nname.png"
    Path(name).write_bytes(Path("face.png").read_bytes())

    assert run([name], json=True)

    (line,) = json_lines(capsys)
    assert line["input"] == name


def test_debug_draws_on_a_picture_of_its_own():
    assert run(["face2.jpg"], debug=True)

    assert new_files() == ["face2.debug.jpg", "face2.emojified.jpg"]
    plain, debug = (
        opened(Path(name).read_bytes()) for name in ("face2.jpg", "face2.debug.jpg")
    )
    assert debug.size == plain.size
    assert debug.tobytes() != plain.tobytes()


@pytest.mark.parametrize("there", ["face.emojified.png", "face.debug.png"])
def test_nothing_is_overwritten_and_nothing_half_done(there):
    Path(there).write_bytes(b"old")

    assert not run(["face.png"], debug=True)

    assert new_files() == [there]
    assert Path(there).read_bytes() == b"old"


def test_what_exists_is_refused_before_faces_are_read():
    Path("face.emojified.png").write_bytes(b"old")
    analyzer = FakeAnalyzer()

    assert not run(["face.png"], analyzer=analyzer)

    assert analyzer.seen_wh == []


def test_force_overwrites():
    Path("face.emojified.png").write_bytes(b"old")

    assert run(["face.png"], force=True)

    assert opened(Path("face.emojified.png").read_bytes()).size == (400, 300)


def test_a_wrong_extension_is_put_right():
    Path("face2.jpg").write_bytes(Path("face.png").read_bytes())

    assert run(["face2.jpg"])

    assert new_files() == ["face2.emojified.png"]


def test_the_named_extension_decides_the_format():
    assert run(["face.png"], "new.webp")

    assert opened(Path("new.webp").read_bytes()).format == "WEBP"


def test_standard_output_gets_the_picture_alone(monkeypatch, capsys):
    stream = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr("sys.stdout", stream)

    assert run(["face.png"], "-", to_stdout=True)

    assert opened(stream.buffer.getvalue()).format == "PNG"
    assert capsys.readouterr().err == "face.png: 1 face, to standard output\n"
    assert new_files() == []


class TestUnexpected:
    def test_is_logged_told_and_survived(self, caplog, capsys):
        analyzer = FakeAnalyzer(error=ZeroDivisionError("odd\nnumber"))

        with caplog.at_level(logging.ERROR, "emojifier_bot"):
            assert not run(["face.png", "blank.png"], analyzer=analyzer, json=True)

        assert [one.action for one in caplog.records] == ["picture_failed"] * 2
        assert [one["error"]["kind"] for one in json_lines(capsys)] == [
            "unexpected"
        ] * 2

    def test_expected_errors_are_not_logged(self, caplog, capsys):
        analyzer = FakeAnalyzer(error=InferenceError("The model failed."))

        assert not run(["face.png"], analyzer=analyzer)

        assert caplog.records == []
        assert capsys.readouterr().err == "face.png: The model failed.\n"

    def test_an_interruption_ends_the_run(self):
        with pytest.raises(KeyboardInterrupt):
            run(["face.png"], analyzer=FakeAnalyzer(error=KeyboardInterrupt()))

        assert new_files() == []


def test_the_result_tells_its_notes(capsys):
    data = Path("face2.jpg").read_bytes()
    Path("face2.jpg").write_bytes(data[: len(data) * 3 // 4])

    assert run(["face2.jpg"], analyzer=FakeAnalyzer([make_face()]))

    assert "face2.jpg: The file is cut off" in capsys.readouterr().err
