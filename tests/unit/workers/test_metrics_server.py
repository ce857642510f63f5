"""A worker's metrics server, over real sockets."""

import socket
from contextlib import ExitStack

import pytest
import requests
from prometheus_client import CollectorRegistry, Counter

from willcall.devtools.embedded_redis import free_port
from workers.metrics_server import metrics_server

HOST = "127.0.0.1"


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("polls", "Polls.", registry=registry).inc(3)
    return registry


def test_metrics_are_served_until_the_end_of_the_block(registry: CollectorRegistry) -> None:
    port = free_port()
    with metrics_server(registry, HOST, port) as address:
        assert address == f"{HOST}:{port}"
        assert "polls_total 3.0" in requests.get(f"http://{address}/metrics", timeout=60).text
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{HOST}:{port}/metrics", timeout=60)


def test_a_page_that_names_itself_as_this_machine_reads_nothing(registry: CollectorRegistry) -> None:
    with metrics_server(registry, HOST, free_port()) as address:
        for name in ("evil.example", "localhost.evil.example", ""):
            answer = requests.get(f"http://{address}/metrics", headers={"Host": name}, timeout=60)
            assert (answer.status_code, "polls_total" in answer.text) == (421, False)
        assert requests.get(f"http://{address}/metrics", headers={"Host": "localhost"}, timeout=60).ok


def test_if_the_port_is_in_use_the_next_free_one_is_used(registry: CollectorRegistry) -> None:
    first = free_port()
    with ExitStack() as stack:
        addresses = [stack.enter_context(metrics_server(registry, HOST, first)) for _ in range(3)]
        assert len(set(addresses)) == 3
        assert addresses[0] == f"{HOST}:{first}"
        for address in addresses:
            assert requests.get(f"http://{address}/metrics", timeout=60).ok


def test_port_0_serves_nothing(registry: CollectorRegistry) -> None:
    with metrics_server(registry, HOST, 0) as address:
        assert address is None


def test_a_worker_runs_without_metrics_if_no_port_is_free(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.metrics_server.PORTS", 1)
    with socket.create_server((HOST, 0)) as in_use:
        with metrics_server(registry, HOST, in_use.getsockname()[1]) as address:
            assert address is None
        with metrics_server(registry, "203.0.113.7", 9_464) as address:  # no address of this machine
            assert address is None
