"""A backend's tests with `willcall_client.testing`: the command's whole server, started, used, left."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.command import environment
from tests.waiting import wait_until

pytestmark = pytest.mark.proof

ROOT = Path(__file__).parents[2]
WILLCALL = Path(sys.executable).with_name("willcall")

CONFTEST = 'pytest_plugins = ["willcall_client.pytest_plugin"]\n'
BACKEND_TESTS = """
import pytest
from willcall_client import ConflictError
from willcall_client.testing import SimulatorError

@pytest.mark.parametrize(("reference", "ends"), [("1", "fulfilled"), ("2", "failed"), ("3", "cancelled")])
def test_an_order_ends(willcall_server, reference, ends):
    willcall_server.simulator.add_order("tiqets", reference, ends=ends)
    order = willcall_server.client.submit("tiqets", reference)
    assert willcall_server.wait_until_final(order.id).status == ends
    assert willcall_server.simulator.requests("tiqets", reference)

def test_what_the_simulator_does_not_know_is_named(willcall_server):
    with pytest.raises(SimulatorError, match="colour"):
        willcall_server.simulator.add_order("tiqets", "4", colour="red")
    with pytest.raises(SimulatorError, match="no such account"):
        willcall_server.simulator.update_account("tiqets", "other", down="503")

def test_a_rejected_key_parks_the_account(willcall_server):
    willcall_server.simulator.update_account("paylogic", revoked=True)
    willcall_server.simulator.add_order("paylogic", "5")
    order = willcall_server.client.submit("paylogic", "5")
    with pytest.raises(TimeoutError, match="is pending and not final"):
        willcall_server.wait_until_final(order.id, timeout=3)
    health = {account.account: account.health for account in willcall_server.client.accounts()}
    assert health["paylogic/default"] == "unauthorized"
    willcall_server.simulator.update_account("paylogic", revoked=False)
    assert willcall_server.wait_until_final(order.id).status == "fulfilled"
"""
KILLED = """
import os, signal, sys
from willcall_client.testing import WillcallServer
WillcallServer().start()
print("started", flush=True)
sys.stdin.read()
"""


def test_a_backend_tests_against_its_own_willcall(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_backend.py").write_text(BACKEND_TESTS)
    ended = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env=environment(WILLCALL_BIN=str(WILLCALL), HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "5 passed" in ended.stdout


def test_the_server_ends_when_the_tests_are_killed(tmp_path: Path) -> None:
    tests = subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-c", KILLED],
        cwd=tmp_path,
        env=environment(WILLCALL_BIN=str(WILLCALL), TMPDIR=str(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tests.stdout
    assert tests.stdin
    with tests:
        assert tests.stdout.readline() == "started\n"
        started = psutil.Process(tests.pid).children(recursive=True)
        names = " ".join(" ".join(process.cmdline()) for process in started)
        assert all(part in names for part in ("worker", "beat", "api", "simulator"))
        assert "redis-server" in names or "valkey-server" in names
        tests.kill()
    wait_until(lambda: not any(process.is_running() for process in started))
    assert not list(tmp_path.glob("willcall-test-server*"))
