from __future__ import annotations

import inspect
import pickle

import pytest

from emojifier_bot import errors
from emojifier_bot.errors import (
    BackendError,
    ConfigError,
    EmojifierError,
    ImageError,
    InferenceError,
    ModelFileError,
)

PLAIN = [
    getattr(errors, name) for name in errors.__all__ if name != ConfigError.__name__
]


@pytest.mark.parametrize("error_type", PLAIN)
def test_every_error_carries_a_sentence_and_a_word(error_type):
    error = error_type("This went wrong. Do that.")

    assert isinstance(error, EmojifierError)
    assert str(error) == error.message == "This went wrong. Do that."
    assert error.kind == error_type.default_kind


def test_a_kind_may_say_more():
    error = ImageError("Too many pixels.", kind="too_large")

    assert error.kind == "too_large"
    assert ImageError.default_kind == "image"


def test_the_kinds_of_all_errors_differ():
    kinds = [getattr(errors, name).default_kind for name in errors.__all__]

    assert len(set(kinds)) == len(kinds)


def test_whoever_catches_backend_errors_catches_both_kinds():
    assert issubclass(ModelFileError, BackendError)
    assert issubclass(InferenceError, BackendError)


@pytest.mark.parametrize("problems", [[], ["A is wrong."], ["A is wrong.", "B too."]])
def test_a_config_error_lists_every_problem(problems):
    error = ConfigError(problems)

    assert error.problems == problems
    assert str(error) == error.message == "\n".join(problems)
    assert error.kind == "config"


def test_every_error_says_what_it_means():
    assert all(inspect.getdoc(getattr(errors, name)) for name in errors.__all__)


def test_errors_survive_the_way_between_processes():
    error = ImageError("Sentence.", kind="word")

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(copy) is ImageError
    assert (copy.message, copy.kind) == ("Sentence.", "word")
