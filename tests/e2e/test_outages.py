"""Redis runs but refuses commands: our processes wait, say so once, and resume by themselves."""

import json
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from redis import Redis

from tests.e2e.conftest import OFTEN, Setup, submit_all, wait_for_the_end
from tests.e2e.test_chain import tiqets
from tests.waiting import wait_until
from willcall.devtools.local_deployment import LocalDeployment

#: More lines than a worker writes in an outage: two dozen messages were on their way.
LOUD = 100


def ask(url: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any], str | None]:
    """The status, the document, and `Retry-After`."""
    data = None if body is None else json.dumps(body).encode()
    try:
        request = Request(url, data, {"content-type": "application/json"})  # noqa: S310 - ours
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - ours
            return answer.status, json.load(answer), None
    except HTTPError as error:
        return error.code, json.load(error), error.headers["Retry-After"]


def log_lines(system: LocalDeployment, process: str) -> list[dict[str, Any]]:
    lines = (system.folder / f"{process}.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def readonly(client: Redis) -> Callable[[], object]:
    client.replicaof("127.0.0.1", 1)
    return lambda: client.replicaof("NO", "ONE")


def out_of_memory(client: Redis) -> Callable[[], object]:
    client.config_set("maxmemory", 1)
    return lambda: client.config_set("maxmemory", 0)


@pytest.mark.parametrize(
    ("bring_about", "code"), [pytest.param(readonly, "READONLY", marks=pytest.mark.proof), (out_of_memory, "OOM")]
)
def test_a_redis_that_does_not_serve_is_an_outage_and_nothing_is_lost(
    deployment: Setup, bring_about: Callable[[Redis], Callable[[], object]], code: str
) -> None:
    system = deployment({"tiqets/default": {}})
    children = {name: system.start(name) for name in ("worker", "beat")} | {"api": system.start_api()}
    system.wait_for_workers(1)
    system.wait_for_api()
    expected = submit_all(system, [tiqets(number, ready_after=3) for number in range(20)])
    with Redis.from_url(system.redis.url) as client:
        wait_until(lambda: len(system.context.stores.sweeps.last_runs()) >= len(OFTEN))
        repair = bring_about(client)
        wait_until(lambda: ask(f"{system.api_url}/readyz")[0] == 503)
        _, document, _ = ask(f"{system.api_url}/readyz")
        assert document["parts"]["redis"]["detail"] == f"refuses commands: {code}"
        order = {"id": "refused", "provider": "tiqets", "reference": "1"}
        status, problem, again = ask(f"{system.api_url}/v1/orders", order)
        assert (status, problem["type"], bool(again)) == (503, "urn:willcall:problem:unavailable", True)
        wait_until(lambda: [line for line in log_lines(system, "worker") if line["logger"] == "workers.consumer"])
        refused = client.info("errorstats")
        wait_until(lambda: client.info("errorstats") != refused)  # they try again
        lines = len(log_lines(system, "worker"))
        repair()
        wait_for_the_end(system, expected)
    assert {name: child.poll() for name, child in children.items()} == dict.fromkeys(children)
    wait_until(lambda: ask(f"{system.api_url}/readyz")[0] == 200)
    said = [line["event"] for line in log_lines(system, "worker") if line["logger"] == "workers.consumer"]
    assert said == ["broker unreachable", "broker reconnected"]
    assert lines < LOUD


@pytest.mark.proof
def test_the_exit_code_of_a_worker_is_its_own(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {}})
    well = system.start("worker")
    system.wait_for_workers(1)
    well.terminate()
    assert well.wait(60) == 0
    with Redis.from_url(system.redis.url) as client:
        client.set("willcall:broker:binding:willcall", "not the set that kombu expects")
    assert system.start("worker").wait(60) == 1
