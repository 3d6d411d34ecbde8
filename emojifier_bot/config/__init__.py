"""The settings: one table, read from the environment in one place."""

from emojifier_bot.config.reading import (
    bot_problems,
    is_bot_set_up,
    load_settings,
    load_valid_settings,
    unknown_names,
)
from emojifier_bot.config.settings import Secret, SettingRow, Settings, settings_table

__all__ = [
    "Secret",
    "SettingRow",
    "Settings",
    "bot_problems",
    "is_bot_set_up",
    "load_settings",
    "load_valid_settings",
    "settings_table",
    "unknown_names",
]
