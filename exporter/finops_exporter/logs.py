"""Where log lines go: to stderr, as JSON for machines, readable on a terminal.

Tracebacks never show local variables: they may hold secrets.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog
from structlog.tracebacks import ExceptionDictTransformer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def configure(*, level: str = "info", form: str | None = None, quiet: bool = False) -> None:
    """Set up logging; `quiet` keeps warnings and errors only (a progress bar is shown instead).

    `level` is debug, info, warning or error. `form` is console, json or logfmt; None: console on a
    terminal, json elsewhere.
    """
    form = form or ("console" if sys.stderr.isatty() else "json")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_ENDINGS[form],
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            max(logging.WARNING, _LEVELS[level]) if quiet else _LEVELS[level]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


_LEVELS = {name.lower(): number for name, number in logging.getLevelNamesMapping().items()}
_ENDINGS: Mapping[str, Sequence[structlog.types.Processor]] = {
    "console": [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)],
    "json": [
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        structlog.processors.JSONRenderer(),
    ],
    "logfmt": [
        structlog.processors.format_exc_info,
        structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
    ],
}
