"""Logs: structured, on stderr, JSON unless a person is looking."""

import logging
import os
import sys

import structlog

#: Celery's line for each task that came and went; the order's timeline tells that better.
_CHATTY = ("celery.worker.strategy", "celery.app.trace", "celery.beat", "kombu", "amqp", "urllib3")


def configure_logging(level: int = logging.INFO) -> None:
    """Send all logs of this process to stderr in one form."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: structlog.types.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty() or "FORCE_COLOR" in os.environ:
        final = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                final,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # RabbitMQ gives the messages of a lost connection back: that it was lost is a line of its own, these are too many.
    logging.getLogger("celery.worker.request").addFilter(lambda record: "Couldn't ack" not in str(record.msg))
