"""How logs are written: one line an event on stderr, for a terminal or as JSON. Set up by programs only."""

from __future__ import annotations

import logging
import sys

import structlog


def quiet() -> None:
    """Warnings and errors only: for commands whose output is the answer."""
    configure(logging.WARNING)


def errors_only() -> None:
    """Errors only: for commands whose answer names what was left out, object by object."""
    configure(logging.ERROR)


def verbose() -> None:
    """Everything."""
    configure(logging.DEBUG)


def _bearable(record: logging.LogRecord) -> bool:
    """All but what asyncio says whenever the other side ends a connection that became TLS's after it was opened."""
    return not record.getMessage().startswith("returning true from eof_received()")


def configure(level: int = logging.INFO, *, as_json: bool = False) -> None:
    """Write structlog's and the standard library's events of `level` and above to stderr."""
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if as_json else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.getLogger("asyncio").addFilter(_bearable)
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr, force=True)
