"""How the processes log: one JSON object per line; who logs takes care that nothing personal is in it."""

from __future__ import annotations

import logging

import structlog


def configure_logging(level: str) -> None:
    """Log from this level on (``debug`` to ``error``) to standard output, for the whole process."""
    number: int = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=False,
    )
