import json
import re
import shutil

import pytest

pytest.importorskip("onnx", reason="needs onnx: `make train-env` installs it")
pytest.importorskip("matplotlib", reason="needs matplotlib: `make train-env`")

from click.testing import CliRunner

from emojifier_bot.errors import ConfigError
from emojifier_bot.vision import models_dir
from emojifier_bot.vision.models import pick_model_spec, read_model_spec
from emojifier_training.card import (
    card_blocks,
    measure,
    read_figures,
    write_card,
)
from emojifier_training.cli import app
from emojifier_training.evaluate import Evaluator, Models
from emojifier_training.pages import BLOCK, filled
from tests.images import opened

TASKS = {
    "detector": ("detector", ""),
    "rescorer": ("rescorer", ""),
    "landmarks": ("landmarks", ""),
    "emotion": ("emotion", "landmarks"),
}
SHIPPED = sorted(path for path in models_dir().iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
class TestShippedCards:
    def test_the_tables_are_those_of_the_figures(self, folder):
        text = (folder / "MODEL_CARD.md").read_text("utf-8")
        blocks = card_blocks(read_model_spec(folder), read_figures(folder))

        assert filled(text, blocks) == text
        assert {name for name, _ in BLOCK.findall(text)} == set(blocks)

    def test_the_training_can_be_started_again_by_the_commands(self, folder):
        blocks = card_blocks(read_model_spec(folder), read_figures(folder))
        train, export = (f"emojifier-training {verb} " for verb in ("train", "export"))

        lines = blocks["commands"].splitlines()[1:-1]
        assert all(line.startswith(train) for line in lines[:-1])
        assert lines[-1].startswith(export)
        assert "--data" not in blocks["commands"]


@pytest.fixture(scope="module")
def folders(data, tmp_path_factory):
    """Return copies of shipped models with new cards, made on tiny data."""
    models = tmp_path_factory.mktemp("models")
    made = {}
    for name, (task, variant) in TASKS.items():
        spec = pick_model_spec(models_dir(), task, variant)
        made[name] = models / spec.name
        shutil.copytree(spec.folder, made[name])
        (made[name] / "MODEL_CARD.md").unlink()
        evaluator = Evaluator(Models(threads=1), lambda *_: None)
        write_card(made[name], measure(made[name], evaluator, data))
    return made


@pytest.mark.parametrize("task", TASKS)
class TestNewCards:
    def text(self, folders, task):
        return (folders[task] / "MODEL_CARD.md").read_text("utf-8")

    def test_nothing_is_left_open(self, folders, task):
        text = self.text(folders, task)

        assert "$" not in text
        assert text.startswith(f"# {folders[task].name}\n")
        assert all(block for _, block in BLOCK.findall(text))

    def test_it_says_what_the_data_allows_and_how_to_swap_the_file(self, folders, task):
        text = " ".join(self.text(folders, task).split())

        assert "research" in text
        assert "cleared for commercial use" in text
        assert "A company should" in text
        assert re.search(r"`EMOJIFIER_\w+`", text)
        assert "judge" in text

    def test_every_chart_is_there_and_600_pixels_wide(self, folders, task):
        names = re.findall(r"!\[[^\]]+\]\((\w+\.png)\)", self.text(folders, task))

        assert names
        for name in names:
            assert opened((folders[task] / name).read_bytes()).width == 600

    def test_what_was_written_by_hand_stays(self, folders, task):
        path = folders[task] / "MODEL_CARD.md"
        before = self.text(folders, task)
        path.write_text(before + "\nBy hand.\n", encoding="utf-8")

        done = CliRunner().invoke(app, ["card", str(folders[task]), "--keep-figures"])

        assert done.exit_code == 0, done.output
        assert self.text(folders, task) == before + "\nBy hand.\n"


class TestReadFigures:
    def test_figures_of_other_weights(self, tmp_path):
        spec = pick_model_spec(models_dir(), "emotion", "landmarks")
        shutil.copytree(spec.folder, tmp_path / spec.name)
        path = tmp_path / spec.name / "figures.json"
        path.write_text(json.dumps(read_figures(spec.folder) | {"sha256": "0"}))

        with pytest.raises(ConfigError, match="other weights"):
            read_figures(path.parent)
