"""Log lines: structlog, readable on a terminal, one JSON object a line elsewhere; always on standard error.

Names are facts (``request.served``, ``projection.advanced``), values are bound to them. Never a subject or a text:
they are people's letters.
"""

import logging
import sys
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(*, level: int = logging.INFO) -> None:
    """Set up logging for this process, the standard library's (aiohttp, asyncio) included."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[*_SHARED, *(_columns() if terminal else _json_bytes())],
        # Straight to the stream: by way of the standard library a line costs five times as much, and there is one for
        # every request.
        logger_factory=structlog.PrintLoggerFactory(sys.stderr)
        if terminal
        else structlog.BytesLoggerFactory(sys.stderr.buffer),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_columns() if terminal else _json_text()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # One line per request is ours (request.served); aiohttp's own would carry query strings.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _columns() -> list[Processor]:
    return [structlog.dev.ConsoleRenderer()]


def _json_bytes() -> list[Processor]:
    return [structlog.processors.format_exc_info, _line]


def _json_text() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_text)]


def _line(_logger: WrappedLogger, _method: str, line: EventDict) -> bytes:
    return _encoded(line)


def _encoded(line: Any, **_: Any) -> bytes:
    return msgspec.json.encode(line, enc_hook=repr)


def _text(line: Any, **_: Any) -> str:
    return _encoded(line).decode()
