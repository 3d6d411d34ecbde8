"""One place that formats what every module logs through the standard library."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Literal

import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

__all__ = ["configure_logging"]

#: The parent of every logger of ours; other libraries' loggers are left alone.
ROOT = "emojifier_bot"

#: Slack's tokens, addresses that take answers, what a header carries, and a password in
#: an address. No module logs any of these; what it logs of others' errors might.
SECRETS = re.compile(
    r"(?:xox[a-z]|xapp)-[\w.-]+"
    r"|(?<=hooks\.slack\.com/)[\w/-]+"
    r"|(?<=Bearer )[\w.~+/=-]+"
    r"|(?<=://)[^\s/@:]*:[^\s@]+(?=@)"
)
REDACTED = "[secret]"


def configure_logging(level: str, log_format: Literal["text", "json"]) -> None:
    """Send our log records to standard error; a second call replaces the first.

    Args:
        level: Name of the least level that is written: ``"INFO"``.
        log_format: Lines for people, or one JSON object a line for machines.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_formatter(log_format))
    logger = logging.getLogger(ROOT)
    logger.handlers = [handler]
    logger.setLevel(level)


def _formatter(log_format: Literal["text", "json"]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            # What is known wherever something is logged: a job's id, its workspace.
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso"),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_renderers(log_format),
            _redact,
        ],
    )


def _redact(_logger: object, _method: str, line: Any) -> str:
    """Take out what opens a door, wherever in a line it stands, errors included."""
    return SECRETS.sub(REDACTED, line)


def _renderers(log_format: Literal["text", "json"]) -> list[Processor]:
    if log_format == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)]
