"""The composition root: settings to objects. Each adapter is imported on first use."""

from emojifier_bot.wiring.bot import (
    check_database,
    check_token,
    make_encryption_key,
    make_job_admin,
    open_web,
    rotate_encryption,
    run_job_worker,
)
from emojifier_bot.wiring.pictures import (
    SystemClock,
    make_analyzer,
    make_decoder,
    make_emoji_source,
    make_pipeline,
)

__all__ = [
    "SystemClock",
    "check_database",
    "check_token",
    "make_analyzer",
    "make_decoder",
    "make_emoji_source",
    "make_encryption_key",
    "make_job_admin",
    "make_pipeline",
    "open_web",
    "rotate_encryption",
    "run_job_worker",
]
