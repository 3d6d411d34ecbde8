"""The command line with a hosted back end, in front of its stand-in."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time

import pytest

from tests.face_apis import VENDORS
from tests.fakes import face_rekognition
from tests.fakes.face_api import serving
from tests.fakes.faces import picture_with_faces

LONGEST_RUN_SECONDS = 120
REPLAY = ("replay", "photos", "--json", "--accept-remote")


@pytest.fixture
def name():
    return "rekognition"


@pytest.fixture
def fake(name):
    with serving(VENDORS[name].fake()) as fake:
        yield fake


@pytest.fixture(autouse=True)
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    picture_with_faces((320, 240), [(120, 60, 220, 190)]).save(folder / "a.png")
    picture_with_faces((300, 200), [(20, 20, 120, 150)]).save(folder / "b.png")
    return folder


@pytest.fixture
def settings(name, fake, tmp_path):
    return {
        "FACE_BACKEND": name,
        "FACE_API_URL": fake.url,
        "FACE_TRIES": "1",
        "AWS_REGION": face_rekognition.REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "EMOJIFIER_THREADS": "1",
        "EMOJIFIER_LOG_LEVEL": "INFO",
        "EMOJIFIER_LOG_FORMAT": "json",
        **VENDORS[name].keys,
    }


@pytest.fixture
def ask(run, settings):
    """Return a function that runs the command line with the back end's settings."""

    def ask(*arguments, **changes):
        done = run(*arguments, **settings | changes)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return ask


def rows(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


class TestReplay:
    def test_a_script_must_say_that_pictures_may_go(self, ask, fake, photos):
        code, _, notes = ask("replay", "photos")

        assert code == 2
        assert "--accept-remote" in notes
        assert "2 pictures will be sent to" in notes
        assert fake.requests == []
        assert sorted(one.name for one in photos.iterdir()) == ["a.png", "b.png"]
        assert "US$ 0.002 (list price US$ 1.00 per 1,000" in notes

    def test_with_consent_they_go_and_the_result_names_the_back_end(
        self, ask, name, fake
    ):
        code, printed, notes = ask(*REPLAY, "-o", "out/")

        assert code == 0, notes
        found = [(row["backend"], len(row["faces"])) for row in rows(printed)]
        assert found == [(name, 1)] * 2
        logged = [one for one in rows(notes) if one["action"] == "picture_done"]
        assert [one["backend"] for one in logged] == [name] * 2
        assert len(fake.requests) == 2

    @pytest.mark.parametrize(("fallback", "fails"), [("local", 0), ("fail", 1)])
    def test_in_an_outage_the_local_models_read_if_that_is_wanted(
        self, ask, name, fake, fallback, fails
    ):
        fake.failures = [VENDORS[name].down[0]] * 9
        code, printed, notes = ask(*REPLAY, FACE_FALLBACK=fallback)

        assert code == fails, notes
        for row in rows(printed):
            if fails:
                assert row["error"]["kind"] == "face_api_down"
            else:
                assert row["backend"] == "local"

    def test_local_is_one_word_away(self, ask, fake):
        code, _, notes = ask("replay", "photos", "--backend", "local")

        assert code == 0, notes
        assert fake.requests == []


@pytest.mark.parametrize("name", ["google"])
class TestCompare:
    ARGUMENTS = ("compare", "local", "google", "photos", "--json", "--accept-remote")

    def test_two_back_ends_read_the_same_pictures(self, ask, fake):
        code, printed, notes = ask(*self.ARGUMENTS)

        assert code == 0, notes
        figures = json.loads(printed)
        assert (figures["first"], figures["second"]) == ("local", "google")
        assert figures["faces_matched"] + figures["only_in_second"] == 2
        assert figures["second_usd_per_1000"] == 1.5
        assert len(fake.requests) == 2

    def test_a_picture_that_the_service_refuses_is_left_out(self, ask, fake):
        fake.failures = ["bad_image"]
        code, printed, notes = ask(*self.ARGUMENTS)

        assert code == 1
        assert "a.png: Google Cloud Vision refuses this picture" in notes
        assert json.loads(printed)["pictures"] == 1

    @pytest.mark.parametrize("verb", ["compare", "calibrate"])
    def test_local_models_do_not_stand_in(self, ask, verb, fake, photos):
        fake.failures = ["unavailable"] * 9
        arguments = self.ARGUMENTS
        if verb == "calibrate":
            photos.rename(photos.with_name("joy"))
            arguments = ("calibrate", ".", "--accept-remote")
        code, printed, notes = ask(*arguments)

        assert (code, printed) == (1, "")
        assert "Google Cloud Vision does not answer" in notes


class TestCheck:
    def test_good_keys(self, ask, name, fake):
        code, printed, _ = ask("check")

        assert code == 0, printed
        assert f"back end {name}: " in printed
        assert "answers and gets every picture" in printed
        assert len(fake.requests) == 1

    def test_wrong_keys_are_reported_and_not_shown(self, ask, name):
        wrong = {key: value + "x" for key, value in VENDORS[name].keys.items()}
        code, printed, notes = ask("check", **wrong)

        assert code == 1
        assert "refuses the key" in printed
        for value in wrong.values():
            assert value not in printed + notes

    def test_missing_keys_are_named(self, ask, name, fake):
        missing = dict.fromkeys(VENDORS[name].keys, "")
        code, printed, _ = ask("check", **missing)

        assert code == 1
        assert all(key in printed for key in missing)
        assert fake.requests == []

    def test_an_outage_is_reported_though_local_could_stand_in(self, ask, name, fake):
        fake.failures = [VENDORS[name].down[0]] * 9
        code, printed, _ = ask("check")

        assert code == 1
        assert "does not answer" in printed


class TestQuestion:
    @pytest.mark.parametrize("reply", [b"\n", b"y\n"])
    def test_on_a_terminal_it_asks(self, command, settings, fake, photos, reply):
        (start, environment), sent = command, 2 if reply == b"y\n" else 0
        said, code = on_a_terminal(
            [*start, "replay", str(photos)], environment | settings, reply
        )

        assert "2 pictures will be sent to Amazon Rekognition" in said
        assert "Send? [y/N]" in said
        assert len(fake.requests) == sent
        assert code == (0 if sent else 2)


def on_a_terminal(command, environment, reply):
    """Run a command on a terminal and answer its question; return what it said."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said, answered = b"", False
    end = time.monotonic() + LONGEST_RUN_SECONDS
    while time.monotonic() < end:
        ready, _, _ = select.select([ours], [], [], 0.2)
        try:
            piece = os.read(ours, 4096) if ready else None
        except OSError:
            break
        if piece == b"":
            break
        said += piece or b""
        if not answered and b"[y/N]" in said:
            os.write(ours, reply)
            answered = True
    code = process.wait(timeout=60)
    os.close(ours)
    return said.decode(), code
