"""``train`` and ``export`` from data to a model that the back ends load."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from emojifier_bot.vision import models_dir
from emojifier_bot.vision.analyzers.local import OnnxLandmarker
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.detector import YuNetDetector
from emojifier_bot.vision.emotion import load_classifier
from emojifier_bot.vision.models import pick_model_spec, read_model_spec
from emojifier_bot.vision.rescorer import OnnxRescorer
from emojifier_bot.vision.types import EMOTIONS, BoundingBox, Detection
from emojifier_training.cli import app
from tests.builders import make_landmarks
from tests.datasets import SAMPLE_BOX, sample

runner = CliRunner()
TASKS = {
    "detector": ["detector"],
    "rescorer": ["rescorer"],
    "landmarks": ["landmarks"],
    "fused": ["emotion", "--variant", "fused"],
    "emotion of landmarks": ["emotion", "--variant", "landmarks"],
    "emotion of shared points": ["emotion", "--variant", "shared_points"],
}
SMALL = ["--batch-size", "2", "--steps", "2"]
EMOTION = TASKS["emotion of landmarks"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Return the folder of all runs, where faces that were read are kept."""
    return tmp_path_factory.mktemp("runs")


def call(verb, *arguments, code=0):
    done = runner.invoke(app, [verb, *map(str, arguments)])

    assert done.exit_code == code, done.output
    assert done.stdout == ""
    return " ".join(done.stderr.split())


def log_of(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def uses(spec):
    """Load a model as use does, and let it read the sample."""
    picture, detection = from_image(sample()), Detection(BoundingBox(*SAMPLE_BOX), 1.0)
    if spec.task == "detector":
        return YuNetDetector(spec, 0.01).detect(np.asarray(sample()))
    if spec.task == "landmarks":
        (found,) = OnnxLandmarker(spec).locate(picture, [detection])
        assert np.isfinite(found.points_xy).all()
        return found
    if spec.task == "rescorer":
        (found,) = OnnxRescorer(spec).rescore(
            picture, [detection], np.asarray(sample())
        )
        assert 0 < found.confidence < 1
        return found
    face = make_landmarks(center_xy=(226, 110), eye_distance_px=62)
    scores = load_classifier(spec).classify(picture, [face, face])
    assert all(one.probabilities.sum() == pytest.approx(1) for one in scores)
    return scores


@pytest.mark.requires_torch
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_from_data_to_a_model_in_use(task, data, cache, tmp_path):
    run, model = cache / "-".join(task), tmp_path / "models" / "some_net_202601"

    says = call("train", *task, "--data", data, "--run", run, *SMALL)
    assert f"emojifier-training export {task[0]}" in says
    assert str(run) in says
    assert f"Wrote {model}" in call("export", *task, "--run", run, "--to", model)

    config, last = log_of(run)
    assert config["config"]["batch_size"] == 2
    assert config["command"].startswith(f"emojifier-training train {task[0]} --data ")
    assert config["command"].endswith(" ".join(SMALL))
    assert last["step"] == 2
    spec = read_model_spec(model)
    assert spec.task == task[0]
    assert spec.verified_bytes()
    assert spec.labels == (EMOTIONS if spec.task == "emotion" else ())
    uses(spec)
    assert (model / "training.log.jsonl").read_text() == (run / "log.jsonl").read_text()
    assert (model / "state.pt").stat().st_size < 3e6


@pytest.mark.requires_torch
def test_an_unfinished_run_goes_on(data, tmp_path):
    arguments = [*TASKS["landmarks"], "--data", data, "--run", tmp_path / "run"]
    call("train", *arguments, *SMALL)

    call("train", *arguments, "--batch-size", "2", "--steps", "3")

    assert [row["step"] for row in log_of(tmp_path / "run") if "step" in row] == [2, 3]


@pytest.mark.requires_torch
def test_a_forecast_holds_what_is_left_and_writes_nothing(data, cache, tmp_path):
    arguments = [*EMOTION, "--data", data, "--batch-size", "2"]
    begun, new = cache / "begun", tmp_path / "new"
    call("train", *arguments, "--run", begun, "--steps", "2")
    before = {path: path.read_bytes() for path in begun.iterdir()}

    goes_on = call("train", *arguments, "--run", begun, "--steps", "902", "--forecast")
    anew = call("train", *arguments, "--run", new, "--steps", "7", "--forecast")

    assert "900 steps of 0." in goes_on
    assert "emotion-landmarks on 1 processor thread: 7 steps of 0." in anew
    assert "GB of memory. Nothing was written." in anew
    assert {path: path.read_bytes() for path in begun.iterdir()} == before
    assert not new.exists()


@pytest.mark.requires_torch
def test_the_state_of_another_net_is_no_start(data, tmp_path):
    state = pick_model_spec(models_dir(), "landmarks").folder / "state.pt"
    arguments = ["--data", data, "--run", tmp_path / "run", *SMALL]

    says = call("train", *EMOTION, "--start-from", state, *arguments, code=2)

    assert says == f"{state} holds the weights of another net."


@pytest.mark.requires_torch
def test_folds_hold_out_different_faces_and_calibrate_together(data, cache, tmp_path):
    runs = [cache / f"fold-{fold}" for fold in (0, 1)]
    for fold, run in enumerate(runs):
        arguments = ["--data", data, "--run", run, "--fold", fold, *SMALL]
        call("train", *EMOTION, *arguments)
        with np.load(run / "held_out.npz") as arrays:
            assert arrays["logits"].shape == arrays["targets"].shape
            assert 0 < len(arrays["logits"]) < 8
    pooled = [one for run in runs for one in ("--calibration", run)]

    call("export", *EMOTION, "--run", runs[0], *pooled, "--to", tmp_path / "a_b")

    spec = read_model_spec(tmp_path / "a_b")
    assert 0.2 < spec.temperature < 4.5
    assert 0 < spec.sure_threshold <= 1


class TestRefusals:
    @pytest.mark.requires_torch
    def test_nothing_was_trained(self, tmp_path):
        arguments = ["--run", tmp_path / "run", "--to", tmp_path / "model"]

        says = call("export", "detector", *arguments, code=2)

        assert says == (
            f"There is no run_state.pt in {tmp_path / 'run'}: train that model first."
        )
        assert not (tmp_path / "model").exists()

    @pytest.mark.parametrize(
        "arguments",
        [
            ["train"],
            ["train", "poetry"],
            ["train", "detector", "--steps", "0"],
            ["train", "detector", "--batch-size", "1"],
            ["train", "emotion", "--fold", "5"],
            ["train", "emotion", "--variant", "best"],
            ["export", "detector"],
        ],
        ids=" ".join,
    )
    def test_wrong_usage(self, arguments):
        assert "Usage" in call(*arguments, code=2)
