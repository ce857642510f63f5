"""The task that runs a sweep."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from celery import Celery

from schedules import tasks
from schedules.sweeps import SweepResult
from tasks.queues import SWEEPS
from tests.integration.workers.test_sender import application
from willcall.devtools.embedded_redis import EmbeddedRedis
from workers.transport.delayed import delayed_stats

if TYPE_CHECKING:
    from redis import Redis


@pytest.fixture
def app(redis_server: EmbeddedRedis, redis: "Redis") -> Iterator[Celery]:  # noqa: ARG001 - it is empty
    app = application(redis_server)
    yield app
    app.close()


@pytest.mark.parametrize(("unfinished", "waits"), [(True, 1), (False, 0)])
def test_a_sweep_that_ran_out_of_time_continues_soon(
    app: Celery,
    redis: "Redis",
    monkeypatch: pytest.MonkeyPatch,
    unfinished: bool,  # noqa: FBT001
    waits: int,
) -> None:
    monkeypatch.setattr(tasks, "sweep_for", lambda *_: SweepResult({"resent": 7}, unfinished))
    assert app.tasks["schedules.sweep"].apply(("polls",)).result == {"resent": 7}
    assert delayed_stats(redis, [SWEEPS])[SWEEPS].count == waits


def test_a_sweep_that_runs_elsewhere_is_left_to_that_run(
    app: Celery, redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "sweep_for", lambda *_: None)
    assert app.tasks["schedules.sweep"].apply(("polls",)).result is None
    assert delayed_stats(redis, [SWEEPS])[SWEEPS].count == 0
