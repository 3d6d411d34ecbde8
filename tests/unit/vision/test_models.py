import hashlib

import pytest

from emojifier_bot.errors import ModelFileError
from emojifier_bot.vision.models import (
    in_batches,
    list_model_specs,
    pick_model_spec,
    read_model_spec,
)
from emojifier_bot.vision.types import Emotion

WEIGHTS = b"weights"
LABELS = [str(one) for one in reversed(Emotion)]
TABLE = f"""
task = "emotion"
variant = "fused"
title = "Expressions"
file = "model.onnx"
sha256 = "{hashlib.sha256(WEIGHTS).hexdigest()}"
license_note = "For research."

[input]
size_px = 96
color = "grey"
mean = 127.5
std = 64

[output]
labels = {LABELS}
temperature = 1.5
sure_threshold = 0.62
"""


@pytest.fixture
def make_model(tmp_path):
    def make(name="emotion_fused_202601", table=TABLE, weights=WEIGHTS):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.toml").write_text(table, "utf-8")
        if weights is not None:
            (folder / "model.onnx").write_bytes(weights)
        return folder

    return make


def test_every_key_is_read(make_model):
    spec = read_model_spec(make_model())

    assert spec.name == "emotion_fused_202601"
    assert (spec.task, spec.variant, spec.title) == ("emotion", "fused", "Expressions")
    assert (spec.input_px, spec.color, spec.mean, spec.std) == (96, "grey", 127.5, 64)
    assert spec.labels == tuple(reversed(Emotion))
    assert (spec.temperature, spec.sure_threshold) == (1.5, 0.62)
    assert spec.license_note == "For research."
    assert spec.verified_bytes() == WEIGHTS


def test_most_keys_have_defaults(make_model):
    table = TABLE[: TABLE.index("[input]")].replace('variant = "fused"', "")

    spec = read_model_spec(make_model(table=table))

    assert (spec.variant, spec.labels, spec.input_px) == ("", (), 0)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (TABLE, "", "'task'"),
        (TABLE, "= nonsense", "not valid TOML"),
        ('task = "emotion"', 'task = "poetry"', "poetry.*detector, resc"),
        ('title = "Expressions"', "", "'title'"),
        ("size_px = 96", 'size_px = "many"', "many"),
        ("'anger'", "'rage'", "rage"),
        ("'anger'", "'fear'", "each of the eight"),
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_fault(make_model, old, new, says):
    with pytest.raises(ModelFileError, match=says):
        read_model_spec(make_model(table=TABLE.replace(old, new)))


@pytest.mark.parametrize(
    ("weights", "says"), [(None, "cannot be read"), (b"others", "SHA-256 differs")]
)
def test_weights_are_checked_before_use(make_model, weights, says):
    spec = read_model_spec(make_model(weights=weights))

    with pytest.raises(ModelFileError, match=says):
        spec.verified_bytes()


def test_a_folder_without_table_is_no_model(tmp_path):
    assert list_model_specs(tmp_path / "nowhere") == []
    with pytest.raises(ModelFileError, match=r"no model\.toml"):
        read_model_spec(tmp_path)


def test_the_newest_fitting_model_is_picked(make_model):
    folder = make_model("emotion_zzz_202601").parent
    make_model("emotion_aaa_202607")
    make_model("emotion_bbb_202612", TABLE.replace('"fused"', '"landmarks"'))

    assert pick_model_spec(folder, "emotion", "fused").name == "emotion_aaa_202607"
    assert pick_model_spec(folder, "emotion").name == "emotion_bbb_202612"


def test_known_models_are_listed_when_none_fits(make_model):
    folder = make_model().parent

    with pytest.raises(
        ModelFileError, match=r"no landmarks emotion model.*fused_202601"
    ):
        pick_model_spec(folder, "emotion", "landmarks")


@pytest.mark.parametrize(
    ("faces", "sizes"),
    [(0, []), (1, [1]), (3, [1, 2]), (10, [5, 5]), (11, [2, 3, 3, 3])],
)
def test_faces_go_in_batches_alike_in_size_in_order(faces, sizes):
    batches = list(in_batches(range(faces)))

    assert [len(one) for one in batches] == sizes
    assert [face for one in batches for face in one] == list(range(faces))
