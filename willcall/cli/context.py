"""The use cases' context, with Celery to send messages, for commands that change something."""

import logging

from willcall.cli.bootstrap import check_schema, open_config
from willcall.usecases.context import Context
from workers.app import create_app
from workers.logs import configure_logging


def open_context() -> Context:
    """Create the Celery app and return its context. Raises UnreadableStateError."""
    config = open_config()
    configure_logging(config, logging.WARNING)
    context: Context = create_app(config).willcall
    check_schema(context.stores)
    return context
