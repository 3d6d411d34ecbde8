from __future__ import annotations

import io
import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from PIL.ExifTags import IFD, Base

from emojifier_bot.app import make_web_client
from emojifier_bot.cli.console import Reporter
from emojifier_bot.cli.file_emojifier import OTHER_DATE, FileEmojifier
from emojifier_bot.cli.inputs import find_inputs
from emojifier_bot.cli.main import app
from emojifier_bot.cli.outputs import OutputFiles, plan_targets
from emojifier_bot.config import PictureSettings
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.errors import InferenceError
from emojifier_bot.vision.debug import BOX_COLOR
from emojifier_bot.vision.exif_date import read_exif_date
from tests.builders import make_face
from tests.clips import animation
from tests.emotion_words import found_in
from tests.fakes.faces import FakeAnalyzer, lit_frame, picture_with_faces
from tests.fakes.pipeline import fake_pipeline
from tests.images import assert_same_pixels, encoded, opened

MAX_BYTES = 1_000_000
BOX = [150, 80, 260, 220]


@pytest.fixture(autouse=True)
def _pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    face = picture_with_faces((400, 300), [BOX])
    Path("face.png").write_bytes(encoded(face, "PNG"))
    Path("face2.jpg").write_bytes(encoded(face, "JPEG", quality=95))
    Path("blank.png").write_bytes(encoded(picture_with_faces((40, 30), []), "PNG"))
    Path("broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")


def run(
    typed,
    output=None,
    *,
    analyzer=None,
    quiet=False,
    force=False,
    reading="expressions",
    **options,
) -> bool:
    inputs = find_inputs(typed, recursive=False)
    emojifier = FileEmojifier(
        replace(fake_pipeline(analyzer), reading=ReadingMode(reading)),
        OutputFiles(inputs.identities, force),
        Reporter(quiet=quiet),
        max_bytes=MAX_BYTES,
        make_client=lambda: make_web_client(PictureSettings()),
        **options,
    )
    return emojifier.run(inputs, plan_targets(inputs, output))


def new_files() -> list[str]:
    given = {"face.png", "face2.jpg", "blank.png", "broken.jpg"}
    found = {str(one) for one in Path().rglob("*") if one.is_file()}
    return sorted(found - given)


def dated_exif(secret: str, date: str = "") -> bytes:
    exif = Image.Exif()
    exif[Base.Make] = secret
    exif.get_ifd(IFD.GPSInfo)[1] = secret
    exif.get_ifd(IFD.Exif)[Base.LensModel] = secret
    if date:
        exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = date
    return exif.tobytes()


def json_lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "IN"),
        (["face.png", "--nonsense"], "--nonsense"),
        (["face.png", "--quality", "0"], "quality"),
        (["face.png", "--quality", "fine"], "quality"),
        (["face.png", "--min-confidence", "1.1"], "min-confidence"),
        (["face.png", "--min-confidence", "nan"], "'nan' is not a number from 0.01"),
        (["face.png", "--quality", "7.5"], "'7.5' is not a whole number from 1 to 100"),
        (["face.png", "--theme", ""], "'--theme': It must be a theme's name, or the"),
        (["face.png", "--backend", ""], "'--backend': It must be the name of a back"),
        (["face.png", "--force", "--skip-existing"], "contradict each other"),
        ([".", "-o", "-"], "-o - takes one picture, not several or a folder"),
        (["*.png", "-o", "-"], "-o - takes one picture, not several or a folder"),
        (["face.png", "-o", "/dev/stdout", "--json"], "--json and -o -"),
        (["face.png", "-o", "/dev/null", "--debug"], "--debug"),
        (["face.png", "face2.jpg", "-o", "x.png"], "several need a folder"),
        (["face.png", "--emotion-model", "magic"], "emotion-model"),
        (["face.png", "--seed", "1"], "--surprise"),
        (["face.png", "-q", "-v"], "-q and -v"),
        (["face.png", "-o", "-", "--json"], "--json and -o -"),
        (["face.png", "face2.jpg", "-o", "-"], "one picture"),
        (["face.png", "-o", "face.png", "--force"], "is an input"),
        (["face.png", "-o", ""], "-o needs a name"),
        (["face.png", "-o", "out.txt"], "'.txt'. For pictures these work: .jpg"),
        (["face.png", "-o", "out.heic"], "'.heic'"),
        ([""], "IN needs a name"),
        (["-", "--json"], "needs -o"),
        (["-", "-", "-o", "out/"], "only once"),
        (["-", "-o", "-", "--debug"], "--debug"),
        (["face.png", "--theme", "nosuch"], "'nosuch'; there is classic"),
        (["face.png", "--backend", "nosuch"], "back end 'nosuch'; there is azure,"),
    ],
)
def test_wrong_usage_says_what_is_wrong(arguments, says):
    done = CliRunner().invoke(app, ["replay", *arguments])

    assert done.exit_code == 2, done.output
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.output
    assert done.stdout == ""
    assert new_files() == []


