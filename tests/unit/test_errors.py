from __future__ import annotations

import inspect
import pickle

import pytest

from emojifier_bot import errors
from emojifier_bot.errors import ConfigError, EmojifierError, ErrorKind, ImageError

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, EmojifierError)
]
SENTENCE = "This went wrong. Do that."


@pytest.mark.parametrize("error_type", [one for one in CLASSES if one != ConfigError])
def test_an_error_has_a_message_and_the_kind_of_its_class(error_type):
    error = error_type(SENTENCE)

    assert str(error) == error.message == SENTENCE
    assert error.kind is error_type.default_kind
    assert inspect.getdoc(error_type)


def test_no_two_classes_share_a_default_kind():
    assert len({one.default_kind for one in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("problems", [[], ["A is wrong."], ["A is wrong.", "B too."]])
def test_a_config_error_lists_every_problem(problems):
    error = ConfigError(problems)

    assert error.problems == problems
    assert str(error) == error.message == "\n".join(problems)
    assert error.kind == "config"


def test_errors_survive_pickling():
    error = ImageError(SENTENCE, kind=ErrorKind.TOO_LARGE)

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is ImageError
    assert (copy.message, copy.kind) == (SENTENCE, "too_large")
