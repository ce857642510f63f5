"""The application for Celery's own command line: `celery -A workers.main`."""

from willcall.config import load
from workers.app import create_app
from workers.logs import configure_logging

config = load()
configure_logging(config)
app = create_app(config)
