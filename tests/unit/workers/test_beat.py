"""The end of beat."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.workers.test_reload import configure
from workers.app import create_app
from workers.processes.beat import SweepBeat, SweepScheduler


@pytest.fixture
def _own_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    signal.alarm(0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_own_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_sweep_is_sent_to_its_end_before_beat_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Over RabbitMQ, a sending that is cut off leaves a connection that cannot be closed."""
    app = create_app(configure(tmp_path, "tiqets"))
    app.heartbeat = SimpleNamespace(beat=lambda: None)
    sent = []

    def send(*_: object, **__: object) -> None:
        os.kill(os.getpid(), number)
        sent.append(True)

    monkeypatch.setattr(app.tasks["schedules.sweep"], "apply_async", send)
    SweepBeat(app=app, scheduler=SweepScheduler, max_interval=0.01, quiet=True).run()
    assert sent == [True]
    assert signal.alarm(0) > 0  # it would not wait for a broker without end
