"""Willcall beside a well-tuned plain Celery and a bare loop of requests, measured in one run on one machine."""
