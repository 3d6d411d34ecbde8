from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")
pytest.importorskip("matplotlib", reason="needs matplotlib: `make train-env`")

import numpy as np
from emojifier_training import card_tables as tables
from emojifier_training.card import (
    Sources,
    appearance_alone,
    measure,
    read_figures,
    rounded,
    wrapped,
    write_card,
)
from emojifier_training.conditions import CONDITIONS
from emojifier_training.drawings import KINDS
from emojifier_training.examples import (
    EXPRESSIONS,
    FACE_PX,
    Tile,
    draw_face,
    face_detection,
    face_points,
    montage,
)
from emojifier_training.judge import Judge, Models
from emojifier_training.run_log import commands, steps_of
from emojifier_training.runs import held_out_logits
from typer.testing import CliRunner

from emojifier_bot.cli.main import app
from emojifier_bot.errors import ConfigError
from emojifier_bot.vision.models import pick_model_spec
from emojifier_bot.vision.resources import models_dir
from emojifier_bot.vision.types import EMOTIONS
from tests.datasets import tiny_data
from tests.images import flat, opened

pytestmark = pytest.mark.requires_torch

TASKS = {
    "detector": ("detector", ""),
    "landmarks": ("landmarks", ""),
    "emotion": ("emotion", "landmarks"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data"))


def finished_run(folder, seed=0, steps=5, count=40, knowledge=0.0):
    """Return the folder of an emotion run: what it said of some faces, and its log."""
    folder.mkdir()
    logits = np.random.default_rng(seed).normal(0, 1, (count, 8)).astype(np.float32)
    targets = np.eye(8, dtype=np.float32)[np.arange(count) % 8]
    logits += np.float32(knowledge) * targets
    prior = np.zeros(8, np.float32)
    np.savez(folder / "held_out.npz", logits=logits, targets=targets, log_prior=prior)
    rows = [{"config": {}}, {"step": steps, "seconds": 1}]
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory, data):
    """Return copies of the shipped models with cards made on tiny data."""
    models = tmp_path_factory.mktemp("models")
    fused, alone = (finished_run(models.parent / f"{models.name}-{n}") for n in "ab")
    made = {}
    for name, (task, variant) in TASKS.items():
        spec = pick_model_spec(models_dir(), task, variant)
        made[name] = models / spec.name
        shutil.copytree(spec.folder, made[name])
    emotion = Sources(data, pooled=[fused], alike=(fused, alone))
    for folder in made.values():
        judge = Judge(Models(threads=1), lambda *_: None)
        sources = emotion if folder == made["emotion"] else Sources(data)
        write_card(folder, measure(folder, judge, sources))
    return made


each_task = pytest.mark.parametrize("task", TASKS)


@each_task
class TestCard:
    def text(self, folders, task):
        return (folders[task] / "MODEL_CARD.md").read_text("utf-8")

    def test_nothing_is_left_open(self, folders, task):
        text = self.text(folders, task)

        assert "$" not in text
        assert text.startswith(f"# {folders[task].name}\n")

    @pytest.mark.parametrize(
        "section", ["Data", "Recipe", "Figures", "Known failures", "Licence and use"]
    )
    def test_every_section_is_there(self, folders, task, section):
        assert f"\n## {section}\n" in self.text(folders, task)

    def test_it_says_what_the_data_allows_and_how_to_swap_the_file(self, folders, task):
        text = " ".join(self.text(folders, task).split())

        assert "research" in text
        assert "not cleared for commercial" in text or "none of" in text
        assert "A company should" in text
        assert re.search(r"`EMOJIFIER_\w+`", text)
        assert "judge" in text

    def test_every_picture_is_there_and_600_pixels_wide(self, folders, task):
        names = re.findall(r"!\[[^\]]+\]\((\w+\.png)\)", self.text(folders, task))

        assert "examples.png" in names
        for name in names:
            assert opened((folders[task] / name).read_bytes()).width == 600

    def test_tables_have_as_many_cells_as_headings(self, folders, task):
        blocks = re.findall(r"(?:^\|.*\n)+", self.text(folders, task), re.MULTILINE)

        assert len(blocks) >= 4
        for block in blocks:
            assert len({line.count("|") for line in block.splitlines()}) == 1

    def test_commands_and_measurement_are_told(self, folders, task):
        text = self.text(folders, task)

        assert f"emojifier-bot train {task}" in text
        assert f"emojifier-bot export {task}" in text
        assert f"emojifier-bot evaluate {task}" in " ".join(text.split())

    def test_figures_are_stored(self, folders, task):
        figures = read_figures(folders[task])

        assert figures["model"] == folders[task].name
        assert figures["multiply_adds"] > 0
        assert figures["held_out"]

    def test_it_can_be_written_again_without_measuring(self, folders, task):
        before = self.text(folders, task)

        done = CliRunner().invoke(app, ["card", str(folders[task]), "--keep-figures"])

        assert done.exit_code == 0, done.output
        assert self.text(folders, task) == before


def test_the_rare_emotions_are_told_by_cross_validation(folders):
    text = (folders["emotion"] / "MODEL_CARD.md").read_text("utf-8")

    told = " ".join(text.split())
    assert "1-fold cross-validation over the 40 others without a twin" in told
    assert "learned for 5 steps from nothing, the weights here for 4,000" in told
    for name in CONDITIONS:
        assert f"| {name} |" in text


def test_pictures_without_faces_are_told(folders):
    text = (folders["detector"] / "MODEL_CARD.md").read_text("utf-8")

    for kind in (*KINDS, "the project's emoji"):
        assert f"| {kind} |" in text


class TestAppearanceAlone:
    def test_the_card_tells_it(self, folders):
        text = (folders["emotion"] / "MODEL_CARD.md").read_text("utf-8")

        assert "trained alike, 5 steps on four fifths" in " ".join(text.split())
        assert "| appearance alone |" in text

    def test_what_it_loses(self, tmp_path):
        fused, alone = (finished_run(tmp_path / name, seed=ord(name)) for name in "ab")

        told = appearance_alone(fused, alone)

        truth = np.arange(40) % 8
        shares = [
            float((held_out_logits([run], name)[0].argmax(axis=1) == truth).mean())
            for run, name in ((fused, "fused"), (alone, "appearance"))
        ]
        assert (told["faces"], told["steps"]) == (40, 5)
        assert told["accuracy"] == pytest.approx(shares[0])
        lost = told["lost"]["appearance alone"]
        assert lost["accuracy"] == pytest.approx(shares[1])

    @pytest.mark.parametrize(
        ("knowledge", "words"),
        [(3, "and is kept"), (0, "that may be chance"), (-3, "the worse of the two")],
    )
    def test_in_cross_entropy(self, knowledge, words, tmp_path, folders):
        fused = finished_run(tmp_path / "a", seed=1, knowledge=3 + knowledge)
        alone = finished_run(tmp_path / "b", seed=2, knowledge=3)
        folder = tmp_path / "model"
        shutil.copytree(folders["emotion"], folder)
        told = appearance_alone(fused, alone)

        write_card(folder, read_figures(folder) | {"alike": told})

        lost = told["cross_entropy"]
        assert lost["low"] < lost["value"] < lost["high"]
        assert lost["value"] * knowledge >= 0
        text = " ".join((folder / "MODEL_CARD.md").read_text("utf-8").split())
        assert f"it loses {tables.ranged(lost)}: " in text
        assert words in text

    def test_runs_of_different_lengths_do_not_compare(self, tmp_path):
        fused = finished_run(tmp_path / "fused", steps=9)

        with pytest.raises(ConfigError, match="were not trained alike"):
            appearance_alone(fused, finished_run(tmp_path / "alone"))

    def test_nor_do_runs_that_held_out_other_faces(self, tmp_path):
        fused = finished_run(tmp_path / "fused")
        alone = finished_run(tmp_path / "alone", count=32)

        with pytest.raises(ConfigError, match="were not trained alike"):
            appearance_alone(fused, alone)


class TestStoredFigures:
    def test_none(self, tmp_path):
        with pytest.raises(ConfigError, match=r"no figures\.json"):
            read_figures(tmp_path)

    def test_those_of_other_weights(self, folders, tmp_path):
        shutil.copytree(folders["emotion"], tmp_path / "a")
        path = tmp_path / "a" / "figures.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "sha256": "0"}))

        with pytest.raises(ConfigError, match="tells of other weights"):
            read_figures(tmp_path / "a")

    @pytest.mark.parametrize(
        ("figures", "expected"),
        [
            ({}, {}),
            ([], []),
            (math.nan, None),
            ({"a": (0.1234567, 3)}, {"a": [0.12346, 3]}),
        ],
    )
    def test_they_are_rounded(self, figures, expected):
        assert rounded(figures) == expected


class TestCommands:
    def spec(self, tmp_path, *rows, task="detector"):
        text = "\n".join(json.dumps(row) for row in rows)
        (tmp_path / "training.log.jsonl").write_text(text)
        spec = pick_model_spec(models_dir(), task)
        shutil.copy(spec.folder / spec.file, tmp_path)
        return replace(spec, folder=tmp_path)

    def test_a_file_in_eight_bits_is_written_so(self, tmp_path):
        rows = [{"command": "a", "config": {}}, {"step": 5, "seconds": 60}]

        told = commands(self.spec(tmp_path, *rows, task="landmarks"))

        assert " --int8\n```" in told

    def test_what_was_typed_without_where_the_data_lies(self, tmp_path):
        typed = "emojifier-bot train detector --data /somewhere/data --steps 5"
        rows = [{"command": typed, "config": {}}, {"step": 5, "seconds": 120}]

        told = commands(self.spec(tmp_path, *rows))

        assert "emojifier-bot train detector --steps 5\n" in told
        assert "somewhere" not in told
        assert told.endswith("The log counts 5 steps and 2 minutes in all.")

    def test_a_run_that_did_not_note_it_is_told_from_its_knobs(self, tmp_path):
        knobs = {
            "steps": 5,
            "batch_size": 2,
            "learning_rate": 0.1,
            "seed": 3,
            "threads": 1,
        }

        told = commands(self.spec(tmp_path, {"config": knobs}))

        assert "--steps 5 --batch-size 2 --learning-rate 0.1 --seed 3" in told

    def test_the_minutes_of_every_run_count(self, tmp_path):
        rows = [
            {"command": "a", "config": {}},
            {"step": 5, "seconds": 60},
            {"step": 9, "seconds": 180},
            {"command": "b", "config": {}},
            {"step": 3, "seconds": 60},
        ]

        told = commands(self.spec(tmp_path, *rows))
        assert "counts 12 steps and 4 minutes" in told

    @pytest.mark.parametrize(
        ("steps", "total"),
        [([], 0), ([5], 5), ([5, 10, 12], 12), ([5, 9, 5, 7], 16), ([5, 5], 10)],
    )
    def test_a_run_that_went_on_counts_once(self, steps, total, tmp_path):
        self.spec(tmp_path, {"config": {}}, *({"step": step} for step in steps))

        assert steps_of(tmp_path / "training.log.jsonl") == total


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "\n"),
        ("one\n\n\n\ntwo\n", "one\n\ntwo\n"),
        ("one\ntwo\n", "one two\n"),
        ("| a |\n|---|\n", "| a |\n|---|\n"),
        ("```sh\na\nb\n```\n", "```sh\na\nb\n```\n"),
        ("# a\n\nb\nc\n", "# a\n\nb c\n"),
    ],
)
def test_paragraphs_are_filled(text, expected):
    assert wrapped(text) == expected


