"""What a module says is public is there, and every error is public."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import emojifier_bot


def module_names() -> list[str]:
    walk = pkgutil.walk_packages(emojifier_bot.__path__, "emojifier_bot.")
    names = [one.name for one in walk if not one.name.endswith(".__main__")]
    return ["emojifier_bot", *names]


@pytest.mark.parametrize("name", module_names())
def test_every_public_name_exists(name):
    module = importlib.import_module(name)

    exported = getattr(module, "__all__", [])

    assert len(set(exported)) == len(exported)
    assert [name for name in exported if not hasattr(module, name)] == []


def test_every_error_is_exported():
    errors = importlib.import_module("emojifier_bot.errors")
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }

    assert set(errors.__all__) == defined | {"ErrorKind", "SlackCode", "reason_of"}
    for name in defined:
        assert f" {name} " in f" {errors.__doc__} ".replace("\n", " ")
