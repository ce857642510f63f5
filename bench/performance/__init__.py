"""Willcall compared with a well-tuned plain Celery and a bare loop of requests, in one run on one machine."""
