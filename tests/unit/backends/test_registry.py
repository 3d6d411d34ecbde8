from __future__ import annotations

from pathlib import Path

import pytest

from emojifier_bot.backends.registry import BACKENDS, BackendOptions, build_analyzer
from emojifier_bot.errors import ConfigError, ModelFileError


def options(models: Path) -> BackendOptions:
    return BackendOptions(models=models, min_confidence=0.5, emotion_model="fused")


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"no face back end 'magic'.*local"):
        build_analyzer("magic", options(tmp_path))


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_every_name_leads_to_a_module_and_a_function(name):
    module, _, function = BACKENDS[name].partition(":")

    assert module.startswith("emojifier_bot.backends.")
    assert function.isidentifier()


def test_local_says_which_model_is_missing(tmp_path):
    with pytest.raises(
        ModelFileError, match=r"no fused emotion model.*no model at all"
    ):
        build_analyzer("local", options(tmp_path))