def test_one_picture(capsys):
    assert run(["face.png"])

    assert new_files() == ["face.emojified.png"]
    assert capsys.readouterr() == ("", "face.png: 1 face, face.emojified.png\n")


def test_no_face_is_no_failure_and_writes_nothing(capsys):
    Path("empty").mkdir()

    assert run(["blank.png"], debug=True)
    assert run(["empty"])

    assert new_files() == []
    none, empty = capsys.readouterr().err.splitlines()
    assert none == "blank.png: No face found, so nothing was written."
    assert empty == "There are no pictures there."


@pytest.mark.parametrize("quiet", [False, True])
def test_a_bad_picture_does_not_stop_the_others(capsys, quiet):
    assert not run(["broken.jpg", "face.png", "gone.png", "blank.png"], quiet=quiet)

    assert new_files() == ["face.emojified.png"]
    broken, gone, *notes = capsys.readouterr().err.splitlines()
    assert broken.startswith("broken.jpg: This JPEG is cut off")
    assert gone.startswith("gone.png: It cannot be read: No such file")
    assert bool(notes) is not quiet
    assert quiet or notes[-1] == "4 pictures: 1 emojified, 1 without faces, 2 failed."


def test_a_folder_is_worked_through_where_results_have_one_name(capsys):
    Path("photos").mkdir()
    face = Path("face.png").read_bytes()
    picture = picture_with_faces((400, 300), [BOX])
    Path("photos/img_1.jpg").write_bytes(Path("face2.jpg").read_bytes())
    Path("photos/img_1.heic").write_bytes(encoded(picture, "HEIF"))
    # Its content is PNG, so that its result would have the name of the next one's.
    Path("photos/img_2.jpg").write_bytes(face)
    Path("photos/img_2.png").write_bytes(face)

    assert run(["photos"], "out", force=True, analyzer=FakeAnalyzer([make_face()]))

    assert sorted(one.name for one in Path("out").iterdir()) == [
        "img_1.emojified.jpg",
        "img_1.heic.emojified.jpg",
        "img_2.emojified.png",
        "img_2.jpg.emojified.png",
    ]
    assert capsys.readouterr().err == "4 pictures: 4 emojified.\n"


def test_an_input_that_is_a_result_does_not_stop_the_others(capsys):
    Path("face.emojified.png").write_bytes(Path("face.png").read_bytes())

    given = ["face.png", "face.emojified.png", "face2.jpg"]
    assert not run(given, force=True)

    assert "face.emojified.png is an input" in capsys.readouterr().err
    assert "face2.emojified.jpg" in new_files()
    assert Path("face.emojified.png").read_bytes() == Path("face.png").read_bytes()


def test_what_exists_is_skipped(capsys):
    Path("face.emojified.png").write_bytes(b"old")
    # Its content is PNG: only then it is known which file to look for.
    Path("odd.jpg").write_bytes(Path("face.png").read_bytes())
    Path("odd.emojified.png").write_bytes(b"old")
    shutil.copystat("face.png", "face.emojified.png")
    shutil.copystat("odd.jpg", "odd.emojified.png")
    analyzer = FakeAnalyzer()
    given = ["face.png", "odd.jpg", "face2.jpg"]

    assert run(["face.png"], skip_existing=True, analyzer=analyzer)
    assert analyzer.seen_wh == []
    assert capsys.readouterr().err == ("face.png: skipped, face.emojified.png exists\n")

    assert run(given, skip_existing=True, json=True)
    captured = capsys.readouterr()
    assert captured.err == "3 pictures: 1 emojified, 2 skipped.\n"
    skipped, *_ = map(json.loads, captured.out.splitlines())
    assert (skipped["skipped"], skipped["output"]) == (True, "face.emojified.png")
    assert Path("face.emojified.png").read_bytes() == b"old"
    assert Path("odd.emojified.png").read_bytes() == b"old"


