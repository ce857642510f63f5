"""`willcall up`: everything on this machine, started, stopped, killed."""

import json
import os
import re
import signal
from typing import TYPE_CHECKING

import psutil
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.integration.conftest import CONFIG, Willcall
from tests.waiting import wait_until
from willcall.devtools.embedded_redis import free_port

if TYPE_CHECKING:
    import subprocess

#: Runs `up` and stops it where an exception would be lost: while Python destroys an object.
STOPPED_IN_A_DESTRUCTOR = """
import os, signal
from willcall.cli.commands import up
from willcall.cli.main import main
class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
print_addresses = up._print_addresses
def print_and_die(*arguments):
    print_addresses(*arguments)
    Dying()
up._print_addresses = print_and_die
main()
"""


def started(up: "subprocess.Popen[str]") -> dict[str, int]:
    """The numbers of the processes that `up` runs, once all have started."""
    assert up.stderr is not None
    numbers: dict[str, int] = {}
    for line in up.stderr:
        found = re.search(r"(\w+) started \(pid=(\d+)\)", line)
        if found:
            numbers[found[1]] = int(found[2])
        if numbers.keys() == {"worker", "beat", "api", "flower"}:
            break
    return numbers


def ports() -> tuple[str, ...]:
    return ("--api-port", str(free_port()), "--flower-port", str(free_port()))


@pytest.mark.proof
def test_up_runs_everything_in_a_folder_until_a_signal(unconfigured: Willcall) -> None:
    unconfigured.configure(CONFIG.replace('redis_url = "{redis_url}"', ""))
    up = unconfigured.start("up", *ports(), start_new_session=True)
    announced = unconfigured.folder / "var" / "up.json"
    wait_until(announced.exists)
    up.send_signal(signal.SIGHUP)  # it and its processes, which are starting, read the configuration again
    assert announced.stat().st_mode & 0o777 == 0o600
    written = [announced.parent, *announced.parent.rglob("*")]
    assert [path for path in written if path.is_dir() and path.stat().st_mode & 0o777 != 0o700] == []
    data = [path for path in written if path.suffix in {".aof", ".rdb", ".manifest"}]
    assert {path.stat().st_mode & 0o777 for path in data} == {0o600}
    other, orders = unconfigured.finish(unconfigured.start("up")), unconfigured("import", "/dev/null")
    assert (other.code, orders.code) == (1, 0)
    assert "running in this folder already" in other.err
    os.killpg(up.pid, signal.SIGINT)
    assert unconfigured.finish(up).code == 0
    assert not announced.exists()
    assert unconfigured("orders").code == 1


@pytest.mark.proof
def test_up_stops_at_a_signal_during_a_destructor(unconfigured: Willcall) -> None:
    unconfigured.configure(CONFIG.replace('redis_url = "{redis_url}"', ""))
    up = unconfigured.run("-c", STOPPED_IN_A_DESTRUCTOR, "up", *ports())
    _, err = up.communicate(timeout=60)
    assert up.returncode == 0
    assert err.endswith("Everything is stopped.\n")


@pytest.mark.proof
def test_up_stops_everything_when_one_process_dies(unconfigured: Willcall) -> None:
    unconfigured.configure(CONFIG.replace('redis_url = "{redis_url}"', ""))
    up = unconfigured.start("up", *ports())
    os.kill(started(up)["beat"], signal.SIGKILL)
    assert unconfigured.finish(up).code == 1


@pytest.mark.proof
def test_up_stops_everything_when_its_redis_dies(unconfigured: Willcall) -> None:
    unconfigured.configure(CONFIG.replace('redis_url = "{redis_url}"', ""))
    up = unconfigured.start("up", *ports())
    children = started(up).values()
    announced = unconfigured.folder / "var" / "up.json"
    with Redis.from_url(json.loads(announced.read_text())["redis_url"]) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)
    ended = unconfigured.finish(up)
    assert ended.code == 1
    assert "redis stopped (rc=-9), see var/redis/redis.log" in ended.err
    assert not any(map(psutil.pid_exists, children))
    assert not announced.exists()


@pytest.mark.proof
def test_the_next_up_stops_what_a_killed_one_left(unconfigured: Willcall) -> None:
    unconfigured.configure(CONFIG.replace('redis_url = "{redis_url}"', ""))
    killed = unconfigured.start("up", *ports(), start_new_session=True)
    announced = unconfigured.folder / "var" / "up.json"
    children = started(killed).values()
    url = json.loads(announced.read_text())["redis_url"]
    killed.kill()
    killed.wait()
    with Redis.from_url(url) as client:
        assert client.ping()
        again = unconfigured.start("up", *ports())
        wait_until(lambda: announced.exists() and url not in announced.read_text())
        with pytest.raises(RedisConnectionError):
            client.ping()
    wait_until(lambda: not any(map(psutil.pid_exists, children)))
    again.send_signal(signal.SIGTERM)
    assert unconfigured.finish(again).code == 0
