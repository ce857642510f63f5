"""Willcall compared with a well-tuned plain Celery and a request loop of requests, in one run on one machine."""