class TestTables:
    def test_what_is_not_defined_is_a_dash(self):
        assert tables.ranged({"value": None, "low": None, "high": None}) == "–"
        assert tables.percent(None) == "–"
        assert tables.number(math.nan) == "–"

    def test_a_kind_without_faces_has_no_row(self):
        row = {"faces": 0, "ap": None, "recall": None}

        assert tables.kinds_table("set", {"none": row}).count("\n") == 1


class TestExamples:
    @pytest.mark.parametrize("expression", EXPRESSIONS)
    def test_a_drawn_face_has_its_points_inside(self, expression):
        points_xy = face_points(expression)

        assert ((points_xy > 0) & (points_xy < FACE_PX)).all()
        assert draw_face(points_xy).size == (FACE_PX, FACE_PX)
        assert face_detection(points_xy).landmarks is not None

    def test_each_emotion_is_drawn(self):
        assert list(EXPRESSIONS) == [str(one) for one in EMOTIONS]
        drawn = {draw_face(face_points(one)).tobytes() for one in EXPRESSIONS}
        assert len(drawn) == len(EXPRESSIONS)

    @pytest.mark.parametrize(("count", "rows"), [(1, 1), (4, 1), (5, 2)])
    def test_a_montage_has_rows_of_four(self, count, rows, tmp_path):
        montage([Tile(flat((9, 9, 9), (30, 30)), "a\nb")] * count, tmp_path / "a.png")

        image = opened((tmp_path / "a.png").read_bytes())
        assert image.size == (600, rows * 184)
