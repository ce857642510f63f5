"""Somebody to look at: a configuration over a Redis of the tests' own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.waiting import STALL
from willcall.cli.doctor.examination import CHECKS
from willcall.cli.doctor.findings import Finding, Level
from willcall.cli.doctor.patient import Patient
from willcall.config import load
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.simulator.account_tables import to_toml

if TYPE_CHECKING:
    from redis import Redis

ACCOUNTS = {
    "tiqets": {"default": {"base_url": "https://127.0.0.1:9/v2", "api_key": "top-secret-key"}},
    "tixstock": {"default": {"base_url": "https://127.0.0.1:9/v1", "bearer_token": "top-secret-key"}},
}

Admit = Callable[..., Patient]
Serve = Callable[..., EmbeddedRedis]


class Server(EmbeddedRedis):
    """A server with settings of its own."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        super().__init__(folder)
        self._own = settings

    def _settings(self) -> str:
        return super()._settings() + "".join(f"{name} {value}\n" for name, value in self._own.items())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serve]:
    """Starts a Redis server with settings laid over the embedded one's."""
    with ExitStack() as stack:

        def start(**settings: Any) -> EmbeddedRedis:
            own = {name.replace("_", "-"): value for name, value in settings.items()}
            started = Server(tmp_path / f"redis-{len(list(tmp_path.iterdir()))}", own)
            started.start()
            stack.callback(started.kill)
            return started

        yield start


@pytest.fixture
def admit(
    tmp_path: Path,
    redis_server: EmbeddedRedis,
    redis: "Redis",  # noqa: ARG001 - it is empty
    monkeypatch: pytest.MonkeyPatch,
) -> Admit:
    """Makes a patient: two accounts over the empty test server, unless keys of the configuration say otherwise.

    Redis may take a minute to answer, and the clocks may be as far apart meanwhile.
    """
    monkeypatch.setattr("willcall.cli.doctor.patient.REDIS_TIMEOUT", STALL)
    monkeypatch.setattr("willcall.cli.doctor.server.APART", STALL)

    def make(**settings: Any) -> Patient:
        ours = {
            "redis_url": redis_server.url,
            "documents_url": f"file://{tmp_path}/documents",
            "providers": ACCOUNTS,
        }
        (tmp_path / "willcall.toml").write_text(to_toml(ours | settings))
        return Patient(load({}, tmp_path))

    return make


def findings(patient: Patient, check: str) -> list[Finding]:
    """What a check finds; each has something to mend unless it is well."""
    found = CHECKS[check](patient)
    assert found
    assert all((finding.mend is None) == (finding.level in {Level.OK, Level.UNKNOWN}) for finding in found)
    return found


def told(patient: Patient, check: str) -> list[tuple[str, str]]:
    """The same in short: how bad, and what."""
    return [(finding.level.value, finding.found) for finding in findings(patient, check)]


def well(patient: Patient, check: str) -> str:
    """What a check says where all is well, as it must be."""
    ((level, found),) = told(patient, check)
    assert level == "ok", found
    return found
