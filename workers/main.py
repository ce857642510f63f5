"""The application of this process's configuration: what `celery -A workers.main` finds."""

from willcall.config import load
from workers.app import create_app

app = create_app(load())
