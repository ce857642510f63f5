"""What processes make of a new configuration."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from willcall.config import Config, load
from willcall.providers.registry import ADAPTERS
from workers.app import create_app, divide_slots
from workers.processes.beat import SweepScheduler
from workers.reload import max_threads

TABLES = {
    "funtrips": 'base_url = "https://f"\ntoken_url = "https://f/token"\nclient_id = "id"\nclient_secret = "secret"\n',
    "paylogic": 'base_url = "https://p"\nusername = "name"\npassword = "password"\n',
    "tiqets": 'base_url = "https://t"\napi_key = "key"\n',
    "tixstock": 'base_url = "https://t"\nbearer_token = "token"\n',
    "voordemensen": 'client_name = "theatre"\n',
}


def configure(folder: Path, *providers: str, more: str = "") -> Config:
    tables = (f"[providers.{name}.default]\n{TABLES[name]}" for name in providers)
    (folder / "willcall.toml").write_text("\n".join([more, *tables]))
    return load({}, folder)


@pytest.mark.parametrize("concurrency", [1, 2, 4, 8, 16])
def test_a_worker_has_threads_for_every_provider_that_may_be_added(tmp_path: Path, concurrency: int) -> None:
    assert TABLES.keys() <= ADAPTERS.keys()
    first = max_threads(configure(tmp_path, "tiqets"), concurrency, ())
    for number in range(len(TABLES) + 1):
        config = configure(tmp_path, *sorted(TABLES)[:number])
        assert divide_slots(config, concurrency).threads <= first
        assert max_threads(config, concurrency, ()) == first


class Heartbeat:
    def beat(self) -> None:
        pass


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SweepScheduler]:
    app: Any = create_app(configure(tmp_path, "tiqets", more="[sweeps]\npolls = 3600\nprune = 7200"))
    app.heartbeat = Heartbeat()
    scheduler = SweepScheduler(app=app)
    sent: list[str] = []
    monkeypatch.setattr(scheduler, "apply_async", lambda entry, **_: sent.append(entry.name))
    scheduler.sent = sent
    yield scheduler
    app.close()


def test_beat_follows_the_intervals_of_sweeps(scheduler: SweepScheduler, tmp_path: Path) -> None:
    def tick() -> list[str]:
        while scheduler.tick() == 0:
            pass
        found = sorted(scheduler.sent)
        scheduler.sent.clear()
        return found

    assert len(tick()) == len(scheduler.schedule), "all sweeps are due when beat starts"
    assert tick() == []
    config = configure(tmp_path, "tiqets", more="[sweeps]\npolls = 0.000001\nprune = 7200")
    app = scheduler.app
    app.willcall = replace(app.willcall, settings=config.settings)
    scheduler.tick()
    assert scheduler.sent == ["polls"]
    assert scheduler.schedule["polls"].options["expires"] == 0.000001
    assert scheduler.schedule["prune"].total_run_count == 1, "the others keep what they know"
