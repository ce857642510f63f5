"""Logs: structured, on stderr, JSON unless a person is looking."""

import logging
import os
import sys

import structlog

#: Celery's line for each task that came and went; the order's timeline tells that better.
_CHATTY = ("celery.worker.strategy", "celery.app.trace", "celery.beat", "kombu", "amqp", "urllib3")

#: How Celery begins to tell of a message that it drops, and our words for it: it would go on to
#: quote the message, which may hold an order's key.
_DROPPED = {
    "Received unregistered task": "dropped a message for a task that does not exist: %s",
    "Received invalid task message": "dropped a message that is no task: %s",
    "Can't decode message body": "dropped a message that cannot be read: %s",
    "Received and deleted unknown message": "dropped a message of another kind",
}


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
    logging.getLogger("celery.worker.consumer.consumer").addFilter(_without_contents)


def _without_contents(record: logging.LogRecord) -> bool:
    """Say of a dropped message why it is dropped, and nothing that it holds."""
    for beginning, words in _DROPPED.items():
        if str(record.msg).startswith(beginning):
            why = record.args[:1] if isinstance(record.args, tuple) else ()
            record.msg, record.args, record.exc_info = words, why if "%s" in words else (), None
    return True