@pytest.mark.parametrize("options", [{"skip_existing": True}, {"force": True}])
def test_the_result_of_another_run_stays_another_pictures(options):
    Path("photos").mkdir()
    picture = picture_with_faces((400, 300), [BOX])
    Path("photos/img_1.jpg").write_bytes(Path("face2.jpg").read_bytes())
    Path("photos/img_1.heic").write_bytes(encoded(picture, "HEIF"))
    assert run(["photos/img_1.jpg"])
    before = Path("photos/img_1.emojified.jpg").read_bytes()

    analyzer = FakeAnalyzer([make_face()])
    assert run(["photos/img_1.heic"], analyzer=analyzer, **options)

    assert Path("photos/img_1.emojified.jpg").read_bytes() == before
    assert Path("photos/img_1.heic.emojified.jpg").exists()


def test_what_is_skipped_for_a_name_alone_is_told(capsys):
    Path("a").mkdir()
    Path("a/face.png").write_bytes(Path("blank.png").read_bytes())
    os.utime("a/face.png", (0, 0))
    assert run(["face.png"], "out/")
    capsys.readouterr()

    given = ["a/face.png", "face.png"]
    assert run(given, "out/", skip_existing=True, json=True)

    told = capsys.readouterr()
    assert told.err.splitlines()[0] == (
        "a/face.png: skipped, out/face.emojified.png exists. Its date is another one "
        "than this picture's, so it may show another picture, or this one as it was "
        "before. --force writes over it."
    )
    other, own = map(json.loads, told.out.splitlines())
    assert other["notes"] == [OTHER_DATE]
    assert own["notes"] == []


def test_a_picture_without_a_face_is_written_on_request(capsys):
    stored = picture_with_faces((40, 30), [])
    Path("blank.png").write_bytes(encoded(stored, "PNG", exif=dated_exif("secret")))

    assert run(["blank.png"], include_faceless=True, debug=True)

    assert new_files() == ["blank.emojified.png"]
    result = Path("blank.emojified.png").read_bytes()
    assert b"secret" not in result
    assert_same_pixels(opened(result), stored)
    assert capsys.readouterr().err == (
        "blank.png: No face found; without its metadata, blank.emojified.png\n"
    )


