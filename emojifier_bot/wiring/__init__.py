"""The composition root: settings to objects. Each adapter is imported on first use."""

from emojifier_bot.wiring.operators import (
    check_app_token,
    check_database,
    check_token,
    make_encryption_key,
    make_job_admin,
    move_tables,
    rotate_encryption,
    tell_cancelled,
)
from emojifier_bot.wiring.pictures import (
    check_faces,
    face_service,
    make_analyzer,
    make_decoder,
    make_emoji_source,
    make_pipeline,
)
from emojifier_bot.wiring.web import open_web
from emojifier_bot.wiring.worker import run_job_worker
from emojifier_bot.wiring.workspaces import delete_workspace, export_workspace

__all__ = [
    "check_app_token",
    "check_database",
    "check_faces",
    "check_token",
    "delete_workspace",
    "export_workspace",
    "face_service",
    "make_analyzer",
    "make_decoder",
    "make_emoji_source",
    "make_encryption_key",
    "make_job_admin",
    "make_pipeline",
    "move_tables",
    "open_web",
    "rotate_encryption",
    "run_job_worker",
    "tell_cancelled",
]
