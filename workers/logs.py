"""Logs: structured, on stderr, JSON unless a person is looking. See docs/logging.md."""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from celery import Task
from celery.signals import task_postrun, task_prerun
from structlog.typing import EventDict

from willcall.config import Config
from workers.lines import show_errors, show_record
from workers.masks import Redactor, secrets_of

log = structlog.get_logger(__name__)

#: Celery's line for each task that came and went; the order's timeline tells that better.
_CHATTY = ("celery.worker.strategy", "celery.app.trace", "celery.beat", "kombu", "amqp", "urllib3")


def configure_logging(config: Config, level: int = logging.INFO) -> None:
    """Send all logs of this process to stderr in one form, and what nobody caught as well.

    `config` tells which values are secret.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendered: structlog.types.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty() or "FORCE_COLOR" in os.environ:
        rendered = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[show_record, *shared],
            use_get_message=False,
            pass_foreign_args=True,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                show_errors,
                _in_order,
                rendered,
                Redactor(secrets_of(config)),
            ],
        )
    )
    logging.raiseExceptions = False  # else what cannot be formatted is printed as it is
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # RabbitMQ gives the messages of a lost connection back: that it was lost is a line of its own, these are too many.
    logging.getLogger("celery.worker.request").addFilter(lambda record: "Couldn't ack" not in str(record.msg))
    logging.captureWarnings(True)  # so that Celery leaves them alone
    warnings.showwarning = _show_warning
    sys.excepthook = lambda _, error, __: log.critical("process failed", exc_info=error)
    threading.excepthook = lambda failed: log.critical("thread failed", exc_info=failed.exc_value)
    sys.unraisablehook = lambda failed: log.error("error while cleaning up", exc_info=failed.exc_value)


def _in_order(_: object, __: str, event: EventDict) -> EventDict:
    """What everyone looks for first stands first."""
    return {name: event[name] for name in ("timestamp", "level", "event") if name in event} | dict(event)


def _show_warning(*warned: Any, **_: Any) -> None:
    """Python's warnings: which and where, for their texts are others'."""
    _, category, path, line = warned[:4]
    log.warning("warning", category=category.__name__, at=f"{Path(path).name}:{line}")


@task_prerun.connect
def _bind(task: Task, args: Sequence[Any], **_: Any) -> None:
    """Every line until the task ends says what it is about; 8 µs. A task's `log_fields` name its arguments."""
    fields = dict(zip(getattr(task, "log_fields", ()), args, strict=False))
    if "account" in fields:
        fields["provider"] = str(fields["account"]).partition("/")[0]
    structlog.contextvars.bind_contextvars(task=task.name, **fields)


@task_postrun.connect
def _unbind(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