def test_a_picture_without_a_face_goes_through_a_pipe(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr("sys.stdout", stream)

    assert run(["blank.png"], "-", to_stdout=True)

    assert opened(stream.buffer.getvalue()).size == (40, 30)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        assert run(["blank.png"], f"/dev/fd/{writing}")
        os.close(writing)
        assert opened(pipe.read()).size == (40, 30)


def test_results_have_the_date_of_their_file():
    os.utime("face.png", (1e9, 1e9))

    assert run(["face.png"], debug=True)

    for name in ("face.emojified.png", "face.debug.png"):
        assert Path(name).stat().st_mtime == 1e9


@pytest.mark.parametrize("output", ["x.jpg", "x.png", "x.webp", "x.avif", "x.tif"])
@pytest.mark.parametrize("is_asked", [False, True])
def test_the_date_of_the_photo_is_kept_on_request(output, is_asked):
    photo = picture_with_faces((400, 300), [BOX])
    exif = dated_exif("secret", date="2026:11:30 12:00:00")
    Path("face2.jpg").write_bytes(encoded(photo, "JPEG", exif=exif))

    assert run(["face2.jpg"], output, exif_date=is_asked)

    data = Path(output).read_bytes()
    kept = opened(data).getexif()
    assert b"secret" not in data
    assert {Base.Make, IFD.GPSInfo}.isdisjoint(kept)
    assert read_exif_date(data) == ("2026:11:30 12:00:00" if is_asked else None)
    assert set(kept.get_ifd(IFD.Exif)) <= {Base.DateTimeOriginal}


def test_json_has_one_line_a_picture_in_the_order_of_the_input(capsys):
    odd = "bad \udcff\nname.png"
    Path(odd).write_bytes(Path("face.png").read_bytes())
    run([odd, "broken.jpg", "blank.png", "gone.png"], "out", json=True)

    done, broken, blank, gone = json_lines(capsys)
    assert (done["input"], done["width"], done["height"]) == (odd, 400, 300)
    assert (blank["faces"], blank["output"]) == ([], None)
    assert "error" not in blank
    assert (broken["faces"], broken["output"]) == ([], None)
    assert broken["error"]["kind"] == "truncated"
    assert gone["error"]["kind"] == "unreadable"
    assert set(done) == set(blank) == set(gone) - {"error"}
    (face,) = done["faces"]
    assert set(face) == {
        *(
            "box",
            "confidence",
            "landmarks",
            "roll_degrees",
            "emotions",
            "emoji",
            "sure",
        ),
        *("number", "frame", "decision", "chosen_by", "shapes"),
    }
    assert (face["number"], face["chosen_by"]) == (1, "reader")
    assert face["decision"] == {"do": "emoji", "name": face["emoji"]["name"]}
    assert face["box"] == pytest.approx(BOX, abs=2)
    assert [len(point) for point in face["landmarks"]] == [2] * 68
    assert sum(face["emotions"].values()) == pytest.approx(1, abs=1e-3)
    assert set(face["emoji"]) == {"name", "character"}


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
    analyzer = FakeAnalyzer()

    assert not run(["face.png"], debug=True)
    assert new_files() == [there]
    assert Path(there).read_bytes() == b"old"

    # Faces are not even read where the result exists.
    assert run(["face.png"], analyzer=analyzer) is ("debug" in there)
    assert bool(analyzer.seen_wh) is ("debug" in there)
    assert run(["face.png"], force=True)


def test_the_content_decides_the_format_unless_a_name_is_given():
    Path("face2.jpg").write_bytes(Path("face.png").read_bytes())

    assert run(["face2.jpg"])
    assert run(["face.png"], "new.webp")

    assert new_files() == ["face2.emojified.png", "new.webp"]
    assert opened(Path("new.webp").read_bytes()).format == "WEBP"


def test_standard_output_gets_the_picture_alone(monkeypatch, capsys):
    stream = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr("sys.stdout", stream)

    assert run(["face.png"], "-", to_stdout=True)

    assert opened(stream.buffer.getvalue()).format == "PNG"
    assert capsys.readouterr().err == "face.png: 1 face, to standard output\n"
    assert new_files() == []


def test_an_unexpected_error_is_logged_reported_and_survived(caplog, capsys):
    analyzer = FakeAnalyzer(error=ZeroDivisionError("odd\nnumber"))

    with caplog.at_level(logging.ERROR, "emojifier_bot"):
        assert not run(["face.png", "blank.png"], analyzer=analyzer, json=True)

    assert [one.action for one in caplog.records] == ["picture_failed"] * 2
    kinds = [one["error"]["kind"] for one in json_lines(capsys)]
    assert kinds == ["unexpected"] * 2


def test_an_expected_one_is_not_logged(caplog, capsys):
    assert not run(["face.png"], analyzer=FakeAnalyzer(error=InferenceError("Failed.")))

    assert caplog.records == []
    assert capsys.readouterr().err == "face.png: Failed.\n"


def test_an_interruption_ends_the_run():
    with pytest.raises(KeyboardInterrupt):
        run(["face.png"], analyzer=FakeAnalyzer(error=KeyboardInterrupt()))

    assert new_files() == []


def test_notes_of_the_result_are_reported(capsys):
    data = Path("face2.jpg").read_bytes()
    Path("face2.jpg").write_bytes(data[: len(data) * 3 // 4])

    assert run(["face2.jpg"], analyzer=FakeAnalyzer([make_face()]))

    assert "face2.jpg: The file is cut off" in capsys.readouterr().err


@pytest.mark.parametrize("reading", ["shapes", "off"])
def test_nothing_that_is_printed_or_logged_says_more_than_may_be_read(
    reading, capsys, caplog
):
    caplog.set_level("DEBUG")

    assert run(["face.png"], reading=reading, json=True, debug=True)

    (done,) = json_lines(capsys)
    assert done["reading"] == reading
    spared = frozenset({"emotions", "emoji", "emojified"})
    if reading == "off":
        del done["faces"][0]["emoji"], done["faces"][0]["decision"]
    assert found_in(json.dumps(done, ensure_ascii=False), spared=spared) == set()
    logged = " ".join(str(vars(one)) for one in caplog.records)
    assert found_in(logged, spared=spared) == set()


@pytest.mark.parametrize("reading", ["expressions", "shapes", "off"])
def test_why_is_said_and_drawn(reading, capsys):
    assert run(["face.png"], reading=reading, json=True, why=True)

    assert new_files() == ["face.emojified.png", "face.why.png"]
    assert opened(Path("face.why.png").read_bytes()).width > 700
    captured = capsys.readouterr()
    (done,) = map(json.loads, captured.out.splitlines())
    (face,) = done["faces"]
    assert set(face["why"]) == {"reasons", "nearest", "margin", "note"}
    assert "face.png: face 1" in captured.err
    if reading != "expressions":
        assert found_in(captured.err, spared=frozenset({"emojified"})) == set()
    assert run(["face.png"], "other.png", reading=reading)
    assert find_inputs(["."], recursive=False).skipped >= 2


def test_cards_and_results_have_their_own_names():
    shutil.copy("face2.jpg", "face.jpg")

    assert run(["face.png", "face.jpg", "blank.png"], "out/", why=True)

    assert sorted(one.name for one in Path("out").iterdir()) == [
        "face.emojified.jpg",
        "face.emojified.png",
        "face.jpg.why.png",
        "face.why.png",
    ]


def clip(name="clip.gif", **options):
    frames = [lit_frame(at) for at in range(5)]
    Path(name).write_bytes(animation(frames, "GIF", duration=100, **options))


@pytest.mark.parametrize("name", ["debug", "why"])
def test_each_face_of_a_clip_is_shown_where_it_was_read(name):
    places = [20 + at for at in range(12)] + [260 + at for at in range(12)]
    frames = [
        picture_with_faces((400, 300), [[left, 80, left + 90, 190]]) for left in places
    ]
    for frame in frames:
        frame.paste((0, 0, 0), (0, 260, 400, 300))
        frame.paste((255, 255, 255), (0, 0, 400, 40))
    Path("clip.png").write_bytes(animation(frames, "PNG"))

    assert run(["clip.png"], **{name: True})

    assert set(new_files()) == {"clip.emojified.png", "clip.png", f"clip.{name}.png"}
    if name == "debug":
        shown = np.asarray(opened(Path("clip.debug.png").read_bytes()).convert("RGB"))
        assert shown.shape == (600, 400, 3)
        outlined = (shown == BOX_COLOR).all(axis=-1)
        halves = outlined[:300], outlined[300:]
        left, right = (np.flatnonzero(one.any(axis=0)).min() for one in halves)
        assert left < 40
        assert right > 250


def test_an_animation_stays_one_and_one_frame_of_it_is_a_picture(capsys):
    clip()
    run(["clip.gif"], "out/", json=True)
    run(["clip.gif"], "one/", one_frame=True)
    run(["clip.gif"], "clip.jpg")

    (moving,) = Path("out").iterdir()
    (still,) = Path("one").iterdir()
    assert (moving.name, still.name) == ("clip.emojified.gif", "clip.emojified.png")
    with Image.open(moving) as image:
        assert image.n_frames == 5
    (printed,) = json_lines(capsys)
    assert (printed["frames"], printed["seconds"]) == (5, 0.5)
    with Image.open("clip.jpg") as image:
        assert image.format == "JPEG"


def test_the_debug_picture_of_a_clip_is_a_frame():
    clip()

    run(["clip.gif"], "out/", debug=True)

    assert {one.name for one in Path("out").iterdir()} == {
        "clip.emojified.gif",
        "clip.debug.png",
    }
