"""The users of Redis that docs/ops/deployment.md gives rights to: our own processes, and a backend that submits."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen

import pytest
from celery import Celery
from redis import Redis
from redis.exceptions import NoPermissionError

from tests.e2e.conftest import Setup, submit_all, wait_for_the_end
from tests.e2e.test_chain import tiqets
from tests.waiting import wait_until
from willcall.devtools.forked_processes import Forked
from willcall.devtools.local_deployment import LocalDeployment

PAGE = Path(__file__).parents[2] / "docs" / "ops" / "deployment.md"


#: Commands that managed servers refuse, beside the dangerous ones.
HIDDEN = ("-client", "-command", "-memory", "-object")


def rights(user: str) -> list[str]:
    """What the page gives to a user."""
    (line,) = re.findall(rf"^ACL SETUSER {user} (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    words: list[str] = line.split()
    return words


@pytest.mark.proof
def test_our_processes_need_no_dangerous_command(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {}})
    with Redis.from_url(system.redis.url) as client:
        client.execute_command("ACL", "SETUSER", "willcall", *rights("willcall"), *HIDDEN)
        url = f"redis://willcall:a-long-password@127.0.0.1:{system.redis.port}/0"
        given = {"WILLCALL_REDIS_URL": url}
        for name in ("worker", "beat"):
            system.start(name, **given)
        system.start("api", "--port", str(system.api_port), **given)
        system.wait_for_api()
        system.wait_for_workers(1)
        system.start("flower", "--port", str(system.flower_port), FLOWER_BASIC_AUTH="a:b", **given)
        wait_for_the_end(system, submit_all(system, [tiqets(number) for number in range(5)]))
        wait_until(lambda: "{task} enabled" in (system.folder / "worker.log").read_text())
        with urlopen(f"{system.api_url}/readyz", timeout=60) as response:  # noqa: S310 - our own API
            assert response.status == HTTPStatus.OK
        doctor = system.start("doctor", **given)
        assert isinstance(doctor, Forked)
        doctor.wait(60)
        output = (system.folder / "doctor.log").read_text()
        assert "its user may not run `INFO`, so its settings are unknown" in " ".join(output.split())
        assert "error" not in output
        refused = {entry["object"] for entry in client.acl_log() if entry["reason"] != "auth"}
        assert {word.partition("|")[0] for word in refused} <= {"info", "client"}


@pytest.fixture
def backend(deployment: Setup) -> Iterator[tuple[LocalDeployment, Celery, str]]:
    system = deployment({"tiqets/default": {}})
    with Redis.from_url(system.redis.url) as client:
        client.execute_command("ACL", "SETUSER", "shop", *rights("shop"))
    url = f"redis://shop:another-password@127.0.0.1:{system.redis.port}/0"
    app = Celery("shop", broker=url, set_as_current=False)
    app.conf.update(broker_transport="kombu.transport.redis:Transport", task_ignore_result=True)
    yield system, app, url
    app.close()


@pytest.mark.proof
def test_a_backend_user_may_submit_but_read_nothing(backend: tuple[LocalDeployment, Celery, str]) -> None:
    system, app, url = backend
    system.start("worker")
    system.wait_for_workers(1)
    system.providers.add_orders([tiqets(number) for number in range(2)])
    for number, options in enumerate([{}, {"priority": 6, "countdown": 1}]):
        payload = {"id": f"mine-{number}", "provider": "tiqets", "reference": tiqets(number).reference}
        app.send_task("tasks.submit", kwargs=payload, queue="willcall", **options)
    wait_for_the_end(system, {"mine-0": "fulfilled", "mine-1": "fulfilled"})
    with Redis.from_url(url) as client:
        for command in (
            ("HGETALL", "willcall:order:mine-0"),
            ("LRANGE", "willcall", 0, -1),
            ("RPOP", "willcall"),
            ("DEL", "willcall"),
            ("LPUSH", "willcall.poll.tiqets", "x"),
            ("LPUSH", "willcall:ops:undelivered", "x"),
            ("XRANGE", "willcall:events", "-", "+"),
            ("KEYS", "*"),
            ("PUBLISH", "/0.willcall.pidbox", "x"),
            ("EVAL", "return 1", 0),
        ):
            with pytest.raises(NoPermissionError):
                client.execute_command(*command)
