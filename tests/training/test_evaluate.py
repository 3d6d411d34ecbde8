"""``evaluate`` with the shipped models on tiny sets."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from emojifier_bot.vision import models_dir
from emojifier_bot.vision.analyzers.local import OnnxLandmarker
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.models import pick_model_spec
from emojifier_bot.vision.types import EMOTIONS, BoundingBox, Detection
from emojifier_training.cli import app
from emojifier_training.summary import TARGETS
from tests.datasets import (
    SAMPLE_BOX,
    expression_images,
    face_label,
    names,
    sample,
    votes_for,
    write_detection,
    write_expressions,
    write_landmarks,
)
from tests.images import flat

ROOT = Path(__file__).parents[2]

runner = CliRunner()
NAMES = {str(one) for one in EMOTIONS}
#: The crop of the sample that the landmark set has: square, the face in its middle.
CROP_XYXY = (100, 0, 356, 256)


@pytest.fixture(autouse=True)
def _quick_models(monkeypatch):
    monkeypatch.setenv("EMOJIFIER_EMOTION_MODEL", "landmarks")
    monkeypatch.setenv("EMOJIFIER_THREADS", "1")


def evaluate(*arguments, code=0):
    done = runner.invoke(app, ["evaluate", *map(str, arguments)])

    assert done.exit_code == code, done.stderr
    assert "Traceback" not in done.output
    return done


def figures_of(*arguments):
    """Return the object on stdout, which holds nothing else."""
    return json.loads(evaluate(*arguments, "--json").stdout, parse_constant=refused)


def refused(constant):
    pytest.fail(f"JSON has no {constant}")


def detection_set(folder, *, held_out=False):
    name, other = names("wider", 1, held_out=held_out), names("masks", 1)
    face = face_label(SAMPLE_BOX)
    pictures = {
        name[0]: (sample(), [face]),
        other[0]: (flat((90, 120, 100), (320, 240)), []),
    }
    return write_detection(folder, pictures)


class TestEmotion:
    @pytest.mark.parametrize("variant", ["landmarks", "fused"])
    def test_figures_have_the_promised_keys(self, variant, data):
        figures = figures_of(
            "emotion", data / "expressions", "--emotion-model", variant
        )

        assert figures["count"] == 16
        assert 0 <= figures["accuracy"] <= 1
        assert 0 <= figures["macro_f1"] <= 1
        assert set(figures["per_class"]) == NAMES
        for row in figures["per_class"].values():
            assert set(row) == {"precision", "recall", "f1", "count"}
            assert row["count"] == 2
        assert set(figures["confusion"]) == NAMES
        for true, row in figures["confusion"].items():
            assert set(row) <= NAMES
            assert sum(row.values()) == figures["per_class"][true]["count"]

    def test_labels_and_votes_and_folders_mean_the_same(self, tmp_path):
        images = expression_images(2)
        labels = ["happiness", "fear"]
        by_label = write_expressions(tmp_path / "a", images, labels=labels)
        by_vote = write_expressions(tmp_path / "b", images, votes=votes_for(*labels))

        figures = figures_of("emotion", by_label)

        assert figures == figures_of("emotion", by_vote)
        assert figures == figures_of("emotion", by_vote.parent)

    def test_only_what_training_never_saw(self, data):
        figures = figures_of("emotion", data / "expressions", "--held-out")

        assert figures["count"] == 8

    def test_torch_is_not_needed(self, data):
        path = data / "expressions"
        program = (
            "import sys; sys.modules['torch'] = None;"
            "from emojifier_training.cli import run; run()"
        )

        done = subprocess.run(
            [sys.executable, "-c", program, "evaluate", "emotion", path, "--json"],
            cwd=ROOT / "training",
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["count"] == 16
        assert done.stderr == ""


class TestDetector:
    def test_the_sample_is_found(self, tmp_path):
        figures = figures_of("detector", detection_set(tmp_path))

        assert figures["pictures"] == 2
        assert figures["faces"] == figures["recall_faces"] == 1
        assert figures["ap"] == figures["ap_wider"] == figures["recall"] == 1

    def test_what_is_not_defined_is_null(self, tmp_path):
        figures = figures_of("detector", detection_set(tmp_path), "--first-look")

        assert figures["ap_8_16"] is None
        assert figures["ap_masks"] is None
        assert figures["ap"] == 1

    def test_turned_and_without_faces(self, tmp_path):
        figures = figures_of("detector", detection_set(tmp_path), "--full")

        assert list(figures["by_roll"]) == ["0°", "45°", "90°", "180°"]
        assert all(row["recall"] == 1 for row in figures["by_roll"].values())
        photos = figures["without_faces"]["regions of photographs"]
        assert photos["pictures"] == 2
        assert photos["per_picture"] == 0


class TestLandmarks:
    @pytest.fixture
    def folder(self, tmp_path):
        """Write a crop of the sample with the points found in the whole of it."""
        landmarker = OnnxLandmarker(pick_model_spec(models_dir(), "landmarks"))
        detection = Detection(BoundingBox(*SAMPLE_BOX), 1.0)
        (found,) = landmarker.locate(from_image(sample()), [detection])
        points_xy = found.points_xy - CROP_XYXY[:2]
        crop = sample().crop(CROP_XYXY)
        chosen = names("helen", 1) + names("afw", 1, held_out=True)
        return write_landmarks(tmp_path, dict.fromkeys(chosen, (crop, points_xy)))

    def test_a_crop_has_the_points_of_the_picture(self, folder):
        figures = figures_of("landmarks", folder)

        assert figures["count"] == figures["found"] == 2
        assert figures["nme"] < 0.06
        assert figures["nme_helen"] == pytest.approx(figures["nme_afw"])
        assert figures["disc_coverage"] > 0.8

    def test_made_harder(self, folder):
        harder = figures_of("landmarks", folder, "--full")["harder"]

        assert harder["face of 48 px"]["faces"] == 2
        assert harder["face of 48 px"]["nme"] < 0.1
        assert harder["lower half covered"]["nme"] > 0


class TestEverything:
    def test_each_target_has_its_row(self, data):
        rows = figures_of("--data", data)

        assert list(rows) == list(TARGETS)
        assert rows["nme_helen"]["on"] == "1 HELEN faces"
        assert rows["accuracy_fused"]["count"] == 8
        assert rows["ap_easy"]["count"] == 1
        assert "value" not in rows["accuracy_posed"]
        assert "kept apart" in rows["accuracy_posed"]["on"]

    def test_a_table_and_a_page(self, data, tmp_path):
        page = tmp_path / "evaluation.md"

        done = evaluate("--data", data, "--markdown", page)

        assert "AP@0.5, easy" in done.stdout
        assert done.stderr.strip() == f"Wrote {page}"
        text = page.read_text("utf-8")
        assert text.count("\n| detection |") == 10


class TestRefusals:
    def refused(self, *arguments, code=1):
        done = evaluate(*arguments, "--json", code=code)

        assert done.stdout == ""
        return " ".join(done.stderr.split())

    def test_nothing_to_evaluate(self, tmp_path):
        write_detection(tmp_path / "detection", {})
        write_landmarks(tmp_path / "landmarks", {})
        path = write_expressions(
            tmp_path / "expressions", expression_images(0), labels=np.empty(0, str)
        )

        for task, data in [
            ("detector", tmp_path / "detection"),
            ("landmarks", tmp_path / "landmarks"),
            ("emotion", path),
        ]:
            assert self.refused(task, data) == f"There is no sample in {data}."

    @pytest.mark.parametrize("arguments", [[], ["detector"], ["emotion"]], ids=" ".join)
    def test_no_data(self, arguments, tmp_path):
        says = self.refused(*arguments, "--data", tmp_path / "nowhere")

        assert says.startswith(f"There is no data in {tmp_path / 'nowhere'}. Name ")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["poetry", "."],
            ["emotion", ".", "--emotion-model", "best"],
            ["emotion", "--every", "0"],
            ["emotion", "--markdown", "page.md"],
        ],
        ids=" ".join,
    )
    def test_wrong_usage(self, arguments):
        assert "Usage" in self.refused(*arguments, code=2)
