"""Log lines: structlog, readable on a terminal, one JSON object a line elsewhere; always on standard error.

Names are facts (``request.served``, ``projection.advanced``), values are bound to them. Never a subject or a text:
they are people's letters.
"""

import logging
import sys

import structlog
from structlog.typing import Processor


def configure(*, level: int = logging.INFO) -> None:
    """Set up logging for this process, the standard library's (aiohttp, asyncio) included."""
    terminal = sys.stderr.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # One line per request is ours (request.served); aiohttp's own would carry query strings.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
