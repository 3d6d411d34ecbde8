"""One place that formats what every module logs through the standard library."""

from __future__ import annotations

import logging
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from structlog.typing import Processor

__all__ = ["configure_logging"]

#: The parent of every logger of ours; other libraries' loggers are left alone.
ROOT = "emojifier_bot"

#: Slack's tokens, addresses that take answers, what a header carries, and a password in
#: an address. No module logs any of these; what it logs of others' errors might.
SECRETS = (
    r"(?:xox[a-z]|xapp)-[\w.-]+"
    r"|(?<=hooks\.slack\.com/)[\w/-]+"
    r"|(?<=Bearer )[\w.~+/=-]+"
    # So long at most that a line is read in linear time.
    r"|(?<=://)[^\s/@:]{0,256}:[^\s@]{1,256}(?=@)"
)
REDACTED = "[secret]"


def configure_logging(level: str, log_format: Literal["text", "json"]) -> None:
    """Send our log records to standard error; a second call replaces the first.

    Args:
        level: Name of the least level that is written: ``"INFO"``.
        log_format: Lines for people, or one JSON object a line for machines.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(log_format))
    logger = logging.getLogger(ROOT)
    logger.handlers = [handler]
    logger.setLevel(level)


class LineFormatter(logging.Formatter):
    """Writes a record with its facts as one line, without secrets.

    structlog is imported for the first line: a command that logs nothing does without.
    """

    def __init__(self, log_format: Literal["text", "json"]) -> None:
        super().__init__()
        self._log_format = log_format

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return self._formatter.format(record)

    @cached_property
    def _formatter(self) -> logging.Formatter:
        import structlog  # noqa: PLC0415 - see above

        plain = structlog.dev.plain_traceback
        renderers: list[Processor] = (
            [
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ]
            if self._log_format == "json"
            else [
                structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)
            ]
        )
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
                *renderers,
                _redact,
            ],
        )


def _redact(_logger: object, _method: str, line: Any) -> str:
    """Take out what opens a door, wherever in a line it stands, errors included."""
    return re.sub(SECRETS, REDACTED, line)
