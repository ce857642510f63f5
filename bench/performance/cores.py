"""Who runs on which core: the process that is measured on one, all else on another."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def _two_cores() -> tuple[int, int]:
    """The core of the driver, Redis and the provider, and the one of what is measured."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


OTHERS, MEASURED = _two_cores()


def confine() -> None:
    """Keep this process, and those it starts, off the core that is measured."""
    os.sched_setaffinity(0, {OTHERS})


@contextmanager
def measured_core() -> Iterator[None]:
    """Processes started inside the block run on the measured core, with all of their threads."""
    os.sched_setaffinity(0, {MEASURED})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {OTHERS})
