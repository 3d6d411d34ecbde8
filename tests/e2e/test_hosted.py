"""The command line with a hosted back end, in front of its stand-in."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time

import pytest

from tests.face_apis import VENDORS
from tests.fakes import face_rekognition
from tests.fakes.face_api import serving
from tests.fakes.faces import picture_with_faces

LONGEST_RUN_SECONDS = 120


@pytest.fixture
def name():
    return "rekognition"


@pytest.fixture
def fake(name):
    with serving(VENDORS[name].fake()) as fake:
        yield fake


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    picture_with_faces((320, 240), [(120, 60, 220, 190)]).save(folder / "a.png")
    picture_with_faces((300, 200), [(20, 20, 120, 150)]).save(folder / "b.png")
    return folder


@pytest.fixture
def environment(name, fake, tmp_path):
    settings = {
        "FACE_BACKEND": name,
        "FACE_API_URL": fake.url,
        "FACE_TRIES": "1",
        "AWS_REGION": face_rekognition.REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "EMOJIFIER_THREADS": "1",
        "EMOJIFIER_LOG_LEVEL": "INFO",
        "EMOJIFIER_LOG_FORMAT": "json",
    }
    return os.environ | settings | dict(VENDORS[name].keys)


def run(arguments, environment, folder):
    return subprocess.run(
        [sys.executable, "-m", "emojifier_bot", *map(str, arguments)],
        env=environment,
        cwd=folder,
        input="",
        capture_output=True,
        text=True,
        timeout=LONGEST_RUN_SECONDS,
        check=False,
    )


def events(stderr):
    """Return what was logged."""
    return [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]


class TestReplay:
    def test_a_script_must_say_that_pictures_may_go(
        self, fake, photos, environment, tmp_path
    ):
        done = run(["replay", photos], environment, tmp_path)

        assert done.returncode == 2
        assert "--accept-remote" in done.stderr
        assert "2 pictures will be sent to" in done.stderr
        assert fake.requests == []
        assert sorted(one.name for one in photos.iterdir()) == ["a.png", "b.png"]
        assert "US$ 0.002 (list price US$ 1.00 per 1,000" in done.stderr

    def test_with_consent_they_go_and_the_result_names_the_back_end(
        self, name, fake, photos, environment, tmp_path
    ):
        arguments = ["replay", photos, "-o", tmp_path / "out/", "--json"]
        done = run([*arguments, "--accept-remote"], environment, tmp_path)

        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert [(row["backend"], len(row["faces"])) for row in rows] == [(name, 1)] * 2
        logged = [one for one in events(done.stderr) if one["action"] == "picture_done"]
        assert [one["backend"] for one in logged] == [name] * 2
        assert len(fake.requests) == 2

    def test_in_an_outage_the_local_models_read(
        self, name, fake, photos, environment, tmp_path
    ):
        fake.failures = [VENDORS[name].down[0]] * 9
        arguments = ["replay", photos, "--json", "--accept-remote"]
        done = run(arguments, environment, tmp_path)

        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert {row["backend"] for row in rows} == {"local"}

    def test_unless_that_is_not_wanted(self, name, fake, photos, environment, tmp_path):
        fake.failures = [VENDORS[name].down[0]] * 9
        arguments = ["replay", photos, "--json", "--accept-remote"]
        done = run(arguments, environment | {"FACE_FALLBACK": "fail"}, tmp_path)

        assert done.returncode == 1
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert {row["error"]["kind"] for row in rows} == {"face_api_down"}

    def test_local_is_one_word_away(self, fake, photos, environment, tmp_path):
        arguments = ["replay", photos, "--backend", "local"]
        done = run(arguments, environment, tmp_path)

        assert done.returncode == 0, done.stderr
        assert fake.requests == []


@pytest.mark.parametrize("name", ["google"])
class TestCompare:
    ARGUMENTS = ("compare", "local", "google", "photos", "--json", "--accept-remote")

    @pytest.mark.usefixtures("photos")
    def test_two_back_ends_read_the_same_pictures(self, fake, environment, tmp_path):
        done = run(self.ARGUMENTS, environment, tmp_path)

        assert done.returncode == 0, done.stderr
        figures = json.loads(done.stdout)
        assert (figures["first"], figures["second"]) == ("local", "google")
        assert figures["faces_matched"] + figures["only_in_second"] == 2
        assert figures["second_usd_per_1000"] == 1.5
        assert len(fake.requests) == 2

    @pytest.mark.usefixtures("photos")
    def test_a_picture_that_the_service_refuses_is_left_out(
        self, fake, environment, tmp_path
    ):
        fake.failures = ["bad_image"]
        done = run(self.ARGUMENTS, environment, tmp_path)

        assert done.returncode == 1
        assert "a.png: Google Cloud Vision refuses this picture" in done.stderr
        assert json.loads(done.stdout)["pictures"] == 1

    @pytest.mark.parametrize("verb", ["compare", "calibrate"])
    def test_local_models_do_not_stand_in(
        self, verb, fake, photos, environment, tmp_path
    ):
        fake.failures = ["unavailable"] * 9
        arguments = self.ARGUMENTS
        if verb == "calibrate":
            photos.rename(tmp_path / "joy")
            (tmp_path / "proxies").mkdir()
            (tmp_path / "joy").rename(tmp_path / "proxies" / "joy")
            arguments = ("calibrate", "proxies", "--accept-remote")
        done = run(arguments, environment, tmp_path)

        assert done.returncode == 1
        assert "Google Cloud Vision does not answer" in done.stderr
        assert done.stdout == ""


class TestCheck:
    def test_good_keys(self, name, fake, environment, tmp_path):
        done = run(["check"], environment, tmp_path)

        assert done.returncode == 0, done.stdout
        assert f"back end {name}: " in done.stdout
        assert "answers and gets every picture" in done.stdout
        assert len(fake.requests) == 1

    def test_wrong_keys_are_reported_and_not_shown(self, name, environment, tmp_path):
        wrong = {key: value + "x" for key, value in VENDORS[name].keys.items()}
        done = run(["check"], environment | wrong, tmp_path)

        assert done.returncode == 1
        assert "refuses the key" in done.stdout
        for value in wrong.values():
            assert value not in done.stdout + done.stderr

    def test_missing_keys_are_named(self, name, fake, environment, tmp_path):
        missing = dict.fromkeys(VENDORS[name].keys, "")
        done = run(["check"], environment | missing, tmp_path)

        assert done.returncode == 1
        assert all(key in done.stdout for key in missing)
        assert fake.requests == []

    def test_an_outage_is_reported_though_local_could_stand_in(
        self, name, fake, environment, tmp_path
    ):
        fake.failures = [VENDORS[name].down[0]] * 9
        done = run(["check"], environment, tmp_path)

        assert done.returncode == 1
        assert "does not answer" in done.stdout


class TestQuestion:
    @pytest.mark.parametrize(("reply", "sent"), [(b"\n", 0), (b"y\n", 2)])
    def test_on_a_terminal_it_asks(self, reply, sent, fake, photos, environment):
        said, code = on_a_terminal(["replay", str(photos)], environment, reply)

        assert "2 pictures will be sent to Amazon Rekognition" in said
        assert "Send? [y/N]" in said
        assert len(fake.requests) == sent
        assert code == (0 if sent else 2)


def on_a_terminal(arguments, environment, reply):
    """Run a command on a terminal and answer its question; return what it said."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "emojifier_bot", *arguments],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    answered = False
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
    code = process.wait(timeout=10)
    os.close(ours)
    return said.decode(), code
