"""A module that says what is public says it in order, and says all of it."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from types import ModuleType

import pytest

import emojifier_bot


def module_names() -> list[str]:
    walk = pkgutil.walk_packages(emojifier_bot.__path__, "emojifier_bot.")
    return [one.name for one in walk if not one.name.endswith(".__main__")]


def modules() -> list[ModuleType]:
    names = module_names()
    if importlib.util.find_spec("torch") is None:
        names = [name for name in names if ".training" not in name]
    return [emojifier_bot, *map(importlib.import_module, names)]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_all_is_sorted_and_every_name_in_it_exists(module):
    exported = getattr(module, "__all__", [])

    assert list(exported) == sorted(exported, key=str.casefold)
    assert [name for name in exported if not hasattr(module, name)] == []


def test_every_error_is_exported():
    errors = importlib.import_module("emojifier_bot.errors")
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }

    assert set(errors.__all__) == defined
    for name in defined:
        assert f" {name} " in f" {errors.__doc__} ".replace("\n", " ")
