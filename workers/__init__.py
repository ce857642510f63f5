"""The Celery application, its workers and its broker transport."""
