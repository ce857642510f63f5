"""Logging: one structured line per event on stderr, as JSON or for people. See docs/logging.md."""

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
from willcall.config.settings import LogFormat
from workers.log_redaction import Redactor, render_errors, render_library_record, secret_values

log = structlog.get_logger(__name__)

#: Libraries that log a line for each task or request; an order's timeline has that already.
_VERBOSE = ("celery.worker.strategy", "celery.app.trace", "celery.beat", "kombu", "amqp", "urllib3")


def configure_logging(config: Config, level: int = logging.INFO) -> Redactor:
    """Send all log lines of this process to stderr, and uncaught exceptions as well.

    `config` has the secrets that no line may contain. Its warnings are logged, but not at the higher level of commands,
    which print them.

    Returns what removes the secrets.
    """
    redactor = Redactor(secret_values(config))
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[render_library_record, *shared],
            use_get_message=False,
            pass_foreign_args=True,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                render_errors,
                _order_fields,
                _renderer(config.settings.log_format),
                redactor,
            ],
        )
    )
    logging.raiseExceptions = False  # otherwise a line that cannot be formatted is printed unredacted
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _VERBOSE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # RabbitMQ redelivers the messages of a lost connection. That it was lost has a line of its own.
    logging.getLogger("celery.worker.request").addFilter(lambda record: "Couldn't ack" not in str(record.msg))
    logging.captureWarnings(True)  # so that Celery leaves warnings alone
    warnings.showwarning = _log_warning
    sys.excepthook = lambda _, error, __: log.critical("process failed", exc_info=error)
    threading.excepthook = lambda failed: log.critical("thread failed", exc_info=failed.exc_value)
    sys.unraisablehook = lambda failed: log.error("cleanup failed", exc_info=failed.exc_value)
    if config.warnings and level <= logging.INFO:
        log.warning("configuration warnings", warnings=[str(warning) for warning in config.warnings])
    return redactor


def _renderer(log_format: LogFormat) -> structlog.types.Processor:
    if log_format is LogFormat.AUTO:
        log_format = LogFormat.TEXT if sys.stderr.isatty() or "FORCE_COLOR" in os.environ else LogFormat.JSON
    if log_format is LogFormat.JSON:
        return structlog.processors.JSONRenderer()
    colors = "NO_COLOR" not in os.environ and (sys.stderr.isatty() or "FORCE_COLOR" in os.environ)
    return structlog.dev.ConsoleRenderer(colors=colors)


def _order_fields(_: object, __: str, event: EventDict) -> EventDict:
    """Put the fields first that readers look for first."""
    return {name: event[name] for name in ("timestamp", "level", "event") if name in event} | dict(event)


def _log_warning(*arguments: Any, **_: Any) -> None:
    """Log where Python's warning was raised, without its text, which may repeat anything."""
    _, category, path, line = arguments[:4]
    log.warning("warning", category=category.__name__, at=f"{Path(path).name}:{line}")


@task_prerun.connect
def _bind_task(task: Task, args: Sequence[Any], **_: Any) -> None:
    """Add a task's arguments to every line until it ends (8 µs). The task names them in `log_fields`."""
    fields = dict(zip(getattr(task, "log_fields", ()), args, strict=False))
    if "account" in fields:
        fields["provider"] = str(fields["account"]).partition("/")[0]
    structlog.contextvars.bind_contextvars(task=task.name, **fields)


@task_postrun.connect
def _unbind_task(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
