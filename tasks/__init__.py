"""Thin Celery shells: read ids, call one use case, reschedule."""
