"""The Celery application and what runs it."""
