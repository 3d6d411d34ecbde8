"""The verbs that look after an installation."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from emojifier_bot.cli import bench


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        (["models", "list"], ["detector_", "landmarks_", "emotion_"]),
        (["models", "verify"], ["ok     detector_", "ok     emotion_"]),
        (["themes", "list"], ["classic: "]),
        (["themes", "verify"], ["ok     classic: "]),
        (["check"], ["ok     settings", "ok     models", "ok     theme"]),
    ],
    ids=" ".join,
)
def test_a_sound_installation(run, verb, expected):
    done = run(*verb)

    assert (done.returncode, done.stderr) == (0, b"")
    assert all(text in done.stdout.decode() for text in expected)


def test_check_tells_what_is_wrong_line_by_line(run, tmp_path):
    done = run("check", EMOJIFIER_DETECTOR_MODEL=str(tmp_path), EMOJIFIER_THEME="no")

    settings, env, models, theme, slack, *_ = done.stdout.decode().splitlines()
    assert done.returncode == 1
    assert settings.startswith("ok     settings  changed: detector_model, theme")
    assert env.startswith(f"ok     .env      no file {tmp_path / '.env'}: all settings")
    assert models.startswith("wrong  models")
    assert theme.startswith("wrong  theme")
    assert slack.startswith("off    slack")


def test_check_tells_what_is_missing_beside_what_is_wrong(run):
    done = run("check", PORT="http", EMOJIFIER_THREADS="many", SLACK_CLIENT_ID="1.2")

    assert done.returncode == 1
    expected = [
        *("wrong  settings  EMOJIFIER_THREADS", "wrong  settings  PORT"),
        "wrong  slack     SLACK_SIGNING_SECRET",
        "wrong  slack     SLACK_CLIENT_SECRET",
        "ok     .env      no file",
    ]
    for line, start in zip(done.stdout.decode().splitlines(), expected, strict=True):
        assert line.startswith(start)


def test_check_names_a_file_of_settings_that_everybody_can_read(run, tmp_path):
    (tmp_path / ".env").write_text("SLACK_BOT_TOKEN=xoxb-1\n")
    (tmp_path / ".env").chmod(0o644)

    done = run("check")

    line = f"look   .env      everybody can read {tmp_path / '.env'}, which may hold"
    assert line in done.stdout.decode()


def test_settings_of_other_programs_do_not_stop_replay(run, sample, tmp_path):
    (tmp_path / "photo.png").write_bytes(sample)
    others = {"DATABASE_URL": "postgres://shop", "PORT": "tcp://10.0.0.1:3000"}

    done = run("replay", "photo.png", **others)

    assert (done.returncode, (tmp_path / "photo.emojified.png").is_file()) == (0, True)


def test_serve_makes_no_new_keys_beside_a_database(run, tmp_path):
    assert run("migrate").returncode == 0
    keys = tmp_path / "emojifier-bot.db.keys"
    keys.unlink()

    done = run("serve", SLACK_BOT_TOKEN="xoxb-1", SLACK_SIGNING_SECRET="s")

    assert (done.returncode, keys.exists()) == (1, False)
    assert b"emojifier-bot.db.keys is missing. Put it back" in done.stderr


def test_bench_prints_all_figures_as_one_object(monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", (1, 1, 1))
    monkeypatch.setattr(bench, "SIZES_WH", ((640, 480),))

    done = CliRunner().invoke(bench.bench, ["--json"])

    figures = json.loads(done.stdout)
    assert set(figures) == {
        *("timings", "large", "cold", "face_ms", "isolation", "isolated_mb", "preview"),
    }
    assert [one["faces_pasted"] for one in figures["timings"]] == [1, 10, 30]
    assert set(figures["timings"][0]) == {
        *("width", "height", "faces_pasted", "faces_found", "floor_ms"),
        *("pipeline_ms", "ratio", "cpu_ratio", "stages_ms"),
    }
    assert set(figures["cold"]) == {"seconds", "cpu_seconds", "peak_mb"}
