"""The application of this process's configuration: what `celery -A workers.main` finds."""

from willcall.config import load
from workers.app import create_app
from workers.logs import configure_logging

config = load()
configure_logging(config)
app = create_app(config)
