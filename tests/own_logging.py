"""Run code that sets up logging in the process of the tests."""

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import structlog


@contextmanager
def own_logging() -> Iterator[None]:
    """What `configure_logging` changes in a process is as it was after the block, and no logger remembers it."""
    configure, before = structlog.configure, structlog.get_config()

    def uncached(**options: Any) -> None:
        configure(**{**options, "cache_logger_on_first_use": False})

    root = logging.getLogger()
    with (
        patch.object(structlog, "configure", uncached),
        patch.object(root, "handlers", root.handlers),
        patch.object(root, "level", root.level),
        patch.object(logging, "raiseExceptions", logging.raiseExceptions),
        patch.object(warnings, "showwarning", warnings.showwarning),
        patch.object(sys, "excepthook", sys.excepthook),
        patch.object(sys, "unraisablehook", sys.unraisablehook),
        patch.object(threading, "excepthook", threading.excepthook),
    ):
        yield
    logging.captureWarnings(False)
    structlog.configure(**before)
