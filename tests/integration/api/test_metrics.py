"""`/metrics` of a running API over a real Redis."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.api.conftest import Running, running
from tests.integration.stores.conftest import ACCOUNT, StoreHarness
from tests.waiting import STALL
from willcall.api.metrics_collector import MetricsCollector
from willcall.config import load
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.decision import AccountSignal
from willcall.orders.model import Attempt, Attention, Status
from willcall.stores import keys
from willcall.stores.accounts import AccountHealth, AccountReport
from willcall.stores.connection import connect
from willcall.stores.registry import Stores
from workers.app import create_app

if TYPE_CHECKING:
    from redis import Redis

    from willcall.usecases.context import Context

DEFAULT = {"provider": "tiqets", "account": "default"}
#: Commands of a client about itself, and of a test that counts the others.
OURS = {"cmdstat_info", "cmdstat_config", "cmdstat_ping", "cmdstat_hello", "cmdstat_auth", "cmdstat_client"}


@pytest.fixture
def harness(stores: Stores, redis: "Redis") -> StoreHarness:
    return StoreHarness(stores, redis)


class Shown:
    """What `/metrics` shows at one moment."""

    def __init__(self, api: Running) -> None:
        answer = api.get("/metrics")
        assert answer.status_code == 200
        self.types: dict[str, str] = {}
        self.samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(answer.text):
            self.types[family.name] = family.type
            for sample in family.samples:
                self.samples[sample.name, frozenset(sample.labels.items())] = sample.value

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.samples.get((f"willcall_{name}", frozenset(labels.items())))


def test_orders_are_counted_by_what_they_wait_for(api: Running, harness: StoreHarness) -> None:
    now = harness.now()
    for order_id, due in {"late": now - 9_000, "soon": now + 9_000, "graced": now - 1}.items():
        harness.submit(order_id)
        harness.redis.zadd(keys.due(ACCOUNT), {order_id: int(due * 1_000)})
    harness.submit("aside", not_before=now + 500)
    harness.commit(harness.order("aside"), "", attention=Attention.MALFORMED, due_at=None, held=True)
    shown = Shown(api)
    assert shown("orders", **DEFAULT, status="pending") == 4
    assert shown("orders", **DEFAULT, status="expired") == 0
    assert [shown(f"orders_{state}", **DEFAULT) for state in ("waiting", "overdue", "held")] == [2, 1, 1]
    assert 9_000 <= (shown("orders_oldest_overdue_seconds", **DEFAULT) or 0) < 9_000 + STALL
    assert shown("orders_attention", **DEFAULT, reason="malformed") == 1
    assert shown("orders_attention", **DEFAULT, reason="unauthorized") == 0
    assert shown("orders_overdue", provider="tixstock", account="default") == 0


def test_open_orders_are_counted_by_the_time_to_their_event(api: Running, harness: StoreHarness) -> None:
    now = harness.now()
    left = {"begun": -60, "2h": 3_600, "24h": 80_000, "7d": 100_000, "later": 9_000_000, "unknown": None}
    for name, seconds in left.items():
        harness.submit(name, event_at=None if seconds is None else now + seconds)
    harness.submit("over", event_at=now + 60)
    harness.commit(harness.order("over"), "", status=Status.FULFILLED, finished_at=now)
    shown = Shown(api)
    assert {name: shown("orders_open_by_event", **DEFAULT, event=name) for name in left} == dict.fromkeys(left, 1)


def test_orders_of_an_unconfigured_account_are_counted(api: Running, harness: StoreHarness) -> None:
    harness.redis.sadd(keys.ACCOUNTS, "tiqets/former")
    harness.redis.zadd(keys.index("tiqets/former", Status.PENDING), {"ord-1": 1})
    shown, former = Shown(api), {"provider": "tiqets", "account": "former"}
    assert (shown("orders", **former, status="pending"), shown("orders_unconfigured", **former)) == (1, 1)
    assert shown("orders_unconfigured", **DEFAULT) == 0


def test_the_health_of_an_account_is_1_for_its_value_and_0_for_the_others(api: Running, harness: StoreHarness) -> None:
    shown = Shown(api)
    assert {health: shown("account_health", **DEFAULT, health=health) for health in ("ok", "paused", "down")} == {
        "ok": 1,
        "paused": 0,
        "down": 0,
    }
    assert shown("account_health_since_timestamp_seconds", **DEFAULT) is None
    before = harness.now()
    harness.park()
    parked = Shown(api)
    assert [parked("account_health", **DEFAULT, health=health) for health in ("ok", "paused")] == [0, 1]
    since = parked("account_health_since_timestamp_seconds", **DEFAULT) or 0
    assert before <= since <= harness.now()


def test_a_paused_account_that_is_rejected_shows_both_and_since_when(api: Running, harness: StoreHarness) -> None:
    refused = AccountReport(AccountSignal.UNAUTHORIZED, "ord-0", probe=False)
    harness.stores.accounts.report_health(ACCOUNT, ACCOUNT, refused, (30, 600), harness.account_alert())
    harness.redis.hset(keys.account(ACCOUNT), "since", 1_000)
    harness.park()
    shown = Shown(api)
    assert {health.value for health in AccountHealth if shown("account_health", **DEFAULT, health=health)} == {
        "paused",
        "unauthorized",
    }
    assert shown("account_health_since_timestamp_seconds", **DEFAULT) == 1


def test_tokens_and_429s_are_those_of_the_shared_bucket(api: Running, harness: StoreHarness) -> None:
    assert Shown(api)("account_tokens", **DEFAULT) == 10
    assert Shown(api)("account_booked", **DEFAULT) == Shown(api)("account_booked_ahead_seconds", **DEFAULT) == 0
    throttled = AccountReport(AccountSignal.THROTTLED, "ord-1", probe=False, until=harness.now() + 3_600)
    harness.stores.accounts.report_health(ACCOUNT, ACCOUNT, throttled, (30, 600), harness.account_alert())
    shown = Shown(api)
    assert shown("account_throttles_total", **DEFAULT) == 1
    assert shown.types["willcall_account_throttles"] == "counter"
    assert shown("account_health", **DEFAULT, health="throttled") == 1
    assert shown("account_tokens", **DEFAULT) == 0


def test_undelivered_events_and_missing_documents_are_counted(api: Running, harness: StoreHarness) -> None:
    assert Shown(api)("events_undelivered_oldest_seconds", to="backends") == 0
    harness.submit(callback_url="https://backend.example/hook")
    harness.commit(harness.go(), event=True, status=Status.FULFILLED, finished_at=harness.now())
    harness.redis.zadd(keys.DELIVERIES_PENDING, {"ord-1": int((harness.now() - 3_000) * 1_000)})
    harness.redis.zadd(keys.FETCHES_DUE, {"ord-1": 1, "ord-2": 2})
    harness.redis.zadd(keys.DOCUMENTS_GIVEN_UP, {"ord-3": 1, "ord-4": 2, "ord-5": 3})
    shown = Shown(api)
    assert (shown("events"), shown("documents_pending"), shown("documents_given_up")) == (1, 2, 3)
    assert [shown("events_undelivered", to=to) for to in ("backends", "operators")] == [1, 0]
    assert 3_000 <= (shown("events_undelivered_oldest_seconds", to="backends") or 0) < 3_000 + STALL


def test_messages_of_each_queue_are_ready_or_scheduled(api: Running) -> None:
    api.submit("now")
    api.submit("later", not_before="2099-01-01T00:00:00Z")
    shown = Shown(api)
    assert shown("queue_messages", queue="willcall.poll.tiqets", state="ready") == 1
    assert shown("queue_messages", queue="willcall.poll.tiqets", state="waiting") == 1
    assert shown("queue_lag_seconds", queue="willcall.poll.tiqets") == 0
    assert shown("queue_messages", queue="willcall.sweeps", state="ready") == 0


def test_sweeps_show_their_last_run(api: Running, stores: Stores) -> None:
    now = stores.accounts.now()
    stores.sweeps.record_success("polls", now - 5, 0.25, {"resent": 3, "released": 0})
    stores.sweeps.record_failure("notify", now - 7, 0.5, "TimeoutError")
    stores.sweeps.record_success("of-another-version", now, 0, {})
    shown = Shown(api)
    assert shown("sweep_last_run_timestamp_seconds", sweep="polls") == pytest.approx(now - 5, abs=0.01)
    assert (shown("sweep_duration_seconds", sweep="polls"), shown("sweep_interval_seconds", sweep="polls")) == (
        0.25,
        10,
    )
    assert shown("sweep_results", sweep="polls", result="resent") == 3
    assert [shown("sweep_failed", sweep=name) for name in ("polls", "notify")] == [0, 1]
    assert shown("sweep_interval_seconds", sweep="of-another-version") is None


def test_processes_are_counted_by_their_kind(api: Running, stores: Stores) -> None:
    stores.processes.record_heartbeat("worker", "one", {})
    stores.processes.record_heartbeat("worker", "other", {})
    shown = Shown(api)
    assert [shown("processes", kind=kind) for kind in ("worker", "beat")] == [2, 0]


def test_the_metrics_of_the_api_itself_are_included(api: Running) -> None:
    ended = Shown(api)("orders_ended_total", **DEFAULT, status="cancelled") or 0
    api.submit()
    api.post("/v1/orders/ord-1/cancel")
    assert Shown(api)("orders_ended_total", **DEFAULT, status="cancelled") == ended + 1


def test_no_secret_is_shown(api: Running, harness: StoreHarness) -> None:
    harness.submit("ord-hidden", reference="hidden-reference", callback_url="https://backend.example/hidden")
    attempt = Attempt(harness.now(), "issued", 200, None, "hidden why")
    harness.commit(
        harness.go(order_id="ord-hidden"),
        event=True,
        status=Status.FULFILLED,
        finished_at=harness.now(),
        attempt=attempt,
    )
    text = api.get("/metrics").text
    assert not [word for word in ("hidden", "top-secret-key", "backend.example") if word in text]


@pytest.fixture
def exposed(redis_server: EmbeddedRedis, redis: "Redis", tmp_path: Path) -> Iterator[Running]:  # noqa: ARG001 - it is empty
    options = {"host": "0.0.0.0", "environment": {"WILLCALL_API__OPERATOR_KEYS": '["of-the-night-shift"]'}}  # noqa: S104
    with running(tmp_path, redis_server.url, "backend-01234567", **options) as api:
        yield api


def test_an_operator_key_protects_the_metrics_on_this_machine_too(
    redis_server: EmbeddedRedis,
    redis: "Redis",  # noqa: ARG001 - it is empty
    tmp_path: Path,
) -> None:
    environment = {"WILLCALL_API__OPERATOR_KEYS": '["key-of-the-night-shift"]'}
    with running(tmp_path, redis_server.url, environment=environment) as api:
        assert api.get("/metrics", key=None).status_code == 401
        from_outside = {"Host": "willcall.example.com", "X-Forwarded-For": "8.8.8.8"}
        assert api.get("/metrics", key=None, headers=from_outside).status_code == 401
        assert api.get("/metrics", key="key-of-the-night-shift", headers=from_outside).status_code == 200
        assert api.get("/metrics", key="wrong").status_code == 401


def test_other_machines_need_a_key_of_an_operator_or_a_backend(exposed: Running) -> None:
    status = {
        key: exposed.get("/metrics", key=key).status_code
        for key in (None, "wrong", "of-the-night-shift", "backend-01234567")
    }
    assert status == {None: 401, "wrong": 401, "of-the-night-shift": 200, "backend-01234567": 200}
    assert exposed.get("/v1/orders", key="of-the-night-shift").status_code == 403


@pytest.mark.proof
def test_collecting_does_not_read_each_order(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)  # its own server, so that only its commands are counted
    server.start()
    environment = {"WILLCALL_REDIS_URL": server.url, "WILLCALL_PROVIDERS__TIQETS__DEFAULT__API_KEY": "key"}
    app = create_app(load(environment))
    context: Context = app.willcall
    collector = MetricsCollector(lambda: context, dict)

    def asked(redis: "Redis") -> tuple[dict[str, int], int]:
        """How often Redis ran each command, scripts' own ones included, and how many bytes it answered."""
        redis.config_resetstat()
        assert sum(len(family.samples) for family in collector.collect()) > 20
        answered = redis.info("stats")["total_net_output_bytes"]
        calls = {name: command["calls"] for name, command in redis.info("commandstats").items()}
        return {name: count for name, count in calls.items() if name not in OURS}, answered

    def fill(redis: "Redis", orders: int) -> None:
        indexes = [
            keys.due(ACCOUNT),
            keys.held(ACCOUNT),
            keys.DELIVERIES_PENDING,
            keys.FETCHES_DUE,
            keys.FETCHES_PENDING,
        ]
        indexes += [keys.attention(ACCOUNT, reason) for reason in Attention]
        for key in (*indexes, *(keys.index(ACCOUNT, status) for status in Status)):
            redis.zadd(key, {f"ord-{n}": n for n in range(orders)})

    with connect(server.url) as redis:
        fill(redis, 10_000)
        asked(redis)  # connects, and tells Redis the scripts
        commands, answered = asked(redis)
        fill(redis, 100_000)
        many_commands, many_answered = asked(redis)
    app.close()
    server.stop()
    assert many_commands == commands
    assert many_answered < 2 * answered  # numbers grow by a digit, lists would grow tenfold
