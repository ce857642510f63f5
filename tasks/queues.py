"""Which queue a message goes to."""

#: Submissions arrive where any Celery app sends by default, so that a backend needs no routing.
SUBMIT = "celery"
#: Beat's sweeps, so that they never wait behind polls.
SWEEPS = "sweeps"


def poll_queue(account_key: str) -> str:
    """Polls queue per provider, so that a slow one cannot starve the others."""
    return "poll." + account_key.partition("/")[0]
