"""A beat outlives its broker: as soon as it is back, every sweep is sent again."""

import pytest

from schedules.sweeps import SWEEPS
from tests.e2e.conftest import OFTEN, Setup
from tests.waiting import wait_until


@pytest.mark.proof
def test_sweeps_run_again_after_an_outage_that_beat_noticed(deployment: Setup) -> None:
    setting = deployment({"tiqets/default": {}})
    runs = setting.context.stores.sweeps
    setting.start("beat")
    setting.start("worker", "--queues", "willcall.sweeps")
    wait_until(lambda: runs.last_runs().keys() == SWEEPS.keys())

    def log() -> str:
        return (setting.folder / "beat.log").read_text()

    setting.redis.kill()
    wait_until(lambda: "sweep not sent" in log())
    setting.redis.start()
    back = setting.context.stores.accounts.now()
    wait_until(lambda: all(runs.last_runs()[sweep].at > back for sweep in OFTEN))
    wait_until(lambda: "sweeps resumed" in log())
    assert log().count("sweep not sent") == 1
    assert "Traceback" not in log()
