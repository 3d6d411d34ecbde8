"""Reads the settings: from the environment and ``.env``, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from emojifier_bot.config.settings import (
    PREFIX,
    Settings,
    allowed_of,
    settings_table,
    variable_of,
)
from emojifier_bot.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: Names that begin so are meant for the bot.
OUR_BEGINNINGS = (PREFIX, "SLACK_")
#: How alike two names must be for one to be a slip of the other, 0 to 1.
SLIP = 0.8


def load_settings(**overrides: Any) -> Settings:
    """Read the environment, then the file ``.env`` in the current folder.

    Args:
        overrides: Settings that win over both, as from options of the command line;
            None stands for an option that was not given.

    Raises:
        ConfigError: Some settings are wrong; it lists every one of them.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigError([_problem(one) for one in error.errors()]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            ["The file .env is not UTF-8 text; save it again in that encoding."]
        ) from error


def load_sound_settings() -> Settings:
    """Read what is right; what is wrong stays at its default."""
    given: dict[str, Any] = {}
    while True:
        try:
            return Settings(**given)
        except UnicodeDecodeError:
            # The file says nothing that can be read; the environment may.
            given["_env_file"] = None
        except ValidationError as error:
            for name in map(_name, error.errors()):
                given[name] = Settings.model_fields[name].default


def unknown_names() -> list[str]:
    """Return names that nothing reads but that look meant for us, a sentence each.

    In the environment, names that begin as ours do; in ``.env``, those and any other
    that is a slip of the pen away from a setting.
    """
    known = [row.variable for row in settings_table()]
    environment = EnvSettingsSource(Settings).env_vars
    try:
        file = DotEnvSettingsSource(Settings).env_vars
    except UnicodeDecodeError:
        file = {}  # `load_settings` says so
    return [
        _unknown(name.upper(), known)
        for name in sorted({*environment, *file})
        if name.upper() not in known
        and (name.upper().startswith(OUR_BEGINNINGS) or _meant(name, file, known))
    ]


def _meant(name: str, file: Mapping[str, str | None], known: list[str]) -> bool:
    return name in file and bool(get_close_matches(name.upper(), known, 1, SLIP))


def _unknown(name: str, known: list[str]) -> str:
    nearest = get_close_matches(name, known, 1, SLIP)
    meant = f"; {nearest[0]} is" if nearest else ""
    return f"{name} is no setting{meant}: nothing reads it."


def _name(error: ErrorDetails) -> str:
    # Told by its variable where it has one of its own, else by its name.
    told = str(error["loc"][0])
    return next(n for n in Settings.model_fields if told in (n, variable_of(n)))


def _problem(error: ErrorDetails) -> str:
    name = _name(error)
    allowed = allowed_of(Settings.model_fields[name])
    if allowed.is_secret:
        return f"{variable_of(name)} must be {allowed.words}."
    value = str(error["input"])
    return f"{variable_of(name)} is {value!r}, but must be {allowed.words}."
