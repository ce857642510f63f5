"""An order ends through a real worker, whichever form the address of Redis has."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from redis import Redis

from tests.any_redis import FORMS, PASSWORD, SENTINEL_PASSWORD, AnyRedis, any_redis
from tests.e2e.conftest import Setup, submit_all, wait_for_the_end
from tests.e2e.test_chain import tiqets
from tests.tools import require
from tests.waiting import wait_until
from willcall.devtools.forked_processes import Forked
from willcall.devtools.local_deployment import LocalDeployment

pytestmark = pytest.mark.proof

SECRETS = (PASSWORD, SENTINEL_PASSWORD)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyRedis]:
    with any_redis(tmp_path_factory.mktemp("r")) as running:
        yield running


def fulfil_an_order(system: LocalDeployment) -> None:
    """Run a worker, beat, the API and Flower until an order has ended, and the doctor."""
    system.start("beat")
    system.start("worker")
    system.start("api", "--port", str(system.api_port))
    system.wait_for_api()
    system.wait_for_workers(1)
    system.start("flower", "--port", str(system.flower_port), FLOWER_BASIC_AUTH="a:b")
    wait_until(lambda: "{task} enabled" in (system.folder / "worker.log").read_text())  # by Flower
    wait_for_the_end(system, submit_all(system, [tiqets(number) for number in range(2)]))
    told = str(system.app.control.inspect(timeout=10, limit=1).stats())
    assert "transport_options" in told
    assert not any(secret in told for secret in SECRETS)
    doctor = system.start("doctor", "--only", "redis", "--only", "broker", "--only", "workers", "--only", "queues")
    assert isinstance(doctor, Forked)
    doctor.wait(60)
    assert "error" not in (system.folder / "doctor.log").read_text()
    for log in system.folder.glob("*.log"):
        assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("form", FORMS)
def test_an_order_is_fulfilled(servers: AnyRedis, deployment: Setup, form: str) -> None:
    require("a Redis with TLS", servers.urls.get(form))
    fulfil_an_order(deployment({"tiqets/default": {}}, redis_url=servers.urls[form]))
    with Redis.from_url(servers.admin) as admin:
        assert f"db{FORMS.index(form) + 1}" in admin.info("keyspace")
        assert "db0" not in admin.info("keyspace")


@pytest.mark.parametrize("database", [0, 3])
def test_state_and_messages_may_be_in_one_database_or_in_two(
    servers: AnyRedis, deployment: Setup, database: int
) -> None:
    """The two addresses name one server, with options of their own."""
    login = urlsplit(servers.admin).netloc
    with Redis.from_url(servers.admin) as admin:
        admin.flushall()
        system = deployment(
            {"tiqets/default": {}},
            redis_url=f"redis://{login}/3?protocol=3&client_name=state",
            broker_url=f"redis://{login}/{database}?protocol=2&client_name=messages&health_check_interval=5",
        )
        fulfil_an_order(system)
        assert {client["name"] for client in admin.client_list()} >= {"state", "messages"}
        assert admin.info("keyspace").keys() == {"db3", f"db{database}"}
