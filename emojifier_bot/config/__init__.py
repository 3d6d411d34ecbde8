"""The settings: a table, read from the environment in this one place.

Who emojifies pictures reads those of pictures only: `DATABASE_URL` and `PORT` belong to
other programs too, and are none of its business.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from emojifier_bot.config.settings import (
    PREFIX,
    PictureSettings,
    Secret,
    SettingRow,
    Settings,
    settings_table,
)
from emojifier_bot.errors import ConfigError

__all__ = [
    "PictureSettings",
    "Secret",
    "SettingRow",
    "Settings",
    "bot_problems",
    "env_file_report",
    "is_bot_set_up",
    "load_picture_settings",
    "load_settings",
    "load_valid_settings",
    "settings_table",
    "unknown_names",
]

ENV_FILE = ".env"
#: Names that begin so are meant for the bot.
OUR_BEGINNINGS = (PREFIX, "SLACK_")
#: What options and arguments are called whose name is not their setting's.
_OTHER_NAMES = {"face_backend": "backend"}
#: How alike two names must be for one to be a slip of the other, 0 to 1.
SLIP = 0.8


def load_picture_settings(
    *, env_file: bool = True, **overrides: Any
) -> PictureSettings:
    """Read what emojifying pictures needs; whatever else is set may be wrong.

    Args:
        env_file: Whether to read ``.env`` after the environment. It may be another
            program's: if it cannot be read, it is left alone.
        overrides: As for `load_settings`.

    Raises:
        ConfigError: Some settings are wrong; it lists every one of them.
    """
    file: dict[str, str] = {}
    if env_file:
        # Lines that are no settings would be warned of.
        logging.getLogger("dotenv.main").disabled = True
        with suppress(ConfigError):
            file = _env_file()
    values, problems = _read(file, overrides, settings_table(PictureSettings))
    if problems:
        raise ConfigError(problems)
    return PictureSettings(**values)


def load_settings(**overrides: Any) -> Settings:
    """Read the environment, then the file ``.env`` in the current folder.

    Args:
        overrides: Settings that win over both, as from options of the command line;
            None stands for an option that was not given. Of a wrong one the message
            has its own name, not the variable's.

    Raises:
        ConfigError: Some settings are wrong; it lists every one of them.
    """
    values, problems = _read(_env_file(), overrides)
    if problems:
        raise ConfigError(problems)
    return Settings(**values)


def load_valid_settings() -> Settings:
    """Read what is right; what is wrong stays at its default."""
    file: dict[str, str] = {}
    with suppress(ConfigError):  # the environment may still say something
        file = _env_file()
    return Settings(**_read(file, {})[0])


def env_file_report() -> tuple[bool, str]:
    """Return whether the file ``.env`` is kept well, and a sentence that says so."""
    file = Path(ENV_FILE).absolute()
    try:
        mode = file.stat().st_mode
    except OSError:
        return True, f"no file {file}: all settings come from the environment"
    if mode & stat.S_IROTH:
        return False, f"everybody can read {file}, which may hold tokens: chmod 600"
    return True, f"settings are read from {file} too"


def unknown_names() -> list[str]:
    """Return names that nothing reads but that look meant for us, a sentence each.

    In the environment, names that begin as ours do; in ``.env``, those and any other
    that is a slip of the pen away from a setting.
    """
    known = [row.variable for row in settings_table()]
    file: dict[str, str] = {}
    with suppress(ConfigError):  # `load_settings` says so
        file = _env_file()
    problems = []
    for name in sorted({*_environment(), *file}.difference(known)):
        nearest = get_close_matches(name, known, 1, SLIP)
        if name.startswith(OUR_BEGINNINGS) or (nearest and name in file):
            meant = f"; {nearest[0]} is" if nearest else ""
            problems.append(f"{name} is no setting{meant}: nothing reads it.")
    return problems


def _read(
    file: Mapping[str, str],
    overrides: Mapping[str, Any],
    table: tuple[SettingRow, ...] | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Return the values that are set and right, and a sentence for each wrong one."""
    texts = {**file, **_environment()}
    values, problems = {}, []
    for row in table or settings_table():
        given = overrides.get(row.name)
        name = row.variable
        if given is None:
            given = texts.get(name)
        else:
            name = _OTHER_NAMES.get(row.name, row.name)
        if given is None:
            continue
        try:
            values[row.name] = row.kind.read(str(given))
        except ValueError:
            wrong = "" if row.kind.is_secret else f" is {given!r}, but"
            problems.append(f"{name}{wrong} must be {row.kind.words}.")
    return values, problems


def _environment() -> dict[str, str]:
    return {name.upper(): text for name, text in os.environ.items() if text}


def _env_file() -> dict[str, str]:
    if not Path(ENV_FILE).is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415 - often there is no such file

    try:
        values = dotenv_values(ENV_FILE, encoding="utf-8")
    except UnicodeDecodeError as error:
        problem = "The file .env is not UTF-8 text; save it again in that encoding."
        raise ConfigError([problem]) from error
    except OSError as error:
        problem = f"The file .env cannot be read: {error.strerror}. Change its mode."
        raise ConfigError([problem]) from error
    return {name.upper(): text for name, text in values.items() if text}


def bot_problems(settings: Settings) -> list[str]:
    """Return what is missing or wrong for the Slack bot, a sentence each.

    Three set-ups work: *Add to Slack* for many workspaces, one workspace by a bot
    token, and that one in Socket Mode, without a public address.
    """
    bot, app = settings.slack_bot_token, settings.slack_app_token
    copied = "copy it from *Basic Information* at https://api.slack.com/apps"
    alone = not bot and not app
    shared = settings.database_url.startswith("postgresql")
    checks = {
        "SLACK_BOT_TOKEN begins with xoxe., so it expires after twelve hours: token "
        "rotation is on, and Slack cannot turn it off again. Make a new app with "
        "`manifest --one-workspace` or `--socket-mode`, or leave the token out and use "
        "*Add to Slack*.": bot.get_secret_value().startswith("xoxe."),
        "SLACK_BOT_TOKEN begins with xapp-, so it is an app-level token: exchange the "
        "two.": bot.get_secret_value().startswith("xapp-"),
        "SLACK_APP_TOKEN begins with xoxb-, so it is a bot token: exchange the "
        "two.": app.get_secret_value().startswith("xoxb-"),
        f"SLACK_SIGNING_SECRET is missing: {copied}, or set SLACK_APP_TOKEN for Socket "
        "Mode.": not app and not settings.slack_signing_secret,
        "SLACK_BOT_TOKEN is missing: Socket Mode serves the one workspace whose token "
        "*OAuth & Permissions* shows after *Install to Workspace*.": app and not bot,
        f"SLACK_CLIENT_ID is missing: {copied}, or set SLACK_BOT_TOKEN for one "
        "workspace.": alone and not settings.slack_client_id,
        f"SLACK_CLIENT_SECRET is missing: {copied}, or set SLACK_BOT_TOKEN for one "
        "workspace.": alone and not settings.slack_client_secret,
        "ENCRYPTION_KEYS is missing: machines that share a PostgreSQL database share "
        "it; `emojifier-bot keys new` prints one.": shared
        and not settings.encryption_keys,
    }
    return [problem for problem, is_wrong in checks.items() if is_wrong]


def is_bot_set_up(settings: Settings) -> bool:
    """Return whether anybody began to set the Slack bot up."""
    return any(
        (
            settings.slack_signing_secret,
            settings.slack_client_id,
            settings.slack_client_secret,
            settings.slack_bot_token,
            settings.slack_app_token,
        )
    )
