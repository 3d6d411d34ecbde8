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

    settings, models, theme, slack, *_ = done.stdout.decode().splitlines()
    assert done.returncode == 1
    assert settings.startswith("ok     settings  changed: detector_model, theme")
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
    ]
    for line, start in zip(done.stdout.decode().splitlines(), expected, strict=True):
        assert line.startswith(start)


def test_bench_prints_all_figures_as_one_object(monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", (1, 1, 1))
    monkeypatch.setattr(bench, "SIZES_WH", ((640, 480),))

    done = CliRunner().invoke(bench.bench, ["--json"])

    figures = json.loads(done.stdout)
    assert set(figures) == {
        *("timings", "large", "cold", "face_ms", "isolation", "isolated_mb"),
    }
    assert [one["faces_pasted"] for one in figures["timings"]] == [1, 10, 30]
    assert set(figures["timings"][0]) == {
        *("width", "height", "faces_pasted", "faces_found", "floor_ms"),
        *("pipeline_ms", "ratio", "cpu_ratio", "stages_ms"),
    }
    assert set(figures["cold"]) == {"seconds", "cpu_seconds", "peak_mb"}
