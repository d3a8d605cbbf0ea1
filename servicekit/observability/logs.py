"""Structured logs: one JSON object a line on standard output, or coloured text for a person.

A line is a fixed event name and ids. The request id is bound once per request and so stands in each line, as does
whoever this thread works for.
Bodies, tokens and card data are never passed to a logger.
"""

import logging
import logging.config
import sys
from datetime import datetime, timezone
from typing import IO, Any, BinaryIO, Final, TextIO, cast

import structlog
from structlog.typing import Processor

from servicekit import exactjson
from servicekit.observability import actor

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class BestEffort:
    """A file that loses what it cannot take.

    Where the log shares a full disk with the database, or its reader is gone, what was done must still be answered.
    """

    def __init__(self, file: IO[Any]) -> None:
        self._file = file

    def write(self, line: Any) -> int:
        try:
            written = self._file.write(line)
            self._file.flush()
        except OSError:
            return 0
        return written

    def flush(self) -> None:
        """Nothing is kept back."""


def _as_json(_logger: Any, _level: str, event: Any) -> bytes:
    return exactjson.encode(event)


def configure(*, service: str, level: str, as_json: bool) -> None:
    """Set up structlog, and send what Django and the libraries log through the same processors."""
    if level not in LEVELS:
        raise ValueError(f'Environment variable "LOG_LEVEL" must be one of {", ".join(LEVELS)}, not {level!r}')

    def complete(logger: Any, level: str, event: Any) -> Any:
        event["level"] = level
        event["timestamp"] = exactjson.utc_text(datetime.now(timezone.utc))
        event["service"] = service
        event["actor"] = actor.current()
        return structlog.processors.format_exc_info(logger, level, event) if "exc_info" in event else event

    shared: list[Processor] = [structlog.contextvars.merge_contextvars, complete]
    structlog.configure(
        processors=[
            *shared,
            _as_json if as_json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", BestEffort(sys.stdout.buffer)))
        if as_json
        else structlog.WriteLoggerFactory(cast("TextIO", BestEffort(sys.stdout))),
        cache_logger_on_first_use=False,
    )
    logging.config.dictConfig(_for_libraries(shared, as_json=as_json))


def settle() -> None:
    """Keep each module's logger from its first line on, where nobody configures again.

    Putting it together takes as long as writing the line.
    """
    structlog.configure(cache_logger_on_first_use=True)


def _for_libraries(shared: list[Processor], *, as_json: bool) -> dict[str, Any]:
    """What Django and the libraries log, through the standard library's logging."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(),
                ],
            }
        },
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "structured"}},
        "root": {"handlers": ["stdout"], "level": "WARNING"},
        # Every request already has its line, and every 5xx its traceback, from servicekit's middleware.
        "loggers": {
            "django.request": {"level": "CRITICAL"},
            "django.server": {"level": "ERROR"},
            # It warns of every refused statement of a batch on its way to raising that; what its pool says is news.
            "psycopg": {"level": "ERROR"},
            "psycopg.pool": {"level": "WARNING"},
        },
    }
